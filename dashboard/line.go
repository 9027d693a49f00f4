package dashboard

import (
	"strconv"
	"time"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/internal/page"
)

// line is an event in a timeline.
type line struct {
	Key, Version string // of the element
	Class, What  string
	URL          string
	Inferred     bool
	Chip         chip
	Provisional  bool
	At           page.Moment
	After        string // time since the send
	Why          string // all reasons
	Details      []fact
}

func (d *Dashboard) line(sent *engagement.Sent, e *engagement.Event, v engagement.Verdict, now time.Time) line {
	l := line{
		Key: key(e.ID), Class: kindClass(e.Kind), What: what(e), Chip: actorChip(v), Provisional: v.Provisional(now), At: d.long(e.Time),
		Why: engagement.Sentences(v.Reasons),
	}
	url, inferred := sent.URL(*e)
	l.URL, l.Inferred = clip(url, maxText), inferred
	if !e.Time.IsZero() && !sent.At.IsZero() {
		l.After = since(e.Time.Sub(sent.At))
	}
	l.Details = details(e, v)
	l.Version = key(l.Chip.Text, strconv.FormatBool(l.Provisional), l.After, l.Why)
	return l
}

// details are what a verdict was made of.
func details(e *engagement.Event, v engagement.Verdict) []fact {
	var all []fact
	add := func(name, value string) {
		if value != "" {
			all = append(all, fact{Name: name, Value: clip(value, maxText)})
		}
	}
	add("Request by", string(v.Mechanism))
	add("Run by", v.Vendor)
	add("Confidence", v.Confidence.String())
	add("Network", v.Network)
	if e.IP.IsValid() {
		add("Address", e.IP.String())
	}
	add("User agent", e.UserAgent)
	add("Reply", e.ReplyID)
	if e.Kind == engagement.Reply {
		add("Written by a program", e.Automatic.String())
	}
	if v.Proxied != engagement.Unknown {
		add("Behind a proxy", v.Proxied.String())
	}
	if v.Prefetched != engagement.Unknown {
		add("Loaded before display", v.Prefetched.String())
	}
	if v.Hides > 0 {
		add("May hide an open for", span(v.Hides))
	}
	add("Event", e.ID)
	add("Rules of", v.Rules)
	return all
}
