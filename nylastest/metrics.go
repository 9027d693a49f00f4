package nylastest

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The endpoints of the tracking metrics.
const (
	EndpointTrackingSummary    Endpoint = "GET /v3/metrics/tracking/summary"
	EndpointTrackingMetrics    Endpoint = "GET /v3/metrics/tracking"
	EndpointTrackingTimeseries Endpoint = "GET /v3/metrics/tracking/timeseries"
)

// The limits of metrics.
// https://developer.nylas.com/docs/reference/api/tracking-events/
const (
	metricsDays   = 365 // how far back they reach, and how long a window is
	windowDays    = 7
	defaultGroups = 25
	maxGroups     = 100
	autoDayDays   = 21 // the longest window that auto splits into days
	autoWeekDays  = 92 // and into weeks
	othersKey     = "(others)"
)

// window is the days that metrics are asked for.
type window struct {
	start time.Time // the beginning of the first day, in UTC
	end   time.Time // of the day after the last one
}

func (w window) days() int { return int(w.end.Sub(w.start) / day) }

// before is the window of the same length in front.
func (w window) before() window { return window{w.start.Add(w.start.Sub(w.end)), w.start} }

// readWindow reads start and end, which are dates.
func readWindow(query url.Values) (window, *response) {
	today := time.Now().UTC().Truncate(day)
	date := func(name string, fallback time.Time) (time.Time, *response) {
		if !query.Has(name) {
			return fallback, nil
		}
		t, err := time.Parse(time.DateOnly, query.Get(name))
		if err != nil {
			return t, badRequest(name + " must be a date of the form YYYY-MM-DD")
		}
		return t, nil
	}
	last, refusal := date("end", today)
	if refusal != nil {
		return window{}, refusal
	}
	first, refusal := date("start", last.AddDate(0, 0, 1-windowDays))
	if refusal != nil {
		return window{}, refusal
	}
	w := window{first, last.Add(day)}
	switch {
	case w.days() < 1:
		return w, badRequest("end must not be before start")
	case w.days() > metricsDays:
		return w, badRequest(fmt.Sprintf("start and end must be at most %d days apart", metricsDays))
	}
	return w, nil
}

// engaged is a message with what became of it.
type engaged struct {
	Message
	opened, clicked bool
}

// engagement returns the messages that metrics count and that were sent in a
// window. They count on the day on which they were sent.
func (s *Server) engagement(w window, sendingDomain string) []engaged {
	opened, clicked := map[string]bool{}, map[string]bool{}
	for _, e := range s.activity.all() {
		switch e.kind {
		case activityOpened:
			opened[e.message.ID] = true
		case activityClicked:
			clicked[e.message.ID] = true
		}
	}
	oldest := time.Now().Add(-metricsDays * day)
	var messages []engaged
	for _, m := range s.mailbox.all() {
		if !s.covers(&m) || m.SentAt.Before(oldest) || m.SentAt.Before(w.start) || !m.SentAt.Before(w.end) ||
			sendingDomain != "" && m.sendingDomain() != sendingDomain {
			continue
		}
		messages = append(messages, engaged{m, opened[m.ID], clicked[m.ID]})
	}
	return messages
}

// metrics are counts and rates. tracked_opens, tracked_links, open_rate and
// click_rate are Nylas' names; the other two could not be read. Rates are taken
// to be percentages, like those of alerts, and null where nothing was tracked.
type metrics struct {
	TrackedOpens    int      `json:"tracked_opens"`
	TrackedLinks    int      `json:"tracked_links"`
	OpenedMessages  int      `json:"opened_messages"`
	ClickedMessages int      `json:"clicked_messages"`
	OpenRate        *float64 `json:"open_rate"`
	ClickRate       *float64 `json:"click_rate"`
}

