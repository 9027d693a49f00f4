package sqlstore_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
)

func TestSentBeforeAndAfterEvents(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		_, known, err := s.Sent(t.Context(), "g-1", "m-1")
		require.NoError(t, err)
		assert.False(t, known, "nothing was sent")

		event := opened("m-1", "A", 5)
		event.Label = "of the event"
		add(t, s, opens("m-1"), event)
		_, known, err = s.Sent(t.Context(), "g-1", "m-1")
		require.NoError(t, err)
		assert.False(t, known, "an event alone is nothing that was sent")

		sent := engagement.Sent{
			GrantID: "g-1", MessageID: "m-1", Label: "q2", Subject: "Ihre Testphase \x00", At: noon.Add(time.Microsecond),
			Links: []string{"https://acme.dev/demo", "mailto:kim@example.org"}, Recipients: 2,
		}
		require.NoError(t, s.SetSent(t.Context(), sent))
		stored, known, err := s.Sent(t.Context(), "g-1", "m-1")
		require.NoError(t, err)
		assert.True(t, known)
		sent.Subject = "Ihre Testphase \uFFFD"
		assert.Equal(t, sent, stored)
		assert.Equal(t, []string{"A"}, ids(history(t, s, "m-1")), "its events stay")

		less := engagement.Sent{GrantID: "g-1", MessageID: "m-1", Subject: "Again"}
		require.NoError(t, s.SetSent(t.Context(), less))
		stored, _, err = s.Sent(t.Context(), "g-1", "m-1")
		require.NoError(t, err)
		less.Label = "q2" // an empty one says nothing
		assert.Equal(t, less, stored)

		require.NoError(t, s.SetSent(t.Context(), engagement.Sent{GrantID: "g-1", MessageID: "m-2", At: noon}))
		event.ID, event.MessageID = "B", "m-2"
		add(t, s, opens("m-2"), event)
		stored, _, err = s.Sent(t.Context(), "g-1", "m-2")
		require.NoError(t, err)
		assert.Equal(t, "of the event", stored.Label)
	})
}

// messages reads all pages of a list.
func messages(t *testing.T, s *sqlstore.Store, q sqlstore.MessageQuery) (all []sqlstore.Message) {
	t.Helper()
	for {
		page, err := s.Messages(t.Context(), q)
		require.NoError(t, err)
		all = append(all, page.Messages...)
		if page.Next == "" {
			return all
		}
		require.Len(t, page.Messages, q.Limit, "only the last page is short")
		q.After = page.Next
	}
}

func messageIDs(all []sqlstore.Message) []string {
	list := []string{}
	for _, m := range all {
		list = append(list, m.MessageID+m.ThreadID)
	}
	return list
}

func TestMessagesByLabelAndGrant(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		type row struct {
			grant, label, id string
			at               time.Time
		}
		var rows []row
		random := rand.New(rand.NewPCG(1, 2))
		for i := range 120 {
			r := row{fmt.Sprint("g-", random.IntN(3)), fmt.Sprint("l-", random.IntN(3)), fmt.Sprint("m-", i), noon.Add(time.Duration(i) * 61 * time.Second)} // none equal, also an hour later
			key := engagement.Key{GrantID: r.grant, MessageID: r.id, Kind: engagement.Open}
			event := engagement.Event{ID: fmt.Sprint("E", i), Kind: engagement.Open, Label: r.label, Time: r.at.Add(time.Hour)}
			switch i % 3 {
			case 0: // only sent
				require.NoError(t, s.SetSent(t.Context(), engagement.Sent{GrantID: r.grant, MessageID: r.id, Label: r.label, At: r.at}))
			case 1: // only opened, the newest event being stored first
				r.at = r.at.Add(time.Hour)
				add(t, s, key, event)
				event.ID, event.Time = event.ID+"old", event.Time.Add(-time.Hour)
				add(t, s, key, event)
			case 2:
				add(t, s, key, event)
				require.NoError(t, s.SetSent(t.Context(), engagement.Sent{GrantID: r.grant, MessageID: r.id, At: r.at}))
				r.at = r.at.Add(time.Hour)
			}
			rows = append(rows, r)
		}
		slices.SortFunc(rows, func(a, b row) int { return b.at.Compare(a.at) })
		for _, grant := range []string{"", "g-0", "g-1", "nobody"} {
			for _, label := range []string{"", "l-0", "l-2", "none"} {
				want := []string{}
				for _, r := range rows {
					if (grant == "" || r.grant == grant) && (label == "" || r.label == label) {
						want = append(want, r.id)
					}
				}
				for _, limit := range []int{1, 7, 40, sqlstore.MaxPage} {
					got := messages(t, s, sqlstore.MessageQuery{GrantID: grant, Label: label, Limit: limit})
					assert.Equal(t, want, messageIDs(got), "grant %q, label %q, %d in a page", grant, label, limit)
				}
			}
		}
		page, err := s.Messages(t.Context(), sqlstore.MessageQuery{})
		require.NoError(t, err)
		assert.Len(t, page.Messages, sqlstore.DefaultPage)
	})
}

