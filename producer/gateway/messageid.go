package gateway

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strconv"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
)

// A message's id is a decimal number, as LINE's are, though longer: a digit for the form, the task's ID, and the message's
// place.
const (
	formUUID = '1' // the ID's halves, 20 digits each
	formText = '2' // the ID's bytes, 3 digits each
)

// messageID is what sentMessages names the n-th message of a task.
func messageID(taskID string, n int) string {
	var room [48]byte
	b := room[:0]
	if u, ok := parseUUID(taskID); ok {
		b = append(b, formUUID)
		b = appendDigits(b, binary.BigEndian.Uint64(u[:8]), 20)
		b = appendDigits(b, binary.BigEndian.Uint64(u[8:]), 20)
	} else {
		b = append(b, formText)
		for i := range len(taskID) {
			b = appendDigits(b, uint64(taskID[i]), 3)
		}
	}
	return string(append(b, byte('0'+n)))
}

// appendDigits appends a number with so many digits.
func appendDigits(b []byte, v uint64, digits int) []byte {
	b = append(b, "00000000000000000000"[:digits]...)
	for i := len(b) - 1; v > 0; i-- {
		b[i] = byte('0' + v%10)
		v /= 10
	}
	return b
}

// ParseMessageID finds the task that a message's id in sentMessages belongs to, and the message's place in it, from zero.
func ParseMessageID(id string) (taskID string, n int, err error) {
	none := errors.New("no message of the gateway's has this id")
	if len(id) < 5 || len(id) > 2+3*maxTaskID {
		return "", 0, none
	}
	number, n := id[1:len(id)-1], int(id[len(id)-1]-'0')
	switch {
	case id[0] == formUUID && len(number) == 40:
		first, _ := strconv.ParseUint(number[:20], 10, 64)
		second, _ := strconv.ParseUint(number[20:], 10, 64)
		var u [16]byte
		binary.BigEndian.PutUint64(u[:8], first)
		binary.BigEndian.PutUint64(u[8:], second)
		taskID = formatUUID(u)
	case id[0] == formText && len(number)%3 == 0:
		b := make([]byte, len(number)/3)
		for i := range b {
			c, _ := strconv.ParseUint(number[3*i:3*i+3], 10, 8)
			b[i] = byte(c)
		}
		taskID = string(b)
	}
	// What isn't a number, or isn't in this form, is another id than the one that is made of what was read.
	if tasks.CheckID(taskID) != nil || n >= lineapi.MaxMessages || messageID(taskID, n) != id {
		return "", 0, none
	}
	return taskID, n, nil
}

// maxTaskID is how long the ID of a task can be.
const maxTaskID = 128

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
