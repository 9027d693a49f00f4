package nylas_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

const maxCaptured = 1 << 20

func TestCapture(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := func(r *http.Request) (*http.Response, error) {
			<-time.After(2 * time.Second)
			return answersFile(t, 200, messageAnswer, "Set-Cookie", "session=1", "X-Request-Id", "r-1")(r)
		}
		w := newWire(t, loses, answersCut(200, `{"data":{"id":"m-`), answersFile(t, 429, limitAnswer), slow)
		var exchanges []nylas.Exchange
		start := time.Now()
		require.NoError(t, send(t.Context(), w.client(t), nylas.WithCapture(&exchanges), nylas.WithIdempotencyKey(testKey),
			nylas.WithHeader("X-Trace", "t-1"), nylas.WithHeader("Cookie", "secret")))
		requests := w.requests()
		require.Len(t, exchanges, 4)
		for i, exchange := range exchanges {
			assert.Equal(t, http.MethodPost, exchange.Method)
			assert.Equal(t, "/v3/grants/"+testGrant+"/messages/send", exchange.Target)
			assert.Equal(t, http.Header{
				"Authorization": {"[redacted]"}, "Cookie": {"[redacted]"}, "Accept": {"application/json"},
				"Content-Type": {"application/json"}, "Idempotency-Key": {testKey},
				"User-Agent": {"nylastrack-nylas-go/" + nylas.Version}, "X-Trace": {"t-1"},
			}, exchange.RequestHeader)
			assert.Equal(t, string(requests[i].body), string(exchange.RequestBody))
			assert.EqualValues(t, len(requests[i].body), exchange.RequestSize)
			assert.Equal(t, requests[i].at, exchange.Start)
			assert.Equal(t, []string{"Bearer " + testAPIKey}, requests[i].header["Authorization"], "only the copy is redacted")
		}
		assert.Equal(t, start, exchanges[0].Start)
		assert.Equal(t, 2*time.Second, exchanges[3].Duration)
		assert.Zero(t, exchanges[2].Duration)

		require.ErrorIs(t, exchanges[0].Err, errCut)
		assert.Zero(t, exchanges[0].StatusCode)
		assert.Nil(t, exchanges[0].ResponseHeader)
		assert.Nil(t, exchanges[0].ResponseBody)

		require.ErrorIs(t, exchanges[1].Err, errCut)
		assert.Equal(t, 200, exchanges[1].StatusCode)
		assert.Equal(t, `{"data":{"id":"m-`, string(exchanges[1].ResponseBody))
		assert.EqualValues(t, 17, exchanges[1].ResponseSize)

		require.NoError(t, exchanges[2].Err)
		assert.Equal(t, 429, exchanges[2].StatusCode)
		assert.Equal(t, recording(t, limitAnswer), exchanges[2].ResponseBody)

		require.NoError(t, exchanges[3].Err)
		assert.Equal(t, http.Header{"Set-Cookie": {"[redacted]"}, "X-Request-Id": {"r-1"}}, exchanges[3].ResponseHeader)
		assert.Equal(t, recording(t, messageAnswer), exchanges[3].ResponseBody)
	})
}

// TestCaptureOfEveryMethod has a capture change nothing on the wire.
func TestCaptureOfEveryMethod(t *testing.T) {
	t.Parallel()
	for _, m := range methods() {
		t.Run(m.op, func(t *testing.T) {
			t.Parallel()
			var got []string
			server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				dump, _ := io.ReadAll(r.Body)
				header, _ := json.Marshal(r.Header)
				got = append(got, r.Method+" "+r.RequestURI+" "+string(header)+" "+strings.Join(r.TransferEncoding, ",")+" "+string(dump))
				_, _ = io.WriteString(rw, anyAnswer(m.op))
			}))
			t.Cleanup(server.Close)
			client := realClient(t, server.URL, 1)
			var exchanges []nylas.Exchange
			require.NoError(t, m.call(t.Context(), client))
			require.NoError(t, m.call(t.Context(), client, nylas.WithCapture(&exchanges)))
			require.Len(t, got, 2)
			assert.Equal(t, got[0], got[1])
			require.Len(t, exchanges, 1)
			exchange := exchanges[0]
			assert.True(t, strings.HasSuffix(got[1], " "+string(exchange.RequestBody)))
			assert.True(t, strings.HasPrefix(got[1], exchange.Method+" "+exchange.Target+" {"))
			if !m.streams() {
				assert.Equal(t, anyAnswer(m.op), string(exchange.ResponseBody))
			}
			text, err := json.Marshal(exchange)
			require.NoError(t, err)
			assert.NotContains(t, string(text), testAPIKey)
		})
	}
}

