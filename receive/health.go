package receive

import (
	"encoding/json"
	"net/http"
	"sync/atomic"
	"time"
)

// Health returns a handler for a readiness probe, and for people. It answers 503 if the
// Receiver has no secret because its source of secrets fails: then it can accept no delivery.
// Otherwise it answers 200, also while there is no secret yet, because Nylas must reach the
// Receiver before it makes one. The body is JSON:
//
//	{"status":"ok","secret":true,"last_delivery":"2026-11-29T22:15:04Z",
//	 "last_refusal":"2026-11-29T21:02:57Z","last_refusal_status":401}
//
// secret reports whether the Receiver has one. last_delivery is when the last delivery that was
// answered with 200 arrived, and last_refusal when the last POST did that got another answer;
// anybody can send one. Both are missing until there is one. With 503, status is "unavailable"
// and problem says why.
//
// That Nylas is silent leaves it at 200: to hear of that, watch last_delivery. Do not use it as a
// liveness probe, because a restart does not repair the source of the secrets.
func (r *Receiver) Health() http.Handler { return http.HandlerFunc(r.serveHealth) }

// seen is what a Receiver remembers of the POSTs that it answered.
type seen struct {
	taken   atomic.Int64 // when the last one arrived that was taken, in nanoseconds since 1970; 0 for never
	refused atomic.Pointer[refusal]
}

type refusal struct {
	at     time.Time
	status int
}

func (s *seen) note(status int, start time.Time) {
	if status == http.StatusOK {
		s.taken.Store(start.UnixNano())
		return
	}
	s.refused.Store(&refusal{start, status})
}

// health is the body of an answer.
type health struct {
	Status            string    `json:"status"`
	Problem           string    `json:"problem,omitzero"`
	Secret            bool      `json:"secret"`
	LastDelivery      time.Time `json:"last_delivery,omitzero"`
	LastRefusal       time.Time `json:"last_refusal,omitzero"`
	LastRefusalStatus int       `json:"last_refusal_status,omitzero"`
}

func (r *Receiver) serveHealth(w http.ResponseWriter, _ *http.Request) {
	has, err := r.keys.has()
	answer, status := health{Status: "ok", Secret: has}, http.StatusOK
	if !has && err != nil {
		answer.Status, answer.Problem, status = "unavailable", "the source of secrets fails", http.StatusServiceUnavailable
	}
	if at := r.seen.taken.Load(); at != 0 {
		answer.LastDelivery = time.Unix(0, at).UTC().Truncate(time.Second)
	}
	if last := r.seen.refused.Load(); last != nil {
		answer.LastRefusal, answer.LastRefusalStatus = last.at.UTC().Truncate(time.Second), last.status
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // an error means that nobody listens any more
}
