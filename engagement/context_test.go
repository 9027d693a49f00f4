package engagement_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
)

// sentTo is a message to one person with so many links.
func sentTo(links int) engagement.Sent {
	sent := engagement.Sent{MessageID: "m-1", At: sentAt, Recipients: 1}
	for i := range links {
		sent.Links = append(sent.Links, "https://shop.test/"+strconv.Itoa(i))
	}
	return sent
}

// clicks returns clicks an hour after the send, one for each pair of link and seconds.
func clicks(pairs ...[2]int) []engagement.Event {
	var events []engagement.Event
	for _, p := range pairs {
		events = append(events, click(chrome, home, p[0], time.Hour+time.Duration(p[1])*time.Second))
	}
	return events
}

func TestBurstsOfClicks(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	for name, test := range map[string]struct {
		links      int
		events     []engagement.Event
		actor      engagement.Actor
		confidence engagement.Confidence
		code       string // that each has, or "" if none has a reason of time
	}{
		"three links in three seconds":   {20, clicks([2]int{0, 0}, [2]int{4, 1}, [2]int{9, 3}), engagement.Human, engagement.Low, engagement.CodeLinkBurst},
		"three links in four seconds":    {20, clicks([2]int{0, 0}, [2]int{4, 2}, [2]int{9, 4}), engagement.Human, engagement.Medium, ""},
		"two links at once":              {20, clicks([2]int{0, 0}, [2]int{4, 0}), engagement.Human, engagement.Medium, ""},
		"one link three times":           {20, clicks([2]int{4, 0}, [2]int{4, 1}, [2]int{4, 2}), engagement.Human, engagement.Medium, ""},
		"one link thrice in a second":    {20, clicks([2]int{4, 0}, [2]int{4, 0}, [2]int{4, 0}), engagement.Human, engagement.Low, engagement.CodeActivityBurst},
		"three links in one second":      {20, clicks([2]int{0, 0}, [2]int{4, 0}, [2]int{9, 0}), engagement.Machine, engagement.Medium, engagement.CodeLinksAtOnce},
		"three in less than two seconds": {20, clicks([2]int{0, 0}, [2]int{4, 0}, [2]int{9, 1}), engagement.Machine, engagement.Medium, engagement.CodeLinksAtOnce},
		"three links in two seconds":     {20, clicks([2]int{0, 0}, [2]int{4, 1}, [2]int{9, 2}), engagement.Human, engagement.Low, engagement.CodeLinkBurst},
		"four links in three seconds":    {20, clicks([2]int{0, 0}, [2]int{4, 1}, [2]int{9, 1}, [2]int{2, 3}), engagement.Machine, engagement.Medium, engagement.CodeLinksAtOnce},
		"four of five links in a minute": {5, clicks([2]int{0, 0}, [2]int{1, 20}, [2]int{2, 40}, [2]int{3, 60}), engagement.Human, engagement.Low, engagement.CodeAllLinks},
		"three of five in a minute":      {5, clicks([2]int{0, 0}, [2]int{1, 20}, [2]int{2, 40}), engagement.Human, engagement.Medium, ""},
		"all of five in two minutes":     {5, clicks([2]int{0, 0}, [2]int{1, 30}, [2]int{2, 61}, [2]int{3, 91}, [2]int{4, 122}), engagement.Human, engagement.Medium, ""},
		"both of two in a minute":        {2, clicks([2]int{0, 0}, [2]int{1, 20}), engagement.Human, engagement.Medium, ""},
		"all of three, links not given":  {0, clicks([2]int{0, 0}, [2]int{1, 20}, [2]int{2, 40}), engagement.Human, engagement.Low, engagement.CodeAllLinks},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := c.Message(sentTo(test.links), test.events)
			for _, v := range s.Verdicts {
				assert.Equal(t, test.actor, v.Actor, engagement.Sentences(v.Reasons))
				assert.Equal(t, test.confidence, v.Confidence, engagement.Sentences(v.Reasons))
				if test.code == "" {
					assert.Len(t, v.Reasons, 1, engagement.Sentences(v.Reasons))
					continue
				}
				assert.True(t, v.Has(test.code), engagement.Sentences(v.Reasons))
			}
		})
	}
}

