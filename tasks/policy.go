package tasks

import (
	"time"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// Policy is what a kind of task runs under.
type Policy struct {
	// Endpoint is the call that the task stands for; of a task of several calls, the first. Its class rules repeats.
	Endpoint endpoint.Endpoint
	// Line is the sort of queue that the task waits in.
	Line Line
	// CallTimeout bounds one call to LINE.
	CallTimeout time.Duration
	// Lifetime is the deadline, counted from the enqueueing, of a task that was given none. Zero: none.
	Lifetime time.Duration
	// CostsQuota tells whether LINE counts its recipients against the monthly quota.
	CostsQuota bool
}

const (
	// callTimeout is long for LINE, which answers in about 100 ms, and short enough for a worker to let go of a dead
	// connection. An image of 1 MB on a slow line needs more.
	callTimeout   = 10 * time.Second
	uploadTimeout = 30 * time.Second

	// ReplyLifetime leaves a few seconds of the minute in which LINE takes a reply token
	// (https://developers.line.biz/en/reference/messaging-api/#send-reply-message-reply-token) for the way to us.
	ReplyLifetime = 50 * time.Second
	// LoadingLifetime is LINE's longest loading animation: after it, nobody waits any more.
	LoadingLifetime = time.Minute
)

// Horizon is how long an attempt whose answer was lost may be repeated. LINE remembers a retry key for 24 hours from the
// first request (https://developers.line.biz/en/docs/messaging-api/retrying-api-request/); an hour is left for clocks
// that differ and requests that are slow. The key of a rich menu batch, which LINE remembers for 14 days
// (https://developers.line.biz/en/reference/messaging-api/#batch-control-rich-menus-of-users), is given up as early.
const Horizon = 23 * time.Hour

var kinds = map[Kind]kind{
	KindReply: {
		func() Task { return &Reply{} },
		Policy{Endpoint: endpoint.ReplyMessage, Line: LineUrgent, CallTimeout: callTimeout, Lifetime: ReplyLifetime},
	},
	KindPush: {
		func() Task { return &Push{} },
		Policy{Endpoint: endpoint.PushMessage, Line: LinePush, CallTimeout: callTimeout, CostsQuota: true},
	},
	KindMulticast: {
		func() Task { return &Multicast{} },
		Policy{Endpoint: endpoint.Multicast, Line: LineBulk, CallTimeout: callTimeout, CostsQuota: true},
	},
	KindBroadcast: {
		func() Task { return &Broadcast{} },
		Policy{Endpoint: endpoint.Broadcast, Line: LineSlow, CallTimeout: callTimeout, CostsQuota: true},
	},
	KindNarrowcast: {
		func() Task { return &Narrowcast{} },
		Policy{Endpoint: endpoint.Narrowcast, Line: LineSlow, CallTimeout: callTimeout, CostsQuota: true},
	},

	KindLinkRichMenu: {
		func() Task { return &LinkRichMenu{} },
		Policy{Endpoint: endpoint.LinkRichMenuIdToUser, Line: LineControl, CallTimeout: callTimeout},
	},
	KindUnlinkRichMenu: {
		func() Task { return &UnlinkRichMenu{} },
		Policy{Endpoint: endpoint.UnlinkRichMenuIdFromUser, Line: LineControl, CallTimeout: callTimeout},
	},
	KindBulkLinkRichMenu: {
		func() Task { return &BulkLinkRichMenu{} },
		Policy{Endpoint: endpoint.LinkRichMenuIdToUsers, Line: LineControl, CallTimeout: callTimeout},
	},
	KindBulkUnlinkRichMenu: {
		func() Task { return &BulkUnlinkRichMenu{} },
		Policy{Endpoint: endpoint.UnlinkRichMenuIdFromUsers, Line: LineControl, CallTimeout: callTimeout},
	},
	KindBatchRichMenu: {
		func() Task { return &BatchRichMenu{} },
		Policy{Endpoint: endpoint.RichMenuBatch, Line: LineSlow, CallTimeout: callTimeout},
	},
	KindPublishRichMenu: {
		func() Task { return &PublishRichMenu{} },
		Policy{Endpoint: endpoint.CreateRichMenu, Line: LineSlow, CallTimeout: uploadTimeout},
	},
	KindDeleteRichMenu: {
		func() Task { return &DeleteRichMenu{} },
		Policy{Endpoint: endpoint.DeleteRichMenu, Line: LineSlow, CallTimeout: callTimeout},
	},
	KindSetDefaultRichMenu: {
		func() Task { return &SetDefaultRichMenu{} },
		Policy{Endpoint: endpoint.SetDefaultRichMenu, Line: LineControl, CallTimeout: callTimeout},
	},
	KindClearDefaultRichMenu: {
		func() Task { return &ClearDefaultRichMenu{} },
		Policy{Endpoint: endpoint.CancelDefaultRichMenu, Line: LineControl, CallTimeout: callTimeout},
	},

	KindLeaveGroup: {
		func() Task { return &LeaveGroup{} },
		Policy{Endpoint: endpoint.LeaveGroup, Line: LineControl, CallTimeout: callTimeout},
	},
	KindLeaveRoom: {
		func() Task { return &LeaveRoom{} },
		Policy{Endpoint: endpoint.LeaveRoom, Line: LineControl, CallTimeout: callTimeout},
	},
	KindShowLoading: {
		func() Task { return &ShowLoading{} },
		Policy{
			Endpoint: endpoint.ShowLoadingAnimation, Line: LineUrgent, CallTimeout: callTimeout,
			Lifetime: LoadingLifetime,
		},
	},
	KindMarkAsRead: {
		func() Task { return &MarkAsRead{} },
		Policy{Endpoint: endpoint.MarkMessagesAsReadByToken, Line: LineControl, CallTimeout: callTimeout},
	},

	KindProfile: {
		func() Task { return &Profile{} },
		Policy{Endpoint: endpoint.GetProfile, Line: LineControl, CallTimeout: callTimeout},
	},
	KindGroupMemberProfile: {
		func() Task { return &GroupMemberProfile{} },
		Policy{Endpoint: endpoint.GetGroupMemberProfile, Line: LineControl, CallTimeout: callTimeout},
	},
	KindRoomMemberProfile: {
		func() Task { return &RoomMemberProfile{} },
		Policy{Endpoint: endpoint.GetRoomMemberProfile, Line: LineControl, CallTimeout: callTimeout},
	},
	KindGroupMembers: {
		func() Task { return &GroupMembers{} },
		Policy{Endpoint: endpoint.GetGroupMembersIds, Line: LineControl, CallTimeout: membersTimeout},
	},
	KindRoomMembers: {
		func() Task { return &RoomMembers{} },
		Policy{Endpoint: endpoint.GetRoomMembersIds, Line: LineControl, CallTimeout: membersTimeout},
	},
	KindLinkToken: {
		func() Task { return &LinkToken{} },
		Policy{Endpoint: endpoint.IssueLinkToken, Line: LineControl, CallTimeout: callTimeout},
	},
}

// membersTimeout is for all pages of a large group, 100 members each, one after the other.
const membersTimeout = 5 * callTimeout

// PolicyOf returns the rules for a kind, or ErrUnknownKind.
func PolicyOf(k Kind) (Policy, error) {
	known, err := lookUp(k)
	return known.policy, err
}
