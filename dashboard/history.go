package dashboard

import (
	"context"
	"slices"
	"time"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
)

// maxJudged is how many events of one message a page judges, the newest ones. It is our
// choice: they take a fifth of a second and some megabytes.
const maxJudged = 10_000

// history is what the store has of a message.
type history struct {
	place
	sqlstore.Message
	events    []engagement.Event // in the order of their time
	capped    bool               // there are older events too
	gaps      []engagement.Gap
	countable bool // gaps are all that is missing; else nobody knows what is
	reduced   bool // judge found that events were deleted which the outcome in the store has
}

// read reads a message with its newest events: most of them or a page more, or all if most is
// 0. It reports false if nothing is known of it.
func (d *Dashboard) read(ctx context.Context, p place, most int) (h *history, found bool, err error) {
	var m sqlstore.Message
	if p.thread == "" {
		if m, found, err = d.store.Message(ctx, p.grant, p.message); err != nil || !found {
			return nil, false, err
		}
	} else {
		record, err := d.store.Load(ctx, engagement.Key{GrantID: p.grant, ThreadID: p.thread, Kind: engagement.Reply})
		if err != nil {
			return nil, false, err
		}
		m.GrantID, m.ThreadID, m.Withdrawn = p.grant, p.thread, record.Withdrawn
	}
	h, err = d.history(ctx, &m, most)
	if err != nil {
		return nil, false, err
	}
	return h, found || h.Withdrawn || len(h.events) > 0, nil
}

// history reads the events of a message, and what is missing of them.
func (d *Dashboard) history(ctx context.Context, m *sqlstore.Message, most int) (*history, error) {
	p := placeOf(m)
	h := &history{place: p, Message: *m}
	if p.thread == "" {
		var err error
		if h.gaps, h.countable, err = d.ledger.Missing(ctx, p.grant, p.message); err != nil {
			return nil, err
		}
	}
	query := sqlstore.EventQuery{GrantID: p.grant, MessageID: p.message, ThreadID: p.thread, Limit: sqlstore.MaxPage}
	for {
		events, err := d.store.EventPage(ctx, query)
		if err != nil {
			return nil, err
		}
		h.events = append(h.events, events.Events...)
		query.After = events.Next
		if query.After == "" || most > 0 && len(h.events) >= most {
			break
		}
	}
	h.capped = query.After != ""
	slices.Reverse(h.events)
	return h, nil
}

// deleted reports whether the outcome in the store has events that are not stored any more.
func (h *history) deleted(s *engagement.Summary) bool {
	o := h.Outcome
	if o == nil || h.capped {
		return false
	}
	fewer := func(now, then engagement.Counts) bool {
		return now.Human+now.Indeterminate+now.Machine+now.Self < then.Human+then.Indeterminate+then.Machine+then.Self
	}
	return fewer(s.Opens, o.Opens) || fewer(s.Clicks, o.Clicks) || fewer(s.Replies, o.Replies)
}

// restore puts what deleted events came to into a summary of those that are left.
func (h *history) restore(s *engagement.Summary) {
	o := h.Outcome
	s.State, s.Confidence, s.Opens, s.Clicks, s.Replies = o.State, o.Confidence, o.Opens, o.Clicks, o.Replies
	s.WeakOpens, s.WeakClicks, s.WeakReplies = o.WeakOpens, o.WeakClicks, o.WeakReplies
	s.Reasons = []engagement.Reason{{Code: engagement.CodeState, Text: "This is what the message came to when its events were judged."}}
	first := func(at time.Time, implied bool) *engagement.Moment {
		if at.IsZero() {
			return nil
		}
		m := &engagement.Moment{Event: -1, Time: at, Implied: implied}
		if !h.At.IsZero() {
			m.After = at.Sub(h.At)
		}
		return m
	}
	s.FirstOpen, s.FirstClick, s.FirstReply = first(o.FirstOpen, o.OpenImplied), first(o.FirstClick, false), first(o.FirstReply, false)
}

// judge says what a message came to, with what its deleted events came to.
func (d *Dashboard) judge(h *history) engagement.Summary {
	s := d.classifier.Message(h.Sent, h.events)
	s.Delivery = h.Delivery
	if h.countable {
		s = s.WithMissing(h.gaps)
	}
	if h.reduced = h.deleted(&s); h.reduced {
		h.restore(&s)
	}
	return s
}
