package lineapi

import (
	"context"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// Profile is what LINE tells about a user. Fields that LINE leaves out are empty.
type Profile struct {
	DisplayName   string `json:"displayName"`
	UserID        string `json:"userId"`
	PictureURL    string `json:"pictureUrl,omitempty"`
	StatusMessage string `json:"statusMessage,omitempty"` // only of friends
	Language      string `json:"language,omitempty"`      // BCP 47, only of friends
}

// Profile gets a user's profile. LINE answers 404 for a user who blocked the account, and for one it doesn't know.
func (c *Client) Profile(ctx context.Context, userID string) (Profile, error) {
	var p problems
	p.add("userId", chatIDProblem("user id", 'U', userID))
	return checkedRead[Profile](ctx, c, p, call{endpoint: endpoint.GetProfile, segments: []string{userID}})
}

// GroupMemberProfile gets the profile of a group's member, who needn't be a friend.
func (c *Client) GroupMemberProfile(ctx context.Context, groupID, userID string) (Profile, error) {
	var p problems
	p.add("groupId", chatIDProblem("group id", 'C', groupID))
	p.add("userId", chatIDProblem("user id", 'U', userID))
	return checkedRead[Profile](ctx, c, p,
		call{endpoint: endpoint.GetGroupMemberProfile, segments: []string{groupID, userID}})
}

// RoomMemberProfile gets the profile of a room's member, who needn't be a friend.
func (c *Client) RoomMemberProfile(ctx context.Context, roomID, userID string) (Profile, error) {
	var p problems
	p.add("roomId", chatIDProblem("room id", 'R', roomID))
	p.add("userId", chatIDProblem("user id", 'U', userID))
	return checkedRead[Profile](ctx, c, p,
		call{endpoint: endpoint.GetRoomMemberProfile, segments: []string{roomID, userID}})
}

// BotInfo is what LINE tells about the account itself.
type BotInfo struct {
	UserID         string `json:"userId"` // the account's own id, never a recipient
	BasicID        string `json:"basicId"`
	PremiumID      string `json:"premiumId,omitempty"`
	DisplayName    string `json:"displayName"`
	PictureURL     string `json:"pictureUrl,omitempty"`
	ChatMode       string `json:"chatMode"`       // "chat" or "bot"
	MarkAsReadMode string `json:"markAsReadMode"` // "auto" or "manual"
}

// BotInfo gets the account's own information.
func (c *Client) BotInfo(ctx context.Context) (BotInfo, error) {
	return read[BotInfo](ctx, c, call{endpoint: endpoint.GetBotInfo})
}
