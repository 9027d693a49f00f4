package nylastest_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

// inQueue runs a test with a limit of so many sends a second, and the path of an Agent
// Account.
func inQueue(t *testing.T, perSecond int, test func(t *testing.T, w *world, agent string)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nylastest.WithAgentSendLimit(perSecond))
		test(t, w, "/v3/grants/"+w.server.AddAgentAccount("News", "news@mail.acme.dev"))
	})
}

// sentAt returns the subjects of the messages that went out, each with the seconds since
// start.
func (w *world) sentAt(start time.Time) (sent []string) {
	for _, m := range w.server.Messages() {
		sent = append(sent, fmt.Sprint(m.Subject, " ", m.SentAt.Sub(start).Seconds()))
	}
	return sent
}

// All Agent Accounts share one limit and one queue. Connected mailboxes do not.
func TestAgentAccountsQueue(t *testing.T) {
	inQueue(t, 2, func(t *testing.T, w *world, agent string) {
		other := "/v3/grants/" + w.server.AddAgentAccount("Sales", "sales@acme.dev")
		w.subscribe(appURL, events.TypeMessageDelivered, events.TypeMessageSendFailed)
		start := time.Now()
		var last answer
		for i, want := range []int{200, 200, 202, 202, 202} {
			path := []string{agent, other}[i%2] + "/messages/send?fields=include_headers"
			last = w.call(http.MethodPost, path, mail(object{"subject": fmt.Sprint("m", i)}))
			require.Equal(t, want, last.status, "%s", last.body)
			assert.Equal(t, want == 200, last.data()["headers"] != nil, "a queued message has no headers yet")
		}
		require.Equal(t, 200, w.call(http.MethodPost, w.sendPath(), mail(object{"subject": "connected"})).status)
		w.wait()
		assert.Len(t, w.receiver.take(), 2)
		pass(500 * time.Millisecond)
		require.Equal(t, 202, w.call(http.MethodPost, agent+"/messages/send", mail(object{"subject": "m5"})).status, "it would overtake others")

		pass(1500 * time.Millisecond)
		assert.Equal(t, []string{"m0 0", "m1 0", "connected 0", "m2 1", "m3 1", "m4 2", "m5 2"}, w.sentAt(start))
		w.wait()
		delivered := w.receiver.take()
		require.Len(t, delivered, 4)
		queued, ok := w.server.Message(last.data()["id"].(string))
		require.True(t, ok, "a queued message has its id at once")
		assert.Equal(t, "m4", queued.Subject)
		assert.Equal(t, last.data()["thread_id"], queued.ThreadID)
		require.Equal(t, 202, w.call(http.MethodPost, agent+"/messages/send", mail()).status, "two went out within this second")
		pass(2 * time.Second)
		require.Equal(t, 200, w.call(http.MethodPost, agent+"/messages/send", mail()).status, "the burst is over")
	})
}

func TestQueuedDraft(t *testing.T) {
	inQueue(t, 1, func(t *testing.T, w *world, agent string) {
		w.subscribe(appURL, events.TypeMessageDelivered, events.TypeMessageSendFailed)
		draft := func(subject string) string {
			a := w.call(http.MethodPost, agent+"/drafts", mail(object{"subject": subject, "metadata": object{"key1": subject}}))
			require.Equal(t, 200, a.status, "%s", a.body)
			return agent + "/drafts/" + a.data()["id"].(string)
		}
		start := time.Now()
		first, second, failing := draft("first"), draft("second"), draft("failing")
		require.Equal(t, 200, w.call(http.MethodPost, first, nil).status)
		a := w.call(http.MethodPost, second, nil)
		require.Equal(t, 202, a.status)
		require.Equal(t, 202, w.call(http.MethodPost, failing, nil).status)
		exists := func(path string) bool { return w.call(http.MethodGet, path, nil).status == 200 }
		assert.False(t, exists(first))
		assert.True(t, exists(second), "a queued draft stays in the drafts")
		require.NoError(t, w.server.Inject(
			nylastest.Fault{Endpoint: nylastest.EndpointQueuedSend, Hold: func(context.Context) {}},
			nylastest.Fault{
				Endpoint: nylastest.EndpointQueuedSend,
				Inside:   nylastest.ErrorAnswer(550, "api.provider_error", "mailbox unavailable"),
			}))
		pass(2 * time.Second)
		assert.False(t, exists(second))
		assert.True(t, exists(failing), "what failed stays")
		assert.Equal(t, []string{"first 0", "second 1"}, w.sentAt(start))
		assert.Equal(t, a.data()["id"], w.server.Messages()[1].ID)
		assert.Equal(t, map[string]string{"key1": "second"}, w.server.Messages()[1].Metadata)
		w.wait()
		got := w.receiver.take()
		require.Len(t, got, 3)
		failed, ok := got[2].Data.(*events.MessageSendFailed)
		require.True(t, ok, "%T", got[2].Data)
		assert.Equal(t, "failing", failed.Message.Subject)
		assert.Empty(t, failed.Message.ScheduleID)
		assert.Equal(t, events.Int(550), failed.Error.StatusCode)
	})
}

