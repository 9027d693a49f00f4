package nylastest_test

import (
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

// mailing sends one message to recipients of whom some take it, some do not and some complain.
func (w *world) mailing(grant string, take, bounce, complain int) {
	w.t.Helper()
	var to []object
	add := func(n int, address string) {
		for i := range n {
			to = append(to, object{"email": fmt.Sprintf("kim-%d@%s", i, address)})
		}
	}
	add(take, "example.org")
	add(bounce, "bounce.nylas.test")
	add(complain, "complaint.nylas.test")
	a := w.call(http.MethodPost, "/v3/grants/"+grant+"/messages/send", mail(object{"to": to}))
	require.Equal(w.t, http.StatusOK, a.status, "%s", a.body)
}

// alerts returns what has arrived since the last call.
func (w *world) alerts() []*events.AlertTriggered {
	w.t.Helper()
	w.wait()
	var out []*events.AlertTriggered
	for _, n := range w.receiver.take() {
		assert.Empty(w.t, n.GrantID)
		out = append(out, n.Data.(*events.AlertTriggered))
	}
	return out
}

// alertWorld has an Agent Account, a webhook for alerts and a rule, 2 minutes after its start.
func alertWorld(t *testing.T, changes object) (w *world, account, rulePath string) {
	t.Helper()
	w = newWorld(t)
	account = w.server.AddAgentAccount("News", "news@acme.dev")
	w.subscribe(appURL, events.TypeAlertTriggered)
	data := w.call(http.MethodPost, "/v3/alerts/send", rule(changes)).data()
	pass(2 * time.Minute)
	return w, account, "/v3/alerts/send/" + data["id"].(string)
}

func TestAlertFires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, account, path := alertWorld(t, object{"threshold": 50, "window_hours": 2, "min_volume": 4})
		w.mailing(account, 2, 2, 0)
		pass(10 * time.Minute)
		assert.Empty(t, w.alerts(), "it is at the threshold and not past it")
		w.mailing(account, 0, 1, 0)
		pass(3*time.Minute - time.Second)
		assert.Empty(t, w.alerts(), "the check comes every 5 minutes")
		pass(time.Second)
		got := w.alerts()
		require.Len(t, got, 1)
		first := got[0]
		assert.Equal(t, time.Now().Unix(), first.StartedAt.Unix())
		assert.Equal(t, time.Now().Unix(), first.TriggeredAt.Unix())
		rest := *first
		rest.StartedAt, rest.TriggeredAt = events.Timestamp{}, events.Timestamp{}
		assert.Equal(t, events.AlertTriggered{
			Object: "alert", ID: first.ID, Status: "firing", NotificationSeq: 1, SendingDomain: "acme.dev",
			Rule: events.AlertRule{
				ID: w.call(http.MethodGet, path, nil).data()["id"].(string), Metric: "bounce_rate", Threshold: 50, WindowHours: 2, MinVolume: 4,
			},
		}, rest)
		assert.NotEmpty(t, first.ID)

		// It is said again after 24 hours, while it goes on.
		begin := time.Now()
		for seq := range 2 {
			for range 24 {
				assert.Empty(t, w.alerts())
				w.mailing(account, 1, 3, 0)
				pass(time.Hour)
			}
			got = w.alerts()
			require.Len(t, got, 1)
			assert.Equal(t, first.ID, got[0].ID)
			assert.EqualValues(t, seq+2, got[0].NotificationSeq)
			assert.Equal(t, begin.Unix(), got[0].StartedAt.Unix())
			assert.Equal(t, time.Now().Unix(), got[0].TriggeredAt.Unix())
		}

		// An update starts over, a deletion ends it.
		w.mailing(account, 1, 3, 0)
		w.call(http.MethodPut, path, object{"threshold": 60})
		pass(5 * time.Minute)
		got = w.alerts()
		require.Len(t, got, 1)
		assert.NotEqual(t, first.ID, got[0].ID)
		assert.EqualValues(t, 1, got[0].NotificationSeq)
		w.call(http.MethodDelete, path, nil)
		w.mailing(account, 1, 3, 0)
		pass(30 * time.Hour)
		assert.Empty(t, w.alerts())
	})
}

