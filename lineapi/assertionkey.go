package lineapi

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
)

// maxAssertionKey is above what a key of 8192 bits takes in either form.
const maxAssertionKey = 64 << 10

// ParseAssertionKey reads the private key that belongs to a public key registered at LINE: the JSON Web Key that LINE's
// instructions make, or PEM (PKCS #8 or PKCS #1). LINE takes RSA keys of 2048 bits or more. Its errors quote nothing.
func ParseAssertionKey(data []byte) (*rsa.PrivateKey, error) {
	if len(data) > maxAssertionKey {
		return nil, errors.New("a private key has at most 64 KiB")
	}
	data = bytes.TrimSpace(data)
	var key *rsa.PrivateKey
	var err error
	switch {
	case bytes.HasPrefix(data, []byte("{")):
		key, err = parseJWK(data)
	case bytes.HasPrefix(data, []byte("-----BEGIN ")):
		key, err = parsePEM(data)
	default:
		err = errors.New("it is neither a JSON Web Key, which begins with {, nor PEM, which begins with -----BEGIN")
	}
	if err != nil {
		return nil, err
	}
	if key.N.BitLen() < 2048 {
		return nil, errors.New("its RSA key is shorter than the 2048 bits that LINE takes")
	}
	if key.Validate() != nil {
		return nil, errors.New("its numbers aren't those of an RSA key")
	}
	key.Precompute()
	return key, nil
}

func parsePEM(data []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("its PEM can't be read")
	}
	switch block.Type {
	case "PRIVATE KEY":
		if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if key, ok := key.(*rsa.PrivateKey); ok {
				return key, nil
			}
			return nil, errors.New("its PEM holds a key that isn't RSA")
		}
	case "RSA PRIVATE KEY":
		if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
			return key, nil
		}
	case "PUBLIC KEY", "RSA PUBLIC KEY":
		return nil, errors.New("it is the public key; the private one is needed")
	}
	return nil, errors.New("its PEM holds no private key that can be read; one with a password can't")
}

func parseJWK(data []byte) (*rsa.PrivateKey, error) {
	var jwk struct {
		Type          string `json:"kty"`
		N, E, D, P, Q string
		Other         json.RawMessage `json:"oth"`
	}
	if json.Unmarshal(data, &jwk) != nil {
		return nil, errors.New("its JSON can't be read")
	}
	switch {
	case jwk.Type != "RSA":
		return nil, errors.New(`its kty isn't "RSA"`)
	case jwk.D == "":
		return nil, errors.New("it is the public key, without d; the private one is needed")
	case jwk.Other != nil:
		return nil, errors.New("it has more than two primes")
	}
	var numbers [5]*big.Int
	for i, text := range []string{jwk.N, jwk.E, jwk.D, jwk.P, jwk.Q} {
		b, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || len(b) == 0 {
			return nil, errors.New("one of its n, e, d, p and q is missing, or isn't base64url")
		}
		numbers[i] = new(big.Int).SetBytes(b)
	}
	if !numbers[1].IsInt64() || numbers[1].Int64() > 1<<31-1 {
		return nil, errors.New("its e is too large")
	}
	return &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: numbers[0], E: int(numbers[1].Int64())},
		D:         numbers[2], Primes: numbers[3:],
	}, nil
}
