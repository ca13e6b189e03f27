package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks/limit"
)

func perSecond(n int) endpoint.Limit { return endpoint.Limit{Requests: n, Per: time.Second} }

const limitsYAML = `
rates:
  pushMessage: 1000/s
  broadcast: 30/h
  createAudienceGroup: 6/min
channels:
  shop:
    share: 0.5
    rates: {multicast: 100/s}
  bank:
  "2": {share: 1}
`

func TestLimits(t *testing.T) {
	fromFile := limit.Limits{
		Rates: map[string]endpoint.Limit{
			"pushMessage": perSecond(1000), "broadcast": {Requests: 30, Per: time.Hour},
			"createAudienceGroup": {Requests: 6, Per: time.Minute},
		},
		Channels: map[string]limit.Channel{
			"shop": {Share: 0.5, Rates: map[string]endpoint.Limit{"multicast": perSecond(100)}},
			"bank": {}, "2": {Share: 1},
		},
	}
	const configYAML = `
channels:
  shop: {token_env: X, share: 0.25, rates: {multicast: 50/s, pushMessage: 200/s}}
  bank: {token_env: X, share: .75}
  news: {token_env: X, rates: {narrowcast: 1/h}}
  plain: {token_env: X}
`
	fromConfig := map[string]limit.Channel{
		"shop": {Share: 0.25, Rates: map[string]endpoint.Limit{"multicast": perSecond(50), "pushMessage": perSecond(200)}},
		"bank": {Share: 0.75},
		"news": {Rates: map[string]endpoint.Limit{"narrowcast": {Requests: 1, Per: time.Hour}}},
	}
	limits, config := file(t, "limits.yaml", limitsYAML), file(t, "lineq.yaml", configYAML)
	sim := lineFlags{LineOrigin: "http://127.0.0.1:8788"}
	channels := map[string]*lineapi.Client{"shop": {}, "bank": {}}

	for name, test := range map[string]struct {
		which, config string
		line          lineFlags
		want          limit.Limits
		note          string
	}{
		"published":     {which: "published"},
		"off":           {which: "off", line: sim, want: limit.Limits{Off: true}},
		"off beats all": {which: "off", line: sim, config: config, want: limit.Limits{Off: true}},
		"a file":        {which: limits, want: fromFile, note: "note: " + limits + " has limits for the channel 2,"},
		"an empty file": {which: file(t, "empty.yaml", "# nothing\n---\n")},
		"published, and the file of --config": {
			which: "published", config: config, want: limit.Limits{Channels: fromConfig},
		},
		"the file before that of --config": {
			which: limits, config: config, want: limit.Limits{
				Rates: fromFile.Rates,
				Channels: map[string]limit.Channel{
					"shop": {
						Share: 0.5,
						Rates: map[string]endpoint.Limit{"multicast": perSecond(100), "pushMessage": perSecond(200)},
					},
					"bank": {Share: 0.75}, "news": fromConfig["news"], "2": {Share: 1},
				},
			},
			note: "the channel 2,",
		},
		"above LINE's, for the simulator": {
			which: file(t, "high.yaml", "rates: {pushMessage: 9000/s}"), line: sim,
			want: limit.Limits{Rates: map[string]endpoint.Limit{"pushMessage": perSecond(9000)}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var errs bytes.Buffer
			a := &app{stderr: &errs}
			if test.config != "" {
				var err error
				a.config, err = readConfig(test.config)
				require.NoError(t, err)
			}
			l, err := limitFlags{test.which}.limits(a, test.line, channels)
			require.NoError(t, err)
			assert.Equal(t, normal(test.want), normal(l))
			assert.NoError(t, l.Check())
			assert.Contains(t, errs.String(), test.note)
			assert.LessOrEqual(t, strings.Count(errs.String(), "\n"), 1)
		})
	}
}

// normal makes empty maps nil.
func normal(l limit.Limits) limit.Limits {
	channels := map[string]limit.Channel{}
	for name, c := range l.Channels {
		if len(c.Rates) == 0 {
			c.Rates = nil
		}
		channels[name] = c
	}
	l.Channels = channels
	return l
}

