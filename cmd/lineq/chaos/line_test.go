package chaos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
)

// line is the simulated LINE, a process of its own, by its control API.
type line struct {
	url  string
	http *http.Client
}

// control asks for a document, or sends one; into may be nil.
func (l *line) control(ctx context.Context, method, path string, body, into any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	answer, err := l.ask(ctx, method, "/_sim"+path, "", bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if into == nil {
		_, err = io.Copy(io.Discard, answer.Body)
		return err
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

// errNothing is what LINE says with 404.
var errNothing = errors.New("404")

func (l *line) ask(ctx context.Context, method, path, token string, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, l.url+path, body)
	if err != nil {
		return nil, err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := l.http.Do(request)
	if err != nil {
		return nil, err
	}
	switch answer.StatusCode {
	case http.StatusOK:
		return answer, nil
	case http.StatusNotFound:
		answer.Body.Close()
		return nil, errNothing
	}
	defer answer.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(answer.Body, 1000))
	return nil, fmt.Errorf("simulated LINE: %s %s: %s: %s", method, path, answer.Status, said)
}

// each reads a list of one document a line.
func each[T any](ctx context.Context, l *line, path string, visit func(T)) error {
	answer, err := l.ask(ctx, http.MethodGet, "/_sim"+path, "", nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	for d := json.NewDecoder(answer.Body); ; {
		var v T
		switch err := d.Decode(&v); err {
		case nil:
			visit(v)
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}

// replyToken is what a webhook event of this user would bring.
func (l *line) replyToken(ctx context.Context, c channel, userID string) (string, error) {
	var got struct {
		ReplyToken string `json:"replyToken"`
	}
	err := l.control(ctx, http.MethodPost, "/channels/"+c.id+"/replytokens", map[string]string{"source": userID}, &got)
	return got.ReplyToken, err
}

// menuOf is the rich menu that LINE shows to a user; empty: none.
func (l *line) menuOf(ctx context.Context, c channel, userID string) (string, error) {
	answer, err := l.ask(ctx, http.MethodGet, "/v2/bot/user/"+url.PathEscape(userID)+"/richmenu", c.token, nil)
	if err != nil {
		if errors.Is(err, errNothing) {
			return "", nil
		}
		return "", err
	}
	defer answer.Body.Close()
	var got struct {
		ID string `json:"richMenuId"`
	}
	return got.ID, json.NewDecoder(answer.Body).Decode(&got)
}

// fault is a linesim.Fault as the control API takes it.
type fault struct {
	Kind      linesim.FaultKind `json:"kind"`
	Operation string            `json:"operation,omitempty"`
	Share     float64           `json:"share"`
	Delay     string            `json:"delay,omitempty"`
	Status    int               `json:"status,omitempty"`
}

// faults strike 15 % of the requests: of those that send messages, and of those that link rich menus.
func faults() (all []fault) {
	for _, operation := range []string{"", "linkRichMenuIdToUser"} {
		all = append(all,
			fault{Kind: linesim.FaultEdgeHTML, Operation: operation, Share: 0.01},
			fault{Kind: linesim.FaultCut, Operation: operation, Share: 0.02},
			fault{Kind: linesim.FaultRefuse, Operation: operation, Share: 0.02, Status: http.StatusInternalServerError},
			fault{Kind: linesim.FaultRefuse, Operation: operation, Share: 0.01, Status: http.StatusServiceUnavailable},
			fault{Kind: linesim.FaultAccept500, Operation: operation, Share: 0.03},
			fault{Kind: linesim.FaultAcceptCut, Operation: operation, Share: 0.03},
			// Above the time that a call is given, so the answer is lost.
			fault{Kind: linesim.FaultDelay, Operation: operation, Share: 0.001, Delay: (11 * time.Second).String()},
			fault{Kind: linesim.FaultDelay, Operation: operation, Share: 0.04, Delay: (200 * time.Millisecond).String()},
		)
	}
	return all
}

// unlimited are the operations that LINE allows 60 times an hour, and the run much more often.
var unlimited = []string{"broadcast", "narrowcast"}

// limits are those that LINE publishes, unlimited operations apart.
func limits() map[string]any {
	rates := map[string]any{}
	for _, operation := range unlimited {
		rates[operation] = map[string]any{"requests": 0, "per": "1s"}
	}
	return map[string]any{"rates": rates}
}

// publishMenus makes two rich menus for a channel.
func (l *line) publishMenus(ctx context.Context, c *channel) error {
	client, err := lineapi.New(lineapi.Config{Token: lineapi.StaticToken(c.token), Origin: l.url, DataOrigin: l.url})
	if err != nil {
		return err
	}
	menu, err := lineapi.ParseRichMenu([]byte(
		`{"size":{"width":800,"height":270},"selected":false,"name":"chaos","chatBarText":"chaos","areas":[]}`))
	if err != nil {
		return err
	}
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 800, 270))); err != nil {
		return err
	}
	for i := range c.menus {
		if c.menus[i], _, err = client.CreateRichMenu(ctx, menu); err != nil {
			return err
		}
		image := bytes.NewReader(picture.Bytes())
		if _, err = client.UploadRichMenuImage(ctx, c.menus[i], "image/png", image, image.Size()); err != nil {
			return err
		}
	}
	return nil
}
