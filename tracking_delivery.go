package nylas

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// SendEventType is the kind of a [SendEvent]. Other values than these constants are possible in
// answers.
type SendEventType string

// The kinds of send events. All but SendAccepted are notified too: message.delivered and so on.
const (
	SendAccepted  SendEventType = "accepted"  // Nylas took the message
	SendDelivered SendEventType = "delivered" // the recipient's server took it
	SendBounced   SendEventType = "bounced"   // it was not delivered
	SendComplaint SendEventType = "complaint" // the recipient marked it as spam
	SendRejected  SendEventType = "rejected"  // Nylas did not send it, because of its content
)

// BounceClass says whether a bounce is for good.
type BounceClass string

// The classes of bounces.
const (
	BounceHard         BounceClass = "hard" // for good: send nothing more to the address
	BounceSoft         BounceClass = "soft" // temporary, such as a full mailbox
	BounceUndetermined BounceClass = "undetermined"
)

// SendEvent is experimental: it is what happened to one message for one recipient, and there
// are none for connected grants. It comes from mail of an Agent Account or a Transactional
// send. Its ID does not occur in notifications.
//
// https://developer.nylas.com/docs/reference/api/send-events/
type SendEvent struct {
	ID            string // 64 hex digits
	EventType     SendEventType
	BounceClass   BounceClass      // of a bounce only
	Timestamp     events.Timestamp // when it happened
	ApplicationID string
	GrantID       string // the Agent Account; empty for a Transactional send
	MessageID     string // see TrackingEvent.MessageID
	ThreadID      string // empty for a Transactional send
	// From and Recipient are addresses. Nylas' page does not show the names of these
	// members; those of the filters are taken.
	From      string
	Recipient string
	// Reason is a short text, such as "General (5.1.1)". It is empty for SendAccepted.
	Reason string
	// Detail has what the recipient's server reported, as Nylas wrote it. Nil means that
	// there is nothing.
	Detail json.RawMessage

	// Other has the remaining members of the JSON as Nylas wrote them.
	Other map[string]json.RawMessage
}

// UnmarshalJSON decodes an event. A member of an unexpected type goes to Other.
func (e *SendEvent) UnmarshalJSON(data []byte) error {
	*e = SendEvent{}
	var err error
	e.Other, err = decodeMembers(data, map[string]any{
		"id": &e.ID, "event_type": &e.EventType, "bounce_class": &e.BounceClass, "timestamp": &e.Timestamp,
		"application_id": &e.ApplicationID, "grant_id": &e.GrantID, "message_id": &e.MessageID, "thread_id": &e.ThreadID,
		"from": &e.From, "recipient": &e.Recipient, "reason": &e.Reason, "detail": &e.Detail,
	})
	return err
}

func (e *SendEvent) isNamed() bool { return e.ID != "" || e.Other["id"] != nil }

// ListSendsRequest is experimental: it filters the recorded send events, which are none for
// connected grants. Filters match exactly. An empty filter matches everything.
//
// https://developer.nylas.com/docs/reference/api/send-events/list-send-events/
type ListSendsRequest struct {
	// EventType is one of the kinds, and empty means all. It is no list, because the API
	// reads only the last of repeated parameters.
	EventType       SendEventType `url:"event_type,omitempty"`
	BounceClass     BounceClass   `url:"bounce_class,omitempty"`
	Recipient       string        `url:"recipient,omitempty"`        // an address, at most 320 characters
	RecipientDomain string        `url:"recipient_domain,omitempty"` // at most 255 characters
	SendingDomain   string        `url:"sending_domain,omitempty"`   // at most 255 characters
	From            string        `url:"from,omitempty"`             // the sender's address, at most 320 characters
	GrantID         string        `url:"grant_id,omitempty"`         // an Agent Account, at most 36 characters
	MessageID       string        `url:"message_id,omitempty"`       // see TrackingEvent.MessageID
	// Start selects events at this time and later. The zero time means 7 days ago;
	// Nylas keeps 90 days. Start and End count in whole seconds: a fraction of a second
	// is cut off. Times before 1970 are refused.
	Start time.Time `url:"start,omitempty,unix"`
	// End is the time of the last events. The zero time means now.
	End time.Time `url:"end,omitempty,unix"`
	// PageSize is how many events Nylas returns in one page; 0 means Nylas' default.
	// Default and maximum are not documented for this list; those of Nylas' other lists
	// are 50 and 200.
	// https://developer.nylas.com/docs/reference/api/#pagination
	PageSize int `url:"limit,omitempty"`
}

