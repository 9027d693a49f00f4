package pubsubsink

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"cloud.google.com/go/pubsub/v2"

	"github.com/nylastrack/nylas-go/receive"
)

// Sink is a [receive.Handler] that publishes deliveries to a topic, where [Receive]
// finds them again with the same ID, Type, Body and ReceivedAt, undecodable ones
// included. Make one with [NewSink]; it is safe for concurrent use.
type Sink struct {
	publisher *pubsub.Publisher
	key       func(*receive.Delivery) string // nil means unordered
}

// A SinkOption sets up a [Sink].
type SinkOption interface {
	applySink(*Sink) error
}

type sinkOption func(*Sink) error

func (o sinkOption) applySink(s *Sink) error { return o(s) }

// NewSink returns a Sink that publishes by publisher, which remains the caller's:
// Stop it after the last delivery. A Sink that goes on then gives
// [pubsub.ErrPublisherStopped].
//
// A delivery waits until its batch is full or PublishSettings.DelayThreshold is
// over, 10 ms without a change. A longer delay costs its sender that time, and
// never a delivery. Behind a [receive.Receiver], which waits for 5 s, keep it below 1 s.
func NewSink(publisher *pubsub.Publisher, opts ...SinkOption) (*Sink, error) {
	if publisher == nil {
		return nil, errors.New("pubsubsink: new sink: publisher is nil")
	}
	s := &Sink{publisher: publisher}
	for _, opt := range opts {
		if opt == nil {
			continue
		}
		if err := opt.applySink(s); err != nil {
			return nil, fmt.Errorf("pubsubsink: new sink: %w", err)
		}
	}
	return s, nil
}

// WithOrderingKey publishes each delivery with the ordering key that key returns
// for it, or without one if that is empty; [receive.MessageOrder] is one. Receive then handles
// the deliveries of a key one after the other, in the order in which Pub/Sub took
// them, if message ordering is enabled in the subscription. That is not the order
// of events: Nylas sends notifications in any order. One that fails holds back those
// behind it, until it is taken or among the dead letters.
//
// EnableMessageOrdering of the publisher must be set before.
//
// https://cloud.google.com/pubsub/docs/ordering
func WithOrderingKey(key func(*receive.Delivery) string) SinkOption {
	return sinkOption(func(s *Sink) error {
		switch {
		case key == nil:
			return errors.New("the function for ordering keys is nil")
		case !s.publisher.EnableMessageOrdering:
			return errors.New("ordering keys need a publisher with EnableMessageOrdering set")
		}
		s.key = key
		return nil
	})
}

// HandleDelivery publishes d and waits until Pub/Sub has stored it. A delivery
// published twice is there twice. If ctx ends, it may be published all the same.
//
// A delivery that is too big for Pub/Sub, which takes 10 MB with attributes, is a
// [receive.Permanent] error that matches [pubsub.ErrOversizedMessage]. What
// [receive.NewDelivery] makes is never that big.
func (s *Sink) HandleDelivery(ctx context.Context, d *receive.Delivery) error {
	if ctx.Err() != nil {
		return fmt.Errorf("pubsubsink: publish: %w", context.Cause(ctx))
	}
	m := &pubsub.Message{Data: d.Body, Attributes: attributes(d)}
	if s.key != nil {
		m.OrderingKey = orderingKey(s.key(d))
		// One that failed stops those behind it. Its sender knows of it and brings it
		// again, so the others need not wait.
		s.publisher.ResumePublish(m.OrderingKey)
	}
	_, err := s.publisher.Publish(ctx, m).Get(ctx)
	_, paused := errors.AsType[pubsub.ErrPublishingPaused](err)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("pubsubsink: publish: %w", context.Cause(ctx))
	case errors.Is(err, pubsub.ErrOversizedMessage):
		return receive.Permanent(fmt.Errorf("pubsubsink: publish: the %d bytes of the delivery are too many: "+
			"Pub/Sub takes %d: %w", len(d.Body), int(pubsub.MaxPublishRequestBytes), err))
	case paused: // the library's text holds the key
		return errors.New("pubsubsink: publish: an earlier delivery with the same ordering key failed")
	default:
		return fmt.Errorf("pubsubsink: publish: %w", err)
	}
}

// orderingKey is key, or its hash if Pub/Sub does not take it.
func orderingKey(key string) string {
	if isText(key) {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}
