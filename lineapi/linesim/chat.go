package linesim

import (
	"net/http"
	"slices"
)

// id reads a path parameter that must be the ID of a user, group or room.
func (c *call) id(param int, letter byte) (recipientID, answer, bool) {
	id, ok := parseRecipient(c.params[param])
	if !ok || id[0] != letter {
		name := map[byte]string{'U': "userId", 'C': "groupId", 'R': "roomId"}[letter]
		return id, invalidParameter(name), false
	}
	return id, answer{}, true
}

type profile struct {
	DisplayName   string `json:"displayName"`
	UserID        string `json:"userId"`
	PictureURL    string `json:"pictureUrl,omitempty"`
	StatusMessage string `json:"statusMessage,omitempty"`
	Language      string `json:"language,omitempty"`
}

func (d *directory) profile(id recipientID) profile {
	d.mu.RLock()
	defer d.mu.RUnlock()
	u := d.users[id]
	if u.DisplayName == "" {
		u.DisplayName = "User " + id.String()[1:7]
	}
	return profile{u.DisplayName, id.String(), u.PictureURL, u.StatusMessage, u.Language}
}

func (c *call) profile() answer {
	id, refusal, ok := c.id(0, 'U')
	if !ok {
		return refusal
	}
	if c.sim.directory.stateOf(id) != friend {
		return refuse(http.StatusNotFound, textNotFound)
	}
	return jsonAnswer(http.StatusOK, c.sim.directory.profile(id))
}

// chat reads the group or room of the path, which the account must be in.
func (c *call) chat(letter byte) (recipientID, answer, bool) {
	id, refusal, ok := c.id(0, letter)
	if ok && c.sim.directory.stateOf(id) != friend {
		return id, refuse(http.StatusNotFound, textNotFound), false
	}
	return id, refusal, ok
}

// memberProfile shows members who are no friends, too; a status message only friends show.
func memberProfile(letter byte) func(*call) answer {
	return func(c *call) answer {
		chat, refusal, ok := c.chat(letter)
		if !ok {
			return refusal
		}
		user, refusal, ok := c.id(1, 'U')
		if !ok {
			return refusal
		}
		if !slices.Contains(c.sim.directory.members(chat), user.String()) {
			return refuse(http.StatusNotFound, textNotFound)
		}
		p := c.sim.directory.profile(user)
		return jsonAnswer(http.StatusOK, profile{DisplayName: p.DisplayName, UserID: p.UserID, PictureURL: p.PictureURL})
	}
}

// membersPage is the most member IDs on one page.
const membersPage = 100

func memberIDs(letter byte) func(*call) answer {
	return func(c *call) answer {
		if c.channel.Unverified {
			return refuse(http.StatusForbidden, textUnavailable)
		}
		chat, refusal, ok := c.chat(letter)
		if !ok {
			return refusal
		}
		members := c.sim.directory.members(chat)
		start, ok := c.start(chat.String(), len(members))
		if !ok {
			return refuse(http.StatusBadRequest, textStart)
		}
		end := min(start+membersPage, len(members))
		page := struct {
			MemberIDs []string `json:"memberIds"`
			Next      string   `json:"next,omitempty"`
		}{MemberIDs: append([]string{}, members[start:end]...)}
		if end < len(members) {
			page.Next = c.continuation(chat.String(), end)
		}
		return jsonAnswer(http.StatusOK, page)
	}
}

func memberCount(letter byte) func(*call) answer {
	return func(c *call) answer {
		chat, refusal, ok := c.chat(letter)
		if !ok {
			return refusal
		}
		return jsonAnswer(http.StatusOK, struct {
			Count int `json:"count"`
		}{len(c.sim.directory.members(chat))})
	}
}

func (c *call) groupSummary() answer {
	group, refusal, ok := c.chat('C')
	if !ok {
		return refusal
	}
	d := c.sim.directory
	d.mu.RLock()
	name := d.chats[group].Name
	d.mu.RUnlock()
	if name == "" {
		name = "Group " + group.String()[1:7]
	}
	return jsonAnswer(http.StatusOK, struct {
		GroupID   string `json:"groupId"`
		GroupName string `json:"groupName"`
	}{group.String(), name})
}

