package receive_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
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
		err := receive.VerifySignature(receiverSecret, body, header)
		isHex := len(header) == hex.EncodedLen(32) && strings.Trim(header, "0123456789abcdefABCDEF") == ""
		if isHex && strings.ToLower(header) == right {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, receive.ErrInvalidSignature)
			require.NotContains(t, err.Error(), right)
		}
		require.NoError(t, receive.VerifySignature(receiverSecret, body, right))
	})
}

// fuzzOutcomes are how a handler may end; the first two take custody.
var fuzzOutcomes = []func() error{
	func() error { return nil },
	func() error { return receive.Permanent(errors.New("no account")) },
	func() error { return errDisk },
	func() error { panic("lost") },
	func() error {
		runtime.Goexit()
		return nil
	},
}

// fuzzSecrets are the states in which a receiver can be with its secrets. known
// tells whether receiverSecret is accepted, unknown what another one gets.
var fuzzSecrets = []struct {
	secrets receive.SecretSource
	known   bool
	unknown int
}{
	{secrets: receive.Secret("newer", receiverSecret), known: true, unknown: 401},
	{secrets: receive.Secret("newer"), unknown: 401},
	{secrets: loading(receive.SecretState{}), unknown: 503},
	{secrets: loading(stateOf(receiverSecret)), known: true, unknown: 401},
	{secrets: loading(stateOf("newer")), unknown: 401},
	{secrets: loading(rotating(receiverSecret)), known: true, unknown: 503},
	{secrets: loading(rotating("newer")), unknown: 503},
	{secrets: loading(unsure(receiverSecret)), known: true, unknown: 503},
	{secrets: failingSource(), unknown: 503},
	{secrets: loading(stateOf(" ")), unknown: 503},
	{secrets: sourceFunc(func(context.Context) (receive.SecretState, error) { panic(receiverSecret) }), unknown: 503},
}

