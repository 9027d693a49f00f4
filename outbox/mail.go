package outbox

import "time"

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
	Waiting, Sending, Unknown, Sent, Failed, Suppressed int
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
