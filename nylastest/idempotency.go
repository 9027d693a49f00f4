package nylastest

import (
	"context"
	"crypto/sha256"
	"maps"
	"net/http"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	// maxIdempotencyKey is the longest Idempotency-Key in characters.
	// https://developer.nylas.com/docs/v3/email/idempotent-send/
	maxIdempotencyKey = 256
	// idempotencyTTL is how long a key is remembered, from the first request on; a
	// later one does not extend it. Same page.
	idempotencyTTL = time.Hour
)

// idempotency remembers the outcome of executions by grant and key: the whole
// answer, whether success or error.
type idempotency struct {
	mu      sync.Mutex
	entries map[idempotencyKey]*idempotencyEntry
}

type idempotencyKey struct{ grant, key string }

type idempotencyEntry struct {
	payload [sha256.Size]byte
	expires time.Time
	outcome *response // nil while the first request runs
}

// sendOnce executes run, which sends from a grant or domain, unless its key is known.
func (s *Server) sendOnce(c *call, owner string, run func(key string) *response) *response {
	key := c.Header.Get("Idempotency-Key")
	readings := s.config.readings
	execute := func() *response {
		return c.fault.execute(s.tasks.ctx, func() *response {
			if readings.StopDisconnectedSend && c.Context().Err() != nil {
				return disconnected()
			}
			return run(key)
		})
	}
	if readings.KeepDisconnectedKey {
		return s.idempotency.do(context.WithoutCancel(c.Context()), idempotencyKey{owner, key}, c.body, execute)
	}
	return s.idempotency.do(c.Context(), idempotencyKey{owner, key}, c.body, execute)
}

// disconnected is the answer of a send that was stopped because its client had gone. It is
// not an outcome: nobody gets it, and it is not remembered.
func disconnected() *response { return &response{status: statusDisconnected} }

// statusDisconnected is of no answer of Nylas. Gateways log it for such a request.
const statusDisconnected = 499

// do executes run, or answers from memory. Payloads are the same if their bytes
// are: Nylas' pages do not say how it compares them, and an SDK that repeats must
// repeat the bytes. If ctx ends while run runs, the key is forgotten.
func (i *idempotency) do(ctx context.Context, key idempotencyKey, body []byte, run func() *response) *response {
	if key.key == "" {
		return run()
	}
	if utf8.RuneCountInString(key.key) > maxIdempotencyKey {
		return errorResponse(http.StatusBadRequest, typeInvalidKey, "Idempotency-Key must be 256 characters or fewer.")
	}
	payload := sha256.Sum256(body)
	now := time.Now()

	i.mu.Lock()
	maps.DeleteFunc(i.entries, func(_ idempotencyKey, e *idempotencyEntry) bool {
		return e.outcome != nil && !now.Before(e.expires)
	})
	entry, known := i.entries[key]
	if !known {
		entry = &idempotencyEntry{payload: payload, expires: now.Add(idempotencyTTL)}
		i.entries[key] = entry
	}
	outcome := entry.outcome
	i.mu.Unlock()

	switch {
	case !known:
		forget := context.AfterFunc(ctx, func() { i.forget(key, entry) })
		defer func() {
			forget()
			if outcome == nil || outcome.forget { // nil: run panicked
				i.forget(key, entry)
			}
		}()
		outcome = run()
		if outcome.status != statusDisconnected && !outcome.forget {
			i.settle(entry, outcome)
		}
		return outcome
	case entry.payload != payload:
		return errorResponse(http.StatusConflict, typeKeyConflict, "The Idempotency-Key was already used with a different request.")
	case outcome == nil:
		return errorResponse(http.StatusConflict, typeKeyConcurrent, "A request with this Idempotency-Key is still in progress.")
	default:
		return outcome.replayed()
	}
}

func (i *idempotency) settle(entry *idempotencyEntry, outcome *response) {
	i.mu.Lock()
	defer i.mu.Unlock()
	entry.outcome = outcome
}

// forget takes back a key whose request has no outcome yet.
func (i *idempotency) forget(key idempotencyKey, entry *idempotencyEntry) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if entry.outcome == nil && i.entries[key] == entry {
		delete(i.entries, key)
	}
}

// replayed returns the answer with the header that marks it as repeated.
func (r *response) replayed() *response {
	header := r.header.Clone()
	if header == nil {
		header = make(http.Header)
	}
	header.Set("Idempotent-Response", "true")
	return &response{status: r.status, header: header, body: r.body}
}
