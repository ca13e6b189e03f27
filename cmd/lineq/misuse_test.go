package main

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/redistest"
)

// TestBadInput runs what users get wrong. Each is one line, and a hint that names the way out.
func TestBadInput(t *testing.T) {
	c, rdb := withMini(t)
	require.NoError(t, channel.Register(t.Context(), rdb, "default", "shop"))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()

	six, valid := file(t, "six.json", texts(6)), file(t, "valid.json", texts(1))
	untyped := file(t, "untyped.json", `{"text":"`+secretText+`"}`)
	malformed := file(t, "malformed.json", "{\n  \"type\": \"text\",\n  \"text\": \""+secretText)
	large := file(t, "large.json", `{"type":"text","text":"`+strings.Repeat("x", 3<<20)+`"}`)
	menu := file(t, "menu.json", `{"size":{"width":10,"height":270}}`)
	batch := func(name, operations string) []string {
		return []string{"richmenu", "batch", "--operations", file(t, name, operations)}
	}
	empty := file(t, "empty", "")
	push := []string{"send", "push", "--to", user}

	for name, test := range map[string]struct {
		env   map[string]string
		stdin string
		args  []string
		code  int
		says  string
		hint  string
	}{
		"unknown command": {args: []string{"sned"}, code: 2, says: `did you mean "send"`, hint: "lineq --help"},
		"unknown kind": {
			args: []string{"send", "psuh"},
			code: 2, says: `did you mean "push"`, hint: "lineq send --help",
		},
		"unknown flag": {
			args: []string{"log", "--chanel", "x"},
			code: 2, says: "--channel", hint: "lineq log --help",
		},
		"unquoted text": {args: append(push, "--text", "a", secretText), code: 2, says: "too many", hint: "quote"},
		"no message":    {args: push, code: 2, says: "--text or --message", hint: "--message -"},
		"text and message": {
			args: append(push, "--text", "a", "--message", valid),
			code: 2, says: "together", hint: "--help",
		},
		"at and in": {
			args: append(push, "--text", "a", "--in", "1h", "--at", "2030-01-01 08:00"),
			code: 2, says: "together", hint: "--help",
		},
		"no such time": {
			args: append(push, "--text", "a", "--at", "tomorrow"),
			code: 2, says: "2006-01-02", hint: "--help",
		},
		"past deadline": {
			args: append(push, "--text", "a", "--deadline", "2020-01-01 08:00"),
			code: 2, says: "deadline", hint: "--help",
		},
		"six messages": {
			args: append(push, "--message", six),
			code: 2, says: "six.json: refused before sending: messages Size must be between 1 and 5", hint: "1 to 5",
		},
		"no type": {args: append(push, "--message", untyped), code: 2, says: "has no type", hint: "pointer"},
		"malformed JSON": {
			args: append(push, "--message", malformed),
			code: 2, says: "malformed.json: the file is not JSON: line 3", hint: "message object",
		},
		"malformed stdin": {
			stdin: "{", args: append(push, "--message", "-"),
			code: 2, says: "stdin: ", hint: "message object",
		},
		"three megabytes": {
			args: append(push, "--message", large),
			code: 2, says: "large.json: is too large for LINE: at most 2097152 bytes", hint: "https",
		},
		"no such file": {
			args: append(push, "--message", "nowhere.json"),
			code: 2, says: "nowhere.json: no such file", hint: "relative",
		},
		"wrong user id": {
			args: []string{"send", "push", "--to", "U123", "--text", "a"},
			code: 2, says: "is 4 characters long", hint: "webhook",
		},
		"a user's name": {
			args: []string{"send", "push", "--to", "@me", "--text", "a"},
			code: 2, says: "doesn't start with U, C or R", hint: "webhook",
		},
		"group in multicast": {
			args: []string{"send", "multicast", "--to", group, "--text", "a"},
			code: 2, says: "to[0]", hint: "webhook",
		},
		"wrong menu id": {
			args: []string{"richmenu", "link", "--to", user, "--menu", "main"},
			code: 2, says: "richmenu-", hint: "publish",
		},
		"wrong menu": {
			args: []string{"richmenu", "publish", "--object", menu, "--image", valid},
			code: 2, says: "menu.json: ", hint: "developers.line.biz",
		},
		"no operations": {args: []string{"richmenu", "batch"}, code: 2, says: "--operations", hint: "lineq richmenu batch --help"},
		"no operation": {
			args: batch("batch.json", "[]"),
			code: 2, says: "batch.json: refused before sending: operations Size must be between 1 and 1000", hint: "unlinkAll",
		},
		"a lone operation": {
			args: batch("batch.json", `{"type":"unlinkAll"}`),
			code: 2, says: "batch.json: the file of operations holds no JSON array", hint: "an array",
		},
		"malformed operations": {
			stdin: "[\n{},,", args: []string{"richmenu", "batch", "--operations", "-"},
			code: 2, says: "stdin: the file of operations is not JSON: line 2", hint: "an array",
		},
		"operation of an unknown type": {
			args: batch("batch.json", `[{"type":"unlinkAl"}]`),
			code: 2, says: "operations[0].type must be link, unlink or unlinkAll", hint: "unlinkAll",
		},
		"operation without to": {
			args: batch("batch.json", `[{"type":"link","from":"`+noMenu+`"}]`),
			code: 2, says: "operations[0].to is empty", hint: `"to":"richmenu-`,
		},
		"operation on no menu": {
			args: batch("batch.json", `[{"type":"unlink","from":"main"}]`),
			code: 2, says: "operations[0].from", hint: "publish",
		},
		"operations of three megabytes": {
			args: batch("batch.json", strings.Repeat(" ", 3<<20)),
			code: 2, says: "batch.json: is too large for LINE: at most 2097152 bytes", hint: "https",
		},
		"wrong seconds": {
			args: []string{"chat", "loading", "--to", user, "--seconds", "7"},
			code: 2, says: "loadingSeconds", hint: "developers.line.biz",
		},
		"not a filter": {
			args: []string{"send", "narrowcast", "--filter", valid, "--text", "a"},
			code: 2, says: "valid.json: it holds no JSON object", hint: "lineq send narrowcast --help",
		},
		"unknown channel": {
			args: append(push, "--text", "a", "--channel", "shpo"),
			code: 2, says: `"shpo"`, hint: "default, shop",
		},
		"channel for Redis": {
			args: append(push, "--text", "a", "--channel", "a{b}"),
			code: 2, says: "channel name", hint: "--help",
		},
		"id for Redis": {args: append(push, "--text", "a", "--id", "a b"), code: 2, says: "id ", hint: "--help"},
		"one id for two": {
			args: append(push, "--to", other, "--text", "a", "--id", "x"),
			code: 2, says: "--id belongs to one task", hint: "--help",
		},
		"log's channel": {
			args: []string{"log", "--channel", "a{b}"},
			code: 2, says: "channel name", hint: "--help",
		},
		"no such task": {
			args: []string{"task", "show", "nothing"},
			code: 1, says: "no such task", hint: "--channel",
		},
		"no such state": {
			args: []string{"task", "list", "--state", "done"},
			code: 2, says: "--state", hint: "--help",
		},
		"no time": {
			args: []string{"task", "reschedule", "x"},
			code: 2, says: "--at or --in", hint: "--help",
		},

		"Redis: scheme": {
			args: append(push, "--text", "a", "--redis", "http://x:"+secretRedis+"@localhost"),
			code: 2, says: "redis://, rediss:// or unix://", hint: "redis://127.0.0.1",
		},
		"Redis: host": {
			args: append(push, "--text", "a", "--redis", secretRedis+":6379"),
			code: 2, says: "redis://, rediss:// or unix://", hint: "redis://127.0.0.1",
		},
		"Redis: password": {
			args: append(push, "--text", "a", "--redis", "redis://x:"+secretRedis+"/y@localhost"),
			code: 2, says: "can't be read", hint: "%40",
		},
		"Redis: database": {
			args: append(push, "--text", "a", "--redis", "redis://localhost/x"),
			code: 2, says: "database", hint: "redis://127.0.0.1",
		},
		"Redis: down": {
			args: append(push, "--text", "a", "--redis", "redis://x:"+secretRedis+"@127.0.0.1:1"),
			code: 1, says: "redis 127.0.0.1:1", hint: "REDIS_URL",
		},

		"worker: Redis down": {
			env: map[string]string{
				"LINE_CHANNEL_ACCESS_TOKEN": secretToken, "REDIS_URL": "redis://:" + secretRedis + "@127.0.0.1:1",
			},
			args: []string{"worker"}, code: 1, says: "redis 127.0.0.1:1", hint: "REDIS_URL",
		},
		"worker: no token": {
			args: []string{"worker"},
			code: 2, says: "no channel access token", hint: "LINE_CHANNEL_ACCESS_TOKEN",
		},
		"worker: secret only": {
			env: map[string]string{"LINE_CHANNEL_SECRET": secretSecret}, args: []string{"worker"},
			code: 2, says: "LINE_CHANNEL_SECRET", hint: "LINE_CHANNEL_ID",
		},
		"worker: origin": {
			env:  map[string]string{"LINE_CHANNEL_ACCESS_TOKEN": secretToken},
			args: []string{"worker", "--line-origin", "127.0.0.1:8788"},
			code: 2, says: "--line-origin must start with http://", hint: "http://127.0.0.1:8788",
		},
		"worker: data origin": {
			env:  map[string]string{"LINE_CHANNEL_ACCESS_TOKEN": secretToken},
			args: []string{"worker", "--line-data-origin", "ftp://x"},
			code: 2, says: "--line-data-origin must start with http://", hint: "http://127.0.0.1:8788",
		},
		"worker: environment": {
			env: map[string]string{"LINEQ_GRACE": "soon"}, args: []string{"worker"},
			code: 2, says: "LINEQ_GRACE", hint: "--help",
		},
		"worker: concurrency": {
			args: []string{"worker", "--concurrency", "0"},
			code: 2, says: "--concurrency", hint: "lineq worker --help",
		},
		"worker: records that LINE outlives": {
			args: []string{"worker", "--retain-sent", "1h"},
			code: 2, says: "--retain-sent must be 24h at least", hint: "lineq worker --help",
		},
		"worker: two secrets of webhooks": {
			env:  map[string]string{"LINE_CHANNEL_ACCESS_TOKEN": secretToken, "LINEQ_WEBHOOK_SECRET": secretSecret},
			args: []string{"worker", "--webhook-secret-file", "secret"},
			code: 2, says: "--webhook-secret-file and LINEQ_WEBHOOK_SECRET", hint: "lineq worker --help",
		},
		"worker: an empty secret of webhooks": {
			env:  map[string]string{"LINE_CHANNEL_ACCESS_TOKEN": secretToken},
			args: []string{"worker", "--webhook-secret-file", "/dev/null"},
			code: 1, says: "webhook_secret_file: /dev/null is empty",
		},
		"worker: no retention": {
			args: []string{"worker", "--retain-failed", "0s"},
			code: 2, says: "--retain-failed", hint: "lineq worker --help",
		},

		"simulate: fault": {
			args: []string{"simulate", "--fault", "explode=1"},
			code: 2, says: "explode", hint: "refuse",
		},
		"simulate: share": {
			args: []string{"simulate", "--fault", "refuse=2"},
			code: 2, says: "refuse=2", hint: "refuse=0.05",
		},
		"simulate: no delay": {
			args: []string{"simulate", "--fault", "delay=0.1"},
			code: 2, says: "Delay", hint: "delay=0.1:2s",
		},
		"simulate: quota": {
			args: []string{"simulate", "--quota=-1"},
			code: 2, says: "negative", hint: "lineq simulate --help",
		},
		"simulate: address": {
			args: []string{"simulate", "--addr", taken.Addr().String()},
			code: 1, says: "address already in use", hint: "free port",
		},
		"worker: metrics address in use": {
			env:  map[string]string{"LINE_CHANNEL_ACCESS_TOKEN": secretToken},
			args: []string{"worker", "--metrics-addr", taken.Addr().String()},
			code: 1, says: "--metrics-addr: listen tcp " + taken.Addr().String(), hint: "free port",
		},
		"worker: metrics address without a port": {
			env:  map[string]string{"LINE_CHANNEL_ACCESS_TOKEN": secretToken},
			args: []string{"worker", "--metrics-addr", "localhost"},
			code: 2, says: "--metrics-addr: listen tcp: address localhost: missing port", hint: "lineq worker --help",
		},
		"dev: no port": {
			args: []string{"dev", "--addr", "localhost"},
			code: 2, says: "missing port", hint: "lineq dev --help",
		},
		"demo: recipients": {
			args: []string{"demo", "--recipients", "0"},
			code: 2, says: "--recipients", hint: "lineq demo --help",
		},

		"config: no file": {
			args: []string{"worker", "--config", "nowhere.yaml"},
			code: 2, says: "nowhere.yaml: no such file", hint: "relative",
		},
		"config: no address": {
			args: []string{"worker", "--config", file(t, "a.yaml", "redsi: x\n")},
			code: 2, says: `a.yaml:1:1: there is no setting "redsi"`, hint: "--",
		},
		"config: not a value": {
			args: []string{"worker", "--config", file(t, "b.yaml", "redis:\n  url: x\n")},
			code: 2, says: "b.yaml:1:1: redis isn't", hint: "names of flags",
		},
		"config: no names": {
			args: []string{"worker", "--config", file(t, "c.yaml", "- a\n")},
			code: 2, says: "c.yaml: it isn't", hint: "names of flags",
		},
		"config: malformed": {
			args: []string{"worker", "--config", file(t, "d.yaml", "redis: \""+secretRedis)},
			code: 2, says: "d.yaml:1:", hint: "names of flags",
		},
		"config: bad value": {
			args: []string{"worker", "--config", file(t, "e.yaml", "\ngrace: soon\n")},
			code: 2, says: "e.yaml:2:1", hint: "--help",
		},
		"config: token within": {
			args: []string{"worker", "--config", file(t, "f.yaml", "channels:\n  shop:\n    token: "+secretToken+"\n")},
			code: 2, says: `f.yaml:3:5: unknown field "token"`, hint: "token_env",
		},
		"config: channel name": {
			args: []string{"worker", "--config", file(t, "g.yaml", "channels:\n  a b:\n    token_env: X\n")},
			code: 2, says: "channel name", hint: "token_env",
		},
		"config: empty variable": {
			args: []string{"worker", "--config", file(t, "h.yaml", "channels:\n  shop:\n    token_env: X\n")},
			code: 2, says: "channel shop: token_env: the variable X is empty", hint: "token_env",
		},
		"config: empty file": {
			args: []string{"worker", "--config", file(t, "i.yaml", "channels:\n  shop:\n    token_file: "+empty+"\n")},
			code: 2, says: "token_file: " + empty + " is empty", hint: "token_env",
		},
		"config: two tokens": {
			env:  map[string]string{"X": secretToken},
			args: []string{"worker", "--config", file(t, "j.yaml", "channels:\n  shop: {token_env: X, token_file: y}\n")},
			code: 2, says: "exclude each other", hint: "token_env",
		},
		"config: secret without id": {
			env:  map[string]string{"X": secretSecret},
			args: []string{"worker", "--config", file(t, "k.yaml", "channels:\n  shop:\n    secret_env: X\n")},
			code: 2, says: "channel_id", hint: "token_env",
		},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{}
			for _, more := range []map[string]string{c.env, test.env} {
				for k, v := range more {
					env[k] = v
				}
			}
			if test.env["REDIS_URL"] != "" {
				delete(env, "LINEQ_REDIS")
			}
			o := cli{t, env}.pipe(test.stdin, test.args...)
			assert.Equal(t, test.code, o.code)
			assert.Empty(t, o.stdout)
			lines := strings.Split(strings.TrimSpace(o.stderr), "\n")
			assert.True(t, strings.HasPrefix(lines[0], "lineq: "), o.stderr)
			assert.Contains(t, lines[0], test.says)
			if assert.Len(t, lines, 2, o.stderr) {
				assert.True(t, strings.HasPrefix(lines[1], "  hint: "), o.stderr)
				assert.Contains(t, lines[1], test.hint)
			}
		})
	}
}

