package nylastest_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

func TestSignature(t *testing.T) {
	t.Parallel()
	for name, compressed := range map[string]bool{"plain": false, "gzip": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a := w.call(http.MethodPost, "/v3/webhooks", object{
				"trigger_types": events.TrackingTypes(), "webhook_url": appURL, "compressed_delivery": compressed,
			})
			hook := a.data()
			kim := w.recipient(w.send())
			require.NoError(t, kim.Open(t.Context()))
			n := w.one()
			assert.Equal(t, compressed, n.header.Get("Content-Encoding") == "gzip")
			assert.Equal(t, nylastest.Sign(hook["webhook_secret"].(string), n.body), n.header.Get("x-nylas-signature"))
			assert.Equal(t, "application/json", n.header.Get("Content-Type"))

			// The old secret is dead at once.
			rotated := w.call(http.MethodPost, "/v3/webhooks/rotate-secret/"+hook["id"].(string), nil).data()
			require.NoError(t, kim.Open(t.Context()))
			n = w.one()
			assert.Equal(t, nylastest.Sign(rotated["webhook_secret"].(string), n.body), n.header.Get("x-nylas-signature"))
		})
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	cut := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	late := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	const first, second = 5 * time.Minute, 10 * time.Minute
	for name, test := range map[string]struct {
		answers []http.HandlerFunc
		at      []time.Duration // of the attempts
	}{
		"taken":             {nil, []time.Duration{0}},
		"503":               {[]http.HandlerFunc{status(503)}, []time.Duration{0, first}},
		"408":               {[]http.HandlerFunc{status(408)}, []time.Duration{0, first}},
		"502":               {[]http.HandlerFunc{status(502)}, []time.Duration{0, first}},
		"504":               {[]http.HandlerFunc{status(504)}, []time.Duration{0, first}},
		"507":               {[]http.HandlerFunc{status(507)}, []time.Duration{0, first}},
		"429":               {[]http.HandlerFunc{status(429)}, []time.Duration{0, first}},
		"429 with seconds":  {[]http.HandlerFunc{status(429, "Retry-After", "30"), status(429, "Retry-After", "0")}, []time.Duration{0, 30 * time.Second, 30 * time.Second}},
		"429 with a date":   {[]http.HandlerFunc{status(429, "Retry-After", "Sat, 01 Jan 2000 00:02:00 GMT")}, []time.Duration{0, 2 * time.Minute}},
		"429 with nonsense": {[]http.HandlerFunc{status(429, "Retry-After", "soon")}, []time.Duration{0, first}},
		"503 with seconds":  {[]http.HandlerFunc{status(503, "Retry-After", "30")}, []time.Duration{0, first}},
		"cut":               {[]http.HandlerFunc{cut}, []time.Duration{0, first}},
		"late":              {[]http.HandlerFunc{late}, []time.Duration{0, first + 10*time.Second}},
		"three failures":    {[]http.HandlerFunc{status(503), status(503), status(503)}, []time.Duration{0, first, first + second}},
		"500":               {[]http.HandlerFunc{status(500)}, []time.Duration{0}},
		"202":               {[]http.HandlerFunc{status(202)}, []time.Duration{0}},
		"302":               {[]http.HandlerFunc{status(302, "Location", appURL)}, []time.Duration{0}},
		"400":               {[]http.HandlerFunc{status(400)}, []time.Duration{0}},
		"retry then 500":    {[]http.HandlerFunc{status(503), status(500)}, []time.Duration{0, first}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				hook := w.subscribe(appURL)
				w.receiver.then(test.answers...)
				start := time.Now()
				require.NoError(t, w.recipient(w.send()).Open(t.Context()))
				w.wait()
				got, log := w.receiver.take(), w.server.Deliveries()
				require.Len(t, got, len(test.at))
				require.Len(t, log, len(test.at))
				for i, d := range log {
					assert.Equal(t, test.at[i], d.StartedAt.Sub(start))
					assert.Equal(t, i+1, got[i].DeliveryAttempt)
					assert.Equal(t, i+1, d.Attempt)
					assert.Equal(t, got[0].ID, got[i].ID)
					assert.Equal(t, got[0].Time, got[i].Time)
					assert.Equal(t, got[0].ID, d.NotificationID)
					assert.Equal(t, hook["id"], d.WebhookID)
					assert.Equal(t, events.TypeMessageOpened, d.Type)
					assert.Equal(t, string(got[i].body), string(d.Body))
					assert.Equal(t, d.Status == 0, d.Err != nil)
					if d.Err != nil {
						assert.NotContains(t, d.Err.Error(), appHost)
					}
				}
				pass(24 * time.Hour)
				assert.Empty(t, w.receiver.take())
			})
		})
	}
}

