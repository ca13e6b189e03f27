package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
)

// modelOf is the grammar, without a command line.
func modelOf(t testing.TB) *kong.Application {
	parser, err := kong.New(&commands{}, kong.Vars{"channel": "default"})
	require.NoError(t, err)
	return parser.Model
}

func TestConfigCheckSaysAll(t *testing.T) {
	t.Parallel()
	c := cli{t, map[string]string{"TOKEN": secretToken, "SECRET": secretSecret}}
	path := file(t, "lineq.yaml", `redsi: `+secretRedis+`
redis: http://`+secretRedis+`@host
grace: `+secretText+`
concurrency: many
log-format: xml
token: `+secretToken+`
addr: localhost
retain-sent: 1h
tls-cert: cert.pem
channels:
  a b: {token_env: TOKEN}
  shop:
    token: `+secretToken+`
  two: {token_env: TOKEN, token_file: /x}
  three:
    token_env: NOPE
    shar: 0.5
  four:
    token_file: /nowhere/at/all
    share: 7
    rates: {pushMesage: 1/s, multicast: 900/s, broadcast: fast}
  five: {token_env: SECRET}
  six:
    token_env: SECRET
  seven: {channel_id: "7", assertion_key_env: SECRET}
  eight: {secret_env: SECRET}
  nine:
  ten: {channel_id: "7", secret_env: SECRET}
api_keys:
  - {name: x, sha256: `+secretSecret+`, scopes: [reed]}
  - name: x
    sha: y
`)
	o := c.run("config", "check", path)
	assert.Equal(t, 1, o.code)
	for _, want := range []string{
		"1:1: redsi: there is no such setting; did you mean redis?",
		"2:8: redis: it isn't the URL of a Redis",
		"3:8: grace: it must be a time with its unit",
		"4:14: concurrency: it must be a whole number",
		"5:13: log-format: it must be one of console, json",
		"6:1: token: it doesn't belong into this file",
		"7:7: addr: it isn't a host and a port",
		"8:14: retain-sent: it must be 24h at least",
		"9:1: tls-cert: tls-cert and tls-key belong together",
		`11:3: channels: "a b" is no name of a channel`,
		"13:5: channels.shop.token: it doesn't belong into this file; name the variable that holds it by token_env",
		"14:27: channels.two.token_file: token_env and token_file exclude each other",
		"17:5: channels.three.shar: there is no such setting of a channel; did you mean share?",
		"19:5: channels.four.token_file: /nowhere/at/all: no such file or directory",
		"20:12: channels.four.share: it must be a part above 0",
		"21:13: channels.four.rates.pushMesage: LINE has no such operation; did you mean pushMessage?",
		"21:41: channels.four.rates.multicast: 900/s is above what LINE grants, 200/s",
		"21:59: channels.four.rates.broadcast: it must be a whole number and a unit",
		"24:5: channels.six.token_env: the channel five has the same token",
		"25:3: channels.seven: its assertion key needs an assertion_key_id",
		"25:28: channels.seven.assertion_key_env: it is neither a JSON Web Key",
		"26:3: channels.eight: its secret or key needs a channel_id",
		"27:3: channels.nine: it has no token",
		"28:9: channels.ten.channel_id: the channel seven has the same channel id",
		"api_keys[0].sha256: it isn't 64 hexadecimal digits",
		"api_keys[0].scopes: there is no such scope; they are send, read and operate",
		"api_keys[1]: it has no sha256 and no scopes",
		"api_keys[1].name: another key has the same name",
		"32:5: api_keys[1].sha: there is no such setting of a key",
	} {
		assert.Contains(t, o.stdout, want)
	}
	assert.Equal(t, 29, strings.Count(o.stdout, "\n"), "something else is said, too: %s", o.stdout)
	assert.NotContains(t, o.stdout, "\n\n")
	for _, l := range strings.Split(strings.TrimSpace(o.stdout), "\n") {
		assert.Regexp(t, `^`+regexp.QuoteMeta(path)+`:[0-9]+:[0-9]+: `, l)
	}

	shown := c.run("config", "check", path, "--json")
	assert.Equal(t, 1, shown.code)
	review := document[configReview](t, shown.stdout)
	assert.False(t, review.OK)
	assert.Len(t, review.Problems, 29)
}