func TestBadLimits(t *testing.T) {
	c := cli{t, map[string]string{"LINE_CHANNEL_ACCESS_TOKEN": secretToken, "X": secretToken}}
	for name, test := range map[string]struct {
		yaml string
		says string
	}{
		"no such operation": {
			"rates:\n  pushMesage: 1/s\n", `:2:3: rates.pushMesage: LINE has no such operation; did you mean pushMessage?`,
		},
		"a task's kind": {
			"rates: {push: 1/s}", `:1:9: rates.push: LINE has no such operation; did you mean pushMessage?`,
		},
		"another case": {
			"rates: {link-rich-menu-id-to-users: 1/s}", "did you mean linkRichMenuIdToUsers?",
		},
		"nothing like it": {"rates: {telepathy: 1/s}", "rates.telepathy: LINE has no such operation\n"},
		"of a channel": {
			"channels:\n  shop:\n    rates:\n      multcast: 1/s\n",
			`:4:7: channels.shop.rates.multcast: LINE has no such operation; did you mean multicast?`,
		},
		"zero":     {"rates:\n  pushMessage: 0/s\n", ":2:16: rates.pushMessage: a limit must be above zero"},
		"negative": {"rates: {pushMessage: -1/s}", "rates.pushMessage: it must be a whole number and a unit"},
		"no unit":  {"rates: {pushMessage: 1000}", "such as 1000/s, 60/min or 3/h"},
		"unit":     {"rates: {pushMessage: 5/day}", "such as 1000/s, 60/min or 3/h"},
		"fraction": {"rates: {pushMessage: 0.5/s}", "such as 1000/s, 60/min or 3/h"},
		"huge":     {"rates: {pushMessage: 99999999999999999999/s}", "such as 1000/s, 60/min or 3/h"},
		"list":     {"rates: {pushMessage: [1/s]}", "such as 1000/s, 60/min or 3/h"},
		"nothing":  {"rates:\n  pushMessage:\n", "such as 1000/s, 60/min or 3/h"},
		"above LINE's": {
			"rates:\n  pushMessage: 2001/s\n", ":2:16: rates.pushMessage: 2001/s is above what LINE grants, 2000/s",
		},
		"above LINE's per hour": {"rates: {broadcast: 2/min}", "2/min is above what LINE grants, 60/h"},
		"above LINE's, of a channel": {
			"channels: {shop: {rates: {multicast: 201/s}}}", "channels.shop.rates.multicast: 201/s is above",
		},
		"share of nothing":   {"channels:\n  shop:\n    share: 0\n", ":3:12: channels.shop.share: it must be a part above 0"},
		"share of more":      {"channels: {shop: {share: 1.5}}", "up to 1, such as 0.5"},
		"share in per cent":  {"channels: {shop: {share: 50%}}", "up to 1, such as 0.5"},
		"share of no number": {"channels: {shop: {share: .nan}}", "up to 1, such as 0.5"},
		"shares":             {"channels: {shop: {share: [0.5, 0.5]}}", "up to 1, such as 0.5"},
		"channel's name":     {"channels:\n  a b: {share: 1}\n", ":2:3: channels: channel name"},
		"channel's setting": {
			"channels:\n  shop:\n    token: " + secretToken + "\n", `:3:5: channels.shop: there is no setting "token"`,
		},
		"setting":       {"limits: off\n", `:1:1: there is no setting "limits": there are rates and channels`},
		"no names":      {"- pushMessage\n", ":1:1: it isn't a list of names and values"},
		"no rates":      {"rates: 1000/s\n", ":1:8: rates isn't a list of names and values"},
		"no channels":   {"channels: [shop]\n", "channels isn't a list of names and values"},
		"no channel":    {"channels: {shop: 0.5}\n", "channels.shop isn't a list of names and values"},
		"twice":         {"rates:\n  multicast: 1/s\n  multicast: 2/s\n", `:3:3: mapping key "multicast" already defined`},
		"two documents": {"rates: {}\n---\nrates: {}\n", "it holds more than one document"},
		"malformed":     {"rates: {pushMessage: \"" + secretToken, "limits.yaml:1:"},
		"large":         {strings.Repeat("#", maxLimitsFile+1), "a file of limits has at most 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			o := c.run("worker", "--line-limits", file(t, "limits.yaml", test.yaml))
			assert.Equal(t, 2, o.code, o.stderr)
			assert.Contains(t, o.stderr, "limits.yaml:")
			assert.Contains(t, o.stderr, test.says)
			assert.Contains(t, o.stderr, "  hint: such as rates: {pushMessage: 1000/s}")
		})
	}
	for name, test := range map[string]struct {
		args       []string
		says, hint string
	}{
		"no file": {[]string{"--line-limits", "on"}, "on: no such file", "relative"},
		"off":     {[]string{"--line-limits", "off"}, "not for LINE's own hosts", "--line-origin http://127.0.0.1:8788"},
		"off, and LINE's own name": {
			[]string{"--line-limits", "off", "--line-origin", "https://API.line.me:443"}, "LINE's own hosts", "--line-origin",
		},
		"of the file of --config": {
			[]string{"--config", file(t, "lineq.yaml", "channels:\n  shop: {token_env: X, share: 2}\n")},
			"lineq.yaml:2:31: channels.shop.share: it must be", "share: 0.5",
		},
		"a rate of the file of --config": {
			[]string{"--config", file(t, "lineq.yaml", "channels:\n  shop:\n    token_env: X\n    rates: {bulk: 1/s}\n")},
			"lineq.yaml:4:13: channels.shop.rates.bulk: LINE has no such operation", "share: 0.5",
		},
		"also with off": {
			[]string{
				"--line-limits", "off", "--line-origin", "http://127.0.0.1:1",
				"--config", file(t, "lineq.yaml", "channels:\n  shop: {token_env: X, rates: no}\n"),
			},
			"channels.shop.rates isn't a list", "share: 0.5",
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := c.run(append([]string{"worker"}, test.args...)...)
			assert.Equal(t, 2, o.code, o.stderr)
			assert.Contains(t, o.stderr, test.says)
			assert.Contains(t, o.stderr, "  hint: ")
			assert.Contains(t, o.stderr, test.hint)
		})
	}
}

