package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
)

// linkTokenLifetime is how long LINE honours a link token
// (https://developers.line.biz/en/reference/messaging-api/#issue-link-token).
const linkTokenLifetime = 10 * time.Minute

// perform makes the one call that a task stands for, or the next one of a task of several.
func perform(ctx context.Context, j *job, begun record.Begun) answer {
	a := answer{endpoint: j.policy.Endpoint}
	c := j.client
	switch t := j.Task.(type) {
	case tasks.Reply:
		a.receipt, a.err = c.Reply(ctx, t.Request())
	case tasks.Push:
		a.receipt, a.err = c.Push(ctx, t.Request(j.retryKey(begun)))
	case tasks.Multicast:
		a.receipt, a.err = c.Multicast(ctx, t.Request(j.retryKey(begun)))
	case tasks.Broadcast:
		a.receipt, a.err = c.Broadcast(ctx, t.Request(j.retryKey(begun)))
	case tasks.Narrowcast:
		a.receipt, a.err = c.Narrowcast(ctx, t.Request(j.retryKey(begun)))

	case tasks.LinkRichMenu:
		a.receipt, a.err = c.LinkRichMenu(ctx, t.UserID, t.RichMenuID)
	case tasks.UnlinkRichMenu:
		a.receipt, a.err = c.UnlinkRichMenu(ctx, t.UserID)
	case tasks.BulkLinkRichMenu:
		a.receipt, a.err = c.BulkLinkRichMenu(ctx, t.UserIDs, t.RichMenuID)
	case tasks.BulkUnlinkRichMenu:
		a.receipt, a.err = c.BulkUnlinkRichMenu(ctx, t.UserIDs)
	case tasks.BatchRichMenu:
		a.receipt, a.err = c.RichMenuBatch(ctx, t.Request(j.retryKey(begun)))
	case tasks.PublishRichMenu:
		return publish(ctx, c, t, begun)
	case tasks.DeleteRichMenu:
		a.receipt, a.err = c.DeleteRichMenu(ctx, t.RichMenuID)
	case tasks.SetDefaultRichMenu:
		a.receipt, a.err = c.SetDefaultRichMenu(ctx, t.RichMenuID)
	case tasks.ClearDefaultRichMenu:
		a.receipt, a.err = c.ClearDefaultRichMenu(ctx)

	case tasks.LeaveGroup:
		a.receipt, a.err = c.LeaveGroup(ctx, t.GroupID)
	case tasks.LeaveRoom:
		a.receipt, a.err = c.LeaveRoom(ctx, t.RoomID)
	case tasks.ShowLoading:
		a.receipt, a.err = c.ShowLoading(ctx, t.UserID, time.Duration(t.Seconds)*time.Second)
	case tasks.MarkAsRead:
		a.receipt, a.err = c.MarkAsRead(ctx, t.MarkAsReadToken)

	case tasks.Profile:
		a.found(c.Profile(ctx, t.UserID))
	case tasks.GroupMemberProfile:
		a.found(c.GroupMemberProfile(ctx, t.GroupID, t.UserID))
	case tasks.RoomMemberProfile:
		a.found(c.RoomMemberProfile(ctx, t.RoomID, t.UserID))
	case tasks.GroupMembers:
		a.found(collect(c.GroupMembers(ctx, t.GroupID)))
	case tasks.RoomMembers:
		a.found(collect(c.RoomMembers(ctx, t.RoomID)))
	case tasks.LinkToken:
		var token string
		token, a.receipt, a.err = c.IssueLinkToken(ctx, t.UserID)
		a.found(map[string]string{"linkToken": token}, a.err)
		a.dataLifetime = linkTokenLifetime
	default:
		// Every kind that Decode knows is above; TestEveryKindIsPerformed keeps it so.
		a.err = fmt.Errorf("nothing is known to be done for a %s", j.Task.Kind())
	}
	return a
}

// retryKey is the key of the task's one request: the caller's own while it is the first, else ours.
func (j *job) retryKey(begun record.Begun) string {
	if j.RetryKey != "" && begun.Generation == 0 {
		return j.RetryKey
	}
	return tasks.RetryKey(j.Channel, j.policy.Endpoint, j.ID, "", begun.Generation)
}

// found takes what a lookup returned.
func (a *answer) found(v any, err error) {
	a.err = err
	if err == nil {
		a.data, a.err = json.Marshal(v)
	}
}

// members is the data of a member lookup, in LINE's words.
type members struct {
	MemberIDs []string `json:"memberIds"`
}

// collect reads all pages. A page that fails makes the whole lookup come again: half a list is no answer.
func collect(ids iter.Seq2[string, error]) (members, error) {
	m := members{MemberIDs: []string{}}
	for id, err := range ids {
		if err != nil {
			return members{}, err
		}
		m.MemberIDs = append(m.MemberIDs, id)
	}
	return m, nil
}
