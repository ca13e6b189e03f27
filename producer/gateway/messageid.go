package gateway

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/big"

	"github.com/lineq/lineq/tasks"
)

// A message's id is a decimal number, as LINE's are, of these bytes: a tag, the task's ID, the message's place. LINE's own
// have some 18 digits; these have 43 where the ID is a UUID.
const (
	tagUUID = 1 // the ID's 16 bytes
	tagText = 2 // the ID as it stands
)

// messageID is what sentMessages names the n-th message of a task.
func messageID(taskID string, n int) string {
	b := append([]byte{tagText}, taskID...)
	if u, ok := parseUUID(taskID); ok {
		b = append([]byte{tagUUID}, u[:]...)
	}
	return new(big.Int).SetBytes(append(b, byte(n))).String()
}

// ParseMessageID finds the task that a message's id in sentMessages belongs to, and the message's place in it, from zero.
func ParseMessageID(id string) (taskID string, n int, err error) {
	none := errors.New("no message of the gateway's has this id")
	number, ok := new(big.Int), false
	if len(id) <= 400 { // the longest id of a task makes 314 digits
		number, ok = number.SetString(id, 10)
	}
	if !ok || number.Sign() <= 0 {
		return "", 0, none
	}
	b := number.Bytes()
	if len(b) < 3 {
		return "", 0, none
	}
	tag, name, n := b[0], b[1:len(b)-1], int(b[len(b)-1])
	switch {
	case tag == tagUUID && len(name) == 16:
		taskID = formatUUID([16]byte(name))
	case tag == tagText:
		taskID = string(bytes.Clone(name))
	}
	if tasks.CheckID(taskID) != nil || messageID(taskID, n) != id {
		return "", 0, none
	}
	return taskID, n, nil
}

// parseUUID takes the one form that formatUUID makes.
func parseUUID(s string) (u [16]byte, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, false
	}
	if _, err := hex.Decode(u[:], []byte(s[:8]+s[9:13]+s[14:18]+s[19:23]+s[24:])); err != nil {
		return u, false
	}
	return u, formatUUID(u) == s
}

func formatUUID(u [16]byte) string {
	x := hex.EncodeToString(u[:])
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}
