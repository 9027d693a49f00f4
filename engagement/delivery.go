package engagement

import (
	"context"
	"strings"

	"github.com/nylastrack/nylas-go/events"
)

// Delivery says whether a message arrived. The zero value means that it is unknown. See
// [DeliveryOf].
type Delivery string

// The outcomes of a delivery.
const (
	Delivered Delivery = "delivered" // the server of at least one recipient accepted it
	Bounced   Delivery = "bounced"   // it reached nobody: it came back, or Nylas rejected it
)

// bounceMailboxFull is the type of a bounce that is not for good. Nylas calls other bounces
// hard.
// https://developer.nylas.com/docs/reference/notifications/agent-accounts/message-bounced/
const bounceMailboxFull = "MailboxFull"

// WithDelivery gives the handler a function that stores whether a message arrived. It is
// called for each notification of which [DeliveryOf] can say that. That of package sqlstore
// is ready to use:
//
//	engagement.WithDelivery(store.SetDelivery)
//
// Subscribe to [events.DeliveryTypes] for it. If the function returns an error, the
// notification comes again, and Nylas may repeat it anyway, so the function must be
// idempotent. Nylas promises no order: let Delivered not replace Bounced, because a server
// can accept a message first and send it back later. The function may change the store that
// the ledger uses.
func WithDelivery(set func(ctx context.Context, grantID, messageID string, d Delivery) error) HandlerOption {
	return handlerOption(func(c *handlerConfig) { c.delivery = set })
}

// DeliveryOf returns what a notification says of whether a message arrived. grantID is empty
// for a Transactional send. ok is false if the notification says nothing of that, or does not
// name the message:
//
//   - message.delivered, message.transactional.delivered: Delivered.
//   - message.bounce_detected, message.bounced, message.transactional.bounced: Bounced. They
//     say nothing if the bounce is not for good, which is one of the type "MailboxFull" or with
//     an SMTP code from 400 to 499. Nor do they if the message has more recipients than bounced
//     in this notification: the others may have it.
//   - message.rejected, message.transactional.rejected: Bounced, because Nylas sent it to
//     nobody.
//
// The message of a message.bounce_detected is Origin.ID or, if that is empty, MessageID.
// message.send_failed says nothing: its message can be sent again under the same id.
//
// https://developer.nylas.com/docs/reference/notifications/
func DeliveryOf(n *events.Notification) (grantID, messageID string, d Delivery, ok bool) {
	grantID = n.GrantID
	switch data := n.Data.(type) {
	case *events.MessageDelivered, *events.MessageTransactionalDelivered:
		d = Delivered
	case *events.MessageRejected, *events.MessageTransactionalRejected:
		d = Bounced
	case *events.MessageBounced:
		d = bounced(&data.BounceOutcome)
	case *events.MessageTransactionalBounced:
		d = bounced(&data.BounceOutcome)
	case *events.MessageBounceDetected:
		addresses := distinct(strings.FieldsFunc(data.BouncedAddresses, func(r rune) bool { return strings.ContainsRune(" \t\r\n,;", r) }))
		// https://datatracker.ietf.org/doc/html/rfc5321#section-4.2.1
		if o := data.Origin; data.Type != bounceMailboxFull && !strings.HasPrefix(string(data.Code), "4") && distinct(o.To, o.CC, o.BCC) <= max(1, addresses) {
			d = Bounced
		}
	}
	tracked := n.Tracked()
	if d == "" || len(tracked) == 0 {
		return "", "", "", false
	}
	return grantID, tracked[0].MessageID, d, true
}

// bounced returns Bounced if a message reached nobody.
func bounced(o *events.BounceOutcome) Delivery {
	addresses := make([]string, 0, len(o.Bounce.Recipients))
	for _, r := range o.Bounce.Recipients {
		addresses = append(addresses, r.Email)
	}
	if o.Bounce.Type == bounceMailboxFull || distinct(o.Message.To, o.Message.CC, o.Message.BCC) > max(1, distinct(addresses)) {
		return ""
	}
	return Bounced
}

// distinct counts addresses, each once. A bounce is often of another address than the one
// that was written to, which forwards, so only the numbers can be compared.
func distinct[A ~string](lists ...[]A) int {
	seen := map[string]bool{}
	for _, list := range lists {
		for _, a := range list {
			seen[strings.ToLower(strings.TrimSpace(string(a)))] = true
		}
	}
	return len(seen)
}
