package main

import (
	"context"
	"time"

	"github.com/lineq/lineq/tasks"
)

// chatCommand is lineq chat.
type chatCommand struct {
	LeaveGroup   chatLeaveGroup   `cmd:"" help:"Leave a group."`
	LeaveRoom    chatLeaveRoom    `cmd:"" help:"Leave a room."`
	Loading      chatLoading      `cmd:"" help:"Show the loading animation to a user."`
	MarkRead     chatMarkRead     `cmd:"" help:"Mark the messages of a chat as read."`
	Profile      chatProfile      `cmd:"" help:"Look up a user's profile."`
	GroupProfile chatGroupProfile `cmd:"" help:"Look up the profile of a group's member."`
	RoomProfile  chatRoomProfile  `cmd:"" help:"Look up the profile of a room's member."`
	GroupMembers chatGroupMembers `cmd:"" help:"Look up the IDs of a group's members."`
	RoomMembers  chatRoomMembers  `cmd:"" help:"Look up the IDs of a room's members."`
	LinkToken    chatLinkToken    `cmd:"" help:"Issue a token that links a user's account."`
}

func (chatCommand) Help() string {
	return `Examples:

    lineq chat leave-group --group C…
    lineq chat loading --to U… --seconds 20
    lineq chat profile --to U… --wait --json | jq .data

What a lookup found is in the result's data: with --wait, or later by lineq task show.`
}

type userFlag struct {
	To string `required:"" placeholder:"ID" help:"User ID."`
}

type groupFlag struct {
	Group string `required:"" placeholder:"ID" help:"Group ID."`
}

type roomFlag struct {
	Room string `required:"" placeholder:"ID" help:"Room ID."`
}

type chatLeaveGroup struct {
	groupFlag
	enqueueFlags
}

func (c chatLeaveGroup) Run(ctx context.Context, a *app) error {
	return c.enqueue(ctx, a, nil, tasks.LeaveGroup{GroupID: c.Group})
}

type chatLeaveRoom struct {
	roomFlag
	enqueueFlags
}

func (c chatLeaveRoom) Run(ctx context.Context, a *app) error {
	return c.enqueue(ctx, a, nil, tasks.LeaveRoom{RoomID: c.Room})
}

type chatLoading struct {
	userFlag
	Seconds int `default:"20" help:"How long: 5 to 60 in steps of 5."`
	enqueueFlags
}

func (c chatLoading) Run(ctx context.Context, a *app) error {
	if c.Seconds < 5 || time.Duration(c.Seconds)*time.Second > time.Minute {
		return misusef("--seconds must be 5 to 60")
	}
	return c.enqueue(ctx, a, nil, tasks.ShowLoading{UserID: c.To, Seconds: c.Seconds})
}

type chatMarkRead struct {
	Token string `required:"" help:"The message event's markAsReadToken."`
	enqueueFlags
}

func (c chatMarkRead) Run(ctx context.Context, a *app) error {
	return c.enqueue(ctx, a, nil, tasks.MarkAsRead{MarkAsReadToken: c.Token})
}

type chatProfile struct {
	userFlag
	enqueueFlags
}

func (c chatProfile) Run(ctx context.Context, a *app) error {
	return c.enqueue(ctx, a, nil, tasks.Profile{UserID: c.To})
}

type chatGroupProfile struct {
	groupFlag
	userFlag
	enqueueFlags
}

func (c chatGroupProfile) Run(ctx context.Context, a *app) error {
	return c.enqueue(ctx, a, nil, tasks.GroupMemberProfile{GroupID: c.Group, UserID: c.To})
}

type chatRoomProfile struct {
	roomFlag
	userFlag
	enqueueFlags
}

func (c chatRoomProfile) Run(ctx context.Context, a *app) error {
	return c.enqueue(ctx, a, nil, tasks.RoomMemberProfile{RoomID: c.Room, UserID: c.To})
}

type chatGroupMembers struct {
	groupFlag
	enqueueFlags
}

func (c chatGroupMembers) Run(ctx context.Context, a *app) error {
	return c.enqueue(ctx, a, nil, tasks.GroupMembers{GroupID: c.Group})
}

type chatRoomMembers struct {
	roomFlag
	enqueueFlags
}

func (c chatRoomMembers) Run(ctx context.Context, a *app) error {
	return c.enqueue(ctx, a, nil, tasks.RoomMembers{RoomID: c.Room})
}

type chatLinkToken struct {
	userFlag
	enqueueFlags
}

func (c chatLinkToken) Run(ctx context.Context, a *app) error {
	return c.enqueue(ctx, a, nil, tasks.LinkToken{UserID: c.To})
}
