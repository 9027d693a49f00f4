package receive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"time"
)

// A SecretSource knows the secrets of one webhook. [Secret] makes one of fixed values;
// a [SecretStore] is one whose secrets change.
type SecretSource interface {
	// Load returns what is stored now. It sees every Swap that returned before it
	// began, in any process. A source without a secret yet returns the zero SecretState.
	Load(ctx context.Context) (SecretState, error)
}

// Secret returns a source of secrets that never change: the webhook_secret values that
// Nylas showed when the webhook was created or its secret rotated, the newest first. If one
// of them is blank, has white space or quotes around it, or an invisible character in it,
// or if there is none, [New] returns an error. Before the webhook exists, use
// new(MemorySecrets) or another store: the Receiver then answers the challenge, and 503 to
// notifications until the store has a secret.
//
// A Receiver with fixed secrets answers 401 to every other signature, and Nylas does not
// deliver those notifications again. So it loses what comes between a rotation at Nylas and
// its restart with the new secret. Use a [SecretStore] to rotate without a loss.
func Secret(values ...string) SecretSource {
	stored := make([]StoredSecret, 0, len(values))
	for _, value := range values {
		stored = append(stored, StoredSecret{Value: value})
	}
	return fixedSecrets(func() []StoredSecret { return stored })
}

// fixedSecrets is a function so that nothing prints, logs or encodes the secrets.
type fixedSecrets func() []StoredSecret

func (f fixedSecrets) Load(context.Context) (SecretState, error) {
	if _, err := f.usable(); err != nil {
		return SecretState{}, fmt.Errorf("receive: %w", err)
	}
	return SecretState{Secrets: slices.Clone(f())}, nil
}

// usable returns the secrets if all of them can be used.
func (f fixedSecrets) usable() (secrets, error) {
	if len(f()) == 0 {
		return nil, errors.New("no secret given")
	}
	return newSecrets(f())
}

// A SecretStore keeps the secrets of one webhook, for all processes that create it, rotate
// its secret or receive its deliveries:
//
//	store                         processes                    after a restart
//	MemorySecrets                 one, in tests and demos      empty, needs Adopt
//	FileSecrets                   several, on one machine      kept
//	Secrets of inbox.Inbox        the one that has the inbox   kept
//	Secrets of riversink.Sink     any number, on any machines  kept, in PostgreSQL
//
// Test a store of your own with TestSecretStore of package nylastest. It must keep times to
// the nanosecond, as JSON does, because callers compare what they stored with what they load.
// It must not put a secret into an error, nor share memory with its callers.
type SecretStore interface {
	SecretSource
	// Swap replaces old by next. It returns ErrChanged, and changes nothing, if the stored
	// state is not Equal to old. Of two concurrent calls with the same old at most one
	// succeeds. After any other error either state may be stored.
	Swap(ctx context.Context, old, next SecretState) error
}

// ErrChanged is the error of [SecretStore].Swap if the stored state is not the old one
// any more: load it and decide again.
var ErrChanged = errors.New("receive: the stored secrets were changed by someone else")

// SecretState is what a [SecretStore] holds: one webhook, its secrets, and what is being
// done to it. The zero value means that there is none yet. The Subscribe and Rotate
// methods of a Client write it; a [Receiver] reads it.
//
// Printing or logging one shows no secret. Its JSON has the secrets, for stores. So a
// logger that writes JSON shows them if it is given a struct, slice or map that holds a
// SecretState, and package fmt shows those in an unexported field.
type SecretState struct {
	WebhookID string `json:"webhook_id,omitzero"`
	URL       string `json:"url,omitzero"`
	// Secrets has the newest first.
	Secrets []StoredSecret `json:"secrets,omitzero"`

	// Busy is what a process is about to do at Nylas, BusyCreate or BusyRotate, and
	// empty if the rest is settled. While it is not empty, Nylas may sign with a secret
	// that is not here yet.
	Busy string `json:"busy,omitzero"`
	// Owner names the call that is busy. It is random and different for each call.
	Owner string `json:"owner,omitzero"`
	// BusyUntil is when another process may take over, because the owner has crashed.
	BusyUntil time.Time `json:"busy_until,omitzero"`
	// UnsureUntil is until when Nylas may still deliver what it signed with a secret
	// that never arrived here, after a rotation.
	UnsureUntil time.Time `json:"unsure_until,omitzero"`
}

// The values of [SecretState].Busy.
const (
	BusyCreate = "create"
	BusyRotate = "rotate"
)

// StoredSecret is one secret of a webhook.
type StoredSecret struct {
	Value string `json:"value"`
	// Until is when it stops being accepted; zero means never.
	Until time.Time `json:"until,omitzero"`
}

// Equal reports whether two states are the same. Times are compared as instants, so that
// a store may keep them in any location.
func (s SecretState) Equal(other SecretState) bool {
	return s.WebhookID == other.WebhookID && s.URL == other.URL && s.Busy == other.Busy && s.Owner == other.Owner &&
		s.BusyUntil.Equal(other.BusyUntil) && s.UnsureUntil.Equal(other.UnsureUntil) &&
		slices.EqualFunc(s.Secrets, other.Secrets, func(a, b StoredSecret) bool {
			return a.Value == b.Value && a.Until.Equal(b.Until)
		})
}

// IsZero reports whether there is no webhook yet.
func (s SecretState) IsZero() bool { return s.Equal(SecretState{}) }

// String describes the state without its secrets.
func (s SecretState) String() string {
	text := "webhook " + strconv.Quote(s.WebhookID) + " with " + strconv.Itoa(len(s.Secrets)) + " secrets"
	if s.Busy != "" {
		text += ", busy: " + s.Busy
	}
	return text
}

// Format prints String, whatever the verb.
func (s SecretState) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue is String, for log/slog.
func (s SecretState) LogValue() slog.Value { return slog.StringValue(s.String()) }

// String hides the value.
func (s StoredSecret) String() string { return "[secret]" }

// Format hides the value, whatever the verb.
func (s StoredSecret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue hides the value.
func (s StoredSecret) LogValue() slog.Value { return slog.StringValue(s.String()) }
