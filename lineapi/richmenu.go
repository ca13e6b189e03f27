package lineapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// RichMenu is one rich menu object, kept as its JSON like a [Message]
// (https://developers.line.biz/en/reference/messaging-api/#rich-menu-object). The zero value is invalid.
type RichMenu struct {
	raw json.RawMessage
}

// ParseRichMenu reads a file that holds one rich menu object, and keeps its bytes. Only [RichMenu.Check] looks inside.
func ParseRichMenu(data []byte) (RichMenu, error) {
	raw := bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\uFEFF")))
	if _, problem := decodeObject(raw); problem != "" {
		return RichMenu{}, wrong("the rich menu", problem)
	}
	return RichMenu{raw: bytes.Clone(raw)}, nil
}

// MarshalJSON gives the bytes that the rich menu was made from.
func (r RichMenu) MarshalJSON() ([]byte, error) {
	if r.raw == nil {
		return nil, errors.New("lineapi: the zero RichMenu is not a rich menu")
	}
	return r.raw, nil
}

// UnmarshalJSON keeps a copy of data, which must be an object.
func (r *RichMenu) UnmarshalJSON(data []byte) error {
	parsed, err := ParseRichMenu(data)
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}

// ID is LINE's id of a rich menu that LINE listed, and empty before.
func (r RichMenu) ID() string {
	fields, _ := decodeObject(r.raw)
	return node{fields: fields}.text("richMenuId")
}

// Check tells whether LINE would refuse the rich menu. Paths in its error start at the rich menu: size.width.
func (r RichMenu) Check() error {
	fields, problem := decodeObject(r.raw)
	if problem != "" {
		return wrong("the rich menu", problem)
	}
	var p problems
	p.richMenu(node{fields: fields})
	return p.err()
}

func (p *problems) richMenu(n node) {
	if size, ok := p.object(n, "size"); ok {
		width, _ := size.number("width")
		height, _ := size.number("height")
		if width < 800 || width > 2500 {
			p.add(size.at("width"), "must be between 800 and 2500")
		}
		if height < 250 {
			p.add(size.at("height"), "must be at least 250")
		} else if width/height < 1.45 {
			p.add(size.path, "must be at least 1.45 times as wide as high")
		}
	}
	if _, ok := n.fields["selected"].(bool); !ok {
		problem := "must be true or false"
		if !n.has("selected") {
			problem = "must be specified"
		}
		p.add(n.at("selected"), problem)
	}
	p.required(n, "name", 300, graphemes)
	p.required(n, "chatBarText", 14, graphemes)
	for _, area := range p.objects(n, "areas", 20) {
		p.object(area, "bounds")
		if action, ok := p.object(area, "action"); ok {
			p.action(action, label{max: 20})
		}
	}
}

// CreateRichMenu creates a rich menu and gives its id. A repeat creates another. If LINE accepts but its answer can't be
// read, the id is empty without an error: the menu exists then, and [Client.RichMenus] lists it.
func (c *Client) CreateRichMenu(ctx context.Context, menu RichMenu) (id string, r Receipt, err error) {
	if err := menu.Check(); err != nil {
		return "", Receipt{}, inOperation(endpoint.CreateRichMenu.Operation, err)
	}
	r, a, err := c.write(ctx, jsonCall(endpoint.CreateRichMenu, menu.raw))
	if err != nil {
		return "", r, err
	}
	var body struct {
		ID string `json:"richMenuId"`
	}
	if a.decode(endpoint.CreateRichMenu.Operation, &body) != nil {
		return "", r, nil
	}
	return body.ID, r, nil
}

// ValidateRichMenu lets LINE check a rich menu, without creating it.
func (c *Client) ValidateRichMenu(ctx context.Context, menu RichMenu) error {
	if menu.raw == nil {
		return inOperation(endpoint.ValidateRichMenuObject.Operation, menu.Check())
	}
	_, _, err := c.write(ctx, jsonCall(endpoint.ValidateRichMenuObject, menu.raw))
	return err
}

// MaxRichMenuImageBytes is the largest image of a rich menu
// (https://developers.line.biz/en/reference/messaging-api/#upload-rich-menu-image): LINE says 1 MB.
const MaxRichMenuImageBytes = 1 << 20

// UploadRichMenuImage gives a rich menu its image, which can't be replaced later. ContentType is image/jpeg or image/png;
// exactly size bytes are read from image, which stays the caller's to close.
func (c *Client) UploadRichMenuImage(
	ctx context.Context, richMenuID, contentType string, image io.Reader, size int64,
) (Receipt, error) {
	var p problems
	p.add("richMenuId", richMenuIDProblem(richMenuID))
	if image == nil {
		size = 0
	}
	p.image(contentType, size)
	k := call{
		endpoint: endpoint.SetRichMenuImage, segments: []string{richMenuID},
		contentType: contentType, upload: newUpload(image, size),
	}
	return c.checkedWrite(ctx, p, k)
}

// DownloadRichMenuImage streams the image of a rich menu. The caller closes the body.
func (c *Client) DownloadRichMenuImage(ctx context.Context, richMenuID string) (Content, error) {
	return c.content(ctx, endpoint.GetRichMenuImage, "richMenuId", richMenuID, richMenuIDProblem(richMenuID))
}

