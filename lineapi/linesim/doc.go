// Package linesim is LINE's Messaging API as an [http.Handler]: what programs are developed against without an account,
// and what tests judge a sender by. Start with [New], point both of LINE's origins at it, and read [Simulator.Ledger].
//
//	sim, err := linesim.New(linesim.Config{})
//	server := httptest.NewServer(sim) // token "simulated-token"
//
// It follows LINE's published documents (https://developers.line.biz/en/reference/messaging-api/): authentication,
// request checks with LINE's error texts, rate limits, retry keys, reply tokens, quota, blocked and unknown users, rich
// menus, content and channel access tokens. It shares no code with any client; only the table in lineapi/endpoint is
// common, and it holds data.
//
// # What it assumes where LINE is silent
//
//   - Every well-formed user ID is a friend and every group or room is joined, until [Simulator.AddUser] or
//     [Simulator.AddChat] says otherwise. All channels see the same users; each has its own quota, menus and limits.
//   - A chat that nobody described has one member.
//   - A retry key belongs to one channel and endpoint and lives 24 hours from the request that was accepted with it.
//     A refused request leaves its key unused. Another body under an accepted key is a 409 too, and is counted in
//     [Stats.RetryKeysReused], because it is a mistake of the caller. An empty key counts as none.
//   - A recipient listed twice in one multicast receives once and is counted once; [Stats.RepeatedRecipients] tells.
//   - A request that is refused for its rate takes no token; every other authenticated request takes one.
//   - A request is judged first and answered after its latency, so a caller that gave up waiting may have been accepted.
//   - The quota's month, like LINE's delivery counts, goes by UTC+9. Delivery counts count the people reached.
//   - A narrowcast waits for one second, sends for the next, and has then succeeded; it reserves its quota meanwhile.
//     Nobody's demographics are known: a demographic filter keeps everybody.
//   - Bulk and batch operations on rich menus take effect at once; a batch reports itself ongoing for one second.
//   - The texts for a retry key that isn't a UUID, or that comes to another endpoint, are the simulator's; so are those of
//     413, 405 and a few checks of template and rich menu objects. Style properties of Flex components, and properties of
//     message objects that LINE doesn't know, aren't judged.
//   - LINE's own host names keep LINE's division: api.line.me has no content, api-data.line.me nothing else. Any other
//     host name serves both.
//
// # What it does not have
//
// Webhooks, LINE notification messages, memberships, coupons, insight, audience management, modules, mission stickers and
// LIFF apps are answered with 501 and a message that says so: [Simulated] tells which operation is which. The limit on
// messages to one user isn't published and isn't simulated, nor is the existence of a sticker, image or emoji checked.
package linesim