func TestRedisPassword(t *testing.T) {
	m, _ := redistest.Mini(t)
	m.RequireAuth("another")
	for name, url := range map[string]string{
		"none": "redis://" + m.Addr(), "wrong": "redis://:" + secretRedis + "@" + m.Addr(),
	} {
		t.Run(name, func(t *testing.T) {
			o := cli{t, map[string]string{"REDIS_URL": url}}.run("log")
			assert.Equal(t, 1, o.code)
			assert.Contains(t, o.stderr, "lineq: redis "+m.Addr())
			assert.Contains(t, o.stderr, "hint: put user and password into the URL")
		})
	}
}

func TestIDReused(t *testing.T) {
	c, _ := withMini(t)
	c.ok("send", "push", "--to", user, "--text", "first", "--id", "order-1")
	o := c.run("send", "push", "--to", user, "--text", secretText, "--id", "order-1")
	assert.Equal(t, 2, o.code)
	assert.Contains(t, o.stderr, "order-1: this id was used for other content before")
	assert.Contains(t, o.stderr, "  hint: give a new message a new --id")
}

// TestNewerTask runs a task that a newer lineq has left behind.
func TestNewerTask(t *testing.T) {
	c, rdb := withMini(t)
	records := record.New(rdb, record.Retention{})
	ref := record.Ref{Channel: "default", ID: "future"}
	_, _, err := records.Cancel(t.Context(), ref, "hologram", "lineq-control")
	require.NoError(t, err)
	o := c.run("task", "run", "future")
	assert.Equal(t, 1, o.code)
	assert.Contains(t, o.stderr, `unknown kind of task "hologram"`)
	assert.Contains(t, o.stderr, "hint: a newer lineq has written it")
}

