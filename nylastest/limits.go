package nylastest

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// The limits of the emulator, so that no client makes its process grow without bound. Nylas
// has none of these.
const (
	// maxStored is how many bytes of requests are kept: of messages, drafts, webhooks and
	// whatever else lives until the server is closed. What is deleted still counts.
	maxStored = 1 << 30
	// storedRequest is what the smallest request counts for, because an id and a remembered
	// answer take memory, too.
	storedRequest = 1 << 10
	// maxLog is how many bytes the log of deliveries has, that of requests, and that of
	// notifications. The oldest entries are forgotten.
	maxLog = 128 << 20
	// loggedEntry is what an entry of a log counts for besides its texts.
	loggedEntry = 256
	// maxEvents is how many opens and clicks the tracking history has, and how many send
	// events. The oldest are forgotten.
	maxEvents = 20_000
	// maxDue is how many notifications may wait for their webhooks. Further ones are given
	// up.
	maxDue = 10_000
	// maxUserAgent is how many bytes of a User-Agent are kept. Anybody may load a pixel, without
	// a key, and each notification repeats the agents of 50 loads.
	maxUserAgent = 1 << 10
	// maxMIMEDepth is how deep the parts of a message in MIME form are read.
	maxMIMEDepth = 50
)

var errTooManyDue = errors.New("given up: too many notifications wait for their webhooks")

// giveUp records that a notification is not delivered because too many others are due.
func (c *courier) giveUp(n *events.Notification, targets []destination) {
	for _, target := range targets {
		c.record(DeliveryAttempt{
			WebhookID: target.id, NotificationID: n.ID, Type: n.Type, Attempt: 1, StartedAt: time.Now(), Err: errTooManyDue, about: n.Tracked(),
		})
	}
}

// stored counts what requests leave behind.
type stored struct {
	mu    sync.Mutex
	bytes int64
}

// full returns the refusal of a request that might leave something behind, or nil.
func (s *stored) full(r *http.Request) *response {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !leavesSomething(r) || s.bytes < maxStored {
		return nil
	}
	return errorResponse(http.StatusInsufficientStorage, "api.internal_error",
		fmt.Sprintf("the emulator keeps at most %d MiB of requests: start a new one", maxStored>>20))
}

// add counts a request that was executed.
func (s *stored) add(r *http.Request, body []byte, answer *response) {
	if !leavesSomething(r) {
		return
	}
	size := int64(storedRequest)
	if answer.status < http.StatusBadRequest {
		size += int64(len(body))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes += size
}

func leavesSomething(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodDelete
}

// journal is a log that forgets its oldest entries when it becomes too big.
type journal[T any] struct {
	entries []T
	size    func(*T) int // of the texts of an entry, in bytes
	bytes   int
	// forgotten is told of each entry that is forgotten; nil if nobody wants to know.
	forgotten func(*T)
}

func (j *journal[T]) add(entry T) {
	j.entries = append(j.entries, entry)
	j.bytes += loggedEntry + j.size(&entry)
	first := 0
	for j.bytes > maxLog && first < len(j.entries)-1 {
		j.bytes -= loggedEntry + j.size(&j.entries[first])
		if j.forgotten != nil {
			j.forgotten(&j.entries[first])
		}
		first++
	}
	clear(j.entries[:first]) // or the array behind the slice would keep their texts
	j.entries = j.entries[first:]
}

// latest drops the oldest of too many events.
func latest[T any](events []T) []T {
	if len(events) <= maxEvents {
		return events
	}
	clear(events[:1])
	return events[1:]
}
