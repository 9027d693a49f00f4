package nylas

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/internal/loose"
)

// MetricsService is experimental: it counts how many messages were opened, clicked and
// delivered, in JSON that nobody has seen in full, and is always empty for connected grants
// (Google, Microsoft, IMAP and others). It covers mail of Agent Accounts and
// Transactional sends only. It is [Client.Metrics].
//
// A message counts on the day on which it was sent, so the numbers of recent days keep
// rising. Images that a program loads count as opens: Nylas says to treat the numbers
// as a trend. They reach back 365 days. There is no filter for labels; to count by
// label use [ActivityService.ListTracking].
type MetricsService struct{ client *Client }

// TrackingSummaryRequest is experimental: it selects what
// [MetricsService.TrackingSummary] counts, which is nothing for connected grants.
type TrackingSummaryRequest struct {
	// Start and End are the first and the last day, at most 365 days in all. The day
	// is the one in UTC that the time is on, and the time of day has no effect. The
	// zero Start means six days before End. The zero End means today, which is not
	// over yet.
	Start, End time.Time
	// SendingDomain leaves out the mail of other domains. It has at most 255
	// characters; empty means all domains.
	SendingDomain string
}

// TrackingMetricsRequest is experimental: it selects what [MetricsService.Tracking]
// counts, which is nothing for connected grants.
type TrackingMetricsRequest struct {
	// Start and End are the first and the last day, at most 365 days in all. The day
	// is the one in UTC that the time is on, and the time of day has no effect. The
	// zero Start means six days before End. The zero End means today, which is not
	// over yet.
	Start, End time.Time
	// SendingDomain leaves out the mail of other domains. It has at most 255
	// characters; empty means all domains.
	SendingDomain string
	// GroupBy says what one row counts. Empty means GroupBySendingDomain.
	GroupBy MetricsGroupBy
	// Sort is a key, a colon and asc or desc, such as "open_rate:desc". The keys are
	// key, tracked_opens, tracked_links, open_rate and click_rate. Empty means
	// "tracked_opens:desc".
	Sort string
	// Limit is how many groups get a row of their own: 1 to 100, and 0 means 25. The last
	// row, with the key [OthersKey], counts all other groups.
	Limit int
}

// TrackingTimeseriesRequest is experimental: it selects what
// [MetricsService.TrackingTimeseries] counts, which is nothing for connected grants.
type TrackingTimeseriesRequest struct {
	// Start and End are the first and the last day, at most 365 days in all. The day
	// is the one in UTC that the time is on, and the time of day has no effect. The
	// zero Start means six days before End. The zero End means today, which is not
	// over yet.
	Start, End time.Time
	// SendingDomain leaves out the mail of other domains. It has at most 255
	// characters; empty means all domains.
	SendingDomain string
	// Granularity is the length of a period. Empty means GranularityAuto.
	Granularity MetricsGranularity
}

// MetricsGroupBy says what one row of the metrics counts.
type MetricsGroupBy string

// What metrics can be grouped by.
const (
	GroupBySendingDomain MetricsGroupBy = "sending_domain" // the default
	GroupByAgentAccount  MetricsGroupBy = "agent_account"  // the address of the sender
)

// MetricsGranularity is the length of a period.
type MetricsGranularity string

// The lengths of a period.
const (
	// GranularityAuto means days for a window of at most 21 days, weeks for at most 92
	// days, and months for more.
	GranularityAuto  MetricsGranularity = "auto"
	GranularityDay   MetricsGranularity = "day"
	GranularityWeek  MetricsGranularity = "week" // from Monday
	GranularityMonth MetricsGranularity = "month"
)

// metricsQuery is the query of the metrics. Each of them leaves some fields empty.
type metricsQuery struct {
	Start         string             `url:"start,omitempty"`
	End           string             `url:"end,omitempty"`
	SendingDomain string             `url:"sending_domain,omitempty"`
	GroupBy       MetricsGroupBy     `url:"group_by,omitempty"`
	Sort          string             `url:"sort,omitempty"`
	Limit         int                `url:"limit,omitempty"`
	Granularity   MetricsGranularity `url:"granularity,omitempty"`
}

// OthersKey is the key of the row that counts all groups beyond the limit.
const OthersKey = "(others)"

// The limits of metrics.
// https://developer.nylas.com/docs/reference/api/tracking-events/
const (
	maxMetricsDays   = 365
	maxMetricsGroups = 100
)

// TrackingSummary is experimental: it is the engagement of a window of days, compared
// with the window before it, and is empty for connected grants.
//
// https://developer.nylas.com/docs/reference/api/tracking-events/
type TrackingSummary struct {
	// Totals has the rates of the window and the counts behind them as Nylas wrote them,
	// because Nylas does not document the names of its members. Nil means that the
	// answer has no totals.
	Totals json.RawMessage
	// Other has the remaining members of the JSON as Nylas wrote them. The window before
	// is among them.
	Other map[string]json.RawMessage
}

