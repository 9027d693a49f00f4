package engagement_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
)

func TestCampaignsAreRanges(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	message := func(label string, delivery engagement.Delivery, events ...engagement.Event) engagement.Summary {
		sent := sentTo(3)
		sent.Label = label
		s := c.Message(sent, events)
		s.Delivery = delivery
		return s
	}
	summaries := []engagement.Summary{
		message("spring", "", open(gmail, googleIP, time.Hour)),
		message("autumn", ""),
		message("spring", engagement.Delivered, open("Mozilla/5.0", appleIP, time.Hour)),
		message("spring", engagement.Delivered, open(prefetch, googleIP, time.Hour)).WithMissing([]engagement.Gap{{First: 1, Last: 1}}),
		message("spring", "", click(chrome, home, 0, time.Hour), open("Mozilla/5.0", appleIP, time.Hour)),
		message("spring", "", click(chrome, azure, 0, time.Hour)),
		message("spring", engagement.Delivered, reply(time.Hour, nil)),
		message("spring", "", reply(time.Hour, automatic)),
		message("spring", engagement.Bounced, click("curl/8.11.0", home, 0, time.Hour)),
		message("spring", engagement.Bounced),
	}
	campaigns := engagement.Campaigns(slices.Values(summaries))
	require.Len(t, campaigns, 2)
	assert.Equal(t, engagement.Campaign{
		Name: "autumn", Messages: 1, NoSignal: 1,
		Opened: engagement.Rate{Of: 1}, Clicked: engagement.Rate{Of: 1}, Replied: engagement.Rate{Of: 1},
	}, campaigns[0])
	spring := engagement.Campaign{
		Name: "spring", Messages: 9, Delivered: 3, Bounced: 2, MachineOnly: 3, NoSignal: 1, Incomplete: 1,
		Opened:  engagement.Rate{Human: 2, Possible: 4, Of: 7}, // gmail and a click; besides Apple and the cloud's click
		Clicked: engagement.Rate{Human: 1, Possible: 2, Of: 7},
		Replied: engagement.Rate{Human: 1, Possible: 1, Of: 7},
	}
	assert.Equal(t, spring, campaigns[1])
	low, high := campaigns[1].Opened.Range()
	assert.InDelta(t, 2.0/7, low, 1e-9)
	assert.InDelta(t, 4.0/7, high, 1e-9)
	assert.Equal(t, "28.6% to 57.1% of 7", campaigns[1].Opened.String())
	low, high = engagement.Rate{}.Range()
	assert.Zero(t, low+high, "of nothing")
	assert.Empty(t, engagement.Campaigns(slices.Values[[]engagement.Summary](nil)))
}

// Each gives every person's message a label of its own. They are one campaign all the same.
func TestACampaignIsNamedByItsLabel(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	var summaries []engagement.Summary
	for label, want := range map[string]string{
		"nt1:campaign=spring&person=42": "spring", "nt1:campaign=spring&person=43": "spring", "nt1:campaign=spring&person=44&plan=pro": "spring",
		"spring": "spring", "nt1:campaign=trial+q2%26%25&person=1": "trial q2&%", "": "",
		// These name no campaign, so they are campaigns of their own.
		"nt1:contact=42": "nt1:contact=42", "nt1:campaign=&person=1": "nt1:campaign=&person=1", "nt1:": "nt1:",
		"nt1:person=1&campaign=spring": "nt1:person=1&campaign=spring", "nt2:campaign=spring": "nt2:campaign=spring", "campaign=spring": "campaign=spring",
	} {
		assert.Equal(t, want, engagement.CampaignOf(label), label)
		sent := sentTo(1)
		sent.Label = label
		assert.Equal(t, want, sent.Campaign(), label)
		summaries = append(summaries, c.Message(sent, nil))
	}
	campaigns := map[string]int{}
	for _, c := range engagement.Campaigns(slices.Values(summaries)) {
		campaigns[c.Name] = c.Messages
	}
	assert.Equal(t, map[string]int{
		"": 1, "campaign=spring": 1, "nt1:": 1, "nt1:campaign=&person=1": 1, "nt1:contact=42": 1, "nt1:person=1&campaign=spring": 1,
		"nt2:campaign=spring": 1, "spring": 4, "trial q2&%": 1,
	}, campaigns)
}

