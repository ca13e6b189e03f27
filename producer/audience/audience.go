// Package audience reads who a campaign is sent to, from a file or a stream: CSV or NDJSON, either of them gzipped.
//
//	for r, err := range audience.Read(file) {
//
// CSV begins with a header, which names a column "to" with the ids of users, groups or rooms, perhaps a column
// "template" that chooses among several messages, and any others: their values are for the placeholders of those names.
// NDJSON is one object on each line, whose fields are the same. [Read] holds no more than a row of it at a time.
package audience

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/lineq/lineq/tasks/campaign"
)

// Format is how an audience is written.
type Format string

const (
	CSV    Format = "csv"
	NDJSON Format = "ndjson"
)

const (
	// MaxRow is the most bytes of a row: what is longer is another kind of file, or a quote that nobody closes.
	MaxRow = 1 << 20
	// MaxColumns is the most columns or fields of a row.
	MaxColumns = 100
	// bufferSize makes a call to the operating system for some thousand rows.
	bufferSize = 64 << 10
)

// Columns that aren't for placeholders.
const (
	to       = "to"
	template = "template"
)

// Option is a setting of Read.
type Option func(*settings)

type settings struct{ format Format }

// As says how the audience is written. Without it, what begins with a { is NDJSON and all else CSV.
func As(f Format) Option { return func(s *settings) { s.format = f } }

// Read reads an audience, once. A row that can't be used yields a *campaign.RowError and the next one follows; every
// other error is the last. Whether an id is one isn't looked at here. Every recipient has the same Vars, with its own
// values: they are gone when the next one is asked for.
func Read(r io.Reader, opts ...Option) iter.Seq2[campaign.Recipient, error] {
	var s settings
	for _, o := range opts {
		o(&s)
	}
	return func(yield func(campaign.Recipient, error) bool) {
		in, err := open(r)
		if err == nil {
			switch f := s.formatOf(in); f {
			case CSV:
				err = readCSV(in, yield)
			case NDJSON:
				err = readNDJSON(in, yield)
			default:
				err = fmt.Errorf("audience: there is no format %q", f)
			}
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(campaign.Recipient{}, err)
		}
	}
}

// errStopped ends a reading whose caller wants no more.
var errStopped = errors.New("no more is wanted")

const byteOrderMark = "\ufeff"

// open unpacks what is gzipped, and passes over a byte order mark.
func open(r io.Reader) (*bufio.Reader, error) {
	in := bufio.NewReaderSize(r, bufferSize)
	if head, _ := in.Peek(2); string(head) == "\x1f\x8b" {
		unpacked, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("audience: %w", err)
		}
		in = bufio.NewReaderSize(unpacked, bufferSize)
	}
	head, err := in.Peek(len(byteOrderMark))
	switch {
	case string(head) == byteOrderMark:
		_, err = in.Discard(len(byteOrderMark))
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return nil, errors.New("audience: it is UTF-16, and UTF-8 is wanted")
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("audience: %w", err)
	}
	return in, nil
}

func (s settings) formatOf(in *bufio.Reader) Format {
	if s.format != "" {
		return s.format
	}
	head, _ := in.Peek(bufferSize)
	if bytes.HasPrefix(bytes.TrimLeft(head, " \t\r\n"), []byte("{")) {
		return NDJSON
	}
	return CSV
}
