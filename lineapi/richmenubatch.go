package lineapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// RichMenuOperation moves the users of one rich menu
// (https://developers.line.biz/en/reference/messaging-api/#batch-control-rich-menus-of-users).
type RichMenuOperation struct {
	Type string `json:"type"`           // "link", "unlink", or "unlinkAll" as the only operation
	From string `json:"from,omitempty"` // rich menu id, for link and unlink
	To   string `json:"to,omitempty"`   // rich menu id, for link
}

// ParseRichMenuOperations reads a file that holds a JSON array of operations. What isn't an operation's own property is
// refused, as it may be a slip that would move the wrong users. Errors give line and column, or the JSON path; they don't
// repeat what stands there. Only [RichMenuBatchRequest.Check] looks at the values.
func ParseRichMenuOperations(data []byte) ([]RichMenuOperation, error) {
	const file = "the file of operations"
	data = bytes.TrimPrefix(data, []byte("\uFEFF")) // some editors begin a file so
	if !utf8.Valid(data) {
		return nil, wrong(file, "is not valid UTF-8")
	}
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			return nil, wrong(file, "is not JSON: "+position(data, syntax))
		}
		return nil, wrong(file, "holds no JSON array")
	}
	if list == nil {
		return nil, wrong(file, "holds no JSON array") // but null
	}
	var p problems
	operations := make([]RichMenuOperation, len(list))
	for i, raw := range list {
		path := fmt.Sprintf("operations[%d]", i)
		fields, problem := decodeObject(raw)
		if problem != "" {
			p.add(path, problem)
			continue
		}
		o := &operations[i]
		known := map[string]*string{"type": &o.Type, "from": &o.From, "to": &o.To}
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			to, ok := known[name]
			if !ok {
				p.add(path, "has a property other than type, from and to")
				break
			}
			if *to, ok = fields[name].(string); !ok {
				p.add(path+"."+name, "must be a string")
			}
		}
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return operations, nil
}

// RichMenuBatchRequest moves all users of some rich menus at once. The operations run side by side on the state before
// the call.
type RichMenuBatchRequest struct {
	Operations []RichMenuOperation // 1 to 1,000

	// ResumeRequestKey makes a repeat within 14 days go on with the users who are left, where it would otherwise start
	// again from the new state. 1 to 100 of a-z, A-Z, 0-9, _ and -; empty sends none.
	ResumeRequestKey string
}

// Check tells whether LINE would refuse the request for its form.
func (r RichMenuBatchRequest) Check() error { _, err := r.body(); return err }

func (r RichMenuBatchRequest) body() ([]byte, error) {
	var p problems
	if len(r.Operations) < 1 || len(r.Operations) > 1000 {
		p.add("operations", "Size must be between 1 and 1000")
	}
	seen := make(map[string]bool, len(r.Operations))
	for i, o := range r.Operations {
		path := fmt.Sprintf("operations[%d]", i)
		switch o.Type {
		case "link":
			p.add(path+".from", richMenuIDProblem(o.From))
			p.add(path+".to", richMenuIDProblem(o.To))
		case "unlink":
			p.add(path+".from", richMenuIDProblem(o.From))
			if o.To != "" {
				p.add(path+".to", "belongs to link only")
			}
		case "unlinkAll":
			if len(r.Operations) > 1 {
				p.add(path+".type", "unlinkAll must be the only operation")
			}
			if o.From != "" || o.To != "" {
				p.add(path+".type", "unlinkAll takes the menus of all users away, and has no from or to")
			}
			continue
		default:
			p.add(path+".type", "must be link, unlink or unlinkAll")
			continue
		}
		if seen[o.From] {
			p.add(path+".from", "must not appear in two operations")
		}
		seen[o.From] = true
	}
	var b object
	b.value("operations", r.Operations)
	if key := r.ResumeRequestKey; key != "" {
		if len(key) > 100 || !isWord(strings.ReplaceAll(key, "-", "_")) {
			p.add("resumeRequestKey", "must be 1 to 100 of a-z, A-Z, 0-9, _ and -")
		}
		b.value("resumeRequestKey", key)
	}
	return b.checked(p)
}

// RichMenuBatch starts a batch, which LINE carries out later: [Client.RichMenuBatchProgress] takes the receipt's RequestID.
func (c *Client) RichMenuBatch(ctx context.Context, r RichMenuBatchRequest) (Receipt, error) {
	return c.richMenuBatch(ctx, endpoint.RichMenuBatch, r)
}

// ValidateRichMenuBatch lets LINE check a batch, without starting it.
func (c *Client) ValidateRichMenuBatch(ctx context.Context, r RichMenuBatchRequest) error {
	_, err := c.richMenuBatch(ctx, endpoint.ValidateRichMenuBatchRequest, r)
	return err
}

func (c *Client) richMenuBatch(ctx context.Context, e endpoint.Endpoint, r RichMenuBatchRequest) (Receipt, error) {
	body, err := r.body()
	if err != nil {
		return Receipt{}, inOperation(e.Operation, err)
	}
	receipt, _, err := c.write(ctx, jsonCall(e, body))
	return receipt, err
}

// RichMenuBatchProgress is how far a batch is. Failed means that at least one user failed; others may be done.
type RichMenuBatchProgress struct {
	Phase         string    `json:"phase"` // "ongoing", "succeeded" or "failed"
	AcceptedTime  time.Time `json:"acceptedTime"`
	CompletedTime time.Time `json:"completedTime,omitzero"`
}

// RichMenuBatchProgress asks for the progress of a batch by the RequestID of its receipt, for 14 days.
func (c *Client) RichMenuBatchProgress(ctx context.Context, requestID string) (RichMenuBatchProgress, error) {
	var p problems
	p.requestID(requestID)
	return checkedRead[RichMenuBatchProgress](ctx, c, p,
		call{endpoint: endpoint.GetRichMenuBatchProgress, query: url.Values{"requestId": {requestID}}})
}

func (p *problems) requestID(id string) {
	if id == "" {
		p.add("requestId", "May not be empty")
	}
}
