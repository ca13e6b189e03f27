package lineapi

import (
	"bytes"
	"fmt"
	"math"
)

const jsonType = "application/json"

// object writes one JSON object, field by field, and keeps raw parts byte for byte: encoding/json would rewrite them.
type object struct {
	bytes.Buffer
}

func (o *object) raw(name string, value []byte) {
	if o.Len() == 0 {
		o.WriteByte('{')
	} else {
		o.WriteByte(',')
	}
	fmt.Fprintf(o, "%q:", name) // names are ours, plain ASCII
	o.Write(value)
}

// value writes a string, a number, a list of strings: something that encoding/json can't fail on.
func (o *object) value(name string, v any) {
	data, err := marshal(v)
	if err != nil {
		panic("lineapi: " + name + " can't be written as JSON: " + err.Error())
	}
	o.raw(name, data)
}

// ids writes a list of ids, which have nothing to escape when they are what the checks want; else nobody gets the body.
func (o *object) ids(name string, ids []string) {
	b := make([]byte, 0, 36*len(ids)+2)
	b = append(b, '[')
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), id...), '"')
	}
	o.raw(name, append(b, ']'))
}

// number writes a coordinate. JSON has no NaN and no infinity: they become null, which a check refuses.
func (o *object) number(name string, f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		o.raw(name, orNull(nil))
		return
	}
	o.value(name, f)
}

// text writes a string unless it is empty.
func (o *object) text(name, s string) {
	if s != "" {
		o.value(name, s)
	}
}

func (o *object) messages(messages []Message) {
	o.list("messages", len(messages), func(i int) []byte { return messages[i].raw })
}

// list writes an array of n raw elements.
func (o *object) list(name string, n int, element func(i int) []byte) {
	var b bytes.Buffer
	b.WriteByte('[')
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(element(i))
	}
	b.WriteByte(']')
	o.raw(name, b.Bytes())
}

// options writes the fields that most send requests share, unless they have LINE's default.
func (o *object) options(notificationDisabled bool, units []string) {
	if notificationDisabled {
		o.value("notificationDisabled", true)
	}
	if len(units) > 0 {
		o.value("customAggregationUnits", units)
	}
}

// close ends the object. An empty one is {}.
func (o *object) close() []byte {
	if o.Len() == 0 {
		o.WriteByte('{')
	}
	o.WriteByte('}')
	return o.Bytes()
}

// checked ends the object and gives it, unless something is wrong with it.
func (o *object) checked(p problems) ([]byte, error) {
	body := o.close()
	if len(body) > MaxRequestBytes {
		p.add("", tooLarge(len(body)))
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return body, nil
}

func tooLarge(size int) string {
	return fmt.Sprintf("the request of %d bytes is larger than %d", size, MaxRequestBytes)
}
