package events

import (
	"errors"
	"fmt"
	"io"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The errors of [Parse] and [Peek]; test for them with [errors.Is]. The text says
// which rule was broken and where. It never repeats what the notification holds.
var (
	// ErrNotJSON means that the input is not exactly one JSON value.
	ErrNotJSON = errors.New("events: not JSON")
	// ErrEnvelope means that the input is JSON but not a notification. It is not an
	// object, its id or type is unusable or given twice, a known trigger has no data,
	// or its time or delivery attempt cannot be read as a number.
	ErrEnvelope = errors.New("events: bad envelope")
	// ErrData means that a field in the data of a known trigger has the wrong type.
	ErrData = errors.New("events: bad data")
)

// ruleError is the rule that a notification broke.
type ruleError string

func (e ruleError) Error() string { return string(e) }

const (
	errNotObject     ruleError = "want an object"
	errDataNotObject ruleError = "data: want an object"
)

// describe turns an error of the JSON library into one that says what is wrong
// and where, and that holds nothing of the notification. What is not told apart
// by the library counts as kind.
func describe(err, kind error) error {
	if errors.Is(err, ErrNotJSON) || errors.Is(err, ErrEnvelope) || errors.Is(err, ErrData) {
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
	if semantic, ok := errors.AsType[*jsonv2.SemanticError](err); ok {
		reason := "a JSON " + semantic.JSONKind.String() + " does not fit"
		if semantic.Err != nil {
			reason = semantic.Err.Error()
		}
		// The path has only names that a struct knows, none that a stranger chose.
		path := strings.ReplaceAll(strings.TrimPrefix(string(semantic.JSONPointer), "/"), "/", ".")
		return fmt.Errorf("%w: %s: %s", kind, path, reason)
	}
	return fmt.Errorf("%w: %w", kind, err)
}
