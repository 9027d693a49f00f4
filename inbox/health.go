package inbox

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	sqlite3 "modernc.org/sqlite/lib"
)

const (
	// healthTimeout is below the second after which Kubernetes gives a probe up by default.
	// https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/
	healthTimeout = 800 * time.Millisecond
	// trialInterval is how long Health relies on the last write before it makes one of its own:
	// whoever reaches it must not be able to keep the disk busy.
	trialInterval = time.Second
	// trialBytes is what a write of Health takes, and gives back: a full disk can still have room
	// for less. Most notifications have 1 to 9 kB.
	trialBytes = 64 << 10
)

// Health returns a handler for a readiness probe, and for people. It answers 200 if the Inbox
// can store deliveries, and 503 if not. Unless it has just stored some, it finds that out by
// writing to the file, at most once in a second. The body is JSON:
//
//	{"status":"ok","handling":true,"pending":3,"running":1,"workers":8,"retrying":0,"dead":0,
//	 "oldest_seconds":4.2,"bytes":69632}
//
// handling reports whether [Inbox.Run] runs, and workers is that of [WithWorkers].
// oldest_seconds is the age of the oldest pending delivery. The others are those of [Stats].
// With 503, status is "unavailable" and problem says why; the rest may be missing. The body has
// no id, no path and no text of an error: those are in the log.
//
// Handlers that fail, handlers that hang and dead letters leave it at 200, because what comes in
// is safe all the same: watch the numbers. Do not use it as a liveness probe. After a restart a
// full disk is still full.
func (b *Inbox) Health() http.Handler { return http.HandlerFunc(b.serveHealth) }

// health is the body of an answer.
type health struct {
	Status   string `json:"status"`
	Problem  string `json:"problem,omitzero"`
	Handling bool   `json:"handling"`
	*healthStats
}

type healthStats struct {
	Pending  int64   `json:"pending"`
	Running  int64   `json:"running"`
	Workers  int     `json:"workers"`
	Retrying int64   `json:"retrying"`
	Dead     int64   `json:"dead"`
	Oldest   float64 `json:"oldest_seconds"`
	Bytes    int64   `json:"bytes"`
}

func (b *Inbox) serveHealth(w http.ResponseWriter, req *http.Request) {
	ctx, cancel := context.WithTimeout(req.Context(), healthTimeout)
	defer cancel()
	b.running.mu.Lock()
	answer, status := health{Status: "ok", Handling: b.running.done != nil}, http.StatusOK
	b.running.mu.Unlock()
	_, err := ask(ctx, &b.queue, func(s *store) (struct{}, error) { return struct{}{}, b.tryToStore(s) })
	if err != nil {
		answer.Status, answer.Problem, status = "unavailable", problem(err), http.StatusServiceUnavailable
	}
	if stats, err := b.Stats(ctx); err == nil {
		answer.healthStats = &healthStats{
			Pending: stats.Pending, Running: stats.Running, Workers: b.config.workers, Retrying: stats.Retrying,
			Dead: stats.Dead, Bytes: stats.Bytes,
		}
		if !stats.Oldest.IsZero() {
			answer.Oldest = max(0, time.Since(stats.Oldest)).Seconds()
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // an error means that nobody listens any more
}

// tryToStore returns what became of the last write. If that was too long ago, it makes one that
// needs the room of a large delivery, and gives it back. Only the writer calls it.
func (b *Inbox) tryToStore(s *store) error {
	if s.db.damage != nil {
		return s.db.damage
	}
	if age := time.Since(b.written.at); age >= 0 && age < trialInterval {
		return b.written.err
	}
	err := b.commitTo(s, func() error {
		// It is made here, and not by Open, so that files need no new version.
		if _, err := s.db.exec("CREATE TABLE IF NOT EXISTS trial (one INTEGER PRIMARY KEY, content BLOB NOT NULL)"); err != nil {
			return err
		}
		_, err := s.db.exec("INSERT OR REPLACE INTO trial VALUES (1, zeroblob(?))", trialBytes)
		return err
	})
	if err == nil {
		err = b.commitTo(s, func() error {
			_, err := s.db.exec("DELETE FROM trial")
			return err
		})
	}
	if err != nil {
		b.storeFailed(err)
	}
	return err
}

// problem names an error without its text, which can have the path of the file.
func problem(err error) string {
	switch {
	case errors.Is(err, ErrClosed):
		return "the inbox is closed"
	case errors.Is(err, ErrCorrupt):
		return "the file is damaged"
	case errors.Is(err, errMoved):
		return "the file was removed or replaced"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return "the disk, or a hook, takes too long"
	case code(err) == sqlite3.SQLITE_FULL:
		return "the disk is full"
	}
	return "the file cannot be written"
}
