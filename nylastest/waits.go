package nylastest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/nylastrack/nylas-go/events"
)

// Wanted says which delivery is meant. Every field that is set must agree; the zero Wanted is
// any delivery.
type Wanted struct {
	Type events.Type
	// MessageID is the sent message that the notification is about; of a reply, the first
	// message with reply tracking in its thread.
	MessageID string
	Label     string
	WebhookID string
	// Nth is which of them is meant, from 1; 0 means 1. Each notification counts once for
	// each webhook, however often it was delivered.
	Nth int
}

// String describes what is wanted, such as "message.opened, label "trial"".
func (w Wanted) String() string {
	var parts []string
	for _, part := range []struct{ name, value string }{
		{"", string(w.Type)}, {"message ", w.MessageID}, {"label ", w.Label}, {"webhook ", w.WebhookID},
	} {
		if part.value != "" {
			parts = append(parts, part.name+part.value)
		}
	}
	if len(parts) == 0 {
		parts = append(parts, "any notification")
	}
	if w.Nth > 1 {
		parts = append(parts, fmt.Sprintf("number %d of them", w.Nth))
	}
	return strings.Join(parts, ", ")
}

// in returns the delivery that is wanted, if it was made: one that was answered 200, or with a
// number of an attempt that attempt, whatever was answered.
func (w *Wanted) in(log []DeliveryAttempt, attempt int) (DeliveryAttempt, bool) {
	type counted struct{ notification, webhook string }
	seen := make(map[counted]bool)
	for _, d := range log {
		if attempt == 0 && d.Status != http.StatusOK || attempt > 0 && d.Attempt != attempt || w.Type != "" && d.Type != w.Type || w.WebhookID != "" && d.WebhookID != w.WebhookID ||
			!d.isAbout(w.MessageID, w.Label) {
			continue
		}
		seen[counted{d.NotificationID, d.WebhookID}] = true
		if len(seen) == max(w.Nth, 1) {
			return d, true
		}
	}
	return DeliveryAttempt{}, false
}

// isAbout reports whether a notification is about a message and has a label. Empty is any.
func (d *DeliveryAttempt) isAbout(messageID, label string) bool {
	if messageID == "" && label == "" {
		return true
	}
	return slices.ContainsFunc(d.about, func(t events.Tracked) bool {
		return (messageID == "" || t.MessageID == messageID) && (label == "" || t.Label == label)
	})
}

// WaitForDelivery waits until a webhook has answered 200 to a delivery, and returns it. One
// that was made before counts. The error is [ErrClosed] or the cause of the context's end,
// with what was waited for.
//
// The receiver of the delivery has answered then. A program behind an inbox may still be busy
// with it: wait for its effect besides.
func (s *Server) WaitForDelivery(ctx context.Context, want Wanted) (DeliveryAttempt, error) {
	delivery, err := s.waitFor(ctx, want, 0)
	if err != nil {
		return DeliveryAttempt{}, fmt.Errorf("nylastest: wait for delivery of %s: %w", want, err)
	}
	return delivery, nil
}

// WaitForAttempt waits until the server has made an attempt, the first being 1, to deliver a
// notification, and returns it, whatever the webhook has answered. One that was made before
// counts. The error is [ErrClosed] or the cause of the context's end, with what was waited
// for; or that attempt is not from 1 to 3.
//
// Use it to do something between two attempts: to rotate a secret, to end an outage.
func (s *Server) WaitForAttempt(ctx context.Context, want Wanted, attempt int) (DeliveryAttempt, error) {
	if attempt < 1 || attempt > maxAttempts {
		return DeliveryAttempt{}, fmt.Errorf("nylastest: wait for attempt %d: there are attempts 1 to %d", attempt, maxAttempts)
	}
	delivery, err := s.waitFor(ctx, want, attempt)
	if err != nil {
		return DeliveryAttempt{}, fmt.Errorf("nylastest: wait for attempt %d to deliver %s: %w", attempt, want, err)
	}
	return delivery, nil
}

func (s *Server) waitFor(ctx context.Context, want Wanted, attempt int) (DeliveryAttempt, error) {
	for {
		delivery, ok, more := s.courier.find(&want, attempt)
		if ok {
			return delivery, nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return DeliveryAttempt{}, context.Cause(ctx)
		case <-s.tasks.ctx.Done():
			return DeliveryAttempt{}, ErrClosed
		}
	}
}

// find returns a delivery, or else a channel that is closed at the next one.
func (c *courier) find(want *Wanted, attempt int) (delivery DeliveryAttempt, ok bool, more <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if delivery, ok = want.in(c.log.entries, attempt); !ok && c.more == nil {
		c.more = make(chan struct{})
	}
	return delivery, ok, c.more
}

// RequireDelivered waits as [Server.Wait] does, with the context of the test, and ends the test
// with the history of the server if a webhook has not answered 200 to each of these
// deliveries.
func (s *Server) RequireDelivered(tb testing.TB, wanted ...Wanted) []DeliveryAttempt {
	tb.Helper()
	s.require(tb)
	log := s.Deliveries()
	found := make([]DeliveryAttempt, len(wanted))
	for i, want := range wanted {
		delivery, ok := want.in(log, 0)
		if !ok {
			tb.Fatalf("nylastest: not delivered: %s\n%s", want, s.History())
		}
		found[i] = delivery
	}
	return found
}

// RequireNotDelivered is the opposite of [Server.RequireDelivered]: it ends the test if a
// webhook has answered 200 to any of these deliveries.
func (s *Server) RequireNotDelivered(tb testing.TB, unwanted ...Wanted) {
	tb.Helper()
	s.require(tb)
	log := s.Deliveries()
	for _, want := range unwanted {
		if _, ok := want.in(log, 0); ok {
			tb.Fatalf("nylastest: delivered: %s\n%s", want, s.History())
		}
	}
}

// require waits until nothing is due.
func (s *Server) require(tb testing.TB) {
	tb.Helper()
	if err := s.Wait(tb.Context()); err != nil {
		tb.Fatalf("nylastest: wait for deliveries: %v\n%s", err, s.History())
	}
}
