package inbox

import (
	"cmp"
	"database/sql/driver"
	"slices"
)

const (
	// recentIDs is how many ids gather before they move into the table of all ids. Ids
	// come in no order, so that each of them changes another page of that table; many
	// at a time, sorted, share pages. As they come, they fill one page after the other.
	recentIDs = 16 << 10
	// moveRows is how many of them move in one step.
	moveRows = 1024
)

// knownIDs are the ids of what was accepted within the retention: the recent ones
// in memory and in the table recent, all others in the table ids. None is in both.
type knownIDs struct {
	recent map[string]int64 // as they are stored, with their seqs
	older  bool             // the table ids is not empty
	added  []recentID       // by the transaction that runs
	moving []recentID       // those that move, in the order of ids
}

type recentID struct {
	id  []byte
	seq int64
}

func (s *store) readRecent() error {
	s.recent = make(map[string]int64)
	if err := s.db.query(func(values []driver.Value) bool {
		id, _ := values[1].([]byte)
		s.recent[string(id)] = integer(values[0])
		return true
	}, "SELECT seq, id FROM recent"); err != nil {
		return explain(err)
	}
	older, _, err := s.db.number("SELECT EXISTS (SELECT 1 FROM ids)")
	s.older = older == 1
	return explain(err)
}

// seqOf is the seq of an id; 0 if it is not known.
func (s *store) seqOf(id []byte) (int64, error) {
	if seq := s.recent[string(id)]; seq != 0 {
		return seq, nil
	}
	seq, _, err := s.db.number("SELECT seq FROM ids WHERE id = ?", id)
	return seq, err
}

// addIDs makes the ids known, and tells which of them were not before. The seqs of
// those are taken from the totals, in order.
func (s *store) addIDs(ids [][]byte) (fresh []bool, err error) {
	fresh = make([]bool, len(ids))
	mine := make(map[string]bool, len(ids))
	for i, id := range ids {
		fresh[i] = s.recent[string(id)] == 0 && !mine[string(id)]
		mine[string(id)] = true
	}
	if s.older {
		if err := s.findOlder(ids, fresh); err != nil {
			return nil, err
		}
	}
	s.added = make([]recentID, 0, len(ids))
	for i, id := range ids {
		if fresh[i] {
			s.seq++
			s.added = append(s.added, recentID{id, s.seq})
		}
	}
	s.known += int64(len(s.added))
	_, err = s.db.many(len(s.added), func(n int) string {
		return "INSERT OR ROLLBACK INTO recent (seq, id) VALUES " + times("(?,?)", n)
	}, func(i int) []any { return []any{s.added[i].seq, s.added[i].id} })
	return fresh, err
}

// findOlder marks those of the ids that are in the table ids as not fresh.
func (s *store) findOlder(ids [][]byte, fresh []bool) error {
	const atOnce = 64
	for at := 0; at < len(ids); at += atOnce {
		args := make([]any, atOnce)
		for i := range args {
			args[i] = ids[min(at+i, len(ids)-1)] // always as many, for one statement
		}
		if err := s.db.query(func(values []driver.Value) bool {
			found, _ := values[0].([]byte)
			for i := at; i < min(at+atOnce, len(ids)); i++ {
				if string(ids[i]) == string(found) {
					fresh[i] = false
				}
			}
			return true
		}, "SELECT id FROM ids WHERE id IN ("+times("?", atOnce)+")", args...); err != nil {
			return err
		}
	}
	return nil
}

// committed is told that the transaction is on the disk.
func (k *knownIDs) committed() {
	for _, added := range k.added {
		k.recent[string(added.id)] = added.seq
	}
	k.added = nil
}

// moveIDs moves some recent ids into the table of all, if there are many. more
// tells whether there are others to be moved now.
func (s *store) moveIDs() (more bool, err error) {
	if len(s.moving) == 0 {
		if len(s.recent) < recentIDs {
			return false, nil
		}
		for id, seq := range s.recent {
			s.moving = append(s.moving, recentID{[]byte(id), seq})
		}
		slices.SortFunc(s.moving, func(a, b recentID) int { return cmp.Compare(string(a.id), string(b.id)) })
	}
	some := s.moving[:min(moveRows, len(s.moving))]
	err = s.commit(func() error {
		if _, err := s.db.many(len(some), func(n int) string {
			return "INSERT OR ROLLBACK INTO ids (id, seq) VALUES " + times("(?,?)", n)
		}, func(i int) []any { return []any{some[i].id, some[i].seq} }); err != nil {
			return err
		}
		return s.deleteRecent(some)
	})
	if err != nil {
		return false, err
	}
	s.older = true
	s.forgetRecent(some)
	if s.moving = s.moving[len(some):]; len(s.moving) == 0 {
		s.moving = nil
	}
	return len(s.moving) > 0, nil
}

func (s *store) deleteRecent(some []recentID) error {
	bySeq := slices.SortedFunc(slices.Values(some), func(a, b recentID) int { return cmp.Compare(a.seq, b.seq) })
	_, err := s.db.many(len(bySeq), func(n int) string {
		return "DELETE FROM recent WHERE seq IN (" + times("?", n) + ")"
	}, func(i int) []any { return []any{bySeq[i].seq} })
	return err
}

func (s *store) forgetRecent(some []recentID) {
	for _, r := range some {
		delete(s.recent, string(r.id))
	}
}

// expireRecent removes recent ids up to a seq that have nothing that waits.
func (s *store) expireRecent(floor int64) error {
	var over []recentID
	if err := s.db.query(func(values []driver.Value) bool {
		id, _ := values[1].([]byte)
		over = append(over, recentID{id, integer(values[0])})
		return true
	}, "SELECT seq, id FROM recent WHERE seq <= ? AND "+nothingWaits("recent"), floor); err != nil {
		return explain(err)
	}
	if len(over) == 0 {
		return nil
	}
	err := s.commit(func() error {
		s.known -= int64(len(over))
		return s.deleteRecent(over)
	})
	if err == nil {
		s.forgetRecent(over)
	}
	return err
}

// nothingWaits is the condition that what a row of the table belongs to is done
// and its body is gone.
func nothingWaits(table string) string {
	return "NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.seq = " + table + ".seq) " +
		"AND NOT EXISTS (SELECT 1 FROM dead d WHERE d.seq = " + table + ".seq) " +
		"AND NOT EXISTS (SELECT 1 FROM handled h WHERE h.seq = " + table + ".seq)"
}
