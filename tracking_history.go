package nylas

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"reflect"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/internal/loose"
	"github.com/nylastrack/nylas-go/internal/rules"
)

// ActivityService is experimental: it reads the opens, clicks and deliveries that Nylas has
// recorded, whose JSON nobody has seen in full, and is always empty for connected
// grants (Google, Microsoft, IMAP and others). It covers mail of Agent Accounts and
// Transactional sends only. It is [Client.Activity].
//
// Use it to look back, such as after an outage of the receiver. Nylas asks programs not
// to poll it for new events; webhooks deliver them. Nylas keeps events for 90 days.
// Replies are not included.
type ActivityService struct{ client *Client }

// TrackingEventType is the kind of a [TrackingEvent]. Other values than these constants
// are possible in answers.
type TrackingEventType string

// The kinds of tracking events.
const (
	TrackingOpened      TrackingEventType = "opened"
	TrackingLinkClicked TrackingEventType = "link_clicked"
)

// TrackingEvent is experimental: it is one recorded open or click, and there are none
// for connected grants. It comes from mail of an Agent Account or a Transactional send.
// Unlike a notification, which repeats up to 50 earlier events, it is a single event.
// Its ID does not occur in notifications.
//
// An open or a click belongs to the message, not to one of its recipients.
//
// https://developer.nylas.com/docs/reference/api/tracking-events/
type TrackingEvent struct {
	ID            string // 64 hex digits
	EventType     TrackingEventType
	Timestamp     events.Timestamp // when it happened
	ApplicationID string
	GrantID       string // the Agent Account; empty for a Transactional send
	// MessageID is the id that the send returned, for an Agent Account. For a
	// Transactional send it is the Message-ID header with its angle brackets, which the
	// send does not return: give each message its own Label to find it.
	MessageID     string
	ThreadID      string // empty for a Transactional send
	From          string // the address of the sender
	SendingDomain string
	Label         string // TrackingOptions.Label

	// Other has the remaining members of the JSON as Nylas wrote them. The clicked link is
	// among them, under a name that Nylas does not document.
	Other map[string]json.RawMessage
}

// UnmarshalJSON decodes an event. A member of an unexpected type goes to Other.
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

