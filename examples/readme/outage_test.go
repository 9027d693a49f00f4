package readme_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

// No webhook exists while the replies come. The program finds them twice, and is told of each
// once.
func TestAfterAnOutage(t *testing.T) {
	t.Parallel()
	ctx, server := t.Context(), nylastest.NewServer(t)
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	require.NoError(t, err)
	outage := time.Now()
	var want, told []string
	for i := range 2 {
		message, err := client.Messages.Send(ctx, server.GrantID(), &nylas.SendMessageRequest{
			To: []nylas.Participant{{Email: "kim@example.org"}}, Subject: fmt.Sprint("Trial ", i),
			TrackingOptions: &nylas.TrackingOptions{ThreadReplies: true},
		})
		require.NoError(t, err)
		recipient, err := server.Recipient(message.ID)
		require.NoError(t, err)
		reply, err := recipient.Reply(ctx)
		require.NoError(t, err)
		want = append(want, reply)
	}
	handler, err := engagement.NewHandler(engagement.NewLedger(engagement.NewMemoryStore()), nil,
		func(_ context.Context, e engagement.Event, _ engagement.Verdict) error {
			told = append(told, e.ReplyID)
			return nil
		})
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, afterOutage(ctx, client, handler, server.GrantID(), outage))
	}
	assert.ElementsMatch(t, want, told)
}

func afterOutage(ctx context.Context, client *nylas.Client, handler receive.Handler, grantID string, outage time.Time) error {
	// readme:begin outage
	for missed, err := range client.MissedReplies(ctx, grantID, outage) {
		if err != nil {
			return err
		}
		body, err := missed.MarshalJSON()
		if err != nil {
			return err
		}
		if err := handler.HandleDelivery(ctx, receive.NewDelivery(body, "")); err != nil {
			return err
		}
	}
	// readme:end
	return nil
}

// A handler fails for good, is corrected, and gets the dead letter again.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	died := make(chan string, 1)
	box, err := inbox.Open(filepath.Join(t.TempDir(), "nylas.db"), inbox.WithHooks(inbox.Hooks{
		Died: func(d *receive.Delivery, _ int, _ error) { died <- d.ID },
	}))
	require.NoError(t, err)
	body, err := json.Marshal(nylastest.NewNotification(events.TypeMessageOpened))
	require.NoError(t, err)
	delivery := receive.NewDelivery(body, "")
	require.NoError(t, box.HandleDelivery(ctx, delivery))
	var broken atomic.Bool
	broken.Store(true)
	handled, done := make(chan string, 1), make(chan error, 1)
	go func() {
		done <- box.Run(ctx, receive.HandlerFunc(func(_ context.Context, d *receive.Delivery) error {
			if broken.Load() {
				return receive.Permanent(errors.New("no such column"))
			}
			handled <- d.ID
			return nil
		}))
	}()
	assert.Equal(t, delivery.ID, <-died)
	broken.Store(false)
	require.NoError(t, requeue(ctx, box))
	assert.Equal(t, delivery.ID, <-handled)
	stop()
	require.NoError(t, errors.Join(<-done, box.Close()))
}

func requeue(ctx context.Context, box *inbox.Inbox) error {
	// readme:begin dead
	var ids []string
	for letter, err := range box.Dead(ctx) {
		if err != nil {
			return err
		}
		log.Printf("%s failed %d times: %s", letter.Delivery.ID, letter.Attempts, letter.Err)
		ids = append(ids, letter.Delivery.ID)
	}
	if err := box.Requeue(ctx, ids...); err != nil { // handled again, from the first attempt
		return err
	}
	// readme:end
	return nil
}
