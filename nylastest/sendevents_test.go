package nylastest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
)

// kinds returns the event types of a list of send events.
func (w *world) kinds(query string) []string {
	w.t.Helper()
	out := []string{}
	for _, e := range w.list("/v3/activity/send?" + query) {
		out = append(out, e.(object)["event_type"].(string)+" "+e.(object)["recipient"].(string))
	}
	return out
}

func TestSendEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.send() // of a connected grant: never there
		agent := w.server.AddAgentAccount("News", "news@Mail.acme.dev")
		a := w.call(http.MethodPost, "/v3/grants/"+agent+"/messages/send", mail(object{
			"to": []object{{"email": "kim@example.org"}, {"email": "x@bounce.nylas.test"}}, "tracking_options": nil,
		}))
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		m, _ := w.server.Message(a.data()["id"].(string))
		pass(time.Hour)
		require.NoError(t, w.recipient(m).Complain(t.Context()))
		pass(time.Hour)
		require.NoError(t, w.recipient(m).Bounce(t.Context(), "MailboxFull"))

		all := []string{
			"bounced kim@example.org", "complaint kim@example.org", "bounced x@bounce.nylas.test", "delivered kim@example.org",
			"accepted x@bounce.nylas.test", "accepted kim@example.org",
		}
		assert.Equal(t, all, w.kinds(""))
		for query, want := range map[string][]string{
			"event_type=bounced&event_type=complaint": all[:3], "bounce_class=hard": all[2:3], "bounce_class=soft": all[:1],
			"recipient_domain=bounce.nylas.test": {all[2], all[4]}, "recipient=x@bounce.nylas.test&event_type=accepted": all[4:5],
			"sending_domain=mail.acme.dev&event_type=delivered": all[3:4], "grant_id=" + w.server.GrantID(): {},
			"message_id=" + m.ID + "&limit=2": all[:2], "start=946692000": all[:1], "end=946688399": all[2:],
		} {
			assert.Equal(t, want, w.kinds(query), query)
		}
		page := w.call(http.MethodGet, "/v3/activity/send?limit=4", nil).object()
		assert.Equal(t, all[4:], w.kinds("limit=4&page_token="+url.QueryEscape(page["next_cursor"].(string))))

		event := w.list("/v3/activity/send")[0].(object)
		assert.Equal(t, []string{
			"application_id", "bounce_class", "detail", "event_type", "from", "grant_id", "id", "message_id", "reason", "recipient", "thread_id",
			"timestamp",
		}, keys(event))
		assert.Equal(t, "MailboxFull", event["reason"])
		assert.Regexp(t, `^[0-9a-f]{64}$`, event["id"])
		assert.Equal(t, event, w.call(http.MethodGet, "/v3/activity/send/"+event["id"].(string), nil).data())
		delivery := w.call(http.MethodGet, "/v3/activity/send/messages/"+m.ID, nil).data()
		assert.Equal(t, m.ID, delivery["message"].(object)["message_id"])
		assert.Len(t, delivery["recipients"], 2)

		pass(8 * 24 * time.Hour)
		assert.Empty(t, w.kinds(""), "7 days unless asked for more")
		pass(90 * 24 * time.Hour)
		assert.Empty(t, w.kinds("start=0"), "90 days and no more")
		w.call(http.MethodGet, "/v3/activity/send/messages/"+m.ID, nil).refused(404, "api.not_found_error", "requested object not found")
	})
}

