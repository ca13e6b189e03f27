package main

import (
	"errors"
	"time"
)

// clockTime is a moment on the command line: with a zone as in RFC 3339, or in the time zone of this machine.
type clockTime struct{ time.Time }

var errClockTime = errors.New("not a time: use 2006-01-02T15:04:05+09:00, or 2006-01-02 15:04 in local time")

func (c *clockTime) UnmarshalText(b []byte) error {
	if t, err := time.Parse(time.RFC3339, string(b)); err == nil {
		c.Time = t
		return nil
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05"} {
		if t, err := time.ParseInLocation(layout, string(b), time.Local); err == nil {
			c.Time = t
			return nil
		}
	}
	return errClockTime
}
