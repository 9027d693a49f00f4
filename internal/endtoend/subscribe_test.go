package endtoend_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

// countingStore counts what was stored.
type countingStore struct {
	receive.MemorySecrets
	swaps atomic.Int64
}

func (s *countingStore) Swap(ctx context.Context, old, next receive.SecretState) error {
	err := s.MemorySecrets.Swap(ctx, old, next)
	if err == nil {
		s.swaps.Add(1)
	}
	return err
}

func (l *loop) state(store receive.SecretSource) receive.SecretState {
	l.t.Helper()
	state, err := store.Load(l.t.Context())
	require.NoError(l.t, err)
	return state
}

func loopRequest(store receive.SecretStore) *nylas.SubscribeRequest {
	return &nylas.SubscribeRequest{URL: "http://app.test/webhooks/nylas", Types: events.TrackingTypes(), Secrets: store}
}

// answerChallenges puts an endpoint on the network that answers every challenge
// after a while, and 200 to what is signed with a secret of the stores.
func (l *loop) answerChallenges(delay time.Duration, stores ...receive.SecretSource) {
	l.t.Helper()
	listener, err := l.network.Listen("app.test")
	require.NoError(l.t, err)
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			<-time.After(delay)
			_, _ = io.WriteString(w, r.URL.Query().Get("challenge"))
			return
		}
		body, _ := io.ReadAll(r.Body)
		for _, store := range stores {
			state, _ := store.Load(r.Context())
			for _, secret := range state.Secrets {
				if nylastest.Sign(secret.Value, body) == r.Header.Get("X-Nylas-Signature") {
					return
				}
			}
		}
		w.WriteHeader(http.StatusUnauthorized)
	})}
	go func() { _ = server.Serve(listener) }()
	l.t.Cleanup(func() { _ = server.Close() })
}

// destinations returns what there is, as nobody's network disturbs it.
func (l *loop) destinations() []*nylas.Webhook {
	l.t.Helper()
	var all []*nylas.Webhook
	for webhook, err := range l.client.Webhooks.List(l.t.Context()) {
		require.NoError(l.t, err)
		all = append(all, webhook)
	}
	return all
}

func (l *loop) subscribe(store receive.SecretStore, change ...func(*nylas.SubscribeRequest)) *nylas.Webhook {
	l.t.Helper()
	req := loopRequest(store)
	for _, c := range change {
		c(req)
	}
	webhook, err := l.client.Subscribe(l.t.Context(), req)
	require.NoError(l.t, err)
	return webhook
}

// TestSubscribeAtOnce has the plain race, with a list that lags or does not.
func TestSubscribeAtOnce(t *testing.T) {
	for _, processes := range []int{2, 10, 50} {
		for _, lag := range []time.Duration{0, 20 * time.Second} {
			for _, unique := range []bool{false, true} {
				t.Run(fmt.Sprint(processes, lag, unique), func(t *testing.T) {
					inLoop(t, func(t *testing.T, l *loop) {
						store := &countingStore{}
						l.answerChallenges(100*time.Millisecond, store)
						webhooks := make([]*nylas.Webhook, processes)
						var running sync.WaitGroup
						start := time.Now()
						for i := range webhooks {
							client := l.newClient(l.nylas.APIKey())
							running.Go(func() {
								var err error
								webhooks[i], err = client.Subscribe(t.Context(), loopRequest(store))
								assert.NoError(t, err)
							})
						}
						running.Wait()
						assert.Less(t, time.Since(start), 2*time.Second)
						<-time.After(lag)
						left := l.destinations()
						require.Len(t, left, 1)
						for _, webhook := range webhooks {
							assert.Equal(t, left[0].ID, webhook.ID)
							assert.Empty(t, webhook.WebhookSecret)
						}
						assert.Equal(t, left[0].ID, l.state(store).WebhookID)
					}, nylastest.WithReadings(nylastest.Readings{WebhookListLag: lag, UniqueWebhookURLs: unique}))
				})
			}
		}
	}
}

