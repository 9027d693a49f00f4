package inbox

import (
	"cmp"
	"database/sql/driver"
	"strconv"
	"time"
)

const (
	// epochsPerRetention is into how many steps the retention is cut: what is over it
	// is found at the next one. An hour of seven days.
	epochsPerRetention = 168
	// minSweepInterval keeps a short retention from keeping the disk busy.
	minSweepInterval = 10 * time.Second
	// sweepRows is how many ids are looked at in one step.
	sweepRows = 2000
	// minFreePages is from where on free pages are given back: 4 MiB.
	minFreePages = 4 << 20 / pageBytes
	// vacuumPages is how many are given back in one step: 1 MiB.
	vacuumPages = 1 << 20 / pageBytes
)

func sweepInterval(retention time.Duration) time.Duration {
	return max(retention/epochsPerRetention, minSweepInterval)
}

// sweep removes what is over the retention, in steps between which the writer does
// its work.
type sweep struct {
	cutoff  int64 // unix nanoseconds
	history int64 // the same for what was handled
	floor   int64 // ids up to this seq are over
	after   []byte
	letters bool // dead letters are removed
	handled bool // what was handled is removed
	recent  bool // recent ids are removed
	ids     bool // the others are removed
}

// maxJump is how far the clock may move between two sweeps, in either direction, without a
// doubt.
func maxJump(retention time.Duration) time.Duration { return 2 * sweepInterval(retention) }

// confirmInterval is when the next sweep follows one that doubted the clock. A clock that is
// wrong at the start of a machine is corrected within minutes.
const confirmInterval = 10 * time.Minute

// beginSweep notes the time and finds what is over. If the clock jumped since the last sweep,
// also that of an earlier process, it does nothing: a clock that is wrong for a moment must
// not remove what cannot be had again. A second sweep that agrees with this one goes on.
func (s *store) beginSweep(retention time.Duration) (w *sweep, jumped bool, err error) {
	now := time.Now().Round(0) // the clock of the wall, which can jump
	last := s.swept
	s.swept = now
	if passed := now.Sub(last); !last.IsZero() && (passed < -maxJump(retention) || passed > maxJump(retention)) {
		return nil, true, nil
	}
	w = &sweep{cutoff: now.Add(-retention).UnixNano(), history: now.Add(-s.history).UnixNano(), after: []byte{}}
	err = s.commit(func() error {
		var err error
		if w.floor, _, err = s.db.number("SELECT coalesce(max(seq), 0) FROM epochs WHERE at <= ?", w.cutoff); err != nil {
			return err
		}
		// Those in the future are of a clock that was wrong.
		if _, err := s.db.exec("DELETE FROM epochs WHERE at <= ? OR at > ?", w.cutoff, now.UnixNano()); err != nil {
			return err
		}
		_, err = s.db.exec("INSERT OR REPLACE INTO epochs (at, seq) VALUES (?,?)", now.UnixNano(), s.seq)
		return err
	})
	w.recent, w.ids = w.floor == 0, w.floor == 0
	return w, false, err
}

// readSwept finds when the last sweep was.
func (s *store) readSwept() error {
	at, found, err := s.db.number("SELECT at FROM epochs ORDER BY at DESC LIMIT 1")
	if found {
		s.swept = time.Unix(0, at)
	}
	return explain(err)
}

// step does some of it, and tells whether there is more, and how many dead letters
// it removed.
func (w *sweep) step(s *store) (more bool, letters int64, err error) {
	switch {
	case !w.letters:
		err = s.commit(func() error {
			letters, err = s.db.exec("DELETE FROM dead WHERE seq IN (SELECT seq FROM dead WHERE died <= ? LIMIT ?)", w.cutoff, stepRows)
			s.dead -= letters
			return err
		})
		w.letters = letters < stepRows
		return true, letters, err
	case !w.handled:
		var gone int64
		err = s.commit(func() error {
			gone, err = s.db.exec("DELETE FROM handled WHERE seq IN (SELECT seq FROM handled WHERE at <= ? LIMIT ?)", w.history, stepRows)
			return err
		})
		w.handled = gone < stepRows
		return true, 0, err
	case !w.recent:
		w.recent = true
		return true, 0, s.expireRecent(w.floor)
	case !w.ids:
		return true, 0, w.forget(s)
	default:
		more, err = s.shrink()
		return more, 0, err
	}
}

// forget removes those of the next ids that are over and have nothing that waits.
func (w *sweep) forget(s *store) error {
	var over [][]byte
	seen := 0
	if err := s.db.query(func(values []driver.Value) bool {
		seen++
		w.after, _ = values[0].([]byte)
		if integer(values[2]) == 1 {
			over = append(over, w.after)
		}
		return true
	}, "SELECT id, seq, seq <= ? AND "+nothingWaits("ids")+" FROM ids WHERE id > ? ORDER BY id LIMIT ?", w.floor, w.after, sweepRows); err != nil {
		return explain(err)
	}
	w.ids = seen < sweepRows
	if len(over) == 0 {
		return nil
	}
	return s.commit(func() error {
		forgotten, err := s.db.many(len(over), func(n int) string {
			return "DELETE FROM ids WHERE id IN (" + times("?", n) + ")"
		}, func(i int) []any { return []any{over[i]} })
		s.known -= forgotten
		return err
	})
}

// shrink gives some free pages back to the file system if a quarter of the file is
// free.
func (s *store) shrink() (more bool, err error) {
	free, _, err := s.db.number("PRAGMA freelist_count")
	if err != nil {
		return false, explain(err)
	}
	pages, _, err := s.db.number("PRAGMA page_count")
	if err != nil {
		return false, explain(err)
	}
	if free < minFreePages || free < pages/4 {
		return false, nil
	}
	if err := s.untouched(); err != nil {
		return false, err
	}
	err = explain(s.db.script("PRAGMA incremental_vacuum(" + strconv.Itoa(vacuumPages) + ")"))
	return true, cmp.Or(err, s.written())
}
