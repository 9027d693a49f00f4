package nylastest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// The endpoints of send events.
const (
	EndpointListSends       Endpoint = "GET /v3/activity/send"
	EndpointGetSend         Endpoint = "GET /v3/activity/send/{event}"
	EndpointMessageDelivery Endpoint = "GET /v3/activity/send/messages/{message}"
)

// The kinds of send events, and the classes of bounces.
//
// https://developer.nylas.com/docs/reference/api/send-events/
const (
	sendAccepted  = "accepted"
	sendDelivered = "delivered"
	sendBounced   = "bounced"
	sendComplaint = "complaint"
	sendRejected  = "rejected"

	bounceHard         = "hard"
	bounceSoft         = "soft"
	bounceUndetermined = "undetermined"
)

// bounceClasses are the classes of Nylas' bounce types; others are undetermined.
var bounceClasses = map[string]string{"General": bounceHard, defaultBounceType: bounceHard, "MailboxFull": bounceSoft}

// sendEvent is what happened to a message for one recipient.
type sendEvent struct {
	id, kind, recipient string
	message             Message
	at                  time.Time
	bounceType, code    string
}

// sendLog has all send events, oldest first.
type sendLog struct {
	ids    *ids
	mu     sync.Mutex
	events []sendEvent
}

func (l *sendLog) add(kind string, m *Message, recipient events.Address, bounceType, code string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, sendEvent{
		l.ids.activityID("send", m.ID, kind, string(recipient)), kind, string(recipient), m.clone(), time.Now(), bounceType, code,
	})
	l.events = latest(l.events)
}

// recent returns the events that the API has, newest first.
func (l *sendLog) recent() []sendEvent {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest := time.Now().Add(-activityDays * day)
	found := slices.DeleteFunc(slices.Clone(l.events), func(e sendEvent) bool { return e.at.Before(oldest) })
	slices.Reverse(found)
	return found
}

func (e *sendEvent) bounceClass() string {
	if e.kind != sendBounced {
		return ""
	}
	if class, ok := bounceClasses[e.bounceType]; ok {
		return class
	}
	return bounceUndetermined
}

// sendEventAnswer is an event as the endpoints describe it. The names from and recipient are
// those of the filters: the page does not show them.
type sendEventAnswer struct {
	ID            string            `json:"id"`
	EventType     string            `json:"event_type"`
	BounceClass   string            `json:"bounce_class,omitzero"`
	Timestamp     int64             `json:"timestamp"`
	ApplicationID string            `json:"application_id"`
	GrantID       string            `json:"grant_id"`
	MessageID     string            `json:"message_id"`
	ThreadID      string            `json:"thread_id"`
	From          string            `json:"from"`
	Recipient     string            `json:"recipient"`
	Reason        string            `json:"reason"`
	Detail        map[string]string `json:"detail"`
}

func (s *Server) sendEventAnswer(e *sendEvent) sendEventAnswer {
	m := &e.message
	a := sendEventAnswer{
		ID: e.id, EventType: e.kind, BounceClass: e.bounceClass(), Timestamp: e.at.Unix(), ApplicationID: s.applicationID,
		GrantID: m.GrantID, MessageID: m.activityID(), ThreadID: m.activityThread(), From: m.From.Email, Recipient: e.recipient,
		Detail: map[string]string{},
	}
	switch e.kind {
	case sendBounced:
		a.Reason, a.Detail["bounce_subtype"] = e.bounceType, e.bounceType
		if e.code != "" {
			a.Detail["diagnostic_code"] = e.code
		}
	case sendComplaint:
		a.Reason = e.bounceType
	case sendDelivered:
		a.Reason = "250 OK"
	}
	return a
}

// activitySpan reads what both lists of activity have in common.
func activitySpan(query url.Values) (start, end, limit int64, refusal *response) {
	now := time.Now()
	if start, refusal = number(query, "start", now.Add(-activityWindow).Unix(), 0, maxUnix); refusal != nil {
		return 0, 0, 0, refusal
	}
	if end, refusal = number(query, "end", now.Unix(), 0, maxUnix); refusal != nil {
		return 0, 0, 0, refusal
	}
	limit, refusal = number(query, "limit", defaultPage, 1, maxPage)
	return start, end, limit, refusal
}

// activityPage answers with one page of events. A token names the last event of a page: new
// events do not shift the next one.
func activityPage[E, A any](query url.Values, limit int64, found []E, id func(*E) string, answer func(*E) A) *response {
	if token := query.Get("page_token"); token != "" {
		last := slices.IndexFunc(found, func(e E) bool { return id(&e) == token })
		if last < 0 {
			return badRequest("page_token is not valid")
		}
		found = found[last+1:]
	}
	members := map[string]any{}
	if int64(len(found)) > limit {
		found = found[:limit]
		members["next_cursor"] = id(&found[limit-1])
	}
	page := make([]A, len(found)) // never nil: answers have []
	for i := range found {
		page[i] = answer(&found[i])
	}
	members["data"] = page
	return jsonResponse(http.StatusOK, members)
}

