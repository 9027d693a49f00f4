package nylastest

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"
)

const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// randomText returns n random letters and digits.
func randomText(n int) string {
	const fair = 256 - 256%len(alphanumeric) // bytes from here on would favour the first letters
	text := make([]byte, 0, n)
	var chunk [64]byte
	for {
		_, _ = rand.Read(chunk[:]) // never fails
		for _, b := range chunk {
			if len(text) == n {
				return string(text)
			}
			if int(b) < fair {
				text = append(text, alphanumeric[int(b)%len(alphanumeric)])
			}
		}
	}
}

// randomHex returns n random bytes in hex.
func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// newUUID returns a random UUID, the form of request, grant and schedule ids.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// newMessageID has the form of Gmail's message and thread ids.
func newMessageID() string { return randomHex(8) }

// newNotificationID ends in the last six digits of the time, as the ids of Nylas do.
func newNotificationID(t time.Time) string {
	return randomText(20) + fmt.Sprintf("%06d", t.Unix()%1e6)
}

// newWebhookID has the form of the ids of webhook destinations.
func newWebhookID() string { return randomText(26) }

// newSecret has the form of the webhook secrets in Nylas' pages.
func newSecret() string { return randomText(6) + "-" + randomText(13) }

// newToken names a message in tracking URLs: 32 hex digits, as in Nylas' own.
func newToken() string { return randomHex(16) }

// attachmentID names an attachment of a message the same way each time.
func attachmentID(messageID string, index int) string { return fmt.Sprintf("%s-%d", messageID, index) }