// TestSubscribeSecretVerifies uses the secret in the store for what it is for.
func TestSubscribeSecretVerifies(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		store := &countingStore{}
		l.answerChallenges(0, store)
		l.subscribe(store)
		message, err := l.send()
		require.NoError(t, err)
		open := func(n int) {
			require.NoError(t, l.recipient(message).Open(t.Context()))
			require.NoError(t, l.nylas.Wait(t.Context()))
			require.Len(t, l.nylas.Deliveries(), n)
			assert.Equal(t, http.StatusOK, l.nylas.Deliveries()[n-1].Status)
		}
		open(1)
		require.NoError(t, l.client.Rotate(t.Context(), store))
		open(2)

		// The store was lost.
		empty := &countingStore{}
		_, err = l.client.Subscribe(t.Context(), loopRequest(empty))
		require.ErrorIs(t, err, nylas.ErrWebhookExists)
		l.subscribe(empty, func(r *nylas.SubscribeRequest) { r.Adopt = true })
		require.NoError(t, store.Swap(t.Context(), l.state(store), l.state(empty)))
		open(3)
		require.Len(t, l.destinations(), 1)
	})
}

func TestSubscribeAgain(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		store := &countingStore{}
		l.answerChallenges(0, store)
		first := l.subscribe(store)
		assert.Equal(t, events.TrackingTypes(), first.TriggerTypes)

		<-time.After(time.Hour)
		start := time.Now()
		again := l.subscribe(store)
		assert.Equal(t, first.ID, again.ID)
		assert.Zero(t, time.Since(start), "there is nothing to be waited for")
		assert.EqualValues(t, 2, store.swaps.Load(), "and nothing to be stored")

		changed := l.subscribe(store, func(r *nylas.SubscribeRequest) {
			r.Types = []events.Type{events.TypeMessageOpened}
			r.Description = "new"
			r.NotificationEmailAddresses = []string{"ops@acme.dev"}
			r.CompressedDelivery = new(true)
		})
		assert.Equal(t, first.ID, changed.ID)
		left := l.destinations()
		require.Len(t, left, 1)
		assert.Equal(t, []events.Type{events.TypeMessageOpened}, left[0].TriggerTypes)
		assert.Equal(t, "new", left[0].Description)
		assert.Equal(t, []string{"ops@acme.dev"}, left[0].NotificationEmailAddresses)
		assert.True(t, *left[0].CompressedDelivery)

		// What the request leaves open stays, and so does another URL.
		_, err := l.client.Webhooks.Create(t.Context(), &nylas.CreateWebhookRequest{
			TriggerTypes: events.TrackingTypes(), WebhookURL: "http://app.test/other",
		})
		require.NoError(t, err)
		l.subscribe(store, func(r *nylas.SubscribeRequest) { r.URL = "HTTP://APP.test:80/webhooks/nylas" })
		left = l.destinations()
		require.Len(t, left, 2)
		assert.ElementsMatch(t, events.TrackingTypes(), left[0].TriggerTypes)
		assert.Equal(t, "new", left[0].Description)
		assert.True(t, *left[0].CompressedDelivery)
	})
}

// TestSubscribeAfterALostCreation: the webhook is there, and nobody has its secret.
func TestSubscribeAfterALostCreation(t *testing.T) {
	for name, fault := range map[string]nylastest.Fault{
		"cut":                     {After: nylastest.Disconnect()},
		"gateway":                 {After: nylastest.GatewayAnswer(http.StatusBadGateway)},
		"unavailable":             {After: nylastest.GatewayAnswer(http.StatusServiceUnavailable)},
		"cut within":              {After: nylastest.DisconnectMidBody()},
		"and nothing was created": {Inside: nylastest.GatewayAnswer(http.StatusBadGateway)},
	} {
		t.Run(name, func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loop) {
				store := &countingStore{}
				l.answerChallenges(0, store)
				fault.Endpoint = nylastest.EndpointCreateWebhook
				l.inject(fault)
				_, err := l.client.Subscribe(t.Context(), loopRequest(store))
				require.ErrorIs(t, err, nylas.ErrOutcomeUnknown)
				start := time.Now()
				webhook := l.subscribe(store)
				assert.InDelta(t, time.Minute, time.Since(start), float64(2*time.Second), "the lease ends first")
				left := l.destinations()
				require.Len(t, left, 1)
				assert.Equal(t, left[0].ID, webhook.ID)
				message, err := l.send()
				require.NoError(t, err)
				require.NoError(t, l.recipient(message).Open(t.Context()))
				require.NoError(t, l.nylas.Wait(t.Context()))
				assert.Equal(t, http.StatusOK, l.nylas.Deliveries()[0].Status)
			})
		})
	}
}

