package nylas_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
)

var (
	modelSeed  = flag.Uint64("subscribe.seed", 0, "run only the history of TestSubscribeModel with this seed")
	modelRuns  = flag.Int("subscribe.histories", modelHistories, "how many histories TestSubscribeModel runs")
	errNoStore = errors.New("the store does not answer")
)

// What the histories of TestSubscribeModel are made of.
const (
	modelHistories = 3000
	modelURL       = "https://acme.dev/webhooks/nylas"
	// modelLag is at most how late a webhook is in the list. What Nylas still does after
	// a call gave up, and the lag, must fit into the half of a lease.
	modelLag = 18 * time.Second
	// modelWork is at most how long Nylas works on a request.
	modelWork = 10 * time.Second
	// modelSpan is from when to when processes begin something.
	modelSpan = 90 * time.Minute
)

// TestSubscribeModel has several processes subscribe and rotate at random, with crashes
// at any step, lost answers, refusals, a list that lags, and a store that fails before
// or after it has written. Meanwhile Nylas delivers.
//
// A history that failed runs again with -subscribe.seed. Nearly all of it is the same
// then: only the pauses between the attempts of a request are not.
func TestSubscribeModel(t *testing.T) {
	t.Parallel()
	if *modelSeed != 0 {
		runHistory(t, *modelSeed)
		return
	}
	done := map[string]int{}
	for i := range *modelRuns {
		seed := uint64(i + 1) //nolint:gosec // not negative
		for what, n := range runHistory(t, seed) {
			done[what] += n
		}
		if t.Failed() {
			t.Fatalf("-run TestSubscribeModel -subscribe.seed=%d", seed)
		}
	}
	t.Log(done)
	for _, what := range []string{"crash", "lost", "refused", "store failed", "resumed", "created", "rotated", "delivered", "doubtful", "deleted", "adopted"} {
		assert.NotZero(t, done[what], what)
	}
}

func runHistory(t *testing.T, seed uint64) (done map[string]int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &history{t: t, random: rand.New(rand.NewPCG(seed, 0)), store: &memoryStore{}, done: map[string]int{}}
		h.hooks.lag = h.upTo(modelLag)
		h.hooks.history = h
		if h.chance(0.2) {
			h.hooks.add()
			h.foreign = true
			<-time.After(modelLag)
		}
		deleted := h.chance(0.15)
		var running sync.WaitGroup
		for i := range 2 + h.random.IntN(4) {
			p := &process{
				history: h, random: rand.New(rand.NewPCG(seed, uint64(i+1))), //nolint:gosec // small
				trouble: []float64{0, 0.05, 0.2, 0.5}[h.random.IntN(4)],
			}
			running.Go(p.run)
		}
		stop := make(chan struct{})
		delivering := rand.New(rand.NewPCG(seed, 99))
		running.Go(func() { h.deliver(delivering, stop) })
		if deleted {
			after := h.upTo(modelSpan)
			running.Go(func() {
				<-time.After(after)
				h.hooks.remove()
			})
		}
		<-time.After(modelSpan + 10*time.Minute)
		close(stop)
		running.Wait()
		h.settle()
		done = h.done
	})
	return done
}

// history is one run of the model.
type history struct {
	t       *testing.T
	random  *rand.Rand // used before the processes begin
	hooks   fakeHooks
	store   *memoryStore
	foreign bool // there was a webhook that the store did not know

	mu   sync.Mutex
	done map[string]int
}

func (h *history) chance(share float64) bool { return h.random.Float64() < share }
func (h *history) upTo(limit time.Duration) time.Duration {
	return time.Duration(h.random.Int64N(int64(limit) + 1))
}

func (h *history) count(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done[what]++
}

// settle makes a last call without trouble and looks at what is left.
func (h *history) settle() {
	t := h.t
	requests := 0
	client := clientOf(t, func(r *http.Request) (*http.Response, error) {
		requests++
		return h.hooks.serve(r)
	})
	req := modelRequest(h.store)
	req.Adopt = h.foreign
	webhook, err := client.Subscribe(t.Context(), req)
	require.NoError(t, err)
	assert.Empty(t, webhook.WebhookSecret)
	<-time.After(modelLag)
	requests = 0
	_, err = client.Subscribe(t.Context(), req)
	require.NoError(t, err)
	assert.Equal(t, 1, requests, "all is in place")
	state, err := h.store.Load(t.Context())
	require.NoError(t, err)
	assert.Empty(t, state.Busy)
	require.Len(t, h.hooks.list, 1, "exactly one webhook is left")
	assert.Equal(t, h.hooks.list[0].id, state.WebhookID)
	assert.Equal(t, h.hooks.list[0].id, webhook.ID)
	require.NotEmpty(t, state.Secrets)
	assert.Equal(t, h.hooks.list[0].secret, state.Secrets[0].Value)
	assert.True(t, state.Secrets[0].Until.IsZero())
	assert.Equal(t, 1, h.hooks.most, "and there was never another one beside it")
}

