package audience_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/lineq/lineq/producer/audience"
	"github.com/lineq/lineq/tasks/campaign"
)

const (
	alice = "U00000000000000000000000000000001"
	bob   = "U00000000000000000000000000000002"
)

// collect reads everything: good rows, reasons of the others by their line, and what ended it.
func collect(r io.Reader, opts ...audience.Option) (rows []campaign.Recipient, wrong map[int]string, err error) {
	wrong = map[int]string{}
	for row, err := range audience.Read(r, opts...) {
		var rowError *campaign.RowError
		switch {
		case errors.As(err, &rowError):
			wrong[rowError.Line] = rowError.Reason
		case err != nil:
			return rows, wrong, err
		default:
			row.Vars = maps.Clone(row.Vars)
			rows = append(rows, row)
		}
	}
	return rows, wrong, nil
}

func vars(pairs ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

func TestRead(t *testing.T) {
	two := []campaign.Recipient{
		{To: alice, Vars: vars("name", "Aoi"), Line: 2}, {To: bob, Vars: vars("name", "葵"), Line: 3},
	}
	for name, c := range map[string]struct {
		text  string
		rows  []campaign.Recipient
		wrong map[int]string
	}{
		"CSV":                 {"to,name\n" + alice + ",Aoi\n" + bob + ",葵\n", two, nil},
		"in another order":    {"name,to\nAoi," + alice + "\n葵," + bob + "\n", two, nil},
		"no newline at last":  {"to,name\n" + alice + ",Aoi\n" + bob + ",葵", two, nil},
		"CRLF":                {"to,name\r\n" + alice + ",Aoi\r\n" + bob + ",葵\r\n", two, nil},
		"a byte order mark":   {"\ufeffto,name\n" + alice + ",Aoi\n" + bob + ",葵\n", two, nil},
		"quotes":              {"\"to\",\"name\"\n\"" + alice + "\",\"Aoi\"\n\"" + bob + "\",\"葵\"\n", two, nil},
		"spaces in the names": {"to, name\n" + alice + ",Aoi\n" + bob + ",葵\n", two, nil},
		"nameless columns":    {"to,name,,\n" + alice + ",Aoi,,\n" + bob + ",葵,x,y\n", two, nil},
		"quoted specials": {
			"to,name\n" + alice + ",\"a \"\"b\"\",\nc\"\n" + bob + ",d\n",
			[]campaign.Recipient{
				{To: alice, Vars: vars("name", "a \"b\",\nc"), Line: 2}, {To: bob, Vars: vars("name", "d"), Line: 4},
			}, nil,
		},
		"blank lines":   {"to\n\n" + alice + "\n\n\n" + bob, []campaign.Recipient{{To: alice, Line: 3}, {To: bob, Line: 6}}, nil},
		"only ids":      {"to\n" + alice + "\nnobody\n", []campaign.Recipient{{To: alice, Line: 2}, {To: "nobody", Line: 3}}, nil},
		"only a header": {"to\n", nil, nil},
		"templates": {
			"template,to\nA," + alice + "\n," + bob + "\n",
			[]campaign.Recipient{{To: alice, Template: "A", Line: 2}, {To: bob, Line: 3}}, nil,
		},
		"rows of another length": {
			"to,name\n" + alice + "\n" + bob + ",x,y\n" + alice + ",Aoi\n",
			[]campaign.Recipient{{To: alice, Vars: vars("name", "Aoi"), Line: 4}},
			map[int]string{2: "has 1 values, and the header 2 columns", 3: "has 3 values, and the header 2 columns"},
		},
		"stray quotes": {
			"to,name\n" + alice + ",A\"oi\n" + bob + ",\"B\"ob\n" + alice + ",Aoi\n" + bob + ",\"open\nto\nthe end",
			[]campaign.Recipient{{To: alice, Vars: vars("name", "Aoi"), Line: 4}},
			map[int]string{
				2: "has a quote in a value that isn't quoted",
				3: "has a quote that isn't closed, or isn't doubled within a quoted value",
				5: "has a quote that isn't closed, or isn't doubled within a quoted value; all up to line 7 counts as this row",
			},
		},
		"what isn't UTF-8": {
			"to,name\n" + alice + ",\x83\x41\n" + bob + ",Bob\n",
			[]campaign.Recipient{{To: bob, Vars: vars("name", "Bob"), Line: 3}},
			map[int]string{2: "isn't UTF-8 in column 2"},
		},
		"NDJSON": {
			`{"to":"` + alice + `","name":"Aoi"}` + "\n\n" +
				` { "name" : "\u8475\n" , "to" : "` + bob + `", "template":"B" } ` + "\r\n",
			[]campaign.Recipient{
				{To: alice, Vars: vars("name", "Aoi"), Line: 1},
				{To: bob, Vars: vars("name", "葵\n"), Template: "B", Line: 3},
			}, nil,
		},
		"what JSON has beside strings": {
			`{"to":"` + alice + `","n":-1.50e3,"yes":true,"no":false,"none":null,"empty":"","template":null}` + "\n",
			[]campaign.Recipient{{
				To: alice, Line: 1, Vars: vars("n", "-1.50e3", "yes", "true", "no", "false", "none", "", "empty", ""),
			}}, nil,
		},
		"wrong objects": {
			strings.Join([]string{
				`{"to":"` + alice + `"}`, `{}`, `{"to":1}`, `{"to":"x","a":{}}`, `{"to":"x","a":[]}`, `["to"]`, `{"to":"x"`,
				`{"to":"x","a":"1","a":"2"}`, `{"to":"x","to":"y"}`, "{\"to\":\"\xff\"}", `{"to":"x","a":"\ud83d"}`,
				`{"to":"x"} {"to":"y"}`, `{"to":"x","template":7}`, `{"to":"x","a":"�\ufffd\uFFFD"}`,
			}, "\n"),
			[]campaign.Recipient{
				{To: alice, Vars: vars(), Line: 1}, {To: "x", Vars: vars("a", "���"), Line: 14},
			},
			map[int]string{
				2: `has no field "to"`, 3: `has something other than a string in the field "to"`,
				4: `has an object in the field "a"`, 5: `has an array in the field "a"`,
				6: "isn't a JSON object", 7: "isn't a JSON object", 8: `has two fields "a"`, 9: `has two fields "to"`,
				10: "isn't UTF-8", 11: `has what isn't UTF-8 in the field "a"`, 12: "isn't a JSON object",
				13: `has something other than a string in the field "template"`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if c.wrong == nil {
				c.wrong = map[int]string{}
			}
			var zipped bytes.Buffer
			w := gzip.NewWriter(&zipped)
			_, _ = io.WriteString(w, c.text)
			require.NoError(t, w.Close())
			for how, r := range map[string]io.Reader{
				"at once":     strings.NewReader(c.text),
				"by the byte": iotest.OneByteReader(strings.NewReader(c.text)),
				"gzipped":     &zipped,
			} {
				rows, wrong, err := collect(r)
				require.NoError(t, err, how)
				assert.Equal(t, c.rows, rows, how)
				assert.Equal(t, c.wrong, wrong, how)
			}
		})
	}
}

func TestWhatEndsAReading(t *testing.T) {
	broken := errors.New("the disk is broken")
	thenBroken := func(text string) io.Reader {
		return io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken))
	}
	many := strings.Repeat("x,", 100)
	for name, c := range map[string]struct {
		r    io.Reader
		text string
	}{
		"an empty file":                 {strings.NewReader(""), "it is empty, and a CSV begins with a header"},
		"no column to":                  {strings.NewReader("id,name\n"), `the header names no column "to", but "id", "name"`},
		"ids without a header":          {strings.NewReader(alice + "\n"), `but "` + alice + `"`},
		"To":                            {strings.NewReader("To\n"), `but "To"; "To" is another name`},
		"semicolons":                    {strings.NewReader("to;name\n"), `but "to;name"; commas separate columns`},
		"an array":                      {strings.NewReader(`[{"to":"x"}]`), "JSON needs one object on each line"},
		"many other columns":            {strings.NewReader(many[:39] + "\n"), `has two columns "x"`},
		"two columns of one name":       {strings.NewReader("to,a,a\n"), `has two columns "a"`},
		"too many columns":              {strings.NewReader(many + "to\n"), "has 101 columns, and 100 is the most"},
		"a header of another encoding":  {strings.NewReader("to,\x83\x41\n"), "isn't UTF-8 in column 2"},
		"a broken header":               {strings.NewReader("\"to\n"), "the header, in line 1, has a quote that isn't closed"},
		"UTF-16":                        {strings.NewReader("\xff\xfet\x00o\x00"), "it is UTF-16, and UTF-8 is wanted"},
		"UTF-16, the other":             {strings.NewReader("\xfe\xff\x00t\x00o"), "it is UTF-16, and UTF-8 is wanted"},
		"half a gzip header":            {strings.NewReader("\x1f\x8b\x08"), "unexpected EOF"},
		"a broken disk":                 {iotest.ErrReader(broken), "the disk is broken"},
		"a disk that breaks":            {thenBroken("to\n" + alice + "\nU0"), "after line 2: the disk is broken"},
		"one that breaks in JSON":       {thenBroken("{}\n{"), "line 2: the disk is broken"},
		"one that breaks in the header": {thenBroken("to,name"), "the disk is broken"},
		"a row without an end": {
			strings.NewReader("to\n" + alice + "\n\"" + strings.Repeat("x\n", 2<<20)),
			"after line 2: a row has more than 1048576 bytes",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := collect(c.r)
			require.ErrorContains(t, err, "audience: ")
			assert.ErrorContains(t, err, c.text)
		})
	}
}

