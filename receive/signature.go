package receive

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"
)

// SignatureHeader is the header in which Nylas signs a notification.
const SignatureHeader = "X-Nylas-Signature"

// TestEventSecret is the secret with which Nylas signs the test events that a Client's
// Webhooks.SendTestEvent asks for.
const TestEventSecret = "mock-webhook-secret"

// ErrInvalidSignature means that a signature has the wrong form or was not made
// with the secret over these bytes.
var ErrInvalidSignature = errors.New("receive: invalid signature")

// VerifySignature checks the value of an X-Nylas-Signature header against the body exactly as
// it was received, still compressed if it came compressed. The signature is the HMAC-SHA256 of
// the body in 64 hexadecimal digits, of either case. The error matches [ErrInvalidSignature],
// unless secret itself is blank or has white space around it.
//
// A [Receiver] does this itself. The comparison takes constant time.
//
// https://developer.nylas.com/docs/v3/notifications/#verify-webhook-signatures
func VerifySignature(secret string, body []byte, header string) error {
	s, err := newSecrets([]StoredSecret{{Value: secret}})
	if err != nil {
		return fmt.Errorf("receive: verify signature: %w", err)
	}
	sum, err := parseSignature(header)
	if err != nil {
		return err
	}
	if !s.verify(body, sum) {
		return fmt.Errorf("%w: it was not made with this secret over these bytes", ErrInvalidSignature)
	}
	return nil
}

// signature is that of a delivery in bytes.
type signature [sha256.Size]byte

// signatureDigits is the length of a signature on the wire.
const signatureDigits = 2 * sha256.Size

// signatureHeader reads the one signature of a request.
func signatureHeader(header http.Header) (signature, error) {
	values := header[SignatureHeader]
	if len(values) != 1 {
		return signature{}, fmt.Errorf("%w: want one %s header, got %d", ErrInvalidSignature, SignatureHeader, len(values))
	}
	return parseSignature(values[0])
}

func parseSignature(header string) (sum signature, err error) {
	if len(header) == signatureDigits {
		var digits [signatureDigits]byte
		copy(digits[:], header)
		if _, err := hex.Decode(sum[:], digits[:]); err == nil {
			return sum, nil
		}
	}
	return sum, fmt.Errorf("%w: want %d hexadecimal digits and nothing else", ErrInvalidSignature, signatureDigits)
}

// secrets are the webhook secrets that can be used, the newest first. The list never
// changes.
type secrets []*secret

type secret struct {
	value string
	until time.Time // zero means no end
	macs  *sync.Pool
}

// mac is an HMAC that is used again, with the room for its sum: making one takes
// as long as it takes for a notification of 500 bytes.
type mac struct {
	hash.Hash
	sum signature
}

var (
	errBlankSecret = errors.New("secret is empty or blank: " +
		"use the webhook_secret that creating the webhook or rotating its secret returned")
	// errSpacedSecret: with the line end of its file a secret would verify nothing, and
	// each notification would be answered 401 and lost.
	errSpacedSecret    = errors.New("secret has white space around it, such as the line end of a file: remove it")
	errInvisibleSecret = errors.New("secret has an invisible character in it, such as a byte order mark, a zero-width space or a line break: copy it again")
	errQuotedSecret    = errors.New("secret has quotes around it: remove them")
)

// newSecrets returns those that can be used, and an error if there is one that cannot.
func newSecrets(stored []StoredSecret) (list secrets, err error) {
	for _, s := range stored {
		if unusable := checkSecret(s.Value); unusable != nil {
			err = cmp.Or(err, unusable)
			continue
		}
		list = append(list, newSecret(s))
	}
	return list, err
}

// checkSecret refuses what Nylas never makes and a copy often has: with it a secret would
// verify nothing, and each notification would be answered 401 and lost.
func checkSecret(value string) error {
	switch trimmed := strings.TrimSpace(value); {
	case trimmed == "":
		return errBlankSecret
	case strings.ContainsFunc(trimmed, isInvisible):
		return errInvisibleSecret
	case trimmed != value:
		return errSpacedSecret
	case len(value) > 1 && strings.ContainsRune("\"'`", rune(value[0])) && value[0] == value[len(value)-1]:
		return errQuotedSecret
	default:
		return nil
	}
}

// isInvisible reports whether a character cannot be seen: control characters, and format
// characters such as a byte order mark and zero-width spaces.
func isInvisible(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf) }

func newSecret(stored StoredSecret) *secret {
	return &secret{value: stored.Value, until: stored.Until, macs: &sync.Pool{New: func() any {
		return &mac{Hash: hmac.New(sha256.New, []byte(stored.Value))}
	}}}
}

// verify reports whether sum was made with one of the secrets.
func (s secrets) verify(body []byte, sum signature) bool {
	for _, secret := range s {
		if secret.signed(body, sum) && (secret.until.IsZero() || time.Now().Before(secret.until)) {
			return true
		}
	}
	return false
}

func (s *secret) signed(body []byte, sum signature) bool {
	m := s.macs.Get().(*mac)
	defer s.macs.Put(m)
	m.Reset()
	m.Write(body)
	return hmac.Equal(m.Sum(m.sum[:0]), sum[:])
}