func TestSendMetrics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		send := func(agent, to string) {
			a := w.call(http.MethodPost, "/v3/grants/"+agent+"/messages/send", object{"to": []object{{"email": to}}})
			require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		}
		one, two := w.server.AddAgentAccount("", "a@one.dev"), w.server.AddAgentAccount("", "b@two.dev")
		for range 3 {
			send(one, "kim@example.org")
		}
		send(one, "x@bounce.nylas.test")
		send(two, "y@complaint.nylas.test")
		summary := func() object { return w.call(http.MethodGet, "/v3/metrics/send/summary", nil).data() }
		assert.Equal(t, "insufficient_data", summary()["health"].(object)["state"])
		totals := summary()["totals"].(object)
		assert.Equal(t, []string{"bounce_rate", "bounced", "complaint", "complaint_rate", "delivered", "delivery_rate", "sent"}, keys(totals))
		assert.InDelta(t, 5, totals["sent"], 0)
		assert.InDelta(t, 80, totals["delivery_rate"], 0)
		assert.InDelta(t, 20, totals["bounce_rate"], 0)
		assert.InDelta(t, 25, totals["complaint_rate"], 0)
		groups := func(query string) (names []string) {
			for _, g := range w.call(http.MethodGet, "/v3/metrics/send?"+query, nil).data()["groups"].([]any) {
				names = append(names, g.(object)["key"].(string))
			}
			return names
		}
		assert.Equal(t, []string{"one.dev", "two.dev"}, groups(""))
		assert.Equal(t, []string{"b@two.dev", "a@one.dev"}, groups("group_by=agent_account&sort=delivery_rate:desc"))
		assert.Equal(t, []string{"example.org", "(others)"}, groups("group_by=recipient_domain&limit=1"))
		assert.Equal(t, []string{"two.dev"}, groups("sending_domain=two.dev"))
		series := w.call(http.MethodGet, "/v3/metrics/send/timeseries", nil).data()
		assert.Equal(t, "day", series["granularity"])
		buckets := series["buckets"].([]any)
		require.Len(t, buckets, 7)
		assert.Equal(t, "2000-01-01", buckets[6].(object)["start"])
		assert.InDelta(t, 5, buckets[6].(object)["sent"], 0)

		for _, tt := range []struct {
			to, state string
			more      int
		}{{"kim@example.org", "healthy", 100}, {"x@bounce.nylas.test", "at_risk", 6}, {"x@bounce.nylas.test", "critical", 10}} {
			for range tt.more {
				send(w.server.AddAgentAccount("", "c@three.dev"), tt.to)
			}
			got := w.call(http.MethodGet, "/v3/metrics/send/summary?sending_domain=three.dev", nil).data()
			assert.Equal(t, tt.state, got["health"].(object)["state"])
		}
	})
}

func TestSendEventsRefuse(t *testing.T) {
	t.Parallel()
	fake := &fakeT{}
	w := &world{t: t, server: nylastest.NewServer(fake, nylastest.WithNetwork(nylastest.NewNetwork()))}
	const list, breakdown = "/v3/activity/send?", "/v3/metrics/send?"
	long := strings.Repeat("x", 321)
	for path, message := range map[string]string{
		list + "event_type=opened":                               "event_type must be accepted, delivered, bounced, complaint or rejected; repeat the parameter for more than one",
		list + "bounce_class=weak":                               "bounce_class must be hard, soft or undetermined",
		list + "recipient=" + long:                               "recipient must have at most 320 characters",
		list + "recipient_domain=" + long:                        "recipient_domain must have at most 255 characters",
		list + "limit=201":                                       "limit must be an integer from 1 to 200",
		list + "page_token=x":                                    "page_token is not valid",
		list + "label=x":                                         `unknown query parameter "label"`,
		"/v3/activity/send/x":                                    "event_id must match ^[0-9a-f]{64}$",
		"/v3/activity/send/messages/" + strings.Repeat("x", 513): "message_id must have at most 512 characters",
		breakdown + "group_by=label":                             "group_by must be sending_domain, agent_account or recipient_domain",
		breakdown + "sort=open_rate:asc":                         "sort must be <key>:<asc|desc>, the key one of key, sent, delivery_rate, bounce_rate, complaint_rate",
		breakdown + "group_by=recipient_domain&start=2026-01-01&end=2026-04-01": "start and end must be at most 90 days apart with group_by recipient_domain",
		breakdown + "limit=101": "limit must be an integer from 1 to 100",
		"/v3/metrics/send/summary?start=2025-01-01&end=2026-01-01": "start and end must be at most 365 days apart",
		"/v3/metrics/send/timeseries?granularity=hour":             "granularity must be auto, day, week or month",
	} {
		w.call(http.MethodGet, path, nil).refused(http.StatusBadRequest, "api.invalid_request_error", message)
	}
	w.call(http.MethodGet, "/v3/activity/send/"+strings.Repeat("0", 64), nil).refused(404, "api.not_found_error", "requested object not found")
	fake.end()
	assert.Len(t, fake.failures, 1, "%v", fake.failures)
}
