package manage

import (
	"context"
	"net/http"
	"time"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/producer/gateway"
	"github.com/lineq/lineq/tasks"
)

// longestWait is how long a request may wait for a task.
const longestWait = time.Minute

func channelOf(r *http.Request) producer.ChannelOption {
	if name := r.URL.Query().Get("channel"); name != "" {
		return producer.Channel(name)
	}
	return producer.Channel(tasks.DefaultChannel)
}

// checkName refuses ids and channels that can't be ones, as those of nothing.
func checkName(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return bad(err.Error())
		}
	}
	return nil
}

func checkTask(r *http.Request, id string) error {
	var ofChannel error
	if name := r.URL.Query().Get("channel"); name != "" {
		ofChannel = tasks.CheckChannel(name)
	}
	return checkName(tasks.CheckID(id), ofChannel)
}

// task answers GET /tasks/{id}, at once or when the task is decided.
func (a *API) task(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := checkTask(r, id); err != nil {
		return err
	}
	result, err := a.result(w, r, id)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, result)
	return nil
}

func (a *API) result(w http.ResponseWriter, r *http.Request, id string) (tasks.Result, error) {
	wait := r.URL.Query().Get("wait")
	if wait == "" {
		return a.q.Result(r.Context(), id, channelOf(r))
	}
	d, err := time.ParseDuration(wait)
	if err != nil || d < 0 || d > longestWait {
		return tasks.Result{}, bad("wait is no time up to 1m, such as 10s")
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d + 10*time.Second))
	ctx, cancel := context.WithTimeout(r.Context(), d)
	defer cancel()
	go func() {
		select {
		case <-a.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	result, err := a.q.Wait(ctx, id, channelOf(r))
	if err != nil && result.ID != "" && r.Context().Err() == nil {
		return result, nil // it isn't decided yet
	}
	return result, err
}

// message answers GET /messages/{id}: the task that sends the message of that id.
func (a *API) message(w http.ResponseWriter, r *http.Request) error {
	id, n, err := gateway.ParseMessageID(r.PathValue("id"))
	if err != nil {
		return problem{Status: http.StatusNotFound, Detail: err.Error()}
	}
	if err := checkTask(r, id); err != nil {
		return err
	}
	result, err := a.result(w, r, id)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		Message int          `json:"message"`
		Task    tasks.Result `json:"task"`
	}{n, result})
	return nil
}

func (a *API) cancelTask(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := checkTask(r, id); err != nil {
		return err
	}
	outcome, err := a.q.Cancel(r.Context(), id, channelOf(r))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		ID      string        `json:"id"`
		Outcome tasks.Outcome `json:"outcome"`
	}{id, outcome})
	return nil
}

func (a *API) runTask(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := checkTask(r, id); err != nil {
		return err
	}
	ticket, err := a.q.Run(r.Context(), id, channelOf(r))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, ticket)
	return nil
}
