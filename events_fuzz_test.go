package nylas_test

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	nylas "github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
)

// Exactly the 64 digits of the right signature are accepted, in either case.
func FuzzVerifySignature(f *testing.F) {
	vector := publishedVector(f)
	f.Add(vector.Signature, []byte(vector.Body))
	for _, body := range [][]byte{openedBody("n-1"), {}, {0xff}} {
		for _, signatures := range []map[string]string{goodSignatures(body), misshapenSignatures(body), wrongSignatures(body)} {
			for _, signature := range signatures {
				f.Add(signature, body)
			}
		}
	}
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		right := hmacHex(receiverSecret, body)
		err := nylas.VerifySignature(receiverSecret, body, header)
		isHex := len(header) == hex.EncodedLen(32) && strings.Trim(header, "0123456789abcdefABCDEF") == ""
		if isHex && strings.ToLower(header) == right {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, nylas.ErrInvalidSignature)
			require.NotContains(t, err.Error(), right)
		}
		require.NoError(t, nylas.VerifySignature(receiverSecret, body, right))
	})
}

// fuzzOutcomes are how a handler may end; the first two take custody.
var fuzzOutcomes = []func() error{
	func() error { return nil },
	func() error { return nylas.Permanent(errors.New("no account")) },
	func() error { return errDisk },
	func() error { panic("lost") },
	func() error {
		runtime.Goexit()
		return nil
	},
}

// Whatever comes, there is an answer, it is one of five, and 200 is one that
// the handler gave.
func FuzzReceiver(f *testing.F) {
	body := openedBody("n-1")
	f.Add(body, "", "", int64(len(body)), uint8(0))
	f.Add(body, "", "sha256=", int64(len(body)), uint8(0))
	f.Add(body, "", "", int64(-1), uint8(1))
	f.Add(body, "", "", int64(len(body)+1), uint8(0))
	f.Add(body, "", "", int64(wireLimit+1), uint8(0))
	f.Add(padded("n-1", wireLimit+1), "", "", int64(-1), uint8(0))
	f.Add(gzipped(gzipped(body)), "gzip, gzip", "", int64(-1), uint8(2))
	for i := range fuzzOutcomes {
		f.Add(gzipped(body), "gzip", "", int64(-1), uint8(i))
	}
	for _, tests := range []map[string]deliveryTest{decodableDeliveries(), undecodableDeliveries()} {
		for _, test := range tests {
			if len(test.body) < 1<<12 {
				f.Add(test.body, test.encoding, "", int64(len(test.body)), uint8(0))
			}
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, encoding, signature string, length int64, ends uint8) {
		if signature == "" {
			signature = hmacHex(receiverSecret, body)
		}
		choice := int(ends) % len(fuzzOutcomes)
		var got *nylas.Delivery
		var logged receiverLog
		receiver := newReceiver(t, nylas.HandlerFunc(func(_ context.Context, d *nylas.Delivery) error {
			got = d
			return fuzzOutcomes[choice]()
		}), nylas.WithLogger(slog.New(slog.NewTextHandler(&logged, nil))))
		in := posted(body).with(nylas.SignatureHeader, signature).with("Content-Encoding", encoding).declaring(max(length, -1))

		rec := httptest.NewRecorder()
		receiver.ServeHTTP(rec, in.request())
		require.Contains(t, []int{200, 401, 408, 413, 503}, rec.Code)
		requireAnswer(t, rec.Code, statusLine(rec.Code), receiverAnswer{status: rec.Code, header: rec.Header(), text: rec.Body.String()})
		require.NotContains(t, logged.String(), hmacHex(receiverSecret, body))
		require.NotContains(t, logged.String(), receiverSecret)
		switch rec.Code {
		case http.StatusOK:
			require.NotNil(t, got)
			require.Less(t, choice, 2)
		case http.StatusServiceUnavailable:
			require.NotNil(t, got)
			require.GreaterOrEqual(t, choice, 2)
		default:
			require.Nil(t, got)
			return
		}
		require.NotEmpty(t, got.ID)
		require.NotNil(t, got.Body)
		sent := body
		if length >= 0 {
			sent = body[:length]
		}
		require.NoError(t, nylas.VerifySignature(receiverSecret, sent, signature), "it was handed over")
	})
}

// A Delivery has an id and a body, whatever it was made from, and is the same
// when it is made again from what a store keeps.
func FuzzNewDelivery(f *testing.F) {
	for _, tests := range []map[string]deliveryTest{decodableDeliveries(), undecodableDeliveries()} {
		for _, test := range tests {
			if len(test.body) < 1<<12 {
				f.Add(test.body, test.encoding)
			}
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, encoding string) {
		before := slices.Clone(body)
		d := nylas.NewDelivery(body, encoding)
		require.NotEmpty(t, d.ID)
		require.NotNil(t, d.Body)
		require.False(t, d.ReceivedAt.IsZero())
		require.Equal(t, before, slices.Clone(body), "the input was changed")
		if !errors.Is(d.Err, nylas.ErrDeliveryEncoding) && !errors.Is(d.Err, nylas.ErrDeliveryTooLarge) {
			again := nylas.NewDelivery(d.Body, "")
			assert.Equal(t, d.ID, again.ID)
			assert.Equal(t, d.Type, again.Type)
			assert.Equal(t, d.Err == nil, again.Err == nil)
		} else {
			require.Equal(t, before, slices.Clone(d.Body))
		}
		if d.Err != nil {
			id, typ, _ := events.Peek(d.Body)
			require.Equal(t, cmp.Or(id, sha256ID(d.Body)), d.ID)
			require.Equal(t, typ, d.Type)
			n, err := d.Parse()
			require.Nil(t, n)
			require.ErrorIs(t, err, d.Err)
			return
		}
		require.NotEmpty(t, d.Type)
		if n, err := d.Parse(); err == nil {
			require.Equal(t, d.ID, n.ID)
			require.Equal(t, d.Type, n.Type)
		}
	})
}
