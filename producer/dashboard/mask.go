package dashboard

import (
	"strings"
	"unicode/utf8"
)

// mask hides what is about people: ids of recipients, and texts of messages.
type mask struct{ shown bool }

// id leaves of a user's, group's or room's id what tells it apart from others: U0123…cdef. Of anything else, less.
func (m mask) id(id string) string {
	if m.shown || id == "" {
		return id
	}
	if len(id) < 16 {
		return strings.Repeat("•", utf8.RuneCountInString(id[:min(len(id), 1)])+3)
	}
	return id[:5] + "…" + id[len(id)-4:]
}

// text leaves a text's length.
func (m mask) text(text string) string {
	if m.shown || text == "" {
		return text
	}
	return "(" + plural(utf8.RuneCountInString(text), "character") + ")"
}
