package inbox_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/receive"
)

// endpoint is a receiver with an inbox behind it, on the loopback interface.
type endpoint struct {
	t        *testing.T
	url      string
	client   *http.Client
	accepted []string // ids that were answered with 200
}

func newEndpoint(t *testing.T, box *inbox.Inbox) *endpoint {
	t.Helper()
	receiver, err := receive.New(box, receive.Secret(crashSecret))
	require.NoError(t, err)
	server := httptest.NewServer(receiver)
	t.Cleanup(server.Close)
	return &endpoint{t: t, url: server.URL, client: server.Client()}
}

// deliver delivers the notification with an id and returns the status. It fails
// the test if that is neither 200 nor 503.
func (e *endpoint) deliver(id string) int {
	e.t.Helper()
	status, err := post(e.t.Context(), e.client, e.url, attempted(id, firstAttempt))
	require.NoError(e.t, err)
	if status == http.StatusOK {
		e.accepted = append(e.accepted, id)
	} else {
		require.Equal(e.t, http.StatusServiceUnavailable, status)
	}
	return status
}

// requireChallenge checks that the endpoint is alive.
func (e *endpoint) requireChallenge() {
	e.t.Helper()
	request, err := http.NewRequestWithContext(e.t.Context(), http.MethodGet, e.url+"?challenge=alive", nil)
	require.NoError(e.t, err)
	response, err := e.client.Do(request)
	require.NoError(e.t, err)
	require.NoError(e.t, response.Body.Close())
	require.Equal(e.t, http.StatusOK, response.StatusCode)
}

// keeper is a handler that keeps what it gets.
type keeper struct {
	mu     sync.Mutex
	counts map[string]int
	bodies map[string]string
}

func (k *keeper) HandleDelivery(_ context.Context, d *receive.Delivery) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.counts == nil {
		k.counts, k.bodies = make(map[string]int), make(map[string]string)
	}
	k.counts[d.ID]++
	k.bodies[d.ID] = string(d.Body)
	return nil
}

// count is how often an id was handled.
func (k *keeper) count(id string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.counts[id]
}

// mustOpen opens an inbox and closes it with the test.
func mustOpen(t *testing.T, path string, options ...inbox.Option) *inbox.Inbox {
	t.Helper()
	box, err := inbox.Open(path, append(crashOptions(), options...)...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, box.Close()) })
	return box
}

// requireHandled opens the store at path and checks that each of the ids is
// handled, by an earlier handler or now, and is in the store.
func requireHandled(t *testing.T, path string, earlier *keeper, ids []string) {
	t.Helper()
	box, err := inbox.Open(path, crashOptions()...)
	require.NoError(t, err)
	defer func() { require.NoError(t, box.Close()) }()
	now := new(keeper)
	workOff(t, box, now)
	for _, id := range ids {
		require.Positive(t, earlier.count(id)+now.count(id), "%s was answered with 200 and never handled", id)
		if body, ok := now.bodies[id]; ok {
			require.Equal(t, string(attempted(id, firstAttempt)), body)
		}
	}
	again := new(keeper)
	for _, id := range ids {
		require.NoError(t, box.HandleDelivery(t.Context(), receive.NewDelivery(attempted(id, lateAttempt), "")))
	}
	workOff(t, box, again)
	require.Empty(t, again.counts, "the store does not know all that was answered with 200")
}

// requireTold checks that an error says what is wrong and what to do, without
// showing what the file holds.
func requireTold(t *testing.T, err error, want ...string) {
	t.Helper()
	for _, text := range want {
		assert.Contains(t, err.Error(), text)
	}
	assert.NotContains(t, err.Error(), "label")
	assert.NotContains(t, err.Error(), "\n")
}

// recovery is how long an inbox may take to go on when what was wrong has ended.
const recovery = 20 * time.Second
