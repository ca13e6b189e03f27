package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/schedule"
)

// explain writes an error as one line, and a hint where there is something to do about it.
func explain(w io.Writer, err error) {
	fmt.Fprintf(w, "lineq: %s\n", oneLine(err.Error()))
	if hint := hintFor(err); hint != "" {
		fmt.Fprintf(w, "  hint: %s\n", hint)
	}
}

// oneLine joins what errors.Join, or a foreign library, wrote as several lines.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// exitCode is 0 for done, 1 for failed and 2 for misuse: what will fail again as long as nobody writes it otherwise.
func exitCode(err error) int {
	var m *misuseError
	var refused *lineapi.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &m), errors.Is(err, producer.ErrIDReused), errors.Is(err, campaign.ErrIDReused),
		errors.Is(err, schedule.ErrIDReused),
		errors.As(err, &refused) && refused.Unsent && refused.Reason == lineapi.Invalid:
		return 2
	}
	return 1
}

// misuseError is an error of the one who wrote the command line, the environment or a file.
type misuseError struct {
	err     error
	command string // whose help says more; empty: not known
}

func (e *misuseError) Error() string { return e.err.Error() }
func (e *misuseError) Unwrap() error { return e.err }

func misuse(err error) error { return &misuseError{err: err} }

func misusef(format string, args ...any) error { return misuse(fmt.Errorf(format, args...)) }

// errConfig is in the chain of every error about what stands in the file of --config.
var errConfig = errors.New("the configuration is wrong")

type marked struct {
	error
	mark error
}

func (e marked) Is(target error) bool { return target == e.mark }

func configError(format string, args ...any) error {
	return misuse(marked{fmt.Errorf(format, args...), errConfig})
}

var (
	errStrayArgument = errors.New("there is an argument too many")
	errNoChannel     = errors.New("no channel to send for: there is no channel access token")
	errAPIKeys       = errors.New("the API keys are wrong")
	errNoCallers     = errors.New("nobody could call for a channel")
	errSecretAlone   = errors.New("LINE_CHANNEL_SECRET alone gives no token")
	errOrigin        = errors.New("must start with http:// or https://")
	errRedisURL      = errors.New("the Redis URL must start with redis://, rediss://, unix://, redis-sentinel:// or redis-cluster://")
	errNoText        = errors.New("no message: give --text or --message")
	errTooLarge      = errors.New("is too large for LINE")
	errFault         = errors.New("no such fault")
	errInterrupted   = errors.New("interrupted")
)

// unknownChannelError names a channel that no worker serves.
type unknownChannelError struct {
	name  string
	known []string
}

func (e *unknownChannelError) Error() string {
	return fmt.Sprintf("no worker serves the channel %q", e.name)
}

// redisDownError says which Redis did not answer.
type redisDownError struct {
	addr string
	err  error
}

func (e *redisDownError) Error() string { return fmt.Sprintf("redis %s: %v", e.addr, e.err) }
func (e *redisDownError) Unwrap() error { return e.err }

// undecidedError is of a wait that was over before the task was.
type undecidedError struct{ result tasks.Result }

func (e *undecidedError) Error() string {
	return fmt.Sprintf("task %s is not decided yet: %s", e.result.ID, e.result.State)
}

