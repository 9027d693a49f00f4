package nylastest_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

// ruled is a world that one DeliveryFault happens in.
func ruled(t *testing.T, fault nylastest.DeliveryFault) *world {
	t.Helper()
	w := newWorld(t, nylastest.WithRetryDelays(time.Hour, time.Hour))
	w.subscribe(appURL)
	require.NoError(t, w.server.InjectDelivery(fault))
	return w
}

// opens lets an opened message be opened again, a second later each time.
func (w *world) opens(m nylastest.Message, times int) {
	w.t.Helper()
	for range times {
		require.NoError(w.t, w.recipient(m).Open(w.t.Context()))
		pass(time.Second)
	}
}

// openedIDs are the events that the notifications are about.
func openedIDs(got []received) []int {
	var all []int
	for _, n := range got {
		latest, _ := n.Data.(*events.MessageOpened).Latest()
		all = append(all, int(latest.OpenedID))
	}
	return all
}

func TestLostDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := ruled(t, nylastest.DeliveryFault{Lose: true})
		w.opens(w.send(), 2)
		w.wait()
		assert.Equal(t, []int{1}, openedIDs(w.receiver.take()))
		log := w.server.Deliveries()
		require.Len(t, log, 2)
		assert.Equal(t, "lost", log[0].Fault)
		assert.Zero(t, log[0].Status)
		require.Error(t, log[0].Err)
		assert.Empty(t, log[1].Fault)
		assert.Equal(t, http.StatusOK, log[1].Status)
	})
}

func TestDelayedDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := ruled(t, nylastest.DeliveryFault{Delay: time.Minute, Type: events.TypeMessageLinkClicked})
		m := w.send()
		_, err := w.recipient(m).Click(t.Context(), 0)
		require.NoError(t, err)
		require.NoError(t, w.recipient(m).Open(t.Context()))
		pass(time.Minute - time.Millisecond)
		got := w.receiver.take()
		require.Len(t, got, 1)
		assert.Equal(t, events.TypeMessageOpened, got[0].Type, "another trigger is left alone")
		pass(time.Millisecond)
		got = w.receiver.take()
		require.Len(t, got, 1)
		assert.Equal(t, time.Minute, time.Since(got[0].Time.Time))
	})
}

func TestReorderedDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := ruled(t, nylastest.DeliveryFault{Reorder: true, Times: nylastest.Forever})
		m := w.send()
		w.opens(m, 5)
		assert.Equal(t, []int{1, 0, 3, 2}, openedIDs(w.receiver.take()))
		pass(58 * time.Second)
		assert.Empty(t, w.receiver.take())
		pass(time.Second)
		assert.Equal(t, []int{4}, openedIDs(w.receiver.take()), "nothing comes after it")
	})
}

func TestDuplicatedDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := ruled(t, nylastest.DeliveryFault{Duplicates: 2})
		w.receiver.then(status(http.StatusOK), status(http.StatusOK), status(http.StatusServiceUnavailable))
		w.opens(w.send(), 2)
		w.wait()
		got := w.receiver.take()
		assert.Equal(t, []int{0, 0, 0, 1}, openedIDs(got), "the answer to a duplicate brings no attempt")
		assert.Equal(t, got[0].ID, got[2].ID)
		assert.Equal(t, string(got[0].body), string(got[2].body))
		assert.Equal(t, "duplicated 2 times", w.server.Deliveries()[2].Fault)
	})
}

func TestWrongSignatureAndChangedAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		secret := w.subscribe(appURL)["webhook_secret"].(string)
		require.NoError(t, w.server.InjectDelivery(
			nylastest.DeliveryFault{WrongSignature: true},
			nylastest.DeliveryFault{Attempt: 3},
		))
		w.opens(w.send(), 3)
		got := w.receiver.take()
		require.Len(t, got, 3)
		for i, right := range []bool{false, true, true} {
			assert.Equal(t, right, nylastest.Sign(secret, got[i].body) == got[i].header.Get("X-Nylas-Signature"), i)
		}
		assert.Len(t, got[0].header.Get("X-Nylas-Signature"), 64)
		assert.Equal(t, []int{1, 3, 1}, []int{got[0].DeliveryAttempt, got[1].DeliveryAttempt, got[2].DeliveryAttempt})
	})
}