// deliver signs at random moments with the secret of then, and judges what a receiver
// would answer when the delivery arrives.
func (h *history) deliver(random *rand.Rand, stop chan struct{}) {
	var flying sync.WaitGroup
	defer flying.Wait()
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(random.Int64N(int64(time.Minute)))):
		}
		id, secret := h.hooks.signer()
		if id == "" {
			continue
		}
		signed, underway := time.Now(), time.Duration(random.Int64N(int64(10*time.Second)))
		flying.Go(func() {
			<-time.After(underway)
			if now, _ := h.hooks.signer(); now != id {
				return // it was deleted
			}
			h.count("delivered")
			state, _ := h.store.Load(context.Background())
			switch judge(state, secret, time.Now()) {
			case http.StatusUnauthorized:
				h.t.Errorf("a genuine delivery was lost, signed %v ago: %v", time.Since(signed), state)
			case http.StatusServiceUnavailable:
				h.count("doubtful")
			}
		})
	}
}

// judge is what a receiver answers.
func judge(state receive.SecretState, secret string, now time.Time) int {
	for _, s := range state.Secrets {
		if s.Value == secret && (s.Until.IsZero() || now.Before(s.Until)) {
			return http.StatusOK
		}
	}
	if state.Busy != "" || now.Before(state.UnsureUntil) || len(state.Secrets) == 0 {
		return http.StatusServiceUnavailable
	}
	return http.StatusUnauthorized
}

func modelRequest(store receive.SecretStore) *nylas.SubscribeRequest {
	return &nylas.SubscribeRequest{URL: modelURL, Types: events.TrackingTypes(), Secrets: store}
}

// process calls Subscribe and Rotate, crashes, and begins again.
type process struct {
	*history
	random  *rand.Rand
	trouble float64 // share of the steps at which something goes wrong
	crashIn int     // steps until it crashes, 0 for not
}

func (p *process) run() {
	for i := range 1 + p.random.IntN(4) {
		if wait := p.upTo(modelSpan / 4); i > 0 || p.random.IntN(2) == 0 { // many begin together
			<-time.After(wait)
		}
		p.crashIn = 0
		if p.chance(0.3) {
			p.crashIn = 1 + p.random.IntN(12)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			p.call()
		}()
		<-ended
	}
}

func (p *process) call() {
	client := clientOf(p.t, p.roundTrip)
	ctx := p.t.Context()
	if p.chance(0.2) {
		limited, cancel := context.WithTimeout(ctx, p.upTo(2*time.Minute))
		defer cancel()
		ctx = limited
	}
	if p.chance(0.4) {
		err := client.Rotate(ctx, p)
		assert.False(p.t, errors.Is(err, receive.ErrChanged), "then it begins again") //nolint:testifylint // in a goroutine
		if err == nil {
			p.count("rotated")
		}
		return
	}
	req := modelRequest(p)
	req.Adopt = p.chance(0.5)
	webhook, err := client.Subscribe(ctx, req)
	assert.False(p.t, errors.Is(err, receive.ErrChanged), "then it begins again") //nolint:testifylint // in a goroutine
	switch {
	case err == nil:
		assert.NotEmpty(p.t, webhook.ID)
		assert.Empty(p.t, webhook.WebhookSecret)
	case errors.Is(err, nylas.ErrWebhookExists):
		assert.True(p.t, p.foreign, "all webhooks were made by these processes")
	}
}

func (p *process) chance(share float64) bool { return p.random.Float64() < share }
func (p *process) upTo(limit time.Duration) time.Duration {
	return time.Duration(p.random.Int64N(int64(limit) + 1))
}

// step is where a process can crash: it takes its goroutine with it.
func (p *process) step() {
	if p.crashIn--; p.crashIn == 0 {
		p.count("crash")
		runtime.Goexit()
	}
}

// Load and Swap are those of the store, as the process has them.
func (p *process) Load(ctx context.Context) (receive.SecretState, error) {
	p.step()
	p.doze()
	if p.chance(p.trouble / 4) {
		p.count("store failed")
		return receive.SecretState{}, errNoStore
	}
	state, err := p.store.Load(ctx)
	p.step()
	p.doze()
	return state, err
}

func (p *process) Swap(ctx context.Context, old, next receive.SecretState) error {
	p.step()
	p.doze()
	if p.chance(p.trouble / 2) {
		p.count("store failed")
		return errNoStore
	}
	err := p.store.Swap(ctx, old, next)
	if err == nil && next.Busy != "" && old.Busy != "" {
		p.count("resumed")
	}
	if err == nil && next.Busy == receive.BusyRotate && old.WebhookID == "" {
		p.count("adopted")
	}
	p.step()
	p.doze()
	if p.chance(p.trouble / 2) {
		p.count("store failed")
		return errNoStore
	}
	return err
}

// doze lets a process sleep, for longer than a lease now and then.
func (p *process) doze() {
	wait := p.upTo(time.Second)
	if p.chance(p.trouble / 3) {
		wait = p.upTo(75 * time.Second)
	}
	<-time.After(wait)
}

