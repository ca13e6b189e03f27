package tasks_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
)

// Whatever callers put into a task of any kind, the worker gets the same.
func TestRoundTrip(t *testing.T) {
	text := rapid.String()
	texts := rapid.SliceOf(text)
	value := rapid.Custom(func(t *rapid.T) any {
		return rapid.OneOf(text.AsAny(), rapid.Int().AsAny(), rapid.Float64Range(-1e9, 1e9).AsAny(), rapid.Bool().AsAny(),
			rapid.MapOf(text, text).AsAny(), texts.AsAny()).Draw(t, "value")
	})
	object := rapid.Custom(func(t *rapid.T) map[string]any { return rapid.MapOf(text, value).Draw(t, "object") })
	msgs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) lineapi.Message {
		fields := object.Draw(t, "fields")
		fields["type"] = text.Filter(func(s string) bool { return s != "" }).Draw(t, "type")
		return must(lineapi.MessageOf(fields))
	}), 1, 5)
	raw := rapid.Custom(func(t *rapid.T) json.RawMessage { return must(json.Marshal(object.Draw(t, "raw"))) })
	flag := rapid.Bool()

	kinds := map[tasks.Kind]func(t *rapid.T) tasks.Task{
		tasks.KindReply: func(t *rapid.T) tasks.Task {
			return tasks.Reply{text.Draw(t, "token"), msgs.Draw(t, "messages"), flag.Draw(t, "silent")}
		},
		tasks.KindPush: func(t *rapid.T) tasks.Task {
			return tasks.Push{text.Draw(t, "to"), msgs.Draw(t, "messages"), flag.Draw(t, "silent"), some(texts.Draw(t, "units"))}
		},
		tasks.KindMulticast: func(t *rapid.T) tasks.Task {
			return tasks.Multicast{texts.Draw(t, "to"), msgs.Draw(t, "messages"), flag.Draw(t, "silent"), some(texts.Draw(t, "units"))}
		},
		tasks.KindBroadcast: func(t *rapid.T) tasks.Task {
			return tasks.Broadcast{msgs.Draw(t, "messages"), flag.Draw(t, "silent")}
		},
		tasks.KindNarrowcast: func(t *rapid.T) tasks.Task {
			return tasks.Narrowcast{
				msgs.Draw(t, "messages"), raw.Draw(t, "recipient"), raw.Draw(t, "filter"), raw.Draw(t, "limit"), flag.Draw(t, "silent"),
			}
		},
		tasks.KindLinkRichMenu: func(t *rapid.T) tasks.Task {
			return tasks.LinkRichMenu{text.Draw(t, "user"), text.Draw(t, "menu")}
		},
		tasks.KindUnlinkRichMenu: func(t *rapid.T) tasks.Task { return tasks.UnlinkRichMenu{text.Draw(t, "user")} },
		tasks.KindBulkLinkRichMenu: func(t *rapid.T) tasks.Task {
			return tasks.BulkLinkRichMenu{texts.Draw(t, "users"), text.Draw(t, "menu")}
		},
		tasks.KindBulkUnlinkRichMenu: func(t *rapid.T) tasks.Task { return tasks.BulkUnlinkRichMenu{texts.Draw(t, "users")} },
		tasks.KindBatchRichMenu: func(t *rapid.T) tasks.Task {
			return tasks.BatchRichMenu{rapid.SliceOf(rapid.Custom(func(t *rapid.T) lineapi.RichMenuOperation {
				return lineapi.RichMenuOperation{
					Type: text.Draw(t, "type"), From: text.Draw(t, "from"), To: text.Draw(t, "to"),
				}
			})).Draw(t, "operations")}
		},
		tasks.KindPublishRichMenu: func(t *rapid.T) tasks.Task {
			return tasks.PublishRichMenu{
				must(lineapi.ParseRichMenu(raw.Draw(t, "menu"))), rapid.SliceOf(rapid.Byte()).Draw(t, "image"),
				text.Draw(t, "type"), text.Draw(t, "alias"), flag.Draw(t, "default"),
			}
		},
		tasks.KindDeleteRichMenu:       func(t *rapid.T) tasks.Task { return tasks.DeleteRichMenu{text.Draw(t, "menu")} },
		tasks.KindSetDefaultRichMenu:   func(t *rapid.T) tasks.Task { return tasks.SetDefaultRichMenu{text.Draw(t, "menu")} },
		tasks.KindClearDefaultRichMenu: func(*rapid.T) tasks.Task { return tasks.ClearDefaultRichMenu{} },
		tasks.KindLeaveGroup:           func(t *rapid.T) tasks.Task { return tasks.LeaveGroup{text.Draw(t, "group")} },
		tasks.KindLeaveRoom:            func(t *rapid.T) tasks.Task { return tasks.LeaveRoom{text.Draw(t, "room")} },
		tasks.KindShowLoading: func(t *rapid.T) tasks.Task {
			return tasks.ShowLoading{text.Draw(t, "user"), rapid.Int().Draw(t, "seconds")}
		},
		tasks.KindMarkAsRead: func(t *rapid.T) tasks.Task { return tasks.MarkAsRead{text.Draw(t, "token")} },
		tasks.KindProfile:    func(t *rapid.T) tasks.Task { return tasks.Profile{text.Draw(t, "user")} },
		tasks.KindGroupMemberProfile: func(t *rapid.T) tasks.Task {
			return tasks.GroupMemberProfile{text.Draw(t, "group"), text.Draw(t, "user")}
		},
		tasks.KindRoomMemberProfile: func(t *rapid.T) tasks.Task {
			return tasks.RoomMemberProfile{text.Draw(t, "room"), text.Draw(t, "user")}
		},
		tasks.KindGroupMembers: func(t *rapid.T) tasks.Task { return tasks.GroupMembers{text.Draw(t, "group")} },
		tasks.KindRoomMembers:  func(t *rapid.T) tasks.Task { return tasks.RoomMembers{text.Draw(t, "room")} },
		tasks.KindLinkToken:    func(t *rapid.T) tasks.Task { return tasks.LinkToken{text.Draw(t, "user")} },
	}
	for _, k := range tasks.Kinds() {
		t.Run(string(k), func(t *testing.T) {
			require.Contains(t, kinds, k)
			rapid.Check(t, func(t *rapid.T) {
				want := tasks.Envelope{
					Channel: rapid.StringMatching(`[A-Za-z0-9._-]{1,64}`).Draw(t, "channel"),
					ID:      rapid.StringMatching(`[A-Za-z0-9._:@+=-]{1,128}`).Draw(t, "id"), RetryKey: text.Draw(t, "retry key"),
					EnqueuedAt: moment(t, "enqueued at"), DueAt: moment(t, "due at"), Deadline: moment(t, "deadline"), Task: kinds[k](t),
				}
				b, err := want.Encode()
				require.NoError(t, err)
				got, err := tasks.Decode(k, b)
				require.NoError(t, err)
				equal(t, want, got)
				before, err := want.Hash()
				require.NoError(t, err)
				after, err := got.Hash()
				require.NoError(t, err)
				assert.Equal(t, before, after)
			})
		})
	}
}

// some makes an empty list nil, as what is left out comes back.
func some(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}

func moment(t *rapid.T, label string) time.Time {
	return time.Unix(rapid.Int64Range(0, 200_000_000_000).Draw(t, label), rapid.Int64Range(0, 999_999_999).Draw(t, label+" ns")).UTC()
}
