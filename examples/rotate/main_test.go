package main

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

// service receives at a webhook whose secret is in a file, and counts notifications.
type service struct {
	server *nylastest.Server
	client *nylas.Client
	file   string
	store  *receive.FileSecrets
	kim    *nylastest.Recipient

	mu   sync.Mutex
	seen map[string]bool // by id
}

// url is that of the webhook.
const url = "http://service.test/"

// start is called in a bubble of testing/synctest, where the minutes until Nylas sends again take
// no time.
func start(t *testing.T) *service {
	t.Helper()
	network := nylastest.NewNetwork()
	s := &service{
		server: nylastest.NewServer(t, nylastest.WithNetwork(network)),
		file:   filepath.Join(t.TempDir(), "webhook.json"), seen: map[string]bool{},
	}
	var err error
	s.store, err = receive.NewFileSecrets(s.file)
	require.NoError(t, err)
	receiver, err := receive.New(receive.HandlerFunc(func(_ context.Context, d *receive.Delivery) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.seen[d.ID] = true
		return nil
	}), s.store)
	require.NoError(t, err)
	listener, err := network.Listen("service.test")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- receive.Serve(ctx, listener, receiver) }()
	t.Cleanup(func() {
		stop()
		assert.NoError(t, <-served)
	})
	s.client, err = nylas.NewClient(s.server.APIKey(), nylas.WithBaseURL(s.server.URL()), nylas.WithHTTPClient(s.server.HTTPClient()))
	require.NoError(t, err)
	_, err = s.client.Subscribe(t.Context(), &nylas.SubscribeRequest{URL: url, Types: events.TrackingTypes(), Secrets: s.store})
	require.NoError(t, err)
	message, err := s.client.Messages.Send(t.Context(), s.server.GrantID(), &nylas.SendMessageRequest{
		To: []nylas.Participant{{Email: "kim@example.org"}}, Body: "<p>Hello</p>", TrackingOptions: &nylas.TrackingOptions{Opens: true},
	})
	require.NoError(t, err)
	s.kim, err = s.server.Recipient(message.ID)
	require.NoError(t, err)
	return s
}

func (s *service) rotate(t *testing.T, stdout io.Writer, args ...string) error {
	t.Helper()
	return run(t.Context(), append(args, "-secret-file", s.file), func(name string) string {
		return map[string]string{"NYLAS_API_KEY": s.server.APIKey(), "NYLAS_API_URL": s.server.URL()}[name]
	}, stdout, nylas.WithHTTPClient(s.server.HTTPClient()))
}

// secret is the newest one.
func (s *service) secret(t *testing.T) string {
	t.Helper()
	state, err := s.store.Load(t.Context())
	require.NoError(t, err)
	return state.Secrets[0].Value
}

// noneLost waits until all opens were told of, and counts them.
func (s *service) noneLost(t *testing.T, opens int) {
	t.Helper()
	require.NoError(t, s.server.Wait(t.Context()))
	s.mu.Lock()
	defer s.mu.Unlock()
	assert.Len(t, s.seen, opens)
	for _, attempt := range s.server.Deliveries() {
		assert.Contains(t, []int{http.StatusOK, http.StatusServiceUnavailable}, attempt.Status, "Nylas does not repeat others")
	}
}

// The secret changes three times while the message is opened each second.
func TestLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		first := s.secret(t)
		const opens = 100
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range opens {
				assert.NoError(t, s.kim.Open(t.Context()))
				<-time.After(time.Second)
			}
		}()
		for range 3 {
			<-time.After(opens / 5 * time.Second)
			var stdout strings.Builder
			require.NoError(t, s.rotate(t, &stdout))
			assert.Contains(t, stdout.String(), " has a new secret\nan old one is accepted until ")
			assert.NotContains(t, stdout.String(), s.secret(t))
		}
		<-done
		s.noneLost(t, opens)
		all := s.server.Deliveries()
		last := all[len(all)-1]
		require.NoError(t, receive.VerifySignature(s.secret(t), last.Wire, last.Header.Get(receive.SignatureHeader)))
		assert.NotEqual(t, first, s.secret(t))
	})
}

// Nylas rotates and its answer is lost: nobody knows the new secret, until the program runs again.
func TestAnswerIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		require.NoError(t, s.server.Inject(nylastest.Fault{
			Endpoint: nylastest.EndpointRotateSecret, Times: nylastest.Forever, After: nylastest.GatewayAnswer(http.StatusBadGateway),
		}))
		err := s.rotate(t, io.Discard)
		require.ErrorIs(t, err, nylas.ErrOutcomeUnknown)
		require.ErrorContains(t, err, "run this again")
		require.NoError(t, s.kim.Open(t.Context()))
		synctest.Wait()
		require.Len(t, s.server.Deliveries(), 1)
		assert.Equal(t, http.StatusServiceUnavailable, s.server.Deliveries()[0].Status)
		s.server.ClearFaults()
		require.NoError(t, s.rotate(t, io.Discard))
		require.NoError(t, s.kim.Open(t.Context()))
		s.noneLost(t, 2)
	})
}

// After a leak the old secret ends at once, and the new one is used.
func TestLeaked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		leaked := s.secret(t)
		var stdout strings.Builder
		require.NoError(t, s.rotate(t, &stdout, "-leaked"))
		assert.NotContains(t, stdout.String(), "an old one")
		require.NoError(t, s.kim.Open(t.Context()))
		s.noneLost(t, 1)
		forged, err := nylastest.NewWebhookRequest(t.Context(), url, leaked, []byte(`{"id":"n-1","type":"message.opened","data":{}}`))
		require.NoError(t, err)
		answer, err := s.server.HTTPClient().Do(forged)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		assert.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)
		s.noneLost(t, 1)

		require.NoError(t, s.client.Webhooks.Delete(t.Context(), s.server.Webhooks()[0].ID))
		require.ErrorContains(t, s.rotate(t, io.Discard), "start the service again")
	})
}
