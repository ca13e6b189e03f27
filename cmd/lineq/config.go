package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/lineq/lineq/producer/gateway/manage"
)

// configFile is what the file of --config says.
type configFile struct {
	path     string
	flags    map[string]setting
	channels map[string]channelConfig
	apiKeys  []apiKeyConfig
}

// setting is the value of a flag, as its text.
type setting struct {
	text         string
	line, column int
}

// channelConfig says where a channel's secrets are, which are never in the file itself, and what limits it has of its own.
type channelConfig struct {
	TokenEnv   string `yaml:"token_env"`
	TokenFile  string `yaml:"token_file"`
	ChannelID  string `yaml:"channel_id"`
	SecretEnv  string `yaml:"secret_env"`
	SecretFile string `yaml:"secret_file"`
	// The private key of an assertion signing key, and LINE's kid for it, stand in for the secret.
	AssertionKeyEnv  string `yaml:"assertion_key_env"`
	AssertionKeyFile string `yaml:"assertion_key_file"`
	AssertionKeyID   string `yaml:"assertion_key_id"`
	// A token of callers of lineq serve, beside the channel access token or instead of it.
	GatewayTokenEnv  string `yaml:"gateway_token_env"`
	GatewayTokenFile string `yaml:"gateway_token_file"`

	Share yamlNode `yaml:"share"`
	Rates yamlNode `yaml:"rates"`
}

// apiKeyConfig is a key for the management API of lineq serve. The file holds its hash only.
type apiKeyConfig struct {
	Name   string         `yaml:"name"`
	SHA256 string         `yaml:"sha256"`
	Scopes []manage.Scope `yaml:"scopes"`
}

// readConfig reads a file whose top-level keys are the names of flags, channels and api_keys. Its errors give line and column, but
// quote nothing: a token may have come into the wrong file.
func readConfig(path string) (*configFile, error) {
	data, err := readConfigFile(path)
	if err != nil {
		return nil, err
	}
	return parseConfig(path, data)
}

func parseConfig(path string, data []byte) (*configFile, error) {
	parsed, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, yamlError(path, err)
	}
	c := &configFile{path: path, flags: map[string]setting{}}
	for _, doc := range parsed.Docs {
		if doc.Body == nil {
			continue
		}
		mapping, ok := doc.Body.(*ast.MappingNode)
		if !ok {
			return nil, configError("%s: it isn't a list of names and values", path)
		}
		for _, entry := range mapping.Values {
			if err := c.read(entry); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

func (c *configFile) read(entry *ast.MappingValueNode) error {
	name, at := entry.Key.String(), entry.Key.GetToken().Position
	if name == "channels" {
		if err := yaml.NodeToValue(entry.Value, &c.channels, yaml.Strict()); err != nil {
			return yamlError(c.path, err)
		}
		return nil
	}
	if name == "api_keys" {
		if err := yaml.NodeToValue(entry.Value, &c.apiKeys, yaml.Strict()); err != nil {
			return yamlError(c.path, err)
		}
		return nil
	}
	text, ok := scalars(entry.Value)
	if !ok {
		return configError("%s:%d:%d: %s isn't a single value or a list of them", c.path, at.Line, at.Column, name)
	}
	c.flags[name] = setting{text, at.Line, at.Column}
	return nil
}

// scalars is a value as the command line would have it; a list is joined with commas.
func scalars(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.SequenceNode:
		var all []string
		for _, v := range n.Values {
			s, ok := v.(ast.ScalarNode)
			if !ok {
				return "", false
			}
			text, _ := scalars(s)
			all = append(all, text)
		}
		return kong.JoinEscaped(all, ','), true
	case ast.ScalarNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// resolveFlags gives kong the values of flags that the command line leaves out: the environment's, else the file's.
func (a *app) resolveFlags(ctx *kong.Context) error {
	if err := a.loadConfig(ctx); err != nil {
		return err
	}
	ctx.AddResolver(kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		for _, name := range environmentNames(flag.Name) {
			v, err := a.variable(name)
			if err != nil {
				return nil, err
			}
			if v != "" {
				return v, parses(flag, name, v)
			}
		}
		if a.config != nil {
			if s, ok := a.config.flags[flag.Name]; ok {
				return s.text, parses(flag, fmt.Sprintf("%s:%d:%d", a.config.path, s.line, s.column), s.text)
			}
		}
		return nil, nil
	}))
	return nil
}

// parses tries a flag's value, so that the error can say where it came from.
func parses(flag *kong.Flag, source, value string) error {
	trial := reflect.New(flag.Target.Type()).Elem()
	if err := flag.Parse(kong.Scan().PushTyped(value, kong.FlagValueToken), trial); err != nil {
		return fmt.Errorf("%s: %w", source, cmp.Or(errors.Unwrap(err), err)) // kong names the flag once more
	}
	return nil
}

// loadConfig reads the file before any other flag has its value.
func (a *app) loadConfig(ctx *kong.Context) error {
	path := a.getenv("LINEQ_CONFIG")
	err := kong.Visit(ctx.Model, func(v kong.Visitable, next kong.Next) error {
		if f, ok := v.(*kong.Flag); ok {
			if given, _ := ctx.FlagValue(f).(string); f.Name == "config" && given != "" {
				path = given
			}
		}
		return next(nil)
	})
	if err != nil || path == "" {
		return err
	}
	a.configPath = path
	if n := ctx.Selected(); n != nil && n.Parent != nil && n.Parent.Name == "config" {
		return nil // it looks at the file, whatever is wrong with it
	}
	if a.config, err = readConfig(path); err != nil {
		return err
	}
	return a.knowsAll(flagsOf(ctx.Model))
}

// knowsAll refuses a setting that no command has.
func (a *app) knowsAll(flags map[string][]commandFlag) error {
	for name, s := range a.config.flags {
		if len(flags[name]) == 0 {
			return configError("%s:%d:%d: there is no setting %q", a.config.path, s.line, s.column, name)
		}
	}
	return nil
}

// environmentNames lists the variables that give a flag its value, the first one first.
func environmentNames(flag string) []string {
	switch name := "LINEQ_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_")); flag {
	case "help":
		return nil
	case "redis":
		return []string{name, "REDIS_URL"}
	default:
		return []string{name}
	}
}

// withEnvironment is a flag's help with the names of its variables.
func withEnvironment(v *kong.Value) string {
	if v.Flag == nil {
		return v.Help
	}
	text := v.Help
	for i, name := range environmentNames(v.Flag.Name) {
		separator := ", $"
		if i == 0 {
			separator = " ($"
		}
		text += separator + name
	}
	if v.Flag.Name == "help" {
		return text
	}
	return text + ")"
}

func yamlError(path string, err error) error {
	text, _, _ := strings.Cut(yaml.FormatError(err, false, false), "\n")
	// The error's position stands in brackets: [3:1] unknown field …
	if position, rest, ok := strings.Cut(strings.TrimPrefix(text, "["), "] "); ok && strings.HasPrefix(text, "[") {
		return configError("%s:%s: %s", path, position, rest)
	}
	return configError("%s: %s", path, text)
}

// fileError names the file in an error about it, once.
func fileError(path string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return misuse(fmt.Errorf("%s: %w", path, err))
}
