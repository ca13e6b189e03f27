package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
)

// published is how far a rich menu has come. It is kept in the task's record after every step, so that a repeat goes on
// there, and it is the task's data in the end.
type published struct {
	RichMenuID string `json:"richMenuId,omitempty"`
	Done       step   `json:"done"`
	// Equal are the menus that were the same as ours before we made ours: what else is equal later is ours.
	Equal []string `json:"equal,omitempty"`
}

// step is a step of publishing that is done.
type step string

const (
	looked   step = "looked"
	created  step = "created"
	uploaded step = "uploaded"
	aliased  step = "aliased"
)

// maxLooks is how many attempts may have been made when the look for what a lost one did is given up. With the backoff
// between them it is about ten seconds.
const maxLooks = 5

// publish takes the next step. The creation has no retry key, and twice created would be two menus; so the menus at LINE
// are listed before it, and when its answer was lost, the menu that is new among those equal to ours is ours.
func publish(ctx context.Context, c *lineapi.Client, t tasks.PublishRichMenu, begun record.Begun) answer {
	var p published
	if begun.Progress != "" {
		if err := json.Unmarshal([]byte(begun.Progress), &p); err != nil {
			return answer{err: errors.New("the task's progress can't be read")}
		}
	}
	switch {
	case p.Done == "":
		a := answer{endpoint: endpoint.GetRichMenuList}
		p.Equal, a.err = equalMenus(ctx, c, t.Menu)
		return a.step(p, looked)
	case p.Done == looked:
		return create(ctx, c, t.Menu, p, begun)
	case p.Done == created:
		a := answer{endpoint: endpoint.SetRichMenuImage}
		a.receipt, a.err = c.UploadRichMenuImage(ctx, p.RichMenuID, t.ImageType, bytes.NewReader(t.Image), int64(len(t.Image)))
		if begun.Open && isStatus(a.err, http.StatusBadRequest) {
			a.err = nil // nobody else knows this menu: the image that LINE has already is the one of our lost attempt
		}
		if t.Alias == "" && !t.Default {
			return a.last(p)
		}
		return a.step(p, uploaded)
	case p.Done == uploaded && t.Alias != "":
		a := pointAlias(ctx, c, t.Alias, p.RichMenuID)
		if !t.Default {
			return a.last(p)
		}
		return a.step(p, aliased)
	default:
		a := answer{endpoint: endpoint.SetDefaultRichMenu}
		a.receipt, a.err = c.SetDefaultRichMenu(ctx, p.RichMenuID)
		return a.last(p)
	}
}

// step notes what was done, unless it failed.
func (a answer) step(p published, done step) answer {
	p.Done = done
	progress, err := json.Marshal(p)
	if err != nil {
		a.err = err
	}
	a.progress = string(progress)
	return a
}

// last makes the step the task's outcome.
func (a answer) last(p published) answer {
	a.found(map[string]string{"richMenuId": p.RichMenuID}, a.err)
	return a
}

// create makes the menu. After a lost attempt, or when an operator starts a task again that may have made it, it looks
// for the menu first. What it doesn't find after a lost attempt it looks for again, and in the end calls unknown.
func create(ctx context.Context, c *lineapi.Client, menu lineapi.RichMenu, p published, begun record.Begun) answer {
	if begun.Open || begun.Generation > 0 {
		equal, err := equalMenus(ctx, c, menu)
		ours := slices.IndexFunc(equal, func(id string) bool { return !slices.Contains(p.Equal, id) })
		switch {
		case err != nil:
			return answer{endpoint: endpoint.GetRichMenuList, err: err, looked: begun.Open}
		case ours >= 0:
			p.RichMenuID, p.Equal = equal[ours], nil
			return answer{endpoint: endpoint.CreateRichMenu}.step(p, created)
		case begun.Open:
			return answer{endpoint: endpoint.CreateRichMenu, looked: true, err: &lineapi.Error{
				Operation: endpoint.CreateRichMenu.Operation, Reason: lineapi.Unknown,
				Message: "the answer was lost, and LINE lists no such menu",
			}}
		}
	}
	a := answer{endpoint: endpoint.CreateRichMenu}
	p.RichMenuID, a.receipt, a.err = c.CreateRichMenu(ctx, menu)
	if a.err == nil && p.RichMenuID == "" {
		a.err = &lineapi.Error{
			Operation: endpoint.CreateRichMenu.Operation, Reason: lineapi.Network, Message: "the answer could not be read",
		}
	}
	if a.err != nil && !refused(a.err) {
		a.looked = true // it may have been made: look for it next time
	}
	p.Equal = nil
	return a.step(p, created)
}

// refused tells whether LINE certainly did nothing.
func refused(err error) bool {
	var e *lineapi.Error
	return errors.As(err, &e) && (e.Unsent || e.Status >= 400 && e.Status < 500)
}

// pointAlias points an alias at a menu, whether it existed or not.
func pointAlias(ctx context.Context, c *lineapi.Client, alias, richMenuID string) answer {
	a := answer{endpoint: endpoint.UpdateRichMenuAlias}
	a.receipt, a.err = c.UpdateRichMenuAlias(ctx, alias, richMenuID)
	if isStatus(a.err, http.StatusNotFound) {
		a.endpoint = endpoint.CreateRichMenuAlias
		a.receipt, a.err = c.CreateRichMenuAlias(ctx, alias, richMenuID)
	}
	return a
}

func isStatus(err error, status int) bool {
	var e *lineapi.Error
	return errors.As(err, &e) && e.Status == status
}

// equalMenus lists the ids of the menus at LINE that hold all that the given one says.
func equalMenus(ctx context.Context, c *lineapi.Client, menu lineapi.RichMenu) ([]string, error) {
	want, err := decoded(menu)
	if err != nil {
		return nil, err
	}
	all, err := c.RichMenus(ctx)
	if err != nil {
		return nil, err
	}
	var equal []string
	for _, m := range all {
		if got, err := decoded(m); err == nil && holds(got, want) {
			equal = append(equal, m.ID())
		}
	}
	return equal, nil
}

func decoded(menu lineapi.RichMenu) (v any, err error) {
	raw, err := json.Marshal(menu)
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(raw, &v)
	return v, err
}

// holds tells whether got has every field of want with the same value; LINE may add fields of its own.
func holds(got, want any) bool {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		for name, value := range w {
			ok = ok && holds(g[name], value)
		}
		return ok
	case []any:
		g, ok := got.([]any)
		ok = ok && len(g) == len(w)
		for i := 0; ok && i < len(w); i++ {
			ok = holds(g[i], w[i])
		}
		return ok
	}
	return got == want
}