func TestFaultOfAWebhook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		other := newReceiver(t, w.network, "other.test")
		w.subscribe(appURL)
		id := w.subscribe("http://other.test/")["id"].(string)
		require.NoError(t, w.server.InjectDelivery(nylastest.DeliveryFault{WebhookID: id, Lose: true, Times: 2}))
		w.opens(w.send(), 3)
		assert.Equal(t, []int{0, 1, 2}, openedIDs(w.receiver.take()))
		assert.Equal(t, []int{2}, openedIDs(other.take()))
	})
}

func TestInjectDeliveryRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for want, fault := range map[string]nylastest.DeliveryFault{
		`no trigger "message.read"`: {Type: "message.read", Lose: true},
		"negative Times":            {Times: -1, Lose: true},
		"from 0 to 1":               {Chance: 1.5, Lose: true},
		"negative Delay":            {Delay: -1},
		"more than 1000 Duplicates": {Duplicates: 1001},
		"nothing goes wrong":        {Type: events.TypeMessageOpened, Chance: 0.5},
		"what is lost":              {Lose: true, Duplicates: 1},
	} {
		require.ErrorContains(t, w.server.InjectDelivery(nylastest.DeliveryFault{Lose: true}, fault), "delivery fault 1: ")
		require.ErrorContains(t, w.server.InjectDelivery(fault), want)
	}
	assert.Empty(t, w.server.DeliveryFaults())
	for _, chance := range []float64{-0.1, 1.1, math.NaN()} {
		require.ErrorContains(t, w.server.Inject(nylastest.Fault{Chance: chance, Delay: 1}), "from 0 to 1")
	}
	require.ErrorContains(t, w.server.Inject(nylastest.Fault{Delay: -1}), "negative Delay")
	require.ErrorContains(t, w.server.Inject(nylastest.Fault{Endpoint: nylastest.EndpointQueuedSend, Delay: 1}), "answers nobody")
}

func TestFaultsAreReadAndCleared(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.server.Inject(
		nylastest.Fault{Endpoint: nylastest.EndpointListWebhooks, Times: 2, Before: nylastest.TooManyRequests(0)},
		nylastest.Fault{Times: nylastest.Forever, Chance: 0.5, Before: nylastest.TooManyRequests(0)},
	))
	require.NoError(t, w.server.InjectDelivery(nylastest.DeliveryFault{Lose: true}))
	assert.Equal(t, http.StatusTooManyRequests, w.call(http.MethodGet, "/v3/webhooks", nil).status)
	left := w.server.Faults()
	require.Len(t, left, 2)
	assert.Equal(t, nylastest.EndpointListWebhooks, left[0].Endpoint)
	assert.Equal(t, 1, left[0].Times)
	assert.Equal(t, nylastest.Forever, left[1].Times)
	assert.Equal(t, []nylastest.DeliveryFault{{Lose: true, Times: 1}}, w.server.DeliveryFaults())
	w.server.ClearFaults()
	assert.Empty(t, w.server.Faults())
	assert.Empty(t, w.server.DeliveryFaults())
	for range 10 {
		assert.Equal(t, http.StatusOK, w.call(http.MethodGet, "/v3/webhooks", nil).status)
	}
}

func TestDelayedRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		require.NoError(t, w.server.Inject(
			nylastest.Fault{Delay: time.Minute},
			nylastest.Fault{Delay: time.Minute, Before: nylastest.TooManyRequests(1500 * time.Millisecond)},
			nylastest.Fault{Delay: time.Hour},
			nylastest.Fault{Delay: time.Hour},
		))
		start := time.Now()
		assert.Equal(t, http.StatusOK, w.call(http.MethodPost, w.sendPath(), mail()).status)
		assert.Equal(t, time.Minute, time.Since(start))
		a := w.call(http.MethodPost, w.sendPath(), mail())
		a.refused(http.StatusTooManyRequests, "nylas_rate_limit_exceeded", "Too many requests, please try again shortly.")
		assert.Equal(t, "2", a.header.Get("Retry-After"))
		assert.Equal(t, 2*time.Minute, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := w.server.HTTPClient().Do(w.request(http.MethodPost, w.sendPath(), mail()).WithContext(ctx))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 3*time.Minute, time.Since(start))
		go func() { _, _ = w.try(http.MethodPost, w.sendPath(), mail()) }()
		synctest.Wait()
		require.NoError(t, w.server.Close(), "a request that waits does not hold it")
		assert.Equal(t, 3*time.Minute, time.Since(start))
		assert.Len(t, w.server.Messages(), 1)
	})
}

// seededRun sends 40 messages at once, opens each five times, each message beside the others,
// and returns what was delivered of each notification, and which opens failed.
func seededRun(t *testing.T, seed uint64) (delivered, failed []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nylastest.WithSeed(seed))
		w.subscribe(appURL)
		require.NoError(t, w.server.Inject(nylastest.Fault{
			Endpoint: nylastest.EndpointPixel, Chance: 0.3, Times: nylastest.Forever, Before: nylastest.GatewayAnswer(502),
		}))
		require.NoError(t, w.server.InjectDelivery(
			nylastest.DeliveryFault{Chance: 0.2, Times: nylastest.Forever, Lose: true},
			nylastest.DeliveryFault{Chance: 0.2, Times: nylastest.Forever, Duplicates: 1},
		))
		var mu sync.Mutex
		var running sync.WaitGroup
		for i := range 40 {
			running.Go(func() {
				a := w.call(http.MethodPost, w.sendPath(), mail(object{"subject": fmt.Sprint(i)}))
				m, _ := w.server.Message(a.data()["id"].(string))
				for j := range 5 {
					if err := w.recipient(m).Open(t.Context()); err != nil {
						mu.Lock()
						failed = append(failed, fmt.Sprint(m.ID, " ", j))
						mu.Unlock()
					}
				}
			})
		}
		running.Wait()
		w.wait()
		for _, n := range w.receiver.take() {
			delivered = append(delivered, n.ID)
		}
	})
	slices.Sort(delivered)
	slices.Sort(failed)
	return delivered, failed
}

func TestSameSeedSameFaults(t *testing.T) {
	t.Parallel()
	delivered, failed := seededRun(t, 1)
	assert.InDelta(t, 60, len(failed), 30)
	assert.InDelta(t, 140, len(delivered), 40)
	assert.Less(t, len(slices.Compact(slices.Clone(delivered))), len(delivered), "none came twice")
	failures := map[string]int{}
	for _, open := range failed {
		id, _, _ := strings.Cut(open, " ")
		failures[id]++
	}
	assert.Contains(t, slices.Collect(maps.Values(failures)), 1, "each request of a path has a fate of its own")
	again, failedAgain := seededRun(t, 1)
	assert.Equal(t, failed, failedAgain)
	assert.Equal(t, delivered, again)
	other, failedOther := seededRun(t, 2)
	assert.NotEqual(t, failed, failedOther)
	assert.NotEqual(t, delivered, other)
}

