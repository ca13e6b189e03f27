package lineapi_test

import (
	"context"
	"iter"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
)

func TestLists(t *testing.T) {
	for name, list := range map[string]struct {
		uri, next, field string
		list             func(*lineapi.Client, context.Context) iter.Seq2[string, error]
	}{
		"group members": {"/v2/bot/group/" + groupID + "/members/ids", "?start=", "memberIds",
			func(c *lineapi.Client, ctx context.Context) iter.Seq2[string, error] {
				return c.GroupMembers(ctx, groupID)
			}},
		"room members": {"/v2/bot/room/" + roomID + "/members/ids", "?start=", "memberIds",
			func(c *lineapi.Client, ctx context.Context) iter.Seq2[string, error] {
				return c.RoomMembers(ctx, roomID)
			}},
		"followers": {"/v2/bot/followers/ids?limit=1000", "&start=", "userIds", (*lineapi.Client).Followers},
	} {
		page := func(start, ids, next string) exchange {
			e := exchange{method: "GET", uri: list.uri, answer: `{"` + list.field + `":[` + ids + `],"next":"` + next + `"}`}
			if start != "" {
				e.uri += list.next + start
			}
			return e
		}
		t.Run(name, func(t *testing.T) {
			t.Run("all pages", func(t *testing.T) {
				c := clientFor(t, page("", `"a","b"`, "1"), page("1", ``, "2"), page("2", `"c"`, ""))
				ids, err := collect(list.list(c, t.Context()))
				require.NoError(t, err)
				assert.Equal(t, []string{"a", "b", "c"}, ids)
			})
			t.Run("nobody", func(t *testing.T) {
				ids, err := collect(list.list(clientFor(t, page("", ``, "")), t.Context()))
				require.NoError(t, err)
				assert.Empty(t, ids)
			})
			t.Run("an error keeps what came before", func(t *testing.T) {
				failing := page("1", ``, "")
				failing.status, failing.answer = 500, `{"message":"oops"}`
				ids, err := collect(list.list(clientFor(t, page("", `"a"`, "1"), failing), t.Context()))
				assert.Equal(t, []string{"a"}, ids)
				assert.Equal(t, lineapi.Server, lineapi.ReasonOf(err))
			})
			t.Run("a start that repeats ends it", func(t *testing.T) {
				c := clientFor(t, page("", `"a"`, "1"), page("1", `"b"`, "2"), page("2", `"c"`, "1"))
				ids, err := collect(list.list(c, t.Context()))
				assert.Equal(t, []string{"a", "b", "c"}, ids)
				assert.ErrorContains(t, err, "LINE repeats the start of a page")
			})
			t.Run("a loop that ends early asks no more", func(t *testing.T) {
				for id, err := range list.list(clientFor(t, page("", `"a","b"`, "1")), t.Context()) {
					require.NoError(t, err)
					assert.Equal(t, "a", id)
					break
				}
			})
		})
	}
}

func collect(list iter.Seq2[string, error]) (ids []string, err error) {
	for id, err := range list {
		if err != nil {
			return ids, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}
