package gateway

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// answer is one of LINE's shape.
type answer struct {
	status     int
	body       []byte
	requestID  string
	acceptedID string // of the task that an earlier request with the same key made
	campaign   string // the campaign that a large multicast became
	retryAfter time.Duration
}

// detail is LINE's remark on a part of a request.
type detail struct {
	Message  string `json:"message"`
	Property string `json:"property"`
}

// Texts of https://developers.line.biz/en/reference/messaging-api/#error-messages, and those that LINE uses without
// listing them there.
const (
	textAccepted    = "The retry key is already accepted"
	textNotFound    = "Not found"
	textRate        = "The API rate limit has been exceeded. Try again later."
	textEmpty       = "May not be empty"
	textNoRetryKey  = "The retry key is not supported by this API"
	textReused      = "The retry key has been used for another request"
	textIDReused    = "The X-Lineq-Id has been used for another request"
	textUnavailable = "The queue is not available. Try again later."
	textUnread      = "The request body could not be read"
)

func refuse(status int, message string) answer {
	return jsonAnswer(status, struct {
		Message string `json:"message"`
	}{message})
}

// refuseFor has the shape of LINE's errors with details.
func refuseFor(status int, message string, details ...detail) answer {
	if details == nil {
		details = []detail{}
	}
	return jsonAnswer(status, struct {
		Message string   `json:"message"`
		Details []detail `json:"details"`
	}{message, details})
}

// refuseProperty blames one property of the body; line and column are "-" where LINE's checks know none.
func refuseProperty(property, line, column string) answer {
	return refuse(http.StatusBadRequest,
		"The property, "+property+", in the request body is invalid (line: "+line+", column: "+column+")")
}

func refuseParameter(name string) answer {
	return refuse(http.StatusBadRequest, "The value for the '"+name+"' parameter is invalid")
}

func refuseCaller(reason string) answer {
	return refuse(http.StatusUnauthorized, "Authentication failed due to the following reason: "+reason+
		". Confirm that the access token in the authorization header is valid.")
}

func unavailable() answer {
	a := refuse(http.StatusServiceUnavailable, textUnavailable)
	a.retryAfter = time.Second
	return a
}

func jsonAnswer(status int, v any) answer {
	b, err := json.Marshal(v)
	if err != nil {
		panic("gateway: an answer doesn't marshal: " + err.Error())
	}
	return answer{status: status, body: b}
}

func (a answer) write(w http.ResponseWriter) {
	h := w.Header()
	h["Content-Type"] = []string{"application/json"}
	h["Content-Length"] = []string{strconv.Itoa(len(a.body))}
	h["X-Line-Request-Id"] = []string{a.requestID}
	if a.acceptedID != "" {
		h["X-Line-Accepted-Request-Id"] = []string{a.acceptedID}
	}
	if a.campaign != "" {
		h["X-Lineq-Campaign"] = []string{a.campaign}
	}
	if a.retryAfter > 0 {
		h["Retry-After"] = []string{seconds(a.retryAfter)}
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a caller that left has no use for the error
}

// seconds are whole ones, rounded up.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