// seededIDs are all ids and secrets that a server makes in a row of calls.
func seededIDs(t *testing.T, opts ...nylastest.Option) []string {
	t.Helper()
	var all []string
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, append(opts, nylastest.WithSendingDomains("acme.dev"))...)
		add := func(values ...any) { all = append(all, fmt.Sprint(values...)) }
		add(w.server.APIKey())
		add(w.server.ApplicationID())
		add(w.server.GrantID())
		agent := w.server.AddAgentAccount("Agent", "agent@nylas.test")
		add(agent)
		hook := w.subscribe(appURL, append(events.TrackingTypes(), events.TypeMessageDelivered)...)
		add(hook["id"])
		add(hook["webhook_secret"])
		add(w.call(http.MethodPost, "/v3/webhooks/rotate-secret/"+hook["id"].(string), nil).data()["webhook_secret"])
		for range 2 {
			m := w.send()
			add(m.ID)
			add(m.ThreadID)
			add(m.PixelURL)
			reply, err := w.recipient(m).Reply(t.Context())
			require.NoError(t, err)
			add(reply)
			require.NoError(t, w.recipient(m).Open(t.Context()))
		}
		w.call(http.MethodPost, "/v3/grants/"+agent+"/messages/send", mail())
		w.call(http.MethodPost, "/v3/domains/acme.dev/messages/send", mail(object{"from": object{"email": "a@acme.dev"}, "tracking_options": nil}))
		for _, m := range w.server.Messages() {
			add(m.ID)
		}
		add(w.call(http.MethodPost, "/v3/grants/"+agent+"/drafts", object{"subject": "Draft"}).data()["id"])
		add(w.call(http.MethodPost, w.sendPath(), mail(object{"send_at": time.Now().Add(time.Hour).Unix()})).data()["schedule_id"])
		for _, e := range w.call(http.MethodGet, "/v3/activity/send", nil).object()["data"].([]any) {
			add(e.(object)["id"])
		}
		w.wait()
		for _, n := range w.receiver.take() {
			add(n.ID)
		}
	})
	return all
}

func TestIDsComeFromTheSeed(t *testing.T) {
	t.Parallel()
	first := seededIDs(t, nylastest.WithSeed(7))
	assert.ElementsMatch(t, first, seededIDs(t, nylastest.WithSeed(7)))
	unseeded := seededIDs(t)
	require.Len(t, unseeded, len(first))
	for i, id := range seededIDs(t, nylastest.WithSeed(8)) {
		assert.NotContains(t, first, id, i)
		assert.NotContains(t, unseeded, id, i)
	}
}

func TestSeedIsTold(t *testing.T) {
	t.Parallel()
	first, second := newWorld(t), newWorld(t)
	assert.NotEqual(t, first.server.Seed(), second.server.Seed())
	assert.NotEqual(t, first.server.GrantID(), second.server.GrantID())
	again := newWorld(t, nylastest.WithSeed(first.server.Seed()))
	assert.Equal(t, first.server.GrantID(), again.server.GrantID())
	assert.Equal(t, first.server.Seed(), again.server.Seed())
	assert.Zero(t, newWorld(t, nylastest.WithSeed(0)).server.Seed())
}

// unread is a body that must not be read.
type unread struct{ read bool }

func (u *unread) Read([]byte) (int, error) { u.read = true; return 0, context.Canceled }
func (*unread) Close() error               { return nil }

func TestKeyIsLookedAtBeforeTheBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{w.sendPath(), "/v3/webhooks", "/nylastest/messages/x/outcomes"} {
		for _, key := range []string{"", "Bearer wrong", "Basic " + w.server.APIKey()} {
			body := &unread{}
			request := w.request(http.MethodPost, path, nil, "Authorization", key, "Content-Type", "application/json")
			request.Body, request.ContentLength = body, -1
			recorder := &recorder{header: make(http.Header)}
			w.server.ServeHTTP(recorder, request)
			assert.Equal(t, http.StatusUnauthorized, recorder.status, "%s %q", path, key)
			assert.False(t, body.read, "%s %q", path, key)
		}
	}
}

// recorder is a ResponseWriter that keeps the status.
type recorder struct {
	header http.Header
	status int
	size   int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { r.size += len(p); return len(p), nil }
