package nylastest_test

import (
	"fmt"
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

// agentWorld is a world with a message of an Agent Account.
func agentWorld(t *testing.T, opts ...nylastest.Option) (*world, nylastest.Message) {
	t.Helper()
	w := newWorld(t, opts...)
	agent := w.server.AddAgentAccount("News", "news@Mail.acme.dev")
	a := w.call(http.MethodPost, "/v3/grants/"+agent+"/messages/send", mail())
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	m, ok := w.server.Message(a.data()["id"].(string))
	require.True(t, ok)
	return w, m
}

func (w *world) list(path string) []any {
	w.t.Helper()
	a := w.call(http.MethodGet, path, nil)
	require.Equal(w.t, http.StatusOK, a.status, "%s", a.body)
	return a.object()["data"].([]any)
}

func TestActivity(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, m := agentWorld(t)
		kim := w.recipient(m)
		require.NoError(t, kim.Open(t.Context()))
		pass(time.Second)
		_, err := kim.Click(t.Context(), 1)
		require.NoError(t, err)

		a := w.call(http.MethodGet, "/v3/activity/tracking", nil)
		assert.NotContains(t, a.object(), "next_cursor", "there is one page")
		list := w.list("/v3/activity/tracking")
		require.Len(t, list, 2)
		clicked := list[0].(object)
		assert.Equal(t, []string{
			"application_id", "event_type", "from", "grant_id", "id", "label", "link_index", "link_url", "message_id", "sending_domain",
			"thread_id", "timestamp",
		}, keys(clicked))
		assert.Equal(t, "link_clicked", clicked["event_type"])
		assert.Equal(t, "https://acme.dev/docs", clicked["link_url"])
		assert.Equal(t, "mail.acme.dev", clicked["sending_domain"])
		assert.Regexp(t, `^[0-9a-f]{64}$`, clicked["id"])
		assert.NotEqual(t, clicked["id"], list[1].(object)["id"])
		assert.NotContains(t, list[1], "link_url")

		// Pages, with an event that comes between them.
		page := w.call(http.MethodGet, "/v3/activity/tracking?limit=1", nil)
		require.Len(t, page.object()["data"], 1)
		require.NoError(t, kim.Open(t.Context()))
		next := w.list("/v3/activity/tracking?limit=1&page_token=" + url.QueryEscape(page.object()["next_cursor"].(string)))
		assert.Equal(t, list[1:], next)
		assert.Len(t, w.list("/v3/activity/tracking?event_type=opened&event_type=link_clicked"), 3)
		assert.Len(t, w.list("/v3/activity/tracking?event_type=link_clicked"), 1)
		assert.Equal(t, clicked, w.call(http.MethodGet, "/v3/activity/tracking/"+clicked["id"].(string), nil).data())
	})
}

func TestActivityHasWhatIsNotified(t *testing.T) {
	t.Parallel()
	for _, omit := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w, m := agentWorld(t, nylastest.WithReadings(nylastest.Readings{OmitUncountedOpens: omit}))
			require.NoError(t, w.recipient(m).Open(t.Context()))
			require.NoError(t, w.recipient(m).Open(t.Context()))
			want := 2
			if omit {
				want = 1
			}
			assert.Len(t, w.list("/v3/activity/tracking"), want)
		})
	}
}

// The newest event comes first, also if it was made before the others.
func TestActivityIsInTheOrderOfTime(t *testing.T) {
	t.Parallel()
	w, m := agentWorld(t)
	kim := w.recipient(m)
	for _, ago := range []time.Duration{2 * time.Hour, time.Hour, 3 * time.Hour} {
		require.NoError(t, kim.WithTime(time.Now().Add(-ago)).Open(t.Context()))
	}
	list := w.list("/v3/activity/tracking")
	require.Len(t, list, 3)
	for i, ago := range []time.Duration{time.Hour, 2 * time.Hour, 3 * time.Hour} {
		assert.InDelta(t, time.Now().Add(-ago).Unix(), list[i].(object)["timestamp"], 60)
	}
}

