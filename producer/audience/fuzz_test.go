package audience_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/lineq/lineq/producer/audience"
	"github.com/lineq/lineq/tasks/campaign"
)

// write gives the rows in both formats. Without CRs, since a CSV has none before an LF within a value.
func write(t *rapid.T, columns []string, rows [][]string) (asCSV, asJSON io.Reader) {
	var c, j bytes.Buffer
	w := csv.NewWriter(&c)
	require.NoError(t, w.Write(append([]string{"to"}, columns...)))
	for _, row := range rows {
		for i := range row {
			row[i] = strings.ReplaceAll(row[i], "\r", "")
		}
		if len(row) == 1 && row[0] == "" {
			row[0] = "x" // a CSV of one column has a blank line there, which is none
		}
		require.NoError(t, w.Write(row))
		object := map[string]string{"to": row[0]}
		for k, name := range columns {
			object[name] = row[k+1]
		}
		line, err := json.Marshal(object)
		require.NoError(t, err)
		j.Write(append(line, '\n'))
	}
	w.Flush()
	return &c, &j
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("to,name,template\n" + alice + ",\"a \"\"b\"\"\",A\r\n\n" + bob + ",,\n"))
	f.Add([]byte("\ufeffto\n\"x\ny\"\nz\"\n"))
	f.Add([]byte("name\n"))
	f.Fuzz(func(t *testing.T, b []byte) { fuzz(t, b, audience.CSV) })
}

func FuzzNDJSON(f *testing.F) {
	f.Add([]byte(`{"to":"` + alice + `","name":"\u8475\"\\","n":-1.5e3,"template":null}` + "\n\n{ }\n[1]\n"))
	f.Add([]byte(`{"to":"x","a":{},"b":"\ud83d"}`))
	f.Fuzz(func(t *testing.T, b []byte) { fuzz(t, b, audience.NDJSON) })
}

// fuzz wants lines that rise, text that is UTF-8, and of JSON what encoding/json reads.
func fuzz(t *testing.T, b []byte, format audience.Format) {
	lines := bytes.Split(b, []byte("\n"))
	last := 0
	for row, err := range audience.Read(bytes.NewReader(b), audience.As(format)) {
		var wrong *campaign.RowError
		switch {
		case errors.As(err, &wrong):
			row.Line = wrong.Line
			require.True(t, utf8.ValidString(wrong.Reason))
		case err != nil:
			continue
		default:
			require.True(t, utf8.ValidString(row.To+row.Template))
		}
		require.Greater(t, row.Line, last)
		require.LessOrEqual(t, row.Line, len(lines))
		last = row.Line
		if err != nil || format != audience.NDJSON {
			continue
		}
		var object map[string]any
		d := json.NewDecoder(bytes.NewReader(lines[row.Line-1]))
		d.UseNumber()
		require.NoError(t, d.Decode(&object))
		require.Equal(t, object["to"], row.To)
		for name, value := range row.Vars {
			if object[name] == nil {
				object[name] = ""
			}
			require.Equal(t, fmt.Sprint(object[name]), value)
		}
	}
}
