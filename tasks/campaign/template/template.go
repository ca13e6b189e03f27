// Package template fills the placeholders of LINE messages.
//
// In any string of a message, but in no key, {{name}} stands for the recipient's value of that name, and
// {{name|default}} for the default where there is none: where it is absent or empty. Blanks around a name don't count;
// all of a default does. {{{{ is a literal {{, and a later }}}} its }}, since LINE's textV2 doubles braces itself. Every
// other byte of the messages stays as it is, a }} that ends nothing, too.
//
//	t, err := template.Parse(messages)
//	b, err := t.Bind([]string{"to", "name"})
//	body = b.Append(body, []string{to, name})
//
// Values come in as they are: a quote in a name can't break the message, and a brace in the text of a textV2, where LINE
// reads {name} as a place of its own, is doubled. Errors name placeholders and places, but
// nothing of what a message says.
package template

import (
	"fmt"

	"github.com/lineq/lineq/lineapi"
)

// Template is one to five messages with their placeholders. It is immutable.
type Template struct {
	slots        []slot
	tail         []byte
	placeholders []Placeholder
	irregular    bool // what CheckMessages says of it depends on more than the lengths of the values
}

// slot is one use of a placeholder.
type slot struct {
	before      []byte // JSON between the slot before it and this one
	placeholder int
	fallback    []byte // what stands within a JSON string; nil: there is no default
	ofTextV2    bool   // it is in the text of a textV2
}

// Placeholder is a name that messages use.
type Placeholder struct {
	Name    string
	Default bool // every use has a default
}

// Error says what is wrong with a template, or with the columns that it got.
type Error struct {
	Path    string // of the string within the JSON, such as messages[0].text; empty where it is none
	Problem string
}

func (e *Error) Error() string {
	if e.Path == "" {
		return e.Problem
	}
	return e.Path + ": " + e.Problem
}

// Parse reads the placeholders of one to five messages. Its errors are *[Error]. It doesn't check what LINE would say of
// the messages, since that depends on the values: [Bound.Check] does.
func Parse(messages []lineapi.Message) (*Template, error) {
	if len(messages) < 1 || len(messages) > lineapi.MaxMessages {
		problem := fmt.Sprintf("these are %d, and LINE takes 1 to %d", len(messages), lineapi.MaxMessages)
		return nil, &Error{"messages", problem}
	}
	t := &Template{}
	var literal []byte
	for i, m := range messages {
		raw, err := m.MarshalJSON()
		if err != nil {
			return nil, &Error{fmt.Sprintf("messages[%d]", i), "it is not a message"}
		}
		literal = append(literal, "[,"[min(i, 1)])
		p := parser{t: t, raw: raw, literal: literal, ofTemplate: m.Type() == "template", ofTextV2: m.Type() == "textV2"}
		p.path = append(p.path, step{key: []byte("messages"), index: -1}, step{index: i})
		if err := p.value(); err != nil {
			return nil, err
		}
		literal = append(p.literal, raw[p.copied:]...)
	}
	t.tail = append(literal, ']')
	return t, nil
}

// Placeholders lists the names that are used, in the order of their first use.
func (t *Template) Placeholders() []Placeholder { return append([]Placeholder(nil), t.placeholders...) }

// use notes one more use of a name, and returns its index.
func (t *Template) use(name string, hasDefault bool) int {
	for i := range t.placeholders {
		if p := &t.placeholders[i]; p.Name == name {
			p.Default = p.Default && hasDefault
			return i
		}
	}
	t.placeholders = append(t.placeholders, Placeholder{name, hasDefault})
	return len(t.placeholders) - 1
}
