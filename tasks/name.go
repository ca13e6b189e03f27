package tasks

import (
	"fmt"
	"strings"
)

// DefaultChannel is the channel that is meant where none is named.
const DefaultChannel = "default"

// Names stand in Redis keys within a hash tag, and in queue names, paths and metrics: braces, blanks and slashes would
// break one or the other.
const (
	channelSigns = "._-"
	idSigns      = "._:@+=-"
)

// isName tells whether s is 1 to most letters, digits and signs.
func isName(s, signs string, most int) bool {
	for i := range len(s) {
		c := s[i]
		letter, digit := c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9'
		if !letter && !digit && strings.IndexByte(signs, c) < 0 {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= most
}

// CheckChannel says whether a channel's name can be used: 1 to 64 of the letters A-Z a-z, digits and . _ -
func CheckChannel(name string) error {
	if !isName(name, channelSigns, 64) {
		return fmt.Errorf("channel name %.80q: use 1 to 64 letters, digits, '.', '_' or '-'", name)
	}
	return nil
}

// CheckID says whether a task's ID can be used: 1 to 128 of the letters A-Z a-z, digits and . _ : @ + = -
func CheckID(id string) error {
	if !isName(id, idSigns, 128) {
		return fmt.Errorf("id %.140q: use 1 to 128 letters, digits, '.', '_', ':', '@', '+', '=' or '-'", id)
	}
	return nil
}
