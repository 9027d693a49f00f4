package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/receive"
)

// message is what one message came to.
type message struct {
	MessageID string            `json:"message_id"`
	Label     map[string]string `json:"label,omitempty"`
	State     engagement.State  `json:"state"`
	Why       string            `json:"why"`
	Events    []event           `json:"events"`
}

// event is one open, click or reply, with who was probably behind it.
type event struct {
	Kind       engagement.Kind       `json:"kind"`
	Time       time.Time             `json:"time"`
	URL        string                `json:"url,omitempty"`
	ReplyID    string                `json:"reply_id,omitempty"`
	Actor      engagement.Actor      `json:"actor"`
	Confidence engagement.Confidence `json:"confidence"`
	Mechanism  engagement.Mechanism  `json:"mechanism"`
	Why        string                `json:"why"`
}

// history keeps the events of each message and judges them when somebody asks: by then, more
// of them are known. It is where your database stands.
type history struct {
	store      *engagement.MemoryStore
	classifier *engagement.Classifier

	mu       sync.Mutex
	messages []engagement.Sent // those that have events, in the order of the first one
}

func newHistory() (*history, error) {
	classifier, err := engagement.NewClassifier()
	return &history{store: engagement.NewMemoryStore(engagement.WithEvents()), classifier: classifier}, err
}

// handler returns what is to be done with each delivery. It logs each event, once. If the
// function returns an error, the inbox calls it again, later each time; receive.Permanent marks
// an error that a retry cannot fix. A delivery that cannot be decoded is kept as a dead letter.
func (h *history) handler(logger *slog.Logger) (receive.Handler, error) {
	ledger := engagement.NewLedger(h.store)
	return engagement.NewHandler(ledger, h.classifier, func(_ context.Context, e engagement.Event, v engagement.Verdict) error {
		logger.Info("event", slog.String("kind", string(e.Kind)), slog.String("message", e.MessageID), slog.String("verdict", v.String()))
		h.mu.Lock()
		defer h.mu.Unlock()
		if !slices.ContainsFunc(h.messages, func(m engagement.Sent) bool { return m.MessageID == e.MessageID }) {
			h.messages = append(h.messages, engagement.Sent{GrantID: e.GrantID, MessageID: e.MessageID, Label: e.Label})
		}
		return nil
	})
}

func (h *history) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	known := slices.Clone(h.messages)
	h.mu.Unlock()
	all := make([]message, 0, len(known))
	for _, m := range known {
		shown, err := h.message(r.Context(), m)
		if err != nil {
			http.Error(w, "the events cannot be read", http.StatusInternalServerError)
			return
		}
		all = append(all, shown)
	}
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(all) // an error means that the reader is gone
}

// message judges the events of a message.
func (h *history) message(ctx context.Context, known engagement.Sent) (message, error) {
	events, err := h.store.Events(ctx, known.GrantID, known.MessageID)
	if err != nil {
		return message{}, err
	}
	sent, ok, err := h.store.Sent(ctx, known.GrantID, known.MessageID)
	if err != nil {
		return message{}, err
	}
	if !ok {
		sent = known // another program sent it
	}
	summary := h.classifier.Message(sent, events)
	shown := message{MessageID: known.MessageID, State: summary.State, Why: engagement.Sentences(summary.Reasons)}
	shown.Label, _ = nylas.DecodeLabel(known.Label)
	for i, e := range events {
		v := summary.Verdicts[i]
		url, _ := sent.URL(e)
		shown.Events = append(shown.Events, event{
			Kind: e.Kind, Time: e.Time, URL: url, ReplyID: e.ReplyID,
			Actor: v.Actor, Confidence: v.Confidence, Mechanism: v.Mechanism, Why: engagement.Sentences(v.Reasons),
		})
	}
	return shown, nil
}