func TestCapturedBodiesAreBounded(t *testing.T) {
	t.Parallel()
	for _, size := range []int{maxCaptured - 1, maxCaptured, maxCaptured + 1, 2 * maxCaptured} {
		answer := `{"data":{"id":"m-1","body":"` + strings.Repeat("a", size-len(`{"data":{"id":"m-1","body":""}}`)) + `"}}`
		msg := markedMessage()
		w := newWire(t, answers(200, answer), answers(200, answer))
		client := w.client(t)
		_, err := client.Messages.Send(t.Context(), testGrant, msg)
		require.NoError(t, err)
		msg.Body += strings.Repeat("b", size-len(w.requests()[0].body))

		var exchanges []nylas.Exchange
		sent, err := client.Messages.Send(t.Context(), testGrant, msg, nylas.WithCapture(&exchanges))
		require.NoError(t, err)
		assert.Equal(t, "m-1", sent.ID)
		exchange := exchanges[0]
		kept := min(size, maxCaptured)
		assert.EqualValues(t, size, exchange.RequestSize)
		assert.True(t, bytes.Equal(w.requests()[1].body[:kept], exchange.RequestBody))
		assert.EqualValues(t, size, exchange.ResponseSize)
		assert.True(t, bytes.Equal([]byte(answer)[:kept], exchange.ResponseBody))
	}
}

// TestCaptureOfABodyThatIsSentAgain has a redirect, for which net/http takes the
// body from its beginning.
func TestCaptureOfABodyThatIsSentAgain(t *testing.T) {
	t.Parallel()
	w := newWire(t, answers(307, "", "Location", "/elsewhere"), answers(200, `{"data":{"id":"w-1"}}`))
	client := w.client(t, nylas.WithHTTPClient(&http.Client{
		Transport: w.mock, CheckRedirect: func(*http.Request, []*http.Request) error { return nil },
	}))
	var exchanges []nylas.Exchange
	_, err := client.Webhooks.Update(t.Context(), testWebhook, &nylas.UpdateWebhookRequest{Description: "new"}, nylas.WithCapture(&exchanges))
	require.NoError(t, err)
	require.Len(t, w.requests(), 2)
	require.Len(t, exchanges, 1)
	assert.JSONEq(t, `{"description":"new"}`, string(exchanges[0].RequestBody))
	assert.JSONEq(t, `{"description":"new"}`, string(w.requests()[1].body))
}

// TestCaptureOfABodyThatIsReadTheSecondTime has a redirect before the body.
func TestCaptureOfABodyThatIsReadTheSecondTime(t *testing.T) {
	t.Parallel()
	w, redirects := newWire(t, answers(200, `{"data":{"id":"w-1"}}`)), 0
	unread := roundTripFunc(func(r *http.Request) (*http.Response, error) {
		if redirects++; redirects == 1 {
			return answers(307, "", "Location", "/elsewhere")(r)
		}
		return w.mock.RoundTrip(r)
	})
	client := w.client(t, nylas.WithHTTPClient(&http.Client{
		Transport: unread, CheckRedirect: func(*http.Request, []*http.Request) error { return nil },
	}))
	var exchanges []nylas.Exchange
	_, err := client.Webhooks.Update(t.Context(), testWebhook, &nylas.UpdateWebhookRequest{Description: "new"}, nylas.WithCapture(&exchanges))
	require.NoError(t, err)
	assert.JSONEq(t, `{"description":"new"}`, string(exchanges[0].RequestBody))
}

