package lineapi_test

import (
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
)

// TestTableOfMethods holds the package documentation to its word: 59 methods, each with a method of Client and, for the
// variants of the send calls, a builder that a golden file knows.
func TestTableOfMethods(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	rows := regexp.MustCompile(`(?m)^//\t *(\d+)  (\w+) +(\w+)(\(ctx|  ?with (\w+)\(| with (\w+)\()`).FindAllStringSubmatch(string(doc), -1)
	require.Len(t, rows, 59)
	client := reflect.TypeFor[*lineapi.Client]()
	for i, row := range rows {
		assert.Equal(t, strconv.Itoa(i+1), row[1])
		_, ok := client.MethodByName(row[3])
		assert.True(t, ok, "%s: Client has no method %s", row[2], row[3])
		if builder := row[5] + row[6]; builder != "" {
			assert.Contains(t, goldens(t), strings.ToLower(builder), row[2])
		}
	}
}

// goldens are the names of the golden files, without underscores.
func goldens(t *testing.T) (names []string) {
	t.Helper()
	files, err := os.ReadDir("testdata/messages")
	require.NoError(t, err)
	for _, f := range files {
		names = append(names, strings.ReplaceAll(strings.TrimSuffix(f.Name(), ".json"), "_", ""))
	}
	return names
}