// roundTrip is the network of the process. What has arrived at Nylas is done there,
// whether somebody still waits for it or not.
func (p *process) roundTrip(r *http.Request) (*http.Response, error) {
	p.step()
	if err := nap(r.Context(), p.upTo(2*time.Second)); err != nil {
		return nil, err
	}
	if p.chance(p.trouble) {
		p.count("refused")
		return answers([]int{400, 401, 429, 503}[p.random.IntN(4)], `{}`)(r)
	}
	work := p.upTo(time.Second)
	if p.chance(p.trouble) {
		work = p.upTo(modelWork)
	}
	var resp *http.Response
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-time.After(work)
		resp, err = p.hooks.serve(r)
	}()
	select {
	case <-done:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	p.step()
	if p.chance(p.trouble) {
		p.count("lost")
		if p.chance(p.trouble) {
			return answers(503, `{}`)(r) // by a gateway
		}
		return loses(r)
	}
	return resp, err
}

// nap sleeps, and returns an error if the context ends before.
func nap(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// clientOf is a client on a network that a test has made up.
func clientOf(tb testing.TB, roundTrip roundTripFunc) *nylas.Client {
	tb.Helper()
	client, err := nylas.NewClient(testAPIKey, nylas.WithHTTPClient(&http.Client{Transport: roundTrip}))
	require.NoError(tb, err)
	return client
}

// memoryStore is a store of one process.
type memoryStore struct {
	mu    sync.Mutex
	state receive.SecretState
	swaps []receive.SecretState // what was stored, in its order
}

func (s *memoryStore) Load(ctx context.Context) (receive.SecretState, error) {
	if ctx.Err() != nil {
		return receive.SecretState{}, context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.state
	state.Secrets = slices.Clone(state.Secrets)
	return state, nil
}

func (s *memoryStore) Swap(ctx context.Context, old, next receive.SecretState) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.state.Equal(old) {
		return receive.ErrChanged
	}
	next.Secrets = slices.Clone(next.Secrets)
	s.state = next
	s.swaps = append(s.swaps, next)
	return nil
}

// fakeHooks are the webhooks of a Nylas that does what this test needs of it.
type fakeHooks struct {
	history *history
	lag     time.Duration // of the list

	mu   sync.Mutex
	made int
	most int // webhooks that there were at a time
	list []fakeHook
	past []pastHooks
}

type fakeHook struct{ id, secret string }

type pastHooks struct {
	until time.Time
	list  []fakeHook
}

// change keeps what there was for the list.
func (f *fakeHooks) change(list []fakeHook) {
	f.past = append(f.past, pastHooks{time.Now(), f.list})
	f.list = list
	f.most = max(f.most, len(list))
}

func (f *fakeHooks) newSecret() string {
	f.made++
	return fmt.Sprintf("secret-%d", f.made)
}

func (f *fakeHooks) add() fakeHook {
	secret := f.newSecret()
	hook := fakeHook{"webhook-" + secret, secret}
	f.change(append(slices.Clone(f.list), hook))
	f.history.count("created")
	return hook
}

func (f *fakeHooks) remove() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.list) > 0 {
		f.history.count("deleted")
		f.change(nil)
	}
}

// signer is a webhook and its secret.
func (f *fakeHooks) signer() (id, secret string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.list) == 0 {
		return "", ""
	}
	last := f.list[len(f.list)-1]
	return last.id, last.secret
}

func (f *fakeHooks) serve(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := path.Base(r.URL.Path)
	i := slices.IndexFunc(f.list, func(h fakeHook) bool { return h.id == id })
	switch {
	case r.Method == http.MethodGet && id == "webhooks":
		shown := f.list
		for _, past := range slices.Backward(f.past) {
			if time.Since(past.until) >= f.lag {
				break
			}
			shown = past.list
		}
		all := []map[string]any{}
		for _, hook := range shown {
			all = append(all, hook.answer())
		}
		return answersData(r, all)
	case r.Method == http.MethodPost && id == "webhooks":
		hook := f.add()
		answer := hook.answer()
		answer["webhook_secret"] = hook.secret
		return answersData(r, answer)
	case i < 0:
		return answers(400, `{"error":{"type":"70000","message":"destination.id.not.found : record not found"}}`)(r)
	case r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/rotate-secret/"):
		list := slices.Clone(f.list)
		list[i].secret = f.newSecret()
		f.change(list)
		answer := list[i].answer()
		answer["webhook_secret"] = list[i].secret
		return answersData(r, answer)
	case r.Method == http.MethodGet:
		return answersData(r, f.list[i].answer())
	}
	f.history.t.Errorf("a request that is not expected: %s %s", r.Method, r.URL.Path)
	return nil, io.ErrUnexpectedEOF
}

func (h fakeHook) answer() map[string]any {
	return map[string]any{"id": h.id, "webhook_url": modelURL, "trigger_types": events.TrackingTypes(), "status": "active"}
}

func answersData(r *http.Request, data any) (*http.Response, error) {
	body, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		return nil, err
	}
	return answers(200, string(body))(r)
}
