package tasks_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/lineq/lineq/tasks"
)

func TestCheckChannel(t *testing.T) {
	for _, name := range []string{"default", "a", "push-x", "a.b_c-1", "UPPER", "-", strings.Repeat("x", 64), tasks.DefaultChannel} {
		assert.NoError(t, tasks.CheckChannel(name), name)
	}
	for name, channel := range map[string]string{
		"empty": "", "65 long": strings.Repeat("x", 65), "a brace": "a{b", "a closing brace": "a}b", "a blank": "a b",
		"a colon": "a:b", "a slash": "a/b", "a line break": "a\n", "unicode": "お店", "a letter with an accent": "é",
		"a control character": "a\x00", "a star": "*",
	} {
		t.Run(name, func(t *testing.T) { assert.ErrorContains(t, tasks.CheckChannel(channel), "channel name") })
	}
}

func TestCheckID(t *testing.T) {
	for _, id := range []string{"a", "order-42:shipped", "a@b.c", "1+1=2", "_", strings.Repeat("x", 128)} {
		assert.NoError(t, tasks.CheckID(id), id)
	}
	for name, id := range map[string]string{
		"empty": "", "129 long": strings.Repeat("x", 129), "a brace": "a{b", "a closing brace": "a}b", "a blank": " a",
		"a slash": "a/b", "a line break": "a\n", "unicode": "注文", "a percent sign": "%41", "a hash": "#1",
	} {
		t.Run(name, func(t *testing.T) { assert.ErrorContains(t, tasks.CheckID(id), "id ") })
	}
}

// A name of any length may come from outside; the error stays short.
func TestNameErrorsAreShort(t *testing.T) {
	long := strings.Repeat("語", 100_000)
	assert.Less(t, len(tasks.CheckChannel(long).Error()), 1000)
	assert.Less(t, len(tasks.CheckID(long).Error()), 1000)
}
