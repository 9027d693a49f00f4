package outbox

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// The reasons that the Outbox itself writes into the suppression list.
const (
	ReasonBounced      = "bounced"
	ReasonComplained   = "complained"
	ReasonRefused      = "refused"
	ReasonUnsubscribed = "unsubscribed"
)

// bounceMailboxFull is the type of a bounce that passes: the address exists. Nylas calls other
// bounces hard.
// https://developer.nylas.com/docs/reference/notifications/transactional-email/
const bounceMailboxFull = "MailboxFull"

// Suppress puts an address on the suppression list: no mail is sent to it from then on. Upper
// and lower case are the same. An address that is there keeps its first reason.
func (o *Outbox) Suppress(ctx context.Context, address, reason string) error {
	if address = normal(address); address == "" {
		return errors.New("outbox: suppress: the address is empty")
	}
	_, err := o.db.ExecContext(ctx, "INSERT INTO suppressed VALUES (?, ?, ?) ON CONFLICT DO NOTHING", address, reason, time.Now().UnixNano())
	return wrap("suppress", err)
}

// Unsubscribe suppresses the recipient of the mail with this key, for the handler behind the
// URL of [WithUnsubscribe]. The error is [ErrNoMail] if there is none.
func (o *Outbox) Unsubscribe(ctx context.Context, key string) error {
	var address string
	err := o.db.QueryRowContext(ctx, "SELECT address FROM mails WHERE key = ?", key).Scan(&address)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoMail
	}
	if err != nil {
		return wrap("unsubscribe", err)
	}
	return o.Suppress(ctx, address, ReasonUnsubscribed)
}

// Unsuppress takes an address off the suppression list. Mails that were not sent because of it
// stay [Suppressed]; add them with another key.
func (o *Outbox) Unsuppress(ctx context.Context, address string) error {
	_, err := o.db.ExecContext(ctx, "DELETE FROM suppressed WHERE address = ?", normal(address))
	return wrap("unsuppress", err)
}

// Learn takes from a notification what concerns the Outbox, and ignores any other one, so
// give it all notifications of [events.FailureTypes]; it fits a [receive.Dispatcher]:
//
//	dispatcher.Other = box.Learn
//
// A bounce or a complaint suppresses its recipients. A bounce of a full mailbox does not. What
// Nylas accepted and then rejected or could not send does not either, because the reason is not
// theirs; the mail stays [Sent], so look at message.rejected and message.send_failed yourself.
//
// Notifications may come several times. The mails need not be of this Outbox.
//
// [receive.Dispatcher]: https://pkg.go.dev/github.com/nylastrack/nylas-go/receive#Dispatcher
func (o *Outbox) Learn(ctx context.Context, n *events.Notification) error {
	reason, bounce, complaint := ReasonBounced, events.Bounce{}, events.Complaint{}
	var all []string
	switch data := n.Data.(type) {
	case *events.MessageBounceDetected:
		all = strings.FieldsFunc(data.BouncedAddresses, func(r rune) bool { return strings.ContainsRune(" \t\r\n,;<>\"", r) })
	case *events.MessageBounced:
		bounce = data.Bounce
	case *events.MessageTransactionalBounced:
		bounce = data.Bounce
	case *events.MessageComplaint:
		reason, complaint = ReasonComplained, data.Complaint
	case *events.MessageTransactionalComplaint:
		reason, complaint = ReasonComplained, data.Complaint
	}
	for _, recipient := range bounce.Recipients {
		if bounce.Type != bounceMailboxFull {
			all = append(all, recipient.Email)
		}
	}
	for _, recipient := range complaint.ComplainedRecipients {
		all = append(all, string(recipient))
	}
	for _, address := range all {
		if !strings.Contains(address, "@") { // a name, or nothing
			continue
		}
		if err := o.Suppress(ctx, address, reason); err != nil {
			return err
		}
	}
	return nil
}

// normal is an address as it is compared. In practice mail systems do not tell upper from lower
// case.
func normal(address string) string { return strings.ToLower(strings.TrimSpace(address)) }
