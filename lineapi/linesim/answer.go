package linesim

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// answer is a response before faults have had their say.
type answer struct {
	status     int
	body       []byte
	mediaType  string // empty: application/json
	acceptedID string // of the request that used the retry key first
	edge       bool   // from a server in front of LINE's: HTML, no request id
}

var empty = []byte("{}")

var (
	ok200 = answer{status: http.StatusOK, body: empty}
	ok202 = answer{status: http.StatusAccepted, body: empty}
)

func jsonAnswer(status int, v any) answer {
	b, err := json.Marshal(v)
	if err != nil {
		panic("linesim: an answer doesn't marshal: " + err.Error())
	}
	return answer{status: status, body: b}
}

type detail struct {
	Message  string `json:"message"`
	Property string `json:"property"`
}

func refuse(status int, message string) answer {
	return jsonAnswer(status, struct {
		Message string `json:"message"`
	}{message})
}

// refuseMenu has the empty details that LINE's rich menu errors show.
func refuseMenu(status int, message string) answer {
	return jsonAnswer(status, struct {
		Message string   `json:"message"`
		Details []detail `json:"details"`
	}{message, []detail{}})
}

func refuseDetails(message string, details []detail) answer {
	return jsonAnswer(http.StatusBadRequest, struct {
		Message string   `json:"message"`
		Details []detail `json:"details"`
	}{message, details})
}

// refuseProperty blames one property of the body.
func refuseProperty(property, text string) answer {
	return refuseDetails("The request body has 1 error(s)", []detail{{text, property}})
}

// refuseOAuth has the form of the token endpoints.
func refuseOAuth(status int, code, description string) answer {
	return jsonAnswer(status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{code, description})
}

// The texts of https://developers.line.biz/en/reference/messaging-api/#error-messages.
const (
	textRate        = "The API rate limit has been exceeded. Try again later."
	textQuota       = "You have reached your monthly limit."
	textAccepted    = "The retry key is already accepted"
	textFailed      = "Failed to send messages"
	textNotFound    = "Not found"
	textUnavailable = "Access to this API is not available for your account"
	textStart       = "Invalid start param"
	textAuth        = "Authentication failed due to the following reason: "
)

func refuseAuth(reason string) answer {
	return refuse(http.StatusUnauthorized,
		textAuth+reason+". Confirm that the access token in the authorization header is valid.")
}

// invalidProperty names a property of the body; line and column are "-" where LINE's checks know none.
func invalidProperty(property, line, column string) answer {
	return refuse(http.StatusBadRequest,
		"The property, "+property+", in the request body is invalid (line: "+line+", column: "+column+")")
}

func invalidParameter(name string) answer {
	return refuse(http.StatusBadRequest, "The value for the '"+name+"' parameter is invalid")
}

// failure is the answer of a fault with a status of its own.
func failure(status int) answer {
	switch status {
	case http.StatusUnauthorized:
		return refuseAuth("invalid token")
	case http.StatusTooManyRequests:
		return refuse(status, textRate)
	}
	return refuse(status, http.StatusText(status))
}

func edgeAnswer(status int) answer {
	title := strconv.Itoa(status) + " " + http.StatusText(status)
	return answer{
		status: status, mediaType: "text/html", edge: true,
		body: []byte("<html><head><title>" + title + "</title></head><body><h1>" + title + "</h1></body></html>\n"),
	}
}

func (a answer) write(w http.ResponseWriter, requestID string) {
	h := w.Header()
	if a.mediaType == "" && len(a.body) > 0 {
		a.mediaType = "application/json"
	}
	if a.mediaType != "" {
		h["Content-Type"] = []string{a.mediaType}
	}
	h["Content-Length"] = []string{strconv.Itoa(len(a.body))}
	if !a.edge {
		h["X-Line-Request-Id"] = []string{requestID}
	}
	if a.acceptedID != "" {
		h["X-Line-Accepted-Request-Id"] = []string{a.acceptedID}
	}
	w.WriteHeader(a.status)
	w.Write(a.body) // a caller that left has no use for the error
}
