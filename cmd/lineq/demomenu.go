package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
)

// demoMenu is a rich menu of one area, with a plain image of its size.
func demoMenu() (tasks.PublishRichMenu, error) {
	menu, err := lineapi.ParseRichMenu([]byte(`{"size":{"width":800,"height":270},"selected":false,"name":"demo",` +
		`"chatBarText":"Demo","areas":[{"bounds":{"x":0,"y":0,"width":800,"height":270},` +
		`"action":{"type":"message","label":"Hello","text":"hello"}}]}`))
	if err != nil {
		return tasks.PublishRichMenu{}, err
	}
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 800, 270))); err != nil {
		return tasks.PublishRichMenu{}, err
	}
	return tasks.PublishRichMenu{Menu: menu, Image: picture.Bytes(), ImageType: "image/png"}, nil
}

// richMenuID is the ID that publishing a rich menu found.
func richMenuID(r tasks.Result) (string, error) {
	var data struct {
		ID string `json:"richMenuId"`
	}
	if err := json.Unmarshal(r.Data, &data); err != nil || data.ID == "" {
		return "", fmt.Errorf("the rich menu was not published: %w", notSent(r))
	}
	return data.ID, nil
}
