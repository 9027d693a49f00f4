package nylastest_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
)

func TestNetwork(t *testing.T) {
	t.Parallel()
	n := nylastest.NewNetwork()
	l, err := n.Listen("App.test")
	require.NoError(t, err)
	assert.Equal(t, "app.test:80", l.Addr().String())
	_, err = n.Listen("app.test:80")
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	other, err := n.Listen("app.test:81")
	require.NoError(t, err)
	require.NoError(t, other.Close())

	accepted := make(chan net.Conn)
	go func() {
		c, err := l.Accept()
		assert.NoError(t, err)
		accepted <- c
	}()
	client, err := n.DialContext(t.Context(), "tcp", "app.test:80")
	require.NoError(t, err)
	server := <-accepted
	assert.Equal(t, "app.test:80", client.RemoteAddr().String())
	assert.Equal(t, client.LocalAddr(), server.RemoteAddr())
	assert.Equal(t, "pipe", server.LocalAddr().Network())
	go func() {
		_, err := io.WriteString(client, "hello")
		assert.NoError(t, err)
		assert.NoError(t, client.Close())
	}()
	got, err := io.ReadAll(server)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(got))

	_, err = n.DialContext(t.Context(), "tcp", "nobody.test:80")
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = n.DialContext(ctx, "tcp", "app.test")
	require.ErrorIs(t, err, context.Canceled, "nobody accepts")

	require.NoError(t, l.Close())
	require.ErrorIs(t, l.Close(), net.ErrClosed)
	_, err = l.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = n.DialContext(t.Context(), "tcp", "app.test:80")
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	again, err := n.Listen("app.test")
	require.NoError(t, err)
	require.NoError(t, again.Close())
}

func TestServersShareANetwork(t *testing.T) {
	t.Parallel()
	n := nylastest.NewNetwork()
	first := nylastest.NewServer(t, nylastest.WithNetwork(n), nylastest.WithTrackingDomains("track.acme.dev"))
	second := nylastest.NewServer(t, nylastest.WithNetwork(n))
	assert.NotEqual(t, first.URL(), second.URL())
	assert.NotEqual(t, first.APIKey(), second.APIKey())
	_, err := nylastest.Start(nylastest.WithNetwork(n), nylastest.WithTrackingDomains("track.acme.dev"))
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.NoError(t, first.Close())
	again, err := nylastest.Start(nylastest.WithNetwork(n), nylastest.WithTrackingDomains("track.acme.dev"))
	require.NoError(t, err, "a closed server gives its names back")
	require.NoError(t, again.Close())
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t, nylastest.WithTrackingDomains("track.acme.dev"), nylastest.WithRetryDelays(0, 0))
	w := &world{t: t, server: server, receiver: &receiver{t: t}}
	hooks := httptest.NewServer(w.receiver)
	defer hooks.Close()
	assert.True(t, strings.HasPrefix(server.URL(), "http://127.0.0.1:"))

	w.subscribe(strings.Replace(hooks.URL, "127.0.0.1", "localhost", 1))
	for _, options := range []object{{"opens": true, "links": true}, {"opens": true, "links": true, "domain_name": "track.acme.dev"}} {
		kim := w.recipient(w.send(object{"tracking_options": options}))
		w.receiver.then(status(503))
		require.NoError(t, kim.Open(t.Context()))
		w.wait()
		got := w.receiver.take()
		require.Len(t, got, 2)
		assert.Equal(t, "127.0.0.1", opened(t, got[0]).Recents[0].IP)
		to, err := kim.Click(t.Context(), 0)
		require.NoError(t, err)
		assert.Equal(t, "https://acme.dev/demo", to)
		clicked(t, w.one())
	}

	for _, url := range []string{"https://acme.dev/hooks", "http://10.0.0.1/", "http://localhost.acme.dev/", "http://[2001:db8::1]/"} {
		w.call(http.MethodPost, "/v3/webhooks", object{"trigger_types": []string{"message.opened"}, "webhook_url": url}).
			refused(400, "70005", "unable.verify.webhook_url : the emulator delivers to loopback hosts only")
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://192.0.2.1/", nil)
	require.NoError(t, err)
	_, err = server.HTTPClient().Do(request)
	require.ErrorContains(t, err, "only loopback addresses are reached")
}

func TestServerIsAHandler(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t)
	recorder := httptest.NewRecorder()
	request := httptest.NewRequest(http.MethodGet, "/v3/webhooks", nil)
	request.Header.Set("Authorization", "Bearer "+server.APIKey())
	server.ServeHTTP(recorder, request)
	assert.Equal(t, http.StatusOK, recorder.Code)
	require.NoError(t, server.Close())
	recorder = httptest.NewRecorder()
	server.ServeHTTP(recorder, request)
	assert.Equal(t, http.StatusServiceUnavailable, recorder.Code)
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	for want, option := range map[string]nylastest.Option{
		"nylastest: the network is nil":                                   nylastest.WithNetwork(nil),
		"nylastest: a retry delay is negative":                            nylastest.WithRetryDelays(-time.Second, 0),
		`nylastest: tracking domain "nodot" is not a hostname with a dot`: nylastest.WithTrackingDomains("nodot"),
	} {
		_, err := nylastest.Start(option)
		require.EqualError(t, err, want)
		fake := &fakeT{}
		assert.Panics(t, func() { nylastest.NewServer(fake, option) })
		assert.Equal(t, []string{want}, fake.failures)
	}
}
