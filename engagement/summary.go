package engagement

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// Summary is what a message came to. It is computed from the stored events whenever
// somebody asks, so that newer rules and later events count. See [Classifier.Message].
//
// Human, indeterminate and machine events are counted apart, because no single number
// would be true.
type Summary struct {
	// Sent is what Message was told of the message.
	Sent Sent
	// State is the best that the events show, and Confidence how sure that is.
	State      State
	Confidence Confidence
	// Reasons says why, for people. There is at least one, and the most important comes
	// first.
	Reasons []Reason
	// Verdicts has one verdict for each event, in the order of the events.
	Verdicts []Verdict

	Opens, Clicks, Replies Counts
	// WeakOpens, WeakClicks and WeakReplies are how many of the Human ones have a verdict of
	// Low confidence: perhaps they are a person's.
	WeakOpens, WeakClicks, WeakReplies int
	// FirstOpen, FirstClick and FirstReply are the first that a person probably made,
	// or nil if there is none. A click implies an open.
	FirstOpen, FirstClick, FirstReply *Moment
	// Links has a row for each link of Sent.Links and for each link that was clicked,
	// by position. Links of unknown position come last.
	Links []LinkCount
	// Attribution says who the events may belong to.
	Attribution Attribution

	// Complete says whether all events are known that Nylas has told of. It is Unknown
	// until WithMissing says.
	Complete Answer
	// Missing is how many events are known to be missing, and Lost how many of those
	// will not come any more. The counts are lower bounds then.
	Missing, Lost int64

	// SettledAt is when the verdicts are final: 2 minutes after the last event, unless
	// WithSettleTime changes that. It is the zero Time if there are no events with a
	// time.
	SettledAt time.Time
	// Delivery says whether the message arrived. Set it if you know, for Campaigns; see
	// WithDelivery.
	Delivery Delivery
	// Rules is the date of the rules that judged.
	Rules string
}

// State says how far a message came. Greater is better evidence.
type State uint8

// The states. None says that a message was not read, because nobody can know that.
const (
	NoSignal     State = iota // no event, or only the sender's own
	MachineOnly               // only machines loaded the message or followed links
	Inconclusive              // events that may be a person's or a machine's
	LikelyOpened              // a person probably displayed the message
	Clicked                   // a person probably followed a link
	Replied                   // somebody answered
)

var stateNames = []string{"no signal", "machine only", "indeterminate", "likely opened", "clicked", "replied"}

// String returns the state in words, such as "likely opened".
func (s State) String() string { return nameOf(stateNames, "State", uint8(s)) }

// MarshalText returns what String returns, or an error if s is none of the constants.
func (s State) MarshalText() ([]byte, error) { return textOf(stateNames, "state", uint8(s)) }

// UnmarshalText accepts what MarshalText returns.
func (s *State) UnmarshalText(text []byte) error {
	i, err := indexOf(stateNames, "state", text)
	*s = State(i)
	return err
}

// Counts counts events by who was probably behind them. Their sum means nothing.
type Counts struct{ Human, Indeterminate, Machine, Self int }

func (c *Counts) add(actor Actor) {
	switch actor {
	case Human:
		c.Human++
	case Machine:
		c.Machine++
	case Self:
		c.Self++
	case Indeterminate:
		c.Indeterminate++
	}
}

// Moment is when something happened for the first time.
type Moment struct {
	// Event is the index of the event in the list that Message judged.
	Event int
	// Time is the zero Time if Nylas gave none.
	Time time.Time
	// After is the time since the send. It is 0 if that is unknown, and negative if
	// clocks disagree.
	After time.Duration
	// Implied reports that the event is a click, which shows that the message was open.
	Implied bool
}

// Attribution says who the events of a message may belong to. Even a sole recipient may
// have forwarded it.
type Attribution uint8

// The attributions.
const (
	AttributionUnknown Attribution = iota // the number of recipients is unknown
	SoleRecipient                         // the recipient, or somebody they forwarded it to
	OneOfSeveral                          // one of the recipients, and nobody can tell which
)

var attributionNames = []string{"unknown", "sole recipient", "one of several"}

// String returns the attribution in words, such as "one of several".
func (a Attribution) String() string { return nameOf(attributionNames, "Attribution", uint8(a)) }

