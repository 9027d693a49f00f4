package nylastest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// errPushURL is the error of a push to what the server must not or cannot reach.
var errPushURL = errors.New("the URL must be an absolute http or https URL, of a loopback host unless WithNetwork is used")

// publisher publishes notifications to the channels, and hands the messages to those who
// subscribed to their topics.
type publisher struct {
	courier     *courier
	pubsub, sns *channels

	mu              sync.Mutex
	pubsubConsumers []func(context.Context, PubSubMessage) error
	snsConsumers    []func(context.Context, SNSMessage) error
}

// publish publishes a notification to the active channels of its trigger.
func (p *publisher) publish(n *events.Notification) {
	pubsub, sns := p.pubsub.active(n.Type), p.sns.active(n.Type)
	if len(pubsub)+len(sns) == 0 {
		return
	}
	body, err := n.MarshalJSON()
	if err != nil {
		return // nothing here makes such a notification
	}
	for _, c := range pubsub {
		p.toPubSub(&c, n.Type, body)
	}
	for _, c := range sns {
		p.toSNS(&c, n.Type, body)
	}
}

// active returns the channels that a notification is published to.
func (c *channels) active(trigger events.Type) []channel {
	var active []channel
	for _, known := range c.all() {
		if known.status == statusActive && slices.Contains(known.triggerTypes, trigger) {
			active = append(active, known)
		}
	}
	return active
}

// hand calls consume until it takes the message. delay returns how long to wait after a
// failed attempt; a negative time gives up.
func (p *publisher) hand(consume func(context.Context) error, delay func(attempt int) time.Duration) {
	p.courier.begin()
	started := p.courier.tasks.run(func(ctx context.Context) {
		defer p.courier.end()
		for attempt := 1; consume(ctx) != nil; attempt++ {
			if wait := delay(attempt); wait < 0 || !sleep(ctx, wait) {
				return
			}
		}
	})
	if !started {
		p.courier.end()
	}
}

// push posts a message to an endpoint. A status that does not take it
// is an error.
func (p *publisher) push(ctx context.Context, timeout time.Duration, target string, header map[string]string, body []byte, taken func(status int) bool) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return withoutURL(err)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	answer, err := p.courier.client.Do(request)
	if err != nil {
		return withoutURL(err)
	}
	defer func() { _ = answer.Body.Close() }()                // nothing more is read from it
	_, _ = io.CopyN(io.Discard, answer.Body, maxReceiverBody) // the status has been said
	if taken(answer.StatusCode) {
		return nil
	}
	return fmt.Errorf("status %d", answer.StatusCode)
}

// checkPushURL refuses what the server would not push to.
func (s *Server) checkPushURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" ||
		s.config.network == nil && !isLoopbackHost(u.Hostname()) {
		return errPushURL
	}
	return nil
}

// newPubSubID has the form of the ids of Pub/Sub, which are numbers.
func newPubSubID() string {
	n, _ := rand.Int(rand.Reader, big.NewInt(1e18)) // never fails
	return n.String()
}
