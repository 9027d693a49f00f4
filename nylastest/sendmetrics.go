package nylastest

import "time"

// The endpoints of the send metrics.
const (
	EndpointSendSummary    Endpoint = "GET /v3/metrics/send/summary"
	EndpointSendMetrics    Endpoint = "GET /v3/metrics/send"
	EndpointSendTimeseries Endpoint = "GET /v3/metrics/send/timeseries"
)

// The limits of the send metrics.
// https://developer.nylas.com/docs/reference/api/send-events/
const (
	recipientDomainDays = 90
	minAssessVolume     = 100 // messages in the last 7 days; fewer are not graded

	// Nylas does not publish its lines; these are the emulator's own, in percent.
	bounceWarning, bounceCritical       = 5, 10
	complaintWarning, complaintCritical = 0.1, 0.5
)

// sendCounts are counts of recipients and their rates, in percent. The names of the counts are
// those that the reference mentions.
type sendCounts struct {
	Sent          int      `json:"sent"`
	Delivered     int      `json:"delivered"`
	Bounced       int      `json:"bounced"`
	Complaint     int      `json:"complaint"`
	DeliveryRate  *float64 `json:"delivery_rate"`
	BounceRate    *float64 `json:"bounce_rate"`
	ComplaintRate *float64 `json:"complaint_rate"`
}

func countSends(list []sendEvent) sendCounts {
	var c sendCounts
	hard := 0
	for _, e := range list {
		switch e.kind {
		case sendAccepted:
			c.Sent++
		case sendDelivered:
			c.Delivered++
		case sendComplaint:
			c.Complaint++
		case sendBounced:
			c.Bounced++
			if e.bounceClass() == bounceHard {
				hard++
			}
		}
	}
	c.DeliveryRate, c.BounceRate = percent(c.Delivered, c.Sent), percent(hard, c.Sent)
	c.ComplaintRate = percent(c.Complaint, c.Delivered)
	return c
}

// sendColumns are what send metrics can be sorted by, apart from the key.
func sendColumns() map[string]func(sendCounts) *float64 {
	return map[string]func(sendCounts) *float64{
		"sent":           func(c sendCounts) *float64 { return new(float64(c.Sent)) },
		"delivery_rate":  func(c sendCounts) *float64 { return c.DeliveryRate },
		"bounce_rate":    func(c sendCounts) *float64 { return c.BounceRate },
		"complaint_rate": func(c sendCounts) *float64 { return c.ComplaintRate },
	}
}

// sendsIn returns the events of messages that were sent in a window.
func (s *Server) sendsIn(w window, sendingDomain string) []sendEvent {
	s.sends.mu.Lock()
	defer s.sends.mu.Unlock()
	oldest := time.Now().Add(-metricsDays * day)
	var out []sendEvent
	for _, e := range s.sends.events {
		at := e.message.SentAt
		if at.Before(oldest) || at.Before(w.start) || !at.Before(w.end) || sendingDomain != "" && e.message.sendingDomain() != sendingDomain {
			continue
		}
		out = append(out, e)
	}
	return out
}

// serveSendSummary grades the last 7 days, and counts a window and the one before. Beside
// health, the names could not be read and are the emulator's own.
//
// https://developer.nylas.com/docs/reference/api/send-events/
func (s *Server) serveSendSummary(c *call) *response {
	query, w, refusal := c.metricsQuery()
	if refusal != nil {
		return refusal
	}
	domain := query.Get("sending_domain")
	tomorrow := time.Now().UTC().Truncate(day).Add(day)
	recent := countSends(s.sendsIn(window{tomorrow.Add(-windowDays * day), tomorrow}, domain))
	return dataResponse(map[string]any{
		"health":   map[string]any{"state": recent.health(), "findings": []string{}, "min_assess_volume": minAssessVolume},
		"totals":   countSends(s.sendsIn(w, domain)),
		"previous": countSends(s.sendsIn(w.before(), domain)),
	})
}

func (c sendCounts) health() string {
	past := func(rate *float64, line float64) bool { return rate != nil && *rate > line }
	switch {
	case c.Sent < minAssessVolume:
		return "insufficient_data"
	case past(c.BounceRate, bounceCritical) || past(c.ComplaintRate, complaintCritical):
		return "critical"
	case past(c.BounceRate, bounceWarning) || past(c.ComplaintRate, complaintWarning):
		return "at_risk"
	default:
		return "healthy"
	}
}

// serveSendMetrics breaks the sending down.
//
// https://developer.nylas.com/docs/reference/api/send-events/
func (s *Server) serveSendMetrics(c *call) *response {
	query, w, refusal := c.metricsQuery("group_by", "sort", "limit")
	if refusal != nil {
		return refusal
	}
	key := func(e *sendEvent) string { return e.message.sendingDomain() }
	switch query.Get("group_by") {
	case "", "sending_domain":
	case "agent_account":
		key = func(e *sendEvent) string { return e.message.From.Email }
	case "recipient_domain":
		if w.days() > recipientDomainDays {
			return badRequest("start and end must be at most 90 days apart with group_by recipient_domain")
		}
		key = func(e *sendEvent) string { return domainOf(e.recipient) }
	default:
		return badRequest("group_by must be sending_domain, agent_account or recipient_domain")
	}
	groups := map[string][]sendEvent{}
	for _, e := range s.sendsIn(w, query.Get("sending_domain")) {
		groups[key(&e)] = append(groups[key(&e)], e)
	}
	return breakdown(query, groups, countSends, sendColumns(), "sent:desc",
		"sort must be <key>:<asc|desc>, the key one of key, sent, delivery_rate, bounce_rate, complaint_rate")
}

// serveSendTimeseries returns the sending by day, week or month.
//
// https://developer.nylas.com/docs/reference/api/send-events/
func (s *Server) serveSendTimeseries(c *call) *response {
	return serveTimeseries(c, func(w window, sendingDomain string) sendCounts { return countSends(s.sendsIn(w, sendingDomain)) })
}
