package page_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/nylastrack/nylas-go/internal/page"
)

// recorder is a ResponseWriter that can be read while it is written.
type recorder struct {
	header http.Header

	mu      sync.Mutex
	written []byte
	flushed []byte
}

func (r *recorder) Header() http.Header { return r.header }
func (*recorder) WriteHeader(int)       {}

func (r *recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.written = append(r.written, b...)
	return len(b), nil
}

func (r *recorder) Flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flushed = r.written
}

// text is what has been sent.
func (r *recorder) text() string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return string(r.flushed)
}

// broadcast is a source of changes.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{}
}

func (b *broadcast) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ch
}

func (b *broadcast) change() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ch)
	b.ch = make(chan struct{})
}

func TestStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		source := &broadcast{ch: make(chan struct{})}
		w := &recorder{header: http.Header{}}
		done := make(chan struct{})
		start := time.Now()
		go func() {
			defer close(done)
			page.Stream(w, httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx), source.next)
		}()
		const changed = "event: changed\ndata: 1\n\n"
		assert.Equal(t, changed, w.text(), "at once, for what happened before")
		assert.Equal(t, "text/event-stream", w.Header().Get("Content-Type"))

		<-time.After(time.Second)
		source.change()
		source.change()
		synctest.Wait()
		source.change() // while the stream pauses: told afterwards, once
		<-time.After(10 * time.Millisecond)
		source.change()
		<-time.After(time.Second)
		assert.Equal(t, strings.Repeat(changed, 3), w.text())

		<-time.After(time.Until(start.Add(time.Minute + time.Second)))
		assert.Equal(t, strings.Repeat(changed, 3)+strings.Repeat(":\n\n", 2), w.text(), "a sign of life each 30 s")

		cancel()
		<-done
	})
}

// A stream ends while it pauses, too.
func TestStreamEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		page.Stream(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx), (&broadcast{}).next)
		assert.Equal(t, start, time.Now())
	})
}

// HEAD has no body to wait for.
func TestStreamHead(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	page.Stream(w, httptest.NewRequest(http.MethodHead, "/", nil), (&broadcast{ch: make(chan struct{})}).next)
	assert.Equal(t, "text/event-stream", w.Header().Get("Content-Type"))
	assert.Empty(t, w.Body.String())
}