// TestAlertEnds: the domain must be within the threshold for an hour.
func TestAlertEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, account, _ := alertWorld(t, object{"threshold": 50})
		w.mailing(account, 0, 1, 0)
		pass(3 * time.Minute)
		got := w.alerts()
		require.Len(t, got, 1)
		// The message leaves the window of an hour, and 55 minutes later there is another.
		pass(time.Hour + 50*time.Minute)
		w.mailing(account, 0, 1, 0)
		pass(10 * time.Minute)
		assert.Empty(t, w.alerts(), "it is the same alert")
		pass(2*time.Hour + 5*time.Minute)
		w.mailing(account, 0, 1, 0)
		pass(10 * time.Minute)
		again := w.alerts()
		require.Len(t, again, 1)
		assert.NotEqual(t, got[0].ID, again[0].ID)
		assert.EqualValues(t, 1, again[0].NotificationSeq)
		pass(72 * time.Hour)
		assert.Empty(t, w.alerts())
		w.mailing(account, 0, 1, 0)
		pass(5 * time.Minute)
		assert.Len(t, w.alerts(), 1, "the checks went on after nothing was sent for long")
	})
}

func TestAlertMetrics(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rule                   object
		take, bounce, complain int
		fires                  bool
	}{
		"bounces, at 25":              {object{"threshold": 25}, 3, 1, 0, false},
		"bounces, past 24.99":         {object{"threshold": 24.99}, 3, 1, 0, true},
		"bounces, past 0":             {object{"threshold": 0}, 99, 1, 0, true},
		"none bounced":                {object{"threshold": 0}, 3, 0, 1, false},
		"complaints of the delivered": {object{"metric": "complaint_rate", "threshold": 49.99}, 1, 2, 1, true},
		"complaints, at 50":           {object{"metric": "complaint_rate", "threshold": 50}, 1, 2, 1, false},
		"deliveries, below 60":        {object{"metric": "delivery_rate", "threshold": 60}, 1, 1, 0, true},
		"deliveries, at 50":           {object{"metric": "delivery_rate", "threshold": 50}, 1, 1, 0, false},
		"too few":                     {object{"threshold": 0, "min_volume": 5}, 0, 4, 0, false},
		"enough":                      {object{"threshold": 0, "min_volume": 5}, 0, 5, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, account, _ := alertWorld(t, test.rule)
				w.mailing(account, test.take, test.bounce, test.complain)
				w.mailing(w.server.GrantID(), 0, 20, 0) // of a connected grant: it does not count
				pass(10 * time.Minute)
				assert.Equal(t, test.fires, len(w.alerts()) == 1)
			})
		})
	}
}

// TestAlertsAreOfTheirDomain: a domain has alerts of its own, and so has each rule.
func TestAlertsAreOfTheirDomain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nylastest.WithSendingDomains("post.acme.dev"))
		w.subscribe(appURL, events.TypeAlertTriggered)
		bad, good := w.server.AddAgentAccount("Bad", "news@bad.dev"), w.server.AddAgentAccount("Good", "news@good.dev")
		w.mailing(bad, 1, 1, 0)
		w.mailing(good, 1, 0, 0)
		a := w.call(http.MethodPost, "/v3/domains/post.acme.dev/messages/send", object{
			"to": []object{{"email": "a@bounce.nylas.test"}}, "from": object{"email": "news@post.acme.dev"}, "subject": "s", "body": "b",
		})
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		pass(time.Minute)
		for _, metric := range []string{"bounce_rate", "delivery_rate"} { // made after the mail was sent
			w.call(http.MethodPost, "/v3/alerts/send", rule(object{"metric": metric, "threshold": 40})).data()
		}
		pass(4 * time.Minute)
		found := map[string]bool{}
		for _, alert := range w.alerts() {
			found[alert.SendingDomain+" "+alert.Rule.Metric] = true
		}
		assert.Equal(t, map[string]bool{
			"bad.dev bounce_rate": true, "post.acme.dev bounce_rate": true, "post.acme.dev delivery_rate": true,
		}, found)
	})
}
