package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/lineq/lineq/lineapi"
)

// configCommand is lineq config.
type configCommand struct {
	Init  configInitCommand  `cmd:"" help:"Write a commented sample."`
	Check configCheckCommand `cmd:"" help:"Say everything that is wrong with a file, and where."`
}

// defaultConfig is the file that the commands mean where none is named.
const defaultConfig = "lineq.yaml"

// configCheckCommand is lineq config check.
type configCheckCommand struct {
	File string `arg:"" optional:"" help:"The file; else that of --config, else lineq.yaml."`
	JSON bool   `name:"json" help:"Print a JSON document."`
}

func (configCheckCommand) Help() string {
	return `Examples:

    lineq config check
    lineq config check /etc/lineq/lineq.yaml
    lineq config check --json | jq -r '.problems[] | "\(.line) \(.text)"'

It reads the file as the commands would, with the environment and the secret files that it names, and says all that is
wrong, each as file:line:column. It asks neither Redis nor LINE: lineq doctor and lineq channel check do. Values are never
printed, as they may be secrets in the wrong place.

One file may serve all commands: a setting that only some of them have is right, and the list says which they are.

Exit code 1 when something is wrong, 2 when there is no such file. With --json: {"file","ok","problems":[{"line","column",
"setting","text","advice"}],"settings":[{"name","commands"}],"channels":[],"api_keys":[]}.`
}

func (c configCheckCommand) Run(a *app) error {
	path := cmp.Or(c.File, a.configPath, defaultConfig)
	data, err := readConfigFile(path)
	if err != nil {
		return err
	}
	review := reviewConfig(a, path, data)
	if c.JSON {
		err = a.printJSON(review)
	} else {
		err = review.print(a)
	}
	if err == nil && !review.OK {
		err = &wrongConfigError{path, len(review.Problems)}
	}
	return err
}

// maxConfig is far above what a thousand channels take.
const maxConfig = 4 << 20

// readConfigFile reads the file of --config, up to its limit.
func readConfigFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	switch {
	case err != nil:
		return nil, fileError(path, err)
	case len(data) > maxConfig:
		return nil, configError("%s: a configuration has at most %d bytes", path, maxConfig)
	}
	return data, nil
}

// wrongConfigError is of a file in which something is wrong.
type wrongConfigError struct {
	path     string
	problems int
}

func (e *wrongConfigError) Error() string {
	if e.problems == 1 {
		return e.path + ": there is a problem"
	}
	return fmt.Sprintf("%s: there are %d problems", e.path, e.problems)
}

// configReview is what lineq config check says of a file.
type configReview struct {
	File     string          `json:"file"`
	OK       bool            `json:"ok"`
	Problems []configProblem `json:"problems"`
	Settings []configSetting `json:"settings"`
	Channels []string        `json:"channels"`
	APIKeys  []string        `json:"api_keys"`
}

// configProblem is one thing that is wrong. It quotes names that lineq or the file gives, but no values.
type configProblem struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Setting string `json:"setting"` // its path, such as channels.shop.token_env; empty: the file as a whole
	Text    string `json:"text"`
	Advice  string `json:"advice"`
}

// configSetting is a setting of the file, and the commands that have it.
type configSetting struct {
	Name     string   `json:"name"`
	Commands []string `json:"commands"`
}

func (r configReview) print(a *app) error {
	if !r.OK {
		for _, p := range r.Problems {
			text := p.Text
			if p.Setting != "" {
				text = p.Setting + ": " + text
			}
			if p.Advice != "" {
				text += "; " + p.Advice
			}
			if _, err := fmt.Fprintf(a.stdout, "%s:%d:%d: %s\n", r.File, p.Line, p.Column, text); err != nil {
				return err
			}
		}
		return nil
	}
	rows := []row{{"file", r.File + " is right"}}
	if len(r.Channels) > 0 {
		rows = append(rows, row{"channels", strings.Join(r.Channels, ", ")})
	}
	if len(r.APIKeys) > 0 {
		rows = append(rows, row{"api_keys", strings.Join(r.APIKeys, ", ")})
	}
	for _, s := range r.Settings {
		rows = append(rows, row{s.Name, "for lineq " + strings.Join(s.Commands, ", ")})
	}
	return a.printRows(rows)
}

