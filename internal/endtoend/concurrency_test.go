package endtoend_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
)

// TestLoopHundredGoroutines has one client, with all its options, do everything
// at once: for the race detector, and for answers and keys that mix.
func TestLoopHundredGoroutines(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		const goroutines = 100
		listener, err := l.network.Listen("app.test")
		require.NoError(t, err)
		endpoint := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.URL.Query().Get("challenge"))
		})}
		go func() { _ = endpoint.Serve(listener) }()
		t.Cleanup(func() { _ = endpoint.Close() })

		var logged lineCounter
		logger := slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
		client := l.newClient(l.nylas.APIKey(), nylas.WithLogger(logger), nylas.WithTimeout(time.Minute),
			nylas.WithRateLimit(nylas.RateLimits{ApplicationCalls: 500}),
			nylas.WithRetryPolicy(nylas.RetryPolicy{BaseDelay: time.Millisecond}))
		shared := []nylas.RequestOption{nylas.WithHeader("X-Shared", "1"), nylas.WithTimeout(30 * time.Second)}
		start := time.Now()
		var running sync.WaitGroup
		attempts, failed := make([]int, goroutines), make([]error, goroutines)
		for i := range goroutines {
			running.Go(func() {
				var exchanges []nylas.Exchange
				opts := slices.Concat(shared, []nylas.RequestOption{
					nylas.WithCapture(&exchanges), nylas.WithHeader("X-Goroutine", fmt.Sprint(i)),
				})
				failed[i] = errors.Join(l.sendAsOneOfMany(client, i, opts), l.useWebhooksAsOneOfMany(client, i, opts))
				for _, call := range calls() {
					_ = call.do(t.Context(), client, opts...) // the ids are unknown; what comes back, others test
				}
				for _, exchange := range exchanges {
					assert.NotZero(t, exchange.StatusCode)
					assert.Equal(t, fmt.Sprint(i), exchange.RequestHeader.Get("X-Goroutine"))
					assert.Equal(t, "1", exchange.RequestHeader.Get("X-Shared"))
				}
				attempts[i] = len(exchanges)
			})
		}
		running.Wait()
		require.NoError(t, errors.Join(failed...))

		sum := 0
		for _, n := range attempts {
			sum += n
		}
		assert.EqualValues(t, sum, logged.Load())
		keys := map[string]bool{}
		for _, message := range l.nylas.Messages() {
			keys[message.IdempotencyKey] = true
		}
		assert.Len(t, keys, goroutines)
		assert.GreaterOrEqual(t, time.Since(start), goroutines*8*2*time.Millisecond, "the rate limit holds for all of them together")
	})
}

// lineCounter counts the records of a slog handler, which writes each by one call.
type lineCounter struct{ atomic.Int64 }

func (c *lineCounter) Write(p []byte) (int, error) {
	c.Add(1)
	return len(p), nil
}

// sendAsOneOfMany sends a message of its own and looks whether it gets its own
// answer.
func (l *loop) sendAsOneOfMany(client *nylas.Client, i int, opts []nylas.RequestOption) error {
	subject := fmt.Sprint("subject ", i)
	var response nylas.Response
	message, err := l.sendBy(client, append(opts, nylas.WithResponse(&response)), func(r *nylas.SendMessageRequest) {
		r.Subject = subject
	})
	if err != nil {
		return err
	}
	sent, _ := l.nylas.Message(message.ID)
	if message.Subject != subject || sent.IdempotencyKey != response.IdempotencyKey {
		return fmt.Errorf("%q got the answer to %q, with the key of another send or not", subject, message.Subject)
	}
	return nil
}

// useWebhooksAsOneOfMany goes through the life of a destination of its own.
func (l *loop) useWebhooksAsOneOfMany(client *nylas.Client, i int, opts []nylas.RequestOption) error {
	ctx, url := l.t.Context(), fmt.Sprintf("http://app.test/%d", i)
	created, err := client.Webhooks.Create(ctx, &nylas.CreateWebhookRequest{
		TriggerTypes: []events.Type{events.TypeMessageSendFailed}, WebhookURL: url,
	}, opts...)
	if err != nil {
		return err
	}
	id, found := created.ID, 0
	for webhook, err := range client.Webhooks.List(ctx, opts...) {
		if err != nil {
			return err
		}
		if webhook.ID == id {
			found++
		}
	}
	got, errGet := client.Webhooks.Get(ctx, id, opts...)
	updated, errUpdate := client.Webhooks.Update(ctx, id, &nylas.UpdateWebhookRequest{Description: url}, opts...)
	rotated, errRotate := client.Webhooks.RotateSecret(ctx, id, opts...)
	_, errMock := client.Webhooks.MockPayload(ctx, events.TypeMessageOpened, opts...)
	errTest := client.Webhooks.SendTestEvent(ctx, &nylas.SendTestEventRequest{
		TriggerType: events.TypeMessageOpened, WebhookURL: url,
	}, opts...)
	errDelete := client.Webhooks.Delete(ctx, id, opts...)
	if err := errors.Join(errGet, errUpdate, errRotate, errMock, errTest, errDelete); err != nil {
		return err
	}
	if found != 1 || created.WebhookURL != url || got.WebhookURL != url || updated.Description != url ||
		rotated.WebhookURL != url || rotated.WebhookSecret == created.WebhookSecret {
		return fmt.Errorf("%s got the answer to another destination", url)
	}
	return nil
}
