package lineapi

import (
	"context"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// RichMenuAlias is a name for a rich menu that can be pointed at another.
type RichMenuAlias struct {
	Alias      string `json:"richMenuAliasId"`
	RichMenuID string `json:"richMenuId"`
}

// CreateRichMenuAlias names a rich menu. LINE refuses a name that exists.
func (c *Client) CreateRichMenuAlias(ctx context.Context, alias, richMenuID string) (Receipt, error) {
	var p problems
	p.add("richMenuAliasId", aliasProblem(alias))
	p.add("richMenuId", richMenuIDProblem(richMenuID))
	var b object
	b.value("richMenuAliasId", alias)
	b.value("richMenuId", richMenuID)
	return c.checkedWrite(ctx, p, jsonCall(endpoint.CreateRichMenuAlias, b.close()))
}

// UpdateRichMenuAlias points a name at another rich menu. Users may see the old one for a while.
func (c *Client) UpdateRichMenuAlias(ctx context.Context, alias, richMenuID string) (Receipt, error) {
	var p problems
	p.add("richMenuAliasId", aliasProblem(alias))
	p.add("richMenuId", richMenuIDProblem(richMenuID))
	var b object
	b.value("richMenuId", richMenuID)
	k := jsonCall(endpoint.UpdateRichMenuAlias, b.close())
	k.segments = []string{alias}
	return c.checkedWrite(ctx, p, k)
}

// DeleteRichMenuAlias deletes a name. A repeat is answered with 404.
func (c *Client) DeleteRichMenuAlias(ctx context.Context, alias string) (Receipt, error) {
	var p problems
	p.add("richMenuAliasId", aliasProblem(alias))
	return c.checkedWrite(ctx, p, call{endpoint: endpoint.DeleteRichMenuAlias, segments: []string{alias}})
}

// RichMenuAlias gets one name. LINE answers 404 when it doesn't exist.
func (c *Client) RichMenuAlias(ctx context.Context, alias string) (RichMenuAlias, error) {
	var p problems
	p.add("richMenuAliasId", aliasProblem(alias))
	return checkedRead[RichMenuAlias](ctx, c, p, call{endpoint: endpoint.GetRichMenuAlias, segments: []string{alias}})
}

// RichMenuAliases lists all names.
func (c *Client) RichMenuAliases(ctx context.Context) ([]RichMenuAlias, error) {
	body, err := read[struct {
		Aliases []RichMenuAlias `json:"aliases"`
	}](ctx, c, call{endpoint: endpoint.GetRichMenuAliasList, maxAnswer: maxListAnswer})
	return body.Aliases, err
}
