package campaign

import (
	"fmt"
	"strconv"
	"strings"
)

// Path says which of a chunk's recipients a part is for. The empty path is all of them; each step behind it takes away:
//
//	L and R  are the first and the second half
//	d<n>     drops recipient n of those that are left, counted from 0
//	o<n>     leaves only that one
//
// It stands in the retry key, so each part has its own and every attempt at it the same.
type Path string

// Apply leaves those of the recipients that the path leaves.
func Apply[T any](p Path, of []T) ([]T, error) {
	rest := string(p)
	for rest != "" {
		step := rest[0]
		rest = rest[1:]
		switch step {
		case 'L':
			of = of[:(len(of)+1)/2]
			continue
		case 'R':
			of = of[(len(of)+1)/2:]
			continue
		}
		end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
		if end < 0 {
			end = len(rest)
		}
		n, err := strconv.Atoi(rest[:end])
		rest = rest[end:]
		if err != nil || n >= len(of) {
			return nil, fmt.Errorf("path %.100q doesn't fit", p)
		}
		switch step {
		case 'd':
			of = append(append(make([]T, 0, len(of)-1), of[:n]...), of[n+1:]...)
		case 'o':
			of = of[n : n+1]
		default:
			return nil, fmt.Errorf("path %.100q has a step that isn't known", p)
		}
	}
	return of, nil
}

// Halves splits a part of n recipients, two at least.
func (p Path) Halves(n int) (left, right Part) {
	return Part{Path: p + "L", Recipients: (n + 1) / 2, Status: Pending}, Part{Path: p + "R", Recipients: n / 2, Status: Pending}
}

// Drop splits a part of n recipients into the one at a place and the rest.
func (p Path) Drop(place, n int) (one, rest Part) {
	at := strconv.Itoa(place)
	return Part{Path: p + Path("o"+at), Recipients: 1, Status: Pending}, Part{Path: p + Path("d"+at), Recipients: n - 1, Status: Pending}
}