func count(messages []engaged) metrics {
	var m metrics
	for _, message := range messages {
		if message.Tracking.Opens {
			m.TrackedOpens++
		}
		if message.Tracking.Links {
			m.TrackedLinks++
		}
		if message.opened {
			m.OpenedMessages++
		}
		if message.clicked {
			m.ClickedMessages++
		}
	}
	m.OpenRate, m.ClickRate = percent(m.OpenedMessages, m.TrackedOpens), percent(m.ClickedMessages, m.TrackedLinks)
	return m
}

func percent(part, whole int) *float64 {
	if whole == 0 {
		return nil
	}
	return new(100 * float64(part) / float64(whole))
}

// metricsQuery reads what the three endpoints have in common.
func (c *call) metricsQuery(known ...string) (url.Values, window, *response) {
	query, refusal := c.query(append(known, "start", "end", "sending_domain")...)
	if refusal != nil {
		return nil, window{}, refusal
	}
	if refusal := limitChars(query, map[string]int{"sending_domain": maxFilterDomain}); refusal != nil {
		return nil, window{}, refusal
	}
	w, refusal := readWindow(query)
	return query, w, refusal
}

// serveTrackingSummary compares a window with the one before. Beside totals, the
// names could not be read and are the emulator's own.
//
// https://developer.nylas.com/docs/reference/api/tracking-events/
func (s *Server) serveTrackingSummary(c *call) *response {
	query, w, refusal := c.metricsQuery()
	if refusal != nil {
		return refusal
	}
	domain := query.Get("sending_domain")
	return dataResponse(map[string]metrics{
		"totals":   count(s.engagement(w, domain)),
		"previous": count(s.engagement(w.before(), domain)),
	})
}

// metricsRow is a group of a breakdown, or a period of a series.
type metricsRow[M any] struct {
	Key    string
	Start  string // the first day of a period; the name is the emulator's own
	Values M      // a struct; its members follow the first one
}

func (r metricsRow[M]) MarshalJSON() ([]byte, error) {
	first := map[string]string{"key": r.Key}
	if r.Start != "" {
		first = map[string]string{"start": r.Start}
	}
	head, err := jsonv2.Marshal(first, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return nil, err
	}
	values, err := jsonv2.Marshal(r.Values)
	if err != nil {
		return nil, err
	}
	return slices.Concat(head[:len(head)-1], []byte(","), values[1:]), nil
}

// trackingColumns are what tracking metrics can be sorted by, apart from the key.
func trackingColumns() map[string]func(metrics) *float64 {
	return map[string]func(metrics) *float64{
		"tracked_opens": func(m metrics) *float64 { return new(float64(m.TrackedOpens)) },
		"tracked_links": func(m metrics) *float64 { return new(float64(m.TrackedLinks)) },
		"open_rate":     func(m metrics) *float64 { return m.OpenRate },
		"click_rate":    func(m metrics) *float64 { return m.ClickRate },
	}
}

// serveTrackingMetrics breaks metrics down by domain or sender. The name of the
// array is the emulator's own.
//
// https://developer.nylas.com/docs/reference/api/tracking-events/
func (s *Server) serveTrackingMetrics(c *call) *response {
	query, w, refusal := c.metricsQuery("group_by", "sort", "limit")
	if refusal != nil {
		return refusal
	}
	var key func(*Message) string
	switch query.Get("group_by") {
	case "", "sending_domain":
		key = (*Message).sendingDomain
	case "agent_account":
		key = func(m *Message) string { return m.From.Email }
	default:
		return badRequest("group_by must be sending_domain or agent_account")
	}
	groups := map[string][]engaged{}
	for _, m := range s.engagement(w, query.Get("sending_domain")) {
		groups[key(&m.Message)] = append(groups[key(&m.Message)], m)
	}
	return breakdown(query, groups, count, trackingColumns(), "tracked_opens:desc",
		"sort must be <key>:<asc|desc>, the key one of key, tracked_opens, tracked_links, open_rate, click_rate")
}