// TestNewerPayload lets a worker find what only a newer one can read: it stays where it is.
func TestNewerPayload(t *testing.T) {
	c, rdb := withMini(t)
	q := asynq.NewClientFromRedisClient(rdb)
	_, err := q.Enqueue(asynq.NewTask("push", []byte(`{"v":99,"channel":"default","id":"future","task":{}}`)),
		asynq.TaskID("default:future"), asynq.Queue(tasks.LineUrgent.Queue("")), asynq.Timeout(time.Minute))
	require.NoError(t, err)
	c.env["LINE_CHANNEL_ACCESS_TOKEN"] = secretToken
	w := c.start("worker", "--line-origin", "http://127.0.0.1:1")
	assert.Contains(t, w.await("tasks left for a newer worker"), "payload of a newer version")
	assert.NoError(t, w.stop())
	r := document[tasks.Result](t, c.ok("task", "show", "future", "--json"))
	assert.Equal(t, tasks.StateWaiting, r.State)
	assert.Empty(t, r.Outcome)
}

func TestHintOfNewerVersion(t *testing.T) {
	assert.Contains(t, hintFor(tasks.ErrNewerVersion), "update")
	assert.Equal(t, 1, exitCode(tasks.ErrNewerVersion))
	assert.Equal(t, 1, exitCode(&lineapi.Error{Reason: lineapi.Invalid, Status: 400}), "LINE's refusal is a failure")
}
