package nylastest

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// The endpoints of the tracking history.
const (
	EndpointListTracking    Endpoint = "GET /v3/activity/tracking"
	EndpointGetTracking     Endpoint = "GET /v3/activity/tracking/{event}"
	EndpointMessageTracking Endpoint = "GET /v3/activity/tracking/messages/{message}"
)

// AddAgentAccount is AddGrant for an Agent Account, a mailbox that Nylas hosts.
// Only its mail and that of Transactional sends is in the tracking history and in
// the metrics.
func (s *Server) AddAgentAccount(name, email string) (grantID string) {
	return s.addGrant(grant{name: name, email: email, agent: true})
}

// The limits of the tracking history.
// https://developer.nylas.com/docs/reference/api/tracking-events/list-tracking-events/
const (
	activityDays       = 90 // how long events and messages are found
	activityWindow     = 7 * 24 * time.Hour
	maxFilterLabel     = 2048 // characters, like the next ones
	maxFilterDomain    = 255
	maxFilterAddress   = 320
	maxFilterGrant     = 36
	maxActivityMessage = 512
	// The page of the list could not be read. These are those of Nylas' other lists.
	defaultPage = 50
	maxPage     = 200
)

const day = 24 * time.Hour

// activityKind is the event_type of an event.
type activityKind string

const (
	activityOpened  activityKind = "opened"
	activityClicked activityKind = "link_clicked"
)

// activityEvent is one open or one click.
type activityEvent struct {
	id      string
	kind    activityKind
	message Message
	visit   visit
}

// activityLog has all opens and clicks, whatever the grant, oldest first: other
// than recents it does not forget.
type activityLog struct {
	ids    *ids
	mu     sync.Mutex
	events []activityEvent
}

func (l *activityLog) add(kind activityKind, m Message, v visit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, activityEvent{l.ids.activityID("activity", m.ID, string(kind)), kind, m, v})
	l.events = latest(l.events)
}

// all returns the events, newest first.
func (l *activityLog) all() []activityEvent {
	l.mu.Lock()
	defer l.mu.Unlock()
	events := slices.Clone(l.events)
	slices.Reverse(events)
	slices.SortStableFunc(events, func(a, b activityEvent) int { return b.visit.at.Compare(a.visit.at) })
	return events
}

// covers reports whether history and metrics have a message: those of connected
// grants they do not. A Transactional send has no grant.
func (s *Server) covers(m *Message) bool {
	if m.GrantID == "" {
		return true
	}
	return s.grants.isAgent(m.GrantID)
}

// history returns the events that the API has, newest first.
func (s *Server) history() []activityEvent {
	oldest := time.Now().Add(-activityDays * day)
	return slices.DeleteFunc(s.activity.all(), func(e activityEvent) bool {
		return !s.covers(&e.message) || e.visit.at.Before(oldest)
	})
}

// sendingDomain is what stands behind the @ of the sender.
func (m *Message) sendingDomain() string { return domainOf(m.From.Email) }

func domainOf(address string) string {
	return strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
}

// activityID is how the history names a message: for a Transactional send by its
// Message-ID header.
func (m *Message) activityID() string {
	if m.GrantID == "" {
		return "<" + m.ID + "@" + m.sendingDomain() + ">"
	}
	return m.ID
}

// activityThread is empty for a Transactional send.
func (m *Message) activityThread() string {
	if m.GrantID == "" {
		return ""
	}
	return m.ThreadID
}

// activityAnswer is an event as the endpoints describe it. What follows the label
// could not be read; those names are the emulator's own.
type activityAnswer struct {
	ID            string       `json:"id"`
	EventType     activityKind `json:"event_type"`
	Timestamp     int64        `json:"timestamp"`
	ApplicationID string       `json:"application_id"`
	GrantID       string       `json:"grant_id"`
	MessageID     string       `json:"message_id"`
	ThreadID      string       `json:"thread_id"`
	From          string       `json:"from"`
	SendingDomain string       `json:"sending_domain"`
	Label         string       `json:"label"`

	LinkURL   string `json:"link_url,omitzero"`
	LinkIndex *int   `json:"link_index,omitzero"`
}

func (s *Server) activityAnswer(e *activityEvent) activityAnswer {
	m := &e.message
	answer := activityAnswer{
		ID: e.id, EventType: e.kind, Timestamp: e.visit.at.Unix(), ApplicationID: s.applicationID,
		GrantID: m.GrantID, MessageID: m.activityID(), ThreadID: m.activityThread(),
		From: m.From.Email, SendingDomain: m.sendingDomain(), Label: m.Tracking.Label,
	}
	if e.kind == activityClicked {
		answer.LinkURL, answer.LinkIndex = m.Links[e.visit.link].URL, &e.visit.link
	}
	return answer
}

// queryRepeated is query with one parameter that may be there several times.
func (c *call) queryRepeated(repeated string, known ...string) (values []string, query url.Values, refusal *response) {
	all, err := url.ParseQuery(c.URL.RawQuery)
	if err != nil {
		return nil, nil, badRequest("error parsing query")
	}
	values = all[repeated]
	all.Del(repeated)
	rest := *c
	rest.Request = c.Clone(c.Context())
	rest.URL.RawQuery = all.Encode()
	query, refusal = rest.query(known...)
	return values, query, refusal
}

