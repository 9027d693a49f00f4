package dashboard

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nylastrack/nylas-go/engagement"
)

// rateBar is a rate as a drawing: full up to what people certainly or probably did, striped up
// to what is possible.
type rateBar struct {
	Key, Name, Class string
	Title            string // the range in a few words
	Text             string // the same with its numbers
	Low, Span        string // lengths in the drawing, in percent of its width
	None             bool   // there is nothing to be a share of
}

// rateBars are the three rates of a campaign.
func rateBars(id string, c *engagement.Campaign) []rateBar {
	return []rateBar{
		newRateBar(id+"-o", "Opened", "open", c.Opened), newRateBar(id+"-c", "Clicked", "click", c.Clicked),
		newRateBar(id+"-r", "Replied", "reply", c.Replied),
	}
}

func newRateBar(id, name, class string, r engagement.Rate) rateBar {
	low, high := r.Range()
	b := rateBar{Key: id, Name: name, Class: class, Low: length(low), Span: length(high - low), None: r.Of == 0}
	switch {
	case b.None:
		b.Title = "no message to count"
	case r.Human == r.Possible:
		b.Title = percent(low)
		b.Text = fmt.Sprintf("%d of %d by people, probably", r.Human, r.Of)
	default:
		b.Title = percent(low) + " to " + percent(high)
		b.Text = fmt.Sprintf("%d of %d by people, probably; %d more possible", r.Human, r.Of, r.Possible-r.Human)
	}
	return b
}

func percent(share float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(share*100, 'f', 1, 64), ".0") + " %"
}

func length(share float64) string { return strconv.FormatFloat(share*100, 'f', 2, 64) + "%" }