// The first seconds and a burst agree, so together they are enough; neither is alone.
func TestABurstRightAfterTheSendIsAMachines(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	events := []engagement.Event{click(chrome, home, 0, 4*time.Second), click(chrome, home, 1, 5*time.Second), click(safari, office, 7, 5*time.Second), click(chrome, home, 2, 6*time.Second)}
	s := c.Message(sentTo(20), events)
	for _, i := range []int{0, 1, 3} {
		assert.Equal(t, engagement.Machine, s.Verdicts[i].Actor)
		assert.True(t, s.Verdicts[i].Has(engagement.CodeSoonClick))
		assert.True(t, s.Verdicts[i].Has(engagement.CodeLinkBurst))
		assert.Contains(t, engagement.Sentences(s.Verdicts[i].Reasons), "3 different links")
	}
	assert.Equal(t, engagement.Self, s.Verdicts[2].Actor, "the sender's own click is no part of it")
	assert.Equal(t, engagement.MachineOnly, s.State)

	s = c.Message(sentTo(20), []engagement.Event{click(chrome, home, 0, 5*time.Second)})
	assert.Equal(t, engagement.Human, s.Verdicts[0].Actor, "one sign is not enough")
	s = newClassifier(t, engagement.WithClickDelay(0)).Message(sentTo(20), []engagement.Event{click(chrome, home, 0, 0)})
	assert.Equal(t, engagement.Medium, s.Verdicts[0].Confidence, "the check is off")
	s = newClassifier(t, engagement.WithClickDelay(time.Minute)).Message(sentTo(20), []engagement.Event{click(chrome, home, 0, 59*time.Second)})
	assert.Equal(t, engagement.Low, s.Verdicts[0].Confidence)
}

// No burst makes a mail client a machine, but a click from one in a burst is no person's.
func TestAMailClientIsNeverAMachine(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	for _, agent := range []string{outlook, chrome + " OneOutlook/1.2025.516.400", "Outlook-Android/2.0", "eMClient/9.3.6041.0"} {
		var events []engagement.Event
		for i := range 5 {
			events = append(events, click(agent, protection, i, time.Second), click(agent, home, i, time.Second), open(agent, protection, time.Second))
		}
		for _, v := range c.Message(sentTo(5), events).Verdicts {
			assert.NotEqual(t, engagement.Machine, v.Actor, "%s: %s", agent, engagement.Sentences(v.Reasons))
			assert.Equal(t, engagement.Low, v.Confidence)
		}
	}
}

func TestACloudNeedsASignInTime(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	// The scanner follows three links from three addresses, an hour after the send.
	events := []engagement.Event{click(chrome, azure, 0, time.Hour), click(chrome, azure, 1, time.Hour+time.Second), click(chrome, proofpoint, 2, time.Hour+2*time.Second), click(chrome, azure, 0, 3*time.Hour)}
	s := c.Message(sentTo(9), events)
	for _, v := range s.Verdicts[:3] {
		assert.Equal(t, engagement.Machine, v.Actor)
		assert.Equal(t, engagement.Medium, v.Confidence)
		assert.True(t, v.Has(engagement.CodeLinkBurst))
	}
	assert.Equal(t, engagement.Indeterminate, s.Verdicts[3].Actor, "a person may work in the cloud")
	assert.Equal(t, "Microsoft", s.Verdicts[0].Vendor)
	assert.Equal(t, engagement.Inconclusive, s.State)
}

func TestTheSameLinkFromTwoNetworks(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	scanner := click(chrome, "192.0.2.200", 1, time.Hour+12*time.Second)
	person := click(safari, home, 1, time.Hour)
	s := c.Message(sentTo(9), []engagement.Event{scanner, person})
	for _, v := range s.Verdicts {
		assert.Equal(t, engagement.Human, v.Actor)
		assert.Equal(t, engagement.Low, v.Confidence, "one of them is a scanner")
		assert.True(t, v.Has(engagement.CodeTwinClick))
	}
	assert.Equal(t, engagement.Clicked, s.State, "and the other a person")

	for name, events := range map[string][]engagement.Event{
		"one agent, as of a phone that leaves its house": {click(safari, "192.0.2.200", 1, time.Hour+12*time.Second), person},
		"one network":        {click(chrome, "203.0.113.99", 1, time.Hour+12*time.Second), person},
		"half a minute":      {click(chrome, "192.0.2.200", 1, time.Hour+31*time.Second), person},
		"another link":       {click(chrome, "192.0.2.200", 2, time.Hour+12*time.Second), person},
		"a link not known":   {click(chrome, "192.0.2.200", -1, time.Hour+12*time.Second), click(safari, home, -1, time.Hour)},
		"no address to tell": {click(chrome, "", 1, time.Hour+12*time.Second), click(safari, "", 1, time.Hour)},
	} {
		for _, v := range c.Message(sentTo(9), events).Verdicts {
			assert.False(t, v.Has(engagement.CodeTwinClick), name)
			assert.Equal(t, engagement.Medium, v.Confidence, name)
		}
	}
	group := sentTo(9)
	group.Recipients = 2
	assert.False(t, c.Message(group, []engagement.Event{scanner, person}).Verdicts[0].Has(engagement.CodeTwinClick), "two people may do that")

	known := click(chrome, protection, 1, time.Hour+12*time.Second)
	v := c.Message(sentTo(9), []engagement.Event{known, person}).Verdicts
	assert.Equal(t, engagement.Machine, v[0].Actor)
	assert.Equal(t, engagement.Medium, v[1].Confidence, "which of the two is the scanner is known")
}

