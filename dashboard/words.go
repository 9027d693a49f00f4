package dashboard

import (
	"hash/fnv"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/internal/page"
)

const (
	// maxText is how many characters of a subject or a URL a page shows. It is our choice:
	// some lines of a page, and more than people write.
	maxText = 240
	// maxChip is how many characters of a label a list shows. It is our choice: what fits
	// next to the rest on a phone.
	maxChip = 40
)

// chip is a word with a colour: yes, no, wait, none, or empty for the accent.
type chip struct{ Text, Class string }

// actorChip says in words who was behind an event.
func actorChip(v engagement.Verdict) chip {
	sure := "probably "
	switch v.Confidence {
	case engagement.Low:
		sure = "perhaps "
	case engagement.Certain:
		sure = ""
	}
	switch v.Actor {
	case engagement.Human:
		return chip{sure + "a person", "yes"}
	case engagement.Machine:
		return chip{sure + "a machine", "none"}
	case engagement.Self:
		return chip{"the sender", ""}
	}
	return chip{"nobody can tell", "wait"}
}

// stateClasses are the colours of the states.
var stateClasses = map[engagement.State]string{
	engagement.NoSignal: "none", engagement.MachineOnly: "none", engagement.Inconclusive: "wait",
	engagement.LikelyOpened: "yes", engagement.Clicked: "yes", engagement.Replied: "yes",
}

func stateChip(s engagement.State) chip { return chip{stateName(s), stateClasses[s]} }

// stateName is the name of a state, or where it alone would say too little, what it means.
func stateName(s engagement.State) string {
	switch s {
	case engagement.MachineOnly:
		return "machines only"
	case engagement.Inconclusive:
		return "nobody can tell"
	}
	return s.String()
}

// states are all states, the best first.
var states = []engagement.State{
	engagement.Replied, engagement.Clicked, engagement.LikelyOpened, engagement.Inconclusive, engagement.MachineOnly, engagement.NoSignal,
}

var kindNames = map[engagement.Kind]string{engagement.Open: "Open", engagement.Click: "Click", engagement.Reply: "Reply"}

// what says what an event is.
func what(e *engagement.Event) string {
	name := kindNames[e.Kind]
	switch {
	case name == "":
		return "Event"
	case e.Kind == engagement.Click && e.LinkIndex >= 0:
		return name + " on link " + strconv.Itoa(e.LinkIndex+1)
	}
	return name
}

// kindClass is the class of a line, which colours its dot.
func kindClass(k engagement.Kind) string {
	if _, known := kindNames[k]; known {
		return string(k)
	}
	return "other"
}

func subjectOf(s *engagement.Sent, thread string) string {
	switch {
	case strings.TrimSpace(s.Subject) != "":
		return clip(s.Subject, maxText)
	case thread != "":
		return "(a thread)"
	}
	return "(no subject)"
}

// clip shortens a text to n characters.
func clip(text string, n int) string {
	count := 0
	for i := range text {
		if count == n {
			return text[:i] + "…"
		}
		count++
	}
	return text
}

// short returns a time for a list: the closer, the more exact.
func (d *Dashboard) short(t time.Time) page.Moment {
	if t.IsZero() {
		return page.Moment{}
	}
	t, now := t.In(d.location), time.Now().In(d.location)
	layout := "2 Jan 2006"
	switch {
	case t.Year() == now.Year() && t.YearDay() == now.YearDay():
		layout = "15:04"
	case t.Year() == now.Year():
		layout = "2 Jan, 15:04"
	}
	return page.MomentOf(t, layout)
}

// long returns a time to the second.
func (d *Dashboard) long(t time.Time) page.Moment {
	if t.IsZero() {
		return page.Moment{}
	}
	return page.MomentOf(t.In(d.location), "2 Jan 2006, 15:04:05")
}

// since says how long after the send something was.
func since(after time.Duration) string {
	if after < 0 {
		return span(-after) + " before the send, by clocks that disagree"
	}
	return span(after) + " after the send"
}

// span is a duration in words, in its two largest units.
func span(d time.Duration) string {
	units := []struct {
		length    time.Duration
		one, many string
	}{{24 * time.Hour, "day", "days"}, {time.Hour, "hour", "hours"}, {time.Minute, "minute", "minutes"}, {time.Second, "second", "seconds"}}
	for i, u := range units {
		if d < u.length {
			continue
		}
		text := page.Counted(int(d/u.length), u.one, u.many)
		if i+1 < len(units) {
			next := units[i+1]
			if n := d % u.length / next.length; n > 0 {
				text += " " + page.Counted(int(n), next.one, next.many)
			}
		}
		return text
	}
	return "less than a second"
}

// key makes an id of an element of texts that may hold anything.
func key(texts ...string) string {
	hash := fnv.New64a()
	for _, text := range texts {
		_, _ = io.WriteString(hash, text) // never fails
		_, _ = hash.Write([]byte{0xff})   // in no text of UTF-8, so that "ab", "c" differs from "a", "bc"
	}
	return "k" + strconv.FormatUint(hash.Sum64(), 36)
}
