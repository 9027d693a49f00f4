package nylastest

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"sync"
	"time"
)

// The endpoints of alert rules.
const (
	EndpointCreateAlert Endpoint = "POST /v3/alerts/send"
	EndpointListAlerts  Endpoint = "GET /v3/alerts/send"
	EndpointGetAlert    Endpoint = "GET /v3/alerts/send/{id}"
	EndpointUpdateAlert Endpoint = "PUT /v3/alerts/send/{id}"
	EndpointDeleteAlert Endpoint = "DELETE /v3/alerts/send/{id}"
)

// The limits of alert rules.
// https://developer.nylas.com/docs/reference/api/send-alerts/
const (
	maxAlertRules  = 20
	maxAlertHours  = 24
	maxAlertVolume = 1_000_000_000
)

// The rates that a rule can watch.
const (
	metricBounces    = "bounce_rate"
	metricComplaints = "complaint_rate"
	metricDeliveries = "delivery_rate"
)

type alertRules struct {
	mu      sync.Mutex
	list    []alertRule
	watched bool // the rules are checked again and again
}

// alertRule is a rule, and how the endpoints describe it.
type alertRule struct {
	ID            string  `json:"id"`
	ApplicationID string  `json:"application_id"`
	Metric        string  `json:"metric"`
	Direction     string  `json:"direction"`
	Threshold     float64 `json:"threshold"`
	WindowHours   int     `json:"window_hours"`
	MinVolume     int     `json:"min_volume"`
	CreatedAt     int64   `json:"created_at"`
	UpdatedAt     int64   `json:"updated_at"`

	alerts map[string]*alert // by sending domain
}

// alertRequest is the body that creates or changes a rule. What is nil is not there.
type alertRequest struct {
	Metric      *string  `json:"metric"`
	Threshold   *float64 `json:"threshold"`
	WindowHours *int     `json:"window_hours"`
	MinVolume   *int     `json:"min_volume"`
}

// apply changes a rule, or refuses what it would become.
func (r *alertRequest) apply(rule *alertRule) *response {
	if r.Metric != nil {
		rule.Metric = *r.Metric
	}
	if r.Threshold != nil {
		rule.Threshold = *r.Threshold
	}
	if r.WindowHours != nil {
		rule.WindowHours = *r.WindowHours
	}
	if r.MinVolume != nil {
		rule.MinVolume = *r.MinVolume
	}
	inRange := rule.Threshold >= 0 && rule.Threshold < 100
	rule.Direction = "above"
	switch rule.Metric {
	case metricBounces, metricComplaints:
	case metricDeliveries:
		inRange = rule.Threshold > 0 && rule.Threshold <= 100
		rule.Direction = "below"
	default:
		return badRequest("metric must be bounce_rate, complaint_rate or delivery_rate")
	}
	switch {
	case !inRange:
		return badRequest("threshold is out of range for the metric")
	case math.Abs(rule.Threshold*100-math.Round(rule.Threshold*100)) > 1e-9:
		return badRequest("threshold must have at most 2 decimal places")
	case rule.WindowHours < 1 || rule.WindowHours > maxAlertHours:
		return badRequest(fmt.Sprintf("window_hours must be from 1 to %d", maxAlertHours))
	case rule.MinVolume < 0 || rule.MinVolume > maxAlertVolume:
		return badRequest(fmt.Sprintf("min_volume must be from 0 to %d", maxAlertVolume))
	}
	rule.UpdatedAt = time.Now().Unix()
	return nil
}

// serveCreateAlert creates a rule.
//
// https://developer.nylas.com/docs/reference/api/send-alerts/create-send-alert-rule/
func (s *Server) serveCreateAlert(c *call) *response {
	var request alertRequest
	if refusal := c.decode(c.body, &request); refusal != nil {
		return refusal
	}
	if request.Metric == nil || request.Threshold == nil || request.WindowHours == nil {
		return badRequest("metric, threshold and window_hours are required")
	}
	rule := alertRule{ID: s.ids.uuid("alert"), ApplicationID: s.applicationID, CreatedAt: time.Now().Unix()}
	if refusal := request.apply(&rule); refusal != nil {
		return refusal
	}
	defer s.watch() // after the lock
	s.alerts.mu.Lock()
	defer s.alerts.mu.Unlock()
	if len(s.alerts.list) >= maxAlertRules {
		return badRequest(fmt.Sprintf("an application can have at most %d alert rules", maxAlertRules))
	}
	s.alerts.list = append(s.alerts.list, rule)
	return dataResponse(rule)
}

// serveListAlerts lists the rules, oldest first.
//
// https://developer.nylas.com/docs/reference/api/send-alerts/list-send-alert-rules/
func (s *Server) serveListAlerts(*call) *response {
	s.alerts.mu.Lock()
	defer s.alerts.mu.Unlock()
	return dataResponse(append([]alertRule{}, s.alerts.list...)) // never nil: answers have []
}

// useAlert lets use answer for the rule that the path names.
func (s *Server) useAlert(c *call, use func(i int) *response) *response {
	s.alerts.mu.Lock()
	defer s.alerts.mu.Unlock()
	i := slices.IndexFunc(s.alerts.list, func(r alertRule) bool { return r.ID == c.PathValue("id") })
	if i < 0 {
		return activityNotFound()
	}
	return use(i)
}

func (s *Server) serveGetAlert(c *call) *response {
	return s.useAlert(c, func(i int) *response { return dataResponse(s.alerts.list[i]) })
}

// serveUpdateAlert changes what the request has. The alerts of the rule start over.
//
// https://developer.nylas.com/docs/reference/api/send-alerts/update-send-alert-rule/
func (s *Server) serveUpdateAlert(c *call) *response {
	var request alertRequest
	if refusal := c.decode(c.body, &request); refusal != nil {
		return refusal
	}
	defer s.watch() // after the lock of useAlert
	return s.useAlert(c, func(i int) *response {
		changed := s.alerts.list[i]
		changed.alerts = nil
		if refusal := request.apply(&changed); refusal != nil {
			return refusal
		}
		s.alerts.list[i] = changed
		return dataResponse(changed)
	})
}

func (s *Server) serveDeleteAlert(c *call) *response {
	return s.useAlert(c, func(i int) *response {
		s.alerts.list = slices.Delete(s.alerts.list, i, i+1)
		return jsonResponse(http.StatusOK, map[string]any{})
	})
}
