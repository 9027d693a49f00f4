package nylastest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

func TestWaitForDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		hook := w.subscribe(appURL)["id"].(string)
		first, second := w.send(), w.send(object{"tracking_options": object{"opens": true, "label": "second"}})
		start := time.Now()
		go func() {
			pass(time.Minute)
			assert.NoError(t, w.recipient(first).Open(t.Context()))
			pass(time.Minute)
			w.receiver.then(status(http.StatusServiceUnavailable))
			assert.NoError(t, w.recipient(second).Open(t.Context()))
			pass(time.Hour)
			assert.NoError(t, w.recipient(first).Open(t.Context()))
			pass(time.Minute)
			_, err := w.recipient(first).Reply(t.Context())
			assert.NoError(t, err)
		}()
		for _, wait := range []struct {
			want nylastest.Wanted
			at   time.Duration
			id   string
		}{
			{nylastest.Wanted{}, time.Minute, first.ID},
			{nylastest.Wanted{Type: events.TypeMessageOpened, MessageID: first.ID}, time.Minute, first.ID},
			{nylastest.Wanted{Label: "second"}, 7 * time.Minute, second.ID}, // after a second attempt
			{nylastest.Wanted{MessageID: second.ID}, 7 * time.Minute, second.ID},
			{nylastest.Wanted{Label: "trial-followup-q2", Nth: 2}, time.Hour + 2*time.Minute, first.ID},
			{nylastest.Wanted{Type: events.TypeThreadReplied, MessageID: first.ID, WebhookID: hook}, time.Hour + 3*time.Minute, first.ID},
		} {
			d, err := w.server.WaitForDelivery(t.Context(), wait.want)
			require.NoError(t, err)
			assert.Equal(t, wait.at, time.Since(start), wait.want)
			assert.Equal(t, http.StatusOK, d.Status)
			n, err := events.Parse(d.Body)
			require.NoError(t, err)
			assert.Equal(t, wait.id, n.Tracked()[0].MessageID)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := w.server.WaitForDelivery(ctx, nylastest.Wanted{Type: events.TypeMessageOpened, WebhookID: "other", Nth: 2})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "message.opened, webhook other, number 2 of them")
		go func() {
			pass(time.Second)
			assert.NoError(t, w.server.Close())
		}()
		_, err = w.server.WaitForDelivery(t.Context(), nylastest.Wanted{Nth: 9})
		require.ErrorIs(t, err, nylastest.ErrClosed)
	})
}

// Something can be done between two attempts.
func TestWaitForAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		hook := w.subscribe(appURL)["id"].(string)
		m := w.send()
		w.receiver.then(status(http.StatusServiceUnavailable), status(http.StatusServiceUnavailable), status(http.StatusServiceUnavailable))
		start := time.Now()
		go func() {
			pass(time.Minute)
			assert.NoError(t, w.recipient(m).Open(t.Context()))
		}()
		for i, at := range []time.Duration{time.Minute, 6 * time.Minute, 16 * time.Minute} {
			d, err := w.server.WaitForAttempt(t.Context(), nylastest.Wanted{MessageID: m.ID, WebhookID: hook}, i+1)
			require.NoError(t, err)
			assert.Equal(t, at, time.Since(start))
			assert.Equal(t, i+1, d.Attempt)
			assert.Equal(t, http.StatusServiceUnavailable, d.Status)
		}
		require.NoError(t, w.recipient(m).Open(t.Context())) // this one is taken, and counts like any other
		d, err := w.server.WaitForAttempt(t.Context(), nylastest.Wanted{Nth: 2}, 1)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, d.Status)

		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err = w.server.WaitForAttempt(ctx, nylastest.Wanted{Nth: 2}, 2)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "wait for attempt 2 to deliver any notification, number 2 of them")
		for _, attempt := range []int{-1, 0, 4} {
			_, err = w.server.WaitForAttempt(t.Context(), nylastest.Wanted{}, attempt)
			require.ErrorContains(t, err, "there are attempts 1 to 3")
		}
		require.NoError(t, w.server.Close())
		_, err = w.server.WaitForAttempt(t.Context(), nylastest.Wanted{Nth: 9}, 1)
		require.ErrorIs(t, err, nylastest.ErrClosed)
	})
}

// One and two are counted as people do.
func TestHistoryCountsRecipients(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send()
	w.send(object{"cc": []any{object{"email": "lee@acme.dev"}}})
	text := w.server.History().String()
	assert.Contains(t, text, " to 1 recipient, label")
	assert.Contains(t, text, " to 2 recipients, label")
}

func (f *fakeT) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	panic(f)
}

func (*fakeT) Context() context.Context { return context.Background() }

