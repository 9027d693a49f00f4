package pubsubsink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"cloud.google.com/go/pubsub/v2"

	"github.com/nylastrack/nylas-go/internal/guard"
	"github.com/nylastrack/nylas-go/internal/telemetry"
	"github.com/nylastrack/nylas-go/receive"
)

const (
	// handlerTimeout is what a handler has without [WithHandlerTimeout]. Pub/Sub waits
	// longer: the library prolongs the deadline of a message for up to 60 minutes.
	handlerTimeout = time.Minute
	// ackTimeout bounds the wait for the outcome of an acknowledgement, which only
	// matters for the log. The library sends one for 60 s before it tries again.
	ackTimeout = time.Minute
)

// Receive gives the messages of a subscription to handler, several at a time, until
// ctx ends. They come from a Pub/Sub channel of Nylas, or from a [Sink].
//
// What becomes of a message:
//
//   - It is acknowledged after handler returned nil, and not before.
//   - So it is after an error marked by [receive.Permanent], which is logged: a
//     [receive.Handler] says by it that there is nothing to repeat. To keep those too, let
//     the handler take custody of them before it returns; Undecodable of a
//     [receive.Dispatcher] can call a Sink of another topic.
//   - It is refused, and comes again as the subscription's retry policy says,
//     after any other error, a panic, or when handler is late: see
//     [WithHandlerTimeout].
//   - What cannot be decoded is handed over as well, with Err set.
//
// ReceivedAt of a delivery is when Pub/Sub took the message, or what the Sink says
// of when it was received before. Duplicates come: use [receive.DropDuplicates].
//
// When ctx ends, Receive takes no more messages, waits for the handlers that
// run, whose context goes on, and for the acknowledgements, which takes up to a minute
// where Pub/Sub cannot be reached. Then it returns nil. ShutdownOptions of the
// subscriber's ReceiveSettings bound it, and leave handlers running that are not
// done; what was not acknowledged comes again. The error
// is that of the subscriber, for example if there is no such subscription or no
// permission. Only one Receive at a time can use a subscriber.
//
// With exactly-once delivery Receive waits until the acknowledgement is known to
// hold, and logs when it does not: then the message comes again.
//
// https://developer.nylas.com/docs/v3/notifications/pubsub-channel/,
// https://cloud.google.com/pubsub/docs/pull
func Receive(ctx context.Context, subscriber *pubsub.Subscriber, handler receive.Handler, opts ...ReceiveOption) error {
	if subscriber == nil {
		return errors.New("pubsubsink: receive: subscriber is nil")
	}
	if guard.IsNil(handler) {
		return errors.New("pubsubsink: receive: handler is nil")
	}
	r := receiving{handler: handler, timeout: handlerTimeout, logger: slog.New(slog.DiscardHandler)}
	for _, opt := range opts {
		if opt == nil {
			continue
		}
		if err := opt.applyReceive(&r); err != nil {
			return fmt.Errorf("pubsubsink: receive: %w", err)
		}
	}
	if err := subscriber.Receive(ctx, r.take); err != nil {
		return fmt.Errorf("pubsubsink: receive: %w", err)
	}
	return nil
}

// A ReceiveOption changes how [Receive] works.
type ReceiveOption interface {
	applyReceive(*receiving) error
}

type receiveOption func(*receiving) error

func (o receiveOption) applyReceive(r *receiving) error { return o(r) }

// WithHandlerTimeout sets how long a handler may take for a delivery; without it, one
// minute. Then its context ends and the message is refused, so that it comes again,
// perhaps while a handler that ignores its context still runs. Such
// a handler counts on as one of MaxOutstandingMessages.
func WithHandlerTimeout(limit time.Duration) ReceiveOption {
	return receiveOption(func(r *receiving) error {
		if limit <= 0 {
			return fmt.Errorf("the time limit of a handler is %v: it must be above 0", limit)
		}
		r.timeout = limit
		return nil
	})
}

// WithLogger sets where [Receive] writes what became of deliveries that were not
// taken (a warning) or were given up (an error). It names their ids and types, and
// the errors of the handler; without it nothing is logged.
func WithLogger(logger *slog.Logger) ReceiveOption {
	return receiveOption(func(r *receiving) error {
		if logger == nil {
			return errors.New("the logger is nil")
		}
		r.logger = logger
		return nil
	})
}

// receiving is one call of [Receive].
type receiving struct {
	handler receive.Handler
	timeout time.Duration
	logger  *slog.Logger
}

var (
	errTimeout = errors.New("pubsubsink: handler did not return in time")
	errExited  = errors.New("pubsubsink: handler ended its goroutine")
	errPanic   = errors.New("pubsubsink: handler panicked")
)

// take hands one message over, and settles it once. It returns only when the
// handler did, because the library counts its calls: so handlers that are late cannot
// become more than it allows.
func (r *receiving) take(ctx context.Context, m *pubsub.Message) {
	d := delivery(m)
	// From here on the delivery is the handler's.
	log := r.logger.With(slog.String(telemetry.LogDeliveryID, d.ID), slog.String(telemetry.LogType, string(d.Type)))
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), r.timeout, errTimeout)
	defer cancel()
	done := make(chan error, 1)
	go guard.Call(func() error { return r.handler.HandleDelivery(ctx, d) }, func(err error) {
		panicked, err := guard.Outcome(err, errPanic, errExited)
		if panicked != nil {
			log.LogAttrs(ctx, slog.LevelError, "nylas: handler panicked", panicked.Attrs()...)
		}
		done <- err
	})
	select {
	case err := <-done:
		settle(ctx, m, log, err)
	case <-ctx.Done():
		settle(ctx, m, log, context.Cause(ctx))
		<-done //nolint:errcheck // too late to count
	}
}

// settle acknowledges or refuses a message.
func settle(ctx context.Context, m *pubsub.Message, log *slog.Logger, err error) {
	switch {
	case err == nil:
	case receive.IsPermanent(err):
		log.LogAttrs(ctx, slog.LevelError, "nylas: delivery given up", slog.Any(telemetry.LogError, err))
	default:
		log.LogAttrs(ctx, slog.LevelWarn, "nylas: delivery not taken", slog.Any(telemetry.LogError, err))
		m.Nack()
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackTimeout)
	defer cancel()
	// Known at once without exactly-once delivery.
	if _, err := m.AckWithResult().Get(ctx); err != nil {
		log.LogAttrs(ctx, slog.LevelWarn, "nylas: delivery taken, but not acknowledged", slog.Any(telemetry.LogError, err))
	}
}
