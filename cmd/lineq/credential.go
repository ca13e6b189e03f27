package main

import (
	"crypto/sha256"
	"strings"

	"github.com/lineq/lineq/lineapi"
)

// credential is where a channel's tokens come from. Two of the same mark are the same.
type credential struct {
	lineapi.TokenSource
	mark mark
}

type mark [sha256.Size]byte

func markOf(parts ...string) mark { return sha256.Sum256([]byte(strings.Join(parts, "\x00"))) }

// credentials remember those that were made, over reloads: a channel of which nothing has changed keeps its client, and the
// token that was issued for it.
type credentials struct {
	made    map[mark]credential
	clients map[mark]*lineapi.Client
}

func newCredentials() *credentials {
	return &credentials{map[mark]credential{}, map[mark]*lineapi.Client{}}
}

// static is a token that stays.
func (c *credentials) static(token string) (credential, error) {
	return c.once(markOf("token", strings.TrimSpace(token)), func() (lineapi.TokenSource, error) {
		return lineapi.StaticToken(token), nil
	})
}

// once makes a credential, unless it was made before.
func (c *credentials) once(m mark, make func() (lineapi.TokenSource, error)) (credential, error) {
	if known, ok := c.made[m]; ok {
		return known, nil
	}
	source, err := make()
	if err != nil {
		return credential{}, err
	}
	c.made[m] = credential{source, m}
	return c.made[m], nil
}

// client makes the client of a credential, unless it was made before.
func (c *credentials) client(of credential, api, data string) (*lineapi.Client, error) {
	m := markOf(string(of.mark[:]), api, data)
	if known := c.clients[m]; known != nil {
		return known, nil
	}
	client, err := lineapi.New(lineapi.Config{Token: of.TokenSource, Origin: api, DataOrigin: data})
	if err == nil {
		c.clients[m] = client
	}
	return client, err
}
