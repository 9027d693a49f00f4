package nylas

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/internal/rules"
)

// ActivityService covers mail of Agent Accounts and Transactional sends only,
// never that of connected grants (Google, Microsoft, IMAP and others). It is
// [Client.Activity] and reads the opens and clicks that Nylas has recorded.
//
// It is for looking back, such as after an outage of the receiver. Nylas asks not
// to poll it for new events: webhooks bring those. Events are kept for 90 days.
// Replies are not among them.
type ActivityService struct{ client *Client }

// TrackingEventType is the kind of a [TrackingEvent]. It is an open string.
type TrackingEventType string

// The kinds of tracking events.
const (
	TrackingOpened      TrackingEventType = "opened"
	TrackingLinkClicked TrackingEventType = "link_clicked"
)

// TrackingEvent is one open or one click of mail of an Agent Account or a
// Transactional send. Unlike a webhook, which repeats up to 50 earlier events, it
// stands for itself. Its ID is not that of any webhook.
//
// Opens and clicks belong to a message and not to one of its recipients.
//
// https://developer.nylas.com/docs/reference/api/tracking-events/
type TrackingEvent struct {
	ID            string // 64 hex digits
	EventType     TrackingEventType
	Timestamp     events.Timestamp // when it happened
	ApplicationID string
	GrantID       string // the Agent Account; empty for a Transactional send
	// MessageID is the id that the send returned, for an Agent Account. For a
	// Transactional send it is the Message-ID header with its angle brackets, which
	// the send does not return: a Label of its own finds the message.
	MessageID     string
	ThreadID      string // empty for a Transactional send
	From          string // the address of the sender
	SendingDomain string
	Label         string // TrackingOptions.Label

	// Other has the members that no field above has, as Nylas wrote them. The clicked
	// link is among them, under a name that was not known when this was written.
	Other map[string]json.RawMessage
}

// UnmarshalJSON reads an event. A member of an unexpected type goes to Other.
func (e *TrackingEvent) UnmarshalJSON(data []byte) error {
	*e = TrackingEvent{}
	var err error
	e.Other, err = decodeMembers(data, map[string]any{
		"id": &e.ID, "event_type": &e.EventType, "timestamp": &e.Timestamp, "application_id": &e.ApplicationID,
		"grant_id": &e.GrantID, "message_id": &e.MessageID, "thread_id": &e.ThreadID, "from": &e.From,
		"sending_domain": &e.SendingDomain, "label": &e.Label,
	})
	return err
}

// ListTrackingRequest filters tracking events. Filters match exactly, and an empty
// one matches everything.
//
// https://developer.nylas.com/docs/reference/api/tracking-events/list-tracking-events/
type ListTrackingRequest struct {
	EventTypes    []TrackingEventType `url:"event_type,omitempty"`     // empty means both
	Label         string              `url:"label,omitempty"`          // at most 2048 characters
	SendingDomain string              `url:"sending_domain,omitempty"` // at most 255 characters
	From          string              `url:"from,omitempty"`           // the sender's address, at most 320 characters
	GrantID       string              `url:"grant_id,omitempty"`       // an Agent Account, at most 36 characters
	MessageID     string              `url:"message_id,omitempty"`     // see TrackingEvent.MessageID
	ThreadID      string              `url:"thread_id,omitempty"`      // of an Agent Account
	// Start is the time of the first events, itself included, in whole seconds. The
	// zero value means 7 days ago; Nylas has 90 days.
	Start time.Time `url:"start,omitempty,unix"`
	// End is the time of the last events. The zero value means now.
	End time.Time `url:"end,omitempty,unix"`
	// Limit is how many events Nylas sends in one page; the list has them all. 0
	// leaves it to Nylas. Its other lists have 50, and at most 200.
	Limit int `url:"limit,omitempty"`
}

// The limits of the filters.
// https://developer.nylas.com/docs/reference/api/tracking-events/list-tracking-events/
const (
	maxSendingDomainChars = 255
	maxAddressChars       = 320
	maxGrantFilterChars   = 36
	// maxMessageIDChars is that of a message id in a path.
	// https://developer.nylas.com/docs/reference/api/tracking-events/get-message-tracking-events/
	maxMessageIDChars = 512
	// eventIDDigits is the length of the pattern ^[0-9a-f]{64}$.
	// https://developer.nylas.com/docs/reference/api/tracking-events/
	eventIDDigits = 64
)

func (r *ListTrackingRequest) check(op string) error {
	for _, filter := range []struct {
		name, value string
		limit       int
	}{
		{"Label", r.Label, rules.MaxLabelChars},
		{"SendingDomain", r.SendingDomain, maxSendingDomainChars},
		{"From", r.From, maxAddressChars},
		{"GrantID", r.GrantID, maxGrantFilterChars},
	} {
		if err := checkChars(op, filter.name, filter.value, filter.limit); err != nil {
			return err
		}
	}
	switch {
	case r.Limit < 0:
		return refuse(op, "Limit is negative")
	case !r.Start.IsZero() && !r.End.IsZero() && r.End.Before(r.Start):
		return refuse(op, "End is before Start")
	}
	for i, typ := range r.EventTypes {
		if typ == "" {
			return refuse(op, fmt.Sprintf("EventTypes[%d] is empty", i))
		}
	}
	return nil
}

