package nylas_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
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
)

const ensuredURL = "http://app.test/webhooks/nylas"

func ensureRequest() *nylas.EnsureWebhookRequest {
	return &nylas.EnsureWebhookRequest{WebhookURL: ensuredURL, TriggerTypes: events.TrackingTypes()}
}

// answerChallenges puts an endpoint on the network that answers every challenge
// after a while.
func (l *loop) answerChallenges(delay func() time.Duration) {
	l.t.Helper()
	listener, err := l.network.Listen("app.test")
	require.NoError(l.t, err)
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-time.After(delay())
		_, _ = io.WriteString(w, r.URL.Query().Get("challenge"))
	})}
	go func() { _ = server.Serve(listener) }()
	l.t.Cleanup(func() { _ = server.Close() })
}

// secretsOf reads the secrets of destinations out of the answers that make them.
type secretsOf struct {
	mu   sync.Mutex
	byID map[string]string
}

func (s *secretsOf) note(body []byte) (id string) {
	var created struct {
		Data json.RawMessage `json:"data"`
	}
	var webhook struct {
		ID     string `json:"id"`
		Secret string `json:"webhook_secret"`
	}
	if json.Unmarshal(body, &created) != nil || json.Unmarshal(created.Data, &webhook) != nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[webhook.ID] = webhook.Secret
	return webhook.ID
}

// weather is a network that delays, loses answers and refuses, all at random.
type weather struct {
	shelf   *shelf
	next    http.RoundTripper
	rand    *rand.Rand // used under mu
	mu      *sync.Mutex
	secrets *secretsOf
	delay   time.Duration // at most, for each direction
	lose    float64       // share of the requests whose answer is lost
	refuse  float64       // share of the requests that are not carried out
	crash   context.CancelFunc
	crashAt int // the creation after which the process stops
	created int
}

func (w *weather) roll() (there, back time.Duration, lost, refused bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	random := func() time.Duration { return time.Duration(w.rand.Int64N(int64(w.delay) + 1)) }
	return random(), random(), w.rand.Float64() < w.lose, w.rand.Float64() < w.refuse
}

func (w *weather) RoundTrip(r *http.Request) (*http.Response, error) {
	there, back, lost, refused := w.roll()
	if err := nap(r.Context(), there); err != nil {
		return nil, err
	}
	if refused {
		return response(r, http.StatusServiceUnavailable, `{"error":{"type":"api.provider_error"}}`), nil
	}
	answer, err := w.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil {
		return nil, err
	}
	if r.Method == http.MethodGet && r.URL.Path == "/v3/webhooks" {
		body = w.shelf.show(body)
	}
	answer.ContentLength = int64(len(body))
	answer.Body = io.NopCloser(strings.NewReader(string(body)))
	if r.Method == http.MethodPost && answer.StatusCode == http.StatusOK {
		if id := w.secrets.note(body); w.shelf != nil {
			w.shelf.put(id)
		}
		if w.created++; w.created == w.crashAt {
			w.crash()
		}
	}
	if err := nap(r.Context(), back); err != nil {
		return nil, err
	}
	if lost {
		return nil, io.ErrUnexpectedEOF
	}
	return answer, nil
}

// shelf is a list that shows each destination a while after it was made, one sooner
// and another one later: worse than a list that lags behind as a whole.
type shelf struct {
	mu      sync.Mutex
	longest time.Duration
	rand    *rand.Rand
	from    map[string]time.Time
}

func (s *shelf) show(body []byte) []byte {
	var list struct {
		Data []map[string]any `json:"data"`
	}
	if s == nil || json.Unmarshal(body, &list) != nil {
		return body
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list.Data = slices.DeleteFunc(list.Data, func(w map[string]any) bool { return time.Now().Before(s.from[fmt.Sprint(w["id"])]) })
	shown, err := json.Marshal(list)
	if err != nil {
		return body
	}
	return shown
}

func (s *shelf) put(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from[id] = time.Now().Add(time.Duration(s.rand.Int64N(int64(s.longest) + 1)))
}

func response(r *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r, ProtoMajor: 1, ProtoMinor: 1,
	}
}