// What is a person's by weak signs only is in the upper end.
func TestWeakSignsAreNotInTheLowerEnd(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	weakOpen, weakClick := open(chrome, home, 10*time.Second), click(chrome, home, 0, 5*time.Second)
	weak := c.Message(sentTo(1), []engagement.Event{weakOpen})
	require.Equal(t, engagement.Human, weak.Verdicts[0].Actor)
	require.Equal(t, engagement.Low, weak.Verdicts[0].Confidence)
	assert.Equal(t, 1, weak.WeakOpens)
	clicked := c.Message(sentTo(1), []engagement.Event{weakClick})
	require.Equal(t, engagement.Human, clicked.Verdicts[0].Actor)
	require.Equal(t, engagement.Low, clicked.Verdicts[0].Confidence)
	assert.Equal(t, 1, clicked.WeakClicks)
	both := c.Message(sentTo(1), []engagement.Event{weakOpen, open(gmail, googleIP, time.Hour)})
	assert.Equal(t, 1, both.WeakOpens)

	all := engagement.Campaigns(slices.Values([]engagement.Summary{weak, clicked, both}))
	require.Len(t, all, 1)
	assert.Equal(t, engagement.Rate{Human: 1, Possible: 3, Of: 3}, all[0].Opened)
	assert.Equal(t, engagement.Rate{Human: 0, Possible: 1, Of: 3}, all[0].Clicked)
}

// hostile texts are formulas to a spreadsheet.
var hostile = []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u200b=1", "\u00a0+1", "＝1", "\"=1\";=1", "a,b\n=c"}

func TestCSVHasNoFormulas(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	for _, text := range hostile {
		e := click(text, "::1", 0, time.Hour)
		e.ID, e.Kind, e.MessageID, e.GrantID, e.Label, e.ReplyID, e.Network, e.URL = text, engagement.Click, text, text, text, text, text, text
		sent := engagement.Sent{MessageID: text, GrantID: text, Label: text, Subject: text, Links: []string{text}, At: sentAt.Add(2 * time.Hour)}
		s := c.Message(sent, []engagement.Event{e})
		s.Delivery = engagement.Delivery(text)
		s.Verdicts[0].Vendor, s.Verdicts[0].Mechanism, s.Reasons[0].Text = text, engagement.Mechanism(text), text

		var events, messages bytes.Buffer
		require.NoError(t, engagement.EventsCSV(&events, pairs(map[*engagement.Summary][]engagement.Event{&s: {e}})))
		require.NoError(t, engagement.MessagesCSV(&messages, slices.Values([]engagement.Summary{s})))
		for _, table := range []*bytes.Buffer{&events, &messages} {
			rows, err := csv.NewReader(table).ReadAll()
			require.NoError(t, err)
			require.Len(t, rows, 2)
			found := 0
			for i, cell := range rows[1] {
				if rows[0][i] != "first_click_seconds" && rows[0][i] != "first_open_seconds" { // our own number, before the send
					assert.NotRegexp(t, `^[\s\p{Cf}\p{Z}]*[-=+@＝]`, cell, "%s of %q", rows[0][i], text)
				}
				if strings.ReplaceAll(cell, "'", "") == text {
					found++
				}
			}
			assert.Greater(t, found, 4, "the text itself is kept")
		}
	}
}

// Spreadsheets of many countries separate cells with something else than a comma, and then see
// no quotes around a text that does not begin its cell.
func TestCSVHasNoFormulasAfterOtherSeparators(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	for text, want := range map[string]string{
		"a;=cmd|' /C calc'!A0": "a;'=cmd|' /C calc'!A0", "a; +1": "a;' +1", "a\t-1": "a\t'-1", "a|@SUM(A1)": "a|'@SUM(A1)", "a,b\n=c": "a,b\n'=c", "a\r＝1": "a\r'＝1",
		"a;\"=1\"": "a;'\"=1\"", "a;\u200b=1;;-1": "a;'\u200b=1;;'-1", "=1;=2": "'=1;'=2", "\t=1": "'\t'=1",
		chrome: chrome, "Hi, -10 % today": "Hi, -10 % today", "https://acme.dev/?a=b|c&d=e;f=-1": "https://acme.dev/?a=b|c&d=e;f=-1", "a;b;": "a;b;", "": "",
	} {
		sent := engagement.Sent{MessageID: "m-1", Subject: text, At: sentAt}
		e := open(text, home, time.Hour)
		s := c.Message(sent, []engagement.Event{e})
		var events, messages bytes.Buffer
		require.NoError(t, engagement.EventsCSV(&events, pairs(map[*engagement.Summary][]engagement.Event{&s: {e}})))
		require.NoError(t, engagement.MessagesCSV(&messages, slices.Values([]engagement.Summary{s})))
		for column, table := range map[string]*bytes.Buffer{"user_agent": &events, "subject": &messages} {
			rows, err := csv.NewReader(table).ReadAll()
			require.NoError(t, err)
			assert.Equal(t, want, rows[1][slices.Index(rows[0], column)], "%s of %q", column, text)
		}
	}
}

