package lineapi

import "time"

// The checks here are those of single arguments of calls that have no request struct, for who wants to refuse early what
// the call itself would refuse.

// CheckUserIDs wants 1 to 500 user ids, as multicast and the bulk calls take. Property is their path in the error.
func CheckUserIDs(property string, ids []string) error {
	var p problems
	p.userIDs(property, ids)
	return p.err()
}

// CheckRichMenuImage wants a JPEG or PNG of at most 1 MB, and its content type.
func CheckRichMenuImage(contentType string, image []byte) error {
	var p problems
	p.image(contentType, int64(len(image)))
	if len(p.details) == 0 && ImageType(image) != contentType {
		p.add("image", "is not of the type "+contentType)
	}
	return p.err()
}

// CheckLoading wants 5 to 60 seconds in steps of 5, or 0 for LINE's default.
func CheckLoading(d time.Duration) error {
	var p problems
	p.loading(d)
	return p.err()
}

// CheckMarkAsReadToken wants a token that isn't empty.
func CheckMarkAsReadToken(token string) error {
	var p problems
	p.markAsReadToken(token)
	return p.err()
}

func (p *problems) image(contentType string, size int64) {
	if contentType != "image/jpeg" && contentType != "image/png" {
		p.add("Content-Type", "must be image/jpeg or image/png")
	}
	if size < 1 || size > MaxRichMenuImageBytes {
		p.add("image", "must hold 1 byte to 1 MB")
	}
}

func (p *problems) loading(d time.Duration) {
	if d != 0 && (d < 5*time.Second || d > time.Minute || d%(5*time.Second) != 0) {
		p.add("loadingSeconds", "must be 5 to 60, in steps of 5")
	}
}

func (p *problems) markAsReadToken(token string) {
	if token == "" {
		p.add("markAsReadToken", "May not be empty")
	}
}