// What happens between two pages moves a message to the first page at most.
func TestPagesStayStable(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		var want []string
		for i := range 20 { // all at the same time, so only their place tells them apart
			id := fmt.Sprint("m-", i)
			add(t, s, opens(id), opened(id, fmt.Sprint("E", i), 0))
			want = append(want, id)
		}
		slices.Reverse(want)
		first, err := s.Messages(t.Context(), sqlstore.MessageQuery{Limit: 7})
		require.NoError(t, err)
		assert.Equal(t, want[:7], messageIDs(first.Messages))
		add(t, s, opens("m-new"), opened("m-new", "N1", 60))
		add(t, s, opens("m-19"), opened("m-19", "N2", 61)) // which was on the first page
		add(t, s, opens("m-5"), opened("m-5", "N3", 62))   // which would have been on a later one
		rest := messages(t, s, sqlstore.MessageQuery{Limit: 7, After: first.Next})
		assert.Equal(t, slices.DeleteFunc(want[7:], func(id string) bool { return id == "m-5" }), messageIDs(rest))
		all := messages(t, s, sqlstore.MessageQuery{Limit: 7})
		assert.Equal(t, []string{"m-5", "m-19", "m-new"}, messageIDs(all)[:3])
		assert.Len(t, all, 21)
		assert.Equal(t, noon.Add(62*time.Second), all[0].LastEvent)
	})
}

// Replies of which only the thread is known stand in the list by themselves.
func TestThreadsAreListed(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		reply := engagement.Event{ID: "R", Kind: engagement.Reply, GrantID: "g-1", ThreadID: "t-1", Label: "q2", Time: noon, LinkIndex: -1, ReplyID: "r-1"}
		add(t, s, engagement.Key{GrantID: "g-1", ThreadID: "t-1", Kind: engagement.Reply}, reply)
		page, err := s.Messages(t.Context(), sqlstore.MessageQuery{GrantID: "g-1", Label: "q2"})
		require.NoError(t, err)
		assert.Equal(t, []sqlstore.Message{{Sent: engagement.Sent{GrantID: "g-1", Label: "q2"}, ThreadID: "t-1", LastEvent: noon}}, page.Messages)
		events, err := s.EventPage(t.Context(), sqlstore.EventQuery{GrantID: "g-1", ThreadID: "t-1"})
		require.NoError(t, err)
		assert.Equal(t, sqlstore.EventPage{Events: []engagement.Event{reply}}, events)
	})
}

// A record alone is no message: there is nothing to show of it.
func TestMessagesWithoutAnythingAreNotListed(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		add(t, s, opens("m-1"))
		require.NoError(t, s.Withdraw(t.Context(), sqlstore.Withdrawal{GrantID: "g-1", MessageIDs: []string{"m-2"}}))
		assert.Empty(t, messages(t, s, sqlstore.MessageQuery{}))
	})
}

func TestEventPages(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		var want []string
		for i := range 25 {
			id := fmt.Sprintf("E%02d", i)
			add(t, s, opens("m-1"), opened("m-1", id, i/10)) // ten in a second
			want = append(want, id)
		}
		add(t, s, opens("m-2"), opened("m-2", "other", 0))
		slices.Reverse(want)
		for _, limit := range []int{1, 4, 25, 100} {
			got, q := []string{}, sqlstore.EventQuery{GrantID: "g-1", MessageID: "m-1", Limit: limit}
			for more := true; more; more = q.After != "" {
				page, err := s.EventPage(t.Context(), q)
				require.NoError(t, err)
				require.LessOrEqual(t, len(page.Events), limit)
				got, q.After = append(got, ids(page.Events)...), page.Next
			}
			assert.Equal(t, want, got, "%d in a page", limit)
		}
		page, err := s.EventPage(t.Context(), sqlstore.EventQuery{GrantID: "g-1", MessageID: "nobody's"})
		require.NoError(t, err)
		assert.Equal(t, sqlstore.EventPage{}, page)
	})
}

func TestWrongPagesAreAClearError(t *testing.T) {
	t.Parallel()
	d := migrated(t, sqlstore.SQLite)
	s := d.store(t)
	add(t, s, opens("m-1"), opened("m-1", "A", 1), opened("m-1", "B", 2))
	page, err := s.EventPage(t.Context(), sqlstore.EventQuery{GrantID: "g-1", MessageID: "m-1", Limit: 1})
	require.NoError(t, err)
	require.NotEmpty(t, page.Next)
	for _, after := range []string{page.Next, "x", "m", "m1", "m1_", "m_1", "m1_2_3", "1_2", "m\xff_1"} {
		_, err := s.Messages(t.Context(), sqlstore.MessageQuery{After: after})
		require.ErrorContains(t, err, "After", "%q is not of this list", after)
		require.ErrorIs(t, err, sqlstore.ErrQuery)
		_, err = s.Campaigns(t.Context(), sqlstore.CampaignQuery{After: after})
		require.ErrorIs(t, err, sqlstore.ErrQuery)
		_, err = s.Latest(t.Context(), sqlstore.FeedQuery{After: after})
		require.ErrorIs(t, err, sqlstore.ErrQuery)
	}
	for _, limit := range []int{-1, sqlstore.MaxPage + 1} {
		_, err := s.Messages(t.Context(), sqlstore.MessageQuery{Limit: limit})
		require.ErrorContains(t, err, "1 to 1000")
		require.ErrorIs(t, err, sqlstore.ErrQuery)
		_, err = s.EventPage(t.Context(), sqlstore.EventQuery{MessageID: "m-1", Limit: limit})
		require.ErrorContains(t, err, "1 to 1000")
		require.ErrorIs(t, err, sqlstore.ErrQuery)
	}
}
