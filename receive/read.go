package receive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/nylastrack/nylas-go/internal/telemetry"
)

const (
	// firstReadBytes is the memory that a request gets before it has sent anything: many
	// notifications fit, and thousands of idle connections do no harm.
	firstReadBytes = 2 << 10
	// A body grows fast while it is small, so that most are copied once, and doubles then.
	fastGrowth, growth = 8, 2
)

// limitReading sets the deadline for the body, so that it holds under any
// http.Server. It comes first, and stays for a body that is refused: net/http
// reads on in a body that the handler left, before it sends the answer. It reports whether
// the connection has deadlines.
func (r *Receiver) limitReading(w http.ResponseWriter, req *http.Request, start time.Time) (limited bool, err error) {
	err = http.NewResponseController(w).SetReadDeadline(start.Add(r.limits.read))
	if errors.Is(err, http.ErrNotSupported) {
		// Without a server there is no connection, as in a test or on AWS Lambda.
		if req.Context().Value(http.ServerContextKey) != nil {
			r.warnUnlimited.Do(func() { r.warnOfWriter(w) })
		}
		return false, nil
	}
	return err == nil, err
}

func (r *Receiver) warnOfWriter(w http.ResponseWriter) {
	r.logger.LogAttrs(context.Background(), slog.LevelWarn, "receive: the time for reading a body is not limited, "+
		"because this ResponseWriter cannot set a deadline: if it is that of a middleware, give it a method Unwrap() http.ResponseWriter",
		slog.String(telemetry.LogWriter, fmt.Sprintf("%T", w)))
}

// firstPieces are used again: most bodies leave theirs at once.
var firstPieces = sync.Pool{New: func() any { return new([firstReadBytes]byte) }}

// readBody reads the body of a request, and takes its deadline away once it is
// whole: while the handler works, net/http watches the connection, and takes the
// end of a deadline for the sender's. It clears one by itself only where there
// was a body to read.
func (r *Receiver) readBody(w http.ResponseWriter, req *http.Request, a *arrival) ([]byte, error) {
	if a.budget.full() {
		return nil, errOverload
	}
	if req.Body == nil { // a request that a program made
		req.Body = http.NoBody
	}
	// A length of 0 beside a body that is there is not declared: so it is with adapters
	// that make a request of something else, such as those for AWS Lambda and FastCGI.
	most, exactly := req.ContentLength, true
	if most <= 0 {
		most, exactly = r.limits.body, false
	}
	var body []byte
	var err error
	if most <= firstReadBytes {
		body, err = readGrowing(make([]byte, 0, most), req.Body, most, exactly, a.grow)
	} else {
		first := firstPieces.Get().(*[firstReadBytes]byte)
		defer firstPieces.Put(first)
		body, err = readGrowing(first[:0], req.Body, most, exactly, a.grow)
		if len(body) <= firstReadBytes {
			body = bytes.Clone(body) // no length was declared, and it has not grown
		}
	}
	if err = a.read(err); err != nil {
		return nil, err
	}
	// The deadline was set, so one that cannot be taken away does not matter.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return body, nil
}

var errTooLarge = errors.New("receive: body is over the limit")

// readGrowing reads to the end of at most so many bytes, or exactly so many. It begins with
// the memory of content, which is empty. It takes more as bytes arrive, whatever was
// announced, and asks grow before. More bytes are errTooLarge, fewer than exactly so many
// io.EOF.
func readGrowing(content []byte, source io.Reader, most int64, exactly bool, grow func(by int64) error) ([]byte, error) {
	for size := int64(cap(content)); ; {
		err := fill(&content, int(size), source)
		switch full := int64(len(content)) == most; {
		case full && exactly, !exactly && errors.Is(err, io.EOF):
			return content, nil
		case err != nil:
			return nil, err
		case full:
			return content, atEnd(source)
		}
		next := min(growth*size, most)
		if size < smallBodyBytes {
			next = min(fastGrowth*size, most)
		}
		if err := grow(next - size); err != nil {
			return nil, err
		}
		content = append(make([]byte, 0, next), content...) // slices.Grow may take more
		size = next
	}
}

// atEnd reads on where nothing may follow.
func atEnd(source io.Reader) error {
	next := make([]byte, 0, 1)
	switch err := fill(&next, 1, source); {
	case len(next) > 0:
		return errTooLarge
	case errors.Is(err, io.EOF):
		return nil
	default:
		return err
	}
}

// fill reads until content has size bytes or its source ends.
func fill(content *[]byte, size int, source io.Reader) error {
	for len(*content) < size {
		n, err := source.Read((*content)[len(*content):size])
		*content = (*content)[:len(*content)+n]
		if err != nil {
			return err
		}
	}
	return nil
}

// readStatus is the answer to a body that could not be read.
func readStatus(err error) int {
	_, tooLarge := errors.AsType[*http.MaxBytesError](err) // of a http.MaxBytesHandler in front
	switch {
	case tooLarge || errors.Is(err, errTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, errOverload):
		return http.StatusServiceUnavailable
	default:
		return http.StatusRequestTimeout
	}
}