// failure returns how a test fails, or "".
func failure(test func(testing.TB)) (text string) {
	fake := &fakeT{}
	defer func() {
		if recover() != nil {
			text = strings.Join(fake.failures, "\n")
		}
	}()
	test(fake)
	return ""
}

func TestRequireDelivered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.subscribe(appURL)
		require.NoError(t, w.server.InjectDelivery(nylastest.DeliveryFault{Type: events.TypeMessageOpened, Lose: true}))
		w.receiver.then(status(http.StatusServiceUnavailable))
		m := w.send()
		_, err := w.recipient(m).Click(t.Context(), 1)
		require.NoError(t, err)
		require.NoError(t, w.recipient(m).Open(t.Context()))

		click := nylastest.Wanted{Type: events.TypeMessageLinkClicked, MessageID: m.ID}
		open := nylastest.Wanted{Type: events.TypeMessageOpened}
		start := time.Now()
		found := w.server.RequireDelivered(t, click)
		require.Len(t, found, 1)
		assert.Equal(t, 2, found[0].Attempt)
		assert.Equal(t, 5*time.Minute, time.Since(start), "it waits for further attempts")
		w.server.RequireNotDelivered(t, open)

		missing := failure(func(tb testing.TB) { tb.Helper(); w.server.RequireDelivered(tb, click, open) })
		require.Contains(t, missing, "not delivered: message.opened\n")
		assert.Contains(t, missing, w.server.History().String())
		assert.Contains(t, failure(func(tb testing.TB) { tb.Helper(); w.server.RequireNotDelivered(tb, open, click) }), "delivered: message.link_clicked, message "+m.ID)
		require.NoError(t, w.server.Close())
		assert.Contains(t, failure(func(tb testing.TB) { tb.Helper(); w.server.RequireDelivered(tb, click) }), nylastest.ErrClosed.Error())
	})
}

func TestHistoryIsReadable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nylastest.WithSeed(11))
		assert.Equal(t, "history of the emulator with WithSeed(11):\nnothing happened\n", w.server.History().String())
		hook := w.subscribe(appURL)
		require.NoError(t, w.server.InjectDelivery(nylastest.DeliveryFault{Lose: true}))
		pass(time.Second)
		m := w.send()
		pass(2 * time.Second)
		require.NoError(t, w.recipient(m).Open(t.Context()))
		pass(time.Second)
		_, err := w.recipient(m).Click(t.Context(), 1)
		require.NoError(t, err)
		pass(time.Second)
		w.receiver.then(status(http.StatusForbidden))
		reply, err := w.recipient(m).Reply(t.Context())
		require.NoError(t, err)
		pass(time.Second)
		require.NoError(t, w.server.Inject(nylastest.Fault{Before: nylastest.Disconnect()}))
		w.server.HTTPClient().CloseIdleConnections() // net/http repeats what is cut on an old one
		_, err = w.try(http.MethodGet, "/v3/webhooks", nil)
		require.Error(t, err)
		w.wait()

		h := w.server.History()
		text := h.String()
		at := 0
		for _, line := range []string{
			"history of the emulator with WithSeed(11):\n",
			"0.000s  request  POST /v3/webhooks: 200 OK\n",
			"1.000s  request  POST " + w.sendPath() + ": 200 OK\n",
			"1.000s  sent     message " + m.ID + ` to 1 recipient, label "trial-followup-q2", opens, links, replies` + "\n",
			"3.000s  open     message " + m.ID + "\n",
			"3.000s  delivery of message.opened " + h.Deliveries[0].NotificationID + " to webhook " + hook["id"].(string) +
				", attempt 1: lost by a DeliveryFault [fault: lost]\n",
			"4.000s  click    link_index 1 of message " + m.ID + "\n",
			": 200 OK\n",
			"5.000s  reply    " + reply + " to message " + m.ID + "\n",
			"attempt 1: 403 Forbidden\n",
			"6.000s  request  GET /v3/webhooks: connection cut\n",
		} {
			i := strings.Index(text[at:], line)
			require.GreaterOrEqual(t, i, 0, "%s is not in\n%s", line, text)
			at += i
		}
		for _, secret := range []string{w.server.APIKey(), hook["webhook_secret"].(string), "book a demo"} {
			assert.NotContains(t, text, secret)
		}
		assert.NotEmpty(t, h.Requests[0].RequestID)
		assert.Equal(t, []nylastest.Event{
			{At: h.Events[0].At, Kind: "open", MessageID: m.ID, LinkIndex: -1},
			{At: h.Events[0].At.Add(time.Second), Kind: "click", MessageID: m.ID, LinkIndex: 1},
			{At: h.Events[0].At.Add(2 * time.Second), Kind: "reply", MessageID: m.ID, LinkIndex: -1, ReplyID: reply},
		}, h.Events)
	})
}
