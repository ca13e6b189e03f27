package linesim

import (
	"net/http"
	"regexp"
	"time"
)

const (
	maxOperations = 1000
	batchTime     = time.Second
	resumeKeyLife = 14 * 24 * time.Hour
)

// resumeKey is LINE's pattern
// (https://developers.line.biz/en/reference/messaging-api/#batch-control-rich-menus-of-users).
var resumeKey = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,100}$`)

// menuMoves says where the users of each menu go; "" unlinks. all unlinks everybody.
type menuMoves struct {
	to     map[string]string
	all    bool
	resume string
}

func (c *call) readBatch() (menuMoves, answer, bool) {
	check := &checker{}
	moves := menuMoves{to: map[string]string{}}
	body, refusal, ok := c.document(check, "operations", "resumeRequestKey")
	if !ok {
		return moves, refusal, false
	}
	body.get("resumeRequestKey").pattern(resumeKey)
	moves.resume = body.get("resumeRequestKey").string()
	var menus []string
	operations := body.get("operations").list(1, maxOperations)
	for _, operation := range operations {
		operation.object()
		kind := operation.get("type").oneOf("link", "unlink", "unlinkAll")
		if kind == "unlinkAll" {
			moves.all = true
			if len(operations) > 1 {
				operation.fail("unlinkAll can't be used with other operations")
			}
			continue
		}
		from, to := operation.get("from").text(1000, utf16Units), ""
		if kind == "link" {
			to = operation.get("to").text(1000, utf16Units)
			menus = append(menus, to)
		}
		if _, twice := moves.to[from]; twice && from != "" {
			operation.get("from").fail("The same richMenuId can't be specified in from more than once")
		}
		moves.to[from] = to
		menus = append(menus, from)
	}
	if refusal, refused := check.refusal(); refused {
		return moves, refusal, false
	}
	m := &c.channel.menus
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, menu := range menus {
		if m.byID[menu] == nil {
			return moves, refuseMenu(http.StatusNotFound, textMenuNotFound), false
		}
	}
	for _, to := range moves.to {
		if to != "" && m.byID[to].image == nil {
			return moves, refuseMenu(http.StatusBadRequest, textNoImage), false
		}
	}
	return moves, answer{}, true
}

func (c *call) validateBatch() answer {
	if _, refusal, ok := c.readBatch(); !ok {
		return refusal
	}
	return ok200
}

// batch moves every user by the menu that he had before. A repeat with its resume key finds everybody moved already.
func (c *call) batch() answer {
	moves, refusal, ok := c.readBatch()
	if !ok {
		return refusal
	}
	m := &c.channel.menus
	m.mu.Lock()
	defer m.mu.Unlock()
	m.batches[c.requestID()] = c.now
	if moves.resume != "" {
		if first, ok := m.resumed[moves.resume]; ok && c.now.Sub(first) < resumeKeyLife {
			return ok202
		}
		m.resumed[moves.resume] = c.now
	}
	if moves.all {
		clear(m.links)
		return ok202
	}
	for user, from := range m.links {
		switch to, moved := moves.to[from]; {
		case moved && to == "":
			delete(m.links, user)
		case moved:
			m.links[user] = to
		}
	}
	return ok202
}

func (c *call) batchProgress() answer {
	m := &c.channel.menus
	m.mu.Lock()
	at, ok := m.batches[c.r.URL.Query().Get("requestId")]
	m.mu.Unlock()
	if !ok || !c.now.Before(at.Add(progressLife)) {
		return refuseMenu(http.StatusNotFound, textNotFound)
	}
	progress := struct {
		Phase         string `json:"phase"`
		AcceptedTime  string `json:"acceptedTime"`
		CompletedTime string `json:"completedTime,omitempty"`
	}{Phase: "ongoing", AcceptedTime: at.UTC().Format(timestamp)}
	if done := at.Add(batchTime); !c.now.Before(done) {
		progress.Phase, progress.CompletedTime = "succeeded", done.UTC().Format(timestamp)
	}
	return jsonAnswer(http.StatusOK, progress)
}