// TestCaptureWhileTheTransportStillReads is for the race detector: HTTP lets an
// answer come before the request is whole.
func TestCaptureWhileTheTransportStillReads(t *testing.T) {
	t.Parallel()
	read := make(chan struct{})
	client := newWire(t).client(t, nylas.WithRoundTripper(func(http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(r *http.Request) (*http.Response, error) {
			go func() {
				defer close(read)
				_, _ = io.Copy(io.Discard, r.Body)
			}()
			return answers(403, "{}")(r)
		})
	}))
	var exchanges []nylas.Exchange
	require.ErrorIs(t, send(t.Context(), client, nylas.WithCapture(&exchanges)), nylas.ErrForbidden)
	assert.LessOrEqual(t, len(exchanges[0].RequestBody), 1000)
	<-read
}

func TestCaptureCollects(t *testing.T) {
	t.Parallel()
	w := newWire(t, answers(200, `{"data":[]}`), answers(404, "{}"))
	client := w.client(t)
	var exchanges []nylas.Exchange
	assertEmpty(t, client.Webhooks.List(t.Context(), nylas.WithCapture(&exchanges)))
	_, err := client.Webhooks.Get(t.Context(), testWebhook, nylas.WithCapture(&exchanges))
	require.ErrorIs(t, err, nylas.ErrNotFound)
	require.Len(t, exchanges, 2)
	assert.Equal(t, "/v3/webhooks", exchanges[0].Target)
	assert.Equal(t, "/v3/webhooks/"+testWebhook, exchanges[1].Target)
	assert.Empty(t, exchanges[1].RequestBody)

	// What is refused, or ended before, is no exchange.
	_, err = client.Webhooks.Get(t.Context(), "", nylas.WithCapture(&exchanges))
	require.ErrorIs(t, err, nylas.ErrInvalidRequest)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = client.Webhooks.Get(ctx, testWebhook, nylas.WithCapture(&exchanges))
	require.ErrorIs(t, err, context.Canceled)
	assert.Len(t, exchanges, 2)
}

func TestCaptureOfAQuery(t *testing.T) {
	t.Parallel()
	msg := markedMessage()
	msg.Fields = nylas.FieldsIncludeHeaders
	var exchanges []nylas.Exchange
	_, err := newWire(t, answersFile(t, 200, messageAnswer)).client(t).Messages.Send(t.Context(), "a/b", msg, nylas.WithCapture(&exchanges))
	require.NoError(t, err)
	assert.Equal(t, "/v3/grants/a%2Fb/messages/send?fields=include_headers", exchanges[0].Target)
}

func TestCaptureOfTheCauseOfAnEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errStop)
		defer cancel()
		var exchanges []nylas.Exchange
		require.Error(t, send(ctx, newWire(t, hangs).client(t), nylas.WithCapture(&exchanges)))
		require.Len(t, exchanges, 1)
		require.ErrorIs(t, exchanges[0].Err, errStop)
		assert.Equal(t, time.Second, exchanges[0].Duration)
	})
}

func TestCaptureIntoNothingIsRefused(t *testing.T) {
	t.Parallel()
	err := send(t.Context(), newWire(t).client(t), nylas.WithCapture(nil))
	assertSentinels(t, err, nylas.ErrInvalidRequest)
	require.EqualError(t, err, "nylas: send message: WithCapture: the exchanges are nil")
}

// TestCaptureIsNotInTheWayOfAnError has a transport that reads nothing.
func TestCaptureIsNotInTheWayOfAnError(t *testing.T) {
	t.Parallel()
	errBroken := errors.New("the body is broken")
	client := newWire(t).client(t, nylas.WithRoundTripper(func(http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(r *http.Request) (*http.Response, error) {
			assert.NoError(t, r.Body.Close())
			return nil, errBroken
		})
	}))
	var exchanges []nylas.Exchange
	require.ErrorIs(t, send(t.Context(), client, nylas.WithCapture(&exchanges), nylas.WithoutRetry()), errBroken)
	require.ErrorIs(t, exchanges[0].Err, errBroken)
	assert.Zero(t, exchanges[0].RequestSize)
}
