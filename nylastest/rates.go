package nylastest

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

// How many requests Nylas takes within a second. For tracking history and metrics
// it names no limit.
//
// https://developer.nylas.com/docs/dev-guide/platform/rate-limits/
const (
	maxGrantRate       = 200 // of a grant, its sends as JSON apart from all others
	maxMultipartRate   = 10  // sends of a grant as multipart
	maxApplicationRate = 50  // on webhooks, channels and grants themselves
	rateWindow         = time.Second
)

// WithRateLimits makes the server refuse more requests within a second than Nylas
// takes: for a grant 200 sends as JSON, 10 as multipart and 200 others, for the
// application 50 on webhooks, channels and grants themselves. A transactional send counts for its
// domain. What is too much is answered 429 and neither done nor remembered under an
// Idempotency-Key. Nylas does not say where a second begins; here it is any second,
// so what passes here passes there.
//
// It is off by default because a test is faster than a program: it sends in a loop,
// and inside a testing/synctest bubble all that happens at one and the same time.
//
// https://developer.nylas.com/docs/dev-guide/platform/rate-limits/
func WithRateLimits() Option {
	return optionFunc(func(c *config) error {
		c.rateLimits = true
		return nil
	})
}

// rates counts the requests of the last second. Nil counts nothing.
type rates struct {
	mu   sync.Mutex
	last map[string]*rateRing
}

// rateRing holds the times of the latest requests that were taken, as many as are
// allowed within a second, in a ring.
type rateRing struct {
	times []time.Time
	next  int
}

// take reports whether a request may pass, and counts it if so.
func (r *rates) take(owner string, limit int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.last[owner]
	if w == nil {
		w = &rateRing{times: make([]time.Time, limit)}
		r.last[owner] = w
	}
	now := time.Now()
	if oldest := w.times[w.next]; !oldest.IsZero() && now.Sub(oldest) < rateWindow {
		return false
	}
	w.times[w.next] = now
	w.next = (w.next + 1) % limit
	return true
}

// limited returns the refusal of a request that is one too many, or nil.
func (s *Server) limited(e Endpoint, r *http.Request) *response {
	if s.rates == nil {
		return nil
	}
	_, path, _ := strings.Cut(string(e), " ")
	var owner string
	limit := maxGrantRate
	switch {
	case strings.HasPrefix(path, "/v3/webhooks"), strings.HasPrefix(path, "/v3/channels/"), e == EndpointListGrants, e == EndpointGetGrant, e == EndpointDeleteGrant:
		owner, limit = "application", maxApplicationRate
	case strings.HasPrefix(path, "/v3/grants/"):
		name := r.PathValue("grant")
		if grant, ok := s.grants.find(name); ok {
			name = grant.id
		}
		owner = "grant " + name
	case strings.HasPrefix(path, "/v3/domains/"):
		owner = "domain " + normalHostname(r.PathValue("domain"))
	default:
		return nil
	}
	if isSend := e == EndpointSend || e == EndpointSendTransactional || e == EndpointSendDraft; isSend {
		owner += " sends"
		if isMultipart(r.Header.Get("Content-Type")) {
			owner, limit = owner+" multipart", maxMultipartRate
		}
	}
	if s.rates.take(owner, limit) {
		return nil
	}
	return errorResponse(http.StatusTooManyRequests, typeRateLimited, "Too many requests, please try again shortly.")
}
