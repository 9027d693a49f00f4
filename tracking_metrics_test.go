package nylas_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
)

var (
	october1  = time.Date(2026, time.October, 1, 0, 0, 0, 0, time.UTC)
	october30 = time.Date(2026, time.October, 30, 23, 59, 59, 999, time.UTC)
)

func TestMetricsOnTheWire(t *testing.T) {
	t.Parallel()
	const domain = "mail.example.com"
	t.Run("summary", func(t *testing.T) {
		t.Parallel()
		for request, req := range map[string]*nylas.TrackingSummaryRequest{
			"summary": nil, "summary-all": {Start: october1, End: october30, SendingDomain: domain},
		} {
			w := newWire(t, answersFile(t, 200, "http/metrics.summary.response.json"))
			got, err := w.client(t).Metrics.TrackingSummary(t.Context(), req)
			require.NoError(t, err)
			assert.JSONEq(t, `{"rate_by_whatever_name":41.5}`, string(got.Totals))
			require.Len(t, got.Other, 1)
			assert.JSONEq(t, `{"x":1}`, string(got.Other["window_before"]))
			assertRecorded(t, "http/metrics."+request+".request.json", w.requests()[0])
		}
	})
	t.Run("breakdown", func(t *testing.T) {
		t.Parallel()
		for request, req := range map[string]*nylas.TrackingMetricsRequest{
			"breakdown": nil,
			"breakdown-all": {
				Start: october1, End: october30, SendingDomain: domain, GroupBy: nylas.GroupByAgentAccount, Sort: "open_rate:desc", Limit: 2,
			},
		} {
			w := newWire(t, answersFile(t, 200, "http/metrics.breakdown.response.json"))
			got, err := w.client(t).Metrics.Tracking(t.Context(), req)
			require.NoError(t, err)
			assert.Equal(t, &nylas.TrackingMetrics{
				Rows: []nylas.TrackingMetricsRow{
					{
						Key: domain, TrackedOpens: 12, TrackedLinks: 3, OpenRate: new(41.5),
						Other: map[string]json.RawMessage{"opened_by_whatever_name": json.RawMessage("5")},
					},
					{Key: nylas.OthersKey, Other: map[string]json.RawMessage{"open_rate": json.RawMessage(`"n/a"`)}},
				},
				Other: map[string]json.RawMessage{"unit": json.RawMessage(`"percent"`)},
			}, got)
			assertRecorded(t, "http/metrics."+request+".request.json", w.requests()[0])
		}
	})
	t.Run("timeseries", func(t *testing.T) {
		t.Parallel()
		for request, req := range map[string]*nylas.TrackingTimeseriesRequest{
			"timeseries":     nil,
			"timeseries-all": {Start: october1, End: october30, SendingDomain: domain, Granularity: nylas.GranularityWeek},
		} {
			w := newWire(t, answersFile(t, 200, "http/metrics.timeseries.response.json"))
			got, err := w.client(t).Metrics.TrackingTimeseries(t.Context(), req)
			require.NoError(t, err)
			assert.Equal(t, &nylas.TrackingTimeseries{
				Granularity: nylas.GranularityWeek,
				Buckets: []map[string]json.RawMessage{
					{"first": json.RawMessage(`"2026-10-01"`), "n": json.RawMessage("1")}, {"first": json.RawMessage(`"2026-10-05"`)},
				},
				Other: map[string]json.RawMessage{"unit": json.RawMessage(`"percent"`)},
			}, got)
			assertRecorded(t, "http/metrics."+request+".request.json", w.requests()[0])
		}
	})
}

// TestMetricsOfAnotherShape: what is not as guessed stays raw.
func TestMetricsOfAnotherShape(t *testing.T) {
	t.Parallel()
	for data, others := range map[string]int{
		`{"a":[{"key":"x"}],"b":[{"key":"y"}]}`: 2, `{"a":[1]}`: 1, `{"a":[{"x":1}]}`: 1, `{"a":[{"key":"x"},2]}`: 1,
	} {
		body := `{"data":` + data + `}`
		got, err := newWire(t, answers(200, body)).client(t).Metrics.Tracking(t.Context(), nil)
		require.NoError(t, err, data)
		assert.Nil(t, got.Rows, data)
		assert.Len(t, got.Other, others, data)
	}
	for data, others := range map[string]int{
		`{"granularity":7}`: 1, `{"a":[{}],"b":[{}]}`: 2, `{"a":[1]}`: 1, `{"a":[{},1]}`: 1,
	} {
		got, err := newWire(t, answers(200, `{"data":`+data+`}`)).client(t).Metrics.TrackingTimeseries(t.Context(), nil)
		require.NoError(t, err, data)
		assert.Nil(t, got.Buckets, data)
		assert.Len(t, got.Other, others, data)
	}
	got, err := newWire(t, answers(200, `{"data":{"a":[]}}`)).client(t).Metrics.Tracking(t.Context(), nil)
	require.NoError(t, err)
	assert.NotNil(t, got.Rows)
	assert.Empty(t, got.Rows)
	for _, data := range []string{`[]`, `"x"`} {
		_, err := newWire(t, answers(200, `{"data":`+data+`}`)).client(t).Metrics.TrackingSummary(t.Context(), nil)
		require.ErrorContains(t, err, "the answer has another form than documented")
	}
}

