package nylas

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"strings"

	"github.com/nylastrack/nylas-go/events"
)

// AlertService manages the rules by which Nylas warns when too much mail of a domain bounces or
// is marked as spam. It covers mail of Agent Accounts and Transactional sends only. It is
// [Client.Alerts].
//
// Nylas checks each rule every 5 minutes for each sending domain, and sends the trigger
// alert.triggered to the webhooks that have it. While a domain stays past the threshold, Nylas
// sends it again every 24 hours. After an hour within the threshold the alert has ended; the
// next one has a new id.
type AlertService struct{ client *Client }

// AlertMetric is the rate that a rule watches.
type AlertMetric string

// The rates. Nylas fires when a bounce or complaint rate is above the threshold, and when a
// delivery rate is below it, but not when they are equal.
const (
	AlertBounceRate    AlertMetric = "bounce_rate"    // hard bounces among messages sent
	AlertComplaintRate AlertMetric = "complaint_rate" // complaints among messages delivered
	AlertDeliveryRate  AlertMetric = "delivery_rate"  // delivered messages among those sent
)

// AlertRule is a rule as Nylas returns it.
//
// https://developer.nylas.com/docs/reference/api/send-alerts/
type AlertRule struct {
	ID            string           `json:"id"`
	ApplicationID string           `json:"application_id,omitzero"`
	Metric        AlertMetric      `json:"metric,omitzero"`
	Direction     string           `json:"direction,omitzero"` // "above" or "below"; follows from Metric
	Threshold     float64          `json:"threshold"`          // percent
	WindowHours   events.Int       `json:"window_hours,omitzero"`
	MinVolume     events.Int       `json:"min_volume,omitzero"`
	CreatedAt     events.Timestamp `json:"created_at,omitzero"`
	UpdatedAt     events.Timestamp `json:"updated_at,omitzero"`
}

func (r *AlertRule) isNamed() bool { return r.ID != "" }

// CreateAlertRequest is a new rule. Metric and WindowHours are required.
//
// https://developer.nylas.com/docs/reference/api/send-alerts/create-send-alert-rule/
type CreateAlertRequest struct {
	Metric AlertMetric `json:"metric"`
	// Threshold is a percentage with at most 2 decimal places: from 0 to less than 100 for a
	// bounce or complaint rate, and more than 0 to 100 for a delivery rate.
	Threshold   float64 `json:"threshold"`
	WindowHours int     `json:"window_hours"` // of sending that the rate covers: 1 to 24
	// MinVolume is how many messages a domain must have sent in the window before the rule
	// can fire: 0 to 1,000,000,000.
	MinVolume int `json:"min_volume,omitzero"`
}

// UpdateAlertRequest changes a rule. What is nil or empty stays as it is; the limits are those
// of CreateAlertRequest. A change starts the alerts of the rule over.
//
// https://developer.nylas.com/docs/reference/api/send-alerts/update-send-alert-rule/
type UpdateAlertRequest struct {
	Metric      AlertMetric `json:"metric,omitzero"`
	Threshold   *float64    `json:"threshold,omitzero"`
	WindowHours int         `json:"window_hours,omitzero"`
	MinVolume   *int        `json:"min_volume,omitzero"`
}

// The limits of a rule.
// https://developer.nylas.com/docs/reference/api/send-alerts/create-send-alert-rule/
const (
	maxThreshold   = 100 // percent
	maxDecimals    = 2   // of the threshold
	maxAlertHours  = 24
	maxAlertVolume = 1_000_000_000
)

// checkAlert refuses what Nylas is documented not to take. Nil and empty values are not checked.
func checkAlert(op *operation, metric AlertMetric, threshold *float64, hours, volume *int) error {
	switch metric {
	case "", AlertBounceRate, AlertComplaintRate, AlertDeliveryRate:
	default:
		return refuse(op, "Metric is not one of bounce_rate, complaint_rate and delivery_rate")
	}
	if threshold != nil {
		t := *threshold
		_, decimals, _ := strings.Cut(strconv.FormatFloat(t, 'f', -1, 64), ".")
		switch {
		case !(t >= 0 && t <= maxThreshold): // NaN is neither
			return refuse(op, "Threshold is not a percentage from 0 to 100")
		case len(decimals) > maxDecimals:
			return refuse(op, fmt.Sprintf("Threshold has more than %d decimal places", maxDecimals))
		case metric == AlertDeliveryRate && t == 0:
			return refuse(op, "Threshold is 0: a delivery rate is never below it")
		case (metric == AlertBounceRate || metric == AlertComplaintRate) && t == maxThreshold:
			return refuse(op, "Threshold is 100: a bounce or complaint rate is never above it")
		}
	}
	switch {
	case hours != nil && (*hours < 1 || *hours > maxAlertHours):
		return refuse(op, fmt.Sprintf("WindowHours is not within 1 to %d", maxAlertHours))
	case volume != nil && (*volume < 0 || *volume > maxAlertVolume):
		return refuse(op, fmt.Sprintf("MinVolume is not within 0 to %d", maxAlertVolume))
	}
	return nil
}

