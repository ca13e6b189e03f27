package tasks_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks"
)

// Decode never panics; what it reads can be written and read again; and no error tells what a message says.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/v*/*.json")
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(strings.TrimSuffix(filepath.Base(file), ".json"), b)
	}
	f.Add("push", []byte(`{"v":1,"channel":"a","id":"a","task":{"messages":[{"type":"text","text":"`+secret+`"},1]}}`))
	f.Add("push", []byte(`{"v":1,"channel":"a","id":"a","task":{"messages":[{"text":"`+secret+`"}]}}`))
	f.Add("reply", []byte(`{"v":1,"channel":"a","id":"a","task":{"replyToken":["`+secret+`"]}}`))
	f.Add("reply", []byte(`{"v":2,"channel":"a","id":"a","task":"`+secret+`"}`))
	f.Add("push", []byte(`{"v":1,"channel":"a","id":"a","task":{"customAggregationUnits":[]}}`)) // comes back as none
	f.Fuzz(func(t *testing.T, kind string, b []byte) {
		e, err := tasks.Decode(tasks.Kind(kind), b)
		if err != nil {
			if !named(kind, b, secret) {
				assert.NotContains(t, err.Error(), secret)
			}
			return
		}
		again, err := e.Encode()
		require.NoError(t, err)
		back, err := tasks.Decode(tasks.Kind(kind), again)
		require.NoError(t, err)
		third, err := back.Encode()
		require.NoError(t, err)
		assert.Equal(t, string(again), string(third))
		_, err = e.Hash()
		assert.NoError(t, err)
	})
}

// named tells whether the secret stands where a name belongs: names are no secrets and stand in errors.
func named(kind string, b []byte, secret string) bool {
	var names struct{ Channel, ID string }
	_ = json.Unmarshal(b, &names)
	return strings.Contains(kind+"\n"+names.Channel+"\n"+names.ID, secret)
}
