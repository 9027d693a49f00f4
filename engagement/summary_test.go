package engagement_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
)

func reply(after time.Duration, change func(*engagement.Event)) engagement.Event {
	e := engagement.Event{Kind: engagement.Reply, Time: sentAt.Add(after), LinkIndex: -1, ReplyID: "r-1"}
	if change != nil {
		change(&e)
	}
	return e
}

func automatic(e *engagement.Event) { e.Automatic = engagement.Yes }
func fromSelf(e *engagement.Event)  { e.FromSelf = true }

// Each state needs an event of its own rank, whatever lesser ones there are.
func TestTheStateIsTheBestThatTheEventsShow(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	ladder := []struct {
		state engagement.State
		event engagement.Event
	}{
		{engagement.NoSignal, open(chrome, office, time.Hour)}, // the sender's own
		{engagement.MachineOnly, open(prefetch, googleIP, time.Hour)},
		{engagement.Inconclusive, open("Mozilla/5.0", appleIP, 2*time.Hour)},
		{engagement.LikelyOpened, open(gmail, googleIP, 3*time.Hour)},
		{engagement.Clicked, click(chrome, home, 1, 4*time.Hour)},
		{engagement.Replied, reply(5*time.Hour, nil)},
	}
	var events []engagement.Event
	for _, step := range ladder {
		events = append([]engagement.Event{step.event}, events...)
		s := c.Message(sentTo(3), events)
		assert.Equal(t, step.state, s.State)
		assert.True(t, s.Has(engagement.CodeState))
		for _, reason := range s.Reasons {
			assert.Regexp(t, `^[A-Z0-9].*\.$`, reason.Text)
		}
		assert.NotContains(t, strings.ToLower(engagement.Sentences(s.Reasons)+s.String()), "unread", "nobody can know that")
		assert.Len(t, s.Verdicts, len(events))
	}
	s := c.Message(sentTo(3), events)
	assert.Equal(t, engagement.Counts{Human: 1, Indeterminate: 1, Machine: 1, Self: 1}, s.Opens)
	assert.Equal(t, engagement.Counts{Human: 1}, s.Clicks)
	assert.Equal(t, engagement.Counts{Human: 1}, s.Replies)
	assert.Equal(t, engagement.High, s.Confidence)
	assert.Equal(t, "replied (high)", s.String())

	only := c.Message(sentTo(3), []engagement.Event{reply(time.Hour, automatic), reply(time.Hour, fromSelf)})
	assert.Equal(t, engagement.MachineOnly, only.State, "an absence notice is no answer")
	assert.Equal(t, engagement.Counts{Machine: 1, Self: 1}, only.Replies)
	assert.Nil(t, only.FirstReply)

	none := c.Message(engagement.Sent{}, nil)
	assert.Equal(t, engagement.NoSignal, none.State)
	assert.Equal(t, "no signal", none.String())
	assert.Contains(t, engagement.Sentences(none.Reasons), "does not say that nobody read the message")
	assert.Zero(t, none.SettledAt)
	assert.True(t, c.Message(sentTo(1), []engagement.Event{open(chrome, office, time.Hour)}).Has(engagement.CodeOnlySelf))
}

func TestTheFirstOfEachKind(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	events := []engagement.Event{
		click(chrome, home, 1, 4*time.Hour),
		open(gmail, googleIP, 3*time.Hour),
		open(gmail, googleIP, 2*time.Hour),
		open(prefetch, googleIP, time.Hour), // a machine's
		reply(6*time.Hour, nil),
		reply(5*time.Hour, automatic),
		click(chrome, home, 2, 5*time.Hour),
	}
	s := c.Message(sentTo(3), events)
	assert.Equal(t, &engagement.Moment{Event: 2, Time: sentAt.Add(2 * time.Hour), After: 2 * time.Hour}, s.FirstOpen)
	assert.Equal(t, &engagement.Moment{Event: 0, Time: sentAt.Add(4 * time.Hour), After: 4 * time.Hour}, s.FirstClick)
	assert.Equal(t, &engagement.Moment{Event: 4, Time: sentAt.Add(6 * time.Hour), After: 6 * time.Hour}, s.FirstReply)
	assert.Equal(t, sentAt.Add(6*time.Hour+2*time.Minute), s.SettledAt)
	assert.False(t, s.Settled(s.SettledAt.Add(-time.Second)))
	assert.True(t, s.Settled(s.SettledAt))

	// Images are often not loaded before the click.
	events[1].Time, events[2].Time = sentAt.Add(7*time.Hour), time.Time{}
	s = c.Message(engagement.Sent{}, events)
	assert.Equal(t, &engagement.Moment{Event: 0, Time: sentAt.Add(4 * time.Hour), Implied: true}, s.FirstOpen, "a click implies an open")
	assert.True(t, s.Has(engagement.CodeImpliedOpen))
	assert.Zero(t, s.FirstClick.After, "when it was sent is not known")

	// In the same second the open is the better evidence.
	events = []engagement.Event{click(chrome, home, 1, time.Hour), open(outlook, home, time.Hour)}
	assert.Equal(t, 1, c.Message(sentTo(3), events).FirstOpen.Event)

	s = newClassifier(t, engagement.WithSettleTime(time.Hour)).Message(sentTo(3), events)
	assert.Equal(t, sentAt.Add(2*time.Hour), s.SettledAt)
	assert.Equal(t, s.SettledAt, s.Verdicts[0].ProvisionalUntil)
}

