package chunk

const (
	// IDSize is how many bytes an id takes without its prefix.
	IDSize = 16
	// idLength is how many characters LINE writes for it.
	idLength = 1 + 2*IDSize
)

// ID is the 32 digits of an id. Its prefix says whether it is a user's, a group's or a room's.
type ID = [IDSize]byte

func isPrefix(c byte) bool { return c == 'U' || c == 'C' || c == 'R' }

// digits are the values of the hexadecimal digits, in lower case as LINE writes them; 16 is none.
var digits = func() (values [256]byte) {
	for i := range values {
		values[i] = 16
	}
	for i, c := range []byte(alphabet) {
		values[c] = byte(i)
	}
	return values
}()

const alphabet = "0123456789abcdef"

// ParseID reads the id of a user, a group or a room. lineapi.CheckChatID says what is wrong with one that isn't ok.
func ParseID(text string) (prefix byte, id ID, ok bool) {
	if len(text) != idLength || !isPrefix(text[0]) {
		return 0, ID{}, false
	}
	var wrong byte
	for i := range id {
		high, low := digits[text[1+2*i]], digits[text[2+2*i]]
		wrong |= high | low
		id[i] = high<<4 | low
	}
	return text[0], id, wrong < 16
}

// AppendID appends an id as LINE writes it.
func AppendID(dst []byte, prefix byte, id ID) []byte {
	dst = append(dst, prefix)
	for _, b := range id {
		dst = append(dst, alphabet[b>>4], alphabet[b&15])
	}
	return dst
}
