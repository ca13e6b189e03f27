// Package chunk is the form in which a campaign's recipients are kept: up to 500 that share what comes before the digits
// of their ids and the template of their messages. An id takes 16 bytes, since nothing makes random digits smaller, and
// what the columns hold is deflated: on short names that takes less room than zstd or S2.
//
//	version, id prefix          a byte each
//	template, ids, columns      uvarints
//	ids                         16 bytes each
//	size of the values          uvarint; this and what follows only where there are columns
//	values                      deflated: the lengths of all as uvarints, then their text; column by column
//
// The ids of a full chunk without columns fit into 8,192 bytes together with what stands before them and what Redis adds,
// which is a size that its allocator has.
package chunk

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/lineq/lineq/lineapi"
)

const (
	// Max is the most recipients of a chunk.
	Max = lineapi.MaxMulticastRecipients
	// MaxColumns is the most values that each of them has.
	MaxColumns = 100
	// MaxTemplates is the most templates that a campaign chooses from.
	MaxTemplates = 100
	// MaxText is the most bytes that the values of a chunk have together, and no more than a reader has to hold.
	MaxText = 1 << 20
)

const version = 1

// Chunk is some recipients. Row i has the i-th id and the i-th Columns values.
type Chunk struct {
	Prefix   byte // 'U', 'C' or 'R'
	Template int  // index in the campaign's list
	IDs      []byte
	Columns  int
	Values   []string // row by row; "" is one that is missing
}

// Len is the number of recipients.
func (c *Chunk) Len() int { return len(c.IDs) / IDSize }

// To is the id of one recipient as LINE writes it.
func (c *Chunk) To(i int) string {
	var text [idLength]byte
	return string(AppendID(text[:0], c.Prefix, ID(c.IDs[i*IDSize:])))
}

// Row is the values of one recipient. They belong to the chunk.
func (c *Chunk) Row(i int) []string { return c.Values[i*c.Columns : (i+1)*c.Columns : (i+1)*c.Columns] }

// check says what makes a chunk impossible to pack.
func (c *Chunk) check() error {
	n := c.Len()
	switch {
	case !isPrefix(c.Prefix):
		return fmt.Errorf("chunk: ids can't begin with %q", c.Prefix)
	case c.Template < 0 || c.Template >= MaxTemplates:
		return fmt.Errorf("chunk: there is no template %d", c.Template)
	case n == 0 || n > Max || len(c.IDs)%IDSize != 0:
		return fmt.Errorf("chunk: %d bytes aren't the ids of 1 to %d recipients", len(c.IDs), Max)
	case c.Columns < 0 || c.Columns > MaxColumns || len(c.Values) != n*c.Columns:
		return fmt.Errorf("chunk: %d values for %d recipients with %d columns", len(c.Values), n, c.Columns)
	}
	return nil
}

// Append packs the chunk and appends it to dst.
func (c *Chunk) Append(dst []byte) ([]byte, error) {
	if err := c.check(); err != nil {
		return dst, err
	}
	size := len(dst)
	dst = append(dst, version, c.Prefix)
	dst = binary.AppendUvarint(dst, uint64(c.Template))
	dst = binary.AppendUvarint(dst, uint64(c.Len()))
	dst = binary.AppendUvarint(dst, uint64(c.Columns))
	dst = append(dst, c.IDs...)
	if c.Columns == 0 {
		return dst, nil
	}
	p := packers.Get().(*packer)
	defer packers.Put(p)
	p.layOut(c)
	if len(p.text) > maxLaidOut {
		return dst[:size], fmt.Errorf("chunk: the values have more than %d bytes together", MaxText)
	}
	dst = binary.AppendUvarint(dst, uint64(len(p.text)))
	return p.deflate(dst)
}

// maxLaidOut allows for the length of each value: two bytes, and a third for those of 16 KB and more.
const maxLaidOut = MaxText + 2*Max*MaxColumns + MaxText>>14

// packer is what packing needs, to be used again.
type packer struct {
	text []byte
	w    *flate.Writer
}

var packers = sync.Pool{New: func() any { return &packer{} }}

// layOut writes the values down as they are deflated.
func (p *packer) layOut(c *Chunk) {
	p.text = p.text[:0]
	for column := range c.Columns {
		for i := column; i < len(c.Values); i += c.Columns {
			p.text = binary.AppendUvarint(p.text, uint64(len(c.Values[i])))
		}
	}
	for column := range c.Columns {
		for i := column; i < len(c.Values); i += c.Columns {
			p.text = append(p.text, c.Values[i]...)
		}
	}
}

