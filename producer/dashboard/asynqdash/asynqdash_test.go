package asynqdash_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/producer/dashboard/asynqdash"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/redistest"
)

const (
	user   = "U0123456789abcdef0123456789abcdef"
	secret = "what only the recipient may read"
	queue  = "lineq-push-default"
	api    = "/lineq/asynq/api/queues/"
)

func handler(t testing.TB, cfg asynqdash.Config) http.Handler {
	t.Helper()
	cfg.Root = "/lineq/asynq"
	h, err := asynqdash.New(cfg)
	require.NoError(t, err)
	return h
}

func ask(h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(`{"task_ids":["default:one"]}`))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// enqueue puts a push that waits an hour, and one that waits for a worker, into the queue.
func enqueue(t testing.TB, rdb redis.UniversalClient) {
	t.Helper()
	q, err := producer.New(producer.Config{Redis: rdb})
	require.NoError(t, err)
	push := tasks.Push{To: user, Messages: []lineapi.Message{lineapi.Text(secret)}}
	_, err = q.Enqueue(t.Context(), push, producer.ID("one"), producer.After(time.Hour))
	require.NoError(t, err)
	_, err = q.Enqueue(t.Context(), push, producer.ID("two"))
	require.NoError(t, err)
}

func TestRefused(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	enqueue(t, rdb)
	h, inspector := handler(t, asynqdash.Config{Redis: rdb}), asynq.NewInspectorFromRedisClient(rdb)
	one, two := queue+"/scheduled_tasks/default:one", queue+"/pending_tasks/default:two"
	for _, c := range []struct{ method, path, says string }{
		{"DELETE", queue, "an empty one costs nothing"},
		{"DELETE", one, "cancel"}, {"DELETE", two, "cancel"},
		{"POST", one + ":archive", "cancel"}, {"POST", two + ":archive", "cancel"},
		{"POST", queue + "/active_tasks/default:two:cancel", "cancel"},
		{"DELETE", queue + "/scheduled_tasks:delete_all", "stop redis"}, {"DELETE", queue + "/pending_tasks:delete_all", "stop redis"},
		{"POST", queue + "/scheduled_tasks:archive_all", "stop redis"}, {"POST", queue + "/pending_tasks:archive_all", "stop redis"},
		{"POST", queue + "/scheduled_tasks:run_all", "stop redis"}, {"POST", queue + "/active_tasks:cancel_all", "stop redis"},
		{"POST", queue + "/scheduled_tasks:batch_delete", "one by one"}, {"POST", queue + "/scheduled_tasks:batch_archive", "one by one"},
		{"POST", queue + "/scheduled_tasks:batch_run", "one by one"}, {"POST", queue + "/active_tasks:batch_cancel", "one by one"},
		{"POST", "mine/scheduled_tasks:delete_all", "stop redis"}, {"DELETE", "mine", "an empty one"},
		{"PUT", one, "cancel"}, {"POST", one + ":explode", "cancel"},
	} {
		w := ask(h, c.method, api+c.path)
		assert.Equal(t, http.StatusForbidden, w.Code, "%s %s", c.method, c.path)
		assert.Contains(t, strings.ToLower(w.Body.String()), c.says, "%s %s", c.method, c.path)
	}
	got, err := inspector.GetTaskInfo(queue, "default:one")
	require.NoError(t, err)
	assert.Equal(t, asynq.TaskStateScheduled, got.State)
	got, err = inspector.GetTaskInfo(queue, "default:two")
	require.NoError(t, err)
	assert.Equal(t, asynq.TaskStatePending, got.State)
}

