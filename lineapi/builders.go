package lineapi

import (
	"encoding/json"
	"time"
)

// Text is a text message, of at most 5,000 UTF-16 units.
func Text(text string) Message {
	m := typed("text")
	m.value("text", text)
	return m.message()
}

// Image shows a JPEG or PNG of at most 10 MB by its https URL, and a preview of at most 1 MB. Without a preview the
// original stands in for it.
func Image(originalURL, previewURL string) Message {
	if previewURL == "" {
		previewURL = originalURL
	}
	m := typed("image")
	m.value("originalContentUrl", originalURL)
	m.value("previewImageUrl", previewURL)
	return m.message()
}

// Video shows an mp4 of at most 200 MB. LINE requires the preview image.
func Video(originalURL, previewURL string) Message {
	m := typed("video")
	m.value("originalContentUrl", originalURL)
	m.value("previewImageUrl", previewURL)
	return m.message()
}

// Audio plays an mp3 or m4a of at most 200 MB. Its duration goes to LINE in milliseconds.
func Audio(originalURL string, duration time.Duration) Message {
	m := typed("audio")
	m.value("originalContentUrl", originalURL)
	m.value("duration", duration.Milliseconds())
	return m.message()
}

// Location shows a place on a map. Title and address have at most 100 characters each.
func Location(title, address string, latitude, longitude float64) Message {
	m := typed("location")
	m.value("title", title)
	m.value("address", address)
	m.number("latitude", latitude)
	m.number("longitude", longitude)
	return m.message()
}

// Sticker sends one of the stickers of https://developers.line.biz/en/docs/messaging-api/sticker-list/.
func Sticker(packageID, stickerID string) Message {
	m := typed("sticker")
	m.value("packageId", packageID)
	m.value("stickerId", stickerID)
	return m.message()
}

// ImagemapOptions is an image with areas to tap on. LINE fetches it in five sizes, from baseURL/240 to baseURL/1040.
type ImagemapOptions struct {
	BaseURL string
	Height  int // of the image when it is 1,040 pixels wide, LINE's only base width
	Video   json.RawMessage
	Actions []Action // each with its area, see https://developers.line.biz/en/reference/messaging-api/#imagemap-action-objects
}

// Imagemap is an image with areas to tap on. Video may be nil.
func Imagemap(altText string, o ImagemapOptions) Message {
	if len(o.Video) > 0 && !json.Valid(o.Video) {
		return Message{raw: o.Video}
	}
	m := typed("imagemap")
	m.value("baseUrl", o.BaseURL)
	m.value("altText", altText)
	m.value("baseSize", map[string]int{"width": 1040, "height": o.Height})
	if len(o.Video) > 0 {
		m.raw("video", o.Video)
	}
	m.actions(o.Actions)
	return m.message()
}

// Flex lays its contents out freely: a bubble of at most 30 KB or a carousel of at most 50 KB and 12 bubbles
// (https://developers.line.biz/en/reference/messaging-api/#flex-message).
func Flex(altText string, contents json.RawMessage) Message {
	return withAltText("flex", altText, "contents", contents)
}

// Template is a message of any template object (https://developers.line.biz/en/reference/messaging-api/#template-messages).
func Template(altText string, template json.RawMessage) Message {
	return withAltText("template", altText, "template", template)
}

// ButtonsOptions is a text with up to four buttons. Text is required, at most 160 characters, 60 beside a title or an
// image. The empty string leaves LINE's default for the rest.
type ButtonsOptions struct {
	Text                 string
	Title                string // at most 40 characters
	ThumbnailImageURL    string
	ImageAspectRatio     string // "rectangle" or "square"
	ImageSize            string // "cover" or "contain"
	ImageBackgroundColor string // for example "#FFFFFF"
	DefaultAction        Action // on a tap beside the buttons
	Actions              []Action
}

// Buttons is a template message with up to four buttons.
func Buttons(altText string, o ButtonsOptions) Message {
	t := typed("buttons")
	t.text("thumbnailImageUrl", o.ThumbnailImageURL)
	t.text("imageAspectRatio", o.ImageAspectRatio)
	t.text("imageSize", o.ImageSize)
	t.text("imageBackgroundColor", o.ImageBackgroundColor)
	t.text("title", o.Title)
	t.value("text", o.Text)
	t.action("defaultAction", o.DefaultAction)
	t.actions(o.Actions)
	return Template(altText, t.close())
}

// Confirm is a template message with two buttons below a text of at most 240 characters.
func Confirm(altText, text string, left, right Action) Message {
	t := typed("confirm")
	t.value("text", text)
	t.actions([]Action{left, right})
	return Template(altText, t.close())
}

// Column is one card of a carousel. Text is required, at most 120 characters, 60 beside a title or an image.
type Column struct {
	Text                 string
	Title                string // at most 40 characters; in every column or in none
	ThumbnailImageURL    string // in every column or in none
	ImageBackgroundColor string
	DefaultAction        Action
	Actions              []Action // up to three, as many in every column
}

// CarouselOptions is up to ten columns, and how their images look.
type CarouselOptions struct {
	Columns          []Column
	ImageAspectRatio string // "rectangle" or "square"
	ImageSize        string // "cover" or "contain"
}

// Carousel is a template message of cards side by side.
func Carousel(altText string, o CarouselOptions) Message {
	t := typed("carousel")
	t.list("columns", len(o.Columns), func(i int) []byte {
		column := o.Columns[i]
		var c object
		c.text("thumbnailImageUrl", column.ThumbnailImageURL)
		c.text("imageBackgroundColor", column.ImageBackgroundColor)
		c.text("title", column.Title)
		c.value("text", column.Text)
		c.action("defaultAction", column.DefaultAction)
		c.actions(column.Actions)
		return c.close()
	})
	t.text("imageAspectRatio", o.ImageAspectRatio)
	t.text("imageSize", o.ImageSize)
	return Template(altText, t.close())
}

// ImageColumn is one image of an image carousel. The label of its action has at most 12 characters and may be missing.
type ImageColumn struct {
	ImageURL string
	Action   Action
}

// ImageCarousel is a template message of up to ten images side by side.
func ImageCarousel(altText string, columns ...ImageColumn) Message {
	t := typed("image_carousel")
	t.list("columns", len(columns), func(i int) []byte {
		var c object
		c.value("imageUrl", columns[i].ImageURL)
		c.raw("action", orNull(columns[i].Action.raw))
		return c.close()
	})
	return Template(altText, t.close())
}

// withAltText puts JSON of the caller's into a message. What isn't JSON becomes the whole message: every check refuses it
// then, and says where it breaks.
func withAltText(messageType, altText, field string, value json.RawMessage) Message {
	if len(value) > 0 && !json.Valid(value) {
		return Message{raw: value}
	}
	m := typed(messageType)
	m.value("altText", altText)
	m.raw(field, orNull(value))
	return m.message()
}

// typed begins a message, a template or an action.
func typed(t string) *object {
	o := new(object)
	o.value("type", t)
	return o
}

func (o *object) message() Message { return Message{raw: o.close()} }
