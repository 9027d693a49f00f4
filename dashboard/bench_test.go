package dashboard_test

import (
	"database/sql"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/dashboard"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
)

var benchMessages = flag.Int("messages", 100_000, "how many messages the benchmark of the pages has, with ten events each")

// The limits of what the server takes for a page. 50 ms is less than a network takes.
const (
	maxPageQueries = 1.5 // times what the queries of the page take by themselves
	maxPageTime    = 50 * time.Millisecond
	// What is around a list takes this long whatever the queries take, some of which are
	// done in a tenth of it.
	maxPageFloor = time.Millisecond
	// clearly is how far a limit is missed before the benchmark fails, because other
	// tenants of a machine disturb any measurement.
	clearly = 1.2
)

// BenchmarkDashboard asks for each page of a store with 100,000 messages and 1,000,000 events.
// x-queries is the time of a page by that of its queries, asked without the pages.
func BenchmarkDashboard(b *testing.B) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "events.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)")
	require.NoError(b, err)
	defer db.Close() //nolint:errcheck // nothing was to be kept
	store, err := sqlstore.New(db, sqlstore.SQLite)
	require.NoError(b, err)
	require.NoError(b, store.Migrate(b.Context()))
	start := time.Now()
	const originals, events = 100, 10
	for i := range originals {
		sent := engagement.Sent{
			GrantID: fmt.Sprint("g-", i%10), MessageID: fmt.Sprint("m-", i), Label: fmt.Sprint("spring-", i%10), Subject: fmt.Sprint("Quick follow-up on your trial, ", i),
			At: noon.Add(time.Duration(i) * time.Minute), Recipients: 1, Links: []string{"https://acme.dev/demo", "https://acme.dev/pricing"},
		}
		require.NoError(b, store.SetSent(b.Context(), sent))
		var all []engagement.Event
		for j := range events {
			e := event(sent.MessageID, engagement.Open, sent.At.Add(time.Duration(j+1)*time.Hour), []string{gmailAgent, appleAgent, chromeAgent}[j%3])
			e.ID, e.GrantID = fmt.Sprintf("E%025d", eventIDs.next()), sent.GrantID
			all = append(all, e)
		}
		require.NoError(b, store.Update(b.Context(), engagement.Key{GrantID: sent.GrantID, MessageID: sent.MessageID, Kind: engagement.Open},
			func(engagement.Record) (engagement.Addition, error) { return engagement.Addition{Events: all}, nil }))
	}
	_, err = store.Judge(b.Context(), nil)
	require.NoError(b, err)
	multiply(b, db, *benchMessages/originals-1)
	b.Logf("filled in %v", time.Since(start).Round(time.Second))

	pages, err := dashboard.New(store, dashboard.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(b, err)
	q := &queries{b, store}
	state := engagement.LikelyOpened
	for _, page := range []struct {
		name, path string
		queries    func()
	}{
		{"home", "/", func() { q.home(sqlstore.MessageQuery{}) }},
		{"grant", "/?grant=g-3", func() { q.home(sqlstore.MessageQuery{GrantID: "g-3"}) }},
		{"state", "/?state=likely+opened", func() { q.home(sqlstore.MessageQuery{State: &state}) }},
		{"search", "/?search=trial", func() { q.home(sqlstore.MessageQuery{Search: "trial"}) }},
		{"nothing-found", "/?search=nobody", func() { q.home(sqlstore.MessageQuery{Search: "nobody"}) }},
		{"message", "/messages/g-3/m-3", q.message},
		{"campaigns", "/campaigns", q.campaigns},
		{"campaign", "/campaign?name=spring-3", q.campaign},
	} {
		b.Run(page.name, func(b *testing.B) {
			q.b = b
			var ours, bare []time.Duration
			for b.Loop() {
				start := time.Now()
				w := httptest.NewRecorder()
				pages.ServeHTTP(w, httptest.NewRequest(http.MethodGet, page.path, nil))
				ours = append(ours, time.Since(start))
				require.Equal(b, http.StatusOK, w.Code)
				_, _ = io.Copy(io.Discard, w.Body)
				start = time.Now()
				page.queries()
				bare = append(bare, time.Since(start))
			}
			times, perPage := float64(middle(ours))/float64(middle(bare)), middle(ours)
			b.ReportMetric(float64(perPage)/float64(time.Millisecond), "ms/page")
			b.ReportMetric(times, "x-queries")
			if b.N > 1 && times > clearly*maxPageQueries && perPage-middle(bare) > maxPageFloor {
				b.Errorf("a page takes %.2f times its queries, the limit is %v", times, maxPageQueries)
			}
			if b.N > 1 && float64(perPage) > clearly*float64(maxPageTime) {
				b.Errorf("a page takes %v, the limit is %v", perPage, maxPageTime)
			}
		})
	}
}

func middle(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

// queries asks the store what the pages show.
type queries struct {
	b     *testing.B
	store *sqlstore.Store
}

func (q *queries) messages(query sqlstore.MessageQuery) {
	query.Limit = 50
	_, err := q.store.Messages(q.b.Context(), query)
	require.NoError(q.b, err)
}

func (q *queries) home(query sqlstore.MessageQuery) {
	q.messages(query)
	latest, err := q.store.Latest(q.b.Context(), sqlstore.FeedQuery{GrantID: query.GrantID, Limit: 20})
	require.NoError(q.b, err)
	seen := map[string]bool{}
	for _, e := range latest.Events {
		if !seen[e.MessageID] {
			seen[e.MessageID] = true
			q.events(e.GrantID, e.MessageID, 100)
		}
	}
}

func (q *queries) events(grant, message string, limit int) {
	_, err := q.store.EventPage(q.b.Context(), sqlstore.EventQuery{GrantID: grant, MessageID: message, Limit: limit})
	require.NoError(q.b, err)
}

func (q *queries) message() {
	_, _, err := q.store.Message(q.b.Context(), "g-3", "m-3")
	require.NoError(q.b, err)
	_, _, err = engagement.NewLedger(q.store).Missing(q.b.Context(), "g-3", "m-3")
	require.NoError(q.b, err)
	q.events("g-3", "m-3", 1000)
}

func (q *queries) campaigns() {
	_, err := q.store.Campaigns(q.b.Context(), sqlstore.CampaignQuery{Limit: 24})
	require.NoError(q.b, err)
}

func (q *queries) campaign() {
	_, _, err := q.store.Campaign(q.b.Context(), "spring-3")
	require.NoError(q.b, err)
	q.messages(sqlstore.MessageQuery{Campaign: "spring-3"})
}
