package main

import (
	"errors"
	"strconv"
	"strings"
)

// share is a part of a whole on the command line: 5% or 0.05.
type share float64

var errShare = errors.New("it must be above 0% and up to 100%, such as 5%")

func (s *share) UnmarshalText(b []byte) error {
	text, percent := strings.CutSuffix(string(b), "%")
	v, err := strconv.ParseFloat(text, 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v > 0 && v <= 1) {
		return errShare
	}
	*s = share(v)
	return nil
}

// recipientRate is a rate on the command line: 100/s, 1000/min or 5000/h.
type recipientRate float64

func (r *recipientRate) UnmarshalText(b []byte) error {
	l, err := parseRate(string(b))
	if err != nil {
		return err
	}
	*r = recipientRate(float64(l.Requests) / l.Per.Seconds())
	return nil
}
