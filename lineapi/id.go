package lineapi

import (
	"fmt"
	"strings"
)

// CheckUserID wants U and 32 lower-case hexadecimal digits. An id of a wrong shape must never reach a URL: the user id
// "all" would change the rich menu of every user
// (https://developers.line.biz/en/reference/messaging-api/#set-default-rich-menu).
func CheckUserID(id string) error { return wrong("user id", chatIDProblem("user id", 'U', id)) }

// CheckGroupID wants C and 32 lower-case hexadecimal digits.
func CheckGroupID(id string) error { return wrong("group id", chatIDProblem("group id", 'C', id)) }

// CheckRoomID wants R and 32 lower-case hexadecimal digits.
func CheckRoomID(id string) error { return wrong("room id", chatIDProblem("room id", 'R', id)) }

// CheckChatID wants a user, group or room id: what a push can be addressed to.
func CheckChatID(id string) error { return wrong("id", anyChatIDProblem(id)) }

// CheckRichMenuID wants richmenu- and 32 hexadecimal digits, the shape of every id in LINE's reference.
func CheckRichMenuID(id string) error { return wrong("rich menu id", richMenuIDProblem(id)) }

// CheckRichMenuAlias wants 1 to 32 of a-z, 0-9, _ and -
// (https://developers.line.biz/en/reference/messaging-api/#create-rich-menu-alias).
func CheckRichMenuAlias(alias string) error { return wrong("rich menu alias", aliasProblem(alias)) }

// CheckRetryKey wants a UUID in its form of 36 characters
// (https://developers.line.biz/en/docs/messaging-api/retrying-api-request/).
func CheckRetryKey(key string) error { return wrong("retry key", retryKeyProblem(key)) }

// CheckMessageID wants decimal digits, the shape of every message id in LINE's reference.
func CheckMessageID(id string) error { return wrong("message id", messageIDProblem(id)) }

// wrong says what is wrong with a value that stands alone. No problem is no error.
func wrong(name, problem string) error {
	if problem == "" {
		return nil
	}
	return &Error{Reason: Invalid, Unsent: true, Message: name + " " + problem}
}

// The problems say what is wrong and don't echo the value: it may be a secret that was put into the wrong place.

func chatIDProblem(name string, prefix byte, id string) string {
	switch {
	case id == "":
		return "is empty"
	case len(id) != 33:
		return fmt.Sprintf("is %d characters long, a %s has 33", len(id), name)
	case id[0] != prefix:
		return fmt.Sprintf("doesn't start with %c as a %s does", prefix, name)
	}
	return hexProblem(name, id[1:])
}

func anyChatIDProblem(id string) string {
	switch {
	case strings.HasPrefix(id, "C"):
		return chatIDProblem("group id", 'C', id)
	case strings.HasPrefix(id, "R"):
		return chatIDProblem("room id", 'R', id)
	case strings.HasPrefix(id, "U"), id == "":
		return chatIDProblem("user id", 'U', id)
	}
	return "doesn't start with U, C or R as a user, group or room id does"
}

func richMenuIDProblem(id string) string {
	digits, ok := strings.CutPrefix(id, "richmenu-")
	switch {
	case id == "":
		return "is empty"
	case !ok:
		return "doesn't start with richmenu- as a rich menu id does"
	case len(digits) != 32:
		return fmt.Sprintf("has %d characters after richmenu-, a rich menu id has 32", len(digits))
	}
	return hexProblem("rich menu id", digits)
}

func hexProblem(name, digits string) string {
	for i := range len(digits) {
		if c := digits[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return "holds something other than 0-9 and a-f in lower case, which a " + name + " doesn't"
		}
	}
	return ""
}

func aliasProblem(alias string) string {
	switch {
	case alias == "":
		return "is empty"
	case len(alias) > 32:
		return fmt.Sprintf("is %d characters long, a rich menu alias has at most 32", len(alias))
	}
	for i := range len(alias) {
		if c := alias[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return "holds something other than a-z, 0-9, _ and -, which a rich menu alias doesn't"
		}
	}
	return ""
}

func retryKeyProblem(key string) string {
	const problem = "is not a UUID such as 123e4567-e89b-42d3-a456-426614174000"
	if len(key) != 36 {
		return problem
	}
	for i := range len(key) {
		c := key[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return problem
			}
			continue
		}
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return problem
		}
	}
	return ""
}

func messageIDProblem(id string) string {
	if id == "" {
		return "is empty"
	}
	if len(id) > 64 {
		return "is longer than any message id"
	}
	for i := range len(id) {
		if id[i] < '0' || id[i] > '9' {
			return "holds something other than digits, which a message id doesn't"
		}
	}
	return ""
}
