package sqlstore_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
)

// eachBenchEngine runs a benchmark on SQLite, and on PostgreSQL where there is one.
func eachBenchEngine(b *testing.B, bench func(b *testing.B, d database)) {
	b.Helper()
	for _, engine := range engines {
		if engine == sqlstore.PostgreSQL && os.Getenv("NYLAS_TEST_POSTGRES") == "" {
			continue
		}
		b.Run(engine.String(), func(b *testing.B) {
			d := migrated(b, engine)
			d.durable = true
			bench(b, d)
		})
	}
}

// window is a notification of a message with some events, the last 50 of which it repeats.
func window(message string, events int) string {
	tale := &tale{message: message, kind: engagement.Open}
	r := rand.New(rand.NewPCG(1, 1))
	var elements []string
	for id := max(0, events-windowSize); id < events; id++ {
		elements = append(elements, tale.element(id, 1_700_000_000+id, r))
	}
	return fmt.Sprintf(`{"specversion":"1.0","type":"message.opened","source":"/com/nylas/tracking","id":"n-%d","time":1700000000,`+
		`"data":{"grant_id":"g-1","object":{"message_id":%q,"label":"q2","recents":[%s]}}}`, events, message, strings.Join(elements, ","))
}

// BenchmarkSQL applies a notification of 50 events: all known, one new, all new. x-insert
// is how many plain INSERTs of one row take as long, each a transaction of its own.
func BenchmarkSQL(b *testing.B) {
	cases := []struct {
		name string
		next func(i int) string
	}{
		{"50known", func(int) string { return window("m-1", windowSize) }},
		{"1new", func(i int) string { return window("m-1", windowSize+1+i) }},
		{"50new", func(i int) string { return window(fmt.Sprint("m-", i), windowSize) }},
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			eachBenchEngine(b, func(b *testing.B, d database) {
				b.Helper()
				ctx, db := b.Context(), d.open(b)
				s, err := sqlstore.New(db, d.engine)
				require.NoError(b, err)
				ledger := engagement.NewLedger(s)
				_, err = ledger.Apply(ctx, parse(b, window("m-1", windowSize)))
				require.NoError(b, err)
				run(b, db, "CREATE TABLE plain (id TEXT PRIMARY KEY, body TEXT NOT NULL)")
				var ours, plain []time.Duration
				for i := 0; b.Loop(); i++ {
					n := parse(b, c.next(i))
					start := time.Now()
					_, err := ledger.Apply(ctx, n)
					ours = append(ours, time.Since(start))
					require.NoError(b, err)
					statement := fmt.Sprintf("INSERT INTO plain VALUES ('e-%d', 'Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0') ON CONFLICT DO NOTHING", i)
					start = time.Now()
					_, err = db.ExecContext(ctx, statement)
					plain = append(plain, time.Since(start))
					require.NoError(b, err)
				}
				b.ReportMetric(float64(median(ours).Nanoseconds()), "ns/op")
				b.ReportMetric(float64(median(plain).Nanoseconds()), "ns/insert")
				b.ReportMetric(float64(median(ours))/float64(median(plain)), "x-insert")
			})
		})
	}
}

// maxSmall is the limit of x-small. An index makes it about 2: its tree is deeper, and less of
// it is in the cache. To read all rows makes it 100.
const maxSmall = 12