// DeleteRichMenu deletes a rich menu. A repeat is answered with 404.
func (c *Client) DeleteRichMenu(ctx context.Context, richMenuID string) (Receipt, error) {
	var p problems
	p.add("richMenuId", richMenuIDProblem(richMenuID))
	return c.checkedWrite(ctx, p, call{endpoint: endpoint.DeleteRichMenu, segments: []string{richMenuID}})
}

// RichMenus lists the rich menus that the API created. Those of LINE's console are not among them.
func (c *Client) RichMenus(ctx context.Context) ([]RichMenu, error) {
	body, err := read[struct {
		RichMenus []RichMenu `json:"richmenus"`
	}](ctx, c, call{endpoint: endpoint.GetRichMenuList, maxAnswer: maxListAnswer})
	return body.RichMenus, err
}

// RichMenu gets one rich menu.
func (c *Client) RichMenu(ctx context.Context, richMenuID string) (RichMenu, error) {
	var p problems
	p.add("richMenuId", richMenuIDProblem(richMenuID))
	return checkedRead[RichMenu](ctx, c, p, call{endpoint: endpoint.GetRichMenu, segments: []string{richMenuID}})
}

// SetDefaultRichMenu shows a rich menu to every user who has none of their own.
func (c *Client) SetDefaultRichMenu(ctx context.Context, richMenuID string) (Receipt, error) {
	var p problems
	p.add("richMenuId", richMenuIDProblem(richMenuID))
	return c.checkedWrite(ctx, p, call{endpoint: endpoint.SetDefaultRichMenu, segments: []string{richMenuID}})
}

// ClearDefaultRichMenu takes the default rich menu away.
func (c *Client) ClearDefaultRichMenu(ctx context.Context) (Receipt, error) {
	return c.checkedWrite(ctx, problems{}, call{endpoint: endpoint.CancelDefaultRichMenu})
}

// richMenuRef is how LINE answers with the id of a rich menu.
type richMenuRef struct {
	ID string `json:"richMenuId"`
}

// DefaultRichMenu is the id of the default rich menu. LINE answers 404 when there is none.
func (c *Client) DefaultRichMenu(ctx context.Context) (string, error) {
	ref, err := read[richMenuRef](ctx, c, call{endpoint: endpoint.GetDefaultRichMenuId})
	return ref.ID, err
}

// LinkedRichMenu is the id of the user's own rich menu. LINE answers 404 when there is none.
func (c *Client) LinkedRichMenu(ctx context.Context, userID string) (string, error) {
	var p problems
	p.add("userId", chatIDProblem("user id", 'U', userID))
	ref, err := checkedRead[richMenuRef](ctx, c, p,
		call{endpoint: endpoint.GetRichMenuIdOfUser, segments: []string{userID}})
	return ref.ID, err
}

// LinkRichMenu gives a user a rich menu of their own. The last link counts. LINE also says yes for a user whom it doesn't
// know.
func (c *Client) LinkRichMenu(ctx context.Context, userID, richMenuID string) (Receipt, error) {
	var p problems
	p.add("userId", chatIDProblem("user id", 'U', userID))
	p.add("richMenuId", richMenuIDProblem(richMenuID))
	return c.checkedWrite(ctx, p, call{endpoint: endpoint.LinkRichMenuIdToUser, segments: []string{userID, richMenuID}})
}

// UnlinkRichMenu takes the user's own rich menu away.
func (c *Client) UnlinkRichMenu(ctx context.Context, userID string) (Receipt, error) {
	var p problems
	p.add("userId", chatIDProblem("user id", 'U', userID))
	return c.checkedWrite(ctx, p, call{endpoint: endpoint.UnlinkRichMenuIdFromUser, segments: []string{userID}})
}

// BulkLinkRichMenu gives 1 to 500 users a rich menu. LINE accepts and links later, normally within seconds.
func (c *Client) BulkLinkRichMenu(ctx context.Context, userIDs []string, richMenuID string) (Receipt, error) {
	var p problems
	p.add("richMenuId", richMenuIDProblem(richMenuID))
	p.userIDs("userIds", userIDs)
	var b object
	b.value("richMenuId", richMenuID)
	b.value("userIds", userIDs)
	return c.checkedWrite(ctx, p, jsonCall(endpoint.LinkRichMenuIdToUsers, b.close()))
}

// BulkUnlinkRichMenu takes the rich menus of 1 to 500 users away. LINE accepts and unlinks later.
func (c *Client) BulkUnlinkRichMenu(ctx context.Context, userIDs []string) (Receipt, error) {
	var p problems
	p.userIDs("userIds", userIDs)
	var b object
	b.value("userIds", userIDs)
	return c.checkedWrite(ctx, p, jsonCall(endpoint.UnlinkRichMenuIdFromUsers, b.close()))
}

// ImageType sniffs the content type that [Client.UploadRichMenuImage] wants from an image's first bytes; it is empty for
// what is neither JPEG nor PNG.
func ImageType(head []byte) string {
	if t := http.DetectContentType(head); t == "image/jpeg" || t == "image/png" {
		return t
	}
	return ""
}
