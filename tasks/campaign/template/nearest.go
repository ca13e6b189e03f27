package template

import "strings"

// nearest is the one of the names that looks like a slip of the pen for name, and empty where none does.
func nearest(name string, names []string) string {
	fold := func(s string) []rune {
		return []rune(strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(s)))
	}
	meant := fold(name)
	best, found := min(len(meant)/2+1, 4), ""
	for _, n := range names {
		if d := distance(meant, fold(n)); d < best {
			best, found = d, n
		}
	}
	return found
}

// distance counts the insertions, deletions and replacements that lead from a to b.
func distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, x := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j, y := range b {
			cost := diagonal
			if x != y {
				cost = min(diagonal, row[j], row[j+1]) + 1
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