// nap waits in the bubble's time.
func nap(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ensureRounds is how many bubbles TestEnsureFromManyProcesses runs. The
// environment variable ENSURE_ROUNDS asks for more.
func ensureRounds(t *testing.T) int {
	t.Helper()
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	if text := os.Getenv("ENSURE_ROUNDS"); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(t, err)
		rounds = n
	}
	return rounds
}

// TestEnsureFromManyProcesses calls Ensure from several clients at once, on a
// network that delays and loses at random, while some of the processes crash after
// they created a destination. In the end there is one, everybody who succeeded
// names it, and a secret is returned by nobody but its maker and is the right one.
func TestEnsureFromManyProcesses(t *testing.T) {
	t.Parallel()
	for round := range ensureRounds(t) {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			lag := []time.Duration{0, 0, 6 * time.Second, 30 * time.Second}[round%4] // of the whole list
			inLoop(t, func(t *testing.T, l *loop) {
				ensureFromMany(t, l, uint64(round), lag)
			}, nylastest.WithReadings(nylastest.Readings{WebhookListLag: lag}))
		})
	}
}

func ensureFromMany(t *testing.T, l *loop, seed uint64, lag time.Duration) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 7))
	var mu sync.Mutex
	between := func(least, most time.Duration) time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return least + time.Duration(random.Int64N(int64(most-least)+1))
	}
	secrets := &secretsOf{byID: make(map[string]string)}
	challenge := []time.Duration{0, 300 * time.Millisecond, 4 * time.Second}[random.IntN(3)]
	l.answerChallenges(func() time.Duration { return between(challenge/2, challenge) })
	delay := []time.Duration{0, 5 * time.Millisecond, 400 * time.Millisecond, 2 * time.Second}[random.IntN(4)]
	lose := []float64{0, 0, 0.1, 0.3}[random.IntN(4)]
	refuse := []float64{0, 0, 0.1}[random.IntN(3)]
	var eachLate *shelf
	if lag == 0 && random.IntN(2) == 0 {
		eachLate = &shelf{longest: nylas.EnsureLag - 2*delay, rand: rand.New(rand.NewPCG(seed, 8)), from: make(map[string]time.Time)}
	}
	spread := []time.Duration{0, time.Second, 20 * time.Second}[random.IntN(3)]

	type outcome struct {
		webhook *nylas.Webhook
		err     error
		crashed bool
	}
	outcomes := make([]outcome, 2+random.IntN(9))
	var running sync.WaitGroup
	for i := range outcomes {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		sky := &weather{
			shelf: eachLate, rand: random, mu: &mu, secrets: secrets, delay: delay, lose: lose, refuse: refuse, crash: cancel,
		}
		if between(0, 4) == 0 {
			sky.crashAt = 1
		}
		client := l.newClient(l.nylas.APIKey(), nylas.WithRetryPolicy(nylas.RetryPolicy{MaxAttempts: 12}),
			nylas.WithRoundTripper(func(next http.RoundTripper) http.RoundTripper {
				sky.next = next
				return sky
			}))
		start := between(0, spread)
		running.Go(func() {
			<-time.After(start)
			webhook, err := client.Webhooks.Ensure(ctx, ensureRequest())
			outcomes[i] = outcome{webhook, err, ctx.Err() != nil}
		})
	}
	began := time.Now()
	running.Wait()
	took := time.Since(began)

	// What a crash left when everybody had returned is for the next call.
	<-time.After(max(lag, nylas.EnsureLag))
	last, err := l.client.Webhooks.Ensure(t.Context(), ensureRequest())
	require.NoError(t, err)
	<-time.After(lag)
	left := l.destinations()
	require.Len(t, left, 1, "exactly one is left")
	assert.Equal(t, left[0].ID, last.ID)

	holders, returned := 0, 0
	for i, o := range outcomes {
		if o.err != nil {
			if !o.crashed {
				// With every third answer lost, the attempts of one request can run out.
				require.Positive(t, lose+refuse, "call %d: %v", i, o.err)
			}
			continue
		}
		returned++
		assert.Equal(t, last.ID, o.webhook.ID, "call %d", i)
		if o.webhook.WebhookSecret != "" {
			holders++
			assert.Equal(t, secrets.byID[last.ID], o.webhook.WebhookSecret)
		}
	}
	if last.WebhookSecret != "" {
		assert.Zero(t, returned, "the last call made one although there was one")
		holders++
	}
	assert.LessOrEqual(t, holders, 1)
	if lose == 0 && refuse == 0 {
		assert.Less(t, took, 4*time.Minute)
	}
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

