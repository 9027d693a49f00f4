package payload

import (
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"
	"strings"

	"github.com/nylastrack/nylas-go/internal/guard"
)

// What is in this file calls the contents of attachments. They are the caller's
// code, but run in goroutines of net/http and of contexts, where a panic would end
// the program and nobody could recover it. It becomes an error of the content, as
// if it had failed by itself.

func (f *attachedFile) open() (stream io.ReadCloser, err error) {
	defer caught(&err)
	return f.content.Open()
}

func readContent(r io.Reader, p []byte) (n int, err error) {
	defer caught(&err)
	if n, err = r.Read(p); n < 0 || n > len(p) {
		return 0, errors.New("its Read returned an impossible number of bytes")
	}
	return n, err
}

// closeContent closes a content if there is one. Nothing depends on what comes of
// it: all was read, or the attempt has ended.
func closeContent(c io.Closer) {
	if c == nil {
		return
	}
	var err error
	defer caught(&err)
	_ = c.Close()
}

// caught makes a panic the error of the function that defers it.
func caught(err *error) {
	if value := recover(); value != nil {
		*err = &panicError{value: value, place: panicPlace()}
	}
}

// panicError is a panic in a content.
type panicError struct {
	value any
	place string
}

// Error names where it was.
func (e *panicError) Error() string {
	return fmt.Sprintf("panic in %s: %s", e.place, guard.PanicText(e.value))
}

// Unwrap returns the value of the panic if it is an error.
func (e *panicError) Unwrap() error {
	err, _ := e.value.(error)
	return err
}

// maxPanicFrames is how far down the place of a panic is looked for; the runtime's
// own frames above it are a handful.
const maxPanicFrames = 32

// panicPlace returns the function that panicked, and its line, for a function that
// recovers.
func panicPlace() string {
	pcs := make([]uintptr, maxPanicFrames)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs)])
	panicking := false
	for more := true; more; {
		var frame runtime.Frame
		frame, more = frames.Next()
		switch {
		case frame.Function == "runtime.gopanic":
			panicking = true
		case panicking && frame.Function != "" && !strings.HasPrefix(frame.Function, "runtime."):
			return fmt.Sprintf("%s (%s:%d)", path.Base(frame.Function), path.Base(frame.File), frame.Line)
		}
	}
	return "a content"
}
