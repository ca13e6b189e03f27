package main

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/lineq/lineq/producer/gateway/manage"
	"github.com/lineq/lineq/tasks"
)

// configReviewer walks through a file and goes on after what is wrong, which readConfig doesn't.
type configReviewer struct {
	app     *app
	path    string
	anchors map[string]ast.Node
	flags   map[string][]commandFlag
	texts   map[string]string // of the settings, by name
	keys    map[string]ast.Node
	seen    map[string]string // whose a token or an id is
	review  configReview
}

// commandFlag is a flag of one command.
type commandFlag struct {
	command string
	flag    *kong.Flag
}

// channelEntry is one channel of the file.
type channelEntry struct {
	name   string
	key    ast.Node
	config channelConfig
	fields map[string]ast.Node // keys that it has
}

func (c *channelEntry) field(name string) ast.Node {
	if n := c.fields[name]; n != nil {
		return n
	}
	return c.key
}

// reviewConfig says everything that is wrong with a file.
func reviewConfig(a *app, path string, data []byte) configReview {
	v := &configReviewer{
		app: a, path: path, anchors: map[string]ast.Node{}, flags: flagsOf(a.model), texts: map[string]string{},
		keys: map[string]ast.Node{}, seen: map[string]string{},
		review: configReview{
			File: path, Problems: []configProblem{}, Settings: []configSetting{}, Channels: []string{}, APIKeys: []string{},
		},
	}
	v.document(data)
	slices.SortStableFunc(v.review.Problems, func(a, b configProblem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	v.review.OK = len(v.review.Problems) == 0
	return v.review
}

// flagsOf lists the flags that a file can give values to, by name, with their commands.
func flagsOf(model *kong.Application) map[string][]commandFlag {
	all := map[string][]commandFlag{}
	for _, command := range model.Children {
		_ = kong.Visit(command, func(n kong.Visitable, next kong.Next) error {
			if f, ok := n.(*kong.Flag); ok && f.Name != "config" && f.Name != "help" {
				all[f.Name] = append(all[f.Name], commandFlag{command.Name, f})
			}
			return next(nil)
		})
	}
	return all
}

func (v *configReviewer) at(n ast.Node, setting, advice, format string, args ...any) {
	p := configProblem{Line: 1, Column: 1, Setting: nameShown(setting), Text: fmt.Sprintf(format, args...), Advice: advice}
	if n != nil && n.GetToken() != nil && n.GetToken().Position != nil {
		p.Line, p.Column = n.GetToken().Position.Line, n.GetToken().Position.Column
	}
	v.review.Problems = append(v.review.Problems, p)
}

// nameShown is a name of the file as it may stand in one line of output.
func nameShown(name string) string {
	name = oneLine(strings.ToValidUTF8(name, "?"))
	if len(name) > 120 {
		name = strings.ToValidUTF8(name[:120], "") + "…"
	}
	return name
}

func (v *configReviewer) document(data []byte) {
	parsed, err := parser.ParseBytes(data, 0)
	if err != nil {
		line, column, text := splitPosition(yamlError(v.path, err).Error(), v.path)
		v.review.Problems = append(v.review.Problems, configProblem{
			Line: line, Column: column, Text: text, Advice: "quote what has special characters, and indent with spaces",
		})
		return
	}
	var root ast.Node
	for _, doc := range parsed.Docs {
		if doc.Body == nil {
			continue
		}
		if root != nil {
			v.at(doc.Body, "", "take the line --- and what follows it out", "it holds more than one document")
			return
		}
		root = doc.Body
		ast.Walk(anchorFinder(v.anchors), doc.Body)
	}
	if root == nil {
		return
	}
	v.each("", root, func(name string, key, value ast.Node) {
		switch name {
		case "channels":
			v.each(name, value, v.channel)
		case "api_keys":
			v.apiKeys(value)
		default:
			v.setting(name, key, value)
		}
	})
	v.pairs()
}

// anchorFinder remembers what the anchors of a file stand for.
type anchorFinder map[string]ast.Node

// Visit is goccy/go-yaml's.
func (f anchorFinder) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok {
		f[a.Name.GetToken().Value] = a.Value
	}
	return f
}

// plain is a node without anchors and tags around it, and what an alias stands for.
func (v *configReviewer) plain(n ast.Node) ast.Node {
	for range 10 { // an alias may stand for itself
		switch wrapped := n.(type) {
		case *ast.AnchorNode:
			n = wrapped.Value
		case *ast.TagNode:
			n = wrapped.Value
		case *ast.AliasNode:
			n = v.anchors[wrapped.Value.GetToken().Value]
		default:
			return n
		}
	}
	return nil
}

// each calls f for the entries of a mapping; nothing at all is an empty one.
func (v *configReviewer) each(place string, n ast.Node, f func(name string, key, value ast.Node)) {
	v.entries(place, n, 0, map[string]bool{}, f)
}

func (v *configReviewer) entries(place string, n ast.Node, depth int, had map[string]bool, f func(name string, key, value ast.Node)) {
	switch m := v.plain(n).(type) {
	case *ast.NullNode:
	case *ast.MappingNode:
		for _, entry := range m.Values {
			name := entry.Key.GetToken().Value
			if _, merges := entry.Key.(*ast.MergeKeyNode); !merges && !had[name] {
				had[name] = true
				f(name, entry.Key, entry.Value)
			}
		}
		for _, entry := range m.Values { // what is merged gives way to what stands there
			if _, merges := entry.Key.(*ast.MergeKeyNode); merges && depth < 5 {
				v.entries(place, entry.Value, depth+1, had, f)
			}
		}
	default:
		v.at(n, place, "write name: value, one a line", "it isn't a list of names and values")
	}
}

// text is a single value, or false.
func (v *configReviewer) text(n ast.Node) (string, bool) {
	switch s := v.plain(n).(type) {
	case nil:
		return "", false
	case *ast.NullNode:
		return "", true
	case ast.ScalarNode:
		return scalars(s)
	}
	return "", false
}

// setting checks the value of a flag, for each command that has it.
func (v *configReviewer) setting(name string, key, value ast.Node) {
	of := v.flags[name]
	if looksSecret(name) && !strings.HasSuffix(name, "-file") {
		v.at(key, name, v.suggestion(name), "it doesn't belong into this file")
		return
	}
	if len(of) == 0 {
		v.at(key, name, v.suggestion(name), "there is no such setting")
		return
	}
	var commands []string
	for _, f := range of {
		commands = append(commands, f.command)
	}
	commands = slices.Compact(commands)
	v.review.Settings = append(v.review.Settings, configSetting{name, commands})
	text, ok := scalars(v.plain(value))
	if !ok {
		v.at(value, name, "give it one value", "it isn't a single value or a list of them")
		return
	}
	v.texts[name], v.keys[name] = text, key
	for _, f := range of {
		if form := formOf(f.flag); parses(f.flag, "", text) != nil || !inEnum(f.flag, text) {
			v.at(value, name, "see lineq "+f.command+" --help", "it must be %s", form)
			return
		}
	}
	v.meaning(name, value, text)
}

// formOf says what a flag takes.
func formOf(f *kong.Flag) string {
	if f.Enum != "" {
		return "one of " + strings.ReplaceAll(f.Enum, ",", ", ")
	}
	switch f.Target.Interface().(type) {
	case time.Duration:
		return "a time with its unit, such as 15s or 48h"
	}
	switch f.Target.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	}
	return "a value of the form that the flag takes"
}

