package nylastest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// DeliveryFault is something that goes wrong with notifications on their way to a webhook.
// The faults wait in a queue like that of [Fault]; a delivery, which is one attempt to bring
// one notification to one webhook, takes the first one that is about it and uses it up. Test
// events have no faults. Several things can go wrong at once:
//
//	// One of five opens comes twice, a minute late.
//	server.InjectDelivery(nylastest.DeliveryFault{
//		Type: events.TypeMessageOpened, Chance: 0.2, Times: nylastest.Forever,
//		Delay: time.Minute, Duplicates: 1,
//	})
type DeliveryFault struct {
	// Type and WebhookID say which deliveries it is about. Empty means any.
	Type      events.Type
	WebhookID string
	// Times is how many deliveries it hits; 0 means 1.
	Times int
	// Chance is the probability with which it hits a delivery; 0 means 1. A delivery that
	// it does not hit may take a later fault of the queue. See WithSeed.
	Chance float64

	// Lose loses the delivery: it does not reach the webhook, and there is no further attempt,
	// because Nylas takes it for delivered. It excludes the others.
	Lose bool
	// Delay is how much later the delivery begins.
	Delay time.Duration
	// Reorder holds the delivery back until the next one to the same webhook has been made,
	// or for a minute if there is none. While one is held back, no other one is.
	Reorder bool
	// Duplicates is how often the delivery is repeated, one repetition after the other. The
	// answer to the first one decides about further attempts.
	Duplicates int
	// WrongSignature signs with another secret.
	WrongSignature bool
	// Attempt is what the notification says in webhook_delivery_attempt; 0 means the truth.
	Attempt int
}

// longestReorder is how long a delivery is held back for the next one.
const longestReorder = time.Minute

// InjectDelivery adds faults to the end of the queue of deliveries. The error is about a fault
// that can never happen as described; then none is added.
func (s *Server) InjectDelivery(faults ...DeliveryFault) error {
	for i, f := range faults {
		if err := f.check(); err != nil {
			return fmt.Errorf("nylastest: delivery fault %d: %w", i, err)
		}
	}
	s.courier.faults.add(faults)
	return nil
}

// DeliveryFaults returns the faults that wait for deliveries, in their order. Times is how
// many deliveries are left to each.
func (s *Server) DeliveryFaults() []DeliveryFault { return s.courier.faults.waiting() }

func (f *DeliveryFault) check() error {
	rest := *f
	rest.Type, rest.WebhookID, rest.Times, rest.Chance = "", "", 0, 0
	switch {
	case f.Type != "" && !subscribable(f.Type):
		return fmt.Errorf("no trigger %q", string(f.Type))
	case f.Times < 0:
		return errNegativeTimes
	case !isChance(f.Chance):
		return errChance
	case f.Delay < 0 || f.Duplicates < 0 || f.Attempt < 0:
		return errors.New("negative Delay, Duplicates or Attempt")
	case f.Duplicates > maxDuplicates:
		return fmt.Errorf("more than %d Duplicates", maxDuplicates)
	case rest == DeliveryFault{}:
		return errors.New("nothing goes wrong: set Lose, Delay, Reorder, Duplicates, WrongSignature or Attempt")
	case f.Lose && rest != DeliveryFault{Lose: true}:
		return errors.New("what is lost cannot be changed as well")
	}
	return nil
}

// maxDuplicates keeps a mistake from delivering for good. It is a limit of the emulator.
const maxDuplicates = 1000

// String says what goes wrong, such as "delayed 1m0s, duplicated". It is "" for the zero
// DeliveryFault.
func (f DeliveryFault) String() string {
	var wrong []string
	say := func(is bool, text string) {
		if is {
			wrong = append(wrong, text)
		}
	}
	say(f.Lose, "lost")
	say(f.Delay > 0, "delayed "+f.Delay.String())
	say(f.Reorder, "reordered")
	say(f.Duplicates == 1, "duplicated")
	say(f.Duplicates > 1, "duplicated "+strconv.Itoa(f.Duplicates)+" times")
	say(f.WrongSignature, "wrong signature")
	say(f.Attempt > 0, "attempt changed to "+strconv.Itoa(f.Attempt))
	return strings.Join(wrong, ", ")
}

// deliveryFaults are the faults of deliveries.
type deliveryFaults struct{ faultQueue[DeliveryFault] }

func newDeliveryFaults(ids *ids) *deliveryFaults {
	return &deliveryFaults{faultQueue[DeliveryFault]{
		ids: ids, kind: "delivery fault", rule: func(f *DeliveryFault) (*int, float64) { return &f.Times, f.Chance },
	}}
}

// of uses up the first fault of a delivery.
func (q *deliveryFaults) of(n *events.Notification, webhookID string) DeliveryFault {
	return q.take(
		func(f *DeliveryFault) bool {
			return (f.Type == "" || f.Type == n.Type) && (f.WebhookID == "" || f.WebhookID == webhookID)
		},
		func() []string {
			// The digits at the end of the id are those of the time, which a repeated run
			// need not share.
			name := n.ID[:min(len(n.ID), notificationIDLength)]
			return []string{name, webhookID, strconv.Itoa(n.DeliveryAttempt)}
		},
	)
}

var errLost = errors.New("lost by a DeliveryFault")

// carry delivers once, with what goes wrong on the way. What it returns is what Nylas sees.
func (c *courier) carry(ctx context.Context, n *events.Notification, target destination) (DeliveryAttempt, time.Duration) {
	fault := c.faults.of(n, target.id)
	target.fault = fault.String()
	if fault.Lose {
		lost := DeliveryAttempt{
			WebhookID: target.id, NotificationID: n.ID, Type: n.Type, Attempt: n.DeliveryAttempt,
			StartedAt: time.Now(), Err: errLost, Fault: target.fault, about: n.Tracked(),
		}
		if body, err := n.MarshalJSON(); err == nil {
			lost.Body = body
		}
		c.record(lost)
		lost.Status, lost.Err = http.StatusOK, nil
		return lost, -1
	}
	if fault.Attempt > 0 {
		changed := *n
		changed.DeliveryAttempt = fault.Attempt
		n = &changed
	}
	if fault.WrongSignature {
		target.secret = "not " + target.secret
	}
	if fault.Delay > 0 && !sleep(ctx, fault.Delay) {
		return DeliveryAttempt{Err: ErrClosed}, -1
	}
	if fault.Reorder {
		c.holdBack(ctx, target.id)
	}
	first, retryAfter := c.send(ctx, n, target)
	for range fault.Duplicates {
		_, _ = c.send(ctx, n, target)
	}
	c.passed(target.id)
	return first, retryAfter
}

// holdBack waits until another delivery to the webhook was made.
func (c *courier) holdBack(ctx context.Context, webhookID string) {
	next := make(chan struct{})
	c.mu.Lock()
	if c.held[webhookID] != nil {
		c.mu.Unlock()
		return
	}
	c.held[webhookID] = next
	c.mu.Unlock()
	timer := time.NewTimer(longestReorder)
	defer timer.Stop()
	select {
	case <-next:
		return
	case <-timer.C:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held[webhookID] == next {
		delete(c.held, webhookID)
	}
}

// passed lets go of what waits for a delivery to the webhook.
func (c *courier) passed(webhookID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if next := c.held[webhookID]; next != nil {
		delete(c.held, webhookID)
		close(next)
	}
}
