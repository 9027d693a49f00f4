package inbox

import (
	"cmp"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/nylastrack/nylas-go/internal/undecodable"
	"github.com/nylastrack/nylas-go/receive"
)

// intake is a delivery that is to be stored.
type intake struct {
	delivery *receive.Delivery
	received int64 // unix nanoseconds
	key      string
	fresh    bool  // its id was not known: told by add
	seq      int64 // given by add, if it is fresh
}

// The first byte of an id as it is stored.
const (
	idText = 't'
	idUUID = 'u'
)

// storedID is an id as it is kept: Nylas' ids are UUIDs, which take 16 bytes
// instead of 36. It is not text, because text would end at the first zero byte.
func storedID(id string) []byte {
	if len(id) == 36 {
		if u, err := uuid.Parse(id); err == nil && u.String() == id {
			return append([]byte{idUUID}, u[:]...)
		}
	}
	return append([]byte{idText}, id...)
}

func readID(stored []byte) string {
	if len(stored) == 17 && stored[0] == idUUID {
		return uuid.UUID(stored[1:]).String()
	}
	if len(stored) == 0 {
		return ""
	}
	return string(stored[1:])
}

// add stores what is not known yet, and tells which was.
func (s *store) add(intakes []*intake) error {
	ids := make([][]byte, len(intakes))
	for i, in := range intakes {
		ids[i] = storedID(in.delivery.ID)
	}
	fresh, err := s.addIDs(ids)
	if err != nil {
		return err
	}
	added := s.added
	var waiting, undecodable []int
	for i, in := range intakes {
		if in.fresh = fresh[i]; in.fresh {
			in.seq, added = added[0].seq, added[1:]
		}
		switch {
		case !in.fresh:
		case in.delivery.Err != nil:
			undecodable = append(undecodable, i)
		default:
			waiting = append(waiting, i)
		}
	}
	s.pending += int64(len(waiting))
	s.dead += int64(len(undecodable))
	if _, err := s.db.many(len(waiting), func(n int) string {
		return "INSERT OR ROLLBACK INTO deliveries (seq, id, received, body) VALUES " + times("(?,?,?,?)", n)
	}, func(i int) []any {
		in := intakes[waiting[i]]
		return []any{in.seq, ids[waiting[i]], in.received, stored(in.delivery.Body)}
	}); err != nil {
		return err
	}
	for _, i := range undecodable {
		in := intakes[i]
		if _, err := s.db.exec("INSERT INTO dead (seq, id, received, body, attempts, died, error, reason) VALUES (?,?,?,?,0,?,?,?)",
			in.seq, ids[i], in.received, stored(in.delivery.Body), time.Now().UnixNano(), errorText(in.delivery.Err), reason(in.delivery.Err)); err != nil {
			return err
		}
	}
	return nil
}

// stored is a body as the driver takes it: nil would be NULL.
func stored(body []byte) []byte {
	if body == nil {
		return []byte{}
	}
	return body
}

// verdict is what became of a delivery that was handled.
type verdict struct {
	kind     kind
	entry    *entry
	attempts int
	due      time.Time // of a failure
	text     string    // of a failure or a death
	told     func()    // to be called when it is on the disk; may be nil
}

type kind int

const (
	done kind = iota
	failed
	died
)

// mark writes what became of deliveries.
func (s *store) mark(verdicts []*verdict) error {
	var gone []*verdict // from deliveries
	for _, v := range verdicts {
		seq := v.entry.seq
		switch v.kind {
		case failed:
			if _, err := s.db.exec("INSERT OR REPLACE INTO failures (seq, attempts, due, error) VALUES (?,?,?,?)",
				seq, v.attempts, v.due.UnixNano(), v.text); err != nil {
				return err
			}
			continue
		case died:
			buried, err := s.db.exec(`INSERT INTO dead (seq, id, received, body, attempts, died, error, reason)
				SELECT seq, id, received, body, ?, ?, ?, reason FROM deliveries WHERE seq = ?`, v.attempts, time.Now().UnixNano(), v.text, seq)
			if err != nil {
				return err
			}
			s.dead += buried
		}
		if v.entry.attempts > 0 {
			if _, err := s.db.exec("DELETE FROM failures WHERE seq = ?", seq); err != nil {
				return err
			}
		}
		gone = append(gone, v)
	}
	if s.history > 0 {
		if err := s.keep(gone); err != nil {
			return err
		}
	}
	deleted, err := s.db.many(len(gone), func(n int) string {
		return "DELETE FROM deliveries WHERE seq IN (" + times("?", n) + ")"
	}, func(i int) []any { return []any{gone[i].entry.seq} })
	s.pending -= deleted
	return err
}

// keep copies those that are done to where Replay finds them.
func (s *store) keep(gone []*verdict) error {
	now := time.Now().UnixNano()
	for _, v := range gone {
		if v.kind != done {
			continue
		}
		if _, err := s.db.exec(`INSERT OR REPLACE INTO handled (seq, id, received, body, reason, at)
			SELECT seq, id, received, body, reason, ? FROM deliveries WHERE seq = ?`, now, v.entry.seq); err != nil {
			return err
		}
	}
	return nil
}

// failures reads which deliveries have failed.
func (s *store) failures() (map[int64]failure, error) {
	failures := make(map[int64]failure)
	err := s.db.query(func(values []driver.Value) bool {
		failures[integer(values[0])] = failure{attempts: int(integer(values[1])), due: time.Unix(0, integer(values[2]))}
		return true
	}, "SELECT seq, attempts, due FROM failures")
	return failures, explain(err)
}

