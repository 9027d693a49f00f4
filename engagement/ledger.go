package engagement

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// DefaultHorizon is how long after a gap was noticed a delivery may still fill it: Nylas'
// three attempts are over after some minutes, and a queue behind the webhook needs its time.
// https://developer.nylas.com/docs/v3/notifications/
const DefaultHorizon = time.Hour

// Change is what a notification added to a [Ledger].
type Change struct {
	// New has the events that no notification has told of before, whatever the order in
	// which notifications come. Each event is in exactly one Change, also if several
	// processes share a store.
	New []Event
	// Missing has the gaps that are known after this notification, of the messages and
	// the kind that it is about. For clicks on several links it may have fewer events
	// than are missing, never more. It is empty with Positions.
	Missing []Gap
	// Positions reports that the ids of this message are positions in their
	// notification, and change with each one. Events are then told apart by their link,
	// time, address and agent, and by how many equal ones there are, so their ids may
	// differ from those of [Events], and nobody knows what is missing.
	Positions bool
	// Ambiguous reports that an event may be missing from New: 50 equal events, as
	// many as a notification can have, or ids that were positions and are none now.
	Ambiguous bool
	// Withdrawn reports that the events were dropped. See [Record.Withdrawn].
	Withdrawn bool
}

// LedgerOption changes how a [Ledger] works.
type LedgerOption interface{ apply(*Ledger) error }

type ledgerOption func(*Ledger) error

func (o ledgerOption) apply(l *Ledger) error { return o(l) }

// WithHorizon sets how long after a gap was noticed it counts as lost. It defaults to
// [DefaultHorizon], and must be positive.
func WithHorizon(horizon time.Duration) LedgerOption {
	return ledgerOption(func(l *Ledger) error {
		if horizon <= 0 {
			return fmt.Errorf("engagement: WithHorizon(%s): the horizon must be positive", horizon)
		}
		l.horizon = horizon
		return nil
	})
}

// Ledger finds the new events in notifications, each exactly once. Notifications may come
// in any order, more than once, or not at all: as each repeats the last 50 events of its
// message and kind, a later one brings what an earlier one lost.
//
// Without ids an event counts as known if it is more than 60 days older than the last one.
//
// A Ledger keeps nothing itself. Several may share a [Store], in one process or in many.
// It is safe for concurrent use.
type Ledger struct {
	store   Store
	horizon time.Duration
	err     error // what is wrong with an option
}

// NewLedger returns a Ledger on a store, which must not be nil. If an option is invalid,
// all methods return its error.
func NewLedger(store Store, opts ...LedgerOption) *Ledger {
	l := &Ledger{store: store, horizon: DefaultHorizon}
	if store == nil {
		l.err = errors.New("engagement: NewLedger needs a store")
	}
	for _, o := range opts {
		if o != nil && l.err == nil {
			l.err = o.apply(l)
		}
	}
	return l
}

// ErrNoMessage is the error for a tracking notification that names neither a message nor
// a thread. [events.Parse] returns none.
var ErrNoMessage = errors.New("engagement: the notification names no message and no thread")

// Apply adds the events of a notification and returns those that are new. A notification
// that is not about tracking changes nothing.
//
// The events are stored when Apply returns. If the program ends before it has used
// Change.New, nobody is told of these events again: use [NewHandler] if that matters.
//
// A legacy notification may be about several messages, which are stored one after the
// other. If one fails, Apply returns the Change of those before it together with the
// error.
func (l *Ledger) Apply(ctx context.Context, n *events.Notification) (Change, error) {
	return l.apply(ctx, n, nil)
}

// tell is called with the new events of a message before they are stored. It may change
// them.
type tell func(added []Event) error

// apply calls prepare for each message that has new events, and what it returns with them.
func (l *Ledger) apply(ctx context.Context, n *events.Notification, prepare func(context.Context, Key) (tell, error)) (Change, error) {
	var change Change
	if l.err != nil {
		return change, l.err
	}
	if n == nil {
		return change, errors.New("engagement: Apply needs a notification")
	}
	for _, w := range windows(n) {
		if w.key.MessageID == "" && w.key.ThreadID == "" {
			return change, ErrNoMessage
		}
		if err := l.applyWindow(ctx, w, prepare, &change); err != nil {
			return change, fmt.Errorf("engagement: %s of a message: %w", w.key.Kind, err)
		}
	}
	return change, nil
}