// A scanner that names itself follows all links; the person's click in the same minute
// stays what it is.
func TestAKnownScannerDoesNotSpoilAClickInTheSameMinute(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	var events []engagement.Event
	for i := range 5 {
		events = append(events, click(chrome, protection, i, time.Hour+time.Duration(i)*time.Second))
	}
	events = append(events, click(safari, home, 2, time.Hour+40*time.Second))
	v := c.Message(sentTo(5), events).Verdicts
	assert.Equal(t, engagement.Human, v[5].Actor)
	assert.Equal(t, engagement.Medium, v[5].Confidence, engagement.Sentences(v[5].Reasons))
}

func TestManyOpensInASecond(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	var events []engagement.Event
	for range 3 {
		events = append(events, open(chrome, home, time.Hour), open("Mozilla/5.0", appleIP, 2*time.Hour), open(gmail, googleIP, 3*time.Hour))
	}
	events = append(events, open(chrome, home, 4*time.Hour), open(chrome, home, 4*time.Hour))
	v := c.Message(sentTo(0), events).Verdicts
	assert.Equal(t, engagement.Low, v[0].Confidence)
	assert.True(t, v[0].Has(engagement.CodeActivityBurst))
	assert.Equal(t, engagement.Indeterminate, v[1].Actor, "Nylas' own example has three such loads in a second")
	assert.Equal(t, engagement.Medium, v[2].Confidence, "a proxy may load an image several times")
	assert.Equal(t, engagement.Medium, v[9].Confidence, "two loads in a second are normal")
}

// A scanner that follows the links also loads the image, often before.
func TestAnOpenFromWhereAMachineFollowedLinks(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	burst := clicks([2]int{0, 0}, [2]int{4, 0}, [2]int{9, 0})
	at := func(agent, ip string, seconds int) engagement.Event {
		return open(agent, ip, time.Hour+time.Duration(seconds)*time.Second)
	}
	events := slices.Concat(burst, []engagement.Event{at(chrome, home, -60), at(chrome, home, 60), at(chrome, home, -61), at(safari, home, -1), at(chrome, "192.0.2.200", -1), at(outlook, home, 1)})
	v := c.Message(sentTo(20), events).Verdicts
	for _, one := range v[3:5] {
		assert.Equal(t, "browser: machine (medium)", one.String())
		assert.Equal(t, engagement.CodeMachineSource, one.Reasons[0].Code)
	}
	for i, one := range v[5:] {
		assert.Equal(t, engagement.Human, one.Actor, i)
		assert.Equal(t, engagement.Medium, one.Confidence, i)
	}
	slow := slices.Concat(clicks([2]int{0, 0}, [2]int{4, 1}, [2]int{9, 2}), []engagement.Event{at(chrome, home, -60)})
	assert.Equal(t, engagement.Human, c.Message(sentTo(20), slow).Verdicts[3].Actor, "a burst alone is no proof")
}

// The order in which the events are given changes no verdict: they come in any order.
func TestTheOrderOfEventsDoesNotMatter(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test that repeats
	agents := []string{chrome, safari, outlook, gmail, prefetch, "Mozilla/5.0", "", "curl/8.11.0"}
	ips := []string{home, azure, appleIP, protection, "192.0.2.200", office, ""}
	for range 200 {
		var events []engagement.Event
		for i := range 3 + random.IntN(20) {
			after := time.Duration(random.IntN(90)) * time.Second
			e := click(agents[random.IntN(len(agents))], ips[random.IntN(len(ips))], random.IntN(6)-1, after)
			if random.IntN(4) == 0 {
				e = open(e.UserAgent, "", after)
			}
			e.ID = strconv.Itoa(i)
			events = append(events, e)
		}
		want := map[string]engagement.Verdict{}
		first := c.Message(sentTo(5), events)
		for i, v := range first.Verdicts {
			want[events[i].ID] = v
		}
		random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		again := c.Message(sentTo(5), events)
		for i, v := range again.Verdicts {
			assert.Equal(t, want[events[i].ID], v)
			assert.False(t, v.Actor == engagement.Human && v.Confidence > engagement.High)
			require.NotEmpty(t, v.Reasons)
		}
		assert.Equal(t, first.State, again.State)
		assert.Equal(t, first.Links, again.Links)
		assert.Equal(t, first.SettledAt, again.SettledAt)
	}
}
