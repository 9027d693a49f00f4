package dashboard

import (
	"strings"
	"time"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
	"github.com/nylastrack/nylas-go/internal/page"
)

// waitsAfter is how long after a message was due a list says that it waits. It is our
// choice: where Run runs, messages wait for seconds.
const waitsAfter = time.Minute

// row is a message in a list.
type row struct {
	Key, Version string // of the element
	Path         string
	Subject      string
	At           page.Moment // of the newest event, or of the send
	About        string
	Chips        []chip
	Campaign     string
	Counts       string
}

func (d *Dashboard) row(m *sqlstore.Message, now time.Time) row {
	p := placeOf(m)
	r := row{
		Key: key("m", p.grant, p.message, p.thread), Path: d.page(p), Subject: subjectOf(&m.Sent, m.ThreadID), At: d.short(m.LastEvent),
		Campaign: clip(m.Campaign(), maxChip), Chips: rowChips(m, now),
	}
	if m.LastEvent.IsZero() {
		r.At = d.short(m.At)
	}
	var about []string
	if !m.At.IsZero() {
		about = append(about, "sent "+d.short(m.At).Text)
	}
	if m.Recipients > 1 {
		about = append(about, page.Counted(m.Recipients, "recipient", "recipients"))
	}
	r.About = strings.Join(about, " · ")
	if m.Outcome != nil {
		r.Counts = countsText(m.Outcome)
	}
	r.Version = key(r.Subject, r.At.Text, r.About, r.Campaign, r.Counts)
	for _, c := range r.Chips {
		r.Version = key(r.Version, c.Text)
	}
	return r
}

// rowChips say what a message came to, and what to know of it.
func rowChips(m *sqlstore.Message, now time.Time) []chip {
	var all []chip
	if o := m.Outcome; o == nil {
		all = append(all, chip{"not judged yet", "none"})
	} else {
		all = append(all, stateChip(o.State))
		if !o.Settled(now) {
			all = append(all, chip{"provisional", "wait"})
		}
		if o.Missing > 0 {
			all = append(all, chip{"lower bounds: " + page.Counted(int(o.Missing), "event", "events") + " missing", "wait"})
		}
	}
	if m.Delivery == engagement.Bounced {
		all = append(all, chip{"bounced", "no"})
	}
	if m.Withdrawn {
		all = append(all, chip{"consent withdrawn", "no"})
	}
	return all
}

// countsText says how many events there are, by who was behind them.
func countsText(o *sqlstore.Outcome) string {
	var all []string
	for _, by := range []struct {
		name string
		of   func(engagement.Counts) int
	}{
		{"people", func(c engagement.Counts) int { return c.Human }}, {"nobody can tell", func(c engagement.Counts) int { return c.Indeterminate }},
		{"machines", func(c engagement.Counts) int { return c.Machine }}, {"the sender", func(c engagement.Counts) int { return c.Self }},
	} {
		var parts []string
		for _, kind := range []struct {
			counts    engagement.Counts
			one, many string
		}{{o.Opens, "open", "opens"}, {o.Clicks, "click", "clicks"}, {o.Replies, "reply", "replies"}} {
			if n := by.of(kind.counts); n > 0 {
				parts = append(parts, page.Counted(n, kind.one, kind.many))
			}
		}
		if len(parts) > 0 {
			all = append(all, by.name+": "+strings.Join(parts, ", "))
		}
	}
	return strings.Join(all, " · ")
}

// waitsLong reports whether a message should have been judged before now.
func waitsLong(m *sqlstore.Message, now time.Time) bool {
	due := m.LastEvent
	if due.IsZero() {
		due = m.At
	}
	if o := m.Outcome; o != nil {
		if o.SettledAt.After(o.JudgedAt) {
			due = o.SettledAt
		}
		if !o.JudgedAt.Before(due) {
			return false
		}
	}
	return now.Sub(due) > waitsAfter
}
