package sqlstore_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
)

// database is a database with tables of its own, which several processes can open. Name is
// the path of a file, or a schema.
type database struct {
	engine  sqlstore.Engine
	name    string
	durable bool // commits wait for the disk; the tests crash nothing
}

// postgresURL names the server of the tests. In CI they must not be left out without
// anybody's noticing.
func postgresURL(tb testing.TB) string {
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

// handle opens the database once more, as another process would.
func (d database) handle() (*sql.DB, error) {
	if d.engine == sqlstore.SQLite {
		synchronous := map[bool]string{true: "FULL", false: "NORMAL"}[d.durable]
		return sql.Open("sqlite", "file:"+d.name+"?_pragma=synchronous("+synchronous+")")
	}
	config, err := pgx.ParseConfig(os.Getenv("NYLAS_TEST_POSTGRES"))
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["search_path"] = d.name
	config.RuntimeParams["synchronous_commit"] = map[bool]string{true: "on", false: "off"}[d.durable]
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(8)
	return db, nil
}

func (d database) open(tb testing.TB) *sql.DB {
	tb.Helper()
	db, err := d.handle()
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, db.Close()) })
	return db
}

func (d database) store(tb testing.TB, opts ...sqlstore.Option) *sqlstore.Store {
	tb.Helper()
	s, err := sqlstore.New(d.open(tb), d.engine, opts...)
	require.NoError(tb, err)
	return s
}

// empty makes a database without tables.
func empty(tb testing.TB, engine sqlstore.Engine) database {
	tb.Helper()
	if engine == sqlstore.SQLite {
		d := database{engine: engine, name: filepath.Join(tb.TempDir(), "events.db")}
		_, err := d.open(tb).ExecContext(tb.Context(), "PRAGMA journal_mode=WAL") // stays in the file
		require.NoError(tb, err)
		return d
	}
	url := postgresURL(tb)
	d := database{engine: engine, name: "test_" + strings.ToLower(rand.Text())}
	execURL(tb, url, "CREATE SCHEMA "+d.name)
	tb.Cleanup(func() { execURL(tb, url, "DROP SCHEMA "+d.name+" CASCADE") })
	return d
}

func execURL(tb testing.TB, url, statement string) {
	tb.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if assert.NoError(tb, err) {
		_, err = conn.Exec(context.Background(), statement)
		assert.NoError(tb, err)
		assert.NoError(tb, conn.Close(context.Background()))
	}
}

func migrated(tb testing.TB, engine sqlstore.Engine) database {
	tb.Helper()
	d := empty(tb, engine)
	require.NoError(tb, d.store(tb).Migrate(tb.Context()))
	return d
}

// eachEngine runs a test on a database of each engine.
func eachEngine(t *testing.T, test func(t *testing.T, d database)) {
	t.Helper()
	for _, engine := range []sqlstore.Engine{sqlstore.SQLite, sqlstore.PostgreSQL} {
		t.Run(engine.String(), func(t *testing.T) {
			t.Parallel()
			test(t, migrated(t, engine))
		})
	}
}

func run(tb testing.TB, db *sql.DB, statement string) {
	tb.Helper()
	_, err := db.ExecContext(tb.Context(), statement)
	require.NoError(tb, err)
}

func count(tb testing.TB, db *sql.DB, from string) (n int) {
	tb.Helper()
	require.NoError(tb, db.QueryRowContext(tb.Context(), "SELECT count(*) FROM "+from).Scan(&n))
	return n
}

func opens(message string) engagement.Key {
	return engagement.Key{GrantID: "g-1", MessageID: message, Kind: engagement.Open}
}

// noon is when the events of the tests take place.
var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// opened is an open of a message of grant g-1, some seconds after noon.
func opened(message, id string, seconds int) engagement.Event {
	return engagement.Event{
		ID: id, Kind: engagement.Open, GrantID: "g-1", MessageID: message, Time: noon.Add(time.Duration(seconds) * time.Second), LinkIndex: -1,
	}
}

// add stores events of a key without looking at what is known.
func add(tb testing.TB, s engagement.Store, key engagement.Key, events ...engagement.Event) {
	tb.Helper()
	require.NoError(tb, s.Update(tb.Context(), key, func(r engagement.Record) (engagement.Addition, error) {
		return engagement.Addition{State: fmt.Append(r.State, len(events), ";"), Events: events}, nil
	}))
}

func load(tb testing.TB, s engagement.Store, key engagement.Key) engagement.Record {
	tb.Helper()
	r, err := s.Load(tb.Context(), key)
	require.NoError(tb, err)
	return r
}

func history(tb testing.TB, s engagement.History, message string) []engagement.Event {
	tb.Helper()
	events, err := s.Events(tb.Context(), "g-1", message)
	require.NoError(tb, err)
	return events
}

func ids(events []engagement.Event) []string {
	all := []string{}
	for _, e := range events {
		all = append(all, e.ID)
	}
	return all
}

func itoa(n int) string { return strconv.Itoa(n) }

// hashOf returns what the Store writes as the hash of a label.
func hashOf(tb testing.TB, db *sql.DB, engine sqlstore.Engine, label string) (hash string) {
	tb.Helper()
	s, err := sqlstore.New(db, engine)
	require.NoError(tb, err)
	require.NoError(tb, s.SetSent(tb.Context(), engagement.Sent{GrantID: "hash", MessageID: "hash", Label: label}))
	require.NoError(tb, db.QueryRowContext(tb.Context(), "DELETE FROM nylas_messages WHERE grant_id = 'hash' RETURNING label_hash").Scan(&hash))
	return hash
}