func TestActivityRefuses(t *testing.T) {
	t.Parallel()
	fake := &fakeT{}
	network := nylastest.NewNetwork()
	w := &world{t: t, server: nylastest.NewServer(fake, nylastest.WithNetwork(network))}
	const list, breakdown = "/v3/activity/tracking?", "/v3/metrics/tracking?"
	long := strings.Repeat("x", 2049)
	for path, message := range map[string]string{
		list + "event_type=opened,link_clicked":               "event_type must be opened or link_clicked; repeat the parameter for both",
		list + "label=" + long:                                "label must have at most 2048 characters",
		list + "sending_domain=" + long[:256]:                 "sending_domain must have at most 255 characters",
		list + "from=" + long[:321]:                           "from must have at most 320 characters",
		list + "grant_id=" + long[:37]:                        "grant_id must have at most 36 characters",
		list + "start=2026-10-01":                             "start must be an integer from 0 to 253402300799",
		list + "end=x":                                        "end must be an integer from 0 to 253402300799",
		list + "limit=0":                                      "limit must be an integer from 1 to 200",
		list + "limit=201":                                    "limit must be an integer from 1 to 200",
		list + "label=a&label=b":                              `query parameter "label" is given twice`,
		list + "page_token=x":                                 "page_token is not valid",
		list + "recipient=kim@example.org":                    `unknown query parameter "recipient"`,
		list + "%zz":                                          "error parsing query",
		"/v3/activity/tracking/abc":                           "event_id must match ^[0-9a-f]{64}$",
		"/v3/activity/tracking/abc?x=1":                       `unknown query parameter "x"`,
		"/v3/activity/tracking/messages/" + long:              "message_id must have at most 512 characters",
		breakdown + "start=1792785200":                        "start must be a date of the form YYYY-MM-DD",
		breakdown + "end=today":                               "end must be a date of the form YYYY-MM-DD",
		breakdown + "start=2026-10-02&end=2026-10-01":         "end must not be before start",
		breakdown + "start=2025-10-01&end=2026-10-01":         "start and end must be at most 365 days apart",
		breakdown + "sending_domain=" + long[:256]:            "sending_domain must have at most 255 characters",
		breakdown + "label=x":                                 `unknown query parameter "label"`,
		breakdown + "limit=101":                               "limit must be an integer from 1 to 100",
		breakdown + "group_by=label":                          "group_by must be sending_domain or agent_account",
		breakdown + "sort=opens:desc":                         "sort must be <key>:<asc|desc>, the key one of key, tracked_opens, tracked_links, open_rate, click_rate",
		breakdown + "sort=open_rate":                          "sort must be <key>:<asc|desc>, the key one of key, tracked_opens, tracked_links, open_rate, click_rate",
		"/v3/metrics/tracking/summary?group_by=agent_account": `unknown query parameter "group_by"`,
		"/v3/metrics/tracking/timeseries?granularity=hour":    "granularity must be auto, day, week or month",
		"/v3/metrics/tracking/timeseries?limit=1":             `unknown query parameter "limit"`,
	} {
		w.call(http.MethodGet, path, nil).refused(400, "api.invalid_request_error", message)
	}
	w.call(http.MethodGet, "/v3/activity/tracking/"+strings.Repeat("0", 64), nil).refused(404, "api.not_found_error", "requested object not found")
	w.call(http.MethodGet, "/v3/activity/tracking", nil, "Authorization", "Bearer x").refused(401, "unauthorized", "Unauthorized")
	fake.end()
	assert.Len(t, fake.failures, 5, "unknown names fail the test: %v", fake.failures)
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		send := func(sender string, tracking object) nylastest.Message {
			a := w.call(http.MethodPost, "/v3/grants/"+w.server.AddAgentAccount("", sender)+"/messages/send", mail(object{"tracking_options": tracking}))
			require.Equal(t, http.StatusOK, a.status, "%s", a.body)
			m, _ := w.server.Message(a.data()["id"].(string))
			return m
		}
		require.NoError(t, w.recipient(send("a@a.dev", object{"opens": true})).Open(t.Context()))
		send("b@b.dev", object{"opens": true})
		send("b@b.dev", object{"opens": true, "links": true})
		send("c@c.dev", object{"links": true})
		groups := func(query string) (keys []string) {
			for _, row := range w.call(http.MethodGet, "/v3/metrics/tracking?"+query, nil).data()["groups"].([]any) {
				keys = append(keys, fmt.Sprint(row.(object)["key"], " ", row.(object)["open_rate"]))
			}
			return keys
		}
		a, b, c := "a.dev 100", "b.dev 0", "c.dev <nil>"
		for sort, want := range map[string][]string{
			"key:asc": {a, b, c}, "key:desc": {c, b, a}, "tracked_opens:desc": {b, a, c}, "tracked_opens:asc": {c, a, b},
			"tracked_links:desc": {b, c, a}, "open_rate:desc": {a, b, c}, "open_rate:asc": {b, a, c}, "click_rate:asc": {b, c, a},
		} {
			assert.Equal(t, want, groups("sort="+sort), sort)
		}
		assert.Equal(t, []string{b, a, c}, groups(""), "the default")
		assert.Equal(t, []string{"b@b.dev 0", "(others) 100"}, groups("group_by=agent_account&limit=1"))
		assert.Equal(t, []string{a}, groups("sending_domain=a.dev"))

		// The bubble begins on Saturday, 2000-01-01.
		buckets := func(query string) (starts []string) {
			for _, bucket := range w.call(http.MethodGet, "/v3/metrics/tracking/timeseries?"+query, nil).data()["buckets"].([]any) {
				starts = append(starts, fmt.Sprint(bucket.(object)["start"], " ", bucket.(object)["tracked_opens"]))
			}
			return starts
		}
		assert.Equal(t, []string{"1999-12-26 0", "1999-12-27 3"}, buckets("granularity=week"), "weeks begin on Monday")
		assert.Equal(t, []string{"1999-12-26 0", "2000-01-01 3"}, buckets("granularity=month"))
		assert.Empty(t, groups("start=1999-12-01&end=1999-12-31"), "by the day on which they were sent")
		pass(366 * 24 * time.Hour)
		assert.Empty(t, groups("start=2000-01-01&end=2000-01-01"), "365 days and no more")
	})
}

