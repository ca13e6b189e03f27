package linesim

import "net/http"

func (c *call) setDefaultMenu() answer {
	m := &c.channel.menus
	m.mu.Lock()
	defer m.mu.Unlock()
	if refusal, ok := m.usable(c.params[0]); !ok {
		return refusal
	}
	m.fallback = c.params[0]
	return ok200
}

func (c *call) defaultMenu() answer {
	m := &c.channel.menus
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fallback == "" {
		return refuseMenu(http.StatusNotFound, "no default richmenu")
	}
	return jsonAnswer(http.StatusOK, menuID{m.fallback})
}

func (c *call) cancelDefaultMenu() answer {
	m := &c.channel.menus
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fallback = ""
	return ok200
}

func (c *call) menuOfUser() answer {
	user, refusal, ok := c.id(0, 'U')
	if !ok {
		return refusal
	}
	m := &c.channel.menus
	m.mu.Lock()
	defer m.mu.Unlock()
	id := m.links[user]
	if id == "" {
		return refuseMenu(http.StatusNotFound, "the user has no richmenu")
	}
	return jsonAnswer(http.StatusOK, menuID{id})
}

// linkMenu has no effect on users who blocked the account or don't exist, and doesn't say so
// (https://developers.line.biz/en/reference/messaging-api/#link-rich-menu-to-user).
func (c *call) linkMenu() answer {
	user, refusal, ok := c.id(0, 'U')
	if !ok {
		return refusal
	}
	return c.link([]recipientID{user}, c.params[1], ok200)
}

func (c *call) link(users []recipientID, menu string, done answer) answer {
	m := &c.channel.menus
	m.mu.Lock()
	defer m.mu.Unlock()
	if refusal, ok := m.usable(menu); !ok {
		return refusal
	}
	for _, user := range users {
		if c.sim.directory.stateOf(user) == friend {
			m.links[user] = menu
		}
	}
	return done
}

func (c *call) unlinkMenu() answer {
	user, refusal, ok := c.id(0, 'U')
	if !ok {
		return refusal
	}
	return c.unlink([]recipientID{user}, ok200)
}

func (c *call) unlink(users []recipientID, done answer) answer {
	m := &c.channel.menus
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, user := range users {
		delete(m.links, user)
	}
	return done
}

// bulk reads the users of a bulk operation, and its menu if it has one.
func (c *call) bulk(names ...string) (users []recipientID, menu field, refusal answer, ok bool) {
	all, refusal, ok := fields(c.body)
	if !ok {
		return nil, field{}, refusal, false
	}
	var ids field
	for _, f := range all {
		switch {
		case f.name == "userIds":
			ids = f
		case len(names) > 0 && f.name == names[0]:
			menu = f
		default:
			return nil, field{}, f.invalid(c.body), false
		}
	}
	users, refusal, ok = readUserIDs(ids, "userIds", "'userIds[%]'")
	return users, menu, refusal, ok
}

func (c *call) bulkLink() answer {
	users, menu, refusal, ok := c.bulk("richMenuId")
	if !ok {
		return refusal
	}
	id := ""
	if menu.value != nil {
		id, _ = menu.text()
	}
	if id == "" {
		return refuseMenu(http.StatusBadRequest, "invalid richMenuId")
	}
	return c.link(users, id, ok202)
}

func (c *call) bulkUnlink() answer {
	users, _, refusal, ok := c.bulk()
	if !ok {
		return refusal
	}
	return c.unlink(users, ok202)
}
