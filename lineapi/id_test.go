package lineapi_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
)

func TestIDs(t *testing.T) {
	checks := map[string]func(string) error{
		"user": lineapi.CheckUserID, "group": lineapi.CheckGroupID, "room": lineapi.CheckRoomID, "chat": lineapi.CheckChatID,
		"menu": lineapi.CheckRichMenuID, "alias": lineapi.CheckRichMenuAlias, "key": lineapi.CheckRetryKey,
		"message": lineapi.CheckMessageID,
	}
	for name, tt := range map[string]struct {
		id   string
		good string // the checks that it passes
	}{
		"a user id":           {userID, "user chat"},
		"a group id":          {groupID, "group chat"},
		"a room id":           {roomID, "room chat"},
		"a rich menu id":      {menuID, "menu"},
		"a retry key":         {key, "key"},
		"upper-case key":      {strings.ToUpper(key), "key"},
		"digits":              {"468789577898262530", "message alias"},
		"65 digits":           {strings.Repeat("1", 65), ""},
		"all":                 {"all", "alias"},
		"nothing":             {"", ""},
		"dots":                {"..", ""},
		"a path":              {"../../bot/info", ""},
		"32 characters":       {userID[:32], ""},
		"34 characters":       {userID + "0", ""},
		"upper-case digits":   {strings.ToUpper(userID), ""},
		"lower-case prefix":   {strings.ToLower(userID), ""},
		"a letter too high":   {"U" + strings.Repeat("g", 32), ""},
		"a slash inside":      {"U/" + userID[2:], ""},
		"another prefix":      {"X" + userID[1:], ""},
		"a menu id too short": {menuID[:40], ""},
		"upper-case menu id":  {"richmenu-" + strings.Repeat("A", 32), ""},
		"alias of 32":         {strings.Repeat("a-_9", 8), "alias"},
		"alias of 33":         {strings.Repeat("a", 33), ""},
		"alias in upper case": {"Tab", ""},
		"key without dashes":  {strings.ReplaceAll(key, "-", ""), "alias"},
		"key with braces":     {"{" + key[1:35] + "}", ""},
		"key with a g":        {"g" + key[1:], ""},
		"a newline":           {userID[:32] + "\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			for kind, check := range checks {
				good := strings.Contains(" "+tt.good+" ", " "+kind+" ")
				err := check(tt.id)
				if good {
					assert.NoError(t, err, kind)
					continue
				}
				e := asError(t, err)
				assert.Equal(t, lineapi.Invalid, e.Reason)
				assert.True(t, e.Unsent)
				if len(tt.id) > 3 {
					assert.NotContains(t, e.Error(), tt.id, "the value isn't repeated")
				}
			}
		})
	}
	t.Run("the error says what is wrong", func(t *testing.T) {
		for want, err := range map[string]error{
			"user id is 31 characters long, a user id has 33": lineapi.CheckUserID(userID[:31]),
			"user id is empty": lineapi.CheckUserID(""),
			"group id doesn't start with C as a group id does":                     lineapi.CheckGroupID(userID),
			"id doesn't start with U, C or R as a user, group or room id does":     lineapi.CheckChatID("all"),
			"rich menu id doesn't start with richmenu- as a rich menu id does":     lineapi.CheckRichMenuID("menu"),
			"retry key is not a UUID such as 123e4567-e89b-42d3-a456-426614174000": lineapi.CheckRetryKey("x"),
		} {
			assert.EqualError(t, err, want)
		}
	})
}

