package nylastest_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
)

func TestAddress(t *testing.T) {
	t.Parallel()
	first := nylastest.NewServer(t, nylastest.WithAddress("localhost:0"))
	u, err := url.Parse(first.URL())
	require.NoError(t, err)
	assert.Equal(t, "localhost", u.Hostname())
	_, err = nylastest.Start(nylastest.WithAddress("127.0.0.1:" + u.Port()))
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	for _, bad := range []string{"localhost", "127.0.0.1:", "", ":x:1"} {
		_, err := nylastest.Start(nylastest.WithAddress(bad))
		require.ErrorContains(t, err, "is not a host and a port, such as 127.0.0.1:6952", bad)
	}
	_, err = nylastest.Start(nylastest.WithAddress("127.0.0.1:1"), nylastest.WithNetwork(nylastest.NewNetwork()))
	require.ErrorContains(t, err, "WithAddress and WithNetwork exclude each other")
	w := &world{t: t, server: first}
	w.call(http.MethodPost, "/v3/webhooks", object{"trigger_types": []string{"message.opened"}, "webhook_url": "http://10.0.0.1/hooks"}).
		refused(http.StatusBadRequest, "70005", "unable.verify.webhook_url : the emulator delivers to loopback hosts only")
}

// privateAddress is an address of this machine in a private network.
func privateAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for _, a := range all {
		if network, ok := a.(*net.IPNet); ok && network.IP.IsPrivate() && network.IP.To4() != nil {
			return network.IP.String()
		}
	}
	t.Skip("this machine is in no private network")
	return ""
}

func TestAddressThatOthersReach(t *testing.T) {
	t.Parallel()
	address := privateAddress(t)
	listener, err := net.Listen("tcp", address+":0")
	require.NoError(t, err)
	receiver := &receiver{t: t}
	hooks := httptest.NewUnstartedServer(receiver)
	hooks.Listener = listener
	hooks.Start()
	t.Cleanup(hooks.Close)
	for listen, host := range map[string]string{address + ":0": address, "0.0.0.0:0": "127.0.0.1", ":0": "127.0.0.1"} {
		w := &world{t: t, receiver: receiver, server: nylastest.NewServer(t, nylastest.WithAddress(listen))}
		u, err := url.Parse(w.server.URL())
		require.NoError(t, err)
		assert.Equal(t, host, u.Hostname())
		w.subscribe(hooks.URL)
		message := w.send()
		require.NoError(t, w.recipient(message).WithIP("203.0.113.9").Open(t.Context()))
		opened := w.one()
		assert.Contains(t, string(opened.body), "203.0.113.9", "recipients say who they are")

		// Whoever is elsewhere reaches the pixel and cannot say who he is.
		_, port, err := net.SplitHostPort(u.Host)
		require.NoError(t, err)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.Replace(message.PixelURL, u.Host, address+":"+port, 1), nil)
		require.NoError(t, err)
		request.Header.Set("X-Forwarded-For", "203.0.113.10")
		response, err := new(http.Client).Do(request)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, response.Body)
		require.NoError(t, response.Body.Close())
		assert.Equal(t, http.StatusOK, response.StatusCode)
		assert.NotContains(t, string(w.one().body), "203.0.113.10")

		w.call(http.MethodPost, "/v3/webhooks", object{"trigger_types": []string{"message.opened"}, "webhook_url": "http://192.0.2.1/hooks"}).
			refused(http.StatusBadRequest, "70005", "unable.verify.webhook_url : no answer")
	}
}

func TestRecipientsReachEarlierAddresses(t *testing.T) {
	t.Parallel()
	w := &world{t: t}
	path := t.TempDir() + "/state.json"
	w.server = nylastest.NewServer(t, w.stateFile(path))
	message := w.send()
	for range 2 {
		before := w.server.URL()
		require.NoError(t, w.server.Close())
		l, err := net.Listen("tcp", strings.TrimPrefix(before, "http://")) // nobody else gets it
		require.NoError(t, err)
		t.Cleanup(func() { _ = l.Close() })
		w.server = nylastest.NewServer(t, w.stateFile(path))
		require.NotEqual(t, before, w.server.URL())
		require.NoError(t, w.recipient(message).Open(t.Context()))
	}
	assert.Equal(t, nylastest.Counts{Opens: 2}, w.server.Counts(message.ID))
}