func (p *packer) deflate(dst []byte) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	var err error
	if p.w == nil {
		p.w, err = flate.NewWriter(out, flate.DefaultCompression)
	} else {
		p.w.Reset(out)
	}
	if err == nil {
		_, err = p.w.Write(p.text)
	}
	if err == nil {
		err = p.w.Close()
	}
	return out.Bytes(), err
}

var errMalformed = errors.New("chunk: malformed")

// head is what stands before the ids.
type head struct{ template, n, columns int }

// open reads the head and returns the ids and what follows them.
func open(b []byte) (h head, ids, rest []byte, err error) {
	switch {
	case len(b) < 2:
		return head{}, nil, nil, errMalformed
	case b[0] != version:
		return head{}, nil, nil, fmt.Errorf("chunk: version %d, which this program doesn't know", b[0])
	case !isPrefix(b[1]):
		return head{}, nil, nil, errMalformed
	}
	rest = b[2:]
	for _, f := range []struct {
		to         *int
		least, max int
	}{{&h.template, 0, MaxTemplates - 1}, {&h.n, 1, Max}, {&h.columns, 0, MaxColumns}} {
		if *f.to, rest, err = number(rest, f.max); err != nil || *f.to < f.least {
			return head{}, nil, nil, errMalformed
		}
	}
	if len(rest) < h.n*IDSize || h.columns == 0 && len(rest) != h.n*IDSize {
		return head{}, nil, nil, errMalformed
	}
	return h, rest[: h.n*IDSize : h.n*IDSize], rest[h.n*IDSize:], nil
}

func number(b []byte, most int) (n int, rest []byte, err error) {
	v, size := binary.Uvarint(b)
	if size <= 0 || v > uint64(most) {
		return 0, nil, errMalformed
	}
	return int(v), b[size:], nil
}

// Parse reads a packed chunk. Its ids are a part of b.
func Parse(b []byte) (Chunk, error) {
	h, ids, rest, err := open(b)
	if err != nil {
		return Chunk{}, err
	}
	c := Chunk{Prefix: b[1], Template: h.template, IDs: ids, Columns: h.columns}
	if h.columns == 0 {
		return c, nil
	}
	size, rest, err := number(rest, maxLaidOut)
	if err != nil {
		return Chunk{}, err
	}
	u := unpackers.Get().(*unpacker)
	defer unpackers.Put(u)
	if err := u.inflate(rest, size); err != nil {
		return Chunk{}, err
	}
	c.Values, err = takeApart(u.text.Bytes(), h.n, h.columns)
	return c, err
}

// unpacker is what reading needs, to be used again.
type unpacker struct {
	text bytes.Buffer
	in   bytes.Reader
	r    io.ReadCloser
}

var unpackers = sync.Pool{New: func() any { return &unpacker{r: flate.NewReader(nil)} }}

// inflate wants exactly size bytes.
func (u *unpacker) inflate(b []byte, size int) error {
	u.in.Reset(b)
	defer u.in.Reset(nil)
	u.text.Reset()
	err := u.r.(flate.Resetter).Reset(&u.in, nil)
	if err == nil {
		_, err = u.text.ReadFrom(io.LimitReader(u.r, int64(size)+1))
	}
	if err != nil || u.text.Len() != size || u.in.Len() > 0 {
		return errMalformed
	}
	return nil
}

// takeApart cuts the values out of their text, and puts them row by row.
func takeApart(text []byte, n, columns int) ([]string, error) {
	lengths := make([]int32, n*columns)
	sum := 0
	for i := range lengths {
		length, rest, err := number(text, maxLaidOut)
		if err != nil {
			return nil, err
		}
		lengths[i], text = int32(length), rest
		sum += length
	}
	if sum != len(text) {
		return nil, errMalformed
	}
	all := string(text)
	values := make([]string, n*columns)
	for k, length := range lengths {
		values[k%n*columns+k/n] = all[:length]
		all = all[length:]
	}
	return values, nil
}

// Find returns the place of an id in a packed chunk, and -1 where it isn't in it. It doesn't look at the values.
func Find(b []byte, prefix byte, id ID) int {
	if len(b) < 2 || b[1] != prefix {
		return -1
	}
	_, ids, _, err := open(b)
	if err != nil {
		return -1
	}
	for i := 0; i < len(ids); i += IDSize {
		if ID(ids[i:i+IDSize]) == id {
			return i / IDSize
		}
	}
	return -1
}
