package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
)

// event is one open, click or reply.
type event struct {
	Kind      string            `json:"kind"`
	MessageID string            `json:"message_id"`
	Label     map[string]string `json:"label,omitempty"`
	Time      time.Time         `json:"time"`
	IP        string            `json:"ip,omitempty"`
	UserAgent string            `json:"user_agent,omitempty"`
	URL       string            `json:"url,omitempty"`
	ReplyID   string            `json:"reply_id,omitempty"`
}

// history keeps the events and shows them as JSON. It is where your database stands.
type history struct {
	mu     sync.Mutex
	events []event
}

func (h *history) add(e event, label string) {
	e.Label, _ = nylas.DecodeLabel(label)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
}

func (h *history) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(append([]event{}, h.events...)) // an error means that the reader is gone
}

// dispatcher says what to do with each kind of event. If a function returns an error, the
// inbox calls it again, later each time; receive.Permanent marks an error that a retry cannot
// fix. A delivery that cannot be decoded is kept as a dead letter.
func dispatcher(h *history, logger *slog.Logger) *receive.Dispatcher {
	log := func(e event) {
		logger.Info("event", slog.String("kind", e.Kind), slog.String("message", e.MessageID))
	}
	return &receive.Dispatcher{
		MessageOpened: func(_ context.Context, _ *events.Notification, opened *events.MessageOpened) error {
			latest, _ := opened.Latest()
			e := event{Kind: "open", MessageID: opened.MessageID, Time: latest.Timestamp.Time, IP: latest.IP, UserAgent: latest.UserAgent}
			h.add(e, opened.Label)
			log(e)
			return nil
		},
		MessageLinkClicked: func(_ context.Context, _ *events.Notification, clicked *events.MessageLinkClicked) error {
			latest, _ := clicked.Latest()
			link, _ := clicked.Link(latest)
			e := event{
				Kind: "click", MessageID: clicked.MessageID, Time: latest.Timestamp.Time, IP: latest.IP, UserAgent: latest.UserAgent,
				URL: link.URL,
			}
			h.add(e, clicked.Label)
			log(e)
			return nil
		},
		ThreadReplied: func(_ context.Context, _ *events.Notification, replied *events.ThreadReplied) error {
			e := event{Kind: "reply", MessageID: replied.RootMessageID, Time: replied.Timestamp.Time, ReplyID: replied.MessageID}
			h.add(e, replied.Label)
			log(e)
			return nil
		},
		Other: func(_ context.Context, n *events.Notification) error {
			logger.Info("other", slog.String("type", string(n.Type)))
			return nil
		},
	}
}
