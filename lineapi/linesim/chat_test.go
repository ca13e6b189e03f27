package linesim_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
)

func texts(all any) (list []string) {
	for _, v := range all.([]any) {
		list = append(list, v.(string))
	}
	return list
}

func TestProfiles(t *testing.T) {
	l := start(t, unlimited)
	require.NoError(t, l.AddUser(linesim.User{ID: user(1), DisplayName: "Brown", Language: "ja", StatusMessage: "…"}))
	require.NoError(t, l.AddUser(linesim.User{ID: user(2), State: linesim.Blocked}))
	require.NoError(t, l.AddChat(linesim.Chat{ID: group(1), Name: "Bears", Members: []string{user(1), user(2)}}))

	brown := l.get("/v2/bot/profile/" + user(1))
	assert.JSONEq(t, `{"displayName":"Brown","userId":"`+user(1)+`","language":"ja","statusMessage":"…"}`, brown.Body.String())
	assert.NotEmpty(t, l.get("/v2/bot/profile/" + user(9)).object["displayName"])
	assertRefused(t, 404, "Not found", l.get("/v2/bot/profile/"+user(2)))
	assertRefused(t, 400, "The value for the 'userId' parameter is invalid", l.get("/v2/bot/profile/x"))

	member := l.get("/v2/bot/group/" + group(1) + "/member/" + user(1))
	assert.JSONEq(t, `{"displayName":"Brown","userId":"`+user(1)+`"}`, member.Body.String())
	assert.Equal(t, 200, l.get("/v2/bot/group/"+group(1)+"/member/"+user(2)).Code, "members needn't be friends")
	assertRefused(t, 404, "Not found", l.get("/v2/bot/group/"+group(1)+"/member/"+user(3)))
	assertRefused(t, 400, "The value for the 'groupId' parameter is invalid", l.get("/v2/bot/group/x/members/count"))
	assertRefused(t, 400, "The value for the 'roomId' parameter is invalid", l.get("/v2/bot/room/x/members/count"))

	assert.EqualValues(t, 2, l.get("/v2/bot/group/" + group(1) + "/members/count").object["count"])
	assert.EqualValues(t, 1, l.get("/v2/bot/room/" + room(1) + "/members/count").object["count"])
	assert.Equal(t, "Bears", l.get("/v2/bot/group/" + group(1) + "/summary").object["groupName"])
	assert.Equal(t, 200, l.get("/v2/bot/room/"+room(1)+"/member/U"+room(1)[1:]).Code)
}

func TestMemberIDs(t *testing.T) {
	l := start(t, linesim.Config{Channels: []linesim.Channel{linesim.DefaultChannel, {ID: "2", Token: "small", Unverified: true}}})
	var members []string
	for i := range 250 {
		members = append(members, user(i))
	}
	require.NoError(t, l.AddChat(linesim.Chat{ID: group(1), Members: members}))
	require.NoError(t, l.AddChat(linesim.Chat{ID: group(2), Members: members}))
	path := "/v2/bot/group/" + group(1) + "/members/ids"

	var got []string
	var sizes []int
	next := ""
	for {
		page := l.get(path + "?start=" + url.QueryEscape(next))
		require.Equal(t, 200, page.Code)
		ids := texts(page.object["memberIds"])
		got, sizes = append(got, ids...), append(sizes, len(ids))
		if page.object["next"] == nil {
			break
		}
		next = page.object["next"].(string)
	}
	assert.Equal(t, members, got)
	assert.Equal(t, []int{100, 100, 50}, sizes)

	assert.Equal(t, 200, l.get(path+"?start="+next).Code)
	assertRefused(t, 400, "Invalid start param", l.get(path+"?start=x"))
	assertRefused(t, 400, "Invalid start param", l.get("/v2/bot/group/"+group(2)+"/members/ids?start="+next))
	l.clock.advance(24 * time.Hour)
	assertRefused(t, 400, "Invalid start param", l.get(path+"?start="+next))

	const unavailable = "Access to this API is not available for your account"
	assertRefused(t, 403, unavailable, l.call("GET", path, "", "Authorization", "Bearer small"))
	assertRefused(t, 403, unavailable, l.call("GET", "/v2/bot/followers/ids", "", "Authorization", "Bearer small"))
}

