package nylastest_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

func TestNotices(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.send()
		kim := w.recipient(m)
		require.NoError(t, kim.Open(t.Context())) // nobody listens
		w.subscribe(appURL, events.TypeMessageLinkClicked)
		w.receiver.then(status(http.StatusServiceUnavailable))
		_, err := kim.Click(t.Context(), 1)
		require.NoError(t, err)
		synctest.Wait()

		got := w.server.Notices()
		require.Len(t, got, 2)
		assert.Equal(t, events.TypeMessageOpened, got[0].Type)
		assert.Equal(t, m.ID, got[0].MessageID)
		assert.Equal(t, time.Now(), got[0].At)
		assert.Empty(t, got[0].Attempts)
		assert.True(t, got[0].Settled)
		parsed, err := events.Parse(got[0].Body)
		require.NoError(t, err)
		assert.Equal(t, got[0].ID, parsed.ID)
		require.Len(t, got[1].Attempts, 1)
		assert.Equal(t, http.StatusServiceUnavailable, got[1].Attempts[0].Status)
		assert.False(t, got[1].Settled)

		w.wait()
		got = w.server.Notices()
		require.Len(t, got[1].Attempts, 2)
		assert.True(t, got[1].Settled)
		assert.Equal(t, w.server.Deliveries(), got[1].Attempts)

		require.Equal(t, http.StatusOK, w.call(http.MethodPost, "/v3/webhooks/send-test-event",
			object{"trigger_type": events.TypeMessageOpened, "webhook_url": appURL}).status)
		got = w.server.Notices()
		require.Len(t, got, 3)
		assert.Empty(t, got[2].MessageID)
		assert.Len(t, got[2].Attempts, 1)
		assert.True(t, got[2].Settled)
	})
}

// What Changed returns is open until there is something new to see.
func TestChanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		changes := func(what string, do func()) {
			t.Helper()
			changed := w.server.Changed()
			synctest.Wait()
			select {
			case <-changed:
				t.Errorf("changed before: %s", what)
			default:
			}
			do()
			synctest.Wait()
			select {
			case <-changed:
			default:
				t.Errorf("not changed by: %s", what)
			}
		}
		var m nylastest.Message
		changes("a message", func() { m = w.send() })
		changes("an open that nobody wants", func() { require.NoError(t, w.recipient(m).Open(t.Context())) })
		w.subscribe(appURL)
		w.receiver.then(status(http.StatusServiceUnavailable))
		changes("a notification", func() { require.NoError(t, w.recipient(m).Open(t.Context())) })
		changes("its second attempt", func() { pass(5 * time.Minute) })
		changes("a scheduled message", func() {
			w.call(http.MethodPost, w.sendPath(), mail(object{"send_at": time.Now().Add(time.Hour).Unix()}))
			pass(time.Hour)
		})
		first, second := w.server.Changed(), w.server.Changed()
		assert.Equal(t, first, second, "all who wait hear of it")
	})
}

// An attempt has the request as it travelled.
func TestAttemptHasItsRequest(t *testing.T) {
	t.Parallel()
	for name, compressed := range map[string]bool{"plain": false, "gzip": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.call(http.MethodPost, "/v3/webhooks", object{
				"trigger_types": events.TrackingTypes(), "webhook_url": appURL + "?tenant=7", "compressed_delivery": compressed,
			})
			require.NoError(t, w.recipient(w.send()).Open(t.Context()))
			n := w.one()
			attempt := w.server.Deliveries()[0]
			assert.Equal(t, appURL+"?tenant=7", attempt.URL)
			assert.Equal(t, n.body, attempt.Wire)
			for header, values := range attempt.Header {
				assert.Equal(t, values, n.header[header], header)
			}
			assert.Len(t, attempt.Header.Get("X-Nylas-Signature"), 64)
			for header := range n.header { // net/http makes the others
				if header != "User-Agent" && header != "Content-Length" {
					assert.Contains(t, attempt.Header, header)
				}
			}
		})
	}
}
