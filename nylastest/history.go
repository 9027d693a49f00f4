package nylastest

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Request is a request that the server answered. Bodies, queries and headers are not kept.
type Request struct {
	At        time.Time
	Method    string
	Path      string
	Status    int    // 0 if the connection was cut before an answer
	RequestID string // of the answer, if it has one
}

// Event is an open, a click or a reply that the server saw.
type Event struct {
	At        time.Time // what the event says of itself: see Recipient.WithTime
	Kind      string    // "open", "click" or "reply"
	MessageID string    // that was opened, clicked in or replied to
	LinkIndex int       // of a click, else -1
	ReplyID   string    // of a reply, the message that replied
}

// History is what happened to a server. Each list is in the order of time.
type History struct {
	Seed       uint64 // for WithSeed
	Requests   []Request
	Messages   []Message
	Events     []Event
	Deliveries []DeliveryAttempt
}

// History returns what happened so far. The logs of requests, events and deliveries forget
// their oldest entries once they have 128 MiB each.
func (s *Server) History() History {
	h := History{Seed: s.Seed(), Messages: s.Messages(), Deliveries: s.Deliveries()}
	h.Requests, h.Events = s.record.read()
	return h
}

// String returns the history as lines of text in the order of time, each with the seconds
// since the first one. It has no bodies, and neither the API key nor a secret.
func (h History) String() string {
	type line struct {
		at   time.Time
		text string
	}
	var lines []line
	say := func(at time.Time, format string, args ...any) {
		lines = append(lines, line{at, fmt.Sprintf(format, args...)})
	}
	for _, r := range h.Requests {
		say(r.At, "request  %s %s: %s", r.Method, r.Path, statusText(r.Status))
	}
	for _, m := range h.Messages {
		say(m.SentAt, "sent     message %s to %s, label %q%s", m.ID, counted(len(m.recipients()), "recipient"), m.Tracking.Label, m.Tracking.kinds())
	}
	for _, e := range h.Events {
		switch e.Kind {
		case kindClick:
			say(e.At, "click    link_index %d of message %s", e.LinkIndex, e.MessageID)
		case kindReply:
			say(e.At, "reply    %s to message %s", e.ReplyID, e.MessageID)
		default:
			say(e.At, "%-8s message %s", e.Kind, e.MessageID)
		}
	}
	for _, d := range h.Deliveries {
		say(d.StartedAt, "delivery %s", d)
	}
	slices.SortStableFunc(lines, func(a, b line) int { return a.at.Compare(b.at) })
	var out strings.Builder
	fmt.Fprintf(&out, "history of the emulator with WithSeed(%d):\n", h.Seed)
	if len(lines) == 0 {
		out.WriteString("nothing happened\n")
	}
	for _, l := range lines {
		fmt.Fprintf(&out, "%12.3fs  %s\n", l.at.Sub(lines[0].at).Seconds(), l.text)
	}
	return out.String()
}

// counted is a number of things, such as "1 recipient". Their plural has an s.
func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprint(n, " ", thing)
}

// kinds says what is tracked.
func (t *Tracking) kinds() string {
	text := ""
	for _, kind := range []struct {
		is   bool
		name string
	}{{t.Opens, ", opens"}, {t.Links, ", links"}, {t.ThreadReplies, ", replies"}} {
		if kind.is {
			text += kind.name
		}
	}
	return cmp.Or(text, ", not tracked")
}

func statusText(status int) string {
	if status == 0 {
		return "connection cut"
	}
	return strings.TrimSpace(fmt.Sprint(status, " ", http.StatusText(status)))
}

// String describes the attempt in one line, without the body.
func (d DeliveryAttempt) String() string {
	result := statusText(d.Status)
	if d.Status == 0 {
		result = "no answer"
		if d.Err != nil {
			result = d.Err.Error()
		}
	}
	text := fmt.Sprintf("of %s %s to webhook %s, attempt %d: %s", d.Type, d.NotificationID, cmp.Or(d.WebhookID, "of a test event"), d.Attempt, result)
	if d.Fault != "" {
		text += " [fault: " + d.Fault + "]"
	}
	return text
}

// record is the log of what clients and recipients did.
type record struct {
	apiKey string

	mu       sync.Mutex
	requests journal[Request]
	events   journal[Event]
}

func newRecord(apiKey string) *record {
	return &record{
		apiKey:   apiKey,
		requests: journal[Request]{size: func(r *Request) int { return len(r.Method) + len(r.Path) }},
		events:   journal[Event]{size: func(*Event) int { return 0 }},
	}
}

func (r *record) read() ([]Request, []Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests.entries), slices.Clone(r.events.entries)
}

// happened records an open, a click or a reply.
func (r *record) happened(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events.add(e)
}

// serve records what next answers to a request.
func (r *record) serve(next http.HandlerFunc, w http.ResponseWriter, request *http.Request) {
	answered := &answerRecorder{ResponseWriter: w}
	entry := Request{At: time.Now(), Method: request.Method, Path: request.URL.Path}
	if strings.Contains(entry.Path, r.apiKey) { // by a mistake of the client
		entry.Path = strings.ReplaceAll(entry.Path, r.apiKey, "{API key}")
	}
	defer func() { // next panics when it cuts the connection
		entry.Status, entry.RequestID = answered.status, w.Header().Get("X-Request-Id")
		r.mu.Lock()
		defer r.mu.Unlock()
		r.requests.add(entry)
	}()
	next(answered, request)
}

// answerRecorder keeps the status of an answer.
type answerRecorder struct {
	http.ResponseWriter
	status int
}

func (a *answerRecorder) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController find what it flushes.
func (a *answerRecorder) Unwrap() http.ResponseWriter { return a.ResponseWriter }
