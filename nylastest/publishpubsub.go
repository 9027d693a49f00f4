package nylastest

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/nylastrack/nylas-go/events"
)

// How Pub/Sub delivers a message that was not taken.
const (
	// The delays of a subscription's retry policy grow from the first to the second.
	// https://cloud.google.com/pubsub/docs/subscription-retry-policy
	minPubSubDelay = 10 * time.Second
	maxPubSubDelay = 600 * time.Second
	// pubsubRetention is how long a subscription keeps a message.
	// https://cloud.google.com/pubsub/docs/subscription-properties
	pubsubRetention = 7 * 24 * time.Hour
	// pubsubDeadline is how long a push endpoint may take to answer.
	// https://cloud.google.com/pubsub/docs/push
	pubsubDeadline = 10 * time.Second
)

// The attributes of a message.
//
// https://developer.nylas.com/docs/v3/notifications/pubsub-channel/,
// https://developer.nylas.com/docs/v3/notifications/sns-channel/
const (
	attributeTrigger  = "trigger_type"
	attributeEncoding = "content_encoding"
)

// PubSubMessage is a message that was published to the topic of a Pub/Sub channel.
//
// https://developer.nylas.com/docs/v3/notifications/pubsub-channel/
type PubSubMessage struct {
	ID    string
	Topic string // such as "projects/acme/topics/nylas"
	// Data is the notification as JSON, compressed with gzip if the channel has
	// compressed_delivery. It has the webhook_delivery_attempt of a first attempt: Nylas does
	// not say what it has.
	Data []byte
	// Attributes has trigger_type, and content_encoding "gzip" if Data is compressed.
	Attributes  map[string]string
	PublishTime time.Time
}

// ConsumePubSub subscribes a function to the topics of all Pub/Sub channels. From now on it
// gets each message that is published, and takes it by returning nil. After an error it gets
// the message again, as from a subscription with a retry policy: after 10 s, then with growing
// delays of at most 10 minutes, until 7 days have passed. Several functions each get every
// message. What is published while there is none is gone.
//
// The function is called by several goroutines at once, in any order of the messages, and must
// return when its context ends, because the server is closed.
//
// A channel with the status "pause" gets nothing. Channels are never failing: what happens
// behind a topic Nylas does not see.
func (s *Server) ConsumePubSub(consume func(context.Context, PubSubMessage) error) {
	s.publisher.mu.Lock()
	defer s.publisher.mu.Unlock()
	s.publisher.pubsubConsumers = append(s.publisher.pubsubConsumers, consume)
}

// PushPubSub is [Server.ConsumePubSub] for an HTTP endpoint, to which each message is posted
// as Google does for a push subscription. The endpoint takes a message by answering with 102,
// 200, 201, 202 or 204 within 10 s. The request has no token in its header Authorization:
// whoever checks that of Google cannot be tested with it.
//
// The error is about a URL that is not absolute, or, without [WithNetwork], that of another
// machine.
//
// https://cloud.google.com/pubsub/docs/push
func (s *Server) PushPubSub(url string) error {
	if err := s.checkPushURL(url); err != nil {
		return fmt.Errorf("nylastest: push Pub/Sub messages: %w", err)
	}
	s.ConsumePubSub(func(ctx context.Context, m PubSubMessage) error {
		body, err := m.pushed()
		if err != nil {
			return err
		}
		return s.publisher.push(ctx, pubsubDeadline, url, map[string]string{"Content-Type": "application/json"}, body,
			func(status int) bool {
				switch status {
				case http.StatusProcessing, http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent:
					return true
				default:
					return false
				}
			})
	})
	return nil
}

// pushed returns the body of a push request, which has some members under two names.
func (m *PubSubMessage) pushed() ([]byte, error) {
	published := m.PublishTime.UTC().Format(time.RFC3339Nano)
	message := map[string]any{
		"data": base64.StdEncoding.EncodeToString(m.Data), "attributes": m.Attributes,
		"messageId": m.ID, "message_id": m.ID, "publishTime": published, "publish_time": published,
	}
	return jsonv2.Marshal(map[string]any{
		"message": message, "subscription": strings.Replace(m.Topic, "/topics/", "/subscriptions/", 1),
	}, jsonv2.Deterministic(true))
}

func (p *publisher) toPubSub(c *channel, trigger events.Type, body []byte) {
	m := PubSubMessage{
		ID: newPubSubID(), Topic: c.topic, Data: body, Attributes: map[string]string{attributeTrigger: string(trigger)}, PublishTime: time.Now(),
	}
	if c.compressed {
		m.Data, m.Attributes[attributeEncoding] = compress(body), "gzip"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, consume := range p.pubsubConsumers {
		p.hand(func(ctx context.Context) error {
			own := m // consumers may change it
			own.Data, own.Attributes = append([]byte(nil), m.Data...), maps.Clone(m.Attributes)
			return consume(ctx, own)
		}, m.delay)
	}
}

// delay returns how long the message waits after an attempt, or a negative time.
func (m *PubSubMessage) delay(attempt int) time.Duration {
	wait := minPubSubDelay
	for range attempt - 1 {
		wait = min(2*wait, maxPubSubDelay)
	}
	if time.Since(m.PublishTime)+wait > pubsubRetention {
		return -1
	}
	return wait
}
