package nylastest

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// When rules are checked and alerts repeated.
//
// https://developer.nylas.com/docs/reference/notifications/send-alerts/alert-triggered/
const (
	// alertEvery is the time between two checks, counted from the start of the server.
	alertEvery = 5 * time.Minute
	// alertAgain is the time between two notifications of one alert.
	alertAgain = 24 * time.Hour
	// alertQuiet is how long a domain must be within the threshold before its alert ends.
	alertQuiet = time.Hour
)

// sourceAlert is the source of alert.triggered. Nylas' pages do not show it.
const sourceAlert = "/nylas/send"

// alert is about one sending domain and one rule.
type alert struct {
	id       string
	seq      int // of notifications
	started  time.Time
	notified time.Time
	quiet    time.Time // since when the domain is within the threshold; zero: it is not
}

// watch starts the checks of the rules, unless they run. It is called after what can make
// them necessary: a rule, and a message.
func (s *Server) watch() {
	s.alerts.mu.Lock()
	defer s.alerts.mu.Unlock()
	if !s.alerts.watched && s.worthWatching() {
		s.alerts.watched = s.tasks.run(s.watchAlerts)
	}
}

// watchAlerts checks the rules every 5 minutes for as long as one can fire.
func (s *Server) watchAlerts(ctx context.Context) {
	for sleep(ctx, alertEvery-time.Since(s.startedAt)%alertEvery) {
		triggered, goOn := s.checkAlerts()
		for _, a := range triggered {
			s.courier.notify(newNotification(sourceAlert, events.TypeAlertTriggered, s.applicationID, "", time.Now(), a))
		}
		if !goOn {
			return
		}
	}
}

// checkAlerts checks the rules now, and reports whether to check them again.
func (s *Server) checkAlerts() (triggered []*events.AlertTriggered, goOn bool) {
	s.alerts.mu.Lock()
	defer s.alerts.mu.Unlock()
	now := time.Now()
	for i := range s.alerts.list {
		rule := &s.alerts.list[i]
		sends := s.sendsByDomain(now, rule.span())
		// A domain with an alert may have sent nothing of late.
		domains := slices.AppendSeq(slices.Collect(maps.Keys(sends)), maps.Keys(rule.alerts))
		slices.Sort(domains)
		for _, domain := range slices.Compact(domains) {
			if a := rule.check(domain, countSends(sends[domain]), now); a != nil {
				triggered = append(triggered, a)
			}
		}
	}
	s.alerts.watched = s.worthWatching()
	return triggered, s.alerts.watched
}

// worthWatching reports whether a rule can fire: it has an alert, or something was sent in
// its window.
func (s *Server) worthWatching() bool {
	now := time.Now()
	return slices.ContainsFunc(s.alerts.list, func(r alertRule) bool {
		return len(r.alerts) > 0 || len(s.sendsByDomain(now, r.span())) > 0
	})
}

// sendsByDomain returns the events of the messages of a span of time until now, by sending
// domain.
func (s *Server) sendsByDomain(now time.Time, span time.Duration) map[string][]sendEvent {
	sends := make(map[string][]sendEvent)
	for _, e := range s.sendsIn(window{now.Add(-span), now.Add(1)}, "") { // the end is not in a window
		domain := e.message.sendingDomain()
		sends[domain] = append(sends[domain], e)
	}
	return sends
}

func (r *alertRule) span() time.Duration { return time.Duration(r.WindowHours) * time.Hour }

// past reports whether a rate is past the threshold. A domain without a rate is not.
func (r *alertRule) past(c sendCounts) bool {
	if c.Sent < r.MinVolume {
		return false
	}
	switch r.Metric {
	case metricBounces:
		return c.BounceRate != nil && *c.BounceRate > r.Threshold
	case metricComplaints:
		return c.ComplaintRate != nil && *c.ComplaintRate > r.Threshold
	default:
		return c.DeliveryRate != nil && *c.DeliveryRate < r.Threshold
	}
}

// check compares a domain with the rule. It returns what to notify, or nil.
func (r *alertRule) check(domain string, counts sendCounts, now time.Time) *events.AlertTriggered {
	a := r.alerts[domain]
	past := r.past(counts)
	switch {
	case past && a == nil:
		a = &alert{id: newUUID(), started: now}
		if r.alerts == nil {
			r.alerts = make(map[string]*alert)
		}
		r.alerts[domain] = a
	case past:
		a.quiet = time.Time{}
		if now.Sub(a.notified) < alertAgain {
			return nil
		}
	case a == nil:
		return nil
	case a.quiet.IsZero():
		a.quiet = now
		return nil
	case now.Sub(a.quiet) >= alertQuiet:
		delete(r.alerts, domain)
		return nil
	default:
		return nil
	}
	a.seq++
	a.notified = now
	return &events.AlertTriggered{
		Object: "alert", ID: a.id, Status: "firing", NotificationSeq: events.Int(a.seq),
		StartedAt: events.At(a.started), TriggeredAt: events.At(now), SendingDomain: domain,
		Rule: events.AlertRule{
			ID: r.ID, Metric: r.Metric, Threshold: r.Threshold, WindowHours: events.Int(r.WindowHours), MinVolume: events.Int(r.MinVolume),
		},
	}
}
