package riversink_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/receive"
	"github.com/nylastrack/nylas-go/sinks/riversink"
)

// patience is how long a test waits for what must happen: minutes only where a
// machine is very busy.
const patience = time.Minute

// databaseURL names the server of the tests. In CI they must not be left out
// without anybody's noticing.
func databaseURL(tb testing.TB) string {
	tb.Helper()
	url := os.Getenv("NYLAS_TEST_POSTGRES")
	if url == "" {
		const how = `needs a PostgreSQL: eval "$(.ci/postgres start)", or set NYLAS_TEST_POSTGRES to the URL of a database to make schemas in`
		if os.Getenv("CI") == "true" {
			tb.Fatal(how)
		}
		tb.Skip(how)
	}
	return url
}

func newPool(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	config, err := pgxpool.ParseConfig(databaseURL(tb))
	require.NoError(tb, err)
	config.MaxConns = 8
	pool, err := pgxpool.NewWithConfig(tb.Context(), config)
	require.NoError(tb, err)
	tb.Cleanup(pool.Close)
	return pool
}

// newSchema is the name of a schema that is removed after the test.
func newSchema(tb testing.TB) string {
	tb.Helper()
	databaseURL(tb) // skips before there is anything to remove
	schema := "test_" + strings.ToLower(rand.Text())
	tb.Cleanup(func() { dropSchema(tb, schema) })
	return schema
}

func dropSchema(tb testing.TB, schema string) {
	tb.Helper()
	conn, err := pgx.Connect(context.Background(), databaseURL(tb))
	if assert.NoError(tb, err) {
		_, err = conn.Exec(context.Background(), "DROP SCHEMA IF EXISTS "+schema+" CASCADE")
		assert.NoError(tb, err)
		assert.NoError(tb, conn.Close(context.Background()))
	}
}

// open returns a Sink with tables of its own.
func open(tb testing.TB, opts ...riversink.Option) (*riversink.Sink, *pgxpool.Pool, string) {
	tb.Helper()
	schema := newSchema(tb)
	pool := newPool(tb)
	sink, err := riversink.Open(pool, append([]riversink.Option{riversink.WithSchema(schema)}, opts...)...)
	require.NoError(tb, err)
	require.NoError(tb, sink.Migrate(tb.Context()))
	return sink, pool, schema
}

// run works off until the test ends or the returned function is called.
func run(t *testing.T, sink *riversink.Sink, handler receive.Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sink.Run(ctx, handler) }()
	stop = sync.OnceFunc(func() {
		cancel()
		assert.NoError(t, <-done)
	})
	t.Cleanup(stop)
	return stop
}

func eventually(t *testing.T, condition func() bool, what string) {
	t.Helper()
	require.Eventually(t, condition, patience, 5*time.Millisecond, what)
}

// opened is a delivery with an id of one's own.
func opened(id string) *receive.Delivery {
	return receive.NewDelivery(fmt.Appendf(nil, `{"specversion":"1.0","type":"message.opened","source":"/nylas/tracking","id":%q,`+
		`"time":1695480567,"data":{"application_id":"app","object":{"message_id":"m-1"}}}`, id), "")
}

// recorder is a handler that keeps what it got.
type recorder struct {
	mu    sync.Mutex
	got   map[string][]*receive.Delivery
	reply func(d *receive.Delivery, attempt int) error
}

func (r *recorder) HandleDelivery(_ context.Context, d *receive.Delivery) error {
	r.mu.Lock()
	if r.got == nil {
		r.got = map[string][]*receive.Delivery{}
	}
	r.got[d.ID] = append(r.got[d.ID], d)
	attempt := len(r.got[d.ID])
	r.mu.Unlock()
	if r.reply == nil {
		return nil
	}
	return r.reply(d, attempt)
}

func (r *recorder) calls(id string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got[id])
}

func (r *recorder) last(id string) *receive.Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got[id][len(r.got[id])-1]
}

func stats(t *testing.T, sink *riversink.Sink) riversink.Stats {
	t.Helper()
	s, err := sink.Stats(t.Context())
	require.NoError(t, err)
	return s
}

func dead(t *testing.T, sink *riversink.Sink) []*riversink.DeadLetter {
	t.Helper()
	var letters []*riversink.DeadLetter
	for letter, err := range sink.Dead(t.Context()) {
		require.NoError(t, err)
		letters = append(letters, letter)
	}
	return letters
}

// idle waits until nothing is left to do.
func idle(t *testing.T, sink *riversink.Sink) {
	t.Helper()
	eventually(t, func() bool {
		s := stats(t, sink)
		return s.Pending+s.Running == 0
	}, "everything is handled")
}

// rows counts the jobs of a schema in a state, or in all of them.
func rows(t *testing.T, pool *pgxpool.Pool, schema, state string) (n int) {
	t.Helper()
	require.NoError(t, pool.QueryRow(t.Context(),
		"SELECT count(*) FROM "+schema+".river_job WHERE $1 IN ('', state::text)", state).Scan(&n))
	return n
}
