package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
)

// lineFlags say where LINE is.
type lineFlags struct {
	LineOrigin     string `placeholder:"URL" help:"Instead of https://api.line.me; the data origin follows it."`
	LineDataOrigin string `placeholder:"URL" help:"Instead of https://api-data.line.me."`
}

// origins are the two origins as lineapi takes them. The simulated LINE serves both on one address, so one flag is enough.
func (f lineFlags) origins() (api, data string, err error) {
	api, data = f.LineOrigin, cmp.Or(f.LineDataOrigin, f.LineOrigin)
	for _, o := range []struct{ flag, value string }{{"--line-origin", api}, {"--line-data-origin", data}} {
		if o.value != "" && !strings.HasPrefix(o.value, "http://") && !strings.HasPrefix(o.value, "https://") {
			return "", "", misusef("%s %w", o.flag, errOrigin)
		}
	}
	return api, data, nil
}

// clients makes a client for every channel that has a token here.
func (f lineFlags) clients(a *app) (map[string]*lineapi.Client, error) {
	api, data, err := f.origins()
	if err != nil {
		return nil, err
	}
	tokens, err := f.tokens(a)
	if err != nil {
		return nil, err
	}
	clients := map[string]*lineapi.Client{}
	for _, name := range slices.Sorted(maps.Keys(tokens)) {
		if clients[name], err = a.credentials.client(tokens[name], api, data); err != nil {
			return nil, misuse(err)
		}
	}
	return clients, nil
}

// tokens finds the token of every channel of the file of --config, and one for the channel default of LINE's usual
// variables, which come before the file's.
func (f lineFlags) tokens(a *app) (map[string]credential, error) {
	api, _, err := f.origins()
	if err != nil {
		return nil, err
	}
	tokens := map[string]credential{}
	if a.config != nil {
		for name, c := range a.config.channels {
			if err := tasks.CheckChannel(name); err != nil {
				return nil, configError("%s: channels: %w", a.config.path, err)
			}
			if tokens[name], err = c.token(a, api); err != nil {
				return nil, misuse(fmt.Errorf("%s: channel %s: %w", a.config.path, name, err))
			}
		}
	}
	usual, err := usualToken(a, api)
	switch {
	case err != nil:
		return nil, err
	case usual.TokenSource != nil:
		tokens[tasks.DefaultChannel] = usual
	case len(tokens) == 0:
		return nil, misuse(errNoChannel)
	}
	return tokens, nil
}

// usualToken is the token of LINE's usual variables; the zero credential: they aren't set.
func usualToken(a *app, origin string) (credential, error) {
	token, err := a.variable("LINE_CHANNEL_ACCESS_TOKEN")
	switch {
	case err != nil:
		return credential{}, err
	case token != "":
		return a.credentials.static(token)
	}
	id := a.getenv("LINE_CHANNEL_ID")
	secret, err := a.variable("LINE_CHANNEL_SECRET")
	switch {
	case err != nil:
		return credential{}, err
	case secret == "":
		return credential{}, nil
	case id == "":
		return credential{}, misuse(errSecretAlone)
	}
	c, err := a.stateless(id, secret, origin)
	if err != nil {
		return credential{}, misuse(err)
	}
	return c, nil
}

func (a *app) stateless(id, secret, origin string) (credential, error) {
	return a.credentials.once(markOf("secret", origin, id, secret), func() (lineapi.TokenSource, error) {
		return lineapi.NewStatelessToken(lineapi.StatelessConfig{ChannelID: id, ChannelSecret: secret, Origin: origin})
	})
}

// token is the channel's, from the one place that the file names.
func (c channelConfig) token(a *app, origin string) (credential, error) {
	if c.ChannelID == "" {
		if c.SecretEnv != "" || c.SecretFile != "" || c.AssertionKeyEnv != "" || c.AssertionKeyFile != "" {
			return credential{}, marked{fmt.Errorf("its secret or key needs a channel_id"), errConfig}
		}
		token, err := a.secret("token", c.TokenEnv, c.TokenFile)
		if err != nil {
			return credential{}, err
		}
		return a.credentials.static(token)
	}
	if c.TokenEnv != "" || c.TokenFile != "" {
		return credential{}, marked{fmt.Errorf("it has a token and a channel_id: one of them is enough"), errConfig}
	}
	if c.AssertionKeyEnv != "" || c.AssertionKeyFile != "" {
		return c.byAssertion(a, origin)
	}
	secret, err := a.secret("secret", c.SecretEnv, c.SecretFile)
	if err != nil {
		return credential{}, err
	}
	return a.stateless(c.ChannelID, secret, origin)
}

// byAssertion issues the channel's tokens by an assertion signing key.
func (c channelConfig) byAssertion(a *app, origin string) (credential, error) {
	switch {
	case c.SecretEnv != "" || c.SecretFile != "":
		return credential{}, marked{fmt.Errorf("it has a secret and an assertion key: one of them is enough"), errConfig}
	case c.AssertionKeyID == "":
		return credential{}, marked{fmt.Errorf("its assertion key needs an assertion_key_id, which is LINE's kid for it"), errConfig}
	}
	data, err := a.secret("assertion_key", c.AssertionKeyEnv, c.AssertionKeyFile)
	if err != nil {
		return credential{}, err
	}
	key, err := lineapi.ParseAssertionKey([]byte(data))
	if err != nil {
		return credential{}, marked{fmt.Errorf("its assertion key: %w", err), errConfig}
	}
	return a.credentials.once(markOf("key", origin, c.ChannelID, c.AssertionKeyID, data), func() (lineapi.TokenSource, error) {
		return lineapi.NewStatelessToken(lineapi.StatelessConfig{
			ChannelID: c.ChannelID, Origin: origin, Key: &lineapi.AssertionKey{KeyID: c.AssertionKeyID, PrivateKey: key},
		})
	})
}

// secret reads a secret from the variable or the file that holds it.
func (a *app) secret(what, variable, path string) (string, error) {
	switch {
	case variable != "" && path != "":
		return "", marked{fmt.Errorf("%s_env and %s_file exclude each other", what, what), errConfig}
	case variable != "":
		value := strings.TrimSpace(a.getenv(variable))
		if value == "" {
			return "", marked{fmt.Errorf("%s_env: the variable %s is empty", what, variable), errConfig}
		}
		return value, nil
	case path != "":
		value, err := readSecret(path)
		switch {
		case isMisuse(err):
			return "", fmt.Errorf("%s_file: %w", what, err)
		case err != nil:
			return "", marked{fmt.Errorf("%s_file: %w", what, err), errConfig}
		}
		return value, nil
	}
	return "", marked{fmt.Errorf("it has no %s_env and no %s_file", what, what), errConfig}
}
