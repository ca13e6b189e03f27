package lineapi

import (
	"context"
	"time"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// LeaveGroup makes the account leave a group. A repeat is answered with 404.
func (c *Client) LeaveGroup(ctx context.Context, groupID string) (Receipt, error) {
	var p problems
	p.add("groupId", chatIDProblem("group id", 'C', groupID))
	return c.checkedWrite(ctx, p, call{endpoint: endpoint.LeaveGroup, segments: []string{groupID}})
}

// LeaveRoom makes the account leave a room. A repeat is a success.
func (c *Client) LeaveRoom(ctx context.Context, roomID string) (Receipt, error) {
	var p problems
	p.add("roomId", chatIDProblem("room id", 'R', roomID))
	return c.checkedWrite(ctx, p, call{endpoint: endpoint.LeaveRoom, segments: []string{roomID}})
}

// GroupSummary is a group's name and picture.
type GroupSummary struct {
	GroupID    string `json:"groupId"`
	GroupName  string `json:"groupName"`
	PictureURL string `json:"pictureUrl,omitempty"`
}

// GroupSummary gets a group's name and picture.
func (c *Client) GroupSummary(ctx context.Context, groupID string) (GroupSummary, error) {
	var p problems
	p.add("groupId", chatIDProblem("group id", 'C', groupID))
	return checkedRead[GroupSummary](ctx, c, p, call{endpoint: endpoint.GetGroupSummary, segments: []string{groupID}})
}

type memberCount struct {
	Count int `json:"count"`
}

// GroupMemberCount counts a group's members, without the account itself.
func (c *Client) GroupMemberCount(ctx context.Context, groupID string) (int, error) {
	var p problems
	p.add("groupId", chatIDProblem("group id", 'C', groupID))
	body, err := checkedRead[memberCount](ctx, c, p,
		call{endpoint: endpoint.GetGroupMemberCount, segments: []string{groupID}})
	return body.Count, err
}

// RoomMemberCount counts a room's members, without the account itself.
func (c *Client) RoomMemberCount(ctx context.Context, roomID string) (int, error) {
	var p problems
	p.add("roomId", chatIDProblem("room id", 'R', roomID))
	body, err := checkedRead[memberCount](ctx, c, p,
		call{endpoint: endpoint.GetRoomMemberCount, segments: []string{roomID}})
	return body.Count, err
}

// ShowLoading shows the loading animation in the chat with a user for d, 5 to 60 seconds in steps of 5; 0 is LINE's
// default of 20 seconds. It ends early when a message arrives
// (https://developers.line.biz/en/reference/messaging-api/#display-a-loading-indicator).
func (c *Client) ShowLoading(ctx context.Context, userID string, d time.Duration) (Receipt, error) {
	var p problems
	p.add("chatId", chatIDProblem("user id", 'U', userID))
	var b object
	b.value("chatId", userID)
	p.loading(d)
	if d != 0 {
		b.value("loadingSeconds", int(d/time.Second))
	}
	return c.checkedWrite(ctx, p, jsonCall(endpoint.ShowLoadingAnimation, b.close()))
}

// MarkAsRead marks a user's messages as read, up to the message event that markAsReadToken came with.
func (c *Client) MarkAsRead(ctx context.Context, markAsReadToken string) (Receipt, error) {
	var p problems
	p.markAsReadToken(markAsReadToken)
	var b object
	b.value("markAsReadToken", markAsReadToken)
	k := jsonCall(endpoint.MarkMessagesAsReadByToken, b.close())
	k.secrets = []string{markAsReadToken}
	return c.checkedWrite(ctx, p, k)
}

// IssueLinkToken issues a token that links a user's LINE account with one of yours, once and within 10 minutes. A repeat
// gives another token. If LINE accepts but its answer can't be read, there is a receipt and an error.
func (c *Client) IssueLinkToken(ctx context.Context, userID string) (string, Receipt, error) {
	var p problems
	p.add("userId", chatIDProblem("user id", 'U', userID))
	if err := p.err(); err != nil {
		return "", Receipt{}, inOperation(endpoint.IssueLinkToken.Operation, err)
	}
	r, a, err := c.write(ctx, call{endpoint: endpoint.IssueLinkToken, segments: []string{userID}})
	if err != nil {
		return "", r, err
	}
	var body struct {
		LinkToken string `json:"linkToken"`
	}
	err = a.decode(endpoint.IssueLinkToken.Operation, &body)
	return body.LinkToken, r, err
}
