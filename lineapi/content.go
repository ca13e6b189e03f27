package lineapi

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// Content is a file that streams from LINE. The caller closes Body; it ends when the call's context ends.
type Content struct {
	Body        io.ReadCloser
	ContentType string
	Length      int64 // bytes, -1 when LINE doesn't say
}

// ErrNotReady is in the chain of the error for content that LINE still prepares: it answers 202 without content, and
// [Client.MessageContentStatus] tells when to ask again
// (https://developers.line.biz/en/reference/messaging-api/#get-content).
var ErrNotReady = errors.New("LINE is still preparing the content")

// MessageContent streams the image, video, audio or file that a user sent.
func (c *Client) MessageContent(ctx context.Context, messageID string) (Content, error) {
	return c.content(ctx, endpoint.GetMessageContent, "messageId", messageID, messageIDProblem(messageID))
}

// MessageContentPreview streams the preview of an image or a video that a user sent.
func (c *Client) MessageContentPreview(ctx context.Context, messageID string) (Content, error) {
	return c.content(ctx, endpoint.GetMessageContentPreview, "messageId", messageID, messageIDProblem(messageID))
}

// MessageContentStatus tells whether a video or audio can be had: "processing", "succeeded" or "failed".
func (c *Client) MessageContentStatus(ctx context.Context, messageID string) (string, error) {
	var p problems
	p.add("messageId", messageIDProblem(messageID))
	body, err := checkedRead[struct {
		Status string `json:"status"`
	}](ctx, c, p, call{endpoint: endpoint.GetMessageContentTranscodingByMessageId, segments: []string{messageID}})
	return body.Status, err
}

func (c *Client) content(ctx context.Context, e endpoint.Endpoint, parameter, id, problem string) (Content, error) {
	var p problems
	p.add(parameter, problem)
	if err := p.err(); err != nil {
		return Content{}, inOperation(e.Operation, err)
	}
	resp, err := c.open(ctx, call{endpoint: e, segments: []string{id}})
	if err != nil {
		return Content{}, err
	}
	if resp.StatusCode == http.StatusAccepted {
		resp.Body.Close()
		return Content{}, &Error{
			Operation: e.Operation, Status: resp.StatusCode, Reason: Unknown,
			RequestID: resp.Header.Get(headerRequestID), Err: ErrNotReady,
		}
	}
	return Content{Body: resp.Body, ContentType: resp.Header.Get("Content-Type"), Length: resp.ContentLength}, nil
}
