package engagement

import (
	"net/netip"
	"slices"
	"time"
)

// The limits of what is a burst. The sources are those that products publish; the
// classifier's verdicts say which one applied.
const (
	// burstWindow and burstLinks: three different links in so short a time.
	//
	// https://www.paminga.com/docs/concepts/bot-filtering/
	burstWindow = 3 * time.Second
	burstLinks  = 3
	// atOnceLinks within burstWindow are more links than seconds, and so are burstLinks in
	// less than two seconds. Time is known to the second: what took less than two seconds
	// has times that differ by atOnceWindow at most.
	//
	// https://www.autoemails.com/help/agent/mark-bot-unsubscribe
	atOnceLinks  = 4
	atOnceWindow = time.Second
	// activityWindow and activityCount: more than two opens and clicks in under a second.
	//
	// Adobe Marketo Engage, "Filtering Email Bot Activity"
	activityWindow = time.Second
	activityCount  = 3
	// allLinksWindow: (nearly) all links within a minute, of at least minAllLinks. Nearly
	// all is four of five.
	//
	// https://knowledge.hubspot.com/marketing-email/understand-bot-filtering-in-marketing-email-analytics
	allLinksWindow = time.Minute
	minAllLinks    = 3
	// sourceWindow is how long before and after its clicks a scanner may load images.
	// Later the same address may be that of a person behind the same gateway.
	sourceWindow = time.Minute
	// twinWindow: the same link from two networks. A report has 12 seconds.
	//
	// https://github.com/resend/resend-node/issues/901
	twinWindow = 30 * time.Second
	// twinNeighbors bounds how many earlier clicks a click is compared with.
	twinNeighbors = 16
)

// click is a click with a known time, as the search for bursts sees it.
type click struct {
	event int // index of the message's events
	link  int // equal for clicks on one link, or below 0 if the link is unknown
	time  time.Time
}

// surround finds what the events of a message say of each other.
func (c *Classifier) surround(sent *Sent, events []Event, findings []finding) ([]surroundings, time.Time) {
	around := make([]surroundings, len(events))
	var last time.Time
	timed := make([]click, 0, len(events)) // opens have the link -1
	links := map[linkKey]int{}
	for i := range events {
		e := &events[i]
		if e.Time.IsZero() {
			continue
		}
		if last.Before(e.Time) {
			last = e.Time
		}
		if !sent.At.IsZero() {
			around[i].since, around[i].sinceKnown = e.Time.Sub(sent.At), true
		}
		if e.Kind == Reply || findings[i].own {
			continue
		}
		timed = append(timed, click{event: i, link: linkOf(e, links), time: e.Time})
	}
	slices.SortStableFunc(timed, func(a, b click) int { return a.time.Compare(b.time) })

	all := func(click) bool { return true }
	forBursts(timed, activityWindow-1, activityCount, nil, func(i, n int) { around[timed[i].event].activities = n })

	timed = slices.DeleteFunc(timed, func(k click) bool { return events[k.event].Kind != Click })
	forBursts(timed, burstWindow, burstLinks, all, func(i, n int) { around[timed[i].event].links = n })
	forBursts(timed, burstWindow, atOnceLinks, all, func(i, _ int) { around[timed[i].event].atOnce = true })
	forBursts(timed, atOnceWindow, burstLinks, all, func(i, _ int) { around[timed[i].event].atOnce = true })
	unexplained := func(k click) bool { return !findings[k.event].surelyMachine() }
	forBursts(timed, allLinksWindow, nearlyAll(sent, events), unexplained, func(i, _ int) { around[timed[i].event].allLinks = true })
	c.findSources(timed, events, around)
	if sent.Recipients <= 1 { // of several recipients two may well follow one link
		findTwins(timed, events, findings, around)
	}
	settles := last
	if !last.IsZero() {
		settles = last.Add(c.settle)
	}
	for i := range around {
		around[i].settles = settles
	}
	return around, settles
}

// linkKey identifies a link: by its position, or else by its URL.
type linkKey struct {
	index int
	url   string
}

// linkOf returns a number for the link of a click, or -1.
func linkOf(e *Event, links map[linkKey]int) int {
	if e.Kind != Click || e.LinkIndex < 0 && e.URL == "" {
		return -1
	}
	key := linkKey{index: e.LinkIndex}
	if e.LinkIndex < 0 {
		key = linkKey{index: -1, url: e.URL}
	}
	link, known := links[key]
	if !known {
		link = len(links)
		links[key] = link
	}
	return link
}