func TestRetryGoesToAllActiveDestinations(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nylastest.WithRetryDelays(time.Second, 2*time.Second))
		other := newReceiver(t, w.network, "other.test")
		paused := newReceiver(t, w.network, "paused.test")
		clicks := newReceiver(t, w.network, "clicks.test")
		w.subscribe(appURL)
		otherID := w.subscribe("http://other.test/")["id"].(string)
		pausedID := w.subscribe("http://paused.test/")["id"].(string)
		w.subscribe("http://clicks.test/", events.TypeMessageLinkClicked)
		w.call(http.MethodPut, "/v3/webhooks/"+pausedID, object{"status": "pause"})

		// One that fails makes the others get it again.
		w.receiver.then(status(503), status(429, "Retry-After", "5"))
		start := time.Now()
		require.NoError(t, w.recipient(w.send()).Open(t.Context()))
		synctest.Wait()
		first, second := w.receiver.take(), other.take()
		require.Len(t, first, 1)
		require.Len(t, second, 1)
		assert.Equal(t, first[0].ID, second[0].ID)
		pass(time.Second)
		again := other.take()
		require.Len(t, again, 1)
		assert.Equal(t, first[0].ID, again[0].ID)
		assert.Equal(t, 2, again[0].DeliveryAttempt)
		// What is paused meanwhile is left out, what is active by then is not.
		w.call(http.MethodPut, "/v3/webhooks/"+otherID, object{"status": "pause"})
		w.call(http.MethodPut, "/v3/webhooks/"+pausedID, object{"status": "active"})
		w.wait()
		assert.Equal(t, 6*time.Second, time.Since(start))
		assert.Empty(t, other.take())
		late := paused.take()
		require.Len(t, late, 1)
		assert.Equal(t, 3, late[0].DeliveryAttempt)
		assert.Len(t, w.receiver.take(), 2)
		assert.Empty(t, clicks.take())
	})
}

// TestRetryAfterARefusedConnection: nobody listens at the first attempt. The second one is
// signed with the secret that the webhook has by then.
func TestRetryAfterARefusedConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		listen := func() (stop func()) {
			l, err := w.network.Listen("other.test")
			require.NoError(t, err)
			server := &http.Server{Handler: w.receiver}
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = server.Serve(l)
			}()
			return func() {
				_ = server.Close()
				<-done
			}
		}
		stop := listen()
		id := w.subscribe("http://other.test/")["id"].(string)
		stop()
		require.NoError(t, w.recipient(w.send()).Open(t.Context()))
		synctest.Wait()
		assert.Empty(t, w.receiver.take())
		secret := w.call(http.MethodPost, "/v3/webhooks/rotate-secret/"+id, nil).data()["webhook_secret"].(string)
		stop = listen()
		defer stop()
		n := w.one()
		assert.Equal(t, 2, n.DeliveryAttempt)
		assert.Equal(t, nylastest.Sign(secret, n.body), n.header.Get("x-nylas-signature"))
		log := w.server.Deliveries()
		require.Len(t, log, 2)
		require.Error(t, log[0].Err)
		assert.Zero(t, log[0].Status)
		assert.Equal(t, 5*time.Minute, log[1].StartedAt.Sub(log[0].StartedAt))
	})
}

func TestNothingIsBackfilled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		kim := w.recipient(w.send())
		require.NoError(t, kim.Open(t.Context()))
		id := w.subscribe(appURL)["id"].(string)
		w.wait()
		assert.Empty(t, w.receiver.take())
		// A destination that goes away ends the retries.
		w.receiver.then(status(503))
		require.NoError(t, kim.Open(t.Context()))
		synctest.Wait()
		w.call(http.MethodDelete, "/v3/webhooks/"+id, nil)
		w.wait()
		assert.Len(t, w.receiver.take(), 1)
	})
}

func TestWaitEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.subscribe(appURL)
		w.wait()
		w.receiver.then(status(503))
		require.NoError(t, w.recipient(w.send()).Open(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, w.server.Wait(ctx), context.DeadlineExceeded)

		waited := make(chan error)
		go func() { waited <- w.server.Wait(t.Context()) }()
		synctest.Wait()
		require.NoError(t, w.server.Close())
		require.ErrorIs(t, <-waited, nylastest.ErrClosed)
		require.ErrorIs(t, w.server.Wait(t.Context()), nylastest.ErrClosed)
		require.NoError(t, w.server.Close(), "closing again does nothing")
	})
}