// ensure calls Ensure with the client of the loop.
func (l *loop) ensure(change ...func(*nylas.EnsureWebhookRequest)) *nylas.Webhook {
	l.t.Helper()
	req := ensureRequest()
	for _, c := range change {
		c(req)
	}
	webhook, err := l.client.Webhooks.Ensure(l.t.Context(), req)
	require.NoError(l.t, err)
	return webhook
}

func at(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

// TestEnsureAtOnceWithoutDisturbance has the plain race: nothing is lost, so it
// must be over in seconds and one caller must hold the secret.
func TestEnsureAtOnceWithoutDisturbance(t *testing.T) {
	for _, processes := range []int{2, 10, 50} {
		t.Run(fmt.Sprint(processes), func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loop) {
				l.answerChallenges(at(100 * time.Millisecond))
				webhooks := make([]*nylas.Webhook, processes)
				var running sync.WaitGroup
				start := time.Now()
				for i := range webhooks {
					client := l.newClient(l.nylas.APIKey())
					running.Go(func() {
						var err error
						webhooks[i], err = client.Webhooks.Ensure(t.Context(), ensureRequest())
						assert.NoError(t, err)
					})
				}
				running.Wait()
				assert.Less(t, time.Since(start), 30*time.Second)
				left := l.destinations()
				require.Len(t, left, 1)
				holders := 0
				for _, webhook := range webhooks {
					assert.Equal(t, left[0].ID, webhook.ID)
					if webhook.WebhookSecret != "" {
						holders++
					}
				}
				assert.Equal(t, 1, holders, "one of them made it and knows the secret")
			})
		})
	}
}

// TestEnsureSecretVerifies uses the secret of Ensure for what it is for.
func TestEnsureSecretVerifies(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		receiver, err := nylas.NewReceiver(&nylas.Dispatcher{}, nylas.WithSecretsLater())
		require.NoError(t, err)
		listener, err := l.network.Listen("app.test")
		require.NoError(t, err)
		server := &http.Server{Handler: receiver, ReadHeaderTimeout: time.Second}
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(func() { _ = server.Close() })

		webhook := l.ensure()
		require.NoError(t, receiver.SetSecrets(webhook.WebhookSecret))
		message, err := l.send()
		require.NoError(t, err)
		require.NoError(t, l.recipient(message).Open(t.Context()))
		require.NoError(t, l.nylas.Wait(t.Context()))
		require.Len(t, l.nylas.Deliveries(), 1)
		assert.Equal(t, http.StatusOK, l.nylas.Deliveries()[0].Status)
	})
}

func TestEnsureAgain(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		l.answerChallenges(at(0))
		first := l.ensure()
		assert.NotEmpty(t, first.WebhookSecret)
		assert.False(t, first.CreatedAt.IsZero())
		assert.Equal(t, events.TrackingTypes(), first.TriggerTypes)

		<-time.After(time.Hour)
		start := time.Now()
		again := l.ensure()
		assert.Equal(t, first.ID, again.ID)
		assert.Empty(t, again.WebhookSecret)
		assert.Equal(t, first.UpdatedAt, again.UpdatedAt, "nothing was to be changed")
		assert.Zero(t, time.Since(start), "and nothing to be waited for")

		changed := l.ensure(func(r *nylas.EnsureWebhookRequest) {
			r.TriggerTypes = []events.Type{events.TypeMessageOpened}
			r.Description = "new"
			r.NotificationEmailAddresses = []string{"ops@acme.dev"}
			r.CompressedDelivery = new(true)
		})
		assert.Equal(t, first.ID, changed.ID)
		assert.Empty(t, changed.WebhookSecret)
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
		l.ensure(func(r *nylas.EnsureWebhookRequest) { r.WebhookURL = "HTTP://APP.test:80/webhooks/nylas" })
		left = l.destinations()
		require.Len(t, left, 2)
		assert.ElementsMatch(t, events.TrackingTypes(), left[0].TriggerTypes)
		assert.Equal(t, "new", left[0].Description)
		assert.True(t, *left[0].CompressedDelivery)
	})
}