// inEnum tells whether a value is one of those that a flag takes; kong itself looks at the end only.
func inEnum(f *kong.Flag, text string) bool {
	return f.Enum == "" || slices.ContainsFunc(strings.Split(f.Enum, ","), func(s string) bool { return strings.TrimSpace(s) == text })
}

// meaning checks what a flag's type doesn't say.
func (v *configReviewer) meaning(name string, value ast.Node, text string) {
	switch name {
	case "redis":
		if _, err := parseRedis(text); err != nil {
			v.at(value, name, hintFor(errRedisURL), "it isn't the URL of a Redis")
		}
	case "line-origin", "line-data-origin":
		if text != "" && !strings.HasPrefix(text, "http://") && !strings.HasPrefix(text, "https://") {
			v.at(value, name, hintFor(errOrigin), "it %v", errOrigin)
		}
	case "addr", "metrics-addr":
		if _, _, err := net.SplitHostPort(text); err != nil {
			v.at(value, name, "such as 127.0.0.1:8789, or :8789 for every address of this machine", "it isn't a host and a port")
		}
	case "retain-sent":
		if d, err := time.ParseDuration(text); err == nil && d < 24*time.Hour {
			v.at(value, name, "LINE remembers retry keys for so long", "it must be 24h at least")
		}
	case "grace", "retain-failed":
		if d, err := time.ParseDuration(text); err == nil && d <= 0 {
			v.at(value, name, "", "it must be above zero")
		}
	case "line-limits":
		v.lineLimits(value, text)
	case "webhook-secret-file":
		if _, err := v.app.secret("webhook_secret", "", text); err != nil {
			v.at(value, name, "write the secret alone into it", "its file can't be read, or is empty")
		}
	}
}

