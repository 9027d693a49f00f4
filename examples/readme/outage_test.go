package readme_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/engagement"
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