// Whatever comes, and whatever the receiver knows, there is an answer, it is one
// of the contract, and 200 to a delivery is one that the handler gave.
func FuzzReceiver(f *testing.F) {
	body := openedBody("n-1")
	add := func(in incoming, length int64, ends, secrets uint8) {
		f.Add(in.method, in.target, in.body, strings.Join(in.header["Content-Encoding"], ","),
			strings.Join(in.header[receive.SignatureHeader], ","), length, ends, secrets)
	}
	plain := posted(body)
	compressed := posted(gzipped(body)).with("Content-Encoding", "gzip")
	for secrets := range fuzzSecrets {
		add(plain, plain.length, 0, uint8(secrets))
		add(plain.with(receive.SignatureHeader, strings.Repeat("0", 64)), plain.length, 0, uint8(secrets))
		add(compressed, -1, 0, uint8(secrets))
		add(asked("GET", "challenge=abc"), 0, 0, uint8(secrets))
	}
	for ends := range fuzzOutcomes {
		add(compressed, compressed.length, uint8(ends), 0)
	}
	add(plain.with(receive.SignatureHeader, "sha256="), plain.length, 0, 0)
	add(plain.with(receive.SignatureHeader, "a", "b"), plain.length, 0, 0)
	add(plain, plain.length+1, 0, 0)
	add(plain, wireLimit+1, 0, 0)
	add(posted(gzipped(compressed.body)).with("Content-Encoding", "gzip", "gzip"), -1, 2, 0)
	for _, query := range unusableChallenges() {
		if len(query) < 1<<11 {
			add(asked("GET", query), 0, 0, 0)
		}
	}
	for query := range usableChallenges() {
		add(asked("HEAD", query), 0, 0, 0)
	}
	for _, method := range []string{"PUT", "DELETE", "OPTIONS", "", "get"} {
		add(asked(method, "challenge=abc"), 0, 0, 0)
	}
	for _, tests := range []map[string]deliveryTest{decodableDeliveries(), undecodableDeliveries()} {
		for _, test := range tests {
			if len(test.body) < 1<<12 {
				add(posted(test.body).with("Content-Encoding", test.encoding), int64(len(test.body)), 0, 0)
			}
		}
	}
	f.Fuzz(func(t *testing.T, method, target string, body []byte, encoding, signature string, length int64, ends, secrets uint8) {
		length = max(length, -1)
		sent := body // what a server would give the handler of it
		if length > 0 && length < int64(len(body)) {
			sent = body[:length]
		}
		if signature == "" { // the one that nobody can guess
			signature = hmacHex(receiverSecret, sent)
		}
		state := fuzzSecrets[int(secrets)%len(fuzzSecrets)]
		choice := int(ends) % len(fuzzOutcomes)
		var got []*receive.Delivery
		var logged receiverLog
		receiver, err := receive.New(receive.HandlerFunc(func(_ context.Context, d *receive.Delivery) error {
			got = append(got, d)
			return fuzzOutcomes[choice]()
		}), state.secrets, logged.option())
		require.NoError(t, err)

		req := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		req.Method = method
		_, req.URL.RawQuery, _ = strings.Cut(target, "?")
		req.ContentLength = length
		if encoding != "" {
			req.Header["Content-Encoding"] = strings.Split(encoding, ",")
		}
		req.Header[receive.SignatureHeader] = strings.Split(signature, ",")
		rec := httptest.NewRecorder()
		receiver.ServeHTTP(rec, req)

		require.NotContains(t, logged.String(), hmacHex(receiverSecret, sent))
		require.NotContains(t, logged.String(), receiverSecret)
		answer := receiverAnswer{status: rec.Code, header: rec.Header(), text: rec.Body.String()}
		switch method {
		case http.MethodPost:
			requireAnswer(t, rec.Code, statusLine(rec.Code), answer)
		case http.MethodGet, http.MethodHead:
			require.Contains(t, []int{200, 400}, rec.Code)
			require.Empty(t, got)
			requireAnswerHeader(t, rec.Code, len(answer.text), answer)
			require.Equal(t, rec.Code == http.StatusOK, len(answer.text) <= 1<<10 && answer.text == req.URL.Query().Get("challenge") && answer.text != "")
			return
		default:
			require.Empty(t, got)
			requireAnswer(t, http.StatusMethodNotAllowed, statusLine(405), answer)
			return
		}
		shaped := len(signature) == 64 && strings.Trim(signature, "0123456789abcdefABCDEF") == ""
		genuine := shaped && receive.VerifySignature(receiverSecret, sent, signature) == nil
		newer := shaped && receive.VerifySignature("newer", sent, signature) == nil
		want := state.unknown
		switch {
		case length > wireLimit || shaped && len(sent) > wireLimit:
			want = http.StatusRequestEntityTooLarge
		case !shaped:
			want = http.StatusUnauthorized
		case length > int64(len(body)):
			want = http.StatusRequestTimeout
		case newer: // a fuzzer that finds it may have it
			return
		case genuine && state.known && choice < 2:
			want = http.StatusOK
		case genuine && state.known:
			want = http.StatusServiceUnavailable
		}
		require.Equal(t, want, rec.Code)
		if !genuine || !state.known || want != http.StatusOK && want != http.StatusServiceUnavailable {
			require.Empty(t, got)
			return
		}
		require.Len(t, got, 1, "custody was neither taken nor refused")
		require.NotEmpty(t, got[0].ID)
		require.NotNil(t, got[0].Body)
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
		d := receive.NewDelivery(body, encoding)
		require.NotEmpty(t, d.ID)
		require.NotNil(t, d.Body)
		require.False(t, d.ReceivedAt.IsZero())
		require.Equal(t, before, slices.Clone(body), "the input was changed")
		if !errors.Is(d.Err, receive.ErrDeliveryEncoding) && !errors.Is(d.Err, receive.ErrDeliveryTooLarge) {
			again := receive.NewDelivery(d.Body, "")
			if !strings.HasPrefix(d.ID, "mock-id:") { // each test event gets one of its own
				assert.Equal(t, d.ID, again.ID)
			}
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
