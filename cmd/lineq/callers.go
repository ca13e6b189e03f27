package main

import (
	"context"
	"fmt"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer/gateway"
	"github.com/lineq/lineq/tasks"
)

// callers says for every channel which bearer tokens mean it. It is the channel access token where that is configured; a
// channel whose tokens lineq issues itself needs one for its callers.
func (f lineFlags) callers(ctx context.Context, a *app) (map[string]gateway.Channel, error) {
	tokens, err := f.tokens(a)
	if err != nil {
		return nil, err
	}
	channels := map[string]gateway.Channel{}
	for name, its := range tokens {
		source := its.TokenSource
		c := gateway.Channel{Token: source}
		if _, issued := source.(lineapi.Renewer); !issued {
			token, err := source.Token(ctx)
			if err != nil {
				return nil, err
			}
			c.CallerTokens = append(c.CallerTokens, token)
		}
		extra, err := a.gatewayToken(name)
		if err != nil {
			return nil, err
		}
		if extra != "" {
			c.CallerTokens = append(c.CallerTokens, extra)
		}
		if len(c.CallerTokens) == 0 {
			return nil, misuse(marked{fmt.Errorf("channel %s has no token of its callers", name), errNoCallers})
		}
		channels[name] = c
	}
	return channels, nil
}

// gatewayToken is a channel's token for callers alone; empty: there is none.
func (a *app) gatewayToken(name string) (string, error) {
	if name == tasks.DefaultChannel {
		if token, err := a.variable("LINEQ_GATEWAY_TOKEN"); err != nil || token != "" {
			return token, err
		}
	}
	if a.config == nil {
		return "", nil
	}
	c := a.config.channels[name]
	if c.GatewayTokenEnv == "" && c.GatewayTokenFile == "" {
		return "", nil
	}
	token, err := a.secret("gateway_token", c.GatewayTokenEnv, c.GatewayTokenFile)
	if err != nil {
		return "", misuse(fmt.Errorf("%s: channel %s: %w", a.config.path, name, err))
	}
	return token, nil
}