func TestMetricsRefuse(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	s := w.client(t).Metrics
	summary := func(start, end time.Time, domain string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := s.TrackingSummary(ctx, &nylas.TrackingSummaryRequest{Start: start, End: end, SendingDomain: domain})
			return err
		}
	}
	breakdown := func(r nylas.TrackingMetricsRequest) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := s.Tracking(ctx, &r)
			return err
		}
	}
	for _, tt := range []struct {
		want string
		call func(context.Context) error
	}{
		{"get tracking summary: End is before Start", summary(october30, october1, "")},
		{"get tracking summary: from Start to End are 366 days, Nylas takes at most 365", summary(october1.AddDate(0, 0, -365), october1, "")},
		{"get tracking summary: Start is not in the years 1 to 9999", summary(time.Date(0, 12, 31, 0, 0, 0, 0, time.UTC), time.Time{}, "")},
		{"get tracking summary: End is not in the years 1 to 9999", summary(time.Time{}, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), "")},
		{"get tracking summary: SendingDomain has 256 characters, Nylas takes at most 255", summary(october1, october1, strings.Repeat("x", 256))},
		{"get tracking metrics: End is before Start", breakdown(nylas.TrackingMetricsRequest{Start: october30, End: october1})},
		{"get tracking metrics: Limit is not within 1 to 100", breakdown(nylas.TrackingMetricsRequest{Limit: 101})},
		{"get tracking metrics: Limit is not within 1 to 100", breakdown(nylas.TrackingMetricsRequest{Limit: -1})},
		{`get tracking metrics: Sort is not a key, a colon and asc or desc, such as "open_rate:desc"`, breakdown(nylas.TrackingMetricsRequest{Sort: "open_rate"})},
		{`get tracking metrics: Sort is not a key, a colon and asc or desc, such as "open_rate:desc"`, breakdown(nylas.TrackingMetricsRequest{Sort: ":asc"})},
		{"get tracking timeseries: End is before Start", func(ctx context.Context) error {
			_, err := s.TrackingTimeseries(ctx, &nylas.TrackingTimeseriesRequest{Start: october30, End: october1})
			return err
		}},
	} {
		err := tt.call(t.Context())
		require.EqualError(t, err, "nylas: "+tt.want)
		assertSentinels(t, err, nylas.ErrInvalidRequest)
	}
	assert.Empty(t, w.requests())
	w = newWireAlways(answers(200, `{"data":{"totals":{}}}`))
	_, err := w.client(t).Metrics.TrackingSummary(t.Context(), &nylas.TrackingSummaryRequest{Start: october1.AddDate(0, 0, -364), End: october1})
	require.NoError(t, err, "365 days are taken")
}

// Days are those of UTC, whatever the zone and the time of day.
func TestMetricsDays(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		start, end time.Time
		want       string
	}{
		{october1, october30, "?end=2026-10-30&start=2026-10-01"},
		{time.Date(2026, time.September, 30, 16, 0, 0, 0, time.FixedZone("", -8*3600)), time.Time{}, "?start=2026-10-01"},
		{time.Time{}, time.Date(2026, time.October, 31, 1, 0, 0, 0, time.FixedZone("", 2*3600)), "?end=2026-10-30"},
		{october1.Add(23 * time.Hour), october1, "?end=2026-10-01&start=2026-10-01"},
		{time.Date(1969, time.July, 20, 0, 0, 0, 0, time.UTC), time.Time{}, "?start=1969-07-20"},
		{time.Time{}, time.Time{}, ""},
	} {
		w := newWire(t, answers(200, `{"data":{"totals":{}}}`))
		_, err := w.client(t).Metrics.TrackingSummary(t.Context(), &nylas.TrackingSummaryRequest{Start: tt.start, End: tt.end})
		require.NoError(t, err)
		assert.Equal(t, "/v3/metrics/tracking/summary"+tt.want, w.requests()[0].target)
	}
}

