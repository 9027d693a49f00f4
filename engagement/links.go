package engagement

import (
	"cmp"
	"slices"
)

// LinkCount counts the clicks on one link.
type LinkCount struct {
	// Index is the position of the link, from 0, or -1 if it is unknown.
	Index int
	// URL is where the link leads, or empty if that is unknown. Inferred reports that it
	// is a guess of the notification's: see Event.URLInferred.
	URL      string
	Inferred bool
	Clicks   Counts
}

// URL returns where the link of a click leads, and whether that is only inferred: Links
// is sure, and the URL of the event may be a guess of the notification's. It returns ""
// if nobody knows.
func (s Sent) URL(e Event) (url string, inferred bool) {
	if e.Kind == Click && e.LinkIndex >= 0 && e.LinkIndex < len(s.Links) && s.Links[e.LinkIndex] != "" {
		return s.Links[e.LinkIndex], false
	}
	return e.URL, e.URL != "" && e.URLInferred
}

// linkCounts collects the clicks on each link.
type linkCounts struct {
	sent  *Sent
	byKey map[linkKey]*LinkCount
}

func newLinkCounts(sent *Sent) *linkCounts {
	l := &linkCounts{sent: sent, byKey: make(map[linkKey]*LinkCount, len(sent.Links))}
	for i, url := range sent.Links {
		l.byKey[linkKey{index: i}] = &LinkCount{Index: i, URL: url}
	}
	return l
}

func (l *linkCounts) add(e *Event, actor Actor) {
	url, inferred := l.sent.URL(*e)
	key := linkKey{index: e.LinkIndex}
	if e.LinkIndex < 0 {
		key = linkKey{index: -1, url: url}
	}
	row := l.byKey[key]
	if row == nil {
		row = &LinkCount{Index: key.index}
		l.byKey[key] = row
	}
	if row.URL == "" || row.Inferred && !inferred && url != "" {
		row.URL, row.Inferred = url, inferred
	}
	row.Clicks.add(actor)
}

func (l *linkCounts) rows() []LinkCount {
	all := make([]LinkCount, 0, len(l.byKey))
	for _, row := range l.byKey {
		all = append(all, *row)
	}
	slices.SortFunc(all, func(a, b LinkCount) int {
		return cmp.Or(cmp.Compare(uint(a.Index), uint(b.Index)), cmp.Compare(a.URL, b.URL)) // -1 comes last
	})
	return all
}
