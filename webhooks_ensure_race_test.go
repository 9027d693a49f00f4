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
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
)

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
