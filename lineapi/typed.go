package lineapi

import "bytes"

// isPlainlyTyped tells, without decoding, that valid JSON is an object with one type, which is a string and not empty.
// What it says no to may be one all the same: decodeTyped knows.
func isPlainlyTyped(raw []byte) bool {
	typed := false
	depth := 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '{', '[':
			if depth == 0 && raw[i] == '[' {
				return false
			}
			depth++
		case '}', ']':
			depth--
		case '"':
			start := i
			for i++; raw[i] != '"'; i++ {
				if raw[i] == '\\' {
					i++
				}
			}
			if depth != 1 {
				continue
			}
			value, isName := bytes.CutPrefix(afterSpace(raw[i+1:]), []byte(":"))
			if !isName {
				continue
			}
			name := raw[start+1 : i]
			if bytes.IndexByte(name, '\\') >= 0 {
				return false
			}
			if string(name) == "type" {
				value = afterSpace(value)
				if typed || value[0] != '"' || value[1] == '"' {
					return false
				}
				typed = true
			}
		}
	}
	return typed
}

func afterSpace(raw []byte) []byte { return bytes.TrimLeft(raw, " \t\r\n") }