// TestEnsureAfterACrash has a process that creates and crashes before it cleans up
// behind another one.
func TestEnsureAfterACrash(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		l.answerChallenges(at(0))
		create := func() *nylas.Webhook {
			webhook, err := l.client.Webhooks.Create(t.Context(), &nylas.CreateWebhookRequest{
				TriggerTypes: events.TrackingTypes(), WebhookURL: ensuredURL,
			})
			require.NoError(t, err)
			return webhook
		}
		oldest := create()
		<-time.After(5 * time.Second)
		create()
		create()
		start := time.Now()
		webhook := l.ensure()
		assert.Equal(t, oldest.ID, webhook.ID, "the oldest survives")
		assert.Empty(t, webhook.WebhookSecret)
		assert.Len(t, l.destinations(), 1)
		assert.Greater(t, time.Since(start), time.Minute, "surplus of others is left alone for a minute")
		assert.Less(t, time.Since(start), 90*time.Second)

		create()
		create()
		<-time.After(2 * time.Minute)
		start = time.Now()
		assert.Equal(t, oldest.ID, l.ensure().ID)
		assert.Len(t, l.destinations(), 1)
		assert.Less(t, time.Since(start), 3*time.Second, "old surplus is removed at once")
	})
}

// TestEnsureLosesTheAnswerOfItsCreation: the destination is there, and nobody has
// its secret.
func TestEnsureLosesTheAnswerOfItsCreation(t *testing.T) {
	for name, lost := range map[string]*nylastest.Answer{
		"cut": nylastest.Disconnect(), "gateway": nylastest.GatewayAnswer(http.StatusBadGateway), "cut within": nylastest.DisconnectMidBody(),
	} {
		t.Run(name, func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loop) {
				l.answerChallenges(at(0))
				l.inject(nylastest.Fault{Endpoint: nylastest.EndpointCreateWebhook, After: lost})
				webhook := l.ensure()
				left := l.destinations()
				require.Len(t, left, 1)
				assert.Equal(t, left[0].ID, webhook.ID)
				assert.Empty(t, webhook.WebhookSecret)
			})
		})
	}
	t.Run("and nothing was created", func(t *testing.T) {
		inLoop(t, func(t *testing.T, l *loop) {
			l.answerChallenges(at(0))
			l.inject(nylastest.Fault{Endpoint: nylastest.EndpointCreateWebhook, Inside: nylastest.GatewayAnswer(http.StatusBadGateway), Times: 3})
			webhook := l.ensure()
			assert.NotEmpty(t, webhook.WebhookSecret)
			assert.Len(t, l.destinations(), 1)
		})
	})
	t.Run("again and again", func(t *testing.T) {
		inLoop(t, func(t *testing.T, l *loop) {
			l.answerChallenges(at(0))
			l.inject(nylastest.Fault{Endpoint: nylastest.EndpointCreateWebhook, Inside: nylastest.GatewayAnswer(http.StatusBadGateway), Times: 9})
			_, err := l.client.Webhooks.Ensure(t.Context(), ensureRequest())
			require.ErrorIs(t, err, nylas.ErrOutcomeUnknown)
			assert.Empty(t, l.destinations())
		})
	})
}

// TestEnsureSeesAnOlderOneLate: in the second of its creation a destination can
// turn up that orders before it.
func TestEnsureSeesAnOlderOneLate(t *testing.T) {
	t.Parallel()
	for round := range 40 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loop) {
				l.answerChallenges(at(0))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var other *nylas.Webhook
				go func() {
					<-time.After(900 * time.Millisecond) // the seconds of a bubble begin together
					webhook, err := l.client.Webhooks.Create(ctx, &nylas.CreateWebhookRequest{
						TriggerTypes: events.TrackingTypes(), WebhookURL: ensuredURL,
					})
					assert.NoError(t, err)
					other = webhook
				}()
				webhook := l.ensure()
				synctest.Wait()
				left := l.destinations()
				require.Len(t, left, 1)
				assert.Equal(t, left[0].ID, webhook.ID)
				assert.Equal(t, other.ID == webhook.ID, webhook.WebhookSecret == "", "the secret belongs to the survivor")
			})
		})
	}
}

