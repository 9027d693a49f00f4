package engagement

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Campaign is what the messages of one campaign came to. Its rates are ranges: only the
// lower end is what people certainly or probably did, and nobody can say where between
// the ends the truth lies.
type Campaign struct {
	Name string // see [CampaignOf]
	// Messages is how many messages the campaign has. Delivered and Bounced are how many
	// of them are known to have arrived or not; of the rest nothing is known.
	Messages, Delivered, Bounced int
	// Opened counts messages that were opened at least once; a click implies that.
	// Clicked and Replied count messages too, and not clicks and replies.
	Opened, Clicked, Replied Rate
	// MachineOnly and NoSignal count messages in that State.
	MachineOnly, NoSignal int
	// Incomplete counts messages of which events are known to be missing. With any, the
	// rates are lower bounds.
	Incomplete int
}

// Rate is a share of the messages that did not bounce, as a range.
type Rate struct {
	// Human is how many messages a person probably acted on: with a verdict for a person
	// whose confidence is at least Medium.
	Human int
	// Possible is Human plus the messages with events that are perhaps a person's: those of
	// Low confidence, and those that may be a person's or a machine's.
	Possible int
	// Of is how many messages there are, without those that are known to have bounced.
	Of int
}

// Range returns both ends of the rate, from 0 to 1. They are 0 if there is no message.
func (r Rate) Range() (low, high float64) {
	if r.Of <= 0 {
		return 0, 0
	}
	return float64(r.Human) / float64(r.Of), float64(r.Possible) / float64(r.Of)
}

// String returns the range in percent, such as "12.5% to 50.0% of 8".
func (r Rate) String() string {
	low, high := r.Range()
	return fmt.Sprintf("%.1f%% to %.1f%% of %d", 100*low, 100*high, r.Of)
}

func (r *Rate) add(human, possible bool) {
	r.Of++
	if human {
		r.Human++
	}
	if human || possible {
		r.Possible++
	}
}

// Campaigns adds up messages by the campaign of Sent, sorted by name. Messages without a
// label are a campaign with the name "". Set Delivery in the summaries of messages
// whose delivery is known. It keeps one Campaign for each name, and no summary.
func Campaigns(summaries iter.Seq[Summary]) []Campaign {
	byName := map[string]*Campaign{}
	for s := range summaries {
		name := s.Sent.Campaign()
		c := byName[name]
		if c == nil {
			name = strings.Clone(name)
			c = &Campaign{Name: name}
			byName[name] = c
		}
		c.add(&s)
	}
	all := make([]Campaign, 0, len(byName))
	for _, c := range byName {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b Campaign) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func (c *Campaign) add(s *Summary) {
	c.Messages++
	if s.Complete == No {
		c.Incomplete++
	}
	switch s.State {
	case MachineOnly:
		c.MachineOnly++
	case NoSignal:
		c.NoSignal++
	}
	switch s.Delivery {
	case Delivered:
		c.Delivered++
	case Bounced:
		c.Bounced++
		return // a bounced message is in no rate
	}
	opens, clicks, replies := s.Opens.Human-s.WeakOpens, s.Clicks.Human-s.WeakClicks, s.Replies.Human-s.WeakReplies
	c.Opened.add(opens+clicks > 0, s.WeakOpens+s.WeakClicks+s.Opens.Indeterminate+s.Clicks.Indeterminate > 0)
	c.Clicked.add(clicks > 0, s.WeakClicks+s.Clicks.Indeterminate > 0)
	c.Replied.add(replies > 0, s.WeakReplies+s.Replies.Indeterminate > 0)
}