func checkChars(op, name, value string, limit int) error {
	if chars := utf8.RuneCountInString(value); chars > limit {
		return refuse(op, fmt.Sprintf("%s has %d characters, Nylas takes at most %d", name, chars, limit))
	}
	return nil
}

// ListTracking covers mail of Agent Accounts and Transactional sends only, never
// that of connected grants. It returns the recorded opens and clicks, newest
// first; without a Start only those of the last 7 days. A nil request filters
// nothing.
//
// The list asks for a page when it gets there, and goes on to the last one. It
// yields an error once, as its last element; with [WithResponse] the response is
// that of the last page so far.
//
// https://developer.nylas.com/docs/reference/api/tracking-events/list-tracking-events/
func (s *ActivityService) ListTracking(
	ctx context.Context, req *ListTrackingRequest, opts ...RequestOption,
) iter.Seq2[*TrackingEvent, error] {
	const op = "list tracking events"
	var query listTrackingQuery
	if req != nil {
		query.ListTrackingRequest = *req // what the caller does to it later changes nothing
		query.EventTypes = append([]TrackingEventType(nil), req.EventTypes...)
	}
	return pages[TrackingEvent]{
		client:  s.client,
		call:    call{op: op, method: http.MethodGet, path: "/v3/activity/tracking", limit: callTimeout},
		refusal: query.check(op),
		query: func(token string) any {
			page := query
			page.PageToken = token
			return page
		},
		opts: opts,
	}.all(ctx)
}

// isNamed takes an id of another type, too, which is among the others.
func (e *TrackingEvent) isNamed() bool { return e.ID != "" || e.Other["id"] != nil }

type listTrackingQuery struct {
	ListTrackingRequest
	PageToken string `url:"page_token,omitempty"`
}

// GetTracking covers mail of Agent Accounts and Transactional sends only, never
// that of connected grants. It returns one open or click. eventID is 64 hex
// digits in lower case; an unknown one, or one from over 90 days ago, is
// [ErrNotFound].
//
// https://developer.nylas.com/docs/reference/api/tracking-events/
func (s *ActivityService) GetTracking(ctx context.Context, eventID string, opts ...RequestOption) (*TrackingEvent, error) {
	begin(opts)
	const op = "get tracking event"
	if len(eventID) != eventIDDigits || strings.Trim(eventID, "0123456789abcdef") != "" {
		return nil, refuse(op, fmt.Sprintf("event_id is not %d hex digits in lower case", eventIDDigits))
	}
	var answer dataAnswer[TrackingEvent]
	err := s.client.do(ctx, call{
		op: op, method: http.MethodGet, path: "/v3/activity/tracking/{event_id}", ids: []string{eventID}, limit: callTimeout,
	}, &answer, opts)
	if err != nil {
		return nil, err
	}
	return &answer.Data, nil
}

// MessageTracking is what recipients did with one message of an Agent Account or
// a Transactional send, all of them together.
//
// https://developer.nylas.com/docs/reference/api/tracking-events/get-message-tracking-events/
type MessageTracking struct {
	MessageID     string // see TrackingEvent.MessageID
	ThreadID      string // empty for a Transactional send
	GrantID       string // empty for a Transactional send
	From          string // the address of the sender
	SendingDomain string

	// Other has the members that no field above has, as Nylas wrote them. Nylas says
	// that they tell how many times the message was opened, when first and last, and
	// how many clicks each link got; their names were not known when this was
	// written.
	Other map[string]json.RawMessage
}

// UnmarshalJSON reads the tracking of a message. A member of an unexpected type
// goes to Other.
func (m *MessageTracking) UnmarshalJSON(data []byte) error {
	*m = MessageTracking{}
	var err error
	m.Other, err = decodeMembers(data, map[string]any{
		"message_id": &m.MessageID, "thread_id": &m.ThreadID, "grant_id": &m.GrantID, "from": &m.From,
		"sending_domain": &m.SendingDomain,
	})
	return err
}

func (m *MessageTracking) isNamed() bool { return m.MessageID != "" || m.Other["message_id"] != nil }

// MessageTracking covers mail of Agent Accounts and Transactional sends only,
// never that of connected grants. It returns the opens and clicks of one message
// of the last 90 days. messageID has at most 512 characters, and is what
// [TrackingEvent.MessageID] is. An unknown one is [ErrNotFound].
//
// https://developer.nylas.com/docs/reference/api/tracking-events/get-message-tracking-events/
func (s *ActivityService) MessageTracking(ctx context.Context, messageID string, opts ...RequestOption) (*MessageTracking, error) {
	begin(opts)
	const op = "get message tracking"
	if err := checkChars(op, "message_id", messageID, maxMessageIDChars); err != nil {
		return nil, err
	}
	var answer dataAnswer[MessageTracking]
	err := s.client.do(ctx, call{
		op: op, method: http.MethodGet, path: "/v3/activity/tracking/messages/{message_id}", ids: []string{messageID},
		limit: callTimeout,
	}, &answer, opts)
	if err != nil {
		return nil, err
	}
	return &answer.Data, nil
}