// secrets checks what a channel's entry names, with the environment and the files as they are here.
func (v *configReviewer) secrets(channel *channelEntry) {
	place := "channels." + channel.name
	c := channel.config
	text := func(err error) string {
		return oneLine(strings.TrimPrefix(err.Error(), "lineapi: "))
	}
	secret := func(what, variable, path string) string {
		field := what + "_file"
		if variable != "" {
			field = what + "_env"
		}
		value, err := v.app.secret(what, variable, path)
		if err != nil {
			advice := "set it for the process that reads this file"
			if variable == "" {
				advice = "write the secret alone into it, and let the process read it"
			}
			_, rest, _ := strings.Cut(err.Error(), field+": ")
			v.at(channel.field(field), place+"."+field, advice, "%s", oneLine(cmp.Or(rest, err.Error())))
		}
		return value
	}
	both := func(what string) bool {
		if channel.fields[what+"_env"] == nil || channel.fields[what+"_file"] == nil {
			return false
		}
		v.at(channel.field(what+"_file"), place+"."+what+"_file", "keep one of them", "%s_env and %s_file exclude each other", what, what)
		return true
	}
	doubled := false
	for _, what := range []string{"token", "secret", "assertion_key", "gateway_token"} {
		doubled = both(what) || doubled
	}
	if doubled {
		return
	}
	hasToken := c.TokenEnv != "" || c.TokenFile != ""
	hasSecret := c.SecretEnv != "" || c.SecretFile != ""
	hasKey := c.AssertionKeyEnv != "" || c.AssertionKeyFile != ""
	switch {
	case hasToken && (c.ChannelID != "" || hasSecret || hasKey):
		v.at(channel.key, place, "keep token_env or token_file, or else channel_id with its secret or key",
			"it has a token and a channel_id, a secret or a key: one of them is enough")
	case hasSecret && hasKey:
		v.at(channel.key, place, "the key alone is enough", "it has a secret and an assertion key: one of them is enough")
	case (hasSecret || hasKey) && c.ChannelID == "":
		v.at(channel.key, place, "it stands in LINE's console beside the secret", "its secret or key needs a channel_id")
	case hasToken:
		if token := secret("token", c.TokenEnv, c.TokenFile); token != "" {
			v.unique(channel, "token", token)
		}
	case hasSecret:
		secret("secret", c.SecretEnv, c.SecretFile)
	case hasKey:
		if c.AssertionKeyID == "" {
			v.at(channel.key, place, "it is LINE's kid for the public key, from the console", "its assertion key needs an assertion_key_id")
		}
		if data := secret("assertion_key", c.AssertionKeyEnv, c.AssertionKeyFile); data != "" {
			if _, err := lineapi.ParseAssertionKey([]byte(data)); err != nil {
				field := "assertion_key_file"
				if c.AssertionKeyEnv != "" {
					field = "assertion_key_env"
				}
				v.at(channel.field(field), place+"."+field, "give the private key of which LINE has the public one", "%s", text(err))
			}
		}
	default:
		v.at(channel.key, place, "such as token_env: SHOP_TOKEN, or channel_id with secret_file", "it has no token, and nothing that one could be issued with")
	}
	if c.AssertionKeyID != "" && !hasKey {
		v.at(channel.field("assertion_key_id"), place+".assertion_key_id", "give assertion_key_file or assertion_key_env, too", "there is no key that it names")
	}
	if c.GatewayTokenEnv != "" || c.GatewayTokenFile != "" {
		if token := secret("gateway_token", c.GatewayTokenEnv, c.GatewayTokenFile); token != "" {
			v.unique(channel, "gateway_token", token)
		}
	}
	if c.ChannelID != "" {
		v.unique(channel, "channel_id", c.ChannelID)
	}
}

// unique says where two channels have the same.
func (v *configReviewer) unique(channel *channelEntry, what, value string) {
	kind := strings.TrimPrefix(what, "gateway_") // a caller's token may not be another channel's own either
	other := v.seen[kind+"\x00"+value]
	if other == "" || other == channel.name {
		v.seen[kind+"\x00"+value] = channel.name
		return
	}
	field := slices.IndexFunc([]string{what, what + "_env", what + "_file"}, func(f string) bool { return channel.fields[f] != nil })
	name := []string{what, what + "_env", what + "_file"}[max(field, 0)]
	v.at(channel.field(name), "channels."+channel.name+"."+name, "one channel of LINE has one name here: its limits are kept by name",
		"the channel %s has the same %s", other, strings.ReplaceAll(what, "_", " "))
}

// lookAtConfig finds what is wrong with the file of --config, and tells whether it can be used.
func (d *doctor) lookAtConfig(a *app) (usable bool, err error) {
	if a.configPath == "" {
		return true, nil
	}
	data, err := readConfigFile(a.configPath)
	if err != nil {
		return false, err
	}
	review := reviewConfig(a, a.configPath, data)
	for _, p := range review.Problems {
		d.say(problem, "config", fmt.Sprintf("%s:%d:%d", a.configPath, p.Line, p.Column), p.Advice, "%s: %s", p.Setting, p.Text)
	}
	if review.OK {
		d.say(fine, "config", a.configPath, "", "nothing is wrong with it")
	}
	return review.OK, nil
}
