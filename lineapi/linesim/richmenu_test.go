package linesim_test

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
)

const menuObject = `{"size":{"width":2500,"height":843},"selected":false,"name":"menu","chatBarText":"Tap",` +
	`"areas":[{"bounds":{"x":0,"y":0,"width":2500,"height":843},"action":{"type":"postback","data":"a=1"}}]}`

func pngImage(t *testing.T, width, height int) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))))
	return b.String()
}

func jpegImage(t *testing.T, width, height int) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, width, height)), nil))
	return b.String()
}

func (l line) menu(t *testing.T) string {
	t.Helper()
	got := l.post("/v2/bot/richmenu", menuObject)
	require.Equal(t, 200, got.Code, got.Body)
	id := got.object["richMenuId"].(string)
	require.Regexp(t, `^richmenu-[0-9a-f]{32}$`, id)
	return id
}

func (l line) upload(id, data, mediaType string) response {
	return l.post("/v2/bot/richmenu/"+id+"/content", data, "Content-Type", mediaType)
}

// menuWithImage can be shown to users.
func (l line) menuWithImage(t *testing.T) string {
	t.Helper()
	id := l.menu(t)
	require.Equal(t, 200, l.upload(id, pngImage(t, 800, 540), "image/png").Code)
	return id
}

func (l line) linked(n int) string {
	id, _ := l.get("/v2/bot/user/" + user(n) + "/richmenu").object["richMenuId"].(string)
	return id
}

func TestRichMenuLife(t *testing.T) {
	l := start(t, unlimited)
	id := l.menu(t)
	got := l.get("/v2/bot/richmenu/" + id)
	assert.Equal(t, 200, got.Code)
	assert.Equal(t, "Tap", got.object["chatBarText"])
	assert.Equal(t, id, got.object["richMenuId"])
	assert.Len(t, l.get("/v2/bot/richmenu/list").object["richmenus"], 1)

	link := "/v2/bot/user/" + user(1) + "/richmenu/" + id
	const noImage = "must upload richmenu image before applying it to user"
	assertRefused(t, 400, noImage, l.post(link, ""))
	assert.Equal(t, []any{}, l.post(link, "").object["details"])
	assertRefused(t, 400, noImage, l.post("/v2/bot/user/all/richmenu/"+id, ""))
	assertRefused(t, 404, "Not found", l.get("/v2/bot/richmenu/"+id+"/content"))

	picture := pngImage(t, 800, 540)
	assert.Equal(t, 415, l.upload(id, picture, "image/gif").Code)
	assert.Equal(t, 415, l.upload(id, picture, "image/jpeg").Code, "the bytes are those of a PNG")
	assert.Equal(t, 415, l.upload(id, "GIF89a", "image/png").Code)
	assert.Equal(t, 413, l.upload(id, picture+strings.Repeat("x", 1<<20), "image/png").Code)
	assertRefused(t, 400, "The image size is not allowed for richmenu", l.upload(id, pngImage(t, 800, 600), "image/png"))
	assertRefused(t, 404, "Not found", l.upload("richmenu-x", picture, "image/png"))
	require.Equal(t, 200, l.upload(id, picture, "image/png").Code)
	assertRefused(t, 400, "An image has already been uploaded to the richmenu", l.upload(id, picture, "image/png"))
	image := l.get("/v2/bot/richmenu/" + id + "/content")
	assert.Equal(t, "image/png", image.Header().Get("Content-Type"))
	assert.Equal(t, picture, image.Body.String())
	assert.Equal(t, 200, l.upload(l.menu(t), jpegImage(t, 2500, 843), "image/jpeg").Code)

	assertRefused(t, 404, "the user has no richmenu", l.get("/v2/bot/user/"+user(1)+"/richmenu"))
	assert.Equal(t, 200, l.post(link, "").Code)
	assert.Equal(t, id, l.linked(1))
	assert.Equal(t, 200, l.call("DELETE", "/v2/bot/user/"+user(1)+"/richmenu", "").Code)
	assert.Empty(t, l.linked(1))
	assertRefused(t, 404, "richmenu not found", l.post("/v2/bot/user/"+user(1)+"/richmenu/richmenu-x", ""))
	assertRefused(t, 400, "The value for the 'userId' parameter is invalid", l.post("/v2/bot/user/x/richmenu/"+id, ""))

	assertRefused(t, 404, "no default richmenu", l.get("/v2/bot/user/all/richmenu"))
	assert.Equal(t, 200, l.post("/v2/bot/user/all/richmenu/"+id, "").Code)
	assert.Equal(t, id, l.get("/v2/bot/user/all/richmenu").object["richMenuId"])
	assert.Empty(t, l.linked(1), "the default is nobody's own menu")
	assert.Equal(t, 200, l.call("DELETE", "/v2/bot/user/all/richmenu", "").Code)
	assert.Equal(t, 404, l.get("/v2/bot/user/all/richmenu").Code)

	require.Equal(t, 200, l.post(link, "").Code)
	require.Equal(t, 200, l.post("/v2/bot/user/all/richmenu/"+id, "").Code)
	assert.Equal(t, 200, l.call("DELETE", "/v2/bot/richmenu/"+id, "").Code)
	assertRefused(t, 404, "Not found", l.call("DELETE", "/v2/bot/richmenu/"+id, ""))
	assertRefused(t, 404, "Not found", l.get("/v2/bot/richmenu/"+id))
	assert.Empty(t, l.linked(1))
	assert.Equal(t, 404, l.get("/v2/bot/user/all/richmenu").Code)
}