// TestEnsureWhenURLsAreUnique: Nylas may refuse a second destination for a URL
// before the list has the first one.
func TestEnsureWhenURLsAreUnique(t *testing.T) {
	for _, lag := range []time.Duration{0, 9 * time.Second, 20 * time.Second} {
		t.Run(lag.String(), func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loop) {
				l.answerChallenges(at(100 * time.Millisecond))
				webhooks, errs := make([]*nylas.Webhook, 10), make([]error, 10)
				var running sync.WaitGroup
				for i := range webhooks {
					client := l.newClient(l.nylas.APIKey())
					running.Go(func() { webhooks[i], errs[i] = client.Webhooks.Ensure(t.Context(), ensureRequest()) })
				}
				running.Wait()
				<-time.After(lag)
				left := l.destinations()
				require.Len(t, left, 1)
				holders := 0
				for i, webhook := range webhooks {
					if lag > nylas.EnsureLag && errs[i] != nil {
						require.ErrorContains(t, errs[i], "create webhook: 400 70005: webhook_url is that of another destination")
						continue
					}
					require.NoError(t, errs[i])
					assert.Equal(t, left[0].ID, webhook.ID)
					if webhook.WebhookSecret != "" {
						holders++
					}
				}
				assert.Equal(t, 1, holders)
			}, nylastest.WithReadings(nylastest.Readings{WebhookListLag: lag, UniqueWebhookURLs: true}))
		})
	}
}

// TestEnsureOfAPausedOne: what somebody has paused is neither resumed unasked nor
// kept at the cost of one that delivers.
func TestEnsureOfAPausedOne(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		l.answerChallenges(at(0))
		oldest := l.ensure()
		pause := func() {
			_, err := l.client.Webhooks.Update(t.Context(), oldest.ID, &nylas.UpdateWebhookRequest{Status: nylas.WebhookPause})
			require.NoError(t, err)
		}
		pause()
		paused := l.ensure()
		assert.Equal(t, oldest.ID, paused.ID)
		assert.Equal(t, nylas.WebhookPause, paused.Status, "the caller can see it")

		for range 2 {
			_, err := l.client.Webhooks.Create(t.Context(), &nylas.CreateWebhookRequest{
				TriggerTypes: events.TrackingTypes(), WebhookURL: ensuredURL,
			})
			require.NoError(t, err)
		}
		<-time.After(2 * time.Minute)
		_, err := l.client.Webhooks.Ensure(t.Context(), ensureRequest())
		require.ErrorIs(t, err, nylas.ErrWebhookPaused)
		require.EqualError(t, err, "nylas: ensure webhook: no older destination was removed: nylas: the oldest destination for the URL "+
			"is paused and a younger one is not: delete one of them, or resume the oldest")
		assertSentinels(t, err)
		assert.Len(t, l.destinations(), 3, "nothing was removed")

		resumed := l.ensure(func(r *nylas.EnsureWebhookRequest) { r.Resume = true })
		assert.Equal(t, oldest.ID, resumed.ID)
		assert.Equal(t, nylas.WebhookActive, resumed.Status)
		assert.Len(t, l.destinations(), 1)

		pause()
		assert.Equal(t, nylas.WebhookActive, l.ensure(func(r *nylas.EnsureWebhookRequest) { r.Resume = true }).Status)
	})
}

func TestEnsureEndsWithItsContext(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		l.answerChallenges(at(0))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := l.client.Webhooks.Ensure(ctx, ensureRequest())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, nylas.ErrOutcomeUnknown, "it made one")
		assert.Len(t, l.destinations(), 1)
		assert.Contains(t, err.Error(), "nylas: ensure webhook: ")
	})
}

// TestEnsureOfADeletedOne: somebody deletes by hand what the call has just made.
func TestEnsureOfADeletedOne(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		l.answerChallenges(at(0))
		go func() {
			<-time.After(time.Second)
			for _, webhook := range l.destinations() {
				assert.NoError(t, l.client.Webhooks.Delete(t.Context(), webhook.ID))
			}
		}()
		webhook := l.ensure()
		left := l.destinations()
		require.Len(t, left, 1)
		assert.Equal(t, left[0].ID, webhook.ID)
		assert.NotEmpty(t, webhook.WebhookSecret)
	})
}
