package main

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/lineq/lineq/producer/gateway/manage"
	"github.com/lineq/lineq/tasks"
)

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
