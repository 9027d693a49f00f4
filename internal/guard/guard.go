// Package guard calls functions of the user's, which may panic or end their goroutine.
package guard

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"runtime/debug"

	"github.com/nylastrack/nylas-go/internal/telemetry"
)

// ErrExited means that a function ended its goroutine, by runtime.Goexit.
var ErrExited = errors.New("it ended its goroutine")

// PanicError is the error of a function that panicked. Its text does not contain the value,
// which may be a secret.
type PanicError struct {
	Text  string // see PanicText
	Stack string
}

// Error names what panicked.
func (p *PanicError) Error() string { return "it panicked: " + p.Text }

// newPanicError is a function of its own, so that the frame of Call stays small: it runs in
// goroutines whose stack would grow.
func newPanicError(value any) error {
	return &PanicError{Text: PanicText(value), Stack: string(debug.Stack())}
}

// Call calls f, and then done, once, with the error of f, a *[PanicError], or [ErrExited]. A
// function that exits takes its goroutine with it, so start Call with go.
func Call(f func() error, done func(err error)) {
	err := ErrExited
	defer func() {
		if value := recover(); value != nil {
			err = newPanicError(value)
		}
		done(err)
	}()
	err = f()
}

// Outcome makes the caller's own errors of what Call gives to done: panicked of a panic and
// exited of an exit. Every other error is that of the function, and stays; so does one in which
// the function wrapped such an error of another call. p is the panic, for the log, or nil.
func Outcome(err, panicked, exited error) (p *PanicError, own error) {
	//nolint:errorlint // what the function wrapped is its error
	if p, ok := err.(*PanicError); ok {
		return p, panicked
	}
	if err == ErrExited { //nolint:errorlint // as above
		return nil, exited
	}
	return nil, err
}

// Attrs are the attributes of a log record about the panic, after those that it has already.
func (p *PanicError) Attrs(more ...slog.Attr) []slog.Attr {
	return append(more, slog.String(telemetry.LogError, p.Text), slog.String(telemetry.LogStack, p.Stack))
}

// IsNil reports whether an interface is nil or holds a nil pointer or function,
// which would panic at the first call.
func IsNil(value any) bool {
	v := reflect.ValueOf(value)
	switch v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func:
		return v.IsNil()
	default:
		return false
	}
}

// PanicText names the value of a panic for a log or an error. It may hold anything,
// a secret too, so only its type is named, unless it comes from the runtime.
func PanicText(value any) string {
	if err, ok := value.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", value)
}