func (c *call) leaveGroup() answer {
	group, refusal, ok := c.chat('C')
	if !ok {
		return refusal
	}
	if !c.sim.directory.leave(group) {
		return refuse(http.StatusNotFound, textNotFound)
	}
	return ok200
}

// leaveRoom succeeds even when the account isn't in the room
// (https://developers.line.biz/en/reference/messaging-api/#leave-room).
func (c *call) leaveRoom() answer {
	room, refusal, ok := c.id(0, 'R')
	if !ok {
		return refusal
	}
	c.sim.directory.leave(room)
	return ok200
}

// leave says whether the account was still in the chat.
func (d *directory) leave(chat recipientID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.register(chat)
	was := d.states[n]
	d.states[n] = left
	return was == friend
}

func (c *call) followers() answer {
	if c.channel.Unverified {
		return refuse(http.StatusForbidden, textUnavailable)
	}
	limit, ok := c.limit(300, 1000)
	if !ok {
		return invalidParameter("limit")
	}
	start, ok := c.start("followers", 1<<32)
	if !ok {
		return refuse(http.StatusBadRequest, textStart)
	}
	friends, next := c.sim.directory.friends(start, limit)
	page := struct {
		UserIDs []string `json:"userIds"`
		Next    string   `json:"next,omitempty"`
	}{UserIDs: make([]string, len(friends))}
	for i, id := range friends {
		page.UserIDs[i] = id.String()
	}
	if next > 0 {
		page.Next = c.continuation("followers", next)
	}
	return jsonAnswer(http.StatusOK, page)
}

func (c *call) botInfo() answer {
	return jsonAnswer(http.StatusOK, struct {
		UserID         string `json:"userId"`
		BasicID        string `json:"basicId"`
		DisplayName    string `json:"displayName"`
		ChatMode       string `json:"chatMode"`
		MarkAsReadMode string `json:"markAsReadMode"`
	}{c.channel.userID, "@" + c.channel.userID[1:9], c.channel.Name, "bot", "auto"})
}

func (c *call) linkToken() answer {
	if _, refusal, ok := c.id(0, 'U'); !ok {
		return refusal
	}
	return jsonAnswer(http.StatusOK, struct {
		LinkToken string `json:"linkToken"`
	}{c.sim.opaque("link", c.sim.serial.Add(1))[:32]})
}

// document reads a JSON body into a value of c. Properties other than those named are refused.
func (c *call) document(check *checker, names ...string) (value, answer, bool) {
	all, refusal, ok := fields(c.body)
	if !ok {
		return value{}, refusal, false
	}
	for _, f := range all {
		if !slices.Contains(names, f.name) {
			return value{}, f.invalid(c.body), false
		}
	}
	return check.decode("", c.body), answer{}, true
}

func (c *call) loadingAnimation() answer {
	check := &checker{}
	body, refusal, ok := c.document(check, "chatId", "loadingSeconds")
	if !ok {
		return refusal
	}
	id, ok := parseRecipient(body.get("chatId").string())
	seconds, given := body.get("loadingSeconds").integer()
	if refusal, refused := check.refusal(); refused {
		return refusal
	}
	if !ok || id[0] != 'U' {
		return invalidParameter("chatId")
	}
	if given && (seconds < 5 || seconds > 60 || seconds%5 != 0) {
		return invalidParameter("loadingSeconds")
	}
	return ok202
}

func (c *call) markAsRead() answer {
	check := &checker{}
	body, refusal, ok := c.document(check, "chat")
	if !ok {
		return refusal
	}
	id, ok := parseRecipient(body.get("chat").get("userId").string())
	if refusal, refused := check.refusal(); refused {
		return refusal
	}
	if !ok || id[0] != 'U' {
		return invalidProperty("'chat.userId'", "-", "-")
	}
	return ok200
}

func (c *call) markAsReadByToken() answer {
	check := &checker{}
	body, refusal, ok := c.document(check, "markAsReadToken")
	if !ok {
		return refusal
	}
	body.get("markAsReadToken").text(1000, utf16Units)
	if refusal, refused := check.refusal(); refused {
		return refusal
	}
	return ok200
}