// TestNoRequestForBadIDs calls every method that takes an id with one that must not reach a URL.
func TestNoRequestForBadIDs(t *testing.T) {
	c := clientFor(t) // expects no request
	ctx := t.Context()
	first := func(v any, err error) error { return err }
	last := func(_ string, _ lineapi.Receipt, err error) error { return err }
	for _, id := range []string{"all", "..", "", strings.ToLower(userID) + "x"} {
		for name, err := range map[string]error{
			"userId Profile":                   first(c.Profile(ctx, id)),
			"groupId GroupMemberProfile":       first(c.GroupMemberProfile(ctx, id, userID)),
			"userId GroupMemberProfile":        first(c.GroupMemberProfile(ctx, groupID, id)),
			"roomId RoomMemberProfile":         first(c.RoomMemberProfile(ctx, id, userID)),
			"userId RoomMemberProfile":         first(c.RoomMemberProfile(ctx, roomID, id)),
			"groupId GroupMembersPage":         first(c.GroupMembersPage(ctx, id, "")),
			"roomId RoomMembersPage":           first(c.RoomMembersPage(ctx, id, "")),
			"groupId LeaveGroup":               first(c.LeaveGroup(ctx, id)),
			"roomId LeaveRoom":                 first(c.LeaveRoom(ctx, id)),
			"groupId GroupSummary":             first(c.GroupSummary(ctx, id)),
			"groupId GroupMemberCount":         first(c.GroupMemberCount(ctx, id)),
			"roomId RoomMemberCount":           first(c.RoomMemberCount(ctx, id)),
			"chatId ShowLoading":               first(c.ShowLoading(ctx, id, 0)),
			"userId IssueLinkToken":            last(c.IssueLinkToken(ctx, id)),
			"messageId MessageContent":         first(c.MessageContent(ctx, id)),
			"messageId MessageContentPreview":  first(c.MessageContentPreview(ctx, id)),
			"messageId MessageContentStatus":   first(c.MessageContentStatus(ctx, id)),
			"richMenuId RichMenu":              first(c.RichMenu(ctx, id)),
			"richMenuId DeleteRichMenu":        first(c.DeleteRichMenu(ctx, id)),
			"richMenuId SetDefaultRichMenu":    first(c.SetDefaultRichMenu(ctx, id)),
			"richMenuId DownloadRichMenuImage": first(c.DownloadRichMenuImage(ctx, id)),
			"richMenuId UploadRichMenuImage":   first(c.UploadRichMenuImage(ctx, id, "image/png", strings.NewReader("x"), 1)),
			"userId LinkedRichMenu":            first(c.LinkedRichMenu(ctx, id)),
			"userId LinkRichMenu":              first(c.LinkRichMenu(ctx, id, menuID)),
			"richMenuId LinkRichMenu":          first(c.LinkRichMenu(ctx, userID, id)),
			"userId UnlinkRichMenu":            first(c.UnlinkRichMenu(ctx, id)),
			"richMenuId BulkLinkRichMenu":      first(c.BulkLinkRichMenu(ctx, []string{userID}, id)),
			"userIds[1] BulkLinkRichMenu":      first(c.BulkLinkRichMenu(ctx, []string{userID, id}, menuID)),
			"userIds[0] BulkUnlinkRichMenu":    first(c.BulkUnlinkRichMenu(ctx, []string{id})),
			"richMenuAliasId RichMenuAlias":    first(c.RichMenuAlias(ctx, id+"/")),
			"richMenuAliasId CreateAlias":      first(c.CreateRichMenuAlias(ctx, id+"/", menuID)),
			"richMenuId CreateAlias":           first(c.CreateRichMenuAlias(ctx, "a", id)),
			"richMenuAliasId UpdateAlias":      first(c.UpdateRichMenuAlias(ctx, id+"/", menuID)),
			"richMenuId UpdateAlias":           first(c.UpdateRichMenuAlias(ctx, "a", id)),
			"richMenuAliasId DeleteAlias":      first(c.DeleteRichMenuAlias(ctx, id+"/")),
			"to Push":                          first(c.Push(ctx, lineapi.PushRequest{To: id, Messages: texts("a")})),
			"to[0] Multicast":                  first(c.Multicast(ctx, lineapi.MulticastRequest{To: []string{id}, Messages: texts("a")})),
			"requestId NarrowcastProgress":     first(c.NarrowcastProgress(ctx, "")),
			"requestId RichMenuBatchProgress":  first(c.RichMenuBatchProgress(ctx, "")),
			"markAsReadToken MarkAsRead":       first(c.MarkAsRead(ctx, "")),
			"limit FollowersPage":              first(c.FollowersPage(ctx, "", 1001)),
			"limit AggregationUnits":           first(c.AggregationUnits(ctx, "", 101)),
		} {
			property, _, _ := strings.Cut(name, " ")
			e := asError(t, err)
			assert.NotEmpty(t, e.Operation, name)
			assert.Equal(t, lineapi.Invalid, e.Reason, name)
			assert.True(t, e.Unsent, name)
			require.Len(t, e.Details, 1, name)
			assert.Equal(t, property, e.Details[0].Property, name)
		}
	}
}
