package endtoend_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
)

// An answer is lost, before or after the message was sent.
// The mark of the error tells which it was.
func TestLoopLookBeforeSendingAgain(t *testing.T) {
	lost := nylastest.GatewayAnswer(http.StatusGatewayTimeout)
	for name, tt := range map[string]struct {
		faults []nylastest.Fault
		sent   int
	}{
		"after it was sent":  {[]nylastest.Fault{{Endpoint: nylastest.EndpointSend, Times: 4, After: lost}}, 1},
		"before it was sent": {[]nylastest.Fault{{Endpoint: nylastest.EndpointSend, Times: 4, Before: lost}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loop) {
				client := l.newClient(l.nylas.APIKey(), nylas.WithMark("key5"))
				_, err := l.sendBy(client, nil)
				require.NoError(t, err, "another message, with another mark")
				l.inject(tt.faults...)
				_, err = l.sendBy(client, nil, func(r *nylas.SendMessageRequest) { r.Metadata = map[string]string{"deal": "7"} })
				require.ErrorIs(t, err, nylas.ErrOutcomeUnknown)
				failed, _ := errors.AsType[*nylas.Error](err)
				assert.Equal(t, 4, failed.Attempts)
				assert.Equal(t, nylas.MarkOf("key5", failed.IdempotencyKey), failed.Mark)

				found, err := client.Messages.FindSent(t.Context(), l.nylas.GrantID(), failed.Mark)
				require.NoError(t, err)
				require.Len(t, found, tt.sent)
				if tt.sent == 1 {
					assert.Equal(t, l.nylas.Messages()[1].ID, found[0].ID)
					assert.Equal(t, map[string]string{"deal": "7", "key5": strings.TrimPrefix(failed.Mark, "key5:")}, l.nylas.Messages()[1].Metadata)
				}

				// The same key and the same bytes: no conflict, and one message in all.
				_, err = l.sendBy(client, []nylas.RequestOption{nylas.WithIdempotencyKey(failed.IdempotencyKey)},
					func(r *nylas.SendMessageRequest) { r.Metadata = map[string]string{"deal": "7"} })
				require.NoError(t, err)
				assert.Len(t, l.nylas.Messages(), 2)
				found, err = client.Messages.FindSent(t.Context(), l.nylas.GrantID(), failed.Mark)
				require.NoError(t, err)
				assert.Len(t, found, 1)
			})
		})
	}
}

// After the hour for which Nylas knows a key, the same key sends a second mail, and
// FindSent shows both.
func TestLoopFindsBothOfTwoMails(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		opts := []nylas.RequestOption{nylas.WithMark("key1"), nylas.WithIdempotencyKey("order-7")}
		for range 2 {
			_, err := l.sendBy(l.client, opts)
			require.NoError(t, err)
			<-time.After(time.Hour)
		}
		found, err := l.client.Messages.FindSent(t.Context(), l.nylas.GrantID(), nylas.MarkOf("key1", "order-7"))
		require.NoError(t, err)
		require.Len(t, found, 2)
		assert.Equal(t, l.nylas.Messages()[0].ID, found[0].ID)
		assert.Equal(t, l.nylas.Messages()[1].ID, found[1].ID)
	})
}
