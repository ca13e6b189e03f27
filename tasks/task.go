// Package tasks is the contract between those who enqueue and those who send: what can be queued, as which JSON, in which
// queue and under which rules, and what is known about it afterwards.
//
// A [Task] is what a caller wants LINE to do: a [Push], a [Multicast], a [LinkRichMenu] … An [Envelope] is a task on its
// way: with its channel, its ID and its deadline. [Decode] reads what [Envelope.Encode] wrote, in this version and in
// every earlier one; what a newer version wrote is refused with [ErrNewerVersion] and must stay in its queue.
//
// The package knows neither HTTP nor Redis nor the queue library, and an envelope never holds an access token: it names
// its channel, and the worker knows that channel's token.
package tasks

import (
	"errors"
	"fmt"
	"slices"
)

// Task is one thing to be done at LINE. Every type that implements it is listed in [Kinds].
type Task interface {
	Kind() Kind
	// Check says what LINE would refuse, before anything is queued. Its errors are *lineapi.Error with the JSON path.
	Check() error
}

// Kind is the stable name of a type of task. It stands in queued payloads, so renaming one is a migration.
type Kind string

const (
	KindReply      Kind = "reply"
	KindPush       Kind = "push"
	KindMulticast  Kind = "multicast"
	KindBroadcast  Kind = "broadcast"
	KindNarrowcast Kind = "narrowcast"

	KindLinkRichMenu         Kind = "richmenu.link"
	KindUnlinkRichMenu       Kind = "richmenu.unlink"
	KindBulkLinkRichMenu     Kind = "richmenu.bulk-link"
	KindBulkUnlinkRichMenu   Kind = "richmenu.bulk-unlink"
	KindBatchRichMenu        Kind = "richmenu.batch"
	KindPublishRichMenu      Kind = "richmenu.publish"
	KindDeleteRichMenu       Kind = "richmenu.delete"
	KindSetDefaultRichMenu   Kind = "richmenu.set-default"
	KindClearDefaultRichMenu Kind = "richmenu.clear-default"

	KindLeaveGroup  Kind = "chat.leave-group"
	KindLeaveRoom   Kind = "chat.leave-room"
	KindShowLoading Kind = "chat.loading"
	KindMarkAsRead  Kind = "chat.mark-read"

	KindProfile            Kind = "chat.profile"
	KindGroupMemberProfile Kind = "chat.group-profile"
	KindRoomMemberProfile  Kind = "chat.room-profile"
	KindGroupMembers       Kind = "chat.group-members"
	KindRoomMembers        Kind = "chat.room-members"
	KindLinkToken          Kind = "chat.link-token"
)

// kind is what the package knows of one Kind: how to make an empty task of it, and the rules it runs under.
type kind struct {
	empty  func() Task
	policy Policy
}

// Kinds lists every kind, sorted.
func Kinds() []Kind {
	all := make([]Kind, 0, len(kinds))
	for k := range kinds {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// ErrUnknownKind is returned for a kind that this version doesn't have; a newer one may.
var ErrUnknownKind = errors.New("unknown kind of task")

func lookUp(k Kind) (kind, error) {
	known, ok := kinds[k]
	if !ok {
		return kind{}, fmt.Errorf("%w %q", ErrUnknownKind, k)
	}
	return known, nil
}
