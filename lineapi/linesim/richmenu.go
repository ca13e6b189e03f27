package linesim

import (
	"bytes"
	"encoding/json"
	"image"
	_ "image/jpeg" // rich menu images are JPEG or PNG
	_ "image/png"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Limits of https://developers.line.biz/en/reference/messaging-api/#rich-menu, per account.
const (
	maxMenus   = 1000
	maxAliases = 1000
	maxAreas   = 20
	maxImage   = 1 << 20
	menuRatio  = 1.45 // least width / height
)

const (
	textMenuNotFound  = "richmenu not found"
	textAliasNotFound = "richmenu alias not found"
	textNoImage       = "must upload richmenu image before applying it to user"
)

// richMenus is what one channel has made through the API.
type richMenus struct {
	mu       sync.Mutex
	byID     map[string]*richMenu
	order    []string // of creation
	aliases  map[string]string
	links    map[recipientID]string
	fallback string // the default menu
	batches  map[string]time.Time
	resumed  map[string]time.Time // by resumeRequestKey
}

type richMenu struct {
	object    json.RawMessage
	image     []byte
	mediaType string
}

func (m *richMenus) init() {
	m.byID = map[string]*richMenu{}
	m.aliases = map[string]string{}
	m.links = map[recipientID]string{}
	m.batches = map[string]time.Time{}
	m.resumed = map[string]time.Time{}
}

// usable finds a menu that can be shown to users. The caller holds mu.
func (m *richMenus) usable(id string) (answer, bool) {
	menu := m.byID[id]
	switch {
	case menu == nil:
		return refuseMenu(http.StatusNotFound, textMenuNotFound), false
	case menu.image == nil:
		return refuseMenu(http.StatusBadRequest, textNoImage), false
	}
	return answer{}, true
}

// checkMenu judges a rich menu object (https://developers.line.biz/en/reference/messaging-api/#rich-menu-object).
func (c *call) checkMenu() (answer, bool) {
	check := &checker{}
	menu, refusal, ok := c.document(check, "size", "selected", "name", "chatBarText", "areas")
	if !ok {
		return refusal, false
	}
	if size := menu.get("size"); size.require(textUnspecified) && size.object() {
		checkMenuSize(size)
	}
	if selected := menu.get("selected"); selected.require(textUnspecified) {
		selected.boolean()
	}
	if name := menu.get("name"); name.require(textUnspecified) {
		name.text(300, graphemes)
	}
	if bar := menu.get("chatBarText"); bar.require(textUnspecified) {
		bar.text(14, graphemes)
	}
	if areas := menu.get("areas"); areas.require(textUnspecified) {
		for _, area := range areas.list(0, maxAreas) {
			area.object()
			if bounds := area.get("bounds"); bounds.require(textUnspecified) && bounds.object() {
				bounds.get("x").between(0, 1<<31-1)
				bounds.get("y").between(0, 1<<31-1)
				bounds.get("width").between(1, 1<<31-1)
				bounds.get("height").between(1, 1<<31-1)
			}
			checkAction(area.get("action"), inRichMenu)
		}
	}
	refusal, refused := check.refusal()
	return refusal, !refused
}

func checkMenuSize(size value) {
	width, height := size.get("width"), size.get("height")
	width.between(800, 2500)
	height.between(250, 1<<31-1)
	w, _ := width.integer()
	h, _ := height.integer()
	if h > 0 && float64(w)/float64(h) < menuRatio {
		size.fail("The aspect ratio (width / height) must be 1.45 or more")
	}
}

func (c *call) validateMenu() answer {
	if refusal, ok := c.checkMenu(); !ok {
		return refusal
	}
	return ok200
}

func (c *call) createMenu() answer {
	if refusal, ok := c.checkMenu(); !ok {
		return refusal
	}
	id := "richmenu-" + c.sim.hex("richmenu", c.sim.serial.Add(1))
	object := append([]byte(`{"richMenuId":"`+id+`",`), bytes.TrimSpace(c.body)[1:]...)
	m := &c.channel.menus
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.byID) >= maxMenus {
		return refuseMenu(http.StatusBadRequest, "The number of rich menus has reached the limit of "+strconv.Itoa(maxMenus))
	}
	m.byID[id] = &richMenu{object: object}
	m.order = append(m.order, id)
	return jsonAnswer(http.StatusOK, menuID{id})
}

type menuID struct {
	ID string `json:"richMenuId"`
}

func (c *call) menu() answer {
	m := &c.channel.menus
	m.mu.Lock()
	defer m.mu.Unlock()
	menu := m.byID[c.params[0]]
	if menu == nil {
		return refuseMenu(http.StatusNotFound, textNotFound)
	}
	return answer{status: http.StatusOK, body: menu.object}
}

func (c *call) menuList() answer {
	m := &c.channel.menus
	m.mu.Lock()
	defer m.mu.Unlock()
	list := struct {
		RichMenus []json.RawMessage `json:"richmenus"`
	}{RichMenus: make([]json.RawMessage, len(m.order))}
	for i, id := range m.order {
		list.RichMenus[i] = m.byID[id].object
	}
	return jsonAnswer(http.StatusOK, list)
}

// deleteMenu also ends what refers to the menu.
func (c *call) deleteMenu() answer {
	id := c.params[0]
	m := &c.channel.menus
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byID[id] == nil {
		return refuseMenu(http.StatusNotFound, textNotFound)
	}
	delete(m.byID, id)
	m.order = slices.DeleteFunc(m.order, func(other string) bool { return other == id })
	for user, linked := range m.links {
		if linked == id {
			delete(m.links, user)
		}
	}
	if m.fallback == id {
		m.fallback = ""
	}
	return ok200
}

// uploadImage follows https://developers.line.biz/en/reference/messaging-api/#upload-rich-menu-image.
func (c *call) uploadImage() answer {
	mediaType := c.r.Header.Get("Content-Type")
	if mediaType != "image/jpeg" && mediaType != "image/png" {
		return refuse(http.StatusUnsupportedMediaType, "The content type, "+mediaType+", is not supported")
	}
	if len(c.body) > maxImage {
		return refuse(http.StatusRequestEntityTooLarge, http.StatusText(http.StatusRequestEntityTooLarge))
	}
	config, format, err := image.DecodeConfig(bytes.NewReader(c.body))
	if err != nil || "image/"+format != mediaType {
		return refuse(http.StatusUnsupportedMediaType, "The image isn't of the type "+mediaType)
	}
	m := &c.channel.menus
	m.mu.Lock()
	defer m.mu.Unlock()
	menu := m.byID[c.params[0]]
	switch {
	case menu == nil:
		return refuseMenu(http.StatusNotFound, textNotFound)
	case menu.image != nil:
		return refuseMenu(http.StatusBadRequest, "An image has already been uploaded to the richmenu")
	case config.Width < 800, config.Width > 2500, config.Height < 250,
		float64(config.Width)/float64(config.Height) < menuRatio:
		return refuseMenu(http.StatusBadRequest, "The image size is not allowed for richmenu")
	}
	menu.image, menu.mediaType = c.body, mediaType
	return ok200
}

func (c *call) menuImage() answer {
	m := &c.channel.menus
	m.mu.Lock()
	defer m.mu.Unlock()
	menu := m.byID[c.params[0]]
	if menu == nil || menu.image == nil {
		return refuseMenu(http.StatusNotFound, textNotFound)
	}
	return answer{status: http.StatusOK, body: menu.image, mediaType: menu.mediaType}
}
