package lineapi

import (
	"errors"
	"net/http"
	"strings"
)

// Reason is the one word for why a call failed. The same word stands in logs, metrics and stored results.
type Reason string

const (
	Invalid     Reason = "invalid"      // the request itself is refused, a repeat will be refused too
	Auth        Reason = "auth"         // the channel access token is missing, wrong or expired
	RateLimited Reason = "rate_limited" // too many requests, try again later
	Quota       Reason = "quota"        // LINE says that the monthly limit is reached
	Server      Reason = "server"       // LINE failed, 5xx
	Network     Reason = "network"      // no answer, or one that broke off
	Expired     Reason = "expired"      // the time to send has passed; only callers of this package set it
	Unknown     Reason = "unknown"      // anything else
)

// Reasons holds every Reason. It must not be changed.
var Reasons = []Reason{Invalid, Auth, RateLimited, Quota, Server, Network, Expired, Unknown}

// ReasonOf is the reason of the first *[Error] in err's chain, [Unknown] when there is none, and empty for nil.
func ReasonOf(err error) Reason {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) && e.Reason != "" {
		return e.Reason
	}
	return Unknown
}

// quotaText is how LINE begins the message of the 429 that means quota. LINE calls such texts changeable
// (https://developers.line.biz/en/reference/messaging-api/#error-messages), but has no other sign.
const quotaText = "you have reached your monthly limit"

// rateText is a part of the message of the 429 that means an endpoint's rate limit, as changeable as quotaText.
const rateText = "rate limit has been exceeded"

// EndpointLimited tells whether LINE says that the rate limit of the endpoint is exceeded. A 429 of another text may mean
// too many messages for one user, or too many operations on one audience at once: LINE doesn't document those texts.
func (e *Error) EndpointLimited() bool {
	return e.Status == http.StatusTooManyRequests && strings.Contains(strings.ToLower(e.Message), rateText)
}

// reasonOfStatus maps an answer to its reason. The statuses are those of
// https://developers.line.biz/en/reference/messaging-api/#status-codes, and 411 of LINE's edge servers.
func reasonOfStatus(status int, message string) Reason {
	switch status {
	case http.StatusUnauthorized:
		return Auth
	case http.StatusTooManyRequests:
		if strings.Contains(strings.ToLower(message), quotaText) {
			return Quota
		}
		return RateLimited
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusGone, http.StatusLengthRequired,
		http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return Invalid
	}
	if status >= 500 && status <= 599 {
		return Server
	}
	return Unknown
}
