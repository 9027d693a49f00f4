package sqlstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
)

// A list has the messages of its filters, the newest first, however it is cut into pages.
func TestMessagesByCampaignAndState(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		type row struct {
			grant, label, campaign, id string
			state                      int // -1: nobody has judged it
			at                         time.Time
		}
		labels := map[string]string{"nt1:campaign=spring&person=1": "spring", "nt1:campaign=spring&person=2": "spring", "spring": "spring", "autumn": "autumn", "": ""}
		names := []string{"nt1:campaign=spring&person=1", "nt1:campaign=spring&person=2", "spring", "autumn", ""}
		var rows []row
		random := rand.New(rand.NewPCG(3, 4))
		for i := range 150 {
			label := names[random.IntN(len(names))]
			r := row{fmt.Sprint("g-", random.IntN(3)), label, labels[label], fmt.Sprint("m-", i), random.IntN(4) - 1, noon.Add(time.Duration(i) * time.Hour)}
			require.NoError(t, s.SetSent(t.Context(), engagement.Sent{GrantID: r.grant, MessageID: r.id, Label: r.label, At: r.at}))
			r.at = r.at.Add(30 * time.Minute)
			event := engagement.Event{ID: fmt.Sprint("E", i), Kind: engagement.Click, GrantID: r.grant, MessageID: r.id, Time: r.at, LinkIndex: 0}
			switch r.state {
			case int(engagement.NoSignal):
				r.at = r.at.Add(-30 * time.Minute)
			case int(engagement.MachineOnly):
				event.UserAgent = scanner
			default:
				r.state = int(engagement.Clicked)
				event.UserAgent = chrome
			}
			if r.state != int(engagement.NoSignal) {
				put(t, s, engagement.Key{GrantID: r.grant, MessageID: r.id, Kind: engagement.Click}, event)
			}
			rows = append(rows, r)
		}
		judge(t, s)
		for i := range 30 { // which nobody has judged
			r := row{"g-1", "spring", "spring", fmt.Sprint("new-", i), -1, noon.Add(time.Duration(i) * 5 * time.Hour).Add(time.Minute)}
			require.NoError(t, s.SetSent(t.Context(), engagement.Sent{GrantID: r.grant, MessageID: r.id, Label: r.label, At: r.at}))
			rows = append(rows, r)
		}
		slices.SortFunc(rows, func(a, b row) int { return b.at.Compare(a.at) })
		states := []*engagement.State{nil, new(engagement.NoSignal), new(engagement.MachineOnly), new(engagement.Clicked), new(engagement.Replied)}
		for _, grant := range []string{"", "g-1"} {
			for _, label := range append(names[1:4], "") {
				for _, campaign := range []string{"", "spring", "none"} {
					for _, state := range states {
						want := []string{}
						for _, r := range rows {
							if (grant == "" || r.grant == grant) && (label == "" || r.label == label) && (campaign == "" || r.campaign == campaign) && (state == nil || r.state == int(*state)) {
								want = append(want, r.id)
							}
						}
						for _, limit := range []int{7, sqlstore.MaxPage} {
							q := sqlstore.MessageQuery{GrantID: grant, Label: label, Campaign: campaign, State: state, Limit: limit}
							assert.Equal(t, want, messageIDs(messages(t, s, q)), "%+v", q)
						}
					}
				}
			}
		}
		for _, m := range messages(t, s, sqlstore.MessageQuery{Limit: 100}) {
			assert.Equal(t, strings.HasPrefix(m.MessageID, "new-"), m.Outcome == nil, m.MessageID)
		}
	})
}

