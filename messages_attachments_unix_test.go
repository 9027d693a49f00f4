//go:build unix

package nylas_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

// TestFileThatBecomesAPipe: opening a named pipe waits for somebody who writes, and
// no context ends that. A device has no end.
func TestFileThatBecomesAPipe(t *testing.T) {
	t.Parallel()
	for name, become := range map[string]func(string) error{
		"pipe":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"device": func(path string) error { return os.Symlink("/dev/zero", path) },
	} {
		for kind, content := range map[string]func(path string) nylas.AttachmentContent{
			"file":           nylas.FileContent,
			"of file system": func(path string) nylas.AttachmentContent { return nylas.FSContent(os.DirFS(filepath.Dir(path)), "f") },
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				path := fileWith(t, "f", "content")
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if _, err := io.Copy(io.Discard, r.Body); err == nil {
						assert.NoError(t, errors.Join(os.Remove(path), become(path)))
					}
					w.WriteHeader(http.StatusServiceUnavailable)
					_, _ = w.Write(recording(t, unavailableAnswer))
				}))
				t.Cleanup(server.Close)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				_, err := realClient(t, server.URL, 4).Messages.Send(ctx, testGrant, attached(nylas.Attachment{Content: content(path)}))
				require.EqualError(t, err, "nylas: send message: the request was broken off: "+
					"Attachments[0] cannot be opened: it is not a regular file")
				assert.Equal(t, 2, asError(t, err).Attempts)
				assertSentinels(t, err)
			})
		}
	}
}

// BenchmarkSendAttachment sends a file of 24 MB. It reports, and fails above their
// limits:
//
//   - heap-MB: by how much the heap of the whole process, server included, grows at
//     most during a send with one repetition;
//   - x-post: the CPU time of a send, as a multiple of that of a bare POST of the
//     same bytes by net/http, from a file too. The file is read and written there as it
//     is here, and not by sendfile, which a body of several parts cannot have.
func BenchmarkSendAttachment(b *testing.B) {
	const (
		size       = 24_000_000
		maxHeapMB  = 2.0
		maxPosts   = 1.15
		rounds     = 21
		sendsRound = 3
	)
	server := newDiscarder(b)
	file := filepath.Join(b.TempDir(), "offer.pdf")
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(content) // never fails
	require.NoError(b, os.WriteFile(file, content, 0o600))

	client, err := nylas.NewClient(testAPIKey, nylas.WithBaseURL(server.url), nylas.WithHTTPClient(server.http),
		nylas.WithRetryPolicy(nylas.RetryPolicy{BaseDelay: time.Nanosecond}))
	require.NoError(b, err)
	req := markedMessage()
	req.Attachments = []nylas.Attachment{{Content: nylas.FileContent(file)}}
	send := func(attempts int) {
		var resp nylas.Response
		_, err := client.Messages.Send(b.Context(), testGrant, req, nylas.WithResponse(&resp))
		require.NoError(b, err)
		require.Equal(b, attempts, resp.Attempts)
	}
	same, contentType := server.keep(b, func() { send(1) })
	post := func() { server.post(b, same, contentType) }

	send(1) // fills the pools
	server.refuse.Store(true)
	heapMB := heapGrowth(func() { send(2) }) / 1e6

	var sends, posts []time.Duration
	for range rounds {
		sends = append(sends, cpuTime(func() { repeatFor(sendsRound, func() { send(1) }) }))
		posts = append(posts, cpuTime(func() { repeatFor(sendsRound, post) }))
	}
	slices.Sort(sends)
	slices.Sort(posts)
	ratio := float64(sends[rounds/2]) / float64(posts[rounds/2])

	b.SetBytes(size)
	for b.Loop() {
		send(1)
	}
	b.ReportMetric(heapMB, "heap-MB")
	b.ReportMetric(ratio, "x-post")
	if heapMB >= maxHeapMB {
		b.Errorf("the heap grew by %.2f MB, the limit is %v", heapMB, maxHeapMB)
	}
	if ratio > maxPosts {
		b.Errorf("a send costs %.2f times the CPU of a bare POST, the limit is %v", ratio, maxPosts)
	}
}

// discarder is a server that reads requests and forgets them.
type discarder struct {
	url    string
	http   *http.Client
	refuse atomic.Bool // the next request gets 503
	keepIn atomic.Pointer[bytes.Buffer]
	header atomic.Pointer[http.Header]
}

func newDiscarder(b *testing.B) *discarder {
	b.Helper()
	d := new(discarder)
	answer := recording(b, messageAnswer)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		into := io.Discard
		if kept := d.keepIn.Load(); kept != nil {
			into = kept
			d.header.Store(&r.Header)
		}
		if _, err := io.Copy(into, r.Body); err != nil {
			b.Errorf("the request was cut off: %v", err)
		}
		if d.refuse.Swap(false) {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(answer) // who asked sees it
	}))
	b.Cleanup(server.Close)
	d.url, d.http = server.URL, server.Client()
	return d
}

// keep writes the body of the request that send makes to a file, in one piece like
// the attachment, for how a file was written shows in how fast it is read. It
// returns the file and the body's type.
func (d *discarder) keep(b *testing.B, send func()) (path, contentType string) {
	b.Helper()
	var body bytes.Buffer
	d.keepIn.Store(&body)
	send()
	d.keepIn.Store(nil)
	path = filepath.Join(b.TempDir(), "body")
	require.NoError(b, os.WriteFile(path, body.Bytes(), 0o600))
	return path, d.header.Load().Get("Content-Type")
}

// post is the bare POST.
func (d *discarder) post(b *testing.B, path, contentType string) {
	b.Helper()
	file, err := os.Open(path)
	require.NoError(b, err)
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	require.NoError(b, err)
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, d.url, struct{ io.Reader }{file})
	require.NoError(b, err)
	req.ContentLength = info.Size()
	req.Header.Set("Content-Type", contentType)
	resp, err := d.http.Do(req)
	require.NoError(b, err)
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(b, err)
	require.Equal(b, http.StatusOK, resp.StatusCode)
}

// heapGrowth returns by how many bytes do makes the heap grow: all that it
// allocates, for nothing is collected meanwhile, and so at least the peak.
func heapGrowth(do func()) float64 {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	runtime.GC()
	inUse := func() float64 {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(sample)
		return float64(sample[0].Value.Uint64())
	}
	before := inUse()
	do()
	return inUse() - before
}

// cpuTime returns the CPU time of the process for do, the kernel's included.
func cpuTime(do func()) time.Duration {
	used := func() time.Duration {
		var usage syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // fails only for bad arguments
		return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	before := used()
	do()
	return used() - before
}

func repeatFor(times int, do func()) {
	for range times {
		do()
	}
}