// nearlyAll returns how many different links are nearly all of a message. Of a message
// whose links are unknown, those up to the highest position are known to exist.
func nearlyAll(sent *Sent, events []Event) int {
	links := len(sent.Links)
	if links == 0 {
		for i := range events {
			if events[i].Kind == Click {
				links = max(links, events[i].LinkIndex+1)
			}
		}
	}
	return max(minAllLinks, links-links/5)
}

// forBursts looks for windows in time that have at least need different links, or need
// events if counts is nil. It calls mark once for each event in such a window, with what
// the first of its windows has. Clicks for which counts is false are left out.
func forBursts(timed []click, window time.Duration, need int, counts func(click) bool, mark func(i, n int)) {
	if len(timed) < need {
		return
	}
	seen := map[int]int{} // clicks in the window by link
	end, marked, total := 0, 0, 0
	inWindow := func(k click) bool { return counts == nil || k.link >= 0 && counts(k) }
	for start := range timed {
		for end < len(timed) && timed[end].time.Sub(timed[start].time) <= window {
			if inWindow(timed[end]) {
				seen[timed[end].link]++
				total++
			}
			end++
		}
		n := len(seen)
		if counts == nil {
			n = total
		}
		if n >= need {
			for marked = max(marked, start); marked < end; marked++ {
				if inWindow(timed[marked]) {
					mark(marked, n)
				}
			}
		}
		if k := timed[start]; inWindow(k) {
			if seen[k.link]--; seen[k.link] == 0 {
				delete(seen, k.link)
			}
			total--
		}
	}
}

// source is where a request came from.
type source struct {
	ip    netip.Addr
	agent string
}

// findSources marks the opens that came from where a machine followed links
// at that time.
func (c *Classifier) findSources(clicks []click, events []Event, around []surroundings) {
	times := map[source][2]time.Time{} // the first and the last of such clicks
	for _, k := range clicks {
		e := &events[k.event]
		if !around[k.event].byMachine(c) || !e.IP.IsValid() {
			continue
		}
		from := source{e.IP, e.UserAgent}
		span, known := times[from]
		if !known {
			span[0] = k.time
		}
		span[1] = k.time // clicks are in the order of their times
		times[from] = span
	}
	if len(times) == 0 {
		return
	}
	for i := range events {
		e := &events[i]
		if span, known := times[source{e.IP, e.UserAgent}]; known && e.Kind == Open {
			around[i].machineSource = !e.Time.Before(span[0].Add(-sourceWindow)) && !e.Time.After(span[1].Add(sourceWindow))
		}
	}
}

// findTwins marks clicks on one link that came from two networks with two agents.
func findTwins(timed []click, events []Event, findings []finding, around []surroundings) {
	for i, later := range timed {
		for j := i - 1; j >= max(0, i-twinNeighbors); j-- {
			earlier := timed[j]
			if later.time.Sub(earlier.time) > twinWindow {
				break
			}
			a, b := &events[later.event], &events[earlier.event]
			if later.link < 0 || later.link != earlier.link || a.UserAgent == b.UserAgent || near(a, b) {
				continue
			}
			first, second := &around[earlier.event], &around[later.event]
			first.twin, second.twin = true, true
			if findings[earlier.event].looksHuman() && findings[later.event].looksHuman() {
				first.bothHuman, second.bothHuman = true, true
			}
		}
	}
}

// near reports whether two events came from one network, or may have.
func near(a, b *Event) bool {
	if a.IP.IsValid() && b.IP.IsValid() {
		return sameNetwork(a.IP.Unmap(), b.IP.Unmap())
	}
	return a.Network == b.Network
}

// looksHuman reports whether nothing but its context speaks against a person.
func (f *finding) looksHuman() bool {
	return f.mechanism.judge(f.kind).Actor == Human && (f.network == nil || f.network.Scope == NoKinds)
}

// surelyMachine reports whether an event is a machine's whatever its context is.
func (f *finding) surelyMachine() bool {
	judgement := f.mechanism.judge(f.kind)
	byAgent := judgement.Actor == Machine && min(f.certainty, judgement.Limit) >= High
	return byAgent || f.network != nil && f.network.Scope == AllKinds && f.network.Certainty >= High
}
