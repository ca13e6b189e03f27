package asynqdash

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/channel"
)

var (
	ofQueue = regexp.MustCompile(`^api/queues/([^/]+):(pause|resume)$`)
	runOne  = regexp.MustCompile(`^api/queues/([^/]+)/(?:scheduled|retry|archived)_tasks/[^/]+:run$`)
	other   = regexp.MustCompile(`^api/queues/([^/]+)/[a-z]+_tasks/[^/]+(?::archive|:cancel)$`)
	remove  = regexp.MustCompile(`^api/queues/([^/]+)/[a-z]+_tasks/[^/]+$`)
)

// change lets through what is harmless. Whatever it doesn't know, it refuses: a newer asynqmon may know more.
func (h *Handler) change(w http.ResponseWriter, r *http.Request, below string) {
	if h.cfg.ReadOnly {
		refuse(w, http.StatusForbidden, "Your key may only read.")
		return
	}
	post, del := r.Method == http.MethodPost, r.Method == http.MethodDelete
	if m := ofQueue.FindStringSubmatch(below); post && m != nil {
		if m[2] == "resume" {
			h.resume(w, r, m[1])
			return
		}
		h.asynq.ServeHTTP(w, r)
		return
	}
	if post && runOne.MatchString(below) {
		h.asynq.ServeHTTP(w, r)
		return
	}
	m := other.FindStringSubmatch(below)
	if del {
		m = remove.FindStringSubmatch(below)
	}
	if (post || del) && m != nil && !ours(m[1]) {
		h.asynq.ServeHTTP(w, r)
		return
	}
	refuse(w, http.StatusForbidden, refusal(below))
}

// ours tells of a queue whose tasks have records. One that only looks like lineq's is held to be.
func ours(queue string) bool { return strings.HasPrefix(queue, "lineq-") }

// refusal says why an action is held back, and what to use.
func refusal(below string) string {
	switch {
	case strings.HasSuffix(below, "_all"):
		return "Held back: on all tasks of a large queue it would stop Redis for seconds, and lineq's records wouldn't know " +
			"of it. Use lineq task cancel, or cancel the campaign."
	case strings.Contains(below, ":batch_"):
		return "Held back: lineq's records wouldn't know what became of these tasks. Take them one by one."
	case strings.Contains(below, "_tasks/"):
		return "Held back: lineq's record would take this task to be waiting for ever. Cancel it on its own page of lineq's " +
			"dashboard, or with lineq task cancel."
	case strings.HasPrefix(below, "api/queues/"):
		return "Held back: workers that run would go on with a queue that nobody sees. An empty one costs nothing."
	}
	return "Held back: lineq doesn't know this action."
}

func refuse(w http.ResponseWriter, status int, why string) { http.Error(w, why, status) }

// resumeScript takes a pause off that isn't lineq's own, in one step: a hold may begin at any time.
//
// KEYS 1 asynq:{queue}:paused  ARGV 1 channel.Pause
var resumeScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
`)

func (h *Handler) resume(w http.ResponseWriter, r *http.Request, queue string) {
	if _, _, lineqs := tasks.ParseQueue(queue); !lineqs {
		h.asynq.ServeHTTP(w, r)
		return
	}
	done, err := resumeScript.Run(r.Context(), h.cfg.Redis, []string{"asynq:{" + queue + "}:paused"}, channel.Pause).Int()
	switch {
	case err != nil:
		http.Error(w, "Redis doesn't answer as it should.", http.StatusServiceUnavailable)
	case done == 0:
		refuse(w, http.StatusConflict, "Held back: lineq has paused this queue, since its channel is held. Resume the channel "+
			"on its page of lineq's dashboard, or with lineq channel resume.")
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}