func TestAllowed(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	enqueue(t, rdb)
	h, inspector := handler(t, asynqdash.Config{Redis: rdb}), asynq.NewInspectorFromRedisClient(rdb)

	run := api + queue + "/scheduled_tasks/default:one:run"
	assert.Equal(t, http.StatusForbidden, ask(handler(t, asynqdash.Config{Redis: rdb, ReadOnly: true}), "POST", run).Code)
	assert.Equal(t, http.StatusForbidden, ask(h, "POST", run, "Sec-Fetch-Site", "cross-site").Code)
	require.Less(t, ask(h, "POST", run).Code, 300)
	got, err := inspector.GetTaskInfo(queue, "default:one")
	require.NoError(t, err)
	assert.Equal(t, asynq.TaskStatePending, got.State)

	paused := func() bool {
		q, err := inspector.GetQueueInfo(queue)
		require.NoError(t, err)
		return q.Paused
	}
	require.Less(t, ask(h, "POST", api+queue+":pause").Code, 300)
	assert.True(t, paused())
	require.Less(t, ask(h, "POST", api+queue+":resume").Code, 300)
	assert.False(t, paused())

	// A hold's pause stays.
	require.NoError(t, rdb.Set(t.Context(), "asynq:{"+queue+"}:paused", channel.Pause, 0).Err())
	w := ask(h, "POST", api+queue+":resume")
	assert.Equal(t, http.StatusConflict, w.Code)
	assert.Contains(t, w.Body.String(), "held")
	assert.True(t, paused())

	// Tasks of other programs are theirs.
	_, err = asynq.NewClientFromRedisClient(rdb).Enqueue(asynq.NewTask("theirs", []byte(secret)), asynq.Queue("mine"), asynq.TaskID("x"))
	require.NoError(t, err)
	list := ask(h, "GET", api+"mine/pending_tasks")
	assert.Contains(t, list.Body.String(), "(32 bytes)")
	assert.NotContains(t, list.Body.String(), secret)
	require.Less(t, ask(h, "DELETE", api+"mine/pending_tasks/x").Code, 300)
	_, err = inspector.GetTaskInfo("mine", "x")
	assert.ErrorIs(t, err, asynq.ErrTaskNotFound)
}

func TestMasked(t *testing.T) {
	_, rdb := redistest.Mini(t)
	enqueue(t, rdb)
	for _, path := range []string{queue + "/pending_tasks?size=1000000&page=1", queue + "/tasks/default:two"} {
		w := ask(handler(t, asynqdash.Config{Redis: rdb}), "GET", api+path)
		require.Equal(t, http.StatusOK, w.Code)
		assert.Contains(t, w.Body.String(), "U0123…cdef")
		assert.Contains(t, w.Body.String(), `\"characters\": 32`)
		assert.NotContains(t, w.Body.String(), user)
		assert.NotContains(t, w.Body.String(), secret)
		w = ask(handler(t, asynqdash.Config{Redis: rdb, ShowContent: true}), "GET", api+path)
		assert.Contains(t, w.Body.String(), user)
		assert.Contains(t, w.Body.String(), secret)
	}
}

func TestPage(t *testing.T) {
	_, rdb := redistest.Mini(t)
	h := handler(t, asynqdash.Config{Redis: rdb})
	for path, way := range map[string]string{
		"/lineq/asynq": `src="./asynq/static/`, "/lineq/asynq/": `src="./static/`,
		"/lineq/asynq/queues/q/tasks/a%2Fb": `src="./../../../static/`,
	} {
		w := ask(h, "GET", path)
		require.Equal(t, http.StatusOK, w.Code)
		assert.Contains(t, w.Body.String(), way, path)
		assert.NotContains(t, w.Body.String(), "https://")
		assert.NotContains(t, w.Header().Get("Content-Security-Policy"), "http")
	}
	w := ask(h, "GET", "/lineq/asynq/static/media/logo-white.3fa2ac55.svg")
	assert.Equal(t, []string{"image/svg+xml"}, w.Header()["Content-Type"])
	assert.Equal(t, http.StatusNotFound, ask(h, "GET", "/lineq/asynq/api/metrics").Code)
	assert.Equal(t, http.StatusNotFound, ask(h, "GET", "/lineq/asynq/static/js/main.5adda2da.chunk.js.map").Code)
	assert.Equal(t, http.StatusNotFound, ask(h, "GET", "/elsewhere").Code)
}

func TestTopologies(t *testing.T) {
	look := func(t *testing.T, rdb redis.UniversalClient) {
		enqueue(t, rdb)
		h := handler(t, asynqdash.Config{Redis: rdb})
		for _, path := range []string{"queues", "queues/" + queue + "/pending_tasks", "servers", "redis_info"} {
			w := ask(h, "GET", "/lineq/asynq/api/"+path)
			assert.Equal(t, http.StatusOK, w.Code, "%s: %s", path, w.Body)
			assert.Contains(t, w.Header().Get("Content-Type")+w.Body.String(), "{", path)
		}
	}
	t.Run("Cluster", func(t *testing.T) { look(t, redistest.StartCluster(t).Client(t)) })
	t.Run("Sentinel", func(t *testing.T) { look(t, redistest.StartSentinels(t).Client(t)) })
}
