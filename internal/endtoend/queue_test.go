package endtoend_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

// Two Agent Accounts send too fast. What is queued is delivered or fails later, and
// notifications tell which.
func TestLoopQueuedSends(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx := t.Context()
		var mu sync.Mutex
		outcomes := map[string]string{}
		l.receive(&receive.Dispatcher{
			MessageDelivered: func(_ context.Context, _ *events.Notification, d *events.MessageDelivered) error {
				mu.Lock()
				defer mu.Unlock()
				outcomes[d.Message.ID] = "delivered"
				return nil
			},
			MessageSendFailed: func(_ context.Context, _ *events.Notification, d *events.MessageSendFailed) error {
				mu.Lock()
				defer mu.Unlock()
				outcomes[d.Message.ID] = "failed"
				return nil
			},
		}, func(r *nylas.CreateWebhookRequest) {
			r.TriggerTypes = []events.Type{events.TypeMessageDelivered, events.TypeMessageSendFailed}
		})
		known := func() map[string]string {
			mu.Lock()
			defer mu.Unlock()
			return maps.Clone(outcomes)
		}
		agents := []string{l.nylas.AddAgentAccount("News", "news@acme.dev"), l.nylas.AddAgentAccount("Sales", "sales@acme.dev")}
		l.inject(
			nylastest.Fault{Endpoint: nylastest.EndpointQueuedSend, Hold: func(context.Context) {}},
			nylastest.Fault{Endpoint: nylastest.EndpointQueuedSend, Inside: nylastest.ErrorAnswer(550, "api.provider_error", "refused")},
		)
		var ids []string
		for i, queued := range []bool{false, true, true} {
			message, err := l.client.Messages.Send(ctx, agents[i%2], &nylas.SendMessageRequest{
				To: toKim(), Fields: nylas.FieldsIncludeBasicHeaders,
			})
			require.NoError(t, err)
			assert.Equal(t, queued, message.Queued)
			assert.Equal(t, queued, message.Headers == nil)
			ids = append(ids, message.ID)
		}
		require.NoError(t, l.nylas.Wait(ctx))
		assert.Equal(t, map[string]string{ids[0]: "delivered"}, known())
		<-time.After(2500 * time.Millisecond)
		require.NoError(t, l.nylas.Wait(ctx))
		assert.Equal(t, map[string]string{ids[0]: "delivered", ids[1]: "delivered", ids[2]: "failed"}, known())

		connected, err := l.client.Messages.Send(ctx, l.nylas.GrantID(), &nylas.SendMessageRequest{To: toKim()})
		require.NoError(t, err)
		assert.False(t, connected.Queued)
	}, nylastest.WithAgentSendLimit(1))
}

// A draft that Get returns may be queued. Its metadata finds the message once it is sent.
func TestLoopQueuedDraft(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx, drafts, agent := t.Context(), l.client.Drafts, l.nylas.AddAgentAccount("News", "news@acme.dev")
		_, err := l.client.Messages.Send(ctx, agent, &nylas.SendMessageRequest{To: toKim()})
		require.NoError(t, err)
		draft, err := drafts.Create(ctx, agent, &nylas.CreateDraftRequest{To: toKim(), Metadata: map[string]string{"key1": "order-7"}})
		require.NoError(t, err)
		message, err := drafts.Send(ctx, agent, draft.ID, nil)
		require.NoError(t, err)
		assert.True(t, message.Queued)
		_, err = drafts.Get(ctx, agent, draft.ID)
		require.NoError(t, err)
		found, err := l.client.Messages.FindSent(ctx, agent, "key1:order-7")
		require.NoError(t, err)
		assert.Empty(t, found)

		<-time.After(1500 * time.Millisecond)
		_, err = drafts.Get(ctx, agent, draft.ID)
		require.ErrorIs(t, err, nylas.ErrNotFound)
		found, err = l.client.Messages.FindSent(ctx, agent, "key1:order-7")
		require.NoError(t, err)
		require.Len(t, found, 1)
		assert.Equal(t, message.ID, found[0].ID)
	}, nylastest.WithAgentSendLimit(1))
}

// The queue is full: the client tries again when Nylas says that there is room.
func TestLoopFullQueue(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		agent := l.nylas.AddAgentAccount("News", "news@acme.dev")
		start := time.Now()
		for i := range 93 {
			var response nylas.Response
			message, err := l.client.Messages.Send(t.Context(), agent, &nylas.SendMessageRequest{To: toKim()}, nylas.WithResponse(&response))
			require.NoError(t, err)
			assert.Equal(t, i > 0, message.Queued)
			assert.Equal(t, i > 90, response.Attempts > 1, i)
		}
		assert.InDelta(t, 2*time.Second, time.Since(start), float64(time.Second))
		<-time.After(92 * time.Second)
		assert.Len(t, l.nylas.Messages(), 93)
	}, nylastest.WithAgentSendLimit(1))
}

// With the limit of the organization nothing needs the queue.
func TestLoopOrganizationSends(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		client := l.newClient(l.nylas.APIKey(), nylas.WithRateLimit(nylas.RateLimits{OrganizationSends: 5}))
		var sends sync.WaitGroup
		for i := range 4 {
			agent := l.nylas.AddAgentAccount("", fmt.Sprintf("agent%d@acme.dev", i))
			for range 5 {
				sends.Go(func() {
					message, err := client.Messages.Send(t.Context(), agent, &nylas.SendMessageRequest{To: toKim()})
					if assert.NoError(t, err) {
						assert.False(t, message.Queued)
					}
				})
			}
		}
		sends.Wait()
		assert.Len(t, l.nylas.Messages(), 20)
	}, nylastest.WithAgentSendLimit(5))
}
