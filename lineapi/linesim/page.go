package linesim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// continuationLife is how long a start token is good
// (https://developers.line.biz/en/reference/messaging-api/#get-group-member-user-ids).
const continuationLife = 24 * time.Hour

// continuation makes the start token of a list's next page: position, time of issue and a code that binds both to the
// channel and the list.
func (c *call) continuation(list string, position int) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(position))
	binary.BigEndian.PutUint64(b[8:], uint64(c.now.UnixNano()))
	return base64.RawURLEncoding.EncodeToString(append(b[:], c.bind(list, b)...))
}

func (c *call) bind(list string, b [16]byte) []byte {
	key := c.sim.derive("continuation", 0)
	mac := hmac.New(sha256.New, key[:])
	mac.Write(b[:])
	mac.Write([]byte(c.channel.ID + "\n" + list))
	return mac.Sum(nil)[:16]
}

// start reads the query parameter of that name: 0 if there is none, false if it isn't a token of this list.
func (c *call) start(list string, length int) (int, bool) {
	value := c.r.URL.Query().Get("start")
	if value == "" {
		return 0, true
	}
	raw, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || len(raw) != 32 {
		return 0, false
	}
	b := [16]byte(raw[:16])
	position := binary.BigEndian.Uint64(b[:])
	issued := time.Unix(0, int64(binary.BigEndian.Uint64(b[8:])))
	genuine := hmac.Equal(raw[16:], c.bind(list, b))
	return int(position), genuine && position <= uint64(length) && c.now.Sub(issued) < continuationLife
}