// UnmarshalJSON decodes a summary.
func (s *TrackingSummary) UnmarshalJSON(data []byte) error {
	*s = TrackingSummary{}
	var err error
	s.Other, err = decodeMembers(data, map[string]any{"totals": &s.Totals})
	return err
}

// TrackingMetrics is experimental: it is the engagement by domain or by sender, and is
// empty for connected grants.
//
// https://developer.nylas.com/docs/reference/api/tracking-events/
type TrackingMetrics struct {
	// Rows are the groups in the requested order. Nylas does not document the name of the
	// array: Rows is the one whose elements have a key. It is nil if there is not exactly
	// one such array.
	Rows []TrackingMetricsRow
	// Other has the remaining members of the JSON as Nylas wrote them.
	Other map[string]json.RawMessage
}

// TrackingMetricsRow is experimental: it is the engagement of one domain or sender, never
// of a connected grant.
type TrackingMetricsRow struct {
	Key string // a domain, an address, or OthersKey
	// TrackedOpens is the number of messages that were sent with open tracking. It is not
	// a number of opens.
	TrackedOpens events.Int
	// TrackedLinks is the number of messages that were sent with link tracking.
	TrackedLinks events.Int
	// OpenRate is the share of messages with open tracking that were opened at least
	// once. Nil means that Nylas gave none. Nylas does not document whether it is a
	// percentage or a fraction of 1.
	OpenRate *float64
	// ClickRate is the share of messages with link tracking that were clicked at least
	// once. See OpenRate.
	ClickRate *float64
	// Other has the remaining members of the JSON as Nylas wrote them.
	Other map[string]json.RawMessage
}

// UnmarshalJSON decodes a row. A member of an unexpected type goes to Other.
func (r *TrackingMetricsRow) UnmarshalJSON(data []byte) error {
	*r = TrackingMetricsRow{}
	var err error
	r.Other, err = decodeMembers(data, map[string]any{
		"key": &r.Key, "tracked_opens": &r.TrackedOpens, "tracked_links": &r.TrackedLinks,
		"open_rate": &r.OpenRate, "click_rate": &r.ClickRate,
	})
	return err
}

// UnmarshalJSON decodes metrics.
func (m *TrackingMetrics) UnmarshalJSON(data []byte) error {
	*m = TrackingMetrics{}
	var err error
	if m.Other, err = decodeMembers(data, nil); err == nil {
		m.Rows = takeArray[TrackingMetricsRow](m.Other, hasKey)
	}
	return err
}

// takeArray takes the only array that fits out of the members. What has another shape stays.
func takeArray[T any](members map[string]json.RawMessage, fits func(map[string]json.RawMessage) bool) []T {
	name, ok := onlyArray(members, fits)
	if !ok {
		return nil
	}
	var elements []T
	if jsonv2.Unmarshal(members[name], &elements, loose.Options) != nil {
		return nil
	}
	delete(members, name)
	return elements
}

// TrackingTimeseries is experimental: it is the engagement over time, and is empty for
// connected grants.
//
// https://developer.nylas.com/docs/reference/api/tracking-events/
type TrackingTimeseries struct {
	Granularity MetricsGranularity // the one used: day, week or month
	// Buckets are the periods, each with its members as Nylas wrote them. Nylas documents
	// neither their names nor that of the array: Buckets is the array of objects in the
	// answer. It is nil if there is not exactly one such array.
	Buckets []map[string]json.RawMessage
	// Other has the remaining members of the JSON as Nylas wrote them.
	Other map[string]json.RawMessage
}

// UnmarshalJSON decodes a time series.
func (s *TrackingTimeseries) UnmarshalJSON(data []byte) error {
	*s = TrackingTimeseries{}
	var err error
	if s.Other, err = decodeMembers(data, map[string]any{"granularity": &s.Granularity}); err == nil {
		s.Buckets = takeArray[map[string]json.RawMessage](s.Other, func(map[string]json.RawMessage) bool { return true })
	}
	return err
}

// The names of the members are not known, so one of any name will do.
func (s *TrackingSummary) isNamed() bool { return s.Totals != nil || len(s.Other) > 0 }
func (m *TrackingMetrics) isNamed() bool { return m.Rows != nil || len(m.Other) > 0 }
func (s *TrackingTimeseries) isNamed() bool {
	return s.Granularity != "" || s.Buckets != nil || len(s.Other) > 0
}

func hasKey(element map[string]json.RawMessage) bool {
	_, ok := element["key"]
	return ok
}

// onlyArray returns the name of the member that is an array of objects of which
// the first one fits, if there is exactly one such member. An empty array fits too.
func onlyArray(members map[string]json.RawMessage, fits func(map[string]json.RawMessage) bool) (name string, ok bool) {
	found := 0
	for candidate, value := range members {
		if jsontext.Value(value).Kind() != '[' {
			continue
		}
		var elements []map[string]json.RawMessage
		if jsonv2.Unmarshal(value, &elements, loose.Options) != nil || len(elements) > 0 && !fits(elements[0]) {
			continue
		}
		name = candidate
		found++
	}
	return name, found == 1
}