func (l *Ledger) applyWindow(ctx context.Context, w *window, prepare func(context.Context, Key) (tell, error), change *Change) error {
	now := time.Now()
	record, err := l.store.Load(ctx, w.key)
	if err != nil {
		return err
	}
	s, a, err := w.added(record, now)
	if err != nil {
		return err
	}
	var added []Event
	if a.changed {
		before := func([]Event) error { return nil }
		if prepare != nil {
			if before, err = prepare(ctx, w.key); err != nil {
				return err
			}
		}
		err := l.store.Update(ctx, w.key, func(current Record) (Addition, error) {
			if current.Withdrawn || !bytes.Equal(current.State, record.State) { // somebody else was here
				record = current
				if s, a, err = w.added(record, now); err != nil || !a.changed {
					return Addition{State: record.State}, err
				}
			}
			added = w.events(a.fresh)
			if len(added) > 0 {
				err = before(added)
			}
			return Addition{State: s.encode(), Events: added}, err
		})
		if err != nil {
			return err
		}
	}
	change.New = append(change.New, added...)
	change.Missing = append(change.Missing, s.gaps(w.key, now.Add(-l.horizon))...)
	change.Positions = change.Positions || s.positions && w.key.Kind != Reply
	change.Ambiguous = change.Ambiguous || a.ambiguous
	change.Withdrawn = change.Withdrawn || record.Withdrawn
	return nil
}

// Missing returns the gaps of a message: opens and clicks of which no notification has told,
// although later ones are known. known is false if nobody can say what is missing: the
// events have no ids or ids that are positions, or are dropped since consent was withdrawn.
// Missing changes nothing. Give its gaps to [Summary.WithMissing] if known is true.
func (l *Ledger) Missing(ctx context.Context, grantID, messageID string) (gaps []Gap, known bool, err error) {
	if l.err != nil {
		return nil, false, l.err
	}
	if messageID == "" {
		return nil, false, errors.New("engagement: Missing needs the id of a message")
	}
	lost := time.Now().Add(-l.horizon)
	known = true
	for _, kind := range []Kind{Open, Click} { // a reply has no number
		key := Key{GrantID: grantID, MessageID: messageID, Kind: kind}
		record, err := l.store.Load(ctx, key)
		if err != nil {
			return nil, false, fmt.Errorf("engagement: what is missing of a message: %w", err)
		}
		s, err := decodeState(record.State)
		if err != nil {
			return nil, false, err
		}
		known = known && !record.Withdrawn && !s.positions && len(s.contents) == 0
		gaps = append(gaps, s.gaps(key, lost)...)
	}
	if !known {
		return nil, false, nil
	}
	return gaps, true, nil
}

// added returns the state of a record after the window.
func (w *window) added(record Record, now time.Time) (*state, addition, error) {
	s, err := decodeState(record.State)
	if err != nil || record.Withdrawn {
		return &state{}, addition{}, err
	}
	return s, s.add(w, now.Unix()), nil
}

// gaps returns what is missing. Gaps noticed until a time are lost.
func (s *state) gaps(key Key, lost time.Time) []Gap {
	var all []Gap
	list := func(link int32, ids spans) {
		ids.gaps(func(first, last, at int64) {
			all = append(all, Gap{
				MessageID: key.MessageID, Kind: key.Kind, LinkIndex: int(link), First: first, Last: last,
				Lost: at <= lost.Unix(),
			})
		})
	}
	if len(s.links) > 1 && !s.perLink {
		// It is not known whether Nylas counts by link or by message: what no link has
		// is missing either way.
		list(-1, s.any)
		return all
	}
	for _, q := range s.links {
		list(q.link, q.ids)
	}
	return all
}

// events returns the events of new elements, in the order of their times.
func (w *window) events(all []fresh) []Event {
	if len(all) == 0 {
		return nil
	}
	grantID, messageID, threadID, label := own(w.key.GrantID), own(w.key.MessageID), own(w.threadID), own(w.label)
	list := make([]Event, 0, len(all))
	agent := ""
	for _, f := range all {
		e := f.element
		if e.agent != agent {
			agent = own(e.agent)
		}
		event := Event{
			ID: w.eventID(f), Kind: w.key.Kind, GrantID: grantID, MessageID: messageID, ThreadID: threadID, Label: label,
			IP: address(e.ip), UserAgent: agent, LinkIndex: int(e.link), ReplyID: own(w.replyID), FromSelf: w.fromSelf,
		}
		if e.time != noTime {
			event.Time = time.Unix(e.time, 0).UTC()
		}
		if w.url != nil {
			if url, ok := w.url(int(e.index)); ok && url != "" {
				event.URL, event.URLInferred = own(url), true
			}
		}
		list = append(list, event)
	}
	slices.SortStableFunc(list, func(a, b Event) int { return a.Time.Compare(b.Time) })
	return list
}

// address reads an address, with a port or without.
func address(s string) netip.Addr {
	s = strings.TrimSpace(s)
	ip, err := netip.ParseAddr(s)
	if err != nil {
		withPort, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}
		}
		ip = withPort.Addr()
	}
	return ip.Unmap().WithZone("")
}

// Events returns all events that a notification tells of, new or not: opens, clicks and
// replies, of modern and of legacy notifications. It returns none if the notification is
// not about tracking.
func Events(n *events.Notification) []Event {
	if n == nil {
		return nil
	}
	var all []Event
	for _, w := range windows(n) {
		s := &state{watermark: noTime}
		all = append(all, w.events(s.add(w, 0).fresh)...)
	}
	return all
}