func (r *ListSendsRequest) check(op *operation) error {
	return checkActivity(op, r.Start, r.End, r.PageSize,
		charFilter{"Recipient", r.Recipient, maxAddressChars},
		charFilter{"RecipientDomain", r.RecipientDomain, maxSendingDomainChars},
		charFilter{"SendingDomain", r.SendingDomain, maxSendingDomainChars},
		charFilter{"From", r.From, maxAddressChars},
		charFilter{"GrantID", r.GrantID, maxGrantFilterChars})
}

type listSendsQuery struct {
	ListSendsRequest
	PageToken string `url:"page_token,omitempty"`
}

// ListSends is experimental: it returns what happened to messages, one event for each
// recipient, newest first, and is always empty for connected grants. A nil req has no filters.
// Without a Start the list has only the last 7 days.
//
// It is the way to the Message-ID of a Transactional send that nobody opened: filter by From
// and Recipient. Nylas asks programs not to poll it; webhooks deliver the same outcomes.
//
// ListSends requests a page when the loop reaches it. The sequence yields an error at most
// once, as its last element.
//
// https://developer.nylas.com/docs/reference/api/send-events/list-send-events/
func (s *ActivityService) ListSends(ctx context.Context, req *ListSendsRequest, opts ...RequestOption) iter.Seq2[*SendEvent, error] {
	var query listSendsQuery
	if req != nil {
		query.ListSendsRequest = *req // what the caller does to it later changes nothing
	}
	return pages[SendEvent]{
		client: s.client,
		name:   "list send events",
		call:   call{method: http.MethodGet, path: "/v3/activity/send", limit: callTimeout},
		check:  query.check,
		query: func(token string) any {
			page := query
			page.PageToken = token
			return page
		},
		opts: opts,
	}.all(ctx)
}

// GetSend is experimental: it returns one send event, and finds none of connected grants.
// eventID is 64 hex digits in lower case. An unknown id is [ErrNotFound], and so is one of
// more than 90 days ago.
//
// https://developer.nylas.com/docs/reference/api/send-events/get-send-event/
func (s *ActivityService) GetSend(ctx context.Context, eventID string, opts ...RequestOption) (*SendEvent, error) {
	return getEvent[SendEvent](ctx, s.client.begin("get send event", opts), "/v3/activity/send/{event_id}", eventID)
}

// MessageDelivery is experimental: it is what happened to one message for each of its
// recipients, and there is none for connected grants.
//
// https://developer.nylas.com/docs/reference/api/send-events/get-message-send-events/
type MessageDelivery struct {
	// Message describes the message, as Nylas wrote it; message_id, thread_id, grant_id and
	// application_id are among its members.
	Message json.RawMessage
	// Other has the remaining members of the JSON as Nylas wrote them. The events of each
	// recipient are among them, under names that Nylas does not document.
	Other map[string]json.RawMessage
}

// UnmarshalJSON decodes the delivery of a message.
func (m *MessageDelivery) UnmarshalJSON(data []byte) error {
	*m = MessageDelivery{}
	var err error
	m.Other, err = decodeMembers(data, map[string]any{"message": &m.Message})
	return err
}

func (m *MessageDelivery) isNamed() bool { return m.Message != nil || len(m.Other) > 0 }

// MessageDelivery is experimental: it returns what happened to one message for each of its
// recipients, and finds none of connected grants. It covers the last 90 days. messageID has at
// most 512 characters; see [TrackingEvent.MessageID]. An unknown id is [ErrNotFound].
//
// https://developer.nylas.com/docs/reference/api/send-events/get-message-send-events/
func (s *ActivityService) MessageDelivery(ctx context.Context, messageID string, opts ...RequestOption) (*MessageDelivery, error) {
	return getMessageActivity[MessageDelivery](ctx, s.client.begin("get message delivery", opts),
		"/v3/activity/send/messages/{message_id}", messageID)
}

