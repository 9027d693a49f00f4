package sqlstore_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
)

// fed reads all pages of the feed, and says how many there were.
func fed(t *testing.T, s *sqlstore.Store, q sqlstore.FeedQuery) (all []engagement.Event, pages int) {
	t.Helper()
	for {
		page, err := s.Latest(t.Context(), q)
		require.NoError(t, err)
		all, pages = append(all, page.Events...), pages+1
		if page.Next == "" {
			return all, pages
		}
		q.After = page.Next
	}
}

// The event that was stored last comes first, whenever it took place.
func TestLatest(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		var want, ofGrant, ofCampaign []string
		for i := range 30 {
			grant, label, m := "g-"+itoa(i%2), []string{"nt1:campaign=spring&person=" + itoa(i), "autumn"}[i%3/2], "m-"+itoa(i%5)
			e := opened(m, "E"+itoa(i), -i)
			e.GrantID, e.Label = grant, label
			require.NoError(t, s.SetSent(t.Context(), engagement.Sent{GrantID: grant, MessageID: m + label, Label: label}))
			e.MessageID += label
			put(t, s, engagement.Key{GrantID: grant, MessageID: e.MessageID, Kind: engagement.Open}, e)
			want = append(want, e.ID)
			if i%2 == 1 {
				ofGrant = append(ofGrant, e.ID)
			}
			if i%3 < 2 {
				ofCampaign = append(ofCampaign, e.ID)
			}
		}
		for _, list := range [][]string{want, ofGrant, ofCampaign} {
			slices.Reverse(list)
		}
		for _, limit := range []int{1, 7, 100} {
			all, _ := fed(t, s, sqlstore.FeedQuery{Limit: limit})
			assert.Equal(t, want, ids(all), "%d in a page", limit)
			all, _ = fed(t, s, sqlstore.FeedQuery{Limit: limit, GrantID: "g-1"})
			assert.Equal(t, ofGrant, ids(all))
			all, _ = fed(t, s, sqlstore.FeedQuery{Limit: limit, Campaign: "spring"})
			assert.Equal(t, ofCampaign, ids(all))
		}
		page, err := s.Latest(t.Context(), sqlstore.FeedQuery{})
		require.NoError(t, err)
		assert.Equal(t, "g-1", page.Events[0].GrantID)
		assert.Equal(t, "m-4autumn", page.Events[0].MessageID)
		put(t, s, opens("m-1"), opened("m-1", "late", 1))
		page, err = s.Latest(t.Context(), sqlstore.FeedQuery{Limit: 30})
		require.NoError(t, err)
		rest, err := s.Latest(t.Context(), sqlstore.FeedQuery{Limit: 30, After: page.Next})
		require.NoError(t, err)
		assert.Equal(t, append([]string{"late"}, want...), append(ids(page.Events), ids(rest.Events)...))
		_, err = s.Latest(t.Context(), sqlstore.FeedQuery{After: "m1_2"})
		require.ErrorContains(t, err, "After")
	})
}

// A feed with a filter looks at some events in each call, and comes to the end.
func TestAFilteredFeedIsBounded(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		fill(t, d.open(t), d.engine, 1, 700, 3)
		put(t, s, engagement.Key{GrantID: "rare", MessageID: "m", Kind: engagement.Open}, engagement.Event{ID: "A", Kind: engagement.Open, Time: noon})
		run(t, d.open(t), "UPDATE nylas_events SET seq = 0 WHERE id = 'A'")
		all, pages := fed(t, s, sqlstore.FeedQuery{GrantID: "rare"})
		assert.Equal(t, []string{"A"}, ids(all))
		assert.Equal(t, 3, pages, "of 2,101 events 1,000 in each")
		all, pages = fed(t, s, sqlstore.FeedQuery{GrantID: "nobody"})
		assert.Empty(t, all)
		assert.Equal(t, 3, pages)
	})
}

// The version tells a page that something is new.
func TestVersion(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s, other := d.store(t), d.store(t)
		version := func() string {
			v, err := other.Version(t.Context())
			require.NoError(t, err)
			return v
		}
		seen := map[string]bool{version(): true}
		next := func(why string) {
			t.Helper()
			assert.False(t, seen[version()], why)
			seen[version()] = true
		}
		same := func(why string) { t.Helper(); assert.True(t, seen[version()], why) }
		require.NoError(t, s.SetSent(t.Context(), engagement.Sent{GrantID: "g-1", MessageID: "m-1", Label: "spring"}))
		next("a message was sent")
		judge(t, s)
		next("it was judged")
		judge(t, s)
		same("nothing was due")
		put(t, s, opens("m-1"), opened("m-1", "A", 0))
		next("an event")
		load(t, s, opens("m-1"))
		same("reading is no change")
		judge(t, s)
		next("it was judged again")
		put(t, s, engagement.Key{GrantID: "g-1", ThreadID: "t-1", Kind: engagement.Reply}, engagement.Event{ID: "R", Kind: engagement.Reply, ThreadID: "t-1", Time: noon})
		next("a reply")
		judge(t, s)
		next("a thread was judged")
		require.NoError(t, s.SetDelivery(t.Context(), "g-1", "m-1", engagement.Bounced))
		judge(t, s)
		next("it bounced")
		require.NoError(t, s.Withdraw(t.Context(), sqlstore.Withdrawal{GrantID: "g-1", MessageIDs: []string{"m-1"}, DeleteEvents: true}))
		next("its outcome was deleted")
	})
}

