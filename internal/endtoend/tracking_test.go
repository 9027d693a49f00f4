package endtoend_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

// What the client sends is tracked as CheckTracking says. Package preflight compares the
// check and the emulator in detail.
func TestLoopCheckAndSend(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		body := `<p><a href="https://acme.dev/1">1</a> <a href="http://acme.dev/2">2</a><a href="mailto:kim@acme.dev">3</a>` +
			`<a href="/4">4</a><a>5</a><a href="https://u:p@acme.dev/6">6</a><a href=https://acme.dev/7?a=b&amp;c=d>7</a></p>`
		set := func(r *nylas.SendMessageRequest) { r.Body = body }
		message, err := l.send(set)
		require.NoError(t, err)
		sent := l.nylas.Messages()[0]
		assert.Equal(t, []string{"https://acme.dev/1", "mailto:kim@acme.dev", "https://acme.dev/7?a=b&c=d"}, targets(sent))
		report := nylas.CheckTracking(tracked(body))
		assert.Equal(t, []int{3, 3, 1}, []int{report.Eligible, report.Skipped, report.Unknown})

		stripped := nylas.StripPixel(sent.Body, "127.0.0.1", hostname(l.nylas.URL()))
		before, _, hasPixel := strings.Cut(sent.Body, "<img")
		assert.True(t, hasPixel)
		assert.Equal(t, before, stripped)
		assert.NotEmpty(t, message.ID)

		for _, refused := range []string{`<a href="https://example.com/">x</a>`, strings.Repeat(`<a href="https://acme.dev/">x</a>`, 101)} {
			assert.True(t, nylas.CheckTracking(tracked(refused)).Refused())
			_, err := l.send(func(r *nylas.SendMessageRequest) { r.Body = refused })
			require.Error(t, err)
			assert.True(t, errors.Is(err, nylas.ErrLinkRejected) || errors.Is(err, nylas.ErrTooManyLinks))
		}
	})
}

// tracked is a message with this body, of which everything is tracked.
func tracked(body string) *nylas.SendMessageRequest {
	return &nylas.SendMessageRequest{
		To: toKim(), Body: body, TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true},
	}
}

func hostname(rawURL string) string {
	_, rest, _ := strings.Cut(rawURL, "://")
	host, _, _ := strings.Cut(rest, ":")
	return host
}

func targets(message nylastest.Message) []string {
	all := []string{}
	for _, link := range message.Links {
		all = append(all, link.URL)
	}
	return all
}

// A message of which the policy leaves nothing is sent untracked, and one that is
// sent after somebody agreed is tracked.
func TestLoopTrackingPolicy(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		answer := nylas.ConsentUnknown
		client := l.newClient(l.nylas.APIKey(), nylas.WithTrackingPolicy(nylas.TrackingPolicy{
			Unknown: nylas.ConsentDenied,
			Consent: func(context.Context, nylas.Participant, nylas.TrackingKind) (nylas.Consent, error) {
				return answer, nil
			},
		}))
		var resp nylas.Response
		_, err := l.sendBy(client, []nylas.RequestOption{nylas.WithResponse(&resp)})
		require.NoError(t, err)
		assert.Equal(t, nylastest.Tracking{}, l.nylas.Messages()[0].Tracking)
		assert.Empty(t, l.nylas.Messages()[0].Links)
		assert.Len(t, resp.Tracking, 3)

		answer = nylas.ConsentGranted
		_, err = l.sendBy(client, []nylas.RequestOption{nylas.WithResponse(&resp)})
		require.NoError(t, err)
		assert.Equal(t, nylastest.Tracking{Opens: true, Links: true, ThreadReplies: true, Label: "trial-followup-q2"}, l.nylas.Messages()[1].Tracking)
		assert.Len(t, resp.Tracking, 3)
		assert.Equal(t, http.StatusOK, resp.StatusCode)
	})
}

// A label comes back as it was sent.
func TestLoopLabel(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		values := map[string]string{"campaign": "trial q2 – Größe & <more>", "contact": "42", "raw": "\xff\n%"}
		var got map[string]string
		l.receive(&receive.Dispatcher{MessageOpened: func(_ context.Context, _ *events.Notification, opened *events.MessageOpened) error {
			got, _ = nylas.DecodeLabel(opened.Label)
			return nil
		}})
		label, err := nylas.EncodeLabel(values)
		require.NoError(t, err)
		message, err := l.send(func(r *nylas.SendMessageRequest) { r.TrackingOptions.Label = label })
		require.NoError(t, err)
		require.NoError(t, l.recipient(message).Open(t.Context()))
		require.NoError(t, l.nylas.Wait(t.Context()))
		assert.Equal(t, values, got)
	})
}
