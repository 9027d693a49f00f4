//go:build unix

package comparison_test

import (
	"bytes"
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"sync"
)

// This file is a receiver as a careful developer writes it with the standard library and
// Nylas' pages: the published fields, and numbers that some pages print as strings.

const maxByHand = 10 << 20

type envelope struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	Data struct {
		Object json.RawMessage `json:"object"`
	} `json:"data"`
}

type openedObject struct {
	MessageID string `json:"message_id"`
	Label     string `json:"label"`
	Recents   []struct {
		OpenedID  json.Number `json:"opened_id"`
		Timestamp int64       `json:"timestamp"`
		IP        string      `json:"ip"`
		UserAgent string      `json:"user_agent"`
	} `json:"recents"`
}

type clickedObject struct {
	MessageID string `json:"message_id"`
	Label     string `json:"label"`
	LinkData  []struct {
		URL   string `json:"url"`
		Count int    `json:"count"`
	} `json:"link_data"`
	Recents []struct {
		ClickID   json.Number `json:"click_id"`
		LinkIndex json.Number `json:"link_index"`
		Timestamp int64       `json:"timestamp"`
		IP        string      `json:"ip"`
		UserAgent string      `json:"user_agent"`
	} `json:"recents"`
}

type repliedObject struct {
	MessageID     string `json:"message_id"`
	RootMessageID string `json:"root_message_id"`
	ThreadID      string `json:"thread_id"`
	Label         string `json:"label"`
	Timestamp     int64  `json:"timestamp"`
}

type legacyObject struct {
	Deltas []struct {
		ObjectData struct {
			Metadata struct {
				MessageID        string `json:"message_id"`
				ReplyToMessageID string `json:"reply_to_message_id"`
				Payload          string `json:"payload"`
				Timestamp        int64  `json:"timestamp"`
				Recents          []struct {
					ID        json.Number `json:"id"`
					LinkIndex json.Number `json:"link_index"`
					Timestamp int64       `json:"timestamp"`
				} `json:"recents"`
			} `json:"metadata"`
		} `json:"object_data"`
	} `json:"deltas"`
}

// byHandEvent is an event with what tells it from others.
type byHandEvent struct {
	event
	key string
}

type byHand struct {
	secret  []byte
	journal *journal
	mu      sync.Mutex
	handled map[string]bool // ids of notifications
	known   map[string]bool // events
}

func serveByHand(string) (http.Handler, func() error, error) {
	h := &byHand{secret: []byte(webhookSecret), journal: newJournal(), handled: map[string]bool{}, known: map[string]bool{}}
	mux := http.NewServeMux()
	mux.Handle("GET /report", h.journal)
	mux.HandleFunc("GET /{$}", h.challenge)
	mux.HandleFunc("POST /{$}", h.receive)
	return mux, nil, nil
}

func (h *byHand) challenge(w http.ResponseWriter, r *http.Request) {
	challenge := r.URL.Query().Get("challenge")
	if challenge == "" {
		http.Error(w, "no challenge", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, challenge)
}

func (h *byHand) receive(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxByHand))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	mac := hmac.New(sha256.New, h.secret)
	mac.Write(raw)
	signature, err := hex.DecodeString(r.Header.Get("X-Nylas-Signature"))
	if err != nil || !hmac.Equal(signature, mac.Sum(nil)) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	body := raw
	if r.Header.Get("Content-Encoding") == "gzip" {
		if body, err = inflate(raw); err != nil {
			log.Printf("unreadable notification: %v", err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
	}
	var n envelope
	if err := json.Unmarshal(body, &n); err != nil {
		log.Printf("unreadable notification: %v", err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	events, err := n.events()
	if err != nil {
		log.Printf("unreadable notification: %v", err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if err := h.save(n.ID, events); err != nil {
		log.Printf("not saved: %v", err)
		w.WriteHeader(http.StatusServiceUnavailable) // Nylas tries again
	}
}

func (h *byHand) save(id string, events []byHandEvent) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.handled[id] {
		return nil
	}
	for _, e := range events {
		if h.known[e.key] {
			continue
		}
		if err := h.journal.save(e.event); err != nil {
			return err
		}
		h.known[e.key] = true
	}
	h.handled[id] = true
	return nil
}

// events returns the events of a notification. Each notification repeats earlier ones.
func (n *envelope) events() (events []byHandEvent, err error) {
	add := func(kind, message, label string, at int64, key ...any) {
		events = append(events, byHandEvent{event{kind, message, label, at}, fmt.Sprint(kind, " ", message, " ", fmt.Sprintln(key...))})
	}
	switch n.Type {
	case "message.opened":
		var o openedObject
		err = json.Unmarshal(n.Data.Object, &o)
		for _, r := range o.Recents {
			add("open", o.MessageID, o.Label, r.Timestamp, r.OpenedID)
		}
	case "message.link_clicked":
		var o clickedObject
		err = json.Unmarshal(n.Data.Object, &o)
		for _, r := range o.Recents {
			add("click", o.MessageID, o.Label, r.Timestamp, r.LinkIndex, r.ClickID)
		}
	case "thread.replied":
		var o repliedObject
		err = json.Unmarshal(n.Data.Object, &o)
		add("reply", o.RootMessageID, o.Label, o.Timestamp, o.MessageID)
	case "message.opened.legacy", "message.link_clicked.legacy", "thread.replied.legacy":
		var o legacyObject
		err = json.Unmarshal(n.Data.Object, &o)
		for _, d := range o.Deltas {
			m := d.ObjectData.Metadata
			switch n.Type {
			case "thread.replied.legacy":
				add("reply", m.ReplyToMessageID, m.Payload, m.Timestamp, m.MessageID)
			case "message.opened.legacy":
				for _, r := range m.Recents {
					add("open", m.MessageID, m.Payload, r.Timestamp, r.ID)
				}
			default:
				for _, r := range m.Recents {
					add("click", m.MessageID, m.Payload, r.Timestamp, r.LinkIndex, r.ID)
				}
			}
		}
	}
	return events, err
}

func inflate(zipped []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(reader, maxByHand+1))
	if err == nil && len(body) > maxByHand {
		err = errors.New("it inflates to too much")
	}
	return body, err
}