// breakdown answers with a row for each group. The name of the array is the emulator's own.
func breakdown[T, M any](
	query url.Values, groups map[string][]T, count func([]T) M, columns map[string]func(M) *float64, defaultSort, wrongSort string,
) *response {
	limit, refusal := number(query, "limit", defaultGroups, 1, maxGroups)
	if refusal != nil {
		return refusal
	}
	order, ok := rowOrder(cmp.Or(query.Get("sort"), defaultSort), columns)
	if !ok {
		return badRequest(wrongSort)
	}
	rows := make([]metricsRow[M], 0, len(groups))
	for key, members := range groups {
		rows = append(rows, metricsRow[M]{Key: key, Values: count(members)})
	}
	slices.SortFunc(rows, order)
	if int64(len(rows)) > limit {
		var rest []T
		for _, row := range rows[limit:] {
			rest = append(rest, groups[row.Key]...)
		}
		rows = append(rows[:limit], metricsRow[M]{Key: othersKey, Values: count(rest)})
	}
	return dataResponse(map[string]any{"groups": rows})
}

// rowOrder reads a sort parameter. Rows that are equal are in the order of their
// keys, and those without a rate come last.
func rowOrder[M any](sort string, columns map[string]func(M) *float64) (func(a, b metricsRow[M]) int, bool) {
	name, direction, _ := strings.Cut(sort, ":")
	sign := 1
	switch direction {
	case "asc":
	case "desc":
		sign = -1
	default:
		return nil, false
	}
	if name == "key" {
		return func(a, b metricsRow[M]) int { return sign * cmp.Compare(a.Key, b.Key) }, true
	}
	column, ok := columns[name]
	return func(a, b metricsRow[M]) int {
		x, y := column(a.Values), column(b.Values)
		switch {
		case x == nil && y == nil:
			return cmp.Compare(a.Key, b.Key)
		case x == nil:
			return 1
		case y == nil:
			return -1
		}
		return cmp.Or(sign*cmp.Compare(*x, *y), cmp.Compare(a.Key, b.Key))
	}, ok
}

// serveTrackingTimeseries returns metrics by day, week or month. The name of the
// array is the emulator's own.
//
// https://developer.nylas.com/docs/reference/api/tracking-events/
func (s *Server) serveTrackingTimeseries(c *call) *response {
	return serveTimeseries(c, func(w window, sendingDomain string) metrics { return count(s.engagement(w, sendingDomain)) })
}

// serveTimeseries answers with a row for each period.
func serveTimeseries[M any](c *call, count func(w window, sendingDomain string) M) *response {
	query, w, refusal := c.metricsQuery("granularity")
	if refusal != nil {
		return refusal
	}
	granularity := cmp.Or(query.Get("granularity"), "auto")
	if granularity == "auto" {
		switch days := w.days(); {
		case days <= autoDayDays:
			granularity = "day"
		case days <= autoWeekDays:
			granularity = "week"
		default:
			granularity = "month"
		}
	}
	if granularity != "day" && granularity != "week" && granularity != "month" {
		return badRequest("granularity must be auto, day, week or month")
	}
	buckets := []metricsRow[M]{}
	for start := w.start; start.Before(w.end); {
		next := nextPeriod(start, granularity)
		part := window{start, next}
		if part.end.After(w.end) {
			part.end = w.end
		}
		buckets = append(buckets, metricsRow[M]{
			Start: start.Format(time.DateOnly), Values: count(part, query.Get("sending_domain")),
		})
		start = next
	}
	return dataResponse(map[string]any{"granularity": granularity, "buckets": buckets})
}

// nextPeriod returns the first day of the period after that of a day.
func nextPeriod(t time.Time, granularity string) time.Time {
	switch granularity {
	case "day":
		return t.AddDate(0, 0, 1)
	case "week": // weeks begin on Monday
		return t.AddDate(0, 0, 7-(int(t.Weekday())+6)%7)
	default:
		return time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, time.UTC)
	}
}