// MarshalText returns what String returns, or an error if a is none of the constants.
func (a Attribution) MarshalText() ([]byte, error) {
	return textOf(attributionNames, "attribution", uint8(a))
}

// UnmarshalText accepts what MarshalText returns.
func (a *Attribution) UnmarshalText(text []byte) error {
	i, err := indexOf(attributionNames, "attribution", text)
	*a = Attribution(i)
	return err
}

// The codes of the reasons of a [Summary].
const (
	CodeState         = "state"          // why State is what it is
	CodeImpliedOpen   = "implied-open"   // a click shows that the message was opened
	CodeOnlySelf      = "only-self"      // all events are the sender's own
	CodeHiddenOpen    = "hidden-open"    // a machine's open may hide a person's
	CodeSeveral       = "several"        // the message has several recipients
	CodeMissingEvents = "missing-events" // events are missing
)

// Attribution says who the events of the message may belong to.
func (s Sent) Attribution() Attribution {
	switch {
	case s.Recipients == 1:
		return SoleRecipient
	case s.Recipients > 1:
		return OneOfSeveral
	}
	return AttributionUnknown
}

// Message judges all events of one message together, in any order, and says what the
// message came to. It finds bursts, the time since the send, and what events say of each
// other. The events must be of one message, each once. It keeps nothing.
func (c *Classifier) Message(sent Sent, events []Event) Summary {
	findings := make([]finding, len(events))
	for i := range events {
		findings[i] = c.identify(&events[i])
	}
	around, settles := c.surround(&sent, events, findings)
	s := Summary{
		Sent: sent, Verdicts: make([]Verdict, len(events)), Attribution: sent.Attribution(),
		SettledAt: settles, Rules: c.date,
	}
	links := newLinkCounts(&sent)
	for i := range events {
		e := &events[i]
		v := c.decide(e, &findings[i], &around[i])
		s.Verdicts[i] = v
		switch e.Kind {
		case Open:
			s.Opens.add(v.Actor)
			s.WeakOpens += v.weak()
			s.first(&s.FirstOpen, events, i)
		case Click:
			s.Clicks.add(v.Actor)
			s.WeakClicks += v.weak()
			s.first(&s.FirstClick, events, i)
			s.first(&s.FirstOpen, events, i)
			links.add(e, v.Actor)
		case Reply:
			s.Replies.add(v.Actor)
			s.WeakReplies += v.weak()
			s.first(&s.FirstReply, events, i)
		}
		s.raise(e.Kind, v)
	}
	s.Links = links.rows()
	s.explain(events)
	return s
}

// weak is 1 for a verdict that only weak signs make a person's, and else 0.
func (v *Verdict) weak() int {
	if v.Actor == Human && v.Confidence == Low {
		return 1
	}
	return 0
}

// first makes event i the first of its sort if a person made it and it is earlier.
func (s *Summary) first(moment **Moment, events []Event, i int) {
	e := &events[i]
	if s.Verdicts[i].Actor != Human {
		return
	}
	if old := *moment; old != nil && (e.Time.IsZero() || !old.Time.IsZero() && !e.Time.Before(old.Time)) {
		// Of a click and an open in one second the open is no guess.
		if !old.Implied || e.Kind != Open || !e.Time.Equal(old.Time) {
			return
		}
	}
	m := &Moment{Event: i, Time: e.Time, Implied: moment == &s.FirstOpen && e.Kind == Click}
	if !e.Time.IsZero() && !s.Sent.At.IsZero() {
		m.After = e.Time.Sub(s.Sent.At)
	}
	*moment = m
}

// raise makes the state what one more event shows, if that is better.
func (s *Summary) raise(kind Kind, v Verdict) {
	var state State
	switch {
	case v.Actor == Self:
		return
	case v.Actor == Machine:
		state = MachineOnly
	case v.Actor == Indeterminate:
		state = Inconclusive
	case kind == Reply:
		state = Replied
	case kind == Click:
		state = Clicked
	default:
		state = LikelyOpened
	}
	switch {
	case state > s.State:
		s.State, s.Confidence = state, v.Confidence
	case state == s.State:
		s.Confidence = max(s.Confidence, v.Confidence)
	}
}

