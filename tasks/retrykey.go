package tasks

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// RetryKey is LINE's X-Line-Retry-Key for one request: the same for every attempt at it, another for every other request.
// It is a SHA-256 over its arguments in the form of a version 4 UUID, the version that LINE is known to take. The body
// isn't in it: a new version that writes the same message as other JSON must not make a second key. A rich menu batch
// takes it as its resumeRequestKey.
//
// Part tells the requests of one task apart; it is empty where there is only one. Generation counts the keys that were
// given up because LINE no longer remembers them.
func RetryKey(channel string, e endpoint.Endpoint, id, part string, generation int) string {
	var room [256]byte
	text := room[:0]
	for _, s := range [...]string{channel, e.Operation, id, part} {
		text = append(binary.AppendUvarint(text, uint64(len(s))), s...)
	}
	sum := sha256.Sum256(binary.AppendUvarint(text, uint64(generation)))
	u := sum[:16]
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	var x [36]byte
	hex.Encode(x[:8], u[:4])
	hex.Encode(x[9:13], u[4:6])
	hex.Encode(x[14:18], u[6:8])
	hex.Encode(x[19:23], u[8:10])
	hex.Encode(x[24:], u[10:])
	x[8], x[13], x[18], x[23] = '-', '-', '-', '-'
	return string(x[:])
}
