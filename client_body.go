package nylas

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/nylastrack/nylas-go/internal/anon"
	"github.com/nylastrack/nylas-go/internal/payload"
)

// sentBody is the body of a request. It notes whether it was read, because nobody can have
// got the request before. If its first read comes too late it breaks the request off: a
// machine can sleep while it connects, too.
type sentBody struct {
	io.ReadCloser
	watch *bodyWatch
}

type bodyWatch struct {
	isLate     func() bool
	read, late atomic.Bool
}

func (b sentBody) Read(p []byte) (int, error) {
	if !b.watch.read.Load() {
		if b.watch.isLate() {
			b.watch.late.Store(true)
			return 0, errWindowOver
		}
		b.watch.read.Store(true)
	}
	return b.ReadCloser.Read(p)
}

// attach makes the payload the body of req. The stream is nil for a payload in memory.
func (x *roundTrips) attach(req *http.Request) (*bodyWatch, *payload.Reading) {
	first := x.attempts == 1 // it may take any time: there is no earlier request
	watch := &bodyWatch{isLate: func() bool { return !first && x.pace.isOver() }}
	if x.body == nil {
		return watch, nil
	}
	open := func() (io.ReadCloser, *payload.Reading) {
		switch opened := x.body.Open().(type) {
		case *payload.Reading:
			return sentBody{opened, watch}, opened
		case *bytes.Reader:
			return sentBody{io.NopCloser(opened), watch}, nil
		default:
			return http.NoBody, nil
		}
	}
	body, stream := open()
	req.Body, req.ContentLength = body, x.body.Size()
	// With a key and a body that it can get again, net/http would repeat the request by
	// itself, and nobody would know of the attempt that was lost.
	if stream == nil && x.key == "" {
		req.GetBody = func() (io.ReadCloser, error) {
			again, _ := open()
			return again, nil
		}
	}
	return watch, stream
}

// streamedBody is the body of an answer that the caller reads. It ends with the context of
// the call, which it releases once it was read or closed.
type streamedBody struct {
	body  io.ReadCloser
	ended func() error // why the context ended, nil if it did not
	end   func()
	fail  func(error) error // makes the error of the call
}

func (b *streamedBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if err == nil || errors.Is(err, io.EOF) {
		if err != nil {
			b.end()
		}
		return n, err
	}
	err = cmp.Or(b.ended(), anon.WithoutURL(err))
	b.end()
	return n, b.fail(fmt.Errorf("the content was cut off: %w", err))
}

func (b *streamedBody) Close() error {
	b.end()
	return b.body.Close()
}
