package endtoend_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
)

// A send takes longer than the client waits for it, under each reading of what Nylas
// makes of that. The client's word on a second mail fits what was really sent: it may
// warn of one too many, and never keeps silent about one.
func TestLoopDisconnectedSend(t *testing.T) {
	for name, tt := range map[string]struct {
		readings nylastest.Readings
		mails    int
		possible bool
		replayed bool
	}{
		"sent, key cleared": {mails: 2, possible: true},
		"sent, key kept":    {readings: nylastest.Readings{KeepDisconnectedKey: true}, mails: 1, replayed: true},
		"stopped, key cleared": {
			readings: nylastest.Readings{StopDisconnectedSend: true}, mails: 1, possible: true, // nobody can tell
		},
	} {
		t.Run(name, func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loop) {
				l.inject(nylastest.Fault{
					Endpoint: nylastest.EndpointSend,
					Hold:     func(context.Context) { <-time.After(time.Minute) },
				})
				var log bytes.Buffer
				client := l.newClient(l.nylas.APIKey(), nylas.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
				var resp nylas.Response
				_, err := l.sendBy(client, []nylas.RequestOption{nylas.WithTimeout(30 * time.Second), nylas.WithResponse(&resp)})
				require.NoError(t, err)
				<-time.After(time.Hour)
				assert.Len(t, l.nylas.Messages(), tt.mails)
				assert.Equal(t, tt.possible, resp.SecondMailPossible)
				assert.Equal(t, tt.replayed, resp.Replayed)
				assert.Equal(t, tt.possible, bytes.Contains(log.Bytes(), []byte(`level=WARN msg="nylas: a second mail is possible"`)))
			}, nylastest.WithReadings(tt.readings))
		})
	}
	t.Run("stopped, key kept", func(t *testing.T) {
		inLoop(t, func(t *testing.T, l *loop) {
			l.inject(nylastest.Fault{
				Endpoint: nylastest.EndpointSend,
				Hold:     func(context.Context) { <-time.After(time.Minute) },
			})
			_, err := l.sendBy(l.client, []nylas.RequestOption{nylas.WithTimeout(30 * time.Second)})
			require.ErrorIs(t, err, nylas.ErrOutcomeUnknown)
			assert.Empty(t, l.nylas.Messages())
		}, nylastest.WithReadings(nylastest.Readings{StopDisconnectedSend: true, KeepDisconnectedKey: true}))
	})
}

// The answer is lost after the send has ended: it is repeated, and there is one mail.
func TestLoopLostAnswerIsNoSecondMail(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		l.inject(nylastest.Fault{Endpoint: nylastest.EndpointSend, After: nylastest.Disconnect()})
		var resp nylas.Response
		_, err := l.sendBy(l.client, []nylas.RequestOption{nylas.WithResponse(&resp)})
		require.NoError(t, err)
		assert.True(t, resp.Replayed)
		assert.False(t, resp.SecondMailPossible)
		assert.Len(t, l.nylas.Messages(), 1)
	})
}

// The content changes between two calls with the same key, and the first one had sent the
// message. Nobody says that nothing was sent.
func TestLoopChangedContentAfterALostAnswer(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		l.inject(nylastest.Fault{Endpoint: nylastest.EndpointSend, After: nylastest.Disconnect()})
		key := nylas.WithIdempotencyKey("order-4711")
		_, err := l.sendBy(l.client, []nylas.RequestOption{key, nylas.WithoutRetry()})
		require.ErrorIs(t, err, nylas.ErrOutcomeUnknown)

		_, err = l.sendBy(l.client, []nylas.RequestOption{key}, func(r *nylas.SendMessageRequest) { r.TrackingOptions = nil })
		require.ErrorIs(t, err, nylas.ErrIdempotencyConflict)
		require.ErrorIs(t, err, nylas.ErrOutcomeUnknown)
		var failed *nylas.Error
		require.ErrorAs(t, err, &failed)
		assert.False(t, failed.NeedsNewKey)
		assert.NotContains(t, err.Error(), "nothing was sent")
		assert.Len(t, l.nylas.Messages(), 1)
	})
}