// limitChars refuses parameters that are too long.
func limitChars(query url.Values, limits map[string]int) *response {
	for name, limit := range limits {
		if utf8.RuneCountInString(query.Get(name)) > limit {
			return badRequest(fmt.Sprintf("%s must have at most %d characters", name, limit))
		}
	}
	return nil
}

// number reads an integer parameter, or returns fallback without one.
func number(query url.Values, name string, fallback, least, most int64) (int64, *response) {
	if !query.Has(name) {
		return fallback, nil
	}
	n, err := strconv.ParseInt(query.Get(name), 10, 64)
	if err != nil || n < least || n > most {
		return 0, badRequest(fmt.Sprintf("%s must be an integer from %d to %d", name, least, most))
	}
	return n, nil
}

// maxUnix is the last second of the year 9999.
const maxUnix = 253402300799

// serveListTracking lists events, newest first, 7 days back unless asked for more.
//
// https://developer.nylas.com/docs/reference/api/tracking-events/list-tracking-events/
func (s *Server) serveListTracking(c *call) *response {
	kinds, query, refusal := c.queryRepeated("event_type", "label", "sending_domain", "from", "grant_id", "message_id", "thread_id",
		"start", "end", "limit", "page_token")
	if refusal != nil {
		return refusal
	}
	for _, kind := range kinds {
		if kind != string(activityOpened) && kind != string(activityClicked) {
			return badRequest("event_type must be opened or link_clicked; repeat the parameter for both")
		}
	}
	if refusal := limitChars(query, map[string]int{
		"label": maxFilterLabel, "sending_domain": maxFilterDomain, "from": maxFilterAddress, "grant_id": maxFilterGrant,
		"message_id": maxActivityMessage,
	}); refusal != nil {
		return refusal
	}
	start, end, limit, refusal := activitySpan(query)
	if refusal != nil {
		return refusal
	}
	found := slices.DeleteFunc(s.history(), func(e activityEvent) bool {
		answer := s.activityAnswer(&e)
		return len(kinds) > 0 && !slices.Contains(kinds, string(e.kind)) ||
			answer.Timestamp < start || answer.Timestamp > end ||
			!matches(query, "label", answer.Label) || !matches(query, "sending_domain", answer.SendingDomain) ||
			!matches(query, "from", answer.From) || !matches(query, "grant_id", answer.GrantID) ||
			!matches(query, "message_id", answer.MessageID) || !matches(query, "thread_id", answer.ThreadID)
	})
	return activityPage(query, limit, found, func(e *activityEvent) string { return e.id }, s.activityAnswer)
}

// matches applies a filter, which matches exactly.
func matches(query url.Values, name, value string) bool {
	return query.Get(name) == "" || query.Get(name) == value
}

// serveGetTracking returns one event.
//
// https://developer.nylas.com/docs/reference/api/tracking-events/
func (s *Server) serveGetTracking(c *call) *response {
	id, refusal := activityEventID(c)
	if refusal != nil {
		return refusal
	}
	history := s.history()
	i := slices.IndexFunc(history, func(e activityEvent) bool { return e.id == id })
	if i < 0 {
		return activityNotFound()
	}
	return dataResponse(s.activityAnswer(&history[i]))
}

// messageActivity is the history of one message. What follows the domain could
// not be read; those names are the emulator's own.
type messageActivity struct {
	MessageID     string `json:"message_id"`
	ThreadID      string `json:"thread_id"`
	GrantID       string `json:"grant_id"`
	From          string `json:"from"`
	SendingDomain string `json:"sending_domain"`

	Opens         int          `json:"opens"`
	FirstOpenedAt *int64       `json:"first_opened_at"`
	LastOpenedAt  *int64       `json:"last_opened_at"`
	Links         []linkClicks `json:"links"`
}

type linkClicks struct {
	URL    string `json:"url"`
	Clicks int    `json:"clicks"`
}

// serveMessageTracking returns the history of a message of the last 90 days.
//
// https://developer.nylas.com/docs/reference/api/tracking-events/get-message-tracking-events/
func (s *Server) serveMessageTracking(c *call) *response {
	id := c.PathValue("message")
	if utf8.RuneCountInString(id) > maxActivityMessage {
		return badRequest(fmt.Sprintf("message_id must have at most %d characters", maxActivityMessage))
	}
	messages := s.mailbox.all()
	i := slices.IndexFunc(messages, func(m Message) bool { return s.covers(&m) && m.activityID() == id })
	if i < 0 || messages[i].SentAt.Before(time.Now().Add(-activityDays*day)) {
		return activityNotFound()
	}
	m := &messages[i]
	answer := messageActivity{
		MessageID: id, ThreadID: m.activityThread(), GrantID: m.GrantID, From: m.From.Email, SendingDomain: m.sendingDomain(),
		Links: make([]linkClicks, len(m.Links)),
	}
	for i, link := range m.Links {
		answer.Links[i].URL = link.URL
	}
	for _, e := range slices.Backward(s.history()) { // oldest first
		if e.message.ID != m.ID {
			continue
		}
		if e.kind == activityClicked {
			answer.Links[e.visit.link].Clicks++
			continue
		}
		at := e.visit.at.Unix()
		if answer.Opens == 0 {
			answer.FirstOpenedAt = &at
		}
		answer.Opens++
		answer.LastOpenedAt = &at
	}
	return dataResponse(answer)
}