// SendMetricsRequest is experimental: it selects what [MetricsService.SendSummary],
// [MetricsService.Send] and [MetricsService.SendTimeseries] count, which is nothing for
// connected grants.
type SendMetricsRequest struct {
	// Start and End are the first and the last day, at most 365 days in all, and 90 with
	// GroupByRecipientDomain. The day is the one in UTC that the time is on. The zero Start
	// means six days before End. The zero End means today, which is not over yet.
	Start, End time.Time
	// SendingDomain leaves out the mail of other domains. It has at most 255 characters;
	// empty means all domains.
	SendingDomain string

	// GroupBy, Sort and Limit are for Send alone; the other calls refuse them. GroupBy says
	// what one row counts; empty means GroupBySendingDomain. Sort is a key, a colon and asc
	// or desc; the keys are key, sent, delivery_rate, bounce_rate and complaint_rate, and
	// empty means "sent:desc". Limit is how many groups get a row of their own: 1 to 100,
	// and 0 means 25. The last row, with the key [OthersKey], counts all other groups.
	GroupBy MetricsGroupBy
	Sort    string
	Limit   int

	// Granularity is the length of a period, for SendTimeseries alone; the other calls
	// refuse it. Empty means GranularityAuto.
	Granularity MetricsGranularity
}

// GroupByRecipientDomain groups [MetricsService.Send] by the domain of the recipients. The
// tracking metrics do not have it.
const GroupByRecipientDomain MetricsGroupBy = "recipient_domain"

// maxRecipientDomainDays bounds a window with GroupByRecipientDomain.
// https://developer.nylas.com/docs/reference/api/send-events/
const maxRecipientDomainDays = 90

// HealthState grades the sending of the last 7 days.
type HealthState string

// The grades. Other values are possible in answers.
const (
	HealthHealthy  HealthState = "healthy"
	HealthAtRisk   HealthState = "at_risk"  // a rate is past its warning line
	HealthCritical HealthState = "critical" // a rate is past its critical line
	// HealthInsufficientData means that too few messages were sent to say.
	HealthInsufficientData HealthState = "insufficient_data"
)

// SendHealth is experimental: it grades the sending of the last 7 days, whatever window was
// asked for.
type SendHealth struct {
	State HealthState
	// Other has the remaining members of the JSON as Nylas wrote them: findings has up to
	// three likely causes.
	Other map[string]json.RawMessage
}

// UnmarshalJSON decodes a health grade.
func (h *SendHealth) UnmarshalJSON(data []byte) error {
	*h = SendHealth{}
	var err error
	h.Other, err = decodeMembers(data, map[string]any{"state": &h.State})
	return err
}

// SendSummary is experimental: it is the sending of a window of days, and is empty for
// connected grants.
//
// https://developer.nylas.com/docs/reference/api/send-events/
type SendSummary struct {
	Health SendHealth
	// Other has the remaining members of the JSON as Nylas wrote them: the counts and rates.
	Other map[string]json.RawMessage
}

// UnmarshalJSON decodes a summary.
func (s *SendSummary) UnmarshalJSON(data []byte) error {
	*s = SendSummary{}
	var err error
	s.Other, err = decodeMembers(data, map[string]any{"health": &s.Health})
	return err
}

func (s *SendSummary) isNamed() bool {
	return s.Health.State != "" || len(s.Health.Other)+len(s.Other) > 0
}

// SendMetrics is experimental: it is the sending by domain, sender or domain of the
// recipients, and is empty for connected grants.
//
// https://developer.nylas.com/docs/reference/api/send-events/
type SendMetrics struct {
	// Rows are the groups in the requested order; see TrackingMetrics.Rows.
	Rows []SendMetricsRow
	// Other has the remaining members of the JSON as Nylas wrote them.
	Other map[string]json.RawMessage
}

// SendMetricsRow is experimental: it is the sending of one group. Rates are percentages. Nil
// means that Nylas gave none.
type SendMetricsRow struct {
	Key           string // a domain, an address, or OthersKey
	Sent          events.Int
	DeliveryRate  *float64 // delivered messages among those sent
	BounceRate    *float64 // hard bounces among messages sent
	ComplaintRate *float64 // complaints among messages delivered
	// Other has the remaining members of the JSON as Nylas wrote them.
	Other map[string]json.RawMessage
}

