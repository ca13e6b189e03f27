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
	h := sha256.New()
	for _, s := range []string{channel, e.Operation, id, part} {
		h.Write(binary.AppendUvarint(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	h.Write(binary.AppendUvarint(nil, uint64(generation)))
	u := h.Sum(nil)[:16]
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	x := hex.EncodeToString(u)
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}
