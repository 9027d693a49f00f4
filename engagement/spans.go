package engagement

import (
	"cmp"
	"slices"
)

// span is a range of known ids. gapAt is when the gap below it was noticed, in seconds
// since 1970: when the first event above it came.
type span struct{ first, last, gapAt int64 }

// spans are the known ids of a sequence, in ascending order and never adjacent.
type spans []span

// find returns the index of the span that has an id, or of the first one above it.
func (s spans) find(id int64) (i int, known bool) {
	if len(s) == 1 && s[0].first <= id && id <= s[0].last {
		return 0, true // as a rule nothing is missing
	}
	return slices.BinarySearchFunc(s, id, func(sp span, id int64) int {
		switch {
		case sp.last < id:
			return -1
		case sp.first > id:
			return 1
		}
		return 0
	})
}

// add adds an id that came at a time, and reports whether it is new. The parts of a gap
// that it splits keep the time at which the gap was noticed.
func (s *spans) add(id, now int64) bool {
	i, known := s.find(id)
	if known {
		return false
	}
	at := now
	if i < len(*s) {
		at = (*s)[i].gapAt
	}
	below := i > 0 && (*s)[i-1].last == id-1
	above := i < len(*s) && (*s)[i].first == id+1
	switch {
	case below && above:
		(*s)[i-1].last = (*s)[i].last
		*s = slices.Delete(*s, i, i+1)
	case below:
		(*s)[i-1].last = id
	case above:
		(*s)[i].first = id
	default:
		*s = slices.Insert(*s, i, span{id, id, at})
	}
	return true
}

// gaps calls f with each range below the highest id that is not known.
func (s spans) gaps(f func(first, last, at int64)) {
	next := int64(0)
	for _, sp := range s {
		if sp.first > next {
			f(next, sp.first-1, sp.gapAt)
		}
		next = sp.last + 1
	}
}

// mark is what is kept of an event whose id may still prove to be a position.
type mark struct {
	id, time int64
	contents uint64
	bare     bool // it came without an address or without an agent
}

// sequence is what is known of the ids of one link, or of all opens.
type sequence struct {
	link  int32
	ids   spans
	marks []mark // in ascending order of id
}

func (q *sequence) addMark(m mark) {
	i, _ := slices.BinarySearchFunc(q.marks, m.id, func(m mark, id int64) int { return cmp.Compare(m.id, id) })
	q.marks = slices.Insert(q.marks, i, m)
}
