package engagement

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
)

// state is which events of a [Key] are known. It only grows.
//
// Events are known by link and id. If the ids prove to be positions in their window, or
// an element has none, they are known by their contents and how many equal ones there
// are.
type state struct {
	// real: an id above 49 was seen, so ids are no positions. positions: a known id
	// came with other contents, so they are.
	real, positions bool
	// perLink: the same id was seen on two links, so each link counts its own clicks.
	// perMessage: a link skipped an id, so all links count together. With both, the ids
	// are positions.
	perLink, perMessage bool

	links    []sequence // in ascending order of link
	any      spans      // the ids of all links together, if there are several
	contents []tally    // in ascending order of time and hash
	// watermark: what happened until then is known, though its marks or contents are
	// not kept any more.
	watermark int64
}

// tally counts events with equal contents.
type tally struct {
	time  int64
	hash  uint64
	count int64
}

func (t tally) compare(o tally) int {
	return cmp.Or(cmp.Compare(t.time, o.time), cmp.Compare(t.hash, o.hash))
}

// sequence returns the sequence of a link, or adds it.
func (s *state) sequence(link int32) *sequence {
	i, ok := s.find(link)
	if !ok {
		if len(s.links) == 1 {
			s.any = slices.Clone(s.links[0].ids)
		}
		s.links = slices.Insert(s.links, i, sequence{link: link})
	}
	return &s.links[i]
}

func (s *state) find(link int32) (int, bool) {
	return slices.BinarySearchFunc(s.links, link, func(q sequence, link int32) int { return cmp.Compare(q.link, link) })
}

// tally returns how many events with some contents are known.
func (s *state) tally(time int64, hash uint64) *tally {
	t := tally{time: time, hash: hash}
	i, ok := slices.BinarySearchFunc(s.contents, t, tally.compare)
	if !ok {
		s.contents = slices.Insert(s.contents, i, t)
	}
	return &s.contents[i]
}

// byContents gives up the ids: from now on events are known by their contents.
func (s *state) byContents() {
	for _, q := range s.links {
		for _, m := range q.marks {
			s.tally(m.time, m.contents).count++
		}
	}
	s.positions, s.perLink, s.links, s.any = true, false, nil, nil
}

// settle forgets the marks of a message of which no more is expected. Its events are still
// known by their ids, and positions are still recognised by later times.
func (s *state) settle() {
	for i := range s.links {
		for _, m := range s.links[i].marks {
			s.watermark = max(s.watermark, m.time)
		}
		s.links[i].marks = nil
	}
}

// forget drops contents that are not later than a time.
func (s *state) forget(until int64) {
	s.watermark = max(s.watermark, until)
	s.contents = slices.DeleteFunc(s.contents, func(t tally) bool { return t.time != noTime && t.time <= until })
}

// stateVersion is the first byte of an encoded state.
const stateVersion = 1

const (
	flagReal = 1 << iota
	flagPositions
	flagPerLink
	flagPerMessage
	flagWatermark
)

var errState = errors.New("engagement: the state of a record is damaged, or of a later version of this package")

// encode returns the bytes that a Store keeps. Times are written as differences.
func (s *state) encode() []byte {
	flags := byte(flagReal*bit(s.real) | flagPositions*bit(s.positions) | flagPerLink*bit(s.perLink) | flagPerMessage*bit(s.perMessage) |
		flagWatermark*bit(s.watermark != noTime))
	w := writer{bytes: []byte{stateVersion, flags}}
	if s.watermark != noTime {
		w.time(s.watermark)
	}
	w.count(len(s.links))
	for _, q := range s.links {
		w.signed(int64(q.link))
		w.spans(q.ids)
		w.count(len(q.marks))
		id := int64(0)
		for _, m := range q.marks {
			w.unsigned(uint64(m.id-id)<<1 | bit(m.bare))
			id = m.id
			w.time(m.time)
			w.bytes = binary.LittleEndian.AppendUint64(w.bytes, m.contents)
		}
	}
	if len(s.links) > 1 {
		w.spans(s.any)
	}
	w.count(len(s.contents))
	for _, t := range s.contents {
		w.time(t.time)
		w.bytes = binary.LittleEndian.AppendUint64(w.bytes, t.hash)
		w.unsigned(uint64(t.count))
	}
	return slices.Clip(w.bytes)
}