func TestConfigCheckOfTheWhole(t *testing.T) {
	t.Parallel()
	c := cli{t, map[string]string{}}
	for name, test := range map[string]struct{ content, says string }{
		"malformed":        {"redis: \"" + secretRedis, ":1:"},
		"a list":           {"- a\n", ":1:1: it isn't a list of names and values"},
		"two documents":    {"grace: 1s\n---\ngrace: 2s\n", "more than one document"},
		"the same twice":   {"grace: 1s\ngrace: 2s\n", ":2:1: "},
		"a mapping":        {"redis:\n  url: " + secretRedis + "\n", ":2:6: redis: it isn't a single value"},
		"channels: a list": {"channels: [" + secretToken + "]\n", "channels: it isn't a list of names and values"},
		"keys: a name":     {"api_keys: " + secretToken + "\n", "api_keys: it isn't a list"},
		"alias of itself":  {"channels: &a\n  x: *a\n", "channels.x"},
	} {
		t.Run(name, func(t *testing.T) {
			o := c.run("config", "check", file(t, "lineq.yaml", test.content))
			assert.Equal(t, 1, o.code, o.stdout+o.stderr)
			assert.Contains(t, o.stdout, test.says)
		})
	}
	o := c.run("config", "check", filepath.Join(t.TempDir(), "nothing.yaml"))
	assert.Equal(t, 2, o.code)
	assert.Contains(t, o.stderr, "no such file")
}

// TestConfigCheckOfOneFileForAll has settings of worker, serve and campaigns in one file, and says whose they are.
func TestConfigCheckOfOneFileForAll(t *testing.T) {
	t.Parallel()
	c := cli{t, map[string]string{"TOKEN": secretToken, "LINEQ_CONFIG": file(t, "lineq.yaml", `
concurrency: 10
tls-cert: c.pem
tls-key: k.pem
retain-sent: 72h
channels:
  base: &base {token_env: TOKEN, share: 0.5}
  more:
    <<: *base
    token_env: OTHER
`), "OTHER": secretToken + "-2"}}
	review := document[configReview](t, c.ok("config", "check", "--json"))
	assert.True(t, review.OK)
	assert.Empty(t, review.Problems)
	assert.Equal(t, []string{"base", "more"}, review.Channels)
	assert.Equal(t, []configSetting{
		{"concurrency", []string{"worker"}}, {"tls-cert", []string{"serve", "healthcheck"}}, {"tls-key", []string{"serve"}},
		{"retain-sent", []string{"worker"}},
	}, review.Settings)
	assert.Contains(t, c.ok("config", "check"), "concurrency  for lineq worker\n")
}

// TestDoctorChecksTheFile lets the doctor say all that is wrong with it, and ask LINE nothing.
func TestDoctorChecksTheFile(t *testing.T) {
	t.Parallel()
	c, _ := withMini(t)
	o := c.run("doctor", "--json", "--config", file(t, "lineq.yaml", "channels:\n  a: {token_env: NOPE}\n  b: {secret_env: X}\n"))
	assert.Equal(t, 1, o.code)
	var found []string
	for _, f := range document[[]finding](t, o.stdout) {
		if f.Check == "config" {
			assert.Equal(t, problem, f.State)
			found = append(found, f.Subject[strings.Index(f.Subject, ".yaml"):]+" "+f.Text)
		}
	}
	assert.Equal(t, []string{
		".yaml:2:7 channels.a.token_env: the variable NOPE is empty",
		".yaml:3:3 channels.b: its secret or key needs a channel_id",
	}, found)
}

func TestConfigInit(t *testing.T) {
	t.Parallel()
	c := cli{t, map[string]string{}}
	path := filepath.Join(t.TempDir(), "lineq.yaml")
	assert.Equal(t, path+"\n", c.ok("config", "init", path))
	c.ok("config", "check", path)
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(before), c.ok("config", "init", "-"))

	o := c.run("config", "init", path)
	assert.Equal(t, 2, o.code)
	assert.Contains(t, o.stderr, "is there already")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, before, after)

	o = c.run("config", "init", filepath.Join(path, "below"))
	assert.Equal(t, 2, o.code)
}

var sampleSetting = regexp.MustCompile(`(?m)^#([a-z][a-z-]*): ?(.*)$`)

