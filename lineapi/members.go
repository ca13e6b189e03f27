package lineapi

import (
	"context"
	"iter"
	"net/url"
	"strconv"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// Page is one page of a list of user ids.
type Page struct {
	UserIDs []string
	Next    string // start of the next page, valid for 24 hours; empty on the last
}

// GroupMembersPage lists up to 100 members of a group, from start on; the first page has an empty start. Only verified
// and premium accounts may; LINE answers others with 403.
func (c *Client) GroupMembersPage(ctx context.Context, groupID, start string) (Page, error) {
	var p problems
	p.add("groupId", chatIDProblem("group id", 'C', groupID))
	return c.memberPage(ctx, p, call{endpoint: endpoint.GetGroupMembersIds, segments: []string{groupID}}, start)
}

// RoomMembersPage is GroupMembersPage for a room.
func (c *Client) RoomMembersPage(ctx context.Context, roomID, start string) (Page, error) {
	var p problems
	p.add("roomId", chatIDProblem("room id", 'R', roomID))
	return c.memberPage(ctx, p, call{endpoint: endpoint.GetRoomMembersIds, segments: []string{roomID}}, start)
}

func (c *Client) memberPage(ctx context.Context, p problems, k call, start string) (Page, error) {
	if start != "" {
		k.query = url.Values{"start": {start}}
	}
	body, err := checkedRead[struct {
		MemberIDs []string `json:"memberIds"`
		Next      string   `json:"next"`
	}](ctx, c, p, k)
	return Page{body.MemberIDs, body.Next}, err
}

// MaxFollowersPage is the most followers that LINE gives at once.
const MaxFollowersPage = 1000

// FollowersPage lists up to limit followers, from start on; a limit of 0 is [MaxFollowersPage]. Only verified and premium
// accounts may; LINE answers others with 403.
func (c *Client) FollowersPage(ctx context.Context, start string, limit int) (Page, error) {
	if limit == 0 {
		limit = MaxFollowersPage
	}
	var p problems
	if limit < 1 || limit > MaxFollowersPage {
		p.add("limit", "must be between 1 and 1000")
	}
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if start != "" {
		query.Set("start", start)
	}
	body, err := checkedRead[struct {
		UserIDs []string `json:"userIds"`
		Next    string   `json:"next"`
	}](ctx, c, p, call{endpoint: endpoint.GetFollowers, query: query})
	return Page{body.UserIDs, body.Next}, err
}

// GroupMembers lists all members of a group, page by page as the loop goes on. An error comes as the last pair, after
// everything that was listed before it.
func (c *Client) GroupMembers(ctx context.Context, groupID string) iter.Seq2[string, error] {
	return pages(endpoint.GetGroupMembersIds, func(start string) (Page, error) {
		return c.GroupMembersPage(ctx, groupID, start)
	})
}

// RoomMembers is GroupMembers for a room.
func (c *Client) RoomMembers(ctx context.Context, roomID string) iter.Seq2[string, error] {
	return pages(endpoint.GetRoomMembersIds, func(start string) (Page, error) {
		return c.RoomMembersPage(ctx, roomID, start)
	})
}

// Followers lists all users who have the account as a friend, as GroupMembers does.
func (c *Client) Followers(ctx context.Context) iter.Seq2[string, error] {
	return pages(endpoint.GetFollowers, func(start string) (Page, error) {
		return c.FollowersPage(ctx, start, 0)
	})
}

// pages runs through a list. A start that comes again would go round for ever: the list ends there, with an error, since
// it may be incomplete.
func pages(e endpoint.Endpoint, page func(start string) (Page, error)) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		seen := make(map[string]bool)
		for start := ""; ; {
			p, err := page(start)
			if err != nil {
				yield("", err)
				return
			}
			for _, id := range p.UserIDs {
				if !yield(id, nil) {
					return
				}
			}
			if p.Next == "" {
				return
			}
			if seen[p.Next] {
				yield("", &Error{Operation: e.Operation, Status: e.OK, Reason: Unknown,
					Message: "LINE repeats the start of a page, the list may be incomplete"})
				return
			}
			seen[p.Next] = true
			start = p.Next
		}
	}
}