// Only a prefetch was seen: Nylas may have hidden the open of a person.
func TestAPrefetchMayHideAPerson(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	s := c.Message(sentTo(0), []engagement.Event{open(prefetch, googleIP, 25*time.Second)})
	assert.Equal(t, engagement.MachineOnly, s.State)
	assert.True(t, s.Has(engagement.CodeHiddenOpen))
	s = c.Message(sentTo(0), []engagement.Event{open(prefetch, googleIP, 25*time.Second), open(gmail, googleIP, 30*time.Second)})
	assert.Equal(t, engagement.LikelyOpened, s.State)
	assert.Equal(t, 30*time.Second, s.FirstOpen.After)
	assert.False(t, s.Has(engagement.CodeHiddenOpen))
}

func TestLinksAreCountedByPosition(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	after := time.Hour
	known := func(link int, url string, inferred bool) engagement.Event {
		after += time.Hour
		e := click(chrome, home, link, after)
		e.URL, e.URLInferred = url, inferred
		return e
	}
	sent := sentTo(2)
	s := c.Message(sent, []engagement.Event{
		known(1, "https://wrong.test/", true),
		click("curl/8.11.0", home, 1, 3*time.Hour),
		known(7, "https://guess.test/", true),           // a position that the body does not have
		known(7, "https://sure.test/", false),           // and later what the ledger knew
		click(chrome, office, math.MaxInt, 2*time.Hour), // nonsense must not make a big list
		known(-1, "https://lost.test/", false), click(chrome, home, -1, 90*time.Hour),
		open(chrome, home, 8*time.Hour),
	})
	assert.Equal(t, []engagement.LinkCount{
		{Index: 0, URL: "https://shop.test/0"},
		{Index: 1, URL: "https://shop.test/1", Clicks: engagement.Counts{Human: 1, Machine: 1}},
		{Index: 7, URL: "https://sure.test/", Clicks: engagement.Counts{Human: 2}},
		{Index: math.MaxInt, Clicks: engagement.Counts{Self: 1}},
		{Index: -1, Clicks: engagement.Counts{Human: 1}},
		{Index: -1, URL: "https://lost.test/", Clicks: engagement.Counts{Human: 1}},
	}, s.Links)

	url, inferred := sent.URL(known(1, "https://wrong.test/", true))
	assert.Equal(t, "https://shop.test/1", url)
	assert.False(t, inferred)
	url, inferred = sent.URL(known(7, "https://guess.test/", true))
	assert.Equal(t, "https://guess.test/", url)
	assert.True(t, inferred)
	url, inferred = sent.URL(engagement.Event{Kind: engagement.Open})
	assert.Empty(t, url, "an open has none, also with the index 0")
	assert.False(t, inferred)
}

func TestAttribution(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	for recipients, want := range map[int]engagement.Attribution{0: engagement.AttributionUnknown, 1: engagement.SoleRecipient, 3: engagement.OneOfSeveral, -1: engagement.AttributionUnknown} {
		s := c.Message(engagement.Sent{Recipients: recipients}, []engagement.Event{open(gmail, "", time.Hour)})
		assert.Equal(t, want, s.Attribution)
		assert.Equal(t, recipients == 3, s.Has(engagement.CodeSeveral))
	}
}

func TestMissingEvents(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	s := c.Message(sentTo(2), []engagement.Event{open(gmail, googleIP, time.Hour)})
	assert.Equal(t, engagement.Unknown, s.Complete, "nobody said")

	whole := s.WithMissing(nil)
	assert.Equal(t, engagement.Yes, whole.Complete)
	assert.False(t, whole.Has(engagement.CodeMissingEvents))

	part := whole.WithMissing([]engagement.Gap{
		{MessageID: "m-1", Kind: engagement.Open, LinkIndex: -1, First: 10, Last: 28},
		{MessageID: "m-1", Kind: engagement.Click, LinkIndex: 1, First: 0, Last: 0, Lost: true},
		{MessageID: "another", Kind: engagement.Open, First: 0, Last: 99},
		{MessageID: "m-1", Kind: engagement.Open, First: 9, Last: 4}, // is none
	})
	assert.Equal(t, engagement.No, part.Complete)
	assert.Equal(t, int64(20), part.Missing)
	assert.Equal(t, int64(1), part.Lost)
	assert.Contains(t, engagement.Sentences(part.Reasons), "20 events are missing")
	assert.False(t, s.Has(engagement.CodeMissingEvents), "the old summary is as it was")
	assert.Len(t, part.WithMissing(nil).Reasons, len(s.Reasons))
	assert.True(t, part.Has(engagement.CodeMissingEvents), "and so is this one")
	one := part.WithMissing([]engagement.Gap{{First: 3, Last: 3}})
	assert.Contains(t, engagement.Sentences(one.Reasons), "1 event is missing")
}

// Summaries are stored and sent as JSON, so each value must come back.
func TestASummarySurvivesJSON(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	s := c.Message(sentTo(2), []engagement.Event{click(chrome, home, 1, time.Hour), open(prefetch, googleIP, time.Hour), reply(2*time.Hour, fromSelf)})
	text, err := json.Marshal(s)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"Actor":"machine"`)
	assert.Contains(t, string(text), `"State":"clicked"`)
	var again engagement.Summary
	require.NoError(t, json.Unmarshal(text, &again))
	assert.Equal(t, s, again)

	var state engagement.State
	require.ErrorContains(t, state.UnmarshalText([]byte("bought")), "likely opened")
	_, err = engagement.Actor(9).MarshalText()
	require.Error(t, err)
	assert.Equal(t, "Actor(9)", engagement.Actor(9).String())
}
