package receive

import (
	"context"
	"log/slog"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/internal/telemetry"
)

// Dispatcher is a [Handler] that decodes each delivery and calls the function for its kind
// of data. The zero value is ready to use; set the functions that you need before the first
// delivery. A delivery without a function of its own goes to Other; without Other it is
// dropped.
//
// The errors of the functions mean what a Handler's errors mean. [FromContext] returns the
// delivery that a function is called for, for example to learn when it was received.
type Dispatcher struct {
	MessageOpened      func(ctx context.Context, n *events.Notification, data *events.MessageOpened) error
	MessageLinkClicked func(ctx context.Context, n *events.Notification, data *events.MessageLinkClicked) error
	ThreadReplied      func(ctx context.Context, n *events.Notification, data *events.ThreadReplied) error

	LegacyMessageOpened      func(ctx context.Context, n *events.Notification, data *events.LegacyMessageOpened) error
	LegacyMessageLinkClicked func(ctx context.Context, n *events.Notification, data *events.LegacyMessageLinkClicked) error
	LegacyThreadReplied      func(ctx context.Context, n *events.Notification, data *events.LegacyThreadReplied) error

	MessageSendSuccess    func(ctx context.Context, n *events.Notification, data *events.MessageSendSuccess) error
	MessageSendFailed     func(ctx context.Context, n *events.Notification, data *events.MessageSendFailed) error
	MessageBounceDetected func(ctx context.Context, n *events.Notification, data *events.MessageBounceDetected) error

	MessageTransactionalBounced   func(ctx context.Context, n *events.Notification, data *events.MessageTransactionalBounced) error
	MessageTransactionalComplaint func(ctx context.Context, n *events.Notification, data *events.MessageTransactionalComplaint) error
	MessageTransactionalDelivered func(ctx context.Context, n *events.Notification, data *events.MessageTransactionalDelivered) error
	MessageTransactionalRejected  func(ctx context.Context, n *events.Notification, data *events.MessageTransactionalRejected) error

	MessageBounced   func(ctx context.Context, n *events.Notification, data *events.MessageBounced) error
	MessageComplaint func(ctx context.Context, n *events.Notification, data *events.MessageComplaint) error
	MessageDelivered func(ctx context.Context, n *events.Notification, data *events.MessageDelivered) error
	MessageRejected  func(ctx context.Context, n *events.Notification, data *events.MessageRejected) error

	GrantCreated   func(ctx context.Context, n *events.Notification, data *events.GrantCreated) error
	GrantUpdated   func(ctx context.Context, n *events.Notification, data *events.GrantUpdated) error
	GrantDeleted   func(ctx context.Context, n *events.Notification, data *events.GrantDeleted) error
	GrantExpired   func(ctx context.Context, n *events.Notification, data *events.GrantExpired) error
	AlertTriggered func(ctx context.Context, n *events.Notification, data *events.AlertTriggered) error

	// Other is called for data that has no function above, and for unknown triggers.
	Other func(ctx context.Context, n *events.Notification) error

	// Undecodable is called for a delivery that Nylas signed and that cannot be decoded.
	// err says why. Without it such a delivery is a [Permanent] error, and is logged as an
	// error to [slog.Default].
	Undecodable func(ctx context.Context, d *Delivery, err error) error
}

type deliveryKey struct{}

// FromContext returns the delivery that a function of a [Dispatcher] is called for. ctx is
// the context that the function got. The times in notifications are whole seconds;
// [Delivery.ReceivedAt] is exact.
func FromContext(ctx context.Context) (d *Delivery, ok bool) {
	d, ok = ctx.Value(deliveryKey{}).(*Delivery)
	return d, ok
}

// HandleDelivery decodes d and calls the function for its data.
func (h *Dispatcher) HandleDelivery(ctx context.Context, d *Delivery) error {
	ctx = context.WithValue(ctx, deliveryKey{}, d)
	n, err := d.Parse()
	if err != nil {
		if h.Undecodable != nil {
			return h.Undecodable(ctx, d, err)
		}
		// Nothing may be lost in silence, and a Dispatcher has no logger.
		slog.Default().LogAttrs(ctx, slog.LevelError, "receive: delivery cannot be decoded: set Undecodable to keep it",
			naming{d.ID, d.Type}.attrs(slog.Any(telemetry.LogError, err))...)
		return Permanent(err)
	}
	switch data := n.Data.(type) {
	case *events.MessageOpened:
		return dispatch(ctx, h, n, data, h.MessageOpened)
	case *events.MessageLinkClicked:
		return dispatch(ctx, h, n, data, h.MessageLinkClicked)
	case *events.ThreadReplied:
		return dispatch(ctx, h, n, data, h.ThreadReplied)
	case *events.LegacyMessageOpened:
		return dispatch(ctx, h, n, data, h.LegacyMessageOpened)
	case *events.LegacyMessageLinkClicked:
		return dispatch(ctx, h, n, data, h.LegacyMessageLinkClicked)
	case *events.LegacyThreadReplied:
		return dispatch(ctx, h, n, data, h.LegacyThreadReplied)
	case *events.MessageSendSuccess:
		return dispatch(ctx, h, n, data, h.MessageSendSuccess)
	case *events.MessageSendFailed:
		return dispatch(ctx, h, n, data, h.MessageSendFailed)
	case *events.MessageBounceDetected:
		return dispatch(ctx, h, n, data, h.MessageBounceDetected)
	case *events.MessageTransactionalBounced:
		return dispatch(ctx, h, n, data, h.MessageTransactionalBounced)
	case *events.MessageTransactionalComplaint:
		return dispatch(ctx, h, n, data, h.MessageTransactionalComplaint)
	case *events.MessageTransactionalDelivered:
		return dispatch(ctx, h, n, data, h.MessageTransactionalDelivered)
	case *events.MessageTransactionalRejected:
		return dispatch(ctx, h, n, data, h.MessageTransactionalRejected)
	case *events.MessageBounced:
		return dispatch(ctx, h, n, data, h.MessageBounced)
	case *events.MessageComplaint:
		return dispatch(ctx, h, n, data, h.MessageComplaint)
	case *events.MessageDelivered:
		return dispatch(ctx, h, n, data, h.MessageDelivered)
	case *events.MessageRejected:
		return dispatch(ctx, h, n, data, h.MessageRejected)
	case *events.GrantCreated:
		return dispatch(ctx, h, n, data, h.GrantCreated)
	case *events.GrantUpdated:
		return dispatch(ctx, h, n, data, h.GrantUpdated)
	case *events.GrantDeleted:
		return dispatch(ctx, h, n, data, h.GrantDeleted)
	case *events.GrantExpired:
		return dispatch(ctx, h, n, data, h.GrantExpired)
	case *events.AlertTriggered:
		return dispatch(ctx, h, n, data, h.AlertTriggered)
	default:
		return h.other(ctx, n)
	}
}

func dispatch[D any](
	ctx context.Context, h *Dispatcher, n *events.Notification, data D,
	fn func(context.Context, *events.Notification, D) error,
) error {
	if fn == nil {
		return h.other(ctx, n)
	}
	return fn(ctx, n, data)
}

func (h *Dispatcher) other(ctx context.Context, n *events.Notification) error {
	if h.Other == nil {
		return nil
	}
	return h.Other(ctx, n)
}
