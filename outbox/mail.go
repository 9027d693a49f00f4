package outbox

import (
	"context"
	"time"
)

// State is what has become of a mail.
type State string

// The states of a mail.
const (
	// Waiting means that the mail is to be sent, or to be tried again at Mail.NextAt.
	Waiting State = "waiting"
	// Sending means that a request is under way. After a crash the next Run takes such a
	// mail for Unknown.
	Sending State = "sending"
	// Unknown means that the mail may have been sent. The Outbox looks for it at
	// Mail.NextAt. If that is zero, it has given up until the next Run.
	Unknown State = "unknown"
	// Sent means that Nylas accepted the mail, or that the mailbox has it.
	Sent State = "sent"
	// Failed means that the mail was refused.
	Failed State = "failed"
	// Suppressed means that the mail was not sent because of the suppression list.
	Suppressed State = "suppressed"
	// Dropped means that [Outbox.Drop] gave the mail up.
	Dropped State = "dropped"
)

// Mail is what the Outbox knows of a mail.
type Mail struct {
	Key     string
	GrantID string
	Label   string // of the request's TrackingOptions
	State   State
	// MessageID is that of the sent message.
	MessageID string
	// Attempts is how many requests to send it were made.
	Attempts int
	// NextAt is when the Outbox has to do with the mail again: zero if never, or at once.
	NextAt time.Time
	// Reason says why it is in its state, "" if there is nothing to say. It has no address.
	Reason string
	// SecondMailPossible reports whether the mail may have been sent twice.
	SecondMailPossible bool
}

// Counts is how many mails are in each state.
type Counts struct {
	Waiting, Sending, Unknown, Sent, Failed, Suppressed, Dropped int
	// SecondMailPossible counts the mails that may have been sent twice.
	SecondMailPossible int
}

// StoppedError says that Run stopped sending from a grant, because the reason concerns all of
// its mail: sending is paused, or the grant or the API key cannot be used. Err is the error of
// the send; errors.Is finds [github.com/nylastrack/nylas-go.ErrSendingPaused] in it, for
// example.
type StoppedError struct {
	GrantID string
	Key     string // of the mail that met the error; it waits, as the others of the grant do
	Err     error
}

// Error returns a text without the grant, which can be an address.
func (e *StoppedError) Error() string {
	return "outbox: no more is sent from a grant, its mails wait: " + e.Err.Error()
}

// Unwrap returns Err.
func (e *StoppedError) Unwrap() error { return e.Err }

// Resend sends a mail again that is [Failed], [Unknown] or [Suppressed], with a new
// Idempotency-Key. If it was Unknown, a second mail is possible: look into the mailbox first.
//
// The error is [ErrNoMail] or [ErrState].
func (o *Outbox) Resend(ctx context.Context, key string) error {
	return o.decide(ctx, "resend", key, `UPDATE mails SET twice = twice OR state = 'unknown', state = 'waiting', round = round + 1,
		doubts = 0, next = 0, reason = '' WHERE key = ? AND state IN ('failed', 'unknown', 'suppressed') AND request <> ''`)
}

// Drop gives up a mail that is neither being sent nor [Sent]: it is not sent any more. Its key
// stays, so that adding it again has no effect. The error is [ErrNoMail] or [ErrState].
func (o *Outbox) Drop(ctx context.Context, key string) error {
	return o.decide(ctx, "drop", key, `UPDATE mails SET state = 'dropped', request = '', next = ?2
		WHERE key = ?1 AND state IN ('waiting', 'failed', 'unknown', 'suppressed', 'dropped')`, int64(never))
}

func (o *Outbox) decide(ctx context.Context, what, key, statement string, args ...any) error {
	result, err := o.db.ExecContext(ctx, statement, append([]any{key}, args...)...)
	if err != nil {
		return wrap(what, err)
	}
	if changed, err := result.RowsAffected(); err != nil || changed > 0 {
		o.signal()
		return wrap(what, err)
	}
	var known bool
	if err := o.db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM mails WHERE key = ?)", key).Scan(&known); err != nil {
		return wrap(what, err)
	}
	return wrap(what, map[bool]error{true: ErrState, false: ErrNoMail}[known])
}