// lineLimits checks the file of other limits.
func (v *configReviewer) lineLimits(value ast.Node, text string) {
	if text == "published" || text == "off" {
		return
	}
	data, err := v.app.read(text, maxLimitsFile)
	if err != nil {
		v.at(value, "line-limits", "it is published, off, or a file's name", "its file can't be read")
		return
	}
	if _, err := v.limits(text).file(data); err != nil {
		v.at(value, "line-limits", hintFor(errLimits), "%s", oneLine(err.Error()))
	}
}

func (v *configReviewer) limits(path string) limitsReader {
	return limitsReader{path: path, capped: lineFlags{LineOrigin: v.texts["line-origin"], LineDataOrigin: v.texts["line-data-origin"]}.own()}
}

// pairs checks settings that belong together.
func (v *configReviewer) pairs() {
	for one, other := range map[string]string{"tls-cert": "tls-key", "tls-key": "tls-cert"} {
		if v.texts[one] != "" && v.texts[other] == "" && v.app.getenv(environmentNames(other)[0]) == "" {
			v.at(v.keys[one], one, "give "+other+", too", "tls-cert and tls-key belong together")
		}
	}
}

// suggestion guesses what was meant by a name that no command has.
func (v *configReviewer) suggestion(name string) string {
	if looksSecret(name) {
		return "a token or a secret stays out of this file: channels name the variable or the file that holds it"
	}
	names := []string{"channels", "api_keys"}
	for n := range v.flags {
		names = append(names, n)
	}
	slices.Sort(names)
	if near := nearName(strings.ReplaceAll(name, "_", "-"), names); near != "" {
		return "did you mean " + near + "?"
	}
	if nearName(name, names) == "api_keys" {
		return "did you mean api_keys?"
	}
	return "settings are the names of flags without --; lineq config init writes them all"
}

func looksSecret(name string) bool {
	name = strings.ToLower(name)
	return strings.Contains(name, "token") || strings.Contains(name, "secret") || strings.Contains(name, "password")
}

// nearName is the one of names that a few wrong letters make of word.
func nearName(word string, names []string) string {
	if len(word) > 80 {
		return ""
	}
	best, least := "", min(3, len(word)/2)+1
	for _, n := range names {
		if d := distance(strings.ToLower(word), n); d < least {
			best, least = n, d
		}
	}
	return best
}

// channel checks an entry of channels.
func (v *configReviewer) channel(name string, key, value ast.Node) {
	place := "channels." + name
	c := &channelEntry{name: name, key: key, fields: map[string]ast.Node{}}
	if tasks.CheckChannel(name) != nil {
		v.at(key, "channels", "1 to 64 of A-Z a-z 0-9 . _ and -", "%q is no name of a channel", nameShown(name))
	} else {
		v.review.Channels = append(v.review.Channels, name)
	}
	whole := true
	v.each(place, value, func(field string, fieldKey, fieldValue ast.Node) {
		target := c.config.target(field)
		switch {
		case field == "share":
			v.limit(fieldValue, func(r limitsReader) error { _, err := r.share(place+".share", v.plain(fieldValue)); return err })
		case field == "rates":
			v.rates(place, fieldValue)
		case target == nil && looksSecret(field):
			v.at(fieldKey, place+"."+nameShown(field), "name the variable that holds it by "+strings.ToLower(plainField(field))+
				"_env, or the file by "+strings.ToLower(plainField(field))+"_file", "it doesn't belong into this file")
			whole = false
		case target == nil:
			advice := "there are " + strings.Join(channelFields, ", ")
			if near := nearName(field, channelFields); near != "" {
				advice = "did you mean " + near + "?"
			}
			v.at(fieldKey, place+"."+nameShown(field), advice, "there is no such setting of a channel")
			whole = false
		default:
			text, ok := v.text(fieldValue)
			if !ok || text == "" {
				v.at(fieldValue, place+"."+field, "give it a name, in quotes where it is a number", "it isn't a single value")
				whole = false
				return
			}
			*target = text
			c.fields[field] = fieldKey
		}
	})
	if whole {
		v.secrets(c)
	}
}

// plainField is what a field for a secret is about.
func plainField(field string) string {
	switch field = strings.ToLower(field); {
	case strings.Contains(field, "gateway"):
		return "gateway_token"
	case strings.Contains(field, "token"):
		return "token"
	}
	return "secret"
}

// channelFields are the settings of a channel.
var channelFields = []string{
	"token_env", "token_file", "channel_id", "secret_env", "secret_file", "assertion_key_env", "assertion_key_file",
	"assertion_key_id", "gateway_token_env", "gateway_token_file", "share", "rates",
}

