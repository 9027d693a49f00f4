package sqlstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
)

// Agents and addresses as the classifier knows them.
const (
	chrome  = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
	scanner = "curl/8.11.0"
)

// judge judges all that is due.
func judge(t *testing.T, s *sqlstore.Store) (all sqlstore.Judged) {
	t.Helper()
	for {
		judged, err := s.Judge(t.Context(), nil)
		require.NoError(t, err)
		all.Messages, all.Next = all.Messages+judged.Messages, judged.Next
		if judged.Next.IsZero() || judged.Next.After(time.Now()) {
			return all
		}
	}
}

func outcome(t *testing.T, s *sqlstore.Store, message string) *sqlstore.Outcome {
	t.Helper()
	m, found, err := s.Message(t.Context(), "g-1", message)
	require.NoError(t, err)
	require.True(t, found)
	return m.Outcome
}

func clickedBy(agent, message, id string, at time.Time) engagement.Event {
	return engagement.Event{
		ID: id, Kind: engagement.Click, GrantID: "g-1", MessageID: message, Time: at.UTC(), UserAgent: agent, LinkIndex: 0, Label: "spring",
	}
}

func clicks(message string) engagement.Key {
	return engagement.Key{GrantID: "g-1", MessageID: message, Kind: engagement.Click}
}

// put stores events of a key, of which the ledger knows nothing.
func put(tb testing.TB, s engagement.Store, key engagement.Key, events ...engagement.Event) {
	tb.Helper()
	require.NoError(tb, s.Update(tb.Context(), key, func(r engagement.Record) (engagement.Addition, error) {
		return engagement.Addition{State: r.State, Events: events}, nil
	}))
}

// A message is judged when it was sent, when events come, and when its verdicts settle.
func TestMessagesAreJudgedWhenTheyAreDue(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, d database) {
		s := d.store(t)
		assert.Equal(t, sqlstore.Judged{}, judge(t, s), "nothing is due")
		sent := engagement.Sent{GrantID: "g-1", MessageID: "m-1", Label: "spring", At: time.Now(), Recipients: 1}
		require.NoError(t, s.SetSent(t.Context(), sent))
		assert.Nil(t, outcome(t, s, "m-1"))
		assert.Equal(t, sqlstore.Judged{Messages: 1}, judge(t, s))
		o := outcome(t, s, "m-1")
		require.NotNil(t, o)
		assert.Equal(t, engagement.NoSignal, o.State)
		assert.Equal(t, engagement.Yes, o.Complete)
		assert.Equal(t, sqlstore.Judged{}, judge(t, s), "once is enough")

		<-time.After(time.Hour)
		at := time.Now().UTC().Truncate(time.Second)
		put(t, s, clicks("m-1"), clickedBy(chrome, "m-1", "A", at), clickedBy(scanner, "m-1", "B", at))
		judged := judge(t, s)
		assert.Equal(t, 1, judged.Messages)
		o = outcome(t, s, "m-1")
		assert.False(t, o.Settled(time.Now()), "the other clicks of a burst may still come")
		assert.Equal(t, o.SettledAt, judged.Next)
		<-time.After(time.Until(judged.Next))
		assert.Equal(t, sqlstore.Judged{Messages: 1}, judge(t, s))

		classifier, err := engagement.NewClassifier()
		require.NoError(t, err)
		summary := classifier.Message(sent, history(t, s, "m-1"))
		o = outcome(t, s, "m-1")
		assert.Equal(t, summary.State, o.State)
		assert.Equal(t, engagement.Clicked, o.State)
		assert.Equal(t, summary.Confidence, o.Confidence)
		assert.Equal(t, engagement.Counts{Human: 1, Machine: 1}, o.Clicks)
		assert.Equal(t, engagement.Counts{}, o.Opens)
		assert.Equal(t, at, o.FirstClick)
		assert.Equal(t, at, o.FirstOpen)
		assert.True(t, o.OpenImplied)
		assert.Zero(t, o.FirstReply)
		assert.Equal(t, time.Now().UTC().Truncate(time.Microsecond), o.JudgedAt)
		assert.Equal(t, classifier.Rules(), o.Rules)

		campaign, found, err := s.Campaign(t.Context(), "spring")
		require.NoError(t, err)
		assert.True(t, found)
		one := engagement.Rate{Human: 1, Possible: 1, Of: 1}
		assert.Equal(t, engagement.Campaign{Name: "spring", Messages: 1, Opened: one, Clicked: one, Replied: engagement.Rate{Of: 1}}, campaign.Campaign)
		assert.Equal(t, at, campaign.LastActive)
	})
}