// What deleted events came to stays, and later events add to it.
func TestOutcomesOutliveTheirEvents(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		day := 24 * time.Hour
		at := time.Now().Add(-100 * day).UTC().Truncate(time.Second)
		require.NoError(t, s.SetSent(t.Context(), engagement.Sent{GrantID: "g-1", MessageID: "m-1", Label: "spring", At: at, Recipients: 1}))
		put(t, s, clicks("m-1"), clickedBy(chrome, "m-1", "A", at.Add(day)), clickedBy(scanner, "m-1", "B", at.Add(2*day)))
		put(t, s, clicks("m-1"), clickedBy(chrome, "m-1", "C", at.Add(20*day)))
		judge(t, s)
		before := *outcome(t, s, "m-1")
		require.Equal(t, engagement.Counts{Human: 2, Machine: 1}, before.Clicks)
		put(t, s, clicks("m-1"), clickedBy(chrome, "m-1", "unjudged", at.Add(3*day)))
		deleted, err := s.DeleteEvents(t.Context(), at.Add(10*day))
		require.NoError(t, err)
		require.Equal(t, int64(3), deleted)
		assert.Equal(t, before, *outcome(t, s, "m-1"))

		judge(t, s)
		same := *outcome(t, s, "m-1")
		same.JudgedAt, same.SettledAt = before.JudgedAt, before.SettledAt
		assert.Equal(t, before, same, "the rest of the events counts once")

		reply := engagement.Event{ID: "R", Kind: engagement.Reply, GrantID: "g-1", MessageID: "m-1", Time: at.Add(30 * day), LinkIndex: -1, ReplyID: "r-1"}
		put(t, s, engagement.Key{GrantID: "g-1", MessageID: "m-1", Kind: engagement.Reply}, reply)
		put(t, s, clicks("m-1"), clickedBy(scanner, "m-1", "D", at.Add(40*day)))
		judge(t, s)
		_, err = s.DeleteEvents(t.Context(), at.Add(90*day)) // all of them
		require.NoError(t, err)
		put(t, s, clicks("m-1"), clickedBy(chrome, "m-1", "E", at.Add(95*day)))
		judge(t, s)
		o := outcome(t, s, "m-1")
		assert.Equal(t, engagement.Replied, o.State)
		assert.Equal(t, engagement.Counts{Human: 3, Machine: 2}, o.Clicks)
		assert.Equal(t, engagement.Counts{Human: 1}, o.Replies)
		assert.Equal(t, at.Add(day), o.FirstClick)
		assert.Equal(t, at.Add(day), o.FirstOpen)
		assert.True(t, o.OpenImplied)
		assert.Equal(t, reply.Time, o.FirstReply)
		campaign, _, err := s.Campaign(t.Context(), "spring")
		require.NoError(t, err)
		assert.Equal(t, 1, campaign.Messages)
		assert.Equal(t, engagement.Rate{Human: 1, Possible: 1, Of: 1}, campaign.Replied)
	})
}

// A withdrawal deletes what the events came to at once.
func TestWithdrawDeletesTheOutcome(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		for _, m := range []string{"m-1", "m-2"} {
			require.NoError(t, s.SetSent(t.Context(), engagement.Sent{GrantID: "g-1", MessageID: m, At: noon.Add(-48 * time.Hour)}))
			put(t, s, clicks(m), clickedBy(chrome, m, "A"+m, noon.Add(-24*time.Hour)))
		}
		judge(t, s)
		require.NoError(t, s.Withdraw(t.Context(), sqlstore.Withdrawal{GrantID: "g-1", MessageIDs: []string{"m-1"}}))
		assert.Equal(t, engagement.Clicked, outcome(t, s, "m-1").State, "it stays unless it is said")
		require.NoError(t, s.Withdraw(t.Context(), withdrawal("m-1")))
		assert.Nil(t, outcome(t, s, "m-1"))
		campaign, _, err := s.Campaign(t.Context(), "spring")
		require.NoError(t, err)
		assert.Equal(t, 1, campaign.Messages)
		assert.Zero(t, count(t, d.open(t), "nylas_messages WHERE message_id = 'm-1' AND (outcome <> '' OR base <> '' OR state >= 0)"))
		assert.Equal(t, 1, judge(t, s).Messages)
		assert.Equal(t, engagement.NoSignal, outcome(t, s, "m-1").State)
	})
}