func TestRichMenusBelongToTheirChannel(t *testing.T) {
	l := start(t, linesim.Config{Channels: []linesim.Channel{linesim.DefaultChannel, {ID: "2", Token: "other"}}})
	id := l.menuWithImage(t)
	assert.Equal(t, 404, l.call("GET", "/v2/bot/richmenu/"+id, "", "Authorization", "Bearer other").Code)
}

func TestLinksToThoseWhoDontSeeThem(t *testing.T) {
	l := start(t, unlimited)
	id := l.menuWithImage(t)
	require.NoError(t, l.AddUser(linesim.User{ID: user(1), State: linesim.Blocked}))
	assert.Equal(t, 200, l.post("/v2/bot/user/"+user(1)+"/richmenu/"+id, "").Code)
	assert.Empty(t, l.linked(1))
}

func TestRichMenuObject(t *testing.T) {
	l := start(t, unlimited)
	for name, c := range map[string]struct{ old, new, property, text string }{
		"no size":       {`"size":{"width":2500,"height":843},`, ``, "size", "must be specified"},
		"no selected":   {`"selected":false,`, ``, "selected", "must be specified"},
		"no name":       {`"name":"menu",`, ``, "name", "must be specified"},
		"no bar":        {`"chatBarText":"Tap",`, ``, "chatBarText", "must be specified"},
		"no areas":      {menuObject[strings.Index(menuObject, `,"areas"`):], `}`, "areas", "must be specified"},
		"long name":     {`"menu"`, `"` + long(301) + `"`, "name", "Length must be between 0 and 300"},
		"long bar":      {`"Tap"`, `"` + long(15) + `"`, "chatBarText", "Length must be between 0 and 14"},
		"narrow":        {`"width":2500,"height":843},"s`, `"width":799,"height":300},"s`, "size.width", "Must be between 800 and 2500"},
		"flat":          {`"height":843},"s`, `"height":249},"s`, "size.height", "Must be between 250 and 2147483647"},
		"tall":          {`"height":843},"s`, `"height":1725},"s`, "size", "The aspect ratio (width / height) must be 1.45 or more"},
		"camera action": {`"postback","data":"a=1"`, `"camera"`, "areas[0].action.type", "Must be one of the following values: [postback, message, uri, datetimepicker, clipboard, richmenuswitch]"},
	} {
		t.Run(name, func(t *testing.T) {
			body := strings.Replace(menuObject, c.old, c.new, 1)
			for _, path := range []string{"/v2/bot/richmenu", "/v2/bot/richmenu/validate"} {
				got := l.post(path, body)
				assertRefused(t, 400, "The request body has 1 error(s)", got)
				assert.Equal(t, []any{map[string]any{"message": c.text, "property": c.property}}, got.object["details"])
			}
		})
	}
	assert.Equal(t, 200, l.post("/v2/bot/richmenu/validate", strings.Replace(menuObject, "Tap", strings.Repeat("👩‍👩‍👧", 14), 1)).Code)
	areas := strings.Repeat(`{"bounds":{"x":0,"y":0,"width":1,"height":1},"action":{"type":"message","text":"a"}},`, 21)
	got := l.post("/v2/bot/richmenu", menuObject[:strings.Index(menuObject, `"areas"`)]+`"areas":[`+strings.TrimSuffix(areas, ",")+`]}`)
	assert.Contains(t, got.Body.String(), "Size must be between 0 and 20")
	assert.Empty(t, l.get("/v2/bot/richmenu/list").object["richmenus"])
}

func TestAThousandMenus(t *testing.T) {
	l := start(t, unlimited)
	for range 1000 {
		l.menu(t)
	}
	assert.Equal(t, 400, l.post("/v2/bot/richmenu", menuObject).Code)
}

func TestBulkLinks(t *testing.T) {
	l := start(t, unlimited)
	id := l.menuWithImage(t)
	link := func(menu string, users ...string) response {
		return l.post("/v2/bot/richmenu/bulk/link", fmt.Sprintf(`{"richMenuId":"%s","userIds":["%s"]}`, menu, strings.Join(users, `","`)))
	}
	got := link(id, user(1), user(2))
	assert.Equal(t, 202, got.Code)
	assert.JSONEq(t, `{}`, got.Body.String())
	assert.Equal(t, id, l.linked(1))
	assert.Equal(t, id, l.linked(2))

	assertRefused(t, 400, "The property, 'userIds[1]', in the request body is invalid (line: -, column: -)", link(id, user(3), "x"))
	assert.Empty(t, l.linked(3), "on an error none is linked")
	assertRefused(t, 400, "invalid richMenuId", link("", user(3)))
	assertRefused(t, 404, "richmenu not found", link("richmenu-x", user(3)))

	assert.Equal(t, 202, l.post("/v2/bot/richmenu/bulk/unlink", `{"userIds":["`+user(1)+`"]}`).Code)
	assert.Empty(t, l.linked(1))
	assert.Equal(t, id, l.linked(2))
}