// TestSampleIsReal takes the # off every line of the sample, and holds it to the flags and to what a channel can have.
func TestSampleIsReal(t *testing.T) {
	t.Parallel()
	model := modelOf(t)
	sample := sampleConfig(model)
	flags := flagsOf(model)
	given := map[string]string{}
	var whole strings.Builder
	for _, line := range strings.Split(sample, "\n") {
		m := sampleSetting.FindStringSubmatch(line)
		switch {
		case m != nil && m[2] != "":
			require.Contains(t, flags, m[1])
			given[m[1]] = m[2]
			if f := flags[m[1]][0].flag; f.Default != "" {
				whole.WriteString(line[1:] + "\n")
			}
		case strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "# ") || strings.HasPrefix(line, "#  "):
			whole.WriteString(line[1:] + "\n")
		}
	}
	for _, name := range settingsOf(model, "worker", "serve") {
		assert.Contains(t, given, name, "the sample has every setting")
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	text := whole.String()
	for of, content := range map[string]string{
		"/run/secrets/tickets": secretToken + "-2", "/run/secrets/news": secretSecret,
		"/run/secrets/bank.jwk": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
	} {
		require.Contains(t, text, of)
		text = strings.ReplaceAll(text, of, file(t, "secret", content))
	}
	c := cli{t, map[string]string{"SHOP_TOKEN": secretToken, "NEWS_GATEWAY_TOKEN": "news-" + secretToken}}
	path := file(t, "lineq.yaml", text)
	review := document[configReview](t, c.ok("config", "check", path, "--json"))
	assert.Equal(t, []string{"shop", "tickets", "news", "bank"}, review.Channels)
	assert.Equal(t, []string{"dashboard", "shop"}, review.APIKeys)
	read, err := readConfig(path)
	require.NoError(t, err)
	assert.Len(t, read.channels, 4)
	for _, field := range channelFields {
		assert.Contains(t, sample+"secret_env assertion_key_env gateway_token_file", field)
	}
}

// TestChannelFields holds the list of a channel's settings to what the file is decoded into.
func TestChannelFields(t *testing.T) {
	t.Parallel()
	for _, field := range channelFields {
		value := "x"
		_, err := readConfig(file(t, "lineq.yaml", "channels:\n  shop:\n    "+field+": "+value+"\n"))
		assert.NoError(t, err)
		if field != "share" && field != "rates" {
			assert.NotNil(t, new(channelConfig).target(field), field)
		}
	}
}

// TestAssertionKey sends through a worker whose channel has an assertion signing key, and LINE has the public one.
func TestAssertionKey(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for name, test := range map[string]struct {
		kid     string
		outcome string
	}{"LINE knows it": {"kid-1", `"outcome":"sent"`}, "LINE doesn't": {"kid-2", `"state":"waiting"`}} {
		t.Run(name, func(t *testing.T) {
			sim, err := linesim.New(linesim.Config{Channels: []linesim.Channel{
				{ID: "1", AssertionKeys: map[string]*rsa.PublicKey{"kid-1": &key.PublicKey}},
			}})
			require.NoError(t, err)
			line := httptest.NewServer(sim)
			defer line.Close()
			der, err := x509.MarshalPKCS8PrivateKey(key)
			require.NoError(t, err)
			private := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
			c, _ := withMini(t)
			config := file(t, "lineq.yaml", fmt.Sprintf(`line-origin: %s
channels:
  bank: {channel_id: "1", assertion_key_id: %s, assertion_key_file: %s}
`, line.URL, test.kid, file(t, "key.pem", private)))
			c.ok("config", "check", config)
			w := c.start("worker", "--config", config)
			w.await("worker started")
			c.ok("send", "push", "--to", user, "--text", secretText, "--channel", "bank", "--id", "one")
			if test.kid == "kid-1" {
				c.ok("send", "push", "--to", user, "--text", secretText, "--channel", "bank", "--id", "one", "--wait")
			} else {
				w.await("channel held")
			}
			assert.Equal(t, strings.Contains(test.outcome, "sent"), sim.Ledger().Count(user) == 1)
			require.NoError(t, w.stop())
			assert.NotContains(t, w.output(), "PRIVATE KEY")
			assert.NotContains(t, w.output(), private[60:100])
		})
	}
}

