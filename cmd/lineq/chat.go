package main

import (
	"context"

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

    lineq chat leave-group --to C…
    lineq chat loading --to U… --seconds 20
    lineq chat profile --to U… --wait --json | jq .data
    lineq chat group-profile --group C… --to U… --wait

What a lookup found is in the result's data: with --wait, or later by lineq task show.`
}

type userFlag struct {
	To string `required:"" placeholder:"ID" help:"User ID."`
}

type groupFlag struct {
	To string `required:"" placeholder:"ID" help:"Group ID."`
}

type roomFlag struct {
	To string `required:"" placeholder:"ID" help:"Room ID."`
}

type chatLeaveGroup struct {
	groupFlag
	enqueueFlags
}

func (c chatLeaveGroup) Run(ctx context.Context, a *app) error {
	return c.enqueue(ctx, a, nil, tasks.LeaveGroup{GroupID: c.To})
}

type chatLeaveRoom struct {
	roomFlag
	enqueueFlags
}

func (c chatLeaveRoom) Run(ctx context.Context, a *app) error {
	return c.enqueue(ctx, a, nil, tasks.LeaveRoom{RoomID: c.To})
}

type chatLoading struct {
	userFlag
	Seconds int `default:"20" help:"How long: 5 to 60 in steps of 5."`
	enqueueFlags
}

func (c chatLoading) Run(ctx context.Context, a *app) error {
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
	Group string `required:"" placeholder:"ID" help:"Group ID."`
	userFlag
	enqueueFlags
}

func (c chatGroupProfile) Run(ctx context.Context, a *app) error {
	return c.enqueue(ctx, a, nil, tasks.GroupMemberProfile{GroupID: c.Group, UserID: c.To})
}

type chatRoomProfile struct {
	Room string `required:"" placeholder:"ID" help:"Room ID."`
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
	return c.enqueue(ctx, a, nil, tasks.GroupMembers{GroupID: c.To})
}

type chatRoomMembers struct {
	roomFlag
	enqueueFlags
}

func (c chatRoomMembers) Run(ctx context.Context, a *app) error {
	return c.enqueue(ctx, a, nil, tasks.RoomMembers{RoomID: c.To})
}

type chatLinkToken struct {
	userFlag
	enqueueFlags
}

func (c chatLinkToken) Run(ctx context.Context, a *app) error {
	return c.enqueue(ctx, a, nil, tasks.LinkToken{UserID: c.To})
}