// TestSubscribeWithinTheRate: many calls at once are more than Nylas takes in a
// second, and come to their end all the same.
func TestSubscribeWithinTheRate(t *testing.T) {
	for processes, attempts := range map[int]int{30: 6, 120: 12} {
		t.Run(fmt.Sprint(processes), func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loop) {
				patient := nylas.WithRetryPolicy(nylas.RetryPolicy{MaxAttempts: attempts})
				l.answerChallenges(100 * time.Millisecond)
				store := &countingStore{}
				webhooks := make([]*nylas.Webhook, processes)
				var refused sync.Map
				var running sync.WaitGroup
				start := time.Now()
				for i := range webhooks {
					client := l.newClient(l.nylas.APIKey(), patient, nylas.WithRoundTripper(func(next http.RoundTripper) http.RoundTripper {
						return roundTripper(func(r *http.Request) (*http.Response, error) {
							answer, err := next.RoundTrip(r)
							if err == nil && answer.StatusCode == http.StatusTooManyRequests {
								refused.Store(r, true)
							}
							return answer, err
						})
					}))
					running.Go(func() {
						var err error
						webhooks[i], err = client.Subscribe(t.Context(), loopRequest(store))
						assert.NoError(t, err)
					})
				}
				running.Wait()
				n := 0
				refused.Range(func(any, any) bool { n++; return true })
				assert.Positive(t, n)
				t.Logf("%v, %d refused", time.Since(start), n)
				assert.Less(t, time.Since(start), time.Minute)
				<-time.After(time.Minute)
				left := l.destinations()
				require.Len(t, left, 1)
				for _, webhook := range webhooks {
					if assert.NotNil(t, webhook) {
						assert.Equal(t, left[0].ID, webhook.ID)
					}
				}
				assert.EqualValues(t, 2, store.swaps.Load(), "one of them made it")
			}, nylastest.WithRateLimits(), nylastest.WithReadings(nylastest.Readings{WebhookListLag: 6 * time.Second}))
		})
	}
}

// A program has two webhooks. It subscribes both at once, each hears what it asked for,
// and a rotation of one leaves the other alone. One store cannot have two.
func TestLoopTwoWebhooks(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx := t.Context()
		var mu sync.Mutex
		heard := map[string][]events.Type{}
		stores := map[string]*receive.MemorySecrets{"/tracking": {}, "/failures": {}}
		types := map[string][]events.Type{"/tracking": events.TrackingTypes(), "/failures": events.FailureTypes()}
		mux := http.NewServeMux()
		for path, store := range stores {
			receiver, err := receive.New(&receive.Dispatcher{Other: func(_ context.Context, n *events.Notification) error {
				mu.Lock()
				defer mu.Unlock()
				heard[path] = append(heard[path], n.Type)
				return nil
			}}, store)
			require.NoError(t, err)
			mux.Handle(path, receiver)
		}
		listener, err := l.network.Listen("app.test")
		require.NoError(t, err)
		server := &http.Server{ReadHeaderTimeout: time.Second, Handler: mux}
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(func() { _ = server.Close() })

		subscribe := func(path string, store receive.SecretStore) error {
			_, err := l.client.Subscribe(ctx, &nylas.SubscribeRequest{URL: "http://app.test" + path, Types: types[path], Secrets: store})
			return err
		}
		var calls sync.WaitGroup
		for path, store := range stores {
			calls.Go(func() { assert.NoError(t, subscribe(path, store)) })
		}
		calls.Wait()
		assert.Len(t, l.destinations(), 2)
		other := l.state(stores["/failures"])
		require.NoError(t, l.client.Rotate(ctx, stores["/tracking"]))
		assert.Equal(t, other, l.state(stores["/failures"]))
		err = subscribe("/failures", stores["/tracking"])
		require.ErrorIs(t, err, nylas.ErrInvalidRequest)
		require.ErrorContains(t, err, "use another store")

		message, err := l.send()
		require.NoError(t, err)
		require.NoError(t, l.recipient(message).Open(ctx))
		require.NoError(t, l.recipient(message).Bounce(ctx, "mailbox_unavailable"))
		require.NoError(t, l.nylas.Wait(ctx))
		assert.Equal(t, map[string][]events.Type{
			"/tracking": {events.TypeMessageOpened}, "/failures": {events.TypeMessageBounceDetected},
		}, heard)
		for path, store := range stores { // at the next start
			require.NoError(t, subscribe(path, store))
		}
		assert.Len(t, l.destinations(), 2)
	})
}
