package lineapi_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
)

const menuJSON = `{ "size": {"width":2500,"height":843}, "selected":false, "name":"n", "chatBarText":"menu", "areas":[] , "x":1}`

func mustMenu(t *testing.T, raw string) lineapi.RichMenu {
	t.Helper()
	menu, err := lineapi.ParseRichMenu([]byte(raw))
	require.NoError(t, err)
	return menu
}

// TestRichMenuMethods goes on with TestMethods.
func TestRichMenuMethods(t *testing.T) {
	menu := mustMenu(t, menuJSON)
	methodCases{
		"create rich menu": {
			exchange{
				method: "POST", uri: "/v2/bot/richmenu", contentType: jsonType, body: menuJSON, header: requestID,
				answer: `{"richMenuId":"` + menuID + `"}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				id, r, err := c.CreateRichMenu(ctx, menu)
				return []any{id, r}, err
			},
			[]any{menuID, receipt},
		},
		"validate rich menu": {
			exchange{method: "POST", uri: "/v2/bot/richmenu/validate", contentType: jsonType, body: menuJSON, answer: `{}`},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return nil, c.ValidateRichMenu(ctx, menu) },
			nil,
		},
		"upload rich menu image": {
			exchange{
				method: "POST", host: "data", uri: "/v2/bot/richmenu/" + menuID + "/content", contentType: "image/png",
				body: "png", header: requestID, answer: `{}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				return c.UploadRichMenuImage(ctx, menuID, "image/png", io.MultiReader(strings.NewReader("png")), 3)
			},
			receipt,
		},
		"download rich menu image": {
			exchange{
				method: "GET", host: "data", uri: "/v2/bot/richmenu/" + menuID + "/content",
				header: map[string]string{"Content-Type": "image/jpeg"}, answer: "jpeg",
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				return contentOf(c.DownloadRichMenuImage(ctx, menuID))
			},
			[]any{"jpeg", "image/jpeg", int64(4)},
		},
		"delete rich menu": {
			exchange{method: "DELETE", uri: "/v2/bot/richmenu/" + menuID, header: requestID, answer: `{}`},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.DeleteRichMenu(ctx, menuID) },
			receipt,
		},
		"rich menus": {
			exchange{
				method: "GET", uri: "/v2/bot/richmenu/list",
				answer: `{"richmenus":[{"richMenuId":"` + menuID + `","new":1}]}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				menus, err := c.RichMenus(ctx)
				require.Len(t, menus, 1)
				return []any{menus[0], menus[0].ID()}, err
			},
			[]any{mustMenu(t, `{"richMenuId":"`+menuID+`","new":1}`), menuID},
		},
		"rich menu": {
			exchange{method: "GET", uri: "/v2/bot/richmenu/" + menuID, answer: `{"richMenuId":"` + menuID + `"}`},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.RichMenu(ctx, menuID) },
			mustMenu(t, `{"richMenuId":"`+menuID+`"}`),
		},
		"set default rich menu": {
			exchange{method: "POST", uri: "/v2/bot/user/all/richmenu/" + menuID, header: requestID, answer: `{}`},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.SetDefaultRichMenu(ctx, menuID) },
			receipt,
		},
		"clear default rich menu": {
			exchange{method: "DELETE", uri: "/v2/bot/user/all/richmenu", header: requestID, answer: `{}`},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.ClearDefaultRichMenu(ctx) },
			receipt,
		},
		"default rich menu": {
			exchange{method: "GET", uri: "/v2/bot/user/all/richmenu", answer: `{"richMenuId":"` + menuID + `"}`},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.DefaultRichMenu(ctx) },
			menuID,
		},
		"linked rich menu": {
			exchange{method: "GET", uri: "/v2/bot/user/" + userID + "/richmenu", answer: `{"richMenuId":"` + menuID + `"}`},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.LinkedRichMenu(ctx, userID) },
			menuID,
		},
		"link rich menu": {
			exchange{method: "POST", uri: "/v2/bot/user/" + userID + "/richmenu/" + menuID, header: requestID, answer: `{}`},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.LinkRichMenu(ctx, userID, menuID) },
			receipt,
		},
		"unlink rich menu": {
			exchange{method: "DELETE", uri: "/v2/bot/user/" + userID + "/richmenu", header: requestID, answer: `{}`},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.UnlinkRichMenu(ctx, userID) },
			receipt,
		},
		"bulk link rich menu": {
			exchange{
				method: "POST", uri: "/v2/bot/richmenu/bulk/link", contentType: jsonType, status: 202, header: requestID,
				body: `{"richMenuId":"` + menuID + `","userIds":["` + userID + `","` + userID2 + `"]}`, answer: `{}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				return c.BulkLinkRichMenu(ctx, []string{userID, userID2}, menuID)
			},
			receipt,
		},
		"bulk unlink rich menu": {
			exchange{
				method: "POST", uri: "/v2/bot/richmenu/bulk/unlink", contentType: jsonType, status: 202, header: requestID,
				body: `{"userIds":["` + userID + `"]}`, answer: `{}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				return c.BulkUnlinkRichMenu(ctx, []string{userID})
			},
			receipt,
		},
		"create rich menu alias": {
			exchange{
				method: "POST", uri: "/v2/bot/richmenu/alias", contentType: jsonType, header: requestID,
				body: `{"richMenuAliasId":"tab-1","richMenuId":"` + menuID + `"}`, answer: `{}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				return c.CreateRichMenuAlias(ctx, "tab-1", menuID)
			},
			receipt,
		},
		"update rich menu alias": {
			exchange{
				method: "POST", uri: "/v2/bot/richmenu/alias/tab-1", contentType: jsonType, header: requestID,
				body: `{"richMenuId":"` + menuID + `"}`, answer: `{}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				return c.UpdateRichMenuAlias(ctx, "tab-1", menuID)
			},
			receipt,
		},
		"delete rich menu alias": {
			exchange{method: "DELETE", uri: "/v2/bot/richmenu/alias/tab-1", header: requestID, answer: `{}`},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.DeleteRichMenuAlias(ctx, "tab-1") },
			receipt,
		},
		"rich menu alias": {
			exchange{
				method: "GET", uri: "/v2/bot/richmenu/alias/tab-1",
				answer: `{"richMenuAliasId":"tab-1","richMenuId":"` + menuID + `"}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.RichMenuAlias(ctx, "tab-1") },
			lineapi.RichMenuAlias{Alias: "tab-1", RichMenuID: menuID},
		},
		"rich menu aliases": {
			exchange{
				method: "GET", uri: "/v2/bot/richmenu/alias/list",
				answer: `{"aliases":[{"richMenuAliasId":"tab-1","richMenuId":"` + menuID + `"}]}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.RichMenuAliases(ctx) },
			[]lineapi.RichMenuAlias{{Alias: "tab-1", RichMenuID: menuID}},
		},
		"rich menu batch": {
			exchange{
				method: "POST", uri: "/v2/bot/richmenu/batch", contentType: jsonType, status: 202, header: requestID,
				body: `{"operations":[{"type":"link","from":"` + menuID + `","to":"` + menuID2 + `"},` +
					`{"type":"unlink","from":"` + menuID2 + `"}],"resumeRequestKey":"resume-1"}`, answer: `{}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				return c.RichMenuBatch(ctx, lineapi.RichMenuBatchRequest{
					Operations: []lineapi.RichMenuOperation{
						{Type: "link", From: menuID, To: menuID2}, {Type: "unlink", From: menuID2},
					},
					ResumeRequestKey: "resume-1",
				})
			},
			receipt,
		},
		"validate rich menu batch": {
			exchange{
				method: "POST", uri: "/v2/bot/richmenu/validate/batch", contentType: jsonType,
				body: `{"operations":[{"type":"unlinkAll"}]}`, answer: `{}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				return nil, c.ValidateRichMenuBatch(ctx, lineapi.RichMenuBatchRequest{
					Operations: []lineapi.RichMenuOperation{{Type: "unlinkAll"}},
				})
			},
			nil,
		},
		"rich menu batch progress": {
			exchange{
				method: "GET", uri: "/v2/bot/richmenu/progress/batch?requestId=req-1",
				answer: `{"phase":"ongoing","acceptedTime":"2020-12-03T10:15:30.121Z"}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				return c.RichMenuBatchProgress(ctx, "req-1")
			},
			lineapi.RichMenuBatchProgress{Phase: "ongoing", AcceptedTime: accepted},
		},
	}.run(t)
}
