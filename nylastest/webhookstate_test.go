package nylastest_test

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

// hookState is what the API says of a webhook.
func (w *world) hookState(id string) (state string, since time.Time) {
	w.t.Helper()
	hook := w.call(http.MethodGet, "/v3/webhooks/"+id, nil).data()
	return hook["status"].(string), time.Unix(int64(hook["status_updated_at"].(float64)), 0)
}

// requireState asserts the state of a webhook and when it began, as Get, List and Update say it.
func (w *world) requireState(id, want string, since time.Time) {
	w.t.Helper()
	state, at := w.hookState(id)
	require.Equal(w.t, want, state)
	require.True(w.t, since.Equal(at), "since %s, want %s", at, since)
	for _, hook := range w.list("/v3/webhooks") {
		if hook.(object)["id"] == id {
			require.Equal(w.t, want, hook.(object)["status"])
		}
	}
	require.Equal(w.t, want, w.call(http.MethodPut, "/v3/webhooks/"+id, object{}).data()["status"])
}

// fails lets the receiver answer the next notifications in one way.
func (r *receiver) fails(times int, answer http.HandlerFunc) {
	r.then(slices.Repeat([]http.HandlerFunc{answer}, times)...)
}

// failing makes a webhook that is failing since now, and whose receiver goes on to fail.
func (w *world) failing(kim *nylastest.Recipient) (id string) {
	w.t.Helper()
	a := w.call(http.MethodPost, "/v3/webhooks", object{
		"trigger_types": events.TrackingTypes(), "webhook_url": appURL,
		"notification_email_addresses": []string{"ops@acme.dev", "dev@acme.dev"},
	})
	id = a.data()["id"].(string)
	w.receiver.fails(1000, status(500))
	require.NoError(w.t, kim.Open(w.t.Context()))
	pass(time.Hour)
	state, _ := w.hookState(id)
	require.Equal(w.t, "active", state, "one failure is none of 15 minutes")
	require.NoError(w.t, kim.Open(w.t.Context()))
	w.wait()
	w.requireState(id, "failing", time.Now())
	w.receiver.take()
	return id
}

func TestWebhookFailsAndIsReactivated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		kim := w.recipient(w.send())
		id := w.failing(kim)
		since := time.Now()

		// Nylas goes on to deliver for 72 hours.
		for range 71 {
			pass(time.Hour)
			require.NoError(t, kim.Open(t.Context()))
			w.wait()
			assert.Len(t, w.receiver.take(), 1)
		}
		pass(time.Hour - time.Second)
		w.requireState(id, "failing", since)
		pass(30 * time.Minute) // nobody looks when it fails
		failed := since.Add(72 * time.Hour)
		w.requireState(id, "failed", failed)

		// Then it does not, and by itself it never will.
		pass(100 * time.Hour)
		require.NoError(t, kim.Open(t.Context()))
		w.wait()
		assert.Empty(t, w.receiver.take())
		w.requireState(id, "failed", failed)
		assert.Equal(t, []nylastest.WebhookMail{
			{WebhookID: id, From: "admin-webhook@notifications.nylas.com", To: []string{"ops@acme.dev", "dev@acme.dev"}, Status: "failing", At: since},
			{WebhookID: id, From: "admin-webhook@notifications.nylas.com", To: []string{"ops@acme.dev", "dev@acme.dev"}, Status: "failed", At: failed},
		}, w.server.WebhookMails())

		// It is activated by hand, if the receiver answers a challenge.
		activate := func() answer { return w.call(http.MethodPut, "/v3/webhooks/"+id, object{"status": "active"}) }
		w.receiver.setChallenge(status(503))
		activate().refused(http.StatusBadRequest, "70005", "unable.verify.webhook_url : status is not ok, got 503")
		w.requireState(id, "failed", failed)
		w.receiver.setChallenge(nil)
		asked := w.receiver.challenges()
		require.Equal(t, http.StatusOK, activate().status)
		assert.Equal(t, asked+1, w.receiver.challenges())
		w.requireState(id, "active", time.Now())
		w.wait()
		assert.Empty(t, w.receiver.take(), "nothing is backfilled")
		require.NoError(t, kim.Open(t.Context()))
		w.wait()
		assert.Len(t, w.receiver.take(), 1)
		state, _ := w.hookState(id)
		assert.Equal(t, "active", state, "the failures of before are forgotten")
		assert.Len(t, w.server.WebhookMails(), 2)
	})
}

func TestWebhookRecovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		kim := w.recipient(w.send())
		id := w.failing(kim)
		pass(71 * time.Hour)
		w.receiver.mu.Lock()
		w.receiver.answers = nil
		w.receiver.mu.Unlock()
		require.NoError(t, kim.Open(t.Context()))
		w.wait()
		w.requireState(id, "active", time.Now())
		since := time.Now()
		pass(72 * time.Hour)
		w.requireState(id, "active", since)
		assert.Len(t, w.server.WebhookMails(), 1, "no mail says so")
	})
}

// TestRetryOfAFailedWebhook: what waited for its next attempt is not delivered any more.
func TestRetryOfAFailedWebhook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		kim := w.recipient(w.send())
		id := w.failing(kim)
		pass(72*time.Hour - time.Minute)
		w.receiver.mu.Lock()
		w.receiver.answers = nil
		w.receiver.mu.Unlock()
		w.receiver.fails(3, status(503))
		require.NoError(t, kim.Open(t.Context()))
		w.wait()
		assert.Len(t, w.receiver.take(), 1)
		state, _ := w.hookState(id)
		assert.Equal(t, "failed", state)
	})
}

// TestWebhookShareOfFailures: 95 in 100 attempts of 15 minutes must fail, for 15 minutes.
func TestWebhookShareOfFailures(t *testing.T) {
	t.Parallel()
	const second, minute = time.Second, time.Minute
	late := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, test := range map[string]struct {
		every   time.Duration // a notification
		answer  http.HandlerFunc
		taken   []int         // of the notifications
		failing time.Duration // when it begins to be; 0 for never, within 24 minutes
	}{
		"all":                 {minute, status(500), nil, 15 * minute},
		"all, another status": {minute, status(204), nil, 15 * minute},
		"no answer":           {minute, late, nil, 15*minute + 10*second},
		// With one each 30 s there are 31 in 15 minutes.
		"1 of 31 is taken": {30 * second, status(500), []int{20}, 15 * minute},
		"2 of 31":          {30 * second, status(500), []int{20, 21}, 0},
		// With one each 50 s there are 19.
		"1 of 19":       {50 * second, status(500), []int{17}, 0},
		"the first one": {minute, status(500), []int{0}, 0},
		"retried":       {24 * minute, status(503), nil, 15 * minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				kim := w.recipient(w.send())
				id := w.subscribe(appURL)["id"].(string)
				begin := time.Now()
				answers := slices.Repeat([]http.HandlerFunc{test.answer}, 100)
				for _, i := range test.taken {
					answers[i] = status(200)
				}
				w.receiver.then(answers...)
				for range int(24 * minute / test.every) {
					require.NoError(t, kim.Open(t.Context()))
					pass(test.every)
				}
				state, since := w.hookState(id)
				if test.failing == 0 {
					assert.Equal(t, "active", state)
					return
				}
				assert.Equal(t, "failing", state)
				assert.Equal(t, test.failing, since.Sub(begin))
			})
		})
	}
}

// TestListOfFailingWebhooksLags: the list shows states as late as everything else.
func TestListOfFailingWebhooksLags(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nylastest.WithReadings(nylastest.Readings{WebhookListLag: time.Second}))
		kim := w.recipient(w.send())
		id := w.subscribe(appURL)["id"].(string)
		w.receiver.fails(10, status(500))
		for range 2 {
			pass(time.Hour)
			require.NoError(t, kim.Open(t.Context()))
			w.wait()
		}
		listed := func() any { return w.list("/v3/webhooks")[0].(object)["status"] }
		assert.Equal(t, "active", listed())
		pass(time.Second)
		assert.Equal(t, "failing", listed())
		pass(72*time.Hour - time.Second)
		state, _ := w.hookState(id)
		assert.Equal(t, "failed", state)
		assert.Equal(t, "failing", listed())
		pass(time.Second)
		assert.Equal(t, "failed", listed())
		assert.Empty(t, w.server.WebhookMails(), "there is nobody to tell")
	})
}
