package gateway

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/lineq/lineq/lineapi"
)

// refuseBody is LINE's answer to what is wrong with the body as a whole.
func refuseBody(details []detail) answer {
	return refuseFor(http.StatusBadRequest, "The request body has "+strconv.Itoa(len(details))+" error(s)", details...)
}

// within are the paths of templates and Flex contents, which LINE checks apart: it names the message, and the place within.
var within = regexp.MustCompile(`^(messages\[\d+\])\.(?:(template)|contents)([.\[].*)?$`)

// refuseTask tells in LINE's words what the check of a task found. LINE's parser stops at the first property of a wrong
// type; then come all remarks on the body, and then those on the inside of the first message that has any.
func refuseTask(e *lineapi.Error) answer {
	var outer, inner []detail
	message := ""
	for _, d := range e.Details {
		parts := within.FindStringSubmatch(d.Property)
		switch {
		case parts == nil && isMistyped(d.Message):
			return refuseProperty("'"+d.Property+"'", "-", "-")
		case parts == nil || parts[3] == "":
			outer = append(outer, detail{outerText(d.Message), d.Property})
		case message == "" || message == parts[1]:
			message = parts[1]
			inner = append(inner, detail{innerText(d.Message), parts[2] + slashed(parts[3])})
		}
	}
	switch {
	case outer != nil:
		return refuseBody(outer)
	case inner != nil:
		// The space after the parenthesis is a no-break space at LINE, too.
		return refuseFor(http.StatusBadRequest, "A message ("+message+")\u00a0in the request body is invalid", inner...)
	}
	return refuse(http.StatusBadRequest, e.Message)
}

// slashed is the path .actions[0].uri as /actions/0/uri.
func slashed(path string) string {
	return strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(path)
}

// isMistyped goes by the words of lineapi's checks, which have no types; TestSameRefusals keeps the two together.
func isMistyped(text string) bool {
	switch text {
	case "must be a string", "must be a number", "must be an object", "must be an array":
		return true
	}
	return false
}

func outerText(text string) string {
	switch {
	case text == "must be specified":
		return textEmpty
	case strings.HasPrefix(text, "must start with http"):
		return "invalid uri scheme"
	}
	return text
}

func innerText(text string) string {
	switch {
	case isMistyped(text):
		return "invalid property"
	case text == textEmpty:
		return "must be non-empty text"
	case strings.HasPrefix(text, "must start with http"):
		return "invalid uri scheme"
	}
	for _, what := range []string{"Size", "Length"} {
		if rest, ok := strings.CutPrefix(text, what+" must be between "); ok {
			return "size must be between " + rest
		}
	}
	return text
}