// TrackingSummary is experimental: it returns the open and click rates of a window of
// days, compared with the window of the same length before it, and is empty for
// connected grants. It covers mail of Agent Accounts and Transactional sends only. A nil
// req means the last 7 days and all domains.
//
// https://developer.nylas.com/docs/reference/api/tracking-events/
func (s *MetricsService) TrackingSummary(
	ctx context.Context, req *TrackingSummaryRequest, opts ...RequestOption,
) (*TrackingSummary, error) {
	op := s.client.begin("get tracking summary", opts)
	if req == nil {
		req = &TrackingSummaryRequest{}
	}
	query, err := windowQuery(op, req.Start, req.End, req.SendingDomain)
	if err != nil {
		return nil, err
	}
	var answer dataAnswer[TrackingSummary]
	if err := getMetrics(ctx, op, "/v3/metrics/tracking/summary", query, &answer); err != nil {
		return nil, err
	}
	return &answer.Data, nil
}

// Tracking is experimental: it returns the engagement by sending domain or by sender, and
// is empty for connected grants. It covers mail of Agent Accounts and Transactional
// sends only. A nil req means the last 7 days, by domain.
//
// https://developer.nylas.com/docs/reference/api/tracking-events/
func (s *MetricsService) Tracking(
	ctx context.Context, req *TrackingMetricsRequest, opts ...RequestOption,
) (*TrackingMetrics, error) {
	op := s.client.begin("get tracking metrics", opts)
	if req == nil {
		req = &TrackingMetricsRequest{}
	}
	query, err := breakdownQuery(op, req.Start, req.End, req.SendingDomain, req.GroupBy, req.Sort, req.Limit)
	if err != nil {
		return nil, err
	}
	var answer dataAnswer[TrackingMetrics]
	if err := getMetrics(ctx, op, "/v3/metrics/tracking", query, &answer); err != nil {
		return nil, err
	}
	return &answer.Data, nil
}

// TrackingTimeseries is experimental: it returns the engagement by day, week or month, and
// is empty for connected grants. It covers mail of Agent Accounts and Transactional
// sends only. A nil req means the last 7 days, by day.
//
// https://developer.nylas.com/docs/reference/api/tracking-events/
func (s *MetricsService) TrackingTimeseries(
	ctx context.Context, req *TrackingTimeseriesRequest, opts ...RequestOption,
) (*TrackingTimeseries, error) {
	op := s.client.begin("get tracking timeseries", opts)
	if req == nil {
		req = &TrackingTimeseriesRequest{}
	}
	query, err := windowQuery(op, req.Start, req.End, req.SendingDomain)
	if err != nil {
		return nil, err
	}
	query.Granularity = req.Granularity
	var answer dataAnswer[TrackingTimeseries]
	if err := getMetrics(ctx, op, "/v3/metrics/tracking/timeseries", query, &answer); err != nil {
		return nil, err
	}
	return &answer.Data, nil
}

func getMetrics(ctx context.Context, op *operation, path string, query, answer any) error {
	return op.do(ctx, call{method: http.MethodGet, path: path, query: query, limit: callTimeout}, answer)
}

// breakdownQuery refuses what Nylas is documented not to have for groups.
func breakdownQuery(
	op *operation, start, end time.Time, sendingDomain string, groupBy MetricsGroupBy, sort string, limit int,
) (metricsQuery, error) {
	query, err := windowQuery(op, start, end, sendingDomain)
	if err != nil {
		return query, err
	}
	if limit < 0 || limit > maxMetricsGroups {
		return query, refuse(op, fmt.Sprintf("Limit is not within 1 to %d", maxMetricsGroups))
	}
	if key, order, _ := strings.Cut(sort, ":"); sort != "" && (key == "" || order != "asc" && order != "desc") {
		return query, refuse(op, `Sort is not a key, a colon and asc or desc, such as "open_rate:desc"`)
	}
	query.GroupBy, query.Sort, query.Limit = groupBy, sort, limit
	return query, nil
}

// windowQuery refuses a window that Nylas is documented not to have.
func windowQuery(op *operation, start, end time.Time, sendingDomain string) (metricsQuery, error) {
	query := metricsQuery{SendingDomain: sendingDomain}
	for _, day := range []struct {
		name string
		time time.Time
		into *string
	}{{"Start", start, &query.Start}, {"End", end, &query.End}} {
		if day.time.IsZero() {
			continue
		}
		if year := day.time.UTC().Year(); year < 1 || year > 9999 { // more than YYYY
			return query, refuse(op, day.name+" is not in the years 1 to 9999")
		}
		*day.into = day.time.UTC().Format(time.DateOnly)
	}
	if !start.IsZero() && !end.IsZero() {
		const day = 24 * time.Hour // all days of UTC
		switch days := int(end.Truncate(day).Sub(start.Truncate(day))/day) + 1; {
		case days < 1:
			return query, refuse(op, "End is before Start")
		case days > maxMetricsDays:
			return query, refuse(op, fmt.Sprintf("from Start to End are %d days, Nylas takes at most %d", days, maxMetricsDays))
		}
	}
	return query, checkChars(op, "SendingDomain", sendingDomain, maxSendingDomainChars)
}