func pairs(m map[*engagement.Summary][]engagement.Event) iter.Seq2[engagement.Summary, []engagement.Event] {
	return func(yield func(engagement.Summary, []engagement.Event) bool) {
		for s, events := range maps.All(m) {
			if !yield(*s, events) {
				return
			}
		}
	}
}

func TestCSVTellsWhatIsKnown(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	sent := engagement.Sent{GrantID: "g-1", MessageID: "m-1", Label: "spring", At: sentAt, Links: []string{"https://shop.test/"}, Recipients: 1}
	events := []engagement.Event{click(chrome, home, 0, time.Hour), open(prefetch, googleIP, 25*time.Second), {Kind: engagement.Reply, LinkIndex: -1}, click(chrome, home, 5, 3*time.Hour)}
	events[3].URL, events[3].URLInferred = "https://guess.test/", true
	events[1].LinkIndex = 0 // also if somebody leaves it at the zero value
	s := c.Message(sent, events).WithMissing(nil)

	var out bytes.Buffer
	require.NoError(t, engagement.EventsCSV(&out, pairs(map[*engagement.Summary][]engagement.Event{&s: events})))
	rows, err := csv.NewReader(&out).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 5)
	value := func(row int, column string) string { return rows[row][slices.Index(rows[0], column)] }
	assert.Equal(t, "m-1", value(1, "message_id"), "of the message if the event does not say")
	assert.Equal(t, "human", value(1, "actor"))
	assert.Equal(t, "2026-11-29T13:00:00Z", value(1, "time"))
	assert.Equal(t, "https://shop.test/", value(1, "url"))
	assert.Equal(t, "false", value(1, "url_inferred"))
	assert.Equal(t, "https://guess.test/", value(4, "url"))
	assert.Equal(t, "true", value(4, "url_inferred"))
	assert.Equal(t, "gmail-prefetch", value(2, "mechanism"))
	assert.Equal(t, "60", value(2, "hides_seconds"))
	assert.Empty(t, value(2, "link_index"), "an open has none")
	assert.Empty(t, value(2, "url_inferred"))
	assert.Empty(t, value(3, "time"))
	assert.Contains(t, value(3, "reasons"), "Somebody answered")

	out.Reset()
	require.NoError(t, engagement.MessagesCSV(&out, slices.Values([]engagement.Summary{s, c.Message(engagement.Sent{}, nil)})))
	rows, err = csv.NewReader(&out).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 3)
	assert.Equal(t, "replied", value(1, "state"))
	assert.Equal(t, "high", value(1, "confidence"))
	assert.Equal(t, "2", value(1, "clicks_human"))
	assert.Equal(t, "1", value(1, "opens_machine"))
	assert.Equal(t, "3600", value(1, "first_open_seconds"))
	assert.Equal(t, "true", value(1, "first_open_implied"))
	assert.Equal(t, "3600", value(1, "first_click_seconds"))
	assert.Empty(t, value(1, "first_reply"), "the reply has no time")
	assert.Equal(t, "yes", value(1, "complete"))
	assert.Equal(t, "0", value(1, "missing"))
	assert.Equal(t, "no signal", value(2, "state"))
	for _, column := range []string{"confidence", "complete", "missing", "first_open", "first_open_implied", "settled_at", "recipients", "sent_at"} {
		assert.Empty(t, value(2, column), column)
	}

	require.ErrorContains(t, engagement.EventsCSV(&out, pairs(map[*engagement.Summary][]engagement.Event{&s: nil})), "that Message judged")
	full := errors.New("disk full")
	require.ErrorIs(t, engagement.EventsCSV(broken{full}, pairs(nil)), full)
	require.ErrorIs(t, engagement.MessagesCSV(broken{full}, slices.Values([]engagement.Summary{s})), full)
}

type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }
