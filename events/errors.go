package events

import (
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// The errors of [Parse] and [Peek]; test for them with [errors.Is]. The text says
// which rule was broken and where. It never repeats what the notification holds.
var (
	// ErrNotJSON means that the input is not exactly one JSON value.
	ErrNotJSON = errors.New("events: not JSON")
	// ErrEnvelope means that the input is JSON but not a notification. It is not an
	// object, its id or type is unusable or given twice, or a known trigger has no data.
	ErrEnvelope = errors.New("events: bad envelope")
	// ErrData means that the data of a known trigger is not an object, or that an open,
	// click or reply does not say which message it is about.
	ErrData = errors.New("events: bad data")
)

// ruleError is the rule that a notification broke.
type ruleError string

func (e ruleError) Error() string { return string(e) }

const errNotObject ruleError = "want an object"

// describe turns an error of the JSON library into one that says what is wrong
// and where, and that holds nothing of the notification. What the library does not
// tell apart breaks a rule of the envelope.
func describe(err error) error {
	if errors.Is(err, ErrNotJSON) {
		return err
	}
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("%w: cut off after %d bytes", ErrNotJSON, syntactic.ByteOffset)
		}
		return fmt.Errorf("%w: syntax error at byte %d", ErrNotJSON, syntactic.ByteOffset)
	}
	if err == io.EOF { //nolint:errorlint // the decoder promises io.EOF itself
		return fmt.Errorf("%w: empty", ErrNotJSON)
	}
	return fmt.Errorf("%w: %w", ErrEnvelope, err)
}