func TestAGzipThatEndsEarly(t *testing.T) {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(w, "to\n"+strings.Repeat(alice+"\n", 1000))
	require.NoError(t, w.Close())
	_, _, err := collect(bytes.NewReader(zipped.Bytes()[:zipped.Len()-4]))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestLinesThatAreTooLong(t *testing.T) {
	long := func(n int) string { return `{"to":"` + strings.Repeat("x", n-9) + `"}` }
	text := strings.Join([]string{
		long(audience.MaxRow), long(audience.MaxRow + 1), `{"to":"x"}`, long(3 * audience.MaxRow),
	}, "\n")
	rows, wrong, err := collect(strings.NewReader(text))
	require.NoError(t, err)
	require.Len(t, rows, 2)
	assert.Equal(t, 1, rows[0].Line)
	assert.Equal(t, 3, rows[1].Line)
	assert.Equal(t, map[int]string{2: "has more than 1048576 bytes", 4: "has more than 1048576 bytes"}, wrong)
}

func TestTheMostFields(t *testing.T) {
	var object strings.Builder
	object.WriteString(`{"to":"x"`)
	for i := range audience.MaxColumns - 1 {
		fmt.Fprintf(&object, `,"f%d":%[1]d`, i)
	}
	rows, wrong, err := collect(strings.NewReader(object.String() + "}\n" + object.String() + `,"one":"more"}`))
	require.NoError(t, err)
	require.Len(t, rows, 1)
	assert.Len(t, rows[0].Vars, audience.MaxColumns-1)
	assert.Equal(t, map[int]string{2: "has more than 100 fields"}, wrong)
}

func TestAFormatCanBeSaid(t *testing.T) {
	rows, wrong, err := collect(strings.NewReader(""), audience.As(audience.NDJSON))
	require.NoError(t, err)
	assert.Empty(t, rows)
	assert.Empty(t, wrong)
	_, _, err = collect(strings.NewReader("{\"to\":1}\n"), audience.As(audience.CSV))
	require.ErrorContains(t, err, "the header")
	_, _, err = collect(strings.NewReader(""), audience.As("xml"))
	require.ErrorContains(t, err, `there is no format "xml"`)
}

func TestReadingStopsWhenNoMoreIsWanted(t *testing.T) {
	for _, text := range []string{"to\na\nb\n", "{\"to\":\"a\"}\n{\"to\":\"b\"}\n"} {
		n := 0
		for range audience.Read(strings.NewReader(text)) {
			n++
			break
		}
		assert.Equal(t, 1, n)
	}
}

// TestBothFormatsSayTheSame writes rows in both, with encoding/csv's and encoding/json's own hands.
func TestBothFormatsSayTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		columns := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{3,5}`), 0, 4, rapid.ID).Draw(t, "columns")
		value := rapid.OneOf(rapid.String(), rapid.StringMatching("[\"',\n \\\\u{}a]{0,9}"))
		rows := rapid.SliceOfN(rapid.SliceOfN(value, len(columns)+1, len(columns)+1), 0, 20).Draw(t, "rows")
		asCSV, asJSON := write(t, columns, rows)
		fromCSV, wrong, err := collect(asCSV)
		require.NoError(t, err)
		require.Empty(t, wrong)
		fromJSON, wrong, err := collect(asJSON, audience.As(audience.NDJSON))
		require.NoError(t, err)
		require.Empty(t, wrong)
		require.Len(t, fromCSV, len(rows))
		require.Len(t, fromJSON, len(rows))
		for i, row := range rows {
			for _, got := range []campaign.Recipient{fromCSV[i], fromJSON[i]} {
				require.Equal(t, row[0], got.To)
				for k, name := range columns {
					require.Equal(t, row[k+1], got.Vars[name])
				}
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	const rows = 10_000
	for name, c := range map[string]struct{ header, row string }{
		"CSV":       {"to\n", alice + "\n"},
		"CSV, name": {"to,name\n", alice + ",Aoi\n"},
		"NDJSON":    {"", `{"to":"` + alice + `","name":"Aoi"}` + "\n"},
	} {
		text := c.header + strings.Repeat(c.row, rows)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, err := range audience.Read(strings.NewReader(text)) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}
