package linesim

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
)

// aliasID is LINE's pattern (https://github.com/line/line-openapi/blob/main/messaging-api.yml).
var aliasID = regexp.MustCompile(`^[a-z0-9_-]{1,32}$`)

type menuAlias struct {
	Alias string `json:"richMenuAliasId"`
	Menu  string `json:"richMenuId"`
}

func (c *call) createAlias() answer {
	check := &checker{}
	body, refusal, ok := c.document(check, "richMenuAliasId", "richMenuId")
	if !ok {
		return refusal
	}
	alias := body.get("richMenuAliasId").text(32, utf16Units)
	if alias != "" {
		body.get("richMenuAliasId").pattern(aliasID)
	}
	menu := body.get("richMenuId").text(1000, utf16Units)
	if refusal, refused := check.refusal(); refused {
		return refusal
	}
	m := &c.channel.menus
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.byID[menu] == nil:
		return refuseMenu(http.StatusBadRequest, textMenuNotFound)
	case m.aliases[alias] != "":
		return refuseMenu(http.StatusBadRequest, "conflict richmenu alias id")
	case len(m.aliases) >= maxAliases:
		return refuseMenu(http.StatusBadRequest,
			"The number of rich menu aliases has reached the limit of "+strconv.Itoa(maxAliases))
	}
	m.aliases[alias] = menu
	return ok200
}

func (c *call) updateAlias() answer {
	check := &checker{}
	body, refusal, ok := c.document(check, "richMenuId")
	if !ok {
		return refusal
	}
	menu := body.get("richMenuId").text(1000, utf16Units)
	if refusal, refused := check.refusal(); refused {
		return refusal
	}
	m := &c.channel.menus
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.aliases[c.params[0]] == "":
		return refuseMenu(http.StatusNotFound, textAliasNotFound)
	case m.byID[menu] == nil:
		return refuseMenu(http.StatusBadRequest, textMenuNotFound)
	}
	m.aliases[c.params[0]] = menu
	return ok200
}

func (c *call) alias() answer {
	m := &c.channel.menus
	m.mu.Lock()
	defer m.mu.Unlock()
	menu := m.aliases[c.params[0]]
	if menu == "" {
		return refuseMenu(http.StatusNotFound, textAliasNotFound)
	}
	return jsonAnswer(http.StatusOK, menuAlias{c.params[0], menu})
}

func (c *call) deleteAlias() answer {
	m := &c.channel.menus
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.aliases[c.params[0]] == "" {
		return refuseMenu(http.StatusNotFound, textAliasNotFound)
	}
	delete(m.aliases, c.params[0])
	return ok200
}

func (c *call) aliasList() answer {
	m := &c.channel.menus
	m.mu.Lock()
	defer m.mu.Unlock()
	list := struct {
		Aliases []menuAlias `json:"aliases"`
	}{Aliases: []menuAlias{}}
	for _, alias := range slices.Sorted(maps.Keys(m.aliases)) {
		list.Aliases = append(list.Aliases, menuAlias{alias, m.aliases[alias]})
	}
	return jsonAnswer(http.StatusOK, list)
}
