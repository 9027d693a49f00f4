package receive_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

// serving runs Serve on a network in memory.
func serving(t *testing.T, handler http.Handler) (network *nylastest.Network, stop context.CancelFunc, served <-chan error) {
	t.Helper()
	network = nylastest.NewNetwork()
	listener, err := network.Listen("receiver.test")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- receive.Serve(ctx, listener, handler) }()
	return network, stop, ended
}

// A client that sends half a header, half a body, or nothing more, does not keep its
// connection.
func TestServeCutsOffSlowClients(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		sent  string
		after time.Duration
	}{
		"nothing":       {"", 2 * time.Second},
		"half a header": {"POST / HTTP/1.1\r\nHost: app", 2 * time.Second},
		"half a body":   {"POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 10\r\n\r\nhalf", 5 * time.Second},
		"no more":       {"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n", 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				network, stop, served := serving(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
				}))
				start := time.Now()
				conn, err := network.DialContext(t.Context(), "", "receiver.test")
				require.NoError(t, err)
				go func() { _, _ = io.WriteString(conn, test.sent) }()
				_, err = io.Copy(io.Discard, conn)
				require.NoError(t, err)
				assert.InDelta(t, test.after.Seconds(), time.Since(start).Seconds(), 1)
				require.NoError(t, conn.Close())
				stop()
				require.NoError(t, <-served)
			})
		})
	}
}

func TestServeRefusesLargeHeaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network, stop, served := serving(t, http.NotFoundHandler())
		conn, err := network.DialContext(t.Context(), "", "receiver.test")
		require.NoError(t, err)
		go func() { _, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nX: "+strings.Repeat("x", 32<<10)) }()
		answer, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.Contains(t, string(answer), "431 Request Header Fields Too Large")
		require.NoError(t, conn.Close())
		stop()
		require.NoError(t, <-served)
	})
}

// What is being handled when the context ends is finished, and answered.
func TestServeStopsGracefully(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		takes time.Duration
		err   string
	}{
		"in time": {8 * time.Second, ""},
		"late":    {time.Minute, "receive: serve: requests were still running 10s after the end: context deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				network, stop, served := serving(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					<-time.After(test.takes)
					w.WriteHeader(http.StatusOK)
				}))
				client := &http.Client{Transport: &http.Transport{DialContext: network.DialContext, DisableKeepAlives: true}}
				type answer struct {
					status int
					err    error
				}
				answers := make(chan answer, 1)
				go func() {
					resp, err := client.Get("http://receiver.test/")
					if err != nil {
						answers <- answer{err: err}
						return
					}
					answers <- answer{resp.StatusCode, resp.Body.Close()}
				}()
				synctest.Wait()
				start := time.Now()
				stop()
				err := <-served
				got := <-answers
				if test.err == "" {
					require.NoError(t, err)
					assert.Equal(t, answer{status: http.StatusOK}, got)
					assert.InDelta(t, test.takes.Seconds(), time.Since(start).Seconds(), 1)
				} else {
					require.EqualError(t, err, test.err)
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.Error(t, got.err)
					assert.Equal(t, 10*time.Second, time.Since(start))
					<-time.After(test.takes) // the handler cannot be ended
				}
				_, err = network.DialContext(t.Context(), "", "receiver.test")
				require.Error(t, err, "it accepts nothing more")
			})
		})
	}
}

var errAccept = errors.New("too many open files")

// brokenListener cannot accept.
type brokenListener struct{ net.Listener }

func (brokenListener) Accept() (net.Conn, error) { return nil, errAccept }

// unclosedListener says that it could not be closed.
type unclosedListener struct {
	net.Listener
	err error
}

func (l unclosedListener) Close() error { return errors.Join(l.Listener.Close(), l.err) }

func TestServeWithAListenerThatFailsToClose(t *testing.T) {
	t.Parallel()
	errClose := errors.New("no such socket")
	for _, test := range []struct {
		close error
		want  string
	}{
		{errClose, "receive: serve: close the listener: no such socket"},
		{net.ErrClosed, ""}, // the caller was faster
	} {
		synctest.Test(t, func(t *testing.T) {
			listener, err := nylastest.NewNetwork().Listen("receiver.test")
			require.NoError(t, err)
			ctx, stop := context.WithCancel(t.Context())
			served := make(chan error, 1)
			go func() { served <- receive.Serve(ctx, unclosedListener{listener, test.close}, http.NotFoundHandler()) }()
			synctest.Wait()
			stop()
			if err := <-served; test.want == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, test.want)
				require.ErrorIs(t, err, errClose)
			}
		})
	}
}

func TestServeFails(t *testing.T) {
	t.Parallel()
	listener, err := nylastest.NewNetwork().Listen("receiver.test")
	require.NoError(t, err)
	err = receive.Serve(t.Context(), brokenListener{listener}, http.NotFoundHandler())
	require.ErrorIs(t, err, errAccept)
	require.ErrorContains(t, err, "receive: serve: ")

	require.EqualError(t, receive.Serve(t.Context(), nil, http.NotFoundHandler()), "receive: serve: listener is nil")
	listener, err = nylastest.NewNetwork().Listen("receiver.test")
	require.NoError(t, err)
	require.ErrorContains(t, receive.Serve(t.Context(), listener, nil), "receive: serve: handler is nil")
	_, err = listener.Accept()
	require.Error(t, err, "it was closed")
}
