package worker_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	imagepng "image/png"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
)

func richMenu(t *testing.T, name string) lineapi.RichMenu {
	t.Helper()
	raw, err := json.Marshal(map[string]any{
		"size": map[string]int{"width": 800, "height": 400}, "selected": false, "name": name, "chatBarText": "Menu",
		"areas": []any{map[string]any{
			"bounds": map[string]int{"x": 0, "y": 0, "width": 800, "height": 400},
			"action": map[string]string{"type": "message", "label": "Hi", "text": "hi"},
		}},
	})
	require.NoError(t, err)
	menu, err := lineapi.ParseRichMenu(raw)
	require.NoError(t, err)
	return menu
}

func png(t *testing.T) []byte {
	t.Helper()
	picture := image.NewRGBA(image.Rect(0, 0, 800, 400))
	picture.Set(1, 1, color.White)
	var b bytes.Buffer
	require.NoError(t, imagepng.Encode(&b, picture))
	return b.Bytes()
}
