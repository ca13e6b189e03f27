package lineapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
)

// VerifySignature tells whether LINE sent a webhook: signature is its x-line-signature header, body its bytes before
// anything parsed them (https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/). An empty channel
// secret verifies nothing. The comparison takes the same time for every signature.
func VerifySignature(channelSecret string, body []byte, signature string) bool {
	given, err := base64.StdEncoding.DecodeString(signature)
	if err != nil || channelSecret == "" {
		return false
	}
	mac := hmac.New(sha256.New, []byte(channelSecret))
	mac.Write(body)
	return hmac.Equal(given, mac.Sum(nil))
}
