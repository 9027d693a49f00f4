package nylastest

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// https://developer.nylas.com/docs/v3/notifications/
const (
	// maxAttempts is how often a notification is delivered at most.
	maxAttempts = 3
	// deliveryTimeout is how long a receiver may take to answer.
	deliveryTimeout = 10 * time.Second
	// The third attempt comes 10 to 20 minutes after the first, with growing
	// delays; these are the emulator's.
	defaultSecondDelay = 5 * time.Minute
	defaultThirdDelay  = 10 * time.Minute
)

// maxReceiverBody is how much of a receiver's answer is read, in bytes, so that its
// connection can be used again. Nobody looks at it.
const maxReceiverBody = 64 << 10

// DeliveryAttempt is one attempt to deliver a notification to one webhook.
type DeliveryAttempt struct {
	WebhookID      string // empty for a test event
	NotificationID string // the same for all attempts and webhooks
	Type           events.Type
	Attempt        int // from 1 to 3
	StartedAt      time.Time
	Status         int    // what the receiver answered; 0 if it did not
	Err            error  // why there was no answer
	Body           []byte // the notification as JSON, before compression

	// The request: a POST to URL of Wire, which is Body, compressed if the webhook wants
	// that. Package net/http adds Host, Content-Length and User-Agent to Header.
	URL    string
	Header http.Header
	Wire   []byte

	// Fault is what a DeliveryFault did to it, such as "lost"; empty if it was left alone.
	Fault string

	about []events.Tracked
}

// courier delivers notifications and remembers the attempts.
type courier struct {
	tasks        *tasks
	client       *http.Client
	destinations *destinations
	ids          *ids
	faults       *deliveryFaults
	delays       [maxAttempts - 1]time.Duration
	compressed   bool // all deliveries are

	notices notices
	changes *changes
	publish func(*events.Notification) // to the channels

	mu   sync.Mutex
	log  journal[DeliveryAttempt]
	more chan struct{}            // closed when the log grows; nil if nobody waits
	due  int                      // notifications that are not settled
	idle chan struct{}            // closed when due is 0
	held map[string]chan struct{} // by webhook: closed when another delivery was made
}

func newCourier(tasks *tasks, client *http.Client, destinations *destinations, delays [maxAttempts - 1]time.Duration, ids *ids, changes *changes) *courier {
	idle := make(chan struct{})
	close(idle)
	return &courier{
		tasks: tasks, client: client, destinations: destinations, delays: delays, ids: ids, faults: newDeliveryFaults(ids), changes: changes, idle: idle,
		held: make(map[string]chan struct{}),
		log:  journal[DeliveryAttempt]{size: func(d *DeliveryAttempt) int { return len(d.Body) + len(d.Wire) }},
	}
}

// notify begins to deliver a notification. It does nothing with nil.
func (c *courier) notify(n *events.Notification) {
	defer c.changes.happened()
	if n == nil {
		return
	}
	c.ids.name(n)
	c.notices.add(n)
	c.publish(n)
	// What no webhook wants now is gone: nothing is delivered later.
	targets := c.destinations.active(n.Type)
	if len(targets) == 0 {
		c.notices.settle(n.ID)
		return
	}
	if !c.begin() {
		c.giveUp(n, targets)
		c.notices.settle(n.ID)
		return
	}
	if !c.tasks.run(func(ctx context.Context) {
		defer c.end()
		c.deliver(ctx, n, targets)
		c.notices.settle(n.ID)
		c.changes.happened()
	}) {
		c.end()
	}
}

// deliver makes the attempts. A failure at one destination repeats the
// notification for all active ones of its trigger, as Nylas does.
func (c *courier) deliver(ctx context.Context, n *events.Notification, targets []destination) {
	for attempt := 1; len(targets) > 0; attempt++ {
		numbered := *n
		numbered.DeliveryAttempt = attempt
		delays := make([]time.Duration, len(targets)) // negative: no retry
		var running sync.WaitGroup
		for i, target := range targets {
			running.Go(func() {
				delays[i] = -1
				delivery, retryAfter := c.carry(ctx, &numbered, target)
				if attempt < maxAttempts && delivery.retriable() {
					delays[i] = c.delays[attempt-1]
					if retryAfter >= 0 {
						delays[i] = retryAfter
					}
				}
			})
		}
		running.Wait()
		delay := slices.Max(delays)
		if delay < 0 || !sleep(ctx, delay) {
			return
		}
		targets = c.destinations.active(n.Type)
	}
}

