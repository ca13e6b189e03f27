package worker

import (
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/lineq/lineq/lineapi"
)

// blame is whom a refusal is about.
type blame int

const (
	blamesNobody    blame = iota // LINE doesn't say
	blamesRecipient              // one of them, perhaps named
	blamesMessage                // it would be refused for everybody
)

// culprit finds in LINE's text the index of the recipient that it refuses, as in
// "The property, to[1], in the request body is invalid"
// (https://developers.line.biz/en/reference/messaging-api/#send-multicast-message).
var culprit = regexp.MustCompile(`\bto\[(\d+)\]`)

// blamed reads from LINE's refusal whom it is about; index is the recipient's in the request, -1 where LINE names none. LINE
// calls its texts changeable (https://developers.line.biz/en/reference/messaging-api/#error-messages): what isn't
// recognised blames nobody.
func blamed(err error) (b blame, index int) {
	var e *lineapi.Error
	if !errors.As(err, &e) {
		return blamesNobody, -1
	}
	switch e.Status {
	case http.StatusBadRequest:
	case http.StatusForbidden, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		return blamesMessage, -1 // what the account may, and how large it is, doesn't depend on the recipient
	default:
		return blamesNobody, -1
	}
	places := []string{e.Message}
	for _, d := range e.Details {
		places = append(places, d.Property, d.Message)
	}
	all := strings.Join(places, "\n")
	if m := culprit.FindStringSubmatch(all); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			return blamesRecipient, n
		}
	}
	for _, d := range e.Details {
		if strings.HasPrefix(d.Property, "messages") || strings.HasPrefix(d.Property, "customAggregationUnits") {
			return blamesMessage, -1
		}
	}
	lower := strings.ToLower(e.Message)
	switch {
	case strings.Contains(lower, "'to'"), strings.Contains(lower, "failed to send messages"):
		return blamesRecipient, -1
	case strings.Contains(lower, "messages["), strings.Contains(lower, "could not be parsed as json"):
		return blamesMessage, -1
	}
	return blamesNobody, -1
}
