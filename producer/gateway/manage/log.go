package manage

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/lineq/lineq/tasks/record"
)

const (
	// maxLines of the delivery log are read at once.
	maxLines     = 1000
	defaultLines = 100
	// liveEvery is how often a live log looks for more.
	liveEvery = 250 * time.Millisecond
	// beatEvery keeps a proxy from taking a quiet log for a dead one.
	beatEvery = 15 * time.Second
)

var cursorForm = regexp.MustCompile(`^\d{1,20}-\d{1,20}$`)

func cursorOf(text, name string) (string, error) {
	if text != "" && !cursorForm.MatchString(text) {
		return "", bad(name + " is not the cursor of a line")
	}
	return text, nil
}

// logPage answers GET /channels/{channel}/log: the lines behind a cursor, or the last ones.
func (a *API) logPage(w http.ResponseWriter, r *http.Request) error {
	name, err := a.channelName(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	after, err := cursorOf(q.Get("after"), "after")
	if err != nil {
		return err
	}
	n := int64(defaultLines)
	if text := q.Get("limit"); text != "" {
		if n, err = strconv.ParseInt(text, 10, 64); err != nil || n < 1 || n > maxLines {
			return bad(fmt.Sprintf("limit is no number from 1 to %d", maxLines))
		}
	}
	var lines []record.Line
	if q.Has("after") {
		lines, err = a.records.LogAfter(r.Context(), name, after, n)
	} else {
		lines, err = a.records.LogTail(r.Context(), name, n)
	}
	if err != nil {
		return err
	}
	next := after
	if len(lines) > 0 {
		next = lines[len(lines)-1].Cursor
	}
	writeJSON(w, http.StatusOK, struct {
		Lines []record.Line `json:"lines"`
		Next  string        `json:"next"` // for after
	}{lines, next})
	return nil
}

// logLive answers GET /channels/{channel}/log/live with server-sent events, one for each line, from now on or behind the
// last one that the caller had.
func (a *API) logLive(w http.ResponseWriter, r *http.Request) error {
	name, err := a.channelName(r)
	if err != nil {
		return err
	}
	after, err := cursorOf(r.Header.Get("Last-Event-ID"), "Last-Event-ID")
	if err != nil {
		return err
	}
	if after == "" {
		last, err := a.records.LogTail(r.Context(), name, 1)
		if err != nil {
			return err
		}
		if len(last) > 0 {
			after = last[0].Cursor
		}
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	control := http.NewResponseController(w)
	say := func(text string) bool {
		_ = control.SetWriteDeadline(time.Now().Add(partTime))
		_, err := w.Write([]byte(text))
		return err == nil && control.Flush() == nil
	}
	look, beat := time.NewTicker(liveEvery), time.NewTicker(beatEvery)
	defer look.Stop()
	defer beat.Stop()
	for on := say(": live\n\n"); on; {
		select {
		case <-r.Context().Done():
			return nil
		case <-a.stopping:
			return nil
		case <-beat.C:
			on = say(": still here\n\n")
		case <-look.C:
			lines, err := a.records.LogAfter(r.Context(), name, after, maxLines)
			if err != nil {
				return nil // the caller comes back with the last line it had
			}
			for _, line := range lines {
				b, _ := json.Marshal(line)
				on = on && say("id: "+line.Cursor+"\ndata: "+string(b)+"\n\n")
				after = line.Cursor
			}
		}
	}
	return nil
}