// attempt delivers once.
func (c *courier) attempt(ctx context.Context, n *events.Notification, target destination) DeliveryAttempt {
	delivery, _ := c.send(ctx, n, target)
	return delivery
}

// send delivers once, and returns the Retry-After of a 429, else a negative time.
func (c *courier) send(ctx context.Context, n *events.Notification, target destination) (DeliveryAttempt, time.Duration) {
	delivery := DeliveryAttempt{WebhookID: target.id, NotificationID: n.ID, Type: n.Type, Attempt: n.DeliveryAttempt, StartedAt: time.Now(), Fault: target.fault, about: n.Tracked()}
	retryAfter := time.Duration(-1)
	delivery.Body, delivery.Err = n.MarshalJSON()
	if delivery.Err == nil {
		retryAfter, delivery.Err = c.post(ctx, target, &delivery)
	}
	c.destinations.delivered(target.id, delivery.Status == http.StatusOK)
	c.record(delivery)
	return delivery, retryAfter
}

// record puts an attempt into the log.
func (c *courier) record(delivery DeliveryAttempt) {
	defer c.changes.happened()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log.add(delivery)
	if c.more != nil {
		close(c.more)
		c.more = nil
	}
}

// post makes the request of a delivery, and fills in the request and its status.
func (c *courier) post(ctx context.Context, target destination, delivery *DeliveryAttempt) (retryAfter time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, deliveryTimeout)
	defer cancel()
	newRequest := NewWebhookRequest
	if target.compressed || c.compressed {
		newRequest = NewGzipWebhookRequest
	}
	request, err := newRequest(ctx, target.url, target.secret, delivery.Body)
	if err != nil {
		return -1, err
	}
	delivery.URL, delivery.Header = target.url, request.Header.Clone()
	if delivery.Wire, err = wireOf(request); err != nil {
		return -1, err
	}
	answer, err := c.client.Do(request)
	if err != nil {
		return -1, withoutURL(err)
	}
	defer func() { _ = answer.Body.Close() }()                // nothing more is read from it
	_, _ = io.CopyN(io.Discard, answer.Body, maxReceiverBody) // the status has been said
	delivery.Status = answer.StatusCode
	if answer.StatusCode == http.StatusTooManyRequests {
		return parseRetryAfter(answer.Header.Get("Retry-After"), time.Now()), nil
	}
	return -1, nil
}

// wireOf returns the body of a request that has not been made yet.
func wireOf(request *http.Request) ([]byte, error) {
	body, err := request.GetBody()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(body)
}

// retriable tells whether Nylas would try again. It does so too without any answer, since
// November 2026.
//
// https://developer.nylas.com/docs/changelogs/2026-11-12-scheduler-send-notetaker-and-agent-account-fixes/
func (d *DeliveryAttempt) retriable() bool {
	switch d.Status {
	case 0, http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusInsufficientStorage:
		return true
	default:
		return false
	}
}

// parseRetryAfter reads seconds or a date. It is negative without a usable value.
func parseRetryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil && seconds >= 0 {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(date.Sub(now), 0)
	}
	return -1
}

// begin reports whether one more notification may be due.
func (c *courier) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.due >= maxDue {
		return false
	}
	if c.due == 0 {
		c.idle = make(chan struct{})
	}
	c.due++
	return true
}

func (c *courier) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.due--; c.due == 0 {
		close(c.idle)
	}
}

// wait returns when no notification is due.
func (c *courier) wait(ctx context.Context) error {
	c.mu.Lock()
	idle := c.idle
	c.mu.Unlock()
	select {
	case <-c.tasks.ctx.Done():
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-idle:
		if c.tasks.ctx.Err() != nil {
			return ErrClosed
		}
		return nil
	}
}

func (c *courier) deliveries() []DeliveryAttempt {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.log.entries)
}

// newTransport returns a transport without proxy and compression, for one server.
func newTransport(dial dialFunc) *http.Transport {
	return &http.Transport{DialContext: dial, DisableCompression: true}
}

// noRedirect is a CheckRedirect that takes the redirect as the answer.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
