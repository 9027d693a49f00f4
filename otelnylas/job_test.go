package otelnylas_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/otelnylas"
	"github.com/nylastrack/nylas-go/receive"
)

// The whole job, with calls and deliveries that fail, records what it says and nothing secret.
// Outside of the bubble no goroutine is left.
func TestNothingSecretIsRecorded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, network := newTelescope(t), nylastest.NewNetwork()
		server := nylastest.NewServer(t, nylastest.WithNetwork(network))
		client := connect(t, s, network, server, server.URL())
		nobody := connect(t, s, network, server, "http://nobody.test")

		var ids []string
		failed := false
		handler := receive.HandlerFunc(func(_ context.Context, d *receive.Delivery) error {
			ids = append(ids, d.ID)
			if !failed {
				failed = true
				return errors.New("no row for kim@example.org")
			}
			return nil
		})
		secrets := new(receive.MemorySecrets)
		receiver, err := receive.New(otelnylas.Handler(handler, s.options()...), secrets)
		require.NoError(t, err)
		mux := http.NewServeMux()
		mux.Handle("/webhooks/nylas", otelnylas.Receiver(receiver, s.options()...))
		listener, err := network.Listen("app.test")
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- receive.Serve(ctx, listener, mux) }()

		webhook, err := client.Subscribe(ctx, &nylas.SubscribeRequest{URL: "http://app.test/webhooks/nylas", Types: events.TrackingTypes(), Secrets: secrets})
		require.NoError(t, err)
		request := mail()
		request.TrackingOptions = &nylas.TrackingOptions{Opens: true, Label: "the-label"}
		message, err := client.Messages.Send(ctx, server.GrantID(), request, nylas.WithIdempotencyKey("the-idempotency-key"))
		require.NoError(t, err)
		_, err = client.Messages.Get(ctx, server.GrantID(), "no-such-message", nil)
		require.ErrorIs(t, err, nylas.ErrNotFound)
		_, err = nobody.Messages.Send(ctx, "kim@example.org", mail(), nylas.WithoutRetry())
		require.Error(t, err)
		kim, err := server.Recipient(message.ID)
		require.NoError(t, err)
		require.NoError(t, kim.Open(ctx))
		require.NoError(t, server.Wait(ctx))
		stop()
		require.NoError(t, <-served)

		assert.Len(t, s.named(sendSpan), 2)
		assert.Len(t, s.named("process message.opened"), 2, "one failed, and its retry")
		posts := s.named("POST /webhooks/nylas")
		require.Len(t, posts, 2)
		assert.Equal(t, posts[0].SpanContext().SpanID(), s.named("process message.opened")[0].Parent().SpanID())
		assert.Len(t, s.named("GET /webhooks/nylas"), 1, "the challenge")

		state, err := secrets.Load(t.Context())
		require.NoError(t, err)
		require.NotEmpty(t, ids)
		recorded := s.everything()
		require.Contains(t, recorded, "/v3/grants/{grant_id}/messages/send", "nothing was looked at")
		require.NotEmpty(t, state.Secrets)
		private := slices.Concat(ids, []string{
			state.Secrets[0].Value,
			server.APIKey(), server.GrantID(), message.ID, message.ThreadID, webhook.ID, "the-idempotency-key", "no-such-message",
			"kim@", "Your trial", "Hello Kim", "the-label", "challenge=", "Bearer", "127.0.0.1", "no row for",
		})
		for _, text := range private {
			require.NotEmpty(t, text)
			assert.NotContains(t, recorded, text)
		}
	})
}

// It sets the global providers, which all other tests here leave alone.
func TestTheGlobalProvidersAreTheDefault(t *testing.T) {
	s := newTelescope(t)
	otel.SetTracerProvider(s.tracers)
	otel.SetMeterProvider(s.meters)
	next := roundTripFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusNoContent}, nil
	})
	transport := otelnylas.Transport(otelnylas.WithTracerProvider(nil), otelnylas.WithMeterProvider(nil))(next)
	_, err := transport.RoundTrip(request(t, "GET", "https://api.example.com/v3"))
	require.NoError(t, err)
	assert.Equal(t, "GET", s.only().Name())
	assert.Len(t, s.counts("http.client.request.duration"), 1)
}