// ListTrackingRequest is experimental: it filters the recorded opens and clicks, which
// are none for connected grants. Filters match exactly. An empty filter matches
// everything.
//
// https://developer.nylas.com/docs/reference/api/tracking-events/list-tracking-events/
type ListTrackingRequest struct {
	// EventType is one of the kinds, and empty means both. It is no list, because the
	// API reads only the last of repeated parameters.
	EventType     TrackingEventType `url:"event_type,omitempty"`
	Label         string            `url:"label,omitempty"`          // at most 2048 characters
	SendingDomain string            `url:"sending_domain,omitempty"` // at most 255 characters
	From          string            `url:"from,omitempty"`           // the sender's address, at most 320 characters
	GrantID       string            `url:"grant_id,omitempty"`       // an Agent Account, at most 36 characters
	MessageID     string            `url:"message_id,omitempty"`     // see TrackingEvent.MessageID
	ThreadID      string            `url:"thread_id,omitempty"`      // of an Agent Account
	// Start selects events at this time and later. The zero time means 7 days ago;
	// Nylas keeps 90 days. Start and End count in whole seconds: a fraction of a second
	// is cut off. Times before 1970 are refused.
	Start time.Time `url:"start,omitempty,unix"`
	// End is the time of the last events. The zero time means now.
	End time.Time `url:"end,omitempty,unix"`
	// PageSize is how many events Nylas returns in one page; 0 means Nylas' default.
	// ListTracking goes on over all pages: to read ten events, leave the loop after
	// ten. Default and maximum are not documented for this list; those of Nylas' other
	// lists are 50 and 200.
	// https://developer.nylas.com/docs/reference/api/#pagination
	PageSize int `url:"limit,omitempty"`
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

func (r *ListTrackingRequest) check(op *operation) error {
	return checkActivity(op, r.Start, r.End, r.PageSize,
		charFilter{"Label", r.Label, rules.MaxLabelChars},
		charFilter{"SendingDomain", r.SendingDomain, maxSendingDomainChars},
		charFilter{"From", r.From, maxAddressChars},
		charFilter{"GrantID", r.GrantID, maxGrantFilterChars})
}

// charFilter is a filter of a query with its limit, in characters.
type charFilter struct {
	name, value string
	limit       int
}

// checkActivity refuses what no list of activity takes.
func checkActivity(op *operation, start, end time.Time, pageSize int, filters ...charFilter) error {
	for _, filter := range filters {
		if err := checkChars(op, filter.name, filter.value, filter.limit); err != nil {
			return err
		}
	}
	switch {
	case pageSize < 0:
		return refuse(op, "PageSize is negative")
	case !start.IsZero() && !end.IsZero() && end.Before(start):
		return refuse(op, "End is before Start")
	}
	return checkTimes(op, timeFilter{"Start", start}, timeFilter{"End", end})
}

// ListTracking is experimental: it returns the recorded opens and clicks, newest first,
// and is always empty for connected grants. It covers mail of Agent Accounts and
// Transactional sends only. A nil req has no filters. Without a Start the list has only
// the last 7 days.
//
// ListTracking requests a page when the loop reaches it. The sequence yields an error at
// most once, as its last element. [WithResponse] gets the response with the latest page.
//
// https://developer.nylas.com/docs/reference/api/tracking-events/list-tracking-events/
func (s *ActivityService) ListTracking(
	ctx context.Context, req *ListTrackingRequest, opts ...RequestOption,
) iter.Seq2[*TrackingEvent, error] {
	var query listTrackingQuery
	if req != nil {
		query.ListTrackingRequest = *req // what the caller does to it later changes nothing
	}
	return pages[TrackingEvent]{
		client: s.client,
		name:   "list tracking events",
		call:   call{method: http.MethodGet, path: "/v3/activity/tracking", limit: callTimeout},
		check:  query.check,
		query: func(token string) any {
			page := query
			page.PageToken = token
			return page
		},
		opts: opts,
	}.all(ctx)
}

// isNamed also accepts an id of another type, which is in Other.
func (e *TrackingEvent) isNamed() bool { return e.ID != "" || e.Other["id"] != nil }

type listTrackingQuery struct {
	ListTrackingRequest
	PageToken string `url:"page_token,omitempty"`
}

// GetTracking is experimental: it returns one recorded open or click, and finds none of
// connected grants. It covers mail of Agent Accounts and Transactional sends only.
// eventID is 64 hex digits in lower case. An unknown id is [ErrNotFound], and so is one
// of more than 90 days ago.
//
// https://developer.nylas.com/docs/reference/api/tracking-events/
func (s *ActivityService) GetTracking(ctx context.Context, eventID string, opts ...RequestOption) (*TrackingEvent, error) {
	return getEvent[TrackingEvent](ctx, s.client.begin("get tracking event", opts), "/v3/activity/tracking/{event_id}", eventID)
}

// getEvent returns one recorded event of any kind.
func getEvent[T any](ctx context.Context, op *operation, path, eventID string) (*T, error) {
	if len(eventID) != eventIDDigits || strings.Trim(eventID, "0123456789abcdef") != "" {
		return nil, refuse(op, fmt.Sprintf("event_id is not %d hex digits in lower case", eventIDDigits))
	}
	return getActivity[T](ctx, op, path, eventID)
}

// getMessageActivity returns what was recorded of one message.
func getMessageActivity[T any](ctx context.Context, op *operation, path, messageID string) (*T, error) {
	if err := checkChars(op, "message_id", messageID, maxMessageIDChars); err != nil {
		return nil, err
	}
	return getActivity[T](ctx, op, path, messageID)
}

func getActivity[T any](ctx context.Context, op *operation, path, id string) (*T, error) {
	var answer dataAnswer[T]
	if err := op.do(ctx, call{method: http.MethodGet, path: path, ids: []string{id}, limit: callTimeout}, &answer); err != nil {
		return nil, err
	}
	return &answer.Data, nil
}

// MessageTracking is experimental: it sums up the opens and clicks of one message by
// all its recipients, and there is none for connected grants. The message is one of an
// Agent Account or a Transactional send.
//
// https://developer.nylas.com/docs/reference/api/tracking-events/get-message-tracking-events/
type MessageTracking struct {
	MessageID     string // see TrackingEvent.MessageID
	ThreadID      string // empty for a Transactional send
	GrantID       string // empty for a Transactional send
	From          string // the address of the sender
	SendingDomain string

	// Other has the remaining members of the JSON as Nylas wrote them. Nylas says that they
	// are the number of opens, the times of the first and the last open, and the clicks
	// of each link, but does not document their names.
	Other map[string]json.RawMessage
}

// UnmarshalJSON decodes the tracking of a message. A member of an unexpected type goes
// to Other.
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

// MessageTracking is experimental: it returns a summary of the opens and clicks of one
// message, and finds none of connected grants. It covers mail of Agent Accounts and
// Transactional sends of the last 90 days. messageID has at most 512 characters; see
// [TrackingEvent.MessageID]. An unknown id is [ErrNotFound].
//
// https://developer.nylas.com/docs/reference/api/tracking-events/get-message-tracking-events/
func (s *ActivityService) MessageTracking(ctx context.Context, messageID string, opts ...RequestOption) (*MessageTracking, error) {
	return getMessageActivity[MessageTracking](ctx, s.client.begin("get message tracking", opts),
		"/v3/activity/tracking/messages/{message_id}", messageID)
}

// decodeMembers decodes the members of an object for which into has a pointer, and
// returns the others as they are, nil if there are none. It is for answers that Nylas
// does not document in full: a member of an unexpected type is returned with the
// others, so that it neither fails the call nor is lost.
func decodeMembers(data []byte, into map[string]any) (map[string]json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := jsonv2.Unmarshal(data, &members, loose.Options); err != nil {
		return nil, err
	}
	for name, target := range into {
		value, ok := members[name]
		switch {
		case !ok:
		case jsonv2.Unmarshal(value, target, loose.Options) == nil:
			delete(members, name)
		default: // what was read of it before it failed is no value
			reflect.ValueOf(target).Elem().SetZero()
		}
	}
	if len(members) == 0 {
		return nil, nil
	}
	return members, nil
}