func TestAliases(t *testing.T) {
	l := start(t, unlimited)
	a, b := l.menu(t), l.menu(t)
	create := func(alias, menu string) response {
		return l.post("/v2/bot/richmenu/alias", `{"richMenuAliasId":"`+alias+`","richMenuId":"`+menu+`"}`)
	}
	assert.Equal(t, 200, create("main", a).Code)
	assertRefused(t, 400, "conflict richmenu alias id", create("main", b))
	assert.Equal(t, 400, create("Main", a).Code, "lower case only")
	assert.Equal(t, 400, create("other", "richmenu-x").Code)
	assert.Equal(t, a, l.get("/v2/bot/richmenu/alias/main").object["richMenuId"])
	assert.Equal(t, 200, l.post("/v2/bot/richmenu/alias/main", `{"richMenuId":"`+b+`"}`).Code)
	assert.Equal(t, []any{map[string]any{"richMenuAliasId": "main", "richMenuId": b}}, l.get("/v2/bot/richmenu/alias/list").object["aliases"])
	assert.Equal(t, 200, l.call("DELETE", "/v2/bot/richmenu/alias/main", "").Code)
	assertRefused(t, 404, "richmenu alias not found", l.call("DELETE", "/v2/bot/richmenu/alias/main", ""))
	assertRefused(t, 404, "richmenu alias not found", l.get("/v2/bot/richmenu/alias/main"))
	assertRefused(t, 404, "richmenu alias not found", l.post("/v2/bot/richmenu/alias/main", `{"richMenuId":"`+b+`"}`))
}

func TestBatch(t *testing.T) {
	l := start(t, unlimited)
	a, b, c := l.menuWithImage(t), l.menuWithImage(t), l.menuWithImage(t)
	link := func(n int, menu string) {
		require.Equal(t, 200, l.post("/v2/bot/user/"+user(n)+"/richmenu/"+menu, "").Code)
	}
	link(1, a)
	link(2, b)
	link(3, c)
	moves := `"operations":[{"type":"link","from":"` + a + `","to":"` + b + `"},{"type":"link","from":"` + b + `","to":"` + c + `"},{"type":"unlink","from":"` + c + `"}]`

	assert.Equal(t, 200, l.post("/v2/bot/richmenu/validate/batch", `{`+moves+`}`).Code)
	assert.Equal(t, a, l.linked(1), "a dry run moves nobody")

	got := l.post("/v2/bot/richmenu/batch", `{`+moves+`,"resumeRequestKey":"k1"}`)
	require.Equal(t, 202, got.Code)
	assert.Equal(t, []string{b, c, ""}, []string{l.linked(1), l.linked(2), l.linked(3)}, "all on the state before the call")

	progress := func() map[string]any { return l.get("/v2/bot/richmenu/progress/batch?requestId=" + got.id()).object }
	assert.Equal(t, "ongoing", progress()["phase"])
	assert.Equal(t, "2026-08-20T03:00:00.000Z", progress()["acceptedTime"])
	l.clock.advance(time.Second)
	assert.Equal(t, "succeeded", progress()["phase"])
	assert.Equal(t, "2026-08-20T03:00:01.000Z", progress()["completedTime"])

	assert.Equal(t, 202, l.post("/v2/bot/richmenu/batch", `{`+moves+`,"resumeRequestKey":"k1"}`).Code)
	assert.Equal(t, b, l.linked(1), "a repeat with its key moves nobody again")
	l.clock.advance(14 * 24 * time.Hour)
	assert.Equal(t, "Not found", progress()["message"])
	assert.Equal(t, 202, l.post("/v2/bot/richmenu/batch", `{`+moves+`,"resumeRequestKey":"k1"}`).Code)
	assert.Equal(t, c, l.linked(1), "after 14 days it is a new request")

	assert.Equal(t, 202, l.post("/v2/bot/richmenu/batch", `{"operations":[{"type":"unlinkAll"}]}`).Code)
	assert.Empty(t, l.linked(1))

	for name, body := range map[string]string{
		"no operations":       `{"operations":[]}`,
		"from twice":          `{"operations":[{"type":"unlink","from":"` + a + `"},{"type":"unlink","from":"` + a + `"}]}`,
		"unlinkAll not alone": `{"operations":[{"type":"unlinkAll"},{"type":"unlink","from":"` + a + `"}]}`,
		"a bad key":           `{"operations":[{"type":"unlinkAll"}],"resumeRequestKey":"a b"}`,
		"a bad type":          `{"operations":[{"type":"move"}]}`,
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, 400, l.post("/v2/bot/richmenu/batch", body).Code) })
	}
	assertRefused(t, 404, "richmenu not found", l.post("/v2/bot/richmenu/batch", `{"operations":[{"type":"unlink","from":"x"}]}`))
}
