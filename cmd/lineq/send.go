package main

import (
	"context"
	"time"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
)

// sendCommand is lineq send.
type sendCommand struct {
	Push       sendPush       `cmd:"" help:"Send to users, groups or rooms, one by one."`
	Multicast  sendMulticast  `cmd:"" help:"Send the same to up to 500 users at once."`
	Reply      sendReply      `cmd:"" help:"Answer an event."`
	Broadcast  sendBroadcast  `cmd:"" help:"Send to every friend of the account."`
	Narrowcast sendNarrowcast `cmd:"" help:"Send to an audience or a part of the friends."`
}

func (sendCommand) Help() string {
	return `What is sent is put into a queue and goes out when a worker takes it. See lineq send push --help for examples.`
}

// sendFlags are those of every command that sends messages.
type sendFlags struct {
	messageFlags
	Urgent   bool      `help:"Send ahead of everything that isn't urgent."`
	Deadline clockTime `placeholder:"TIME" help:"Give up when it could not be sent by this time."`
	enqueueFlags
}

func (f sendFlags) send(ctx context.Context, a *app, all ...tasks.Task) error {
	earliest := time.Now()
	if due := f.due(); due.After(earliest) {
		earliest = due
	}
	if !f.Deadline.IsZero() && !f.Deadline.After(earliest) {
		return misusef("--deadline: %s is not after the time of sending", f.Deadline.Format(time.RFC3339))
	}
	var options []producer.Option
	if f.Urgent {
		options = append(options, producer.Urgent())
	}
	if !f.Deadline.IsZero() {
		options = append(options, producer.Deadline(f.Deadline.Time))
	}
	return f.enqueue(ctx, a, options, all...)
}

type sendPush struct {
	To []string `required:"" placeholder:"ID" help:"User, group or room ID; may be repeated."`
	sendFlags
}

func (sendPush) Help() string {
	return `Examples:

    lineq send push --to U… --text 'Your order has shipped.'
    lineq send push --to U… --message order.json --id order-4711 --wait --json
    jq '.messages[0]' event.json | lineq send push --to C… --message -
    lineq send push --to U… --text 'Good morning' --at '2026-12-24 08:00'

Several --to make several tasks. With --id the command can be repeated: what was enqueued once isn't sent twice.`
}

func (c sendPush) Run(ctx context.Context, a *app) error {
	messages, err := c.messages(a)
	if err != nil {
		return err
	}
	all := make([]tasks.Task, len(c.To))
	for i, to := range c.To {
		all[i] = tasks.Push{To: to, Messages: messages}
	}
	return c.send(ctx, a, all...)
}

type sendMulticast struct {
	To []string `required:"" placeholder:"ID" help:"User ID; may be repeated up to 500 times."`
	sendFlags
}

func (sendMulticast) Help() string {
	return `Examples:

    lineq send multicast --to U… --to U… --text 'We open at nine.'
    lineq send multicast --to "$(paste -sd, users.txt)" --message flex.json

All --to make one task. LINE gives no result per user; on any error nobody receives it.`
}

func (c sendMulticast) Run(ctx context.Context, a *app) error {
	messages, err := c.messages(a)
	if err != nil {
		return err
	}
	return c.send(ctx, a, tasks.Multicast{To: c.To, Messages: messages})
}

type sendReply struct {
	To string `required:"" placeholder:"TOKEN" help:"The event's reply token."`
	sendFlags
}

func (sendReply) Help() string {
	return `Examples:

    lineq send reply --to "$REPLY_TOKEN" --text 'Thank you.'

A reply token works once, for about a minute, so the task gives up after that. LINE has no retry key for replies: when
its answer is lost the outcome is unknown.`
}

func (c sendReply) Run(ctx context.Context, a *app) error {
	messages, err := c.messages(a)
	if err != nil {
		return err
	}
	return c.send(ctx, a, tasks.Reply{ReplyToken: c.To, Messages: messages})
}

type sendBroadcast struct {
	sendFlags
}

func (sendBroadcast) Help() string {
	return `Examples:

    lineq send broadcast --message news.json --id news-2026-12

LINE allows 60 broadcasts an hour.`
}

func (c sendBroadcast) Run(ctx context.Context, a *app) error {
	messages, err := c.messages(a)
	if err != nil {
		return err
	}
	return c.send(ctx, a, tasks.Broadcast{Messages: messages})
}

// narrowcastFlags say whom a narrowcast reaches.
type narrowcastFlags struct {
	Recipient string `placeholder:"FILE" help:"JSON object with LINE's recipient: audiences and operators."`
	Filter    string `placeholder:"FILE" help:"JSON object with LINE's filter: demographics."`
	Limit     string `placeholder:"FILE" help:"JSON object with LINE's limit, as {\"max\":1000}."`
}

func (f narrowcastFlags) narrowcast(a *app, m messageFlags) (t tasks.Narrowcast, err error) {
	if t.Messages, err = m.messages(a); err != nil {
		return t, err
	}
	if t.Recipient, err = a.readObject(f.Recipient); err != nil {
		return t, err
	}
	if t.Filter, err = a.readObject(f.Filter); err != nil {
		return t, err
	}
	t.Limit, err = a.readObject(f.Limit)
	return t, err
}

type sendNarrowcast struct {
	narrowcastFlags
	sendFlags
}

func (sendNarrowcast) Help() string {
	return `Examples:

    lineq send narrowcast --recipient audience.json --message offer.json
    echo '{"max":100}' | lineq send narrowcast --limit - --text 'You are among the first hundred.'

Sent means that LINE has taken the order; it works on it for a while. LINE allows 60 narrowcasts an hour.`
}

func (c sendNarrowcast) Run(ctx context.Context, a *app) error {
	t, err := c.narrowcast(a, c.messageFlags)
	if err != nil {
		return err
	}
	return c.send(ctx, a, t)
}
