package nylas_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
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