func bouncedEvent() *nylas.SendEvent {
	return &nylas.SendEvent{
		ID: testEvent, EventType: nylas.SendBounced, BounceClass: nylas.BounceHard, Timestamp: events.At(time.Unix(1792785235, 0)),
		ApplicationID: "26302083-12ae-4f38-91fe-6cba93da03ee", GrantID: "0b7e5a6b-0cbd-4a39-b3ba-2b53b1b0a7d6",
		MessageID: "5a8f7b2e-3c1d-4e9f-8a6b-2d4c6e8f0a1b", ThreadID: "9c3e1f7a-6b2d-4a8e-b5c4-1e7d3a9f2b6c",
		From: "news@mail.example.com", Recipient: "kim@example.org", Reason: "General (5.1.1)",
	}
}

// assertBounced checks an event with what Nylas does not document.
func assertBounced(t *testing.T, got *nylas.SendEvent) {
	t.Helper()
	assert.JSONEq(t, `{"bounce_subtype":"General"}`, string(got.Detail))
	assert.JSONEq(t, `[1]`, string(got.Other["a_member_nobody_read"]))
	assert.Len(t, got.Other, 1)
	got.Detail, got.Other = nil, nil
	assert.Equal(t, bouncedEvent(), got)
}

func TestSendEventsOnTheWire(t *testing.T) {
	t.Parallel()
	w := newWire(t, answersFile(t, 200, "http/sends.list.response.json"), answersFile(t, 200, "http/sends.list-last.response.json"),
		answers(200, `{"data":[]}`), answersFile(t, 200, "http/sends.get.response.json"), answersFile(t, 200, "http/sends.message.response.json"))
	s, ctx := w.client(t).Activity, t.Context()
	req := &nylas.ListSendsRequest{
		EventType: nylas.SendBounced, BounceClass: nylas.BounceHard, Recipient: "kim@example.org", RecipientDomain: "example.org",
		SendingDomain: "mail.example.com", From: "news@mail.example.com", GrantID: "0b7e5a6b-0cbd-4a39-b3ba-2b53b1b0a7d6",
		MessageID: testTransactional, Start: time.Unix(1792785200, 999), End: time.Unix(1792785300, 0), PageSize: 2,
	}
	list := s.ListSends(ctx, req)
	req.From = "changed"
	got := collect(t, list)
	require.Len(t, got, 2)
	assertBounced(t, got[0])
	assert.JSONEq(t, `{}`, string(got[1].Detail))
	got[1].Detail = nil
	assert.Equal(t, &nylas.SendEvent{
		ID: strings.Repeat("2", 64), EventType: nylas.SendAccepted, Timestamp: events.At(time.Unix(1792785200, 0)),
		ApplicationID: "26302083-12ae-4f38-91fe-6cba93da03ee", MessageID: testTransactional, From: "news@mail.example.com", Recipient: "kim@example.org",
	}, got[1])
	assert.Empty(t, collect(t, s.ListSends(ctx, nil)))
	event, err := s.GetSend(ctx, testEvent)
	require.NoError(t, err)
	assertBounced(t, event)
	delivery, err := s.MessageDelivery(ctx, testTransactional)
	require.NoError(t, err)
	assert.JSONEq(t, `{"message_id":"5a8f7b2e-3c1d-4e9f-8a6b-2d4c6e8f0a1b"}`, string(delivery.Message))
	assert.Contains(t, delivery.Other, "a_member_nobody_read")
	for i, recorded := range []string{"list-all", "list-next", "list", "get", "message"} {
		assertRecorded(t, "http/sends."+recorded+".request.json", w.requests()[i])
	}
}

