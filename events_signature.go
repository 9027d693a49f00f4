package nylas

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// SignatureHeader is the header in which Nylas signs a notification.
const SignatureHeader = "X-Nylas-Signature"

// ErrInvalidSignature means that a signature has the wrong form or was not made
// with the secret over these bytes.
var ErrInvalidSignature = errors.New("nylas: invalid signature")

var errBlankSecret = errors.New("secret is empty or blank: " +
	"use the webhook_secret that creating the webhook or rotating its secret returned")

// VerifySignature checks the value of an X-Nylas-Signature header against the
// body exactly as it was received, compressed if it came compressed. The
// signature is the HMAC-SHA256 of the body in 64 hexadecimal digits; upper-case
// digits are accepted. It returns nil, an error that matches
// [ErrInvalidSignature], or another error if secret is blank.
//
// A [Receiver] does this itself. The comparison takes the same time wherever
// the signatures differ.
//
// https://developer.nylas.com/docs/v3/notifications/#verify-webhook-signatures
func VerifySignature(secret string, body []byte, header string) error {
	s, err := newSecrets([]string{secret})
	if err != nil {
		return fmt.Errorf("nylas: verify signature: %w", err)
	}
	signature, err := parseSignature(header)
	if err != nil {
		return err
	}
	if !s.verify(body, signature) {
		return fmt.Errorf("%w: it was not made with this secret over these bytes", ErrInvalidSignature)
	}
	return nil
}

// signatureHeader reads the one signature of a request.
func signatureHeader(header http.Header) ([]byte, error) {
	values := header.Values(SignatureHeader)
	if len(values) != 1 {
		return nil, fmt.Errorf("%w: want one %s header, got %d", ErrInvalidSignature, SignatureHeader, len(values))
	}
	return parseSignature(values[0])
}

func parseSignature(header string) ([]byte, error) {
	signature, err := hex.DecodeString(header)
	if err != nil || len(signature) != sha256.Size {
		return nil, fmt.Errorf("%w: want %d hexadecimal digits and nothing else", ErrInvalidSignature, hex.EncodedLen(sha256.Size))
	}
	return signature, nil
}

// secrets is a list of webhook secrets, none of them blank, that never changes.
type secrets struct {
	keys [][]byte
}

func newSecrets(values []string) (*secrets, error) {
	if len(values) == 0 {
		return nil, errors.New("no secret given")
	}
	s := &secrets{}
	for _, value := range values {
		if strings.TrimSpace(value) == "" {
			return nil, errBlankSecret
		}
		s.keys = append(s.keys, []byte(value))
	}
	return s, nil
}

// verify reports whether signature was made with one of the secrets.
func (s *secrets) verify(body, signature []byte) bool {
	var sum [sha256.Size]byte
	for _, key := range s.keys {
		mac := hmac.New(sha256.New, key)
		mac.Write(body)
		if hmac.Equal(mac.Sum(sum[:0]), signature) {
			return true
		}
	}
	return false
}
