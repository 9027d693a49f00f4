package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
)

const (
	// maxBody is more than a notification has: 1 MB before compression.
	// https://developer.nylas.com/docs/v3/notifications/
	maxBody = 2 << 20
	// maxKept is more requests than a run causes.
	maxKept = 1000
)

// hooks is what stands behind the webhooks. A program that handles events has a receive.Receiver
// there; this one keeps the requests as they are, and answers 503 when a check wants that.
type hooks struct {
	label string // of the notifications to keep; those of other mail are answered only

	mu         sync.Mutex
	changed    chan struct{} // closed at the next request
	challenges []*http.Request
	deliveries []delivery
	refuse     string // the user agent of an event whose notification to answer with 503, once
}

// delivery is one request with a notification.
type delivery struct {
	at           time.Time
	query        string // tells webhooks apart
	header       http.Header
	body         []byte
	notification *events.Notification
}

func newHooks(label string) *hooks { return &hooks{label: label, changed: make(chan struct{})} }

func (h *hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		h.keep(func() { h.challenges = append(h.challenges, r) })
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, r.URL.Query().Get("challenge"))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	d := delivery{at: time.Now(), query: r.URL.RawQuery, header: r.Header, body: body}
	if d.notification, err = events.Parse(body); err != nil || !h.isOurs(d.notification) {
		return
	}
	refused := false
	h.keep(func() {
		h.deliveries = append(h.deliveries, d)
		if refused = d.hasAgent(h.refuse); refused {
			h.refuse = ""
		}
	})
	if refused {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func (h *hooks) isOurs(n *events.Notification) bool {
	return n.ID == testEventID || slices.ContainsFunc(n.Tracked(), func(t events.Tracked) bool { return t.Label == h.label })
}

func (h *hooks) keep(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.challenges)+len(h.deliveries) >= maxKept {
		return // somebody else found the URL
	}
	change()
	close(h.changed)
	h.changed = make(chan struct{})
}

// refuseOnce lets the first notification of an event be answered with 503.
func (h *hooks) refuseOnce(agent string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refuse = agent
}

// challenged returns the requests with a challenge so far.
func (h *hooks) challenged() []*http.Request {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.challenges)
}

var errLate = errors.New("no such notification came")

// wait returns the first delivery that matches, once it is there.
func (h *hooks) wait(ctx context.Context, limit time.Duration, match func(*delivery) bool) (*delivery, error) {
	late := time.NewTimer(limit)
	defer late.Stop()
	for {
		h.mu.Lock()
		changed, all := h.changed, h.deliveries
		h.mu.Unlock()
		for _, d := range all {
			if match(&d) {
				return &d, nil
			}
		}
		select {
		case <-changed:
		case <-late.C:
			return nil, fmt.Errorf("%w within %v", errLate, limit)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// hasAgent reports whether a notification has an event with this user agent.
func (d *delivery) hasAgent(agent string) bool {
	switch data := d.notification.Data.(type) {
	case *events.MessageOpened:
		return slices.ContainsFunc(data.Recents, func(open events.Open) bool { return open.UserAgent == agent })
	case *events.MessageLinkClicked:
		return slices.ContainsFunc(data.Recents, func(click events.Click) bool { return click.UserAgent == agent })
	default:
		return false
	}
}

// isSigned reports whether a delivery has the signature of a secret.
func (d *delivery) isSigned(secret string) bool {
	return receive.VerifySignature(secret, d.body, d.header.Get(receive.SignatureHeader)) == nil
}

// isAbout returns what matches the notifications of a kind about a message, to the webhook of the
// query.
func isAbout[T events.Data](messageID, query string) func(*delivery) bool {
	return func(d *delivery) bool {
		_, ok := d.notification.Data.(T)
		return ok && d.query == query &&
			slices.ContainsFunc(d.notification.Tracked(), func(t events.Tracked) bool { return t.MessageID == messageID })
	}
}
