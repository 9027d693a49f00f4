package sqlstore_test

import (
	"strings"
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

// What is missing belongs to the outcome, and is lost after the horizon.
func TestMissingEventsAreJudged(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, d database) {
		s := d.store(t)
		<-time.After(time.Until(noon)) // which is after the events
		_, err := engagement.NewLedger(s).Apply(t.Context(), parse(t, window("m-1", windowSize+10)))
		require.NoError(t, err)
		judged := judge(t, s)
		assert.Equal(t, sqlstore.Judged{Messages: 1, Next: time.Now().Add(engagement.DefaultHorizon).UTC()}, judged)
		o := outcome(t, s, "m-1")
		assert.Equal(t, engagement.No, o.Complete)
		assert.Equal(t, int64(10), o.Missing)
		assert.Zero(t, o.Lost)
		campaign, _, err := s.Campaign(t.Context(), "q2")
		require.NoError(t, err)
		assert.Equal(t, 1, campaign.Incomplete)

		<-time.After(time.Until(judged.Next))
		assert.Equal(t, sqlstore.Judged{Messages: 1}, judge(t, s))
		assert.Equal(t, int64(10), outcome(t, s, "m-1").Lost)
		require.NoError(t, s.Withdraw(t.Context(), sqlstore.Withdrawal{GrantID: "g-1", MessageIDs: []string{"m-1"}}))
		require.NoError(t, s.SetSent(t.Context(), engagement.Sent{GrantID: "g-1", MessageID: "m-1"}))
		judge(t, s)
		assert.Equal(t, engagement.Unknown, outcome(t, s, "m-1").Complete, "events are dropped")
	})
}

// Messages are judged again by later rules, and not by earlier ones.
func TestLaterRulesJudgeAgain(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		put(t, s, clicks("m-1"), clickedBy("Sweeper/1.0", "m-1", "A", noon.Add(-time.Hour*24*365)))
		put(t, s, clicks("m-2"), clickedBy("Sweeper/1.0", "m-2", "B", noon.Add(-time.Hour*24*365)))
		assert.Equal(t, 2, judge(t, s).Messages)
		before := outcome(t, s, "m-1")
		later, err := engagement.NewClassifier(engagement.WithExtraRules(&engagement.Rules{Date: "2999-01-01", Agents: []engagement.AgentRule{{
			Code: "sweeper", Mechanism: engagement.SecurityScanner, Vendor: "Sweeper", Certainty: engagement.High, Products: []string{"Sweeper"},
			Scope: engagement.AllKinds, Why: "A sweeper.", Source: "https://acme.dev",
		}}}))
		require.NoError(t, err)
		judged, err := s.Judge(t.Context(), later)
		require.NoError(t, err)
		assert.Equal(t, sqlstore.Judged{Messages: 2}, judged)
		after := outcome(t, s, "m-1")
		assert.Equal(t, "2999-01-01", after.Rules)
		assert.NotEqual(t, before.State, after.State)
		assert.Equal(t, engagement.MachineOnly, after.State)
		assert.Equal(t, sqlstore.Judged{}, judge(t, s), "older rules change nothing: two processes would go on for ever")
		judged, err = s.Judge(t.Context(), later)
		require.NoError(t, err)
		assert.Zero(t, judged)
	})
}

// One call does not hold up others for long, and says that there is more.
func TestOneCallJudgesSome(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s, db := d.store(t), d.open(t)
		fill(t, db, d.engine, 2, sqlstore.MaxJudged+150, 1)
		run(t, db, "DELETE FROM nylas_campaigns")
		run(t, db, "UPDATE nylas_messages SET judge_at = 1 + id % 7, outcome = '', rules = '', state = -1, active_at = 1 + id % 5")
		judged, err := s.Judge(t.Context(), nil)
		require.NoError(t, err)
		assert.Equal(t, sqlstore.MaxJudged, judged.Messages)
		assert.False(t, judged.Next.IsZero())
		assert.False(t, judged.Next.After(time.Now()))
		judged, err = s.Judge(t.Context(), nil)
		require.NoError(t, err)
		assert.Equal(t, sqlstore.Judged{Messages: 150}, judged)
		campaign, _, err := s.Campaign(t.Context(), "l-1")
		require.NoError(t, err)
		assert.Equal(t, (sqlstore.MaxJudged+150)/2, campaign.Messages)
	})
}