// TestSecretFiles gives every secret by a file, as secrets of Docker and Kubernetes are.
func TestSecretFiles(t *testing.T) {
	line, tokens := newLINE(t)
	c, _ := withMini(t)
	url := c.env["LINEQ_REDIS"]
	delete(c.env, "LINEQ_REDIS")
	c.env["REDIS_URL_FILE"] = file(t, "redis", url+"\n")
	c.env["LINEQ_LINE_ORIGIN"] = line
	c.env["LINE_CHANNEL_ACCESS_TOKEN_FILE"] = file(t, "token", secretToken+"\n")
	w := c.start("worker")
	w.await("worker started")
	c.ok("send", "push", "--to", user, "--text", secretText, "--wait")
	require.NoError(t, w.stop())
	assert.Equal(t, []string{secretToken}, tokens())

	delete(c.env, "LINE_CHANNEL_ACCESS_TOKEN_FILE")
	c.env["LINE_CHANNEL_ID"], c.env["LINE_CHANNEL_SECRET_FILE"] = "1", file(t, "secret", secretSecret+"\n")
	delete(c.env, "REDIS_URL_FILE")
	c.env["LINEQ_REDIS_FILE"] = file(t, "redis", url+"\n")
	w = c.start("worker")
	w.await("worker started")
	c.ok("send", "push", "--to", other, "--text", secretText, "--wait")
	require.NoError(t, w.stop())
	assert.Len(t, tokens(), 1)

	for name, test := range map[string]struct {
		env  map[string]string
		says string
	}{
		"both":          {map[string]string{"LINE_CHANNEL_ACCESS_TOKEN": secretToken, "LINE_CHANNEL_ACCESS_TOKEN_FILE": "x"}, "LINE_CHANNEL_ACCESS_TOKEN and LINE_CHANNEL_ACCESS_TOKEN_FILE exclude each other"},
		"both of Redis": {map[string]string{"REDIS_URL": url, "REDIS_URL_FILE": "x"}, "REDIS_URL and REDIS_URL_FILE exclude each other"},
		"no file":       {map[string]string{"LINE_CHANNEL_ACCESS_TOKEN_FILE": "/nowhere/token"}, "LINE_CHANNEL_ACCESS_TOKEN_FILE: /nowhere/token: no such file"},
		"empty":         {map[string]string{"LINE_CHANNEL_ACCESS_TOKEN_FILE": file(t, "empty", " \n")}, "is empty"},
		"too long":      {map[string]string{"LINE_CHANNEL_ACCESS_TOKEN_FILE": file(t, "long", strings.Repeat(secretToken, 3000))}, "has more than 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			o := cli{t, test.env}.run("worker")
			assert.Equal(t, 2, o.code)
			assert.Contains(t, o.stderr, test.says)
			assert.Contains(t, o.stderr, "hint: ")
		})
	}
}

// FuzzConfig holds the check to the reader: what is right for the one is right for the other, and no value is ever shown.
func FuzzConfig(f *testing.F) {
	model := modelOf(f)
	f.Add("redis: x\nchannels:\n  shop: {token_env: TOKEN, share: 0.5, rates: {multicast: 1/s}}\n")
	f.Add("api_keys:\n  - {name: a, sha256: b, scopes: [read]}\n")
	f.Add("channels: &a\n  x: *a\n")
	f.Add("channels:\n  a: &a {token_env: TOKEN}\n  b: {<<: *a, channel_id: 01}\n")
	f.Add("grace: !!str 1s\n---\n- a\n")
	f.Add("? [a, b]\n: c\n")
	f.Add("token_file: |\n  " + secretToken + "\n")
	f.Fuzz(func(t *testing.T, content string) {
		for _, word := range []string{"/dev", "/proc", "file", "line-limits"} {
			if strings.Contains(content, word) {
				return // it could read, and wait for, any file of this machine
			}
		}
		a := &app{getenv: func(string) string { return secretToken }, model: model}
		review := reviewConfig(a, "lineq.yaml", []byte(content))
		shown := fmt.Sprint(review)
		assert.NotContains(t, shown, secretToken)
		for _, p := range review.Problems {
			assert.Positive(t, p.Line)
			assert.Positive(t, p.Column)
			assert.NotContains(t, p.Text+p.Advice+p.Setting, "\n")
		}
		if _, err := readConfig(file(t, "lineq.yaml", content)); err != nil && review.OK {
			t.Errorf("the check has nothing against what can't be read: %v", err)
		}
	})
}
