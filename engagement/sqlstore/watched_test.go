package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
)

// statement is one that went to the database.
type statement struct {
	text string
	args []driver.NamedValue
}

// watched is a connector that notes each statement.
type watched struct {
	driver.Connector
	mu         sync.Mutex
	statements []statement
}

func (w *watched) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := w.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &watchedConn{conn, w}, nil
}

func (w *watched) note(text string, args []driver.NamedValue) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.statements = append(w.statements, statement{text, slices.Clone(args)})
}

// take returns the statements since the last call.
func (w *watched) take() []statement {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.statements
	w.statements = nil
	return all
}

type watchedConn struct {
	driver.Conn
	w *watched
}

func (c *watchedConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	c.w.note(text, args)
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, text, args)
}

func (c *watchedConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	c.w.note(text, args)
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, text, args)
}

func (c *watchedConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.Conn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

type sqliteConnector struct{ path string }

func (c sqliteConnector) Connect(context.Context) (driver.Conn, error) {
	return c.Driver().Open("file:" + c.path)
}
func (c sqliteConnector) Driver() driver.Driver { return &sqlite.Driver{} }

// watch opens a database and notes what goes to it.
func watch(t *testing.T, d database) (*sqlstore.Store, *sql.DB, *watched) {
	t.Helper()
	w := &watched{Connector: sqliteConnector{d.name}}
	if d.engine == sqlstore.PostgreSQL {
		config, err := pgx.ParseConfig(postgresURL(t))
		require.NoError(t, err)
		config.RuntimeParams["search_path"] = d.name
		w.Connector = stdlib.GetConnector(*config)
	}
	db := sql.OpenDB(w)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	s, err := sqlstore.New(db, d.engine)
	require.NoError(t, err)
	return s, db, w
}

// Each statement is a way to the server and back.
func TestStatementsAreFew(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s, _, w := watch(t, d)
		var events []engagement.Event
		for i := range 50 {
			events = append(events, opened("m-1", string(rune('A'+i)), i))
		}
		w.take()
		add(t, s, opens("m-1"), events...)
		writes := map[sqlstore.Engine]int{sqlstore.SQLite: 5, sqlstore.PostgreSQL: 4}[d.engine]
		assert.Len(t, w.take(), writes, "50 new events: begin, lock, write, commit; SQLite writes the two tables one by one")
		require.NoError(t, s.Update(t.Context(), opens("m-1"), func(r engagement.Record) (engagement.Addition, error) {
			return engagement.Addition{State: r.State}, nil
		}))
		assert.Len(t, w.take(), 3, "nothing new: begin, lock, commit")
		load(t, s, opens("m-1"))
		assert.Len(t, w.take(), 1)
		history(t, s, "m-1")
		assert.Len(t, w.take(), 1)
		require.NoError(t, s.SetSent(t.Context(), engagement.Sent{GrantID: "g-1", MessageID: "m-1"}))
		assert.Len(t, w.take(), 1)
	})
}

// An index finds each row that a query returns, in the order of the page.
func TestQueriesAreServedByIndexes(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s, db, w := watch(t, d)
		fill(t, db, d.engine, 10, 10_000, 2)
		run(t, db, "INSERT INTO nylas_campaigns SELECT id, 'c-' || id, active_at, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM nylas_messages")
		run(t, db, "ANALYZE")
		key := engagement.Key{GrantID: "g-7", MessageID: "m-77", Kind: engagement.Click}
		queries := map[string]func() error{
			"nylas_messages_key":    func() error { _, err := s.Load(t.Context(), key); return err },
			"nylas_messages_active": func() error { _, err := s.Messages(t.Context(), sqlstore.MessageQuery{}); return err },
			"nylas_messages_grant": func() error {
				_, err := s.Messages(t.Context(), sqlstore.MessageQuery{GrantID: "g-2"})
				return err
			},
			"nylas_messages_campaign of a label": func() error {
				_, err := s.Messages(t.Context(), sqlstore.MessageQuery{Label: "l-2"})
				return err
			},
			"nylas_messages_campaign": func() error {
				_, err := s.Messages(t.Context(), sqlstore.MessageQuery{Campaign: "l-2"})
				return err
			},
			"nylas_messages_campaign with a state": func() error {
				_, err := s.Messages(t.Context(), sqlstore.MessageQuery{Campaign: "l-2", State: new(engagement.Clicked)})
				return err
			},
			"nylas_messages_active with a state": func() error {
				_, err := s.Messages(t.Context(), sqlstore.MessageQuery{State: new(engagement.Replied)})
				return err
			},
			"nylas_messages_campaign of all": func() error {
				_, err := s.Messages(t.Context(), sqlstore.MessageQuery{Label: "l-2", Campaign: "l-2", State: new(engagement.Replied), GrantID: "g-2"})
				return err
			},
			"nylas_campaigns_active": func() error { _, err := s.Campaigns(t.Context(), sqlstore.CampaignQuery{}); return err },
			"nylas_events_message": func() error {
				_, err := s.EventPage(t.Context(), sqlstore.EventQuery{GrantID: "g-7", MessageID: "m-77"})
				return err
			},
			"nylas_events_message of all": func() error { _, err := s.Events(t.Context(), "g-7", "m-77"); return err },
		}
		for name, query := range queries {
			w.take()
			require.NoError(t, query())
			statements := w.take()
			require.Len(t, statements, 1, name)
			plan := explain(t, db, d.engine, statements[0])
			index, _, _ := strings.Cut(name, " ")
			assert.Contains(t, plan, index, name)
			assert.NotRegexp(t, `SCAN (nylas|e|m)\b[^\n]*$|Seq Scan`, strings.ReplaceAll(plan, "SCAN nylas_campaigns USING INDEX", ""), "%s: all rows are read", name)
			if index == "nylas_events_message" && d.engine == sqlstore.PostgreSQL { // a message has few events: to sort them costs nothing
				continue
			}
			// What is sorted is the seven parts put together, and the rows of the page.
			sorts := strings.Count(plan, "TEMP B-TREE") + strings.Count(plan, "Sort Key")
			assert.LessOrEqual(t, sorts, map[bool]int{true: 2}[strings.HasPrefix(index, "nylas_messages")], "%s: it sorts\n%s", name, plan)
		}
	})
}