// failure is what the file knows of a delivery that failed.
type failure struct {
	attempts int
	due      time.Time
}

// What is read in one step, between two transactions.
const (
	stepRows  = 256
	stepBytes = 4 << 20
)

// load reads the deliveries after a seq. more tells whether there may be others.
func (s *store) load(after int64) (entries []*entry, more bool, err error) {
	size := 0
	err = s.db.query(func(values []driver.Value) bool {
		e := &entry{seq: integer(values[0]), delivery: rebuild(values[1:5])}
		entries = append(entries, e)
		size += len(e.delivery.Body)
		more = size >= stepBytes || len(entries) == stepRows
		return !more
	}, "SELECT seq, id, received, body, reason FROM deliveries WHERE seq > ? ORDER BY seq", after)
	return entries, more, explain(err)
}

// read reads one delivery; it is nil if there is none.
func (s *store) read(seq int64) (d *receive.Delivery, err error) {
	err = s.db.query(func(values []driver.Value) bool {
		d = rebuild(values)
		return false
	}, "SELECT id, received, body, reason FROM deliveries WHERE seq = ?", seq)
	return d, explain(err)
}

// oldest is when the first of those that wait was received.
func (s *store) oldest() (time.Time, error) {
	received, found, err := s.db.number("SELECT received FROM deliveries ORDER BY seq LIMIT 1")
	if err != nil || !found {
		return time.Time{}, explain(err)
	}
	return time.Unix(0, received), nil
}

// lettersAfter reads some dead letters after a seq.
func (s *store) lettersAfter(seq int64) (letters []*DeadLetter, last int64, err error) {
	last = seq
	size := 0
	err = s.db.query(func(values []driver.Value) bool {
		last = integer(values[0])
		letter := &DeadLetter{
			Delivery: rebuild(values[1:5]),
			Attempts: int(integer(values[5])),
			DiedAt:   time.Unix(0, integer(values[6])),
		}
		letter.Err, _ = values[7].(string)
		letters = append(letters, letter)
		size += len(letter.Delivery.Body)
		return size < stepBytes && len(letters) < stepRows
	}, "SELECT seq, id, received, body, reason, attempts, died, error FROM dead WHERE seq > ? ORDER BY seq", seq)
	return letters, last, explain(err)
}

// deadLetter finds the dead letter with an id; its seq is 0 if there is none.
func (s *store) deadLetter(id string) (seq int64, d *receive.Delivery, err error) {
	known, err := s.seqOf(storedID(id))
	if err != nil || known == 0 {
		return 0, nil, explain(err)
	}
	err = s.db.query(func(values []driver.Value) bool {
		seq, d = known, rebuild(values)
		return false
	}, "SELECT id, received, body, reason FROM dead WHERE seq = ?", known)
	return seq, d, explain(err)
}

// revive puts dead letters among those that wait.
func (s *store) revive(entries []*entry) error {
	return s.commit(func() error {
		revived, err := s.putBack("dead", entries)
		if err == nil && revived < int64(len(entries)) {
			err = fmt.Errorf("%w: one was put back or removed meanwhile", ErrNotDead)
		}
		s.dead -= revived
		return err
	})
}

// putBack moves deliveries from a table to those that wait, many rows at a time.
func (s *store) putBack(table string, entries []*entry) (moved int64, err error) {
	seq := func(i int) []any { return []any{entries[i].seq} }
	if moved, err = s.db.many(len(entries), func(n int) string {
		return "INSERT INTO deliveries (seq, id, received, body, reason) SELECT seq, id, received, body, reason FROM " +
			table + " WHERE seq IN (" + times("?", n) + ")"
	}, seq); err != nil {
		return 0, err
	}
	if _, err := s.db.many(len(entries), func(n int) string {
		return "DELETE FROM " + table + " WHERE seq IN (" + times("?", n) + ")"
	}, seq); err != nil {
		return 0, err
	}
	s.pending += moved
	return moved, nil
}

// reason is what the file keeps of why a delivery cannot be decoded; NULL if it is nothing.
func reason(err error) any {
	if name := undecodable.Name(err); name != "" {
		return name
	}
	return nil
}

// rebuild makes a delivery of its id, received, body and reason as they were stored. Its id stays the one under which it
// was taken, whatever today's NewDelivery finds in the body.
func rebuild(columns []driver.Value) *receive.Delivery {
	content, _ := columns[2].([]byte)
	d := receive.NewDelivery(content, "")
	if key, ok := columns[0].([]byte); ok {
		d.ID = readID(key)
	}
	d.ReceivedAt = time.Unix(0, integer(columns[1]))
	// What an earlier version could not decode this one may.
	if name, ok := columns[3].(string); ok && d.Err != nil {
		d.Err = cmp.Or(undecodable.Reason(name), d.Err)
	}
	return d
}

func integer(value driver.Value) int64 {
	n, _ := value.(int64)
	return n
}

// maxErrorBytes bounds the text that is kept of an error.
const maxErrorBytes = 1 << 10

// errorText is what is kept of an error, whatever its method does.
func errorText(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("an error of type %T whose text cannot be had", err)
		}
	}()
	return bounded(err.Error())
}

var errNoID = errors.New("the delivery has no id: make it with receive.NewDelivery")