// searched reads all pages of a search, and says how many there were.
func searched(t *testing.T, s *sqlstore.Store, q sqlstore.MessageQuery) (ids []string, pages int) {
	t.Helper()
	ids = []string{}
	for {
		page, err := s.Messages(t.Context(), q)
		require.NoError(t, err)
		ids, pages = append(ids, messageIDs(page.Messages)...), pages+1
		if page.Next == "" {
			return ids, pages
		}
		q.After = page.Next
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		for i, m := range []engagement.Sent{
			{MessageID: "m-0", Subject: "Your Trial ends"},
			{MessageID: "m-1", Subject: "Hello", Label: "nt1:campaign=trial+Q2&person=42"},
			{MessageID: "m-2", Subject: "100% off_all"},
			{MessageID: "m-3", Subject: "Grüße", Label: "trial"},
			{MessageID: "m-4", GrantID: "g-2", Subject: "your trial"},
		} {
			if m.GrantID == "" {
				m.GrantID = "g-1"
			}
			m.At = noon.Add(time.Duration(i) * time.Minute)
			require.NoError(t, s.SetSent(t.Context(), m))
		}
		for text, want := range map[string][]string{
			"trial":                   {"m-4", "m-3", "m-1", "m-0"},
			"TRIAL E":                 {"m-0"},
			"trial q2":                {"m-1"}, // the name of the campaign, which the label writes otherwise
			"person=42":               {"m-1"},
			"%":                       {"m-2"},
			"f_a":                     {"m-2"},
			"o%a":                     {},
			"üß":                      {"m-3"},
			"nowhere":                 {},
			"m-2":                     {"m-2"},
			"m-":                      {}, // ids are found whole
			"'; DROP TABLE x":         {},
			strings.Repeat("x", 9000): {},
		} {
			ids, pages := searched(t, s, sqlstore.MessageQuery{Search: text})
			assert.Equal(t, want, ids, text)
			assert.Equal(t, 1, pages, text)
		}
		ids, pages := searched(t, s, sqlstore.MessageQuery{Search: "trial", Limit: 2})
		assert.Equal(t, []string{"m-4", "m-3", "m-1", "m-0"}, ids)
		assert.Equal(t, 2, pages)
		ids, _ = searched(t, s, sqlstore.MessageQuery{Search: "trial", GrantID: "g-1"})
		assert.Equal(t, []string{"m-3", "m-1", "m-0"}, ids)
		ids, _ = searched(t, s, sqlstore.MessageQuery{Search: "m-4", GrantID: "g-1"})
		assert.Empty(t, ids, "of another grant")
		ids, _ = searched(t, s, sqlstore.MessageQuery{Search: "m-1", Campaign: "trial Q2"})
		assert.Equal(t, []string{"m-1"}, ids)
		for _, q := range []sqlstore.MessageQuery{{Search: "m-1", Campaign: "trial"}, {Search: "m-1", Label: "x"}, {Search: "m-1", State: new(engagement.NoSignal)}} {
			ids, _ = searched(t, s, q)
			assert.Empty(t, ids, "%+v", q)
		}
	})
}

// A search looks at some messages in each call, and comes to the end of the list.
func TestASearchIsBounded(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		db := d.open(t)
		fill(t, db, d.engine, 3, 2*sqlstore.MaxLooked+500, 1)
		s := d.store(t)
		run(t, db, "UPDATE nylas_messages SET subject = 'A rare thing' WHERE message_id IN ('m-3', 'm-2400', 'm-1499', 'm-1500', 'm-1501')")
		page, err := s.Messages(t.Context(), sqlstore.MessageQuery{Search: "rare"})
		require.NoError(t, err)
		assert.Equal(t, []string{"m-2400", "m-1501", "m-1500"}, messageIDs(page.Messages), "the newest 1,000")
		require.NotEmpty(t, page.Next)
		require.NoError(t, s.SetSent(t.Context(), engagement.Sent{GrantID: "g-1", MessageID: "newer", Subject: "rare"})) // meanwhile
		page, err = s.Messages(t.Context(), sqlstore.MessageQuery{Search: "rare", After: page.Next})
		require.NoError(t, err)
		assert.Equal(t, []string{"m-1499"}, messageIDs(page.Messages))
		ids, pages := searched(t, s, sqlstore.MessageQuery{Search: "nowhere"})
		assert.Empty(t, ids)
		assert.Equal(t, 3, pages)
		ids, pages = searched(t, s, sqlstore.MessageQuery{Search: "rare", GrantID: "g-0"})
		assert.Equal(t, []string{"m-2400", "m-1500", "m-3"}, ids)
		assert.Equal(t, 1, pages)
		ids, pages = searched(t, s, sqlstore.MessageQuery{Search: "rare", Limit: 1})
		assert.Equal(t, []string{"newer", "m-2400", "m-1501", "m-1500", "m-1499", "m-3"}, ids)
		assert.GreaterOrEqual(t, pages, 6)
		ids, _ = searched(t, s, sqlstore.MessageQuery{Search: "m-77"})
		assert.Equal(t, []string{"m-77"}, ids, "an id is found at once, however old")
	})
}

// Another label moves a message to another campaign: in lists at once, and in the numbers of
// the campaigns when it is judged.
func TestAnotherLabelIsAnotherCampaign(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		sent := engagement.Sent{GrantID: "g-1", MessageID: "m-1", Label: "spring", At: noon}
		require.NoError(t, s.SetSent(t.Context(), sent))
		judge(t, s)
		sent.Label = "nt1:campaign=autumn+sale&person=1"
		require.NoError(t, s.SetSent(t.Context(), sent))
		assert.Empty(t, messages(t, s, sqlstore.MessageQuery{Campaign: "spring"}))
		assert.Equal(t, []string{"m-1"}, messageIDs(messages(t, s, sqlstore.MessageQuery{Campaign: "autumn sale"})))
		found, _ := searched(t, s, sqlstore.MessageQuery{Search: "AUTUMN SALE"})
		assert.Equal(t, []string{"m-1"}, found)
		assert.Equal(t, "spring", storedCampaigns(t, s, 10)[0].Name)
		judge(t, s)
		all := storedCampaigns(t, s, 10)
		require.Len(t, all, 1)
		assert.Equal(t, "autumn sale", all[0].Name)
	})
}

