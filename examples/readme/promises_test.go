package readme_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
)

// readme:begin outcome
func sendOnce(
	ctx context.Context, client *nylas.Client, grantID, key string, req *nylas.SendMessageRequest,
) (*nylas.Message, error) {
	message, err := client.Messages.Send(ctx, grantID, req,
		nylas.WithIdempotencyKey(key), nylas.WithMark("key5"))
	if !errors.Is(err, nylas.ErrOutcomeUnknown) {
		return message, err // it was sent, or it was not: that is known
	}
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	found, lookErr := client.Messages.FindSent(look, grantID, nylas.MarkOf("key5", key))
	if lookErr != nil || len(found) == 0 {
		return nil, errors.Join(err, lookErr) // ask again in some minutes, with the same key
	}
	return found[0], nil // it was sent; more than one means: more than once
}

// readme:end

func TestSendOnce(t *testing.T) {
	t.Parallel()
	req := &nylas.SendMessageRequest{To: []nylas.Participant{{Email: "kim@example.org"}}, Subject: "Your trial"}
	lost := nylastest.GatewayAnswer(http.StatusGatewayTimeout)
	for name, c := range map[string]struct {
		fault nylastest.Fault
		mails int
	}{
		"the answer was lost":  {nylastest.Fault{Endpoint: nylastest.EndpointSend, After: lost}, 1},
		"the request was lost": {nylastest.Fault{Endpoint: nylastest.EndpointSend, Before: lost}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := nylastest.NewServer(t)
			client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()), nylas.WithRetryPolicy(nylas.RetryPolicy{MaxAttempts: 1}))
			require.NoError(t, err)
			require.NoError(t, server.Inject(c.fault))
			message, err := sendOnce(t.Context(), client, server.GrantID(), "order-7", req)
			require.Len(t, server.Messages(), c.mails)
			if c.mails == 0 {
				require.ErrorIs(t, err, nylas.ErrOutcomeUnknown)
				message, err = sendOnce(t.Context(), client, server.GrantID(), "order-7", req)
			}
			require.NoError(t, err)
			require.Len(t, server.Messages(), 1)
			assert.Equal(t, server.Messages()[0].ID, message.ID)
		})
	}
}