// The file in the help is one that is understood.
func TestLimitsHelp(t *testing.T) {
	_, example, _ := strings.Cut(limitsHelp, "\n\n")
	example, _, _ = strings.Cut(example, "\n\n")
	l, err := limitsReader{path: "help", capped: true}.file([]byte(example))
	require.NoError(t, err)
	assert.Equal(t, perSecond(1000), l.Rates["pushMessage"])
	assert.Equal(t, limit.Channel{Share: 0.5, Rates: map[string]endpoint.Limit{"multicast": perSecond(100)}},
		l.Channels["shop"])
}

func FuzzLimitsFile(f *testing.F) {
	f.Add([]byte(limitsYAML))
	for _, s := range []string{
		"", "rates:", "rates: {push: 1/s}", "channels: {shop: {share: .5}}", "- a", "a: &x {b: 1}\nc: *x", "<<: {rates: {}}",
		"!!str rates: {}", "? {a: b}\n: c", "rates: {multicast: !!str 1/s}", "---\n---\n", "{", "\"", "channels: {\"\": }",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := limitsReader{path: "limits.yaml", capped: true}.file(data)
		if err != nil {
			assert.ErrorIs(t, err, errLimits)
			assert.Equal(t, 2, exitCode(err))
			assert.True(t, strings.HasPrefix(err.Error(), "limits.yaml:"), err.Error())
			return
		}
		require.NoError(t, l.Check())
		for _, e := range endpoint.All {
			for _, name := range []string{"shop", "bank"} {
				assert.GreaterOrEqual(t, l.Interval(name, e), limit.Limits{}.Interval(name, e), "never above LINE's own limit")
			}
		}
	})
}