func TestMessagesWithoutCampaign(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		for i, label := range []string{"", "spring", "", "autumn"} {
			require.NoError(t, s.SetSent(t.Context(), engagement.Sent{GrantID: "g-1", MessageID: fmt.Sprint("m-", i), Label: label, At: noon.Add(time.Duration(i) * time.Second)}))
			put(t, s, opens(fmt.Sprint("m-", i)), opened(fmt.Sprint("m-", i), fmt.Sprint("E", i), 60+i))
		}
		put(t, s, opens("m-4"), opened("m-4", "E4", 64)) // which SetSent did not store
		judge(t, s)
		for _, search := range []string{"", "m-2"} {
			page, err := s.Messages(t.Context(), sqlstore.MessageQuery{NoCampaign: true, Search: search})
			require.NoError(t, err)
			want := []string{"m-4", "m-2", "m-0"}
			if search != "" {
				want = want[1:2]
			}
			assert.Equal(t, want, messageIDs(page.Messages))
		}
		page, err := s.Messages(t.Context(), sqlstore.MessageQuery{NoCampaign: true, Search: "m-1"})
		require.NoError(t, err)
		assert.Empty(t, page.Messages, "the id of one with a label")
		latest, err := s.Latest(t.Context(), sqlstore.FeedQuery{NoCampaign: true})
		require.NoError(t, err)
		assert.Equal(t, []string{"E4", "E2", "E0"}, ids(latest.Events))
		for _, q := range []sqlstore.MessageQuery{{NoCampaign: true, Campaign: "spring"}, {NoCampaign: true, Label: "spring"}} {
			_, err = s.Messages(t.Context(), q)
			require.ErrorIs(t, err, sqlstore.ErrQuery)
		}
		_, err = s.Latest(t.Context(), sqlstore.FeedQuery{NoCampaign: true, Campaign: "spring"})
		require.ErrorIs(t, err, sqlstore.ErrQuery)
	})
}

// All messages of a query come, each once, whatever happens between two of them.
func TestAllMessages(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		var want []string
		for i := range 1100 { // more than MaxPage
			id, label := fmt.Sprint("m-", i), []string{"", "spring"}[i%2]
			require.NoError(t, s.SetSent(t.Context(), engagement.Sent{GrantID: "g-1", MessageID: id, Subject: fmt.Sprint("Number ", i%10), Label: label, At: noon.Add(-time.Duration(i) * time.Second)}))
			want = append(want, id)
		}
		of := func(q sqlstore.MessageQuery, each func(i int)) (got []string) {
			for m, err := range s.AllMessages(t.Context(), q) {
				require.NoError(t, err)
				each(len(got))
				got = append(got, m.MessageID)
			}
			return got
		}
		every := func(from, step int) (some []string) {
			for i := from; i < len(want); i += step {
				some = append(some, want[i])
			}
			return some
		}
		nothing := func(int) {}
		assert.Equal(t, every(1, 2), of(sqlstore.MessageQuery{Campaign: "spring"}, nothing))
		assert.Equal(t, every(0, 2), of(sqlstore.MessageQuery{NoCampaign: true}, nothing))
		assert.Equal(t, every(7, 10), of(sqlstore.MessageQuery{Search: "number 7"}, nothing))
		assert.Equal(t, []string{"m-7"}, of(sqlstore.MessageQuery{Search: "m-7"}, nothing))
		assert.Empty(t, of(sqlstore.MessageQuery{GrantID: "g-2"}, nothing))
		assert.Equal(t, want, of(sqlstore.MessageQuery{GrantID: "g-1"}, func(i int) {
			if i == 0 {
				put(t, s, opens("m-1099"), opened("m-1099", "late", 60))
				require.NoError(t, s.SetSent(t.Context(), engagement.Sent{GrantID: "g-1", MessageID: "new", At: noon.Add(time.Hour)}))
			}
		}))
		seen := 0
		for _, err := range s.AllMessages(t.Context(), sqlstore.MessageQuery{}) {
			require.NoError(t, err)
			seen++
			break
		}
		assert.Equal(t, 1, seen)
		for _, q := range []sqlstore.MessageQuery{{After: "m1_1"}, {Limit: 5}, {NoCampaign: true, Campaign: "spring"}} {
			for _, err := range s.AllMessages(t.Context(), q) {
				require.ErrorIs(t, err, sqlstore.ErrQuery)
			}
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for _, err := range s.AllMessages(ended, sqlstore.MessageQuery{}) {
			require.ErrorIs(t, err, context.Canceled)
		}
	})
}
