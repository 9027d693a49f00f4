package nylastest

import (
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

// do executes run, or answers from memory. Payloads are the same if their bytes
// are: Nylas' pages do not say how it compares them, and an SDK that repeats must
// repeat the bytes.
func (i *idempotency) do(key idempotencyKey, body []byte, run func() *response) *response {
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
		defer func() {
			i.mu.Lock()
			defer i.mu.Unlock()
			entry.outcome = outcome
			if outcome == nil || outcome.forget { // nil: run panicked
				delete(i.entries, key)
			}
		}()
		outcome = run()
		return outcome
	case entry.payload != payload:
		return errorResponse(http.StatusConflict, typeKeyConflict, "The Idempotency-Key was already used with a different request.")
	case outcome == nil:
		return errorResponse(http.StatusConflict, typeKeyConcurrent, "A request with this Idempotency-Key is still in progress.")
	default:
		return outcome.replayed()
	}
}

// replayed returns the answer with the header that tells that it is not the first.
func (r *response) replayed() *response {
	header := r.header.Clone()
	if header == nil {
		header = make(http.Header)
	}
	header.Set("Idempotent-Response", "true")
	return &response{status: r.status, header: header, body: r.body}
}
