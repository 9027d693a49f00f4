package engagement

import (
	"cmp"
	"iter"
	"math"
	"slices"

	"github.com/nylastrack/nylas-go/events"
)

// window is what a notification tells of one message and kind: its last events, at most
// 50 of them, in no particular order.
type window struct {
	key      Key
	threadID string
	label    string
	elements []element
	// incomplete reports that elements may be left out that could not be read.
	incomplete bool
	// url returns the target of a clicked link, by the index in the notification.
	url func(i int) (string, bool)
	// replyID and fromSelf belong to the only element of a reply.
	replyID  string
	fromSelf bool
	// The agent that contents saw last, and its hash.
	agent     string
	agentHash uint64
}

// element is an event as it stands in a window.
type element struct {
	id        int64
	time      int64 // in seconds since 1970, or noTime
	ip, agent string
	link      int32 // -1 unless a click
	index     int32 // in the notification
	noID      bool
}

const noTime = math.MinInt64

// windows returns what a notification tells: one window, or one for each delta of a
// legacy notification. It returns none if the notification is not about tracking.
func windows(n *events.Notification) []*window {
	var all []*window
	add := func(kind Kind, grantID, messageID, label string, elements int) *window {
		w := &window{
			key:   Key{GrantID: cmp.Or(n.GrantID, grantID), MessageID: messageID, Kind: kind},
			label: label, elements: make([]element, elements), incomplete: len(n.Odd) > 0,
		}
		all = append(all, w)
		return w
	}
	switch d := n.Data.(type) {
	case *events.MessageOpened:
		w := add(Open, d.GrantID, d.MessageID, d.Label, len(d.Recents))
		for i := range d.Recents {
			o := &d.Recents[i]
			w.elements[i] = element{index: int32(i), id: int64(o.OpenedID), link: -1, time: seconds(o.Timestamp), ip: o.IP, agent: o.UserAgent}
		}
		noteAbsent(all, n, 1)
	case *events.MessageLinkClicked:
		w := add(Click, d.GrantID, d.MessageID, d.Label, len(d.Recents))
		for i := range d.Recents {
			c := &d.Recents[i]
			w.elements[i] = element{index: int32(i), id: int64(c.ClickID), link: link(int64(c.LinkIndex)), time: seconds(c.Timestamp), ip: c.IP, agent: c.UserAgent}
		}
		w.url = func(i int) (string, bool) { l, ok := d.Link(d.Recents[i]); return l.URL, ok }
		noteAbsent(all, n, 1)
	case *events.ThreadReplied:
		w := add(Reply, d.GrantID, d.RootMessageID, d.Label, 1)
		w.reply(d.ThreadID, d.MessageID, d.Timestamp, d.FromSelf)
	case *events.LegacyMessageOpened:
		for i := range d.Deltas {
			m := &d.Deltas[i].ObjectData.Metadata
			w := add(Open, d.GrantID, m.MessageID, m.Payload, len(m.Recents))
			for i := range m.Recents {
				o := &m.Recents[i]
				w.elements[i] = element{index: int32(i), id: int64(o.ID), link: -1, time: seconds(o.Timestamp), ip: o.IP, agent: o.UserAgent}
			}
		}
		noteAbsent(all, n, 1+len(d.Deltas))
	case *events.LegacyMessageLinkClicked:
		for i := range d.Deltas {
			m := &d.Deltas[i].ObjectData.Metadata
			w := add(Click, d.GrantID, m.MessageID, m.Payload, len(m.Recents))
			for i := range m.Recents {
				c := &m.Recents[i]
				w.elements[i] = element{index: int32(i), id: int64(c.ID), link: link(int64(c.LinkIndex)), time: seconds(c.Timestamp), ip: c.IP, agent: c.UserAgent}
			}
			w.url = func(i int) (string, bool) { l, ok := m.Link(m.Recents[i]); return l.URL, ok }
		}
		noteAbsent(all, n, 1+len(d.Deltas))
	case *events.LegacyThreadReplied:
		for i := range d.Deltas {
			o := &d.Deltas[i].ObjectData
			w := add(Reply, d.GrantID, o.Metadata.ReplyToMessageID, o.Metadata.Payload, 1)
			w.reply(cmp.Or(o.Metadata.ThreadID, o.Attributes.ThreadID), o.Metadata.MessageID, o.Metadata.Timestamp, o.Metadata.FromSelf)
		}
	}
	for _, w := range all {
		w.sort()
	}
	return all
}

// reply makes the window one of a single reply.
func (w *window) reply(threadID, replyID string, at events.Timestamp, fromSelf *bool) {
	w.threadID = threadID
	if w.key.MessageID == "" {
		w.key.ThreadID = threadID
	}
	w.replyID, w.fromSelf = replyID, fromSelf != nil && *fromSelf
	w.elements[0] = element{noID: true, link: -1, time: seconds(at)}
}

func seconds(t events.Timestamp) int64 {
	if t.IsZero() {
		return noTime
	}
	return t.Unix()
}

// link returns the index of a link, or -1 if there cannot be one.
func link(index int64) int32 {
	if index < 0 || index > math.MaxInt32 {
		return -1
	}
	return int32(index)
}

// sort puts the elements into the order of link and id. What it finds to have no id of
// its own then counts as having none: what is negative, and ids that stand for several
// events. It drops elements that are there twice.
func (w *window) sort() {
	if w.isSorted() {
		return // the usual order, and most of the work of a notification that is known
	}
	byID := func(a, b element) int {
		return cmp.Or(cmp.Compare(a.link, b.link), cmp.Compare(a.id, b.id))
	}
	slices.SortStableFunc(w.elements, byID)
	kept := w.elements[:0]
	for i := 0; i < len(w.elements); {
		next := i + 1
		for next < len(w.elements) && byID(w.elements[i], w.elements[next]) == 0 {
			next++
		}
		same := w.elements[i:next]
		i = next
		if len(same) == 1 || same[0].noID {
			same[0].noID = same[0].noID || same[0].id < 0
		} else if same = slices.CompactFunc(same, element.equal); len(same) > 1 || same[0].id < 0 {
			for j := range same {
				same[j].noID = true
			}
		}
		kept = append(kept, same...)
	}
	w.elements = kept
}

// isSorted reports whether all elements are in order, and each has an id of its own.
func (w *window) isSorted() bool {
	link, id := int32(-1), int64(-1)
	for i := range w.elements {
		e := &w.elements[i]
		if e.noID || e.link < link || e.link == link && e.id <= id || e.id < 0 {
			return false
		}
		link, id = e.link, e.id
	}
	return true
}

// equal reports whether two elements with the same link and id say the same.
func (e element) equal(o element) bool {
	return e.time == o.time && e.ip == o.ip && e.agent == o.agent
}

// byLink returns the elements of one link after the other.
func (w *window) byLink() iter.Seq[[]element] {
	return func(yield func([]element) bool) {
		for from := 0; from < len(w.elements); {
			to := from + 1
			for to < len(w.elements) && w.elements[to].link == w.elements[from].link {
				to++
			}
			if !yield(w.elements[from:to]) {
				return
			}
			from = to
		}
	}
}