func TestFollowers(t *testing.T) {
	l := start(t, unlimited)
	for i := range 350 {
		require.NoError(t, l.AddUser(linesim.User{ID: user(i)}))
	}
	require.NoError(t, l.AddUser(linesim.User{ID: user(0), State: linesim.Blocked}))
	for limit, want := range map[string]int{"": 300, "?limit=0": 300, "?limit=1": 1, "?limit=1000": 349} {
		assert.Len(t, l.get("/v2/bot/followers/ids" + limit).object["userIds"], want, limit)
	}
	assert.Equal(t, 400, l.get("/v2/bot/followers/ids?limit=1001").Code)
	first := l.get("/v2/bot/followers/ids")
	second := l.get("/v2/bot/followers/ids?start=" + first.object["next"].(string))
	assert.Len(t, second.object["userIds"], 49)
	assert.NotContains(t, second.object, "next")
	assert.Equal(t, user(1), texts(first.object["userIds"])[0])
	assert.Equal(t, user(349), texts(second.object["userIds"])[48])
}

func TestLeaving(t *testing.T) {
	l := start(t, unlimited)
	leave := func() response { return l.post("/v2/bot/group/"+group(1)+"/leave", "") }
	assert.Equal(t, 200, leave().Code)
	assertRefused(t, 404, "Not found", leave())
	assertRefused(t, 400, "Failed to send messages", l.post(pushPath, push(group(1), "a")))
	for range 2 {
		assert.Equal(t, 200, l.post("/v2/bot/room/"+room(1)+"/leave", "").Code)
	}
	assert.Equal(t, 400, l.post(pushPath, push(room(1), "a")).Code)
}

func TestSmallCalls(t *testing.T) {
	l := start(t, unlimited)
	token := l.post("/v2/bot/user/"+user(1)+"/linkToken", "").object["linkToken"]
	assert.NotEmpty(t, token)
	assert.NotEqual(t, token, l.post("/v2/bot/user/"+user(1)+"/linkToken", "").object["linkToken"])
	assert.Regexp(t, `^U[0-9a-f]{32}$`, l.get("/v2/bot/info").object["userId"])

	for body, want := range map[string]int{
		`{"chatId":"` + user(1) + `"}`:                      202,
		`{"chatId":"` + user(1) + `","loadingSeconds":60}`:  202,
		`{"chatId":"` + user(1) + `","loadingSeconds":7}`:   400,
		`{"chatId":"` + user(1) + `","loadingSeconds":65}`:  400,
		`{"chatId":"` + group(1) + `"}`:                     400,
		`{"chatId":"` + user(1) + `","loadingSeconds":"5"}`: 400,
	} {
		assert.Equal(t, want, l.post("/v2/bot/chat/loading/start", body).Code, body)
	}
	assert.Equal(t, 200, l.post("/v2/bot/message/markAsRead", `{"chat":{"userId":"`+user(1)+`"}}`).Code)
	assert.Equal(t, 400, l.post("/v2/bot/message/markAsRead", `{"chat":{}}`).Code)
	assert.Equal(t, 200, l.post("/v2/bot/chat/markAsRead", `{"markAsReadToken":"t"}`).Code)
	assert.Equal(t, 400, l.post("/v2/bot/chat/markAsRead", `{}`).Code)
}

func TestContent(t *testing.T) {
	l := start(t, linesim.Config{Channels: []linesim.Channel{linesim.DefaultChannel, {ID: "2", Token: "other"}}})
	id, err := l.AddContent("1234567890", linesim.Content{
		MediaType: "video/mp4", Data: []byte("video"), Preview: []byte("jpeg"), Prepare: time.Minute,
	})
	require.NoError(t, err)
	path := "/v2/bot/message/" + id + "/content"

	got := l.get(path)
	assert.Equal(t, 202, got.Code)
	assert.Empty(t, got.Body.String())
	assert.Equal(t, "processing", l.get(path + "/transcoding").object["status"])

	l.clock.advance(time.Minute)
	got = l.get(path)
	assert.Equal(t, 200, got.Code)
	assert.Equal(t, "video/mp4", got.Header().Get("Content-Type"))
	assert.Equal(t, "video", got.Body.String())
	assert.Equal(t, "jpeg", l.get(path+"/preview").Body.String())
	assert.Equal(t, "succeeded", l.get(path + "/transcoding").object["status"])

	assertRefused(t, 404, "not found", l.call("GET", path, "", "Authorization", "Bearer other"))

	require.NoError(t, l.Unsend(id))
	assertRefused(t, 410, "The content is gone", l.get(path))
	assertRefused(t, 404, "not found", l.get("/v2/bot/message/1/content"))
	assert.Error(t, l.Unsend("1"))

	failed, err := l.AddContent("1234567890", linesim.Content{MediaType: "audio/mp4", Data: []byte("a"), Failed: true})
	require.NoError(t, err)
	assert.Equal(t, "failed", l.get("/v2/bot/message/" + failed + "/content/transcoding").object["status"])
	assert.Equal(t, 404, l.get("/v2/bot/message/"+failed+"/content").Code)
}
