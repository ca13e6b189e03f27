package lineapi_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
)

func TestRequestChecks(t *testing.T) {
	ids := func(n int) []string { return slices.Repeat([]string{userID}, n) }
	operation := lineapi.RichMenuOperation{Type: "link", From: menuID, To: menuID2}
	batch := func(operations ...lineapi.RichMenuOperation) lineapi.RichMenuBatchRequest {
		return lineapi.RichMenuBatchRequest{Operations: operations}
	}
	// A message of n bytes of an unknown type, of which only the request's size can be wrong.
	sized := func(n int) []lineapi.Message {
		m, err := lineapi.MessageOf([]byte(`{"type":"x","d":"` + strings.Repeat("a", n-19) + `"}`))
		require.NoError(t, err)
		return []lineapi.Message{m}
	}
	room := lineapi.MaxRequestBytes - len(`{"messages":[]}`)

	for name, tt := range map[string]struct {
		request interface{ Check() error }
		blamed  string // path of the only detail, or empty for a request that passes
	}{
		"push":                     {lineapi.PushRequest{To: roomID, Messages: texts("a"), RetryKey: key}, ""},
		"push to nobody":           {lineapi.PushRequest{Messages: texts("a")}, "to"},
		"push of nothing":          {lineapi.PushRequest{To: userID}, "messages"},
		"push of an empty text":    {lineapi.PushRequest{To: userID, Messages: texts("a", "")}, "messages[1].text"},
		"push with a bad key":      {lineapi.PushRequest{To: userID, Messages: texts("a"), RetryKey: "1"}, "X-Line-Retry-Key"},
		"push with a unit":         {lineapi.PushRequest{To: userID, Messages: texts("a"), CustomAggregationUnits: []string{strings.Repeat("a", 30)}}, ""},
		"push with a long unit":    {lineapi.PushRequest{To: userID, Messages: texts("a"), CustomAggregationUnits: []string{strings.Repeat("a", 31)}}, "customAggregationUnits[0]"},
		"push with a bad unit":     {lineapi.PushRequest{To: userID, Messages: texts("a"), CustomAggregationUnits: []string{"a-b"}}, "customAggregationUnits[0]"},
		"push with two units":      {lineapi.PushRequest{To: userID, Messages: texts("a"), CustomAggregationUnits: []string{"a", "b"}}, "customAggregationUnits"},
		"multicast to 500":         {lineapi.MulticastRequest{To: ids(500), Messages: texts("a")}, ""},
		"multicast to 501":         {lineapi.MulticastRequest{To: ids(501), Messages: texts("a")}, "to"},
		"multicast to nobody":      {lineapi.MulticastRequest{Messages: texts("a")}, "to"},
		"multicast to a group":     {lineapi.MulticastRequest{To: []string{userID, groupID}, Messages: texts("a")}, "to[1]"},
		"multicast, a bad key":     {lineapi.MulticastRequest{To: ids(1), Messages: texts("a"), RetryKey: "1"}, "X-Line-Retry-Key"},
		"reply":                    {lineapi.ReplyRequest{ReplyToken: "r", Messages: texts("a")}, ""},
		"reply without token":      {lineapi.ReplyRequest{Messages: texts("a")}, "replyToken"},
		"broadcast, a bad key":     {lineapi.BroadcastRequest{Messages: texts("a"), RetryKey: "1"}, "X-Line-Retry-Key"},
		"broadcast of 2 MB":        {lineapi.BroadcastRequest{Messages: sized(room)}, ""},
		"broadcast of more":        {lineapi.BroadcastRequest{Messages: sized(room + 1)}, ""},
		"narrowcast to a string":   {lineapi.NarrowcastRequest{Messages: texts("a"), Recipient: json.RawMessage(`"a"`)}, "recipient"},
		"narrowcast, bad filter":   {lineapi.NarrowcastRequest{Messages: texts("a"), Filter: json.RawMessage(`{`)}, "filter"},
		"narrowcast, null limit":   {lineapi.NarrowcastRequest{Messages: texts("a"), Limit: json.RawMessage(`null`)}, "limit"},
		"narrowcast, a bad key":    {lineapi.NarrowcastRequest{Messages: texts("a"), RetryKey: "1"}, "X-Line-Retry-Key"},
		"batch":                    {batch(operation), ""},
		"batch of nothing":         {batch(), "operations"},
		"batch of 1,001":           {batch(distinct(1001)...), "operations"},
		"batch of 1,000":           {batch(distinct(1000)...), ""},
		"batch of an unknown type": {batch(lineapi.RichMenuOperation{Type: "move"}), "operations[0].type"},
		"batch from nowhere":       {batch(lineapi.RichMenuOperation{Type: "unlink"}), "operations[0].from"},
		"batch to nowhere":         {batch(lineapi.RichMenuOperation{Type: "link", From: menuID}), "operations[0].to"},
		"batch twice from one":     {batch(operation, operation), "operations[1].from"},
		"batch with all and more":  {batch(operation, lineapi.RichMenuOperation{Type: "unlinkAll"}), "operations[1].type"},
		"batch with all of one":    {batch(lineapi.RichMenuOperation{Type: "unlinkAll", From: menuID}), "operations[0].type"},
		"batch with all to one":    {batch(lineapi.RichMenuOperation{Type: "unlinkAll", To: menuID}), "operations[0].type"},
		"batch that unlinks to":    {batch(lineapi.RichMenuOperation{Type: "unlink", From: menuID, To: menuID2}), "operations[0].to"},
		"batch with a bad key":     {lineapi.RichMenuBatchRequest{Operations: []lineapi.RichMenuOperation{operation}, ResumeRequestKey: "a b"}, "resumeRequestKey"},
		"batch with a long key":    {lineapi.RichMenuBatchRequest{Operations: []lineapi.RichMenuOperation{operation}, ResumeRequestKey: strings.Repeat("a", 101)}, "resumeRequestKey"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tt.request.Check()
			if name == "broadcast of more" {
				assert.EqualError(t, err, "refused before sending: the request of 2097153 bytes is larger than 2097152")
				return
			}
			if tt.blamed == "" {
				require.NoError(t, err)
				return
			}
			e := asError(t, err)
			assert.Equal(t, lineapi.Invalid, e.Reason)
			assert.True(t, e.Unsent)
			require.Len(t, e.Details, 1, "%v", e)
			assert.Equal(t, tt.blamed, e.Details[0].Property)
		})
	}

	t.Run("at most 20 details", func(t *testing.T) {
		e := asError(t, lineapi.MulticastRequest{To: slices.Repeat([]string{"x"}, 100), Messages: texts("a")}.Check())
		assert.Len(t, e.Details, 20)
	})
	t.Run("the client refuses the same", func(t *testing.T) {
		c := clientFor(t)
		_, err := c.Push(t.Context(), lineapi.PushRequest{To: userID})
		assert.EqualError(t, err, "pushMessage: refused before sending: messages Size must be between 1 and 5")
		_, err = c.RichMenuBatch(t.Context(), batch())
		assert.EqualError(t, err, "richMenuBatch: refused before sending: operations Size must be between 1 and 1000")
		_, _, err = c.CreateRichMenu(t.Context(), lineapi.RichMenu{})
		assert.EqualError(t, err, "createRichMenu: the rich menu is empty")
		err = c.ValidateRichMenu(t.Context(), lineapi.RichMenu{})
		assert.EqualError(t, err, "validateRichMenuObject: the rich menu is empty")
		err = c.ValidatePush(t.Context(), []lineapi.Message{{}})
		assert.EqualError(t, err, "validatePush: refused before sending: messages[0] is empty")
		for _, d := range []time.Duration{time.Second, 7 * time.Second, 65 * time.Second, -5 * time.Second, 5500 * time.Millisecond} {
			_, err = c.ShowLoading(t.Context(), userID, d)
			assert.ErrorContains(t, err, "loadingSeconds must be 5 to 60, in steps of 5")
		}
		_, err = c.UploadRichMenuImage(t.Context(), menuID, "image/gif", strings.NewReader("x"), 1)
		assert.ErrorContains(t, err, "Content-Type must be image/jpeg or image/png")
		_, err = c.UploadRichMenuImage(t.Context(), menuID, "image/png", strings.NewReader("x"), lineapi.MaxRichMenuImageBytes+1)
		assert.ErrorContains(t, err, "image must hold 1 byte to 1 MB")
		_, err = c.UploadRichMenuImage(t.Context(), menuID, "image/png", nil, 1)
		assert.ErrorContains(t, err, "image must hold 1 byte to 1 MB")
	})
	t.Run("validation leaves the verdict to LINE", func(t *testing.T) {
		c := clientFor(t, exchange{
			method: "POST", uri: "/v2/bot/message/validate/push", contentType: jsonType,
			body: `{"messages":[{"type":"text","text":""}]}`, status: 400,
			answer: `{"message":"The request body has 1 error(s)","details":[{"message":"May not be empty","property":"messages[0].text"}]}`,
		})
		err := c.ValidatePush(t.Context(), texts(""))
		assert.EqualError(t, err, "validatePush: 400: The request body has 1 error(s): messages[0].text May not be empty")
	})
}

// distinct is n operations from n rich menus.
func distinct(n int) []lineapi.RichMenuOperation {
	operations := make([]lineapi.RichMenuOperation, n)
	for i := range operations {
		digits := []byte(strings.Repeat("0", 32))
		for j, k := 31, i; k > 0; j, k = j-1, k/10 {
			digits[j] = byte('0' + k%10)
		}
		operations[i] = lineapi.RichMenuOperation{Type: "unlink", From: "richmenu-" + string(digits)}
	}
	return operations
}