// explain returns how the engine runs a statement.
func explain(t *testing.T, db *sql.DB, engine sqlstore.Engine, s statement) string {
	t.Helper()
	word := map[sqlstore.Engine]string{sqlstore.SQLite: "EXPLAIN QUERY PLAN ", sqlstore.PostgreSQL: "EXPLAIN "}[engine]
	var args []any
	for _, a := range s.args {
		args = append(args, a.Value)
	}
	rows, err := db.QueryContext(t.Context(), word+s.text, args...)
	require.NoError(t, err)
	defer func() { assert.NoError(t, rows.Close()) }()
	columns, err := rows.Columns()
	require.NoError(t, err)
	var plan strings.Builder
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(sql.NullString)
		}
		require.NoError(t, rows.Scan(values...))
		plan.WriteString(values[len(values)-1].(*sql.NullString).String + "\n")
	}
	require.NoError(t, rows.Err())
	return plan.String()
}

// fill writes messages with events into the tables, faster than a Store would: some
// grants g-0, g-1 and so on and as many labels l-0, l-1 in turns, and the newest message last.
func fill(tb testing.TB, db *sql.DB, engine sqlstore.Engine, groups, messages, events int) {
	tb.Helper()
	series := func(n int) string {
		if engine == sqlstore.PostgreSQL {
			return "SELECT generate_series(0, " + itoa(n-1) + ") AS n"
		}
		return "SELECT value AS n FROM (WITH RECURSIVE s(value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM s WHERE value < " + itoa(n-1) + ") SELECT value FROM s)"
	}
	var hashes strings.Builder
	for i := range groups {
		hashes.WriteString(" WHEN " + itoa(i) + " THEN " + hashOf(tb, db, engine, "l-"+itoa(i)))
	}
	outcome, err := json.Marshal(sqlstore.Outcome{State: engagement.LikelyOpened, FirstOpen: noon, SettledAt: noon, JudgedAt: noon, Rules: "2026-11-29"})
	require.NoError(tb, err)
	run(tb, db, `INSERT INTO nylas_messages (grant_id, message_id, thread_id, label, label_hash, campaign, campaign_hash, subject, last_event, active_at, changed_at,
		version, state, rules, outcome)
		SELECT 'g-' || (n % `+itoa(groups)+`), 'm-' || n, '', label, hash, label, hash, 'Your trial ends soon', CAST(n AS bigint) * 1000000 + 1, CAST(n AS bigint) * 1000000 + 1, 1,
		n + 1, n / 7 % 7 - 1, '2026-11-29', '`+string(outcome)+`'
		FROM (SELECT n, 'l-' || (n % `+itoa(groups)+`) AS label, CASE n % `+itoa(groups)+hashes.String()+` END AS hash FROM (`+series(messages)+`) AS s) AS t`)
	run(tb, db, `INSERT INTO nylas_campaigns SELECT campaign_hash, campaign, max(active_at), count(*), 0, 0, 3, 5, 2, 4, 1, 1, 0, 0, 0 FROM nylas_messages GROUP BY campaign_hash, campaign`)
	run(tb, db, `INSERT INTO nylas_events (id, message, kind, at, dated, thread_id, label, ip, user_agent, link_index, url, url_inferred, reply_id, from_self, automatic, network)
		SELECT 'e-' || id || '-' || n, id, 'open', last_event - n, TRUE, '', label, '203.0.113.7', 'Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)',
		-1, '', FALSE, '', FALSE, 'unknown', '' FROM nylas_messages, (`+series(events)+`) AS s`)
	run(tb, db, "ANALYZE")
}
