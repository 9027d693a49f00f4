package nylastest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/nylastrack/nylas-go/events"
)

// How SNS delivers a message to an HTTP endpoint that does not take it.
//
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
const (
	snsAttempts = 4 // the default policy has 3 retries
	snsDelay    = 20 * time.Second
	// snsDeadline is how long an endpoint may take to answer.
	snsDeadline = 15 * time.Second
)

// typeVerification is what Nylas publishes when an SNS channel is created.
//
// https://developer.nylas.com/docs/v3/notifications/sns-channel/
const typeVerification events.Type = "connector.verification"

// SNSMessage is a message that was published to the topic of an SNS channel.
//
// https://developer.nylas.com/docs/v3/notifications/sns-channel/
type SNSMessage struct {
	ID       string
	TopicARN string // such as "arn:aws:sns:eu-west-1:123456789012:nylas"
	// Message is the notification as JSON, compressed with gzip and then in base64 if the
	// channel has compressed_delivery. It has the webhook_delivery_attempt of a first attempt:
	// Nylas does not say what it has.
	Message string
	// Attributes has trigger_type, and content_encoding "gzip+base64" if Message is compressed.
	// All are of the type String.
	Attributes map[string]string
	Timestamp  time.Time
}

// Envelope returns the message in the envelope in which an SQS queue or an HTTP endpoint
// receives it: JSON with the members Type, MessageId, TopicArn, Message, Timestamp and
// MessageAttributes. It is not signed: Signature, SignatureVersion, SigningCertURL and
// UnsubscribeURL are left out, because what checks them accepts only certificates of Amazon's
// hosts.
//
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
func (m *SNSMessage) Envelope() []byte {
	attributes := make(map[string]any)
	for name, value := range m.Attributes {
		attributes[name] = map[string]string{"Type": "String", "Value": value}
	}
	envelope, _ := jsonv2.Marshal(map[string]any{ // strings and maps always can be encoded
		"Type": "Notification", "MessageId": m.ID, "TopicArn": m.TopicARN, "Message": m.Message,
		"Timestamp": m.Timestamp.UTC().Format("2006-01-02T15:04:05.000Z"), "MessageAttributes": attributes,
	}, jsonv2.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	return envelope
}

// ConsumeSNS subscribes a function to the topics of all SNS channels. From now on it gets each
// message that is published, and takes it by returning nil. After an error it gets the message
// again, at most 3 times, 20 s apart. Several functions each get every message. What is
// published while there is none is gone.
//
// When an SNS channel is created, Nylas publishes connector.verification to it. Its shape is not
// documented beyond its type.
//
// The function is called by several goroutines at once, in any order of the messages, and must
// return when its context ends, because the server is closed.
//
// A channel with the status "pause" gets nothing. Channels are never failing: what happens
// behind a topic Nylas does not see.
func (s *Server) ConsumeSNS(consume func(context.Context, SNSMessage) error) {
	s.publisher.mu.Lock()
	defer s.publisher.mu.Unlock()
	s.publisher.snsConsumers = append(s.publisher.snsConsumers, consume)
}

// PushSNS is [Server.ConsumeSNS] for an HTTP endpoint, to which each message is posted in its
// [SNSMessage.Envelope]. The endpoint takes a message by answering with a status from 200 to
// 299 within 15 s. Its subscription counts as confirmed: no confirmation is asked for.
//
// The error is about a URL that is not absolute, or, without [WithNetwork], that of another
// machine.
//
// https://docs.aws.amazon.com/sns/latest/dg/sns-http-https-endpoint-as-subscriber.html
func (s *Server) PushSNS(url string) error {
	if err := s.checkPushURL(url); err != nil {
		return fmt.Errorf("nylastest: push SNS messages: %w", err)
	}
	s.ConsumeSNS(func(ctx context.Context, m SNSMessage) error {
		return s.publisher.push(ctx, snsDeadline, url, map[string]string{
			"Content-Type": "text/plain; charset=UTF-8", "X-Amz-Sns-Message-Type": "Notification",
			"X-Amz-Sns-Message-Id": m.ID, "X-Amz-Sns-Topic-Arn": m.TopicARN,
		}, m.Envelope(), func(status int) bool { return status >= http.StatusOK && status < http.StatusMultipleChoices })
	})
	return nil
}

func (p *publisher) toSNS(c *channel, trigger events.Type, body []byte) {
	m := SNSMessage{
		ID: newUUID(), TopicARN: c.topic, Message: string(body), Attributes: map[string]string{attributeTrigger: string(trigger)}, Timestamp: time.Now(),
	}
	if c.compressed {
		m.Message, m.Attributes[attributeEncoding] = base64.StdEncoding.EncodeToString(compress(body)), "gzip+base64"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, consume := range p.snsConsumers {
		p.hand(func(ctx context.Context) error {
			own := m // consumers may change it
			own.Attributes = maps.Clone(m.Attributes)
			return consume(ctx, own)
		}, func(attempt int) time.Duration {
			if attempt >= snsAttempts {
				return -1
			}
			return snsDelay
		})
	}
}

// verifySNS publishes what says that a channel was created.
func (s *Server) verifySNS(c *channel) {
	n := newNotification(sourceSystem, typeVerification, s.applicationID, "", time.Now(), &events.Unknown{
		Data: json.RawMessage(`{"application_id":"` + s.applicationID + `","object":{}}`),
	})
	if body, err := n.MarshalJSON(); err == nil {
		s.publisher.toSNS(c, n.Type, body)
	}
}
