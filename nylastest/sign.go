package nylastest

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
)

// signatureHeader and testEventSecret are repeated here, apart from the SDK, so that a
// mistake there cannot pass at both ends.
const signatureHeader = "X-Nylas-Signature"

// testEventSecret signs the notifications of the send-test-event endpoint,
// whatever webhooks exist.
//
// https://developer.nylas.com/docs/reference/api/webhook-notifications/send_test_event/
const testEventSecret = "mock-webhook-secret"

// Sign returns the signature of a notification, which travels in the header
// X-Nylas-Signature: the HMAC-SHA256 of the body as it travels, compressed if it
// is compressed, in lower-case hex.
//
// https://developer.nylas.com/docs/v3/notifications/
func Sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// NewWebhookRequest returns the request by which Nylas delivers a notification to
// url, signed with secret. The body is sent as it is, so a broken one can be
// sent too; [github.com/nylastrack/nylas-go/events.Notification] marshals to a
// good one.
func NewWebhookRequest(ctx context.Context, url, secret string, body []byte) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("nylastest: new webhook request: %w", withoutURL(err))
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(signatureHeader, Sign(secret, body))
	return request, nil
}

// NewGzipWebhookRequest is [NewWebhookRequest] for a destination with
// compressed_delivery: the body is compressed, and the signature is that of the
// compressed bytes.
func NewGzipWebhookRequest(ctx context.Context, url, secret string, body []byte) (*http.Request, error) {
	request, err := NewWebhookRequest(ctx, url, secret, compress(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Encoding", "gzip")
	return request, nil
}

func compress(body []byte) []byte {
	var compressed bytes.Buffer
	w := gzip.NewWriter(&compressed)
	_, _ = w.Write(body) // a buffer takes everything
	_ = w.Close()
	return compressed.Bytes()
}
