package gateway

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
)

// refuseMenu is LINE's answer to a rich menu that it doesn't have.
func refuseMenu() answer { return refuseFor(http.StatusNotFound, "richmenu not found") }

func (c *call) linkRichMenu() (tasks.Task, answer, bool) {
	user, menu := c.target.params[0], c.target.params[1]
	switch {
	case lineapi.CheckUserID(user) != nil:
		return nil, refuseParameter("userId"), false
	case lineapi.CheckRichMenuID(menu) != nil:
		return nil, refuseMenu(), false
	}
	return tasks.LinkRichMenu{UserID: user, RichMenuID: menu}, answer{}, true
}

func (c *call) unlinkRichMenu() (tasks.Task, answer, bool) {
	user := c.target.params[0]
	return tasks.UnlinkRichMenu{UserID: user}, refuseParameter("userId"), lineapi.CheckUserID(user) == nil
}

func (c *call) setDefaultRichMenu() (tasks.Task, answer, bool) {
	menu := c.target.params[0]
	return tasks.SetDefaultRichMenu{RichMenuID: menu}, refuseMenu(), lineapi.CheckRichMenuID(menu) == nil
}

func (c *call) clearDefaultRichMenu() (tasks.Task, answer, bool) {
	return tasks.ClearDefaultRichMenu{}, answer{}, true
}

func (c *call) leaveGroup() (tasks.Task, answer, bool) {
	group := c.target.params[0]
	return tasks.LeaveGroup{GroupID: group}, refuseParameter("groupId"), lineapi.CheckGroupID(group) == nil
}

func (c *call) leaveRoom() (tasks.Task, answer, bool) {
	room := c.target.params[0]
	return tasks.LeaveRoom{RoomID: room}, refuseParameter("roomId"), lineapi.CheckRoomID(room) == nil
}

// properties reads a body that has these properties and no others.
func (c *call) properties(names ...string) (map[string]field, answer, bool) {
	all, refusal, ok := fields(c.body)
	if !ok {
		return nil, refusal, false
	}
	found := map[string]field{}
	for _, f := range all {
		if !slices.Contains(names, f.name) {
			return nil, f.invalid(c.body), false
		}
		found[f.name] = f
	}
	return found, answer{}, true
}

func (c *call) bulkLink() (tasks.Task, answer, bool) {
	all, refusal, ok := c.properties("userIds", "richMenuId")
	if !ok {
		return nil, refusal, false
	}
	var t tasks.BulkLinkRichMenu
	if t.UserIDs, refusal, ok = readUserIDs(all["userIds"], "'userIds'", "'userIds[%]'"); !ok {
		return nil, refusal, false
	}
	menu := all["richMenuId"]
	switch {
	case menu.null() || !menu.into(&t.RichMenuID) || t.RichMenuID == "":
		return nil, refuseFor(http.StatusBadRequest, "invalid richMenuId"), false
	case lineapi.CheckRichMenuID(t.RichMenuID) != nil:
		return nil, refuseMenu(), false
	}
	return t, answer{}, true
}

func (c *call) bulkUnlink() (tasks.Task, answer, bool) {
	all, refusal, ok := c.properties("userIds")
	if !ok {
		return nil, refusal, false
	}
	var t tasks.BulkUnlinkRichMenu
	t.UserIDs, refusal, ok = readUserIDs(all["userIds"], "'userIds'", "'userIds[%]'")
	return t, refusal, ok
}

func (c *call) showLoading() (tasks.Task, answer, bool) {
	all, refusal, ok := c.properties("chatId", "loadingSeconds")
	if !ok {
		return nil, refusal, false
	}
	var t tasks.ShowLoading
	var given *json.Number
	chat, length := all["chatId"], all["loadingSeconds"]
	switch {
	case !chat.null() && !chat.into(&t.UserID):
		return nil, refuseProperty("'chatId'", "-", "-"), false
	case !length.null() && (!length.into(&given) || length.value[0] == '"' || !length.into(&t.Seconds)):
		return nil, refuseProperty("'loadingSeconds'", "-", "-"), false
	case lineapi.CheckUserID(t.UserID) != nil:
		return nil, refuseParameter("chatId"), false
	case given != nil && (t.Seconds == 0 || t.Check() != nil):
		return nil, refuseParameter("loadingSeconds"), false
	}
	return t, answer{}, true
}

func (c *call) markAsRead() (tasks.Task, answer, bool) {
	all, refusal, ok := c.properties("markAsReadToken")
	if !ok {
		return nil, refusal, false
	}
	var t tasks.MarkAsRead
	if f := all["markAsReadToken"]; !f.null() && !f.into(&t.MarkAsReadToken) {
		return nil, refuseProperty("'markAsReadToken'", "-", "-"), false
	}
	return t, answer{}, true
}