// A queue is full when its last message waits for 90 s. What is refused then can be sent
// later with the same key.
func TestFullQueue(t *testing.T) {
	inQueue(t, 1, func(t *testing.T, w *world, agent string) {
		for i := range 91 {
			want := 202
			if i == 0 {
				want = 200
			}
			require.Equal(t, want, w.call(http.MethodPost, agent+"/messages/send", mail()).status)
		}
		send := func() answer {
			return w.call(http.MethodPost, agent+"/messages/send", mail(), "Idempotency-Key", "k")
		}
		refused := send()
		refused.refused(429, "nylas_rate_limit_exceeded", "The send queue of the organization is full.")
		assert.Equal(t, "1", refused.header.Get("Retry-After"))
		pass(time.Second)
		accepted := send()
		assert.Equal(t, 202, accepted.status)
		assert.Empty(t, accepted.header.Get("Idempotent-Response"))
		replayed := send()
		assert.Equal(t, "true", replayed.header.Get("Idempotent-Response"))
		assert.Equal(t, accepted.data()["id"], replayed.data()["id"])
		pass(90 * time.Second)
		assert.Len(t, w.server.Messages(), 92)
	})
}

func TestScheduledSendsQueue(t *testing.T) {
	inQueue(t, 1, func(t *testing.T, w *world, agent string) {
		start := time.Now()
		a := w.call(http.MethodPost, agent+"/messages/send", mail(object{"subject": "scheduled", "send_at": start.Add(time.Hour).Unix()}))
		require.Equal(t, 200, a.status, "%s", a.body)
		code := func() any {
			schedule := w.call(http.MethodGet, agent+"/messages/schedules/"+a.data()["schedule_id"].(string), nil)
			return schedule.data()["status"].(object)["code"]
		}
		pass(time.Hour - 500*time.Millisecond)
		require.Equal(t, 200, w.call(http.MethodPost, agent+"/messages/send", mail(object{"subject": "before"})).status)
		pass(900 * time.Millisecond)
		assert.Equal(t, "pending", code())
		assert.Equal(t, []string{"before 3599.5"}, w.sentAt(start))
		pass(100 * time.Millisecond)
		assert.Equal(t, []string{"before 3599.5", "scheduled 3600.5"}, w.sentAt(start))
		assert.Equal(t, "success", code())
	})
}

// A message that takes long holds up those behind it.
func TestQueueKeepsItsOrder(t *testing.T) {
	inQueue(t, 1, func(t *testing.T, w *world, agent string) {
		start := time.Now()
		require.NoError(t, w.server.Inject(nylastest.Fault{
			Endpoint: nylastest.EndpointQueuedSend, Hold: func(context.Context) { <-time.After(5 * time.Second) },
		}))
		for i := range 4 {
			w.call(http.MethodPost, agent+"/messages/send", mail(object{"subject": fmt.Sprint("m", i)}))
		}
		pass(10 * time.Second)
		assert.Equal(t, []string{"m0 0", "m1 6", "m2 6", "m3 6"}, w.sentAt(start))
	})
}

func TestQueueEndsWithTheServer(t *testing.T) {
	inQueue(t, 1, func(t *testing.T, w *world, agent string) {
		for range 3 {
			w.call(http.MethodPost, agent+"/messages/send", mail())
		}
		start := time.Now()
		require.NoError(t, w.server.Close())
		assert.Len(t, w.server.Messages(), 1)
		assert.Zero(t, time.Since(start))
	})
}

func TestAgentSendLimitIsRefused(t *testing.T) {
	t.Parallel()
	_, err := nylastest.Start(nylastest.WithAgentSendLimit(0))
	require.EqualError(t, err, "nylastest: the limit of Agent Accounts is less than one message a second")
}
