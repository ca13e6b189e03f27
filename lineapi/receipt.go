package lineapi

import (
	"encoding/json"
	"net/http"
)

// Receipt is LINE's acceptance of a request. Accepted isn't delivered: to a user who blocked the account LINE says yes, too
// (https://developers.line.biz/en/reference/messaging-api/#send-push-message-conditions).
type Receipt struct {
	RequestID         string // X-Line-Request-Id of this attempt
	AcceptedRequestID string // of a replay: the request id of the attempt that was accepted
	Replayed          bool   // LINE had accepted this retry key before, and did nothing now

	// SentMessages is set by push and reply, in the order of the request. It is empty when LINE's answer couldn't be read.
	SentMessages []SentMessage
}

// SentMessage names one message that push or reply brought into a chat.
type SentMessage struct {
	ID         string `json:"id"`
	QuoteToken string `json:"quoteToken,omitempty"` // only for messages that can be quoted, without end of life
}

// UnmarshalJSON takes an id as a string or as a number: LINE's text says number, its examples show strings, and 18
// digits don't fit a float64.
func (s *SentMessage) UnmarshalJSON(data []byte) error {
	var fields struct {
		ID         json.RawMessage `json:"id"`
		QuoteToken string          `json:"quoteToken"`
	}
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
	}
	var number json.Number
	if json.Unmarshal(fields.ID, &s.ID) != nil && json.Unmarshal(fields.ID, &number) == nil {
		s.ID = number.String()
	}
	s.QuoteToken = fields.QuoteToken
	return nil
}

func receiptOf(a answer) Receipt {
	r := Receipt{
		RequestID:         a.header.Get(headerRequestID),
		AcceptedRequestID: a.header.Get(headerAcceptedRequestID),
		Replayed:          a.status == http.StatusConflict,
	}
	var body struct {
		SentMessages []SentMessage `json:"sentMessages"`
	}
	if len(a.body) > 0 && json.Unmarshal(a.body, &body) == nil {
		r.SentMessages = body.SentMessages
	}
	return r
}