// explain says in sentences why the state is what it is.
func (s *Summary) explain(events []Event) {
	s.because(CodeState, s.stateText())
	if s.State == NoSignal && s.Opens.Self+s.Clicks.Self+s.Replies.Self > 0 {
		s.because(CodeOnlySelf, "All events are the sender's own.")
	}
	if s.FirstOpen != nil && s.FirstOpen.Implied {
		s.because(CodeImpliedOpen, "A click implies an open, also if no images were loaded.")
	}
	if s.State < LikelyOpened && slices.ContainsFunc(s.Verdicts, func(v Verdict) bool { return v.Hides > 0 }) {
		s.because(CodeHiddenOpen, "Nylas counts several loads within a minute as one, so a real open may be hidden behind one that is not a person's.")
	}
	if s.Attribution == OneOfSeveral {
		s.because(CodeSeveral, "The message has "+strconv.Itoa(s.Sent.Recipients)+" recipients, and nobody can tell whose events these are.")
	}
	// The best event says why it counts as that.
	for i, v := range s.Verdicts {
		if s.State >= LikelyOpened && stateOf(events[i].Kind) == s.State && v.Actor == Human && v.Confidence == s.Confidence {
			for _, reason := range v.Reasons {
				if !hasReason(s.Reasons, reason.Code) {
					s.Reasons = append(s.Reasons, reason)
				}
			}
			return
		}
	}
}

func stateOf(kind Kind) State {
	switch kind {
	case Reply:
		return Replied
	case Click:
		return Clicked
	}
	return LikelyOpened
}

func (s *Summary) stateText() string {
	sure := " probably a person's. The confidence is " + s.Confidence.String() + "."
	if s.Confidence == Low {
		sure = " perhaps a person's, but the signs are weak."
	}
	switch s.State {
	case Replied:
		return count(s.Replies.Human, "reply is", "replies are") + sure
	case Clicked:
		return count(s.Clicks.Human, "click is", "clicks are") + sure
	case LikelyOpened:
		return count(s.Opens.Human, "open is", "opens are") + sure
	case Inconclusive:
		n := s.Opens.Indeterminate + s.Clicks.Indeterminate
		if n == 0 {
			return "Nobody can tell who was behind the events."
		}
		return count(n, "event", "events") + " may be a person's or a machine's."
	case MachineOnly:
		return "Only machines loaded the message or followed its links, which does not say that nobody read it."
	}
	return "No open, click or reply by anybody else is known, which does not say that nobody read the message: many mail clients load no images."
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

func (s *Summary) because(code, text string) {
	s.Reasons = append(s.Reasons, Reason{Code: code, Text: text})
}

// Has reports whether the summary has a reason with the given code.
func (s Summary) Has(code string) bool { return hasReason(s.Reasons, code) }

// Settled reports whether the verdicts are final at the given time.
func (s Summary) Settled(now time.Time) bool { return !now.Before(s.SettledAt) }

// String returns the state and its confidence, such as "clicked (medium)".
func (s Summary) String() string {
	if s.State == NoSignal {
		return s.State.String()
	}
	return fmt.Sprintf("%s (%s)", s.State, s.Confidence)
}

// WithMissing returns the summary with what is known to be missing of the message: all
// its gaps, of all kinds, or none if nothing is missing. Gaps of other messages do not
// count. See Change.Missing.
func (s Summary) WithMissing(gaps []Gap) Summary {
	s.Complete, s.Missing, s.Lost = Yes, 0, 0
	s.Reasons = slices.DeleteFunc(slices.Clone(s.Reasons), func(r Reason) bool { return r.Code == CodeMissingEvents })
	for _, gap := range gaps {
		if gap.MessageID != "" && s.Sent.MessageID != "" && gap.MessageID != s.Sent.MessageID {
			continue
		}
		s.Missing = saturate(s.Missing, gap.Count())
		if gap.Lost {
			s.Lost = saturate(s.Lost, gap.Count())
		}
	}
	if s.Missing > 0 {
		s.Complete = No
		text := "The numbers are lower bounds: 1 event is missing."
		if s.Missing > 1 {
			text = "The numbers are lower bounds: " + strconv.FormatInt(s.Missing, 10) + " events are missing."
		}
		s.because(CodeMissingEvents, text)
	}
	return s
}

// saturate adds two counts, at most to the greatest number: ids may be odd.
func saturate(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
