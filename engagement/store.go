package engagement

import "context"

// Key names the events of one kind of one message. Each has a record of its own in a
// [Store].
type Key struct {
	GrantID string
	// MessageID is the tracked message. ThreadID is set instead for replies whose
	// notification does not name the message.
	MessageID, ThreadID string
	Kind                Kind
}

// Record is what a [Store] has of a [Key].
type Record struct {
	// State says which events are known. Its format is private to the package, and
	// stores keep it as it is. It is nil if there is none yet. Nobody changes the bytes.
	State []byte
	// Withdrawn reports that events of the message are to be dropped, because a person
	// withdrew their consent.
	Withdrawn bool
}

// Addition is what a notification adds to a record.
type Addition struct {
	State  []byte  // replaces the record's
	Events []Event // the new events, each with its own strings
}

// Store keeps what a [Ledger] knows: a record for each message and kind, and the events
// if it is told to. Implementations are [MemoryStore] and package sqlstore. All methods
// are safe for concurrent use.
type Store interface {
	// Load returns the record of a key, or the zero Record if there is none.
	Load(ctx context.Context, key Key) (Record, error)
	// Update changes the record of a key. It calls fn with the record, and stores the
	// state and the events that fn returns, all or nothing. Meanwhile no other Update of
	// the same key calls its fn, in any process. If fn returns an error,
	// Update stores nothing and returns that error. fn is called once.
	Update(ctx context.Context, key Key, fn func(Record) (Addition, error)) error
}

// History is what a Store can tell of the events that it keeps.
type History interface {
	// Events returns the events of a message in the order of their time, or none if the
	// message is unknown.
	Events(ctx context.Context, grantID, messageID string) ([]Event, error)
	// Sent returns what the program stored of the message when it sent it, or false.
	Sent(ctx context.Context, grantID, messageID string) (Sent, bool, error)
}