// hintFor is the one place that knows what to do about an error.
func hintFor(err error) string {
	var unknown *unknownChannelError
	var down *redisDownError
	var undecided *undecidedError
	var refused *lineapi.Error
	var stored *producer.EnqueueError
	var wrong *misuseError
	var noToken *noTokenError
	var unchecked *checkError
	var broken *wrongConfigError
	if hint := cmp.Or(campaignHint(err), scheduleHint(err)); hint != "" {
		return hint
	}
	switch {
	case errors.As(err, &unknown):
		return "known are " + strings.Join(unknown.known, ", ") + "; a worker makes its channels known when it starts"
	case errors.As(err, &noToken):
		return "there is one for " + strings.Join(noToken.have, ", ") + "; --config names a file with more channels"
	case errors.As(err, &unchecked) && len(unchecked.refused) > 0:
		return tokenHint
	case errors.As(err, &down):
		return redisHint(down.err)
	case errors.As(err, &stored):
		return "repeat it with --id " + stored.ID + ": the same ID is never sent twice"
	case errors.As(err, &undecided):
		return "see lineq task show " + undecided.result.ID +
			"; lineq channel list tells whether a worker runs, and whether the channel is held"
	case errors.As(err, &broken):
		return "each line above says where, and what to do"
	case errors.Is(err, errSampleThere):
		return "name another file, or - to print the sample"
	case errors.Is(err, errSecretFile):
		return "NAME holds the secret itself, NAME_FILE the name of a file with the secret alone: set one of them"
	case errors.Is(err, errStrayArgument):
		return "quote what has blanks, as in --text 'hello world'"
	case errors.Is(err, errNoChannel):
		return "set LINE_CHANNEL_ACCESS_TOKEN, or name a file with channels: by --config " +
			"(for lineq simulate the token is simulated-token)"
	case errors.Is(err, errAPIKeys):
		return "api_keys: [{name: …, sha256: …, scopes: [read]}]; printf %s KEY | sha256sum gives the hash"
	case errors.Is(err, errNoCallers):
		return "choose a token for its callers, and name it by gateway_token_env or gateway_token_file; " +
			"for the channel default of the environment by LINEQ_GATEWAY_TOKEN"
	case errors.Is(err, errSecretAlone):
		return "set LINE_CHANNEL_ACCESS_TOKEN, or LINE_CHANNEL_ID beside the secret"
	case errors.Is(err, errOrigin):
		return "for lineq simulate it is --line-origin http://127.0.0.1:8788"
	case errors.Is(err, errRedisURL):
		return "such as redis://127.0.0.1:6379/0, rediss://user:password@host:6380, unix:///run/redis.sock, " +
			"redis-sentinel://host1,host2/master-name or redis-cluster://host1,host2; special characters in a password are " +
			"written as %40"
	case errors.Is(err, errNoMaster):
		return "it stands behind the hosts: redis-sentinel://host1:26379,host2:26379/master-name"
	case errors.Is(err, errLimits):
		return "such as rates: {pushMessage: 1000/s} and channels: {shop: {share: 0.5}}; see lineq worker --help"
	case errors.Is(err, errLimitsOff):
		return "leave it out, or name a file; for lineq simulate give --line-origin http://127.0.0.1:8788"
	case errors.Is(err, errConfig):
		return `keys are names of flags without --, and channels: {name: {token_env: …}}; secrets stay out of the file`
	case errors.Is(err, errFault):
		return "kinds are refuse, cut, edge_html, accept_500 and accept_cut, as refuse=0.05, and delay=0.1:2s"
	case errors.Is(err, syscall.EADDRINUSE):
		return "is it running already? 127.0.0.1:0 takes a free port"
	case errors.Is(err, errNoText):
		return `--text hello, or --message FILE with {"type":"text","text":"hello"}; --message - reads stdin`
	case errors.Is(err, errTooLarge):
		return "images, videos and audio of a message are https URLs, not their bytes"
	case errors.Is(err, fs.ErrNotExist):
		return "the path is relative to the working directory"
	case errors.Is(err, producer.ErrIDReused):
		return "give a new message a new --id; lineq task show tells what became of the first"
	case errors.Is(err, producer.ErrNotFound):
		return "name its --channel if it isn't the default one; results are kept 48 hours (sent) or 7 days (failed)"
	case errors.Is(err, producer.ErrNotQueued):
		return "the first enqueueing got no further than its ID: repeat it"
	case errors.Is(err, producer.ErrBusy):
		return "try again in a few seconds"
	case errors.Is(err, producer.ErrDecided):
		return "a task with an outcome can be started again with lineq task run, unless it was sent"
	case errors.Is(err, record.ErrSent):
		return "to send the message once more, enqueue it under another --id"
	case errors.Is(err, tasks.ErrUnknownKind), errors.Is(err, tasks.ErrNewerVersion):
		return "a newer lineq has written it: update this one"
	case errors.As(err, &refused) && refused.Reason == lineapi.Auth && !refused.Unsent:
		return tokenHint
	case errors.As(err, &refused) && refused.Unsent:
		return refusedHint(refused)
	case errors.As(err, &wrong) && wrong.command != "":
		return "see " + wrong.command + " --help"
	}
	return ""
}

