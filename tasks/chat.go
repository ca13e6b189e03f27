package tasks

import (
	"cmp"
	"time"

	"github.com/lineq/lineq/lineapi"
)

// LeaveGroup makes the account leave a group.
type LeaveGroup struct {
	GroupID string `json:"groupId"`
}

// LeaveRoom makes the account leave a room.
type LeaveRoom struct {
	RoomID string `json:"roomId"`
}

// ShowLoading shows the loading animation in the chat with one user, until a message arrives or the time is over.
type ShowLoading struct {
	UserID  string `json:"userId"`
	Seconds int    `json:"seconds,omitempty"` // 5 to 60 in steps of 5; 0: LINE's default of 20
}

// MarkAsRead marks the messages of a chat as read, up to the one that the token came with.
type MarkAsRead struct {
	MarkAsReadToken string `json:"markAsReadToken"`
}

// Profile looks up a user's profile; the result's data is LINE's answer.
type Profile struct {
	UserID string `json:"userId"`
}

// GroupMemberProfile looks up the profile of a group's member; the result's data is LINE's answer.
type GroupMemberProfile struct {
	GroupID string `json:"groupId"`
	UserID  string `json:"userId"`
}

// RoomMemberProfile looks up the profile of a room's member; the result's data is LINE's answer.
type RoomMemberProfile struct {
	RoomID string `json:"roomId"`
	UserID string `json:"userId"`
}

// GroupMembers looks up the ids of all members of a group, over all pages; the result's data is {"memberIds":[…]}.
// LINE answers verified and premium accounts only.
type GroupMembers struct {
	GroupID string `json:"groupId"`
}

// RoomMembers looks up the ids of all members of a room, over all pages; the result's data is {"memberIds":[…]}.
// LINE answers verified and premium accounts only.
type RoomMembers struct {
	RoomID string `json:"roomId"`
}

// LinkToken issues a token that links a user's account; the result's data is {"linkToken":"…"}. It lives ten minutes and
// works once.
type LinkToken struct {
	UserID string `json:"userId"`
}

func (LeaveGroup) Kind() Kind         { return KindLeaveGroup }
func (LeaveRoom) Kind() Kind          { return KindLeaveRoom }
func (ShowLoading) Kind() Kind        { return KindShowLoading }
func (MarkAsRead) Kind() Kind         { return KindMarkAsRead }
func (Profile) Kind() Kind            { return KindProfile }
func (GroupMemberProfile) Kind() Kind { return KindGroupMemberProfile }
func (RoomMemberProfile) Kind() Kind  { return KindRoomMemberProfile }
func (GroupMembers) Kind() Kind       { return KindGroupMembers }
func (RoomMembers) Kind() Kind        { return KindRoomMembers }
func (LinkToken) Kind() Kind          { return KindLinkToken }

func (t LeaveGroup) Check() error   { return lineapi.CheckGroupID(t.GroupID) }
func (t LeaveRoom) Check() error    { return lineapi.CheckRoomID(t.RoomID) }
func (t Profile) Check() error      { return lineapi.CheckUserID(t.UserID) }
func (t GroupMembers) Check() error { return lineapi.CheckGroupID(t.GroupID) }
func (t RoomMembers) Check() error  { return lineapi.CheckRoomID(t.RoomID) }
func (t LinkToken) Check() error    { return lineapi.CheckUserID(t.UserID) }
func (t MarkAsRead) Check() error   { return lineapi.CheckMarkAsReadToken(t.MarkAsReadToken) }

func (t ShowLoading) Check() error {
	return cmp.Or(lineapi.CheckUserID(t.UserID), lineapi.CheckLoading(time.Duration(t.Seconds)*time.Second))
}

func (t GroupMemberProfile) Check() error {
	return cmp.Or(lineapi.CheckGroupID(t.GroupID), lineapi.CheckUserID(t.UserID))
}

func (t RoomMemberProfile) Check() error {
	return cmp.Or(lineapi.CheckRoomID(t.RoomID), lineapi.CheckUserID(t.UserID))
}