const alertPath = "/v3/alerts/send/{rule_id}"

// Create creates a rule. An application can have at most 20.
//
// If Nylas does not answer, the error matches [ErrOutcomeUnknown]: the rule may exist, and List
// shows whether it does.
//
// https://developer.nylas.com/docs/reference/api/send-alerts/create-send-alert-rule/
func (s *AlertService) Create(ctx context.Context, req *CreateAlertRequest, opts ...RequestOption) (*AlertRule, error) {
	op := s.client.begin("create alert rule", opts)
	switch {
	case req == nil:
		return nil, refuse(op, "the request is nil")
	case req.Metric == "":
		return nil, refuse(op, "Metric is empty")
	}
	if err := checkAlert(op, req.Metric, &req.Threshold, &req.WindowHours, &req.MinVolume); err != nil {
		return nil, err
	}
	return alertRule(ctx, op, call{method: http.MethodPost, path: "/v3/alerts/send", body: req, repeat: repeatUnsent, noProvider: true})
}

// List returns the rules, oldest first. The sequence yields an error at most once, as its last
// element.
//
// https://developer.nylas.com/docs/reference/api/send-alerts/list-send-alert-rules/
func (s *AlertService) List(ctx context.Context, opts ...RequestOption) iter.Seq2[*AlertRule, error] {
	return pages[AlertRule]{
		client: s.client,
		name:   "list alert rules",
		call:   call{method: http.MethodGet, path: "/v3/alerts/send", limit: callTimeout},
		opts:   opts,
	}.all(ctx)
}

// Get returns a rule. An unknown id is [ErrNotFound].
//
// https://developer.nylas.com/docs/reference/api/send-alerts/get-send-alert-rule/
func (s *AlertService) Get(ctx context.Context, ruleID string, opts ...RequestOption) (*AlertRule, error) {
	return alertRule(ctx, s.client.begin("get alert rule", opts), call{method: http.MethodGet, path: alertPath, ids: []string{ruleID}})
}

// Update changes a rule; see [UpdateAlertRequest]. It returns the rule as it is then. An unknown
// id is [ErrNotFound].
//
// https://developer.nylas.com/docs/reference/api/send-alerts/update-send-alert-rule/
func (s *AlertService) Update(ctx context.Context, ruleID string, req *UpdateAlertRequest, opts ...RequestOption) (*AlertRule, error) {
	op := s.client.begin("update alert rule", opts)
	if req == nil {
		return nil, refuse(op, "the request is nil")
	}
	var hours *int
	if req.WindowHours != 0 {
		hours = &req.WindowHours
	}
	if err := checkAlert(op, req.Metric, req.Threshold, hours, req.MinVolume); err != nil {
		return nil, err
	}
	return alertRule(ctx, op, call{method: http.MethodPut, path: alertPath, ids: []string{ruleID}, body: req})
}

// Delete deletes a rule. An unknown id is [ErrNotFound]. If a retry does not find the rule,
// Delete returns nil, because an earlier attempt may have deleted it.
//
// https://developer.nylas.com/docs/reference/api/send-alerts/
func (s *AlertService) Delete(ctx context.Context, ruleID string, opts ...RequestOption) error {
	return deletionError(s.client.begin("delete alert rule", opts).do(ctx, call{
		method: http.MethodDelete, path: alertPath, ids: []string{ruleID}, limit: callTimeout,
	}, nil))
}

func alertRule(ctx context.Context, op *operation, call call) (*AlertRule, error) {
	call.limit = callTimeout
	var answer dataAnswer[AlertRule]
	if err := op.do(ctx, call, &answer); err != nil {
		return nil, err
	}
	return &answer.Data, nil
}