// BenchmarkPages reads pages of 50 from 100,000 messages with 1,000,000 events. x-small is how
// long that takes by the time for 1,000 messages.
func BenchmarkPages(b *testing.B) {
	eachBenchEngine(b, func(b *testing.B, d database) {
		b.Helper()
		small, large := d.open(b), migrated(b, d.engine).open(b)
		fill(b, small, d.engine, 10, 1000, 10)
		fill(b, large, d.engine, 100, 100_000, 10)
		cases := []struct {
			name  string
			query func(*sqlstore.Store, int) error
		}{
			{"all", func(s *sqlstore.Store, _ int) error {
				return page(b, s, sqlstore.MessageQuery{})
			}},
			{"grant", func(s *sqlstore.Store, i int) error {
				return page(b, s, sqlstore.MessageQuery{GrantID: fmt.Sprint("g-", i%10)})
			}},
			{"label", func(s *sqlstore.Store, i int) error {
				return page(b, s, sqlstore.MessageQuery{Label: fmt.Sprint("l-", i%10)})
			}},
			{"grant+label", func(s *sqlstore.Store, i int) error {
				return page(b, s, sqlstore.MessageQuery{GrantID: fmt.Sprint("g-", i%10), Label: fmt.Sprint("l-", i%10)})
			}},
			{"campaign", func(s *sqlstore.Store, i int) error {
				return page(b, s, sqlstore.MessageQuery{Campaign: fmt.Sprint("l-", i%10)})
			}},
			{"state", func(s *sqlstore.Store, i int) error {
				return page(b, s, sqlstore.MessageQuery{State: new(engagement.State(i % 6))})
			}},
			{"campaign+state", func(s *sqlstore.Store, i int) error {
				_, err := s.Messages(b.Context(), sqlstore.MessageQuery{Campaign: fmt.Sprint("l-", i%10), State: new(engagement.State(i % 6))})
				return err
			}},
			{"search", func(s *sqlstore.Store, _ int) error { // without a hit
				_, err := s.Messages(b.Context(), sqlstore.MessageQuery{Search: "nowhere"})
				return err
			}},
			{"search+campaign", func(s *sqlstore.Store, i int) error {
				_, err := s.Messages(b.Context(), sqlstore.MessageQuery{Search: "nowhere", Campaign: fmt.Sprint("l-", i%10)})
				return err
			}},
			{"campaigns", func(s *sqlstore.Store, _ int) error {
				_, err := s.Campaigns(b.Context(), sqlstore.CampaignQuery{})
				return err
			}},
			{"one-campaign", func(s *sqlstore.Store, i int) error {
				_, _, err := s.Campaign(b.Context(), fmt.Sprint("l-", i%10))
				return err
			}},
			{"feed", func(s *sqlstore.Store, _ int) error {
				_, err := s.Latest(b.Context(), sqlstore.FeedQuery{})
				return err
			}},
			{"feed+grant", func(s *sqlstore.Store, _ int) error { // without a hit
				_, err := s.Latest(b.Context(), sqlstore.FeedQuery{GrantID: "nobody"})
				return err
			}},
			{"version", func(s *sqlstore.Store, _ int) error {
				_, err := s.Version(b.Context())
				return err
			}},
			{"events", func(s *sqlstore.Store, i int) error {
				_, err := s.EventPage(b.Context(), sqlstore.EventQuery{GrantID: fmt.Sprint("g-", i%10), MessageID: fmt.Sprint("m-", i%10)})
				return err
			}},
		}
		for _, c := range cases {
			b.Run(c.name, func(b *testing.B) {
				var times [2][]time.Duration
				for i := 0; b.Loop(); i++ {
					for j, db := range []*sql.DB{small, large} {
						s, err := sqlstore.New(db, d.engine)
						require.NoError(b, err)
						start := time.Now()
						require.NoError(b, c.query(s, i))
						times[j] = append(times[j], time.Since(start))
					}
				}
				b.ReportMetric(float64(median(times[1]).Nanoseconds()), "ns/op")
				small := float64(slices.Min(times[1])) / float64(slices.Min(times[0]))
				b.ReportMetric(small, "x-small")
				if small > maxSmall {
					b.Errorf("a page of 100,000 messages takes %.1f times as long as one of 1,000: the limit is %d", small, maxSmall)
				}
			})
		}
	})
}

// page reads a page and the one after it.
func page(b *testing.B, s *sqlstore.Store, q sqlstore.MessageQuery) error {
	b.Helper()
	first, err := s.Messages(b.Context(), q)
	if err != nil {
		return err
	}
	require.Len(b, first.Messages, sqlstore.DefaultPage)
	q.After = first.Next
	_, err = s.Messages(b.Context(), q)
	return err
}

func median(values []time.Duration) time.Duration {
	slices.Sort(values)
	return values[len(values)/2]
}
