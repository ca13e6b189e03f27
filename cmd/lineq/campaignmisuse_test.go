package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks/channel"
)

// TestCampaignBadInput runs what users get wrong with campaigns. Each is one line, and a hint that names the way out.
func TestCampaignBadInput(t *testing.T) {
	c, rdb := withMini(t)
	require.NoError(t, channel.Register(t.Context(), rdb, "default"))
	valid, people := file(t, "valid.json", texts(1)), file(t, "people.csv", audienceOf(2))
	send := []string{"campaign", "send", "--audience", people, "--message", valid}
	message := func(text string) []string {
		return []string{"campaign", "send", "--audience", people, "--message", file(t, "offer.json", text)}
	}
	audience := func(text string) []string {
		return []string{"campaign", "send", "--audience", file(t, "list.csv", text), "--message", valid}
	}
	flex := `{"type":"flex","altText":"a","contents":{"type":"bubble","body":{"type":"box","contents":[{"text":"` + secretText
	for name, test := range map[string]struct {
		args []string
		code int
		says string
		hint string
	}{
		"no audience": {[]string{"campaign", "send", "--message", valid}, 2, "--audience", "lineq campaign send --help"},
		"no message":  {[]string{"campaign", "send", "--audience", people}, 2, "--message", "lineq campaign send --help"},
		"no such audience": {
			[]string{"campaign", "send", "--audience", "nowhere.csv", "--message", valid},
			2, "nowhere.csv: no such file", "relative",
		},
		"a directory": {
			[]string{"campaign", "send", "--audience", t.TempDir(), "--message", valid}, 2, "it is a directory", "--help",
		},
		"empty audience":    {audience(""), 2, "list.csv: it is empty", "header"},
		"no column to":      {audience("name\nMika\n"), 2, `list.csv: the header names no column "to"`, "header"},
		"malformed message": {message("{\n\"type\": x"), 2, "offer.json: the file is not JSON: line 2", "message object"},
		"message without a type": {
			message(`{"text":"` + secretText + `"}`), 2, "offer.json: the message has no type", "type",
		},
		"placeholder without an end": {
			message(flex + `{{name"}]}}}`),
			2, "offer.json: messages[0].contents.body.contents[0].text: the {{ at character ", "{{name|you}}",
		},
		"placeholder without a column": {
			message(`{"type":"text","text":"{{nmae}} ` + secretText + `"}`),
			2, "people.csv: there is no column for {{nmae}} (is name meant?): there are name", "{{name|you}}",
		},
		"too long a text": {
			message(`{"type":"text","text":"` + strings.Repeat("x", 5001) + `"}`),
			2, "offer.json: refused before sending: messages[0].text Length must be between 0 and 5000", "developers.line.biz",
		},
		"second message without a name": {
			append(send, "--message", "en="+valid), 2, "give each of several a name", "--help",
		},
		"the same name twice": {
			[]string{"campaign", "send", "--audience", people, "--message", "a=" + valid, "--message", "a=" + valid},
			2, "there are two for the name a", "--help",
		},
		"both from stdin": {
			[]string{"campaign", "send", "--audience", "-", "--message", "-"}, 2, "only one file can be stdin", "--help",
		},
		"window without a zone": {append(send, "--window", "09:00-21:00"), 2, "--window and --tz belong together", "--help"},
		"zone without a window": {append(send, "--tz", "Asia/Tokyo"), 2, "--window and --tz belong together", "--help"},
		"window": {
			append(send, "--window", "9-21", "--tz", "Asia/Tokyo"), 2, `--window: window "9-21": write it as 09:00-21:00`, "--help",
		},
		"zone": {
			append(send, "--window", "09:00-21:00", "--tz", "Asia/Tokio"), 2, `no time zone is called "Asia/Tokio"`, "--help",
		},
		"rate":               {append(send, "--rate", "fast"), 2, "--rate: it must be a whole number and a unit, such as 1000/s", "--help"},
		"max failures":       {append(send, "--max-failures", "150%"), 2, "--max-failures: it must be above 0%", "5%"},
		"max failures of 0":  {append(send, "--max-failures", "0%"), 2, "--max-failures: it must be above 0%", "5%"},
		"webhook":            {append(send, "--webhook", "ftp://x"), 2, "--webhook must be a URL", "--help"},
		"id":                 {append(send, "--id", "a b"), 2, "id ", "--help"},
		"channel":            {append(send, "--channel", "a b"), 2, "channel name", "--help"},
		"unknown channel":    {append(send, "--channel", "shop"), 2, `"shop"`, "default"},
		"unit":               {append(send, "--unit", "a-b"), 2, "customAggregationUnits", "developers.line.biz"},
		"in":                 {append(send, "--in=-1h"), 2, "--in can't be negative", "--help"},
		"timeout":            {append(send, "--timeout", "0s"), 2, "--timeout", "--help"},
		"at and in":          {append(send, "--in", "1h", "--at", "2030-01-01 08:00"), 2, "together", "--help"},
		"dry run and watch":  {append(send, "--dry-run", "--watch"), 2, "together", "--help"},
		"test of nobody":     {append(send, "--test", "@me"), 2, "--test: ", "webhook"},
		"rejected in no dir": {append(send, "--rejected", "nowhere/x.csv"), 2, "nowhere/x.csv: no such file", "relative"},

		"list: lines":        {[]string{"campaign", "list", "--lines", "0"}, 2, "--lines", "--help"},
		"list: channel":      {[]string{"campaign", "list", "--channel", "a b"}, 2, "channel name", "--help"},
		"list: state":        {[]string{"campaign", "list", "--state", "draft"}, 2, "--state", "--help"},
		"show: nothing":      {[]string{"campaign", "show", "nothing"}, 1, "campaign nothing: no such campaign", "lineq campaign list"},
		"show: id":           {[]string{"campaign", "show", "a b"}, 2, "id ", "--help"},
		"show: no recipient": {[]string{"campaign", "show", "x", "--recipient", "@me"}, 2, "doesn't start with", "webhook"},
		"watch: nothing":     {[]string{"campaign", "watch", "nothing"}, 1, "no such campaign", "lineq campaign list"},
		"pause: nothing":     {[]string{"campaign", "pause", "nothing"}, 1, "no such campaign", "lineq campaign list"},
		"resume: share":      {[]string{"campaign", "resume", "x", "--max-failures", "2"}, 2, "above 0%", "5%"},
		"resume: nothing":    {[]string{"campaign", "resume", "nothing"}, 1, "no such campaign", "lineq campaign list"},
		"cancel: nothing":    {[]string{"campaign", "cancel", "nothing"}, 1, "no such campaign", "lineq campaign list"},
		"failures: limit":    {[]string{"campaign", "failures", "x", "--limit=-1"}, 2, "--limit", "--help"},
		"failures: nothing":  {[]string{"campaign", "failures", "nothing"}, 1, "no such campaign", "lineq campaign list"},
		"export: format":     {[]string{"campaign", "export", "x", "--format", "xlsx"}, 2, "--format", "--help"},
		"export: nothing":    {[]string{"campaign", "export", "nothing"}, 1, "no such campaign", "lineq campaign list"},
		"retry: nothing":     {[]string{"campaign", "retry", "nothing"}, 1, "no such campaign", "lineq campaign list"},
		"retry: id":          {[]string{"campaign", "retry", "x", "--id", "a b"}, 2, "id ", "--help"},
	} {
		t.Run(name, func(t *testing.T) {
			o := cli{t, c.env}.run(test.args...)
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
	t.Run("nothing was left behind", func(t *testing.T) {
		keys, err := rdb.Keys(t.Context(), "lineq:{c:*").Result()
		require.NoError(t, err)
		assert.Empty(t, keys)
	})
}
