package lineapi

import "github.com/rivo/uniseg"

// LINE counts most texts in UTF-16 units, and what a user reads on a button or a menu in grapheme clusters
// (https://developers.line.biz/en/docs/messaging-api/text-character-count/).

func utf16Units(s string) int {
	n := 0
	for _, r := range s {
		if n++; r > 0xFFFF {
			n++
		}
	}
	return n
}

func graphemes(s string) int { return uniseg.GraphemeClusterCount(s) }