// UnmarshalJSON decodes a row. A member of an unexpected type goes to Other.
func (r *SendMetricsRow) UnmarshalJSON(data []byte) error {
	*r = SendMetricsRow{}
	var err error
	r.Other, err = decodeMembers(data, map[string]any{
		"key": &r.Key, "sent": &r.Sent, "delivery_rate": &r.DeliveryRate, "bounce_rate": &r.BounceRate, "complaint_rate": &r.ComplaintRate,
	})
	return err
}

// UnmarshalJSON decodes metrics.
func (m *SendMetrics) UnmarshalJSON(data []byte) error {
	*m = SendMetrics{}
	var err error
	if m.Other, err = decodeMembers(data, nil); err == nil {
		m.Rows = takeArray[SendMetricsRow](m.Other, hasKey)
	}
	return err
}

func (m *SendMetrics) isNamed() bool { return m.Rows != nil || len(m.Other) > 0 }

// SendTimeseries is experimental: it is the sending over time, in the form of
// [TrackingTimeseries], and is empty for connected grants. Its buckets have counts of sent,
// delivered, bounced and complained messages, and rates, under names that Nylas does not
// document.
type SendTimeseries = TrackingTimeseries

// SendSummary is experimental: it returns how healthy the sending is, and is empty for
// connected grants. A nil req means the last 7 days and all domains.
//
// https://developer.nylas.com/docs/reference/api/send-events/
func (s *MetricsService) SendSummary(ctx context.Context, req *SendMetricsRequest, opts ...RequestOption) (*SendSummary, error) {
	return sendMetrics[SendSummary](ctx, s.client.begin("get send summary", opts), "/v3/metrics/send/summary", req, false, false)
}

// Send is experimental: it returns the sending by domain, sender or domain of the recipients,
// and is empty for connected grants. A nil req means the last 7 days, by sending domain.
//
// https://developer.nylas.com/docs/reference/api/send-events/
func (s *MetricsService) Send(ctx context.Context, req *SendMetricsRequest, opts ...RequestOption) (*SendMetrics, error) {
	return sendMetrics[SendMetrics](ctx, s.client.begin("get send metrics", opts), "/v3/metrics/send", req, true, false)
}

// SendTimeseries is experimental: it returns the sending by day, week or month, and is empty
// for connected grants. A nil req means the last 7 days, by day.
//
// https://developer.nylas.com/docs/reference/api/send-events/
func (s *MetricsService) SendTimeseries(ctx context.Context, req *SendMetricsRequest, opts ...RequestOption) (*SendTimeseries, error) {
	return sendMetrics[SendTimeseries](ctx, s.client.begin("get send timeseries", opts), "/v3/metrics/send/timeseries", req, false, true)
}

func sendMetrics[T any](
	ctx context.Context, op *operation, path string, req *SendMetricsRequest, grouped, series bool,
) (*T, error) {
	if req == nil {
		req = &SendMetricsRequest{}
	}
	const day = 24 * time.Hour // all days of UTC
	query, err := breakdownQuery(op, req.Start, req.End, req.SendingDomain, req.GroupBy, req.Sort, req.Limit)
	switch {
	case err != nil:
		return nil, err
	case !grouped && (req.GroupBy != "" || req.Sort != "" || req.Limit != 0):
		return nil, refuse(op, "GroupBy, Sort and Limit are for Send alone")
	case !series && req.Granularity != "":
		return nil, refuse(op, "Granularity is for SendTimeseries alone")
	case req.GroupBy == GroupByRecipientDomain && !req.Start.IsZero() && !req.End.IsZero() &&
		req.End.Truncate(day).Sub(req.Start.Truncate(day)) >= maxRecipientDomainDays*day:
		return nil, refuse(op, "with GroupByRecipientDomain Nylas takes at most 90 days")
	}
	query.Granularity = req.Granularity
	var answer dataAnswer[T]
	if err := getMetrics(ctx, op, path, query, &answer); err != nil {
		return nil, err
	}
	return &answer.Data, nil
}