func TestChannelsRefuse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const topic, arn, role = "projects/acme/topics/nylas", "arn:aws:sns:eu-west-1:1:nylas", "arn:aws:iam::1:role/nylas"
	triggers := []string{"message.opened"}
	for message, body := range map[string]object{
		"invalid.input.format : topic is required":                               {"trigger_types": triggers},
		"invalid.input.format : topic must be projects/<project>/topics/<topic>": {"trigger_types": triggers, "topic": "projects/a/topics/b/c"},
		"invalid.input.format : trigger_types is required":                       {"topic": topic, "encryption_key": ""},
		"invalid.input.format : trigger_types[0] is not a trigger":               {"topic": topic, "trigger_types": []string{"x"}},
	} {
		w.call(http.MethodPost, "/v3/channels/pubsub", body).refused(400, "70005", message)
	}
	for message, body := range map[string]object{
		"invalid.input.format : topic is required":                                   {"trigger_types": triggers, "role_arn": role},
		"invalid.input.format : topic must be the ARN of a standard topic":           {"trigger_types": triggers, "role_arn": role, "topic": arn + ".fifo"},
		"invalid.input.format : role_arn is required":                                {"trigger_types": triggers, "topic": arn},
		"invalid.input.format : role_arn must be arn:aws:iam::<account>:role/<name>": {"trigger_types": triggers, "topic": arn, "role_arn": "arn:aws:iam::1:user/x"},
	} {
		w.call(http.MethodPost, "/v3/channels/sns", body).refused(400, "70005", message)
	}
	created := w.call(http.MethodPost, "/v3/channels/sns", object{"trigger_types": triggers, "topic": arn, "role_arn": role}).data()
	assert.Equal(t, []string{
		"compressed_delivery", "description", "id", "notification_email_addresses", "role_arn", "status", "topic", "trigger_types",
	}, keys(created))
	path := "/v3/channels/sns/" + created["id"].(string)
	w.call(http.MethodPut, path, object{"status": "paused"}).refused(400, "70005", "invalid.input.format : status must be active or pause")
	w.call(http.MethodPut, path, object{"trigger_types": []string{"x"}}).refused(400, "70005", "invalid.input.format : trigger_types[0] is not a trigger")
	w.call(http.MethodPut, path, object{"topic": "x"}).refused(400, "70005", "invalid.input.format : topic must be the ARN of a standard topic")
	w.call(http.MethodPut, path, object{"role_arn": "x"}).refused(400, "70005", "invalid.input.format : role_arn must be arn:aws:iam::<account>:role/<name>")
	w.call(http.MethodPut, "/v3/channels/pubsub/x", object{"topic": "x"}).refused(400, "70005", "invalid.input.format : topic must be projects/<project>/topics/<topic>")
	w.call(http.MethodPost, "/v3/channels/pubsub", "{}", "Content-Type", "text/plain").
		refused(400, "70005", "invalid.input.format : request must be of content-type application/json")
	// The kinds are apart.
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		w.call(method, "/v3/channels/pubsub/"+created["id"].(string), object{}).refused(400, "70000", "destination.id.not.found : record not found")
	}
	assert.Equal(t, []any{"message.opened"}, w.call(http.MethodGet, path, nil).data()["trigger_types"])
}