const tokenHint = "give this command and the worker a new one, from https://developers.line.biz/console/"

// refusedHint goes by what the checks of lineapi say, as they have no types; TestBadInput keeps the two together.
func refusedHint(e *lineapi.Error) string {
	says := func(part string) bool {
		return strings.Contains(e.Message, part) ||
			slices.ContainsFunc(e.Details, func(d lineapi.Detail) bool { return strings.Contains(d.Message, part) })
	}
	inOperations := says("file of operations") ||
		slices.ContainsFunc(e.Details, func(d lineapi.Detail) bool { return strings.HasPrefix(d.Property, "operations") })
	switch {
	case inOperations && !says("rich menu id"):
		return `a batch is an array of 1 to 1000: [{"type":"link","from":"richmenu-…","to":"richmenu-…"}], ` +
			`{"type":"unlink","from":"richmenu-…"}, or {"type":"unlinkAll"} alone`
	case says("has no type"):
		return `every message has a "type"; models of LINE's Go SDK get it only when they are marshalled by pointer: ` +
			`json.Marshal(&message)`
	case says("not JSON"), says("is not a JSON object"):
		return `a file holds one LINE message object, {"type":"text","text":"hello"}, or an array of up to 5`
	case says("Size must be between 1 and 5") && !says("Size must be between 1 and 500"):
		return "LINE takes 1 to 5 messages in a request: send the others with another task"
	case says("Size must be between 1 and 500"):
		return "LINE takes 1 to 500 users in a request: send to the others with another task"
	case says("user id"), says("group id"), says("room id"), says("doesn't start with U, C or R"):
		return "IDs come from webhook events: U, C or R and 32 of 0-9 a-f; a user's @name isn't one"
	case says("rich menu id"):
		return "lineq richmenu publish gives the ID of a menu: richmenu- and 32 of 0-9 a-f"
	}
	return "see https://developers.line.biz/en/reference/messaging-api/"
}

func redisHint(err error) string {
	var unknownCA x509.UnknownAuthorityError
	var wrongName x509.HostnameError
	switch {
	case errors.Is(err, errIsCluster):
		return "begin the URL with redis-cluster://"
	case errors.Is(err, errNoCluster):
		return "begin the URL with redis://"
	case errors.Is(err, errIsSentinel):
		return "begin the URL with redis-sentinel://, and end it with the master's name"
	case strings.Contains(err.Error(), "all sentinels specified"):
		return sentinelHint(err)
	case errors.As(err, &unknownCA):
		return "name the file with the certificate of the authority: rediss://host:6380?ca=FILE"
	case errors.As(err, &wrongName):
		return "use the name that the certificate has, or add ?server_name= to the URL"
	case redis.HasErrorPrefix(err, "NOAUTH"), redis.HasErrorPrefix(err, "WRONGPASS"), redis.IsAuthError(err):
		return "put user and password into the URL: redis://user:password@host:6379"
	case errors.Is(err, context.DeadlineExceeded):
		return "nothing answers there: check the address, and rediss:// where Redis wants TLS"
	}
	return "is it running there? --redis or REDIS_URL names another one; lineq dev needs none"
}

// sentinelHint goes by what go-redis gathers of the sentinels' answers.
func sentinelHint(err error) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "NOAUTH"), strings.Contains(text, "WRONGPASS"):
		return "the sentinels want a password of their own: ?sentinel_password= in the URL"
	case strings.Contains(text, "redis: nil"), strings.Contains(text, "IDONTKNOW"), strings.Contains(text, "No such master"):
		return "they know no master of this name: it stands behind the hosts of the URL"
	case strings.Contains(text, "unknown command"):
		return "that is no sentinel: a sentinel's usual port is 26379, and a single Redis has a URL that begins with redis://"
	}
	return "are they running there? The URL names the sentinels, not Redis itself"
}