// activityEventID reads the id of an event in a path.
func activityEventID(c *call) (string, *response) {
	id := c.PathValue("event")
	if len(id) != hex.EncodedLen(sha256.Size) || strings.Trim(id, "0123456789abcdef") != "" {
		return "", badRequest("event_id must match ^[0-9a-f]{64}$")
	}
	return id, nil
}

// activityNotFound is the answer to an event or a message that the history does not have.
func activityNotFound() *response {
	return errorResponse(http.StatusNotFound, typeNotFound, "requested object not found")
}

// serveListSends lists send events, newest first, 7 days back unless asked for more.
//
// https://developer.nylas.com/docs/reference/api/send-events/list-send-events/
func (s *Server) serveListSends(c *call) *response {
	kinds, query, refusal := c.queryRepeated("event_type", "bounce_class", "recipient", "recipient_domain", "sending_domain", "from",
		"grant_id", "message_id", "thread_id", "start", "end", "limit", "page_token")
	if refusal != nil {
		return refusal
	}
	for _, kind := range kinds {
		if !slices.Contains([]string{sendAccepted, sendDelivered, sendBounced, sendComplaint, sendRejected}, kind) {
			return badRequest("event_type must be accepted, delivered, bounced, complaint or rejected; repeat the parameter for more than one")
		}
	}
	if class := query.Get("bounce_class"); class != "" && !slices.Contains([]string{bounceHard, bounceSoft, bounceUndetermined}, class) {
		return badRequest("bounce_class must be hard, soft or undetermined")
	}
	if refusal := limitChars(query, map[string]int{
		"recipient": maxFilterAddress, "recipient_domain": maxFilterDomain, "sending_domain": maxFilterDomain, "from": maxFilterAddress,
		"grant_id": maxFilterGrant, "message_id": maxActivityMessage,
	}); refusal != nil {
		return refusal
	}
	start, end, limit, refusal := activitySpan(query)
	if refusal != nil {
		return refusal
	}
	found := slices.DeleteFunc(s.sends.recent(), func(e sendEvent) bool {
		a := s.sendEventAnswer(&e)
		return len(kinds) > 0 && !slices.Contains(kinds, e.kind) || a.Timestamp < start || a.Timestamp > end ||
			!matches(query, "bounce_class", a.BounceClass) || !matches(query, "recipient", a.Recipient) ||
			!matches(query, "recipient_domain", domainOf(a.Recipient)) || !matches(query, "sending_domain", e.message.sendingDomain()) ||
			!matches(query, "from", a.From) || !matches(query, "grant_id", a.GrantID) ||
			!matches(query, "message_id", a.MessageID) || !matches(query, "thread_id", a.ThreadID)
	})
	return activityPage(query, limit, found, func(e *sendEvent) string { return e.id }, s.sendEventAnswer)
}

// serveGetSend returns one event.
//
// https://developer.nylas.com/docs/reference/api/send-events/get-send-event/
func (s *Server) serveGetSend(c *call) *response {
	id, refusal := activityEventID(c)
	if refusal != nil {
		return refusal
	}
	for _, e := range s.sends.recent() {
		if e.id == id {
			return dataResponse(s.sendEventAnswer(&e))
		}
	}
	return activityNotFound()
}

// recipientEvents are the events of one recipient. The names are the emulator's own.
type recipientEvents struct {
	Recipient string            `json:"recipient"`
	Events    []sendEventAnswer `json:"events"`
}

// serveMessageDelivery returns what became of a message of the last 90 days, for each of its
// recipients, oldest first.
//
// https://developer.nylas.com/docs/reference/api/send-events/get-message-send-events/
func (s *Server) serveMessageDelivery(c *call) *response {
	id := c.PathValue("message")
	if refusal := limitChars(url.Values{"message_id": {id}}, map[string]int{"message_id": maxActivityMessage}); refusal != nil {
		return refusal
	}
	var recipients []recipientEvents
	var message map[string]string
	for _, e := range slices.Backward(s.sends.recent()) {
		if e.message.activityID() != id {
			continue
		}
		a := s.sendEventAnswer(&e)
		message = map[string]string{
			"message_id": a.MessageID, "thread_id": a.ThreadID, "grant_id": a.GrantID, "application_id": a.ApplicationID, "from": a.From,
		}
		i := slices.IndexFunc(recipients, func(r recipientEvents) bool { return r.Recipient == a.Recipient })
		if i < 0 {
			i = len(recipients)
			recipients = append(recipients, recipientEvents{Recipient: a.Recipient})
		}
		recipients[i].Events = append(recipients[i].Events, a)
	}
	if message == nil {
		return activityNotFound()
	}
	return dataResponse(map[string]any{"message": message, "recipients": recipients})
}
