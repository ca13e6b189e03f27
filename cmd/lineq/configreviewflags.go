package main

import (
	"net"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml/ast"
)

// commandFlag is a flag of one command.
type commandFlag struct {
	command string
	flag    *kong.Flag
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