// A message that cannot be judged does not hold up the others.
func TestOneThatCannotBeJudged(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s, db := d.store(t), d.open(t)
		for i, column := range []string{"links", "opens", "outcome", "base", "fine", "fine", "event"} {
			m := "m-" + itoa(i)
			put(t, s, opens(m), opened(m, m, i))
			switch column {
			case "opens":
				require.NoError(t, s.Update(t.Context(), opens(m), func(engagement.Record) (engagement.Addition, error) {
					return engagement.Addition{State: []byte("no state")}, nil
				}))
			case "event":
				run(t, db, "UPDATE nylas_events SET automatic = 'perhaps' WHERE id = '"+m+"'")
			case "fine":
			default:
				run(t, db, "UPDATE nylas_messages SET "+column+" = 'secret' WHERE message_id = '"+m+"'")
			}
		}
		for range 2 {
			judged, err := s.Judge(t.Context(), nil)
			require.Error(t, err)
			assert.Equal(t, 5, strings.Count(err.Error(), " of nylas_messages: "), err)
			require.NotContains(t, err.Error(), "secret")
			assert.False(t, judged.Next.After(time.Now()), "they stay due")
		}
		assert.NotNil(t, outcome(t, s, "m-4"))
		assert.NotNil(t, outcome(t, s, "m-5"))
	})
}

// A reply whose notification named the thread only is judged, but is no message of a campaign.
func TestThreadsAreJudged(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		put(t, s, engagement.Key{GrantID: "g-1", ThreadID: "t-1", Kind: engagement.Reply},
			engagement.Event{ID: "R", Kind: engagement.Reply, GrantID: "g-1", ThreadID: "t-1", Label: "q2", Time: noon, LinkIndex: -1, ReplyID: "r-1"})
		assert.Equal(t, 1, judge(t, s).Messages)
		all := messages(t, s, sqlstore.MessageQuery{State: new(engagement.Replied), Limit: 10})
		require.Len(t, all, 1)
		assert.Equal(t, engagement.Counts{Human: 1}, all[0].Outcome.Replies)
		assert.Equal(t, engagement.Unknown, all[0].Outcome.Complete)
		assert.Empty(t, storedCampaigns(t, s, 10))
	})
}

func TestSetDelivery(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		require.NoError(t, s.SetDelivery(t.Context(), "g-1", "m-1", engagement.Bounced))
		assert.Empty(t, messages(t, s, sqlstore.MessageQuery{}), "nothing else is known of it")
		assert.Zero(t, judge(t, s))
		require.NoError(t, s.SetSent(t.Context(), engagement.Sent{GrantID: "g-1", MessageID: "m-1", Label: "spring"}))
		judge(t, s)
		m, _, err := s.Message(t.Context(), "g-1", "m-1")
		require.NoError(t, err)
		assert.Equal(t, engagement.Bounced, m.Delivery)
		assert.Equal(t, engagement.Bounced, m.Outcome.Delivery)
		campaign, _, err := s.Campaign(t.Context(), "spring")
		require.NoError(t, err)
		assert.Equal(t, engagement.Campaign{Name: "spring", Messages: 1, Bounced: 1, NoSignal: 1}, campaign.Campaign)
		require.NoError(t, s.SetDelivery(t.Context(), "g-1", "m-1", engagement.Delivered))
		require.NoError(t, s.SetDelivery(t.Context(), "g-1", "m-1", engagement.Bounced))
		assert.Zero(t, judge(t, s).Messages, "nothing has changed")
		assert.Equal(t, engagement.Bounced, outcome(t, s, "m-1").Delivery)
		for _, delivery := range []engagement.Delivery{"", engagement.Delivered, engagement.Bounced} {
			require.NoError(t, s.SetDelivery(t.Context(), "g-1", "m-1", delivery))
			assert.Equal(t, 1, judge(t, s).Messages)
			assert.Equal(t, delivery, outcome(t, s, "m-1").Delivery)
		}
		require.ErrorContains(t, s.SetDelivery(t.Context(), "g-1", "m-1", "sent"), "engagement.Delivered")
		require.ErrorContains(t, s.SetDelivery(t.Context(), "g-1", "", engagement.Delivered), "not named")
		_, found, err := s.Message(t.Context(), "g-1", "m-2")
		require.NoError(t, err)
		assert.False(t, found)
		_, _, err = s.Message(t.Context(), "g-1", "")
		require.ErrorContains(t, err, "not named")
	})
}
