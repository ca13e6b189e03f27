package tasks

import (
	"fmt"
	"regexp"
)

// DefaultChannel is the channel that is meant where none is named.
const DefaultChannel = "default"

// Names stand in Redis keys within a hash tag, and in queue names, paths and metrics: braces, blanks and slashes would
// break one or the other.
var (
	channelName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	taskID      = regexp.MustCompile(`^[A-Za-z0-9._:@+=-]{1,128}$`)
)

// CheckChannel says whether a channel's name can be used: 1 to 64 of the letters A-Z a-z, digits and . _ -
func CheckChannel(name string) error {
	if !channelName.MatchString(name) {
		return fmt.Errorf("channel name %.80q: use 1 to 64 letters, digits, '.', '_' or '-'", name)
	}
	return nil
}

// CheckID says whether a task's ID can be used: 1 to 128 of the letters A-Z a-z, digits and . _ : @ + = -
func CheckID(id string) error {
	if !taskID.MatchString(id) {
		return fmt.Errorf("id %.140q: use 1 to 128 letters, digits, '.', '_', ':', '@', '+', '=' or '-'", id)
	}
	return nil
}
