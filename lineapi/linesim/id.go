package linesim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strconv"
)

// derive makes 32 bytes that only depend on the seed, the kind of thing and its number.
func (s *Simulator) derive(kind string, n uint64) [32]byte {
	var b [48]byte
	binary.BigEndian.PutUint64(b[:], s.config.Seed)
	binary.BigEndian.PutUint64(b[8:], n)
	return sha256.Sum256(append(b[:16], kind...))
}

func (s *Simulator) hex(kind string, n uint64) string {
	sum := s.derive(kind, n)
	return hex.EncodeToString(sum[:16])
}

func (s *Simulator) opaque(kind string, n uint64) string {
	sum := s.derive(kind, n)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// requestID has the form of a UUID, as LINE's have.
func (s *Simulator) requestID(n uint64) string {
	sum := s.derive("request", n)
	return uuid([16]byte(sum[:16]))
}

func uuid(b [16]byte) string {
	var u [36]byte
	hex.Encode(u[:], b[:4])
	u[8] = '-'
	hex.Encode(u[9:], b[4:6])
	u[13] = '-'
	hex.Encode(u[14:], b[6:8])
	u[18] = '-'
	hex.Encode(u[19:], b[8:10])
	u[23] = '-'
	hex.Encode(u[24:], b[10:])
	return string(u[:])
}

// messageID has 18 digits, as LINE's have: more than a float64 can hold.
func messageID(n uint64) string { return strconv.FormatUint(461_000_000_000_000_000+n, 10) }

func (s *Simulator) quoteToken(n uint64) string { return s.opaque("quote", n) }