// decodeState is the reverse of encode. No bytes are the state of a key that nothing is
// known of.
func decodeState(encoded []byte) (*state, error) {
	s := &state{watermark: noTime}
	if len(encoded) == 0 {
		return s, nil
	}
	if len(encoded) < 2 || encoded[0] != stateVersion {
		return nil, errState
	}
	flags := encoded[1]
	s.real, s.positions = flags&flagReal != 0, flags&flagPositions != 0
	s.perLink, s.perMessage = flags&flagPerLink != 0, flags&flagPerMessage != 0
	r := reader{bytes: encoded[2:]}
	if flags&flagWatermark != 0 {
		s.watermark = r.time()
	}
	s.links = make([]sequence, r.count())
	for i := range s.links {
		q := &s.links[i]
		q.link = int32(r.signed())
		q.ids = r.spans()
		q.marks = make([]mark, r.count())
		id := int64(0)
		for j := range q.marks {
			step := r.unsigned()
			id += int64(step >> 1)
			q.marks[j] = mark{id: id, bare: step&1 != 0, time: r.time(), contents: r.hash()}
		}
	}
	if len(s.links) > 1 {
		s.any = r.spans()
	}
	s.contents = make([]tally, r.count())
	for i := range s.contents {
		s.contents[i] = tally{time: r.time(), hash: r.hash(), count: int64(r.unsigned())}
	}
	if r.failed || len(r.bytes) > 0 {
		return nil, errState
	}
	return s, nil
}

func bit(set bool) uint64 {
	if set {
		return 1
	}
	return 0
}

// writer appends numbers. A time is written as the difference to the one before it.
type writer struct {
	bytes []byte
	last  int64
}

func (w *writer) unsigned(n uint64) { w.bytes = binary.AppendUvarint(w.bytes, n) }
func (w *writer) signed(n int64)    { w.bytes = binary.AppendVarint(w.bytes, n) }
func (w *writer) count(n int)       { w.unsigned(uint64(n)) }

func (w *writer) time(t int64) {
	w.signed(t - w.last) // may overflow, and then does so again when it is read
	w.last = t
}

func (w *writer) spans(all spans) {
	w.count(len(all))
	next := int64(0)
	for _, sp := range all {
		w.unsigned(uint64(sp.first - next))
		w.unsigned(uint64(sp.last - sp.first))
		w.time(sp.gapAt)
		next = sp.last
	}
}

// reader reads what a writer wrote. After a failure all numbers are 0.
type reader struct {
	bytes  []byte
	last   int64
	failed bool
}

func (r *reader) fail() {
	r.bytes, r.failed = nil, true
}

func (r *reader) unsigned() uint64 {
	n, size := binary.Uvarint(r.bytes)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.bytes = r.bytes[size:]
	return n
}

func (r *reader) signed() int64 {
	n, size := binary.Varint(r.bytes)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.bytes = r.bytes[size:]
	return n
}

// count reads the length of a list, of which each element takes a byte or more.
func (r *reader) count() int {
	n := r.unsigned()
	if n > uint64(len(r.bytes)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) time() int64 {
	r.last += r.signed()
	return r.last
}

func (r *reader) hash() uint64 {
	if len(r.bytes) < 8 {
		r.fail()
		return 0
	}
	h := binary.LittleEndian.Uint64(r.bytes)
	r.bytes = r.bytes[8:]
	return h
}

func (r *reader) spans() spans {
	all := make(spans, r.count())
	next := int64(0)
	for i := range all {
		first := next + int64(r.unsigned())
		all[i] = span{first: first, last: first + int64(r.unsigned()), gapAt: r.time()}
		next = all[i].last
	}
	return all
}