func TestSendMetricsOnTheWire(t *testing.T) {
	t.Parallel()
	files := []string{"summary", "breakdown", "timeseries"}
	var script []httpmock.Responder
	for range 2 {
		for _, file := range files {
			script = append(script, answersFile(t, 200, "http/sendmetrics."+file+".response.json"))
		}
	}
	w := newWire(t, script...)
	s, ctx := w.client(t).Metrics, t.Context()
	start, end := time.Date(2026, 10, 1, 23, 0, 0, 0, time.UTC), time.Date(2026, 10, 30, 1, 0, 0, 0, time.UTC)
	for i, req := range []nylas.SendMetricsRequest{{}, {Start: start, End: end, SendingDomain: "mail.example.com"}} {
		summary, err := s.SendSummary(ctx, &req)
		require.NoError(t, err)
		assert.Equal(t, nylas.HealthAtRisk, summary.Health.State)
		assert.Contains(t, summary.Health.Other, "findings")
		assert.Contains(t, summary.Other, "a_member_nobody_read")
		groups, series := req, req
		if i == 1 {
			groups.Start = time.Date(2026, 8, 2, 0, 0, 0, 0, time.UTC) // 90 days in all
			groups.GroupBy, groups.Sort, groups.Limit = nylas.GroupByRecipientDomain, "bounce_rate:desc", 100
			series.Granularity = nylas.GranularityWeek
		}
		metrics, err := s.Send(ctx, &groups)
		require.NoError(t, err)
		require.Len(t, metrics.Rows, 1)
		row := metrics.Rows[0]
		assert.Equal(t, "mail.example.com", row.Key)
		assert.EqualValues(t, 200, row.Sent)
		assert.InDelta(t, 97.5, *row.DeliveryRate, 0)
		assert.InDelta(t, 2.5, *row.BounceRate, 0)
		assert.Nil(t, row.ComplaintRate)
		assert.Equal(t, json.RawMessage(`195`), row.Other["delivered"])
		assert.Equal(t, map[string]json.RawMessage{"other": json.RawMessage(`1`)}, metrics.Other)
		periods, err := s.SendTimeseries(ctx, &series)
		require.NoError(t, err)
		assert.Equal(t, nylas.GranularityWeek, periods.Granularity)
		assert.Equal(t, []map[string]json.RawMessage{{"sent": json.RawMessage(`3`)}}, periods.Buckets)
	}
	for i, file := range files {
		assertRecorded(t, "http/sendmetrics."+file+".request.json", w.requests()[i])
		assertRecorded(t, "http/sendmetrics."+file+"-all.request.json", w.requests()[i+3])
	}
}

func TestSendEventsRefuse(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	c, ctx := w.client(t), t.Context()
	list := func(r nylas.ListSendsRequest) error { return onlyError(c.Activity.ListSends(ctx, &r)) }
	long := func(n int) string { return strings.Repeat("ä", n) }
	first := time.Date(2026, 8, 1, 23, 0, 0, 0, time.UTC)
	for want, err := range map[string]error{
		"list send events: Recipient has 321 characters, Nylas takes at most 320":       list(nylas.ListSendsRequest{Recipient: long(321)}),
		"list send events: RecipientDomain has 256 characters, Nylas takes at most 255": list(nylas.ListSendsRequest{RecipientDomain: long(256)}),
		"list send events: SendingDomain has 256 characters, Nylas takes at most 255":   list(nylas.ListSendsRequest{SendingDomain: long(256)}),
		"list send events: From has 321 characters, Nylas takes at most 320":            list(nylas.ListSendsRequest{From: long(321)}),
		"list send events: GrantID has 37 characters, Nylas takes at most 36":           list(nylas.ListSendsRequest{GrantID: long(37)}),
		"list send events: PageSize is negative":                                        list(nylas.ListSendsRequest{PageSize: -1}),
		"list send events: End is before Start":                                         list(nylas.ListSendsRequest{Start: time.Unix(9, 0), End: time.Unix(8, 0)}),
		"get send event: event_id is not 64 hex digits in lower case":                   second(c.Activity.GetSend(ctx, "x")),
		"get message delivery: message_id has 513 characters, Nylas takes at most 512":  second(c.Activity.MessageDelivery(ctx, long(513))),
		"get send summary: GroupBy, Sort and Limit are for Send alone":                  second(c.Metrics.SendSummary(ctx, &nylas.SendMetricsRequest{Limit: 1})),
		"get send timeseries: GroupBy, Sort and Limit are for Send alone":               second(c.Metrics.SendTimeseries(ctx, &nylas.SendMetricsRequest{Sort: "sent:asc"})),
		"get send metrics: Granularity is for SendTimeseries alone":                     second(c.Metrics.Send(ctx, &nylas.SendMetricsRequest{Granularity: "day"})),
		"get send metrics: Limit is not within 1 to 100":                                second(c.Metrics.Send(ctx, &nylas.SendMetricsRequest{Limit: 101})),
		"get send metrics: with GroupByRecipientDomain Nylas takes at most 90 days": second(c.Metrics.Send(ctx, &nylas.SendMetricsRequest{
			GroupBy: nylas.GroupByRecipientDomain, Start: first, End: first.Add(90 * 24 * time.Hour),
		})),
	} {
		require.EqualError(t, err, "nylas: "+want)
		assertSentinels(t, err, nylas.ErrInvalidRequest)
	}
	assert.Empty(t, w.requests())
}
