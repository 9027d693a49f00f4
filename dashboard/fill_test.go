package dashboard_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
)

// fill stores some messages with events, and a number of copies of each.
func (s *site) fill(messages, events, copies int) {
	s.t.Helper()
	for i := range messages {
		id := fmt.Sprint("f-", i)
		s.sent(id, noon.Add(time.Duration(i)*time.Hour), func(m *engagement.Sent) { m.Label = fmt.Sprint("fill-", i%10) })
		for j := range events {
			s.happened(event(id, engagement.Open, noon.Add(time.Duration(i+j+1)*time.Hour), gmailAgent))
		}
	}
	s.judge()
	multiply(s.t, s.db, copies)
}

// multiply copies each message with its events, in the database: so a million events take
// seconds, and all columns have what the store writes. The copies are older.
func multiply(tb testing.TB, db *sql.DB, copies int) {
	tb.Helper()
	run := func(statement string, args ...any) {
		tb.Helper()
		_, err := db.ExecContext(tb.Context(), statement, args...)
		require.NoError(tb, err)
	}
	columns := func(table string, changed map[string]string) (names, values string) {
		rows, err := db.QueryContext(tb.Context(), "SELECT name FROM pragma_table_info(?) WHERE pk = 0", table)
		require.NoError(tb, err)
		var all, from []string
		for rows.Next() {
			var name string
			require.NoError(tb, rows.Scan(&name))
			all = append(all, name)
			if value, ok := changed[name]; ok {
				from = append(from, value)
			} else {
				from = append(from, "o."+name)
			}
		}
		require.NoError(tb, rows.Close())
		require.NoError(tb, rows.Err())
		return strings.Join(all, ", "), strings.Join(from, ", ")
	}
	names, values := columns("nylas_messages", map[string]string{
		"message_id": "o.message_id || '-copy-' || n", "active_at": "o.active_at - n * 1000000", "last_event": "o.last_event - n * 1000000",
	})
	run(`WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < ?)
		INSERT INTO nylas_messages (`+names+") SELECT "+values+" FROM s, nylas_messages o", copies)
	names, values = columns("nylas_events", map[string]string{"id": "o.id || '-' || c.id", "message": "c.id"})
	run("INSERT INTO nylas_events (" + names + ") SELECT " + values + ` FROM nylas_messages c
		JOIN nylas_messages m ON m.grant_id = c.grant_id AND m.thread_id = c.thread_id AND m.message_id = substr(c.message_id, 1, instr(c.message_id, '-copy-') - 1)
		JOIN nylas_events o ON o.message = m.id WHERE instr(c.message_id, '-copy-') > 0`)
	run("ANALYZE")
}