// target is where a field's value belongs; nil: there is no such field.
func (c *channelConfig) target(field string) *string {
	switch field {
	case "token_env":
		return &c.TokenEnv
	case "token_file":
		return &c.TokenFile
	case "channel_id":
		return &c.ChannelID
	case "secret_env":
		return &c.SecretEnv
	case "secret_file":
		return &c.SecretFile
	case "assertion_key_env":
		return &c.AssertionKeyEnv
	case "assertion_key_file":
		return &c.AssertionKeyFile
	case "assertion_key_id":
		return &c.AssertionKeyID
	case "gateway_token_env":
		return &c.GatewayTokenEnv
	case "gateway_token_file":
		return &c.GatewayTokenFile
	}
	return nil
}

// rates checks each of a channel's rates by itself.
func (v *configReviewer) rates(place string, n ast.Node) {
	m, ok := v.plain(n).(*ast.MappingNode)
	if !ok {
		v.limit(n, func(r limitsReader) error { _, err := r.rates(place+".rates", v.plain(n)); return err })
		return
	}
	for _, entry := range m.Values {
		v.limit(entry, func(r limitsReader) error {
			_, err := r.rates(place+".rates", &ast.MappingNode{BaseNode: m.BaseNode, Start: m.Start, Values: []*ast.MappingValueNode{entry}})
			return err
		})
	}
}

// limit says what the reader of limits finds wrong at its own place.
func (v *configReviewer) limit(n ast.Node, read func(limitsReader) error) {
	err := read(v.limits(v.path))
	if err == nil {
		return
	}
	line, column, text := splitPosition(err.Error(), v.path)
	setting, rest, _ := strings.Cut(text, ": ")
	v.review.Problems = append(v.review.Problems, configProblem{
		Line: line, Column: column, Setting: nameShown(setting), Text: oneLine(rest),
	})
}

// splitPosition takes an error's file:line:column off.
func splitPosition(text, path string) (line, column int, rest string) {
	rest = strings.TrimPrefix(text, path+":")
	if n, _ := fmt.Sscanf(rest, "%d:%d:", &line, &column); n == 2 {
		_, rest, _ = strings.Cut(rest, ": ")
		return line, column, oneLine(rest)
	}
	return 1, 1, oneLine(rest)
}

// apiKeys checks the keys of the management API.
func (v *configReviewer) apiKeys(n ast.Node) {
	var list *ast.SequenceNode
	switch s := v.plain(n).(type) {
	case *ast.NullNode:
		return
	case *ast.SequenceNode:
		list = s
	default:
		v.at(n, "api_keys", hintFor(errAPIKeys), "it isn't a list")
		return
	}
	names := map[string]bool{}
	for i, item := range list.Values {
		place := fmt.Sprintf("api_keys[%d]", i)
		had := map[string]bool{}
		v.each(place, item, func(field string, key, value ast.Node) {
			had[field] = true
			switch text, ok := v.text(value); field {
			case "name":
				switch {
				case !ok || text == "":
					v.at(value, place+".name", "it stands in logs and holds", "it isn't a name")
				case names[text]:
					v.at(value, place+".name", "give each key a name of its own", "another key has the same name")
				default:
					names[text] = true
					v.review.APIKeys = append(v.review.APIKeys, nameShown(text))
				}
			case "sha256":
				if sum, err := hex.DecodeString(text); !ok || err != nil || len(sum) != 32 {
					v.at(value, place+".sha256", "printf %s KEY | sha256sum gives it; the key itself stays out of the file", "it isn't 64 hexadecimal digits")
				}
			case "scopes":
				v.scopes(place, value)
			default:
				v.at(key, place+"."+nameShown(field), "there are name, sha256 and scopes", "there is no such setting of a key")
			}
		})
		missing := slices.DeleteFunc([]string{"name", "sha256", "scopes"}, func(field string) bool { return had[field] })
		if len(missing) > 0 {
			v.at(item, place, hintFor(errAPIKeys), "it has no %s", strings.Join(missing, " and no "))
		}
	}
}

func (v *configReviewer) scopes(place string, n ast.Node) {
	const advice = "they are send, read and operate"
	list, ok := v.plain(n).(*ast.SequenceNode)
	if !ok || len(list.Values) == 0 {
		v.at(n, place+".scopes", advice, "it isn't a list of scopes")
		return
	}
	for _, s := range list.Values {
		text, _ := v.text(s)
		if !slices.Contains([]manage.Scope{manage.Send, manage.Read, manage.Operate}, manage.Scope(text)) {
			v.at(s, place+".scopes", advice, "there is no such scope")
		}
	}
}
