package engagement

import "slices"

// lastPosition is the highest position in a window: Nylas repeats the last 50 events. A
// higher id is no position. https://developer.nylas.com/docs/v3/email/message-tracking/
const lastPosition = 49

// contentsKept is for how long before the last event the contents of events are kept, in
// seconds: 60 days. Whatever happened earlier counts as known. Ids are kept for ever.
const contentsKept = 60 * 24 * 60 * 60

// addition is what a window adds to a state.
type addition struct {
	fresh     []fresh
	changed   bool // the state is another one
	ambiguous bool
}

// fresh is a new event: an element and, if it is known by its contents, how many equal
// ones came before it.
type fresh struct {
	element    *element
	byContents bool
	equal      int64
}

// add adds the events of a window to the state.
func (s *state) add(w *window, now int64) addition {
	var a addition
	top := highest(w)
	switch {
	case s.positions:
		a.ambiguous = top > lastPosition
	case s.real:
	case top > lastPosition:
		s.real, a.changed = true, true
		for i := range s.links {
			s.links[i].marks = nil
		}
	case s.contradicts(w):
		s.byContents()
		a.changed = true
	case !s.perMessage && w.skips():
		s.perMessage, a.changed = true, true
	}
	byContents := false
	for i := range w.elements {
		e := &w.elements[i]
		if s.positions || e.noID {
			byContents = true
		} else if s.addID(w, e, now) {
			a.fresh = append(a.fresh, fresh{element: e})
		}
	}
	if byContents {
		s.addContents(w, &a, now)
	}
	a.changed = a.changed || len(a.fresh) > 0
	return a
}

func highest(w *window) int64 {
	top := int64(-1)
	for i := range w.elements {
		if e := &w.elements[i]; !e.noID {
			top = max(top, e.id)
		}
	}
	return top
}

// addID adds an element by its link and id, and reports whether it is new.
func (s *state) addID(w *window, e *element, now int64) bool {
	if i, ok := s.find(e.link); ok {
		if _, known := s.links[i].ids.find(e.id); known {
			return false
		}
	}
	q := s.sequence(e.link)
	q.ids.add(e.id, now)
	if !s.real {
		q.addMark(mark{id: e.id, time: e.time, contents: w.contents(e), bare: e.bare()})
	}
	if len(s.links) > 1 && !s.any.add(e.id, now) {
		s.perLink = true
	}
	return true
}

// bare reports that Nylas left something out.
func (e *element) bare() bool { return e.ip == "" || e.agent == "" }

// contradicts reports whether a window shows that ids are positions: a known id stands
// for another event now. The agent or the address of an event can be cut or left out
// later, so one such change proves nothing. It is proof if the time differs, if an event
// stands at another id than before, if most of the known events changed, or if clicks can
// be counted neither by link nor by message.
func (s *state) contradicts(w *window) bool {
	var moved, others []uint64 // the contents of known events that are not at their ids; what stands at such ids, or at new ones
	recognised, altered := 0, 0
	collides := s.perLink
	// A window of positions begins with 0 and has no holes. Among clicks on several links
	// there can be holes for another reason.
	whole := w.startsAtZero() && !w.incomplete && (len(w.elements) <= lastPosition || w.elements[0].link == w.elements[len(w.elements)-1].link)
	for elements := range w.byLink() {
		var q sequence
		if i, ok := s.find(elements[0].link); ok {
			q = s.links[i]
		}
		marks := q.marks
		for i := range elements {
			e := &elements[i]
			if e.noID {
				continue
			}
			for ; len(marks) > 0 && marks[0].id < e.id; marks = marks[1:] {
				if whole {
					moved = append(moved, marks[0].contents)
				}
			}
			if len(marks) == 0 || marks[0].id != e.id {
				if _, settled := q.ids.find(e.id); !settled {
					others = append(others, w.contents(e))
					collides = collides || s.elsewhere(e)
				} else if e.time != noTime && e.time > s.watermark {
					return true
				}
				continue
			}
			stored := marks[0]
			marks = marks[1:]
			recognised++
			contents := w.contents(e)
			if contents == stored.contents {
				continue
			}
			if e.time != stored.time && e.time != noTime && stored.time != noTime {
				return true
			}
			others = append(others, contents)
			if !e.bare() && !stored.bare { // something was left out otherwise
				altered++
				moved = append(moved, stored.contents)
			}
		}
	}
	if recognised > 1 && altered*2 > recognised || collides && (s.perMessage || w.skips()) {
		return true
	}
	return slices.ContainsFunc(moved, func(contents uint64) bool { return slices.Contains(others, contents) })
}

func (w *window) startsAtZero() bool {
	for i := range w.elements {
		if e := &w.elements[i]; e.id == 0 && !e.noID {
			return true
		}
	}
	return false
}

// elsewhere reports whether another link has the id of an element.
func (s *state) elsewhere(e *element) bool {
	return slices.ContainsFunc(s.links, func(q sequence) bool {
		_, known := q.ids.find(e.id)
		return known && q.link != e.link
	})
}

// skips reports whether the ids of a link have a hole in the window, or a window that has
// dropped nothing does not begin with 0: Nylas does not count by link.
func (w *window) skips() bool {
	if w.key.Kind != Click || w.incomplete {
		return false
	}
	full := len(w.elements) > lastPosition
	for elements := range w.byLink() {
		first := elements[0].id
		for i := range elements {
			if e := &elements[i]; e.noID {
				break
			} else if e.id != first+int64(i) || !full && first != 0 {
				return true
			}
		}
	}
	return false
}

// addContents adds the elements that are known by their contents: as many of equal ones
// as a window ever had at once.
func (s *state) addContents(w *window, a *addition, now int64) {
	equals := make(map[tally]int64, len(w.elements))
	for i := range w.elements {
		e := &w.elements[i]
		if !s.positions && !e.noID || e.time != noTime && e.time <= s.watermark {
			continue
		}
		key := tally{time: e.time, hash: w.contents(e)}
		if w.replyID != "" {
			key.time = noTime // a reply is known by its id, whatever its time
		}
		equal := equals[key]
		equals[key]++
		a.ambiguous = a.ambiguous || equal >= lastPosition
		t := s.tally(key.time, key.hash)
		if equal < t.count+s.marked(w, e.link, key.hash) {
			continue
		}
		t.count++
		a.fresh = append(a.fresh, fresh{element: e, byContents: true, equal: equal})
	}
	if n := len(s.contents); n > 0 {
		newest := min(s.contents[n-1].time, now) // a clock that is wrong must not make later events old
		s.forget(max(newest, noTime+contentsKept) - contentsKept)
	}
}

// marked returns how many events with some contents are known by an id that is not in
// the window.
func (s *state) marked(w *window, link int32, contents uint64) int64 {
	i, ok := s.find(link)
	if !ok {
		return 0
	}
	n := int64(0)
	for _, m := range s.links[i].marks {
		if m.contents == contents {
			n++
		}
	}
	for i := range w.elements {
		if e := &w.elements[i]; n > 0 && !e.noID && e.link == link && w.contents(e) == contents {
			n--
		}
	}
	return n
}
