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

// documentation is where nobody is (RFC 5737), an address outside private networks.
const documentation = "http://192.0.2.1/hooks"

// A server that others reach delivers to its own machine and its own networks. It refuses a public
// address itself: that nobody answers there would not do.
func TestPublicAddressesAreNotReached(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"127.0.0.1:0", "0.0.0.0:0", ":0"} {
		w := &world{t: t, server: nylastest.NewServer(t, nylastest.WithAddress(listen))}
		u, err := url.Parse(w.server.URL())
		require.NoError(t, err)
		assert.Equal(t, "127.0.0.1", u.Hostname(), listen)

		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, documentation, http.NoBody)
		require.NoError(t, err)
		response, err := w.server.HTTPClient().Do(request)
		if err == nil {
			require.NoError(t, response.Body.Close())
		}
		require.ErrorContains(t, err, "only loopback addresses are reached", listen)

		if listen == "127.0.0.1:0" {
			continue // such a webhook cannot be named: see TestAddress
		}
		w.call(http.MethodPost, "/v3/webhooks", object{"trigger_types": []string{"message.opened"}, "webhook_url": documentation}).
			refused(http.StatusBadRequest, "70005", "unable.verify.webhook_url : no answer")
		w.call(http.MethodPost, "/v3/webhooks/send-test-event", object{"trigger_type": "message.opened", "webhook_url": documentation}).
			refused(http.StatusBadRequest, "70005", "unable.verify.webhook_url : no answer")
		attempts := w.server.Deliveries()
		require.Len(t, attempts, 1, listen)
		require.ErrorContains(t, attempts[0].Err, "only loopback addresses and private networks are reached", listen)
	}
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
	require.NoError(t, hooks.Listener.Close())
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
		l, err := net.Listen("tcp", strings.TrimPrefix(before, "http://"))
		require.NoError(t, err)
		elsewhere := httptest.NewUnstartedServer(http.NotFoundHandler()) // whoever has the address now
		require.NoError(t, elsewhere.Listener.Close())
		elsewhere.Listener = l
		elsewhere.Start()
		t.Cleanup(elsewhere.Close)
		w.server = nylastest.NewServer(t, w.stateFile(path))
		require.NotEqual(t, before, w.server.URL())
		require.NoError(t, w.recipient(message).Open(t.Context()))
	}
	assert.Equal(t, nylastest.Counts{Opens: 2}, w.server.Counts(message.ID))
}
