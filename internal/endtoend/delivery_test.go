package endtoend_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

// arrivals is what a handler was told of the delivery of messages, by grant and message.
type arrivals struct {
	mu  sync.Mutex
	all map[[2]string][]engagement.Delivery
}

// learn receives what tells of tracking and of delivery, and counts the events.
func (l *loop) learn() (*arrivals, func() int) {
	l.t.Helper()
	a := &arrivals{all: map[[2]string][]engagement.Delivery{}}
	happened := 0
	handler, err := engagement.NewHandler(engagement.NewLedger(engagement.NewMemoryStore()), nil,
		func(context.Context, engagement.Event, engagement.Verdict) error {
			a.mu.Lock()
			defer a.mu.Unlock()
			happened++
			return nil
		},
		engagement.WithDelivery(func(_ context.Context, grantID, messageID string, d engagement.Delivery) error {
			a.mu.Lock()
			defer a.mu.Unlock()
			key := [2]string{grantID, messageID}
			a.all[key] = append(a.all[key], d)
			return nil
		}))
	require.NoError(l.t, err)
	l.receive(handler, func(r *nylas.CreateWebhookRequest) {
		r.TriggerTypes = slices.Concat(events.TrackingTypes(), events.DeliveryTypes())
	})
	return a, func() int {
		a.mu.Lock()
		defer a.mu.Unlock()
		return happened
	}
}

// of waits until everything is delivered, and returns what was told of a message since the
// last call.
func (a *arrivals) of(l *loop, grantID, messageID string) []engagement.Delivery {
	l.t.Helper()
	require.NoError(l.t, l.nylas.Wait(l.t.Context()))
	a.mu.Lock()
	defer a.mu.Unlock()
	key := [2]string{grantID, messageID}
	told := a.all[key]
	delete(a.all, key)
	assert.Empty(l.t, a.all, "of other messages")
	return told
}

var (
	arrived = []engagement.Delivery{engagement.Delivered}
	bounced = []engagement.Delivery{engagement.Bounced}
)

// Of a connected mailbox only bounces are known, and one handler learns them and the opens.
func TestLoopDeliveryOfAConnectedMailbox(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		told, happened := l.learn()
		message, err := l.send()
		require.NoError(t, err)
		assert.Empty(t, told.of(l, message.GrantID, message.ID))
		require.NoError(t, l.recipient(message).Open(t.Context()))
		require.NoError(t, l.recipient(message).Bounce(t.Context(), "mailbox_unavailable"))
		assert.Equal(t, bounced, told.of(l, message.GrantID, message.ID))
		assert.Equal(t, 1, happened())

		several, err := l.send(func(r *nylas.SendMessageRequest) {
			r.CC = []nylas.Participant{{Email: "lee@example.org"}}
		})
		require.NoError(t, err)
		require.NoError(t, l.recipient(several).WithAddress("lee@example.org").Bounce(t.Context(), ""))
		assert.Empty(t, told.of(l, several.GrantID, several.ID), "the other one may have it")
	})
}

func TestLoopDeliveryOfAnAgentAccount(t *testing.T) {
	agentLoop(t, func(t *testing.T, l *loop, agent string) {
		ctx := t.Context()
		told, _ := l.learn()
		send := func(to, subject string) *nylas.Message {
			message, err := l.client.Messages.Send(ctx, agent, &nylas.SendMessageRequest{
				To: []nylas.Participant{{Email: to}}, Subject: subject, Body: "<p>Hello</p>", TrackingOptions: &nylas.TrackingOptions{Opens: true},
			})
			require.NoError(t, err)
			return message
		}
		message := send("kim@example.org", "Hello")
		assert.Equal(t, arrived, told.of(l, agent, message.ID))
		require.NoError(t, l.recipient(message).Bounce(ctx, "MailboxFull"))
		assert.Empty(t, told.of(l, agent, message.ID), "not for good")
		require.NoError(t, l.recipient(message).Bounce(ctx, ""))
		assert.Equal(t, bounced, told.of(l, agent, message.ID))

		nowhere := send("gone@bounce.nylas.test", "Hello")
		assert.Equal(t, bounced, told.of(l, agent, nowhere.ID))
		virus := send("kim@example.org", "EICAR-STANDARD-ANTIVIRUS-TEST-FILE")
		assert.Equal(t, bounced, told.of(l, agent, virus.ID))
	})
}

func TestLoopDeliveryOfTransactionalMail(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx := t.Context()
		told, _ := l.learn()
		message, err := l.client.Transactional.Send(ctx, testDomain, &nylas.SendTransactionalRequest{
			To: toKim(), From: nylas.Participant{Email: "hello@" + testDomain}, Body: "<p>Hello</p>",
		})
		require.NoError(t, err)
		recipient := l.recipient(message)
		assert.Equal(t, arrived, told.of(l, "", message.ID))
		require.NoError(t, recipient.Bounce(ctx, "General"))
		assert.Equal(t, bounced, told.of(l, "", message.ID))
	}, nylastest.WithSendingDomains(testDomain))
}
