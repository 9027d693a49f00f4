package sqlstore

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/nylastrack/nylas-go/engagement"
)

// Outcome is what a message came to when [Store.Judge] judged it last. It has what a list
// shows of an [engagement.Summary].
type Outcome struct {
	State      engagement.State      `json:"state"`
	Confidence engagement.Confidence `json:"confidence"`

	Opens   engagement.Counts `json:"opens"`
	Clicks  engagement.Counts `json:"clicks"`
	Replies engagement.Counts `json:"replies"`
	// WeakOpens, WeakClicks and WeakReplies are how many of the Human ones have a verdict of
	// Low confidence: perhaps they are a person's.
	WeakOpens   int `json:"weak_opens,omitzero"`
	WeakClicks  int `json:"weak_clicks,omitzero"`
	WeakReplies int `json:"weak_replies,omitzero"`
	// FirstOpen, FirstClick and FirstReply are the times of the first that a person
	// probably made. They are the zero Time if there is none or Nylas gave no time.
	FirstOpen  time.Time `json:"first_open,omitzero"`
	FirstClick time.Time `json:"first_click,omitzero"`
	FirstReply time.Time `json:"first_reply,omitzero"`
	// OpenImplied reports that FirstOpen is that of a click, which shows that the message
	// was open.
	OpenImplied bool `json:"open_implied,omitzero"`

	// Complete, Missing and Lost are those of the Summary: with Missing above 0 the counts
	// are lower bounds. Complete is Unknown if nobody can say what is missing.
	Complete engagement.Answer `json:"complete"`
	Missing  int64             `json:"missing,omitzero"`
	Lost     int64             `json:"lost,omitzero"`

	// Delivery is what [Store.SetDelivery] had stored.
	Delivery engagement.Delivery `json:"delivery,omitempty"`
	// SettledAt is when the verdicts are final. Judge judges the message again then.
	SettledAt time.Time `json:"settled_at,omitzero"`
	// Rules is the date of the rules that judged, and JudgedAt is when that was.
	Rules    string    `json:"rules"`
	JudgedAt time.Time `json:"judged_at"`
}

// Settled reports whether the verdicts are final at the given time.
func (o Outcome) Settled(now time.Time) bool { return !now.Before(o.SettledAt) }

// outcomeOf returns what a list shows of a summary.
func outcomeOf(s *engagement.Summary, now time.Time) Outcome {
	o := Outcome{
		State: s.State, Confidence: s.Confidence, Opens: s.Opens, Clicks: s.Clicks, Replies: s.Replies,
		WeakOpens: s.WeakOpens, WeakClicks: s.WeakClicks, WeakReplies: s.WeakReplies,
		Complete: s.Complete, Missing: s.Missing, Lost: s.Lost,
		Delivery: s.Delivery, SettledAt: s.SettledAt, Rules: s.Rules, JudgedAt: now.UTC().Truncate(time.Microsecond),
	}
	if s.FirstOpen != nil {
		o.FirstOpen, o.OpenImplied = s.FirstOpen.Time, s.FirstOpen.Implied
	}
	if s.FirstClick != nil {
		o.FirstClick = s.FirstClick.Time
	}
	if s.FirstReply != nil {
		o.FirstReply = s.FirstReply.Time
	}
	return o
}

// with adds what deleted events came to.
func (o Outcome) with(deleted Outcome) Outcome {
	switch {
	case deleted.State > o.State:
		o.State, o.Confidence = deleted.State, deleted.Confidence
	case deleted.State == o.State:
		o.Confidence = max(o.Confidence, deleted.Confidence)
	}
	if earlier(deleted.FirstOpen, o.FirstOpen) {
		o.FirstOpen, o.OpenImplied = deleted.FirstOpen, deleted.OpenImplied
	}
	if earlier(deleted.FirstClick, o.FirstClick) {
		o.FirstClick = deleted.FirstClick
	}
	if earlier(deleted.FirstReply, o.FirstReply) {
		o.FirstReply = deleted.FirstReply
	}
	for counts, more := range map[*engagement.Counts]engagement.Counts{&o.Opens: deleted.Opens, &o.Clicks: deleted.Clicks, &o.Replies: deleted.Replies} {
		counts.Human += more.Human
		counts.Indeterminate += more.Indeterminate
		counts.Machine += more.Machine
		counts.Self += more.Self
	}
	o.WeakOpens += deleted.WeakOpens
	o.WeakClicks += deleted.WeakClicks
	o.WeakReplies += deleted.WeakReplies
	return o
}

// earlier reports whether a is before b, where the zero Time is no time.
func earlier(a, b time.Time) bool { return !a.IsZero() && (b.IsZero() || a.Before(b)) }

// counted is an outcome as it is stored: with the campaign that counts it.
type counted struct {
	Outcome
	Campaign string `json:"campaign"`
}

func encodeOutcome(c *counted) (string, error) {
	encoded, err := json.Marshal(c)
	return string(encoded), err
}

var errNoOutcome = errors.New("the outcome of the message is damaged, or of a later version of this package")

// decodeOutcome returns nil if there is none.
func decodeOutcome(text string) (*counted, error) {
	if text == "" {
		return nil, nil
	}
	var c counted
	if json.Unmarshal([]byte(text), &c) != nil {
		return nil, errNoOutcome
	}
	return &c, nil
}

// campaign returns the campaign of this message alone.
func (c *counted) campaign() engagement.Campaign {
	s := engagement.Summary{
		Sent: engagement.Sent{Label: c.Campaign}, State: c.State, Opens: c.Opens, Clicks: c.Clicks, Replies: c.Replies,
		WeakOpens: c.WeakOpens, WeakClicks: c.WeakClicks, WeakReplies: c.WeakReplies,
		Complete: c.Complete, Delivery: c.Delivery,
	}
	return engagement.Campaigns(slices.Values([]engagement.Summary{s}))[0]
}
