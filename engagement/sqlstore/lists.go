package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/nylastrack/nylas-go/engagement"
)

// newestFirst is the order of lists of messages.
const newestFirst = " ORDER BY active_at DESC, id DESC"

// firstPosition is before that of any message in a list: one without anything to show has
// an active_at of 0.
var firstPosition = position{at: 1, id: math.MinInt64}

// states are the values of the column state: that of messages that nobody has judged, and
// those of engagement.
var states = func() []int64 {
	all := []int64{-1}
	for state := engagement.NoSignal; ; state++ {
		if _, err := state.MarshalText(); err != nil {
			return all
		}
		all = append(all, int64(state))
	}
}()

// list returns a statement for the positions of the messages of a query, from one position
// up to another that does not belong to it. top limits the messages of each state. An index
// has them in their order, one state after the other.
func (s *Store) list(q MessageQuery, from, to position, top string) (statement string, args []any) {
	where := ""
	var values []any
	equal := func(column string, value any) {
		where += column + " = ? AND "
		values = append(values, value)
	}
	index := "active"
	if q.GrantID != "" {
		index = "grant"
		equal("grant_id", clean(q.GrantID))
	}
	// Of a text the hash is compared only: PostgreSQL would take the two for independent,
	// and sort the few rows that it expects.
	if campaign := cmp.Or(q.Campaign, engagement.CampaignOf(q.Label)); campaign != "" {
		index = "campaign"
		equal("campaign_hash", hashOf(clean(campaign)))
	}
	if q.Label != "" {
		equal("label_hash", hashOf(clean(q.Label)))
	}
	table := "nylas_messages"
	if s.engine == SQLite { // which after an ANALYZE prefers indexes that it has to skip through, and to sort
		table += " INDEXED BY nylas_messages_" + index
	}
	wanted := states
	if q.State != nil {
		wanted = []int64{int64(*q.State)}
	}
	var parts []string
	for i, state := range wanted {
		parts = append(parts, "SELECT * FROM (SELECT active_at, id FROM "+table+" WHERE "+where+"state = ?"+
			" AND (active_at, id) >= (?, ?) AND (active_at, id) < (?, ?)"+newestFirst+top+") AS part"+strconv.Itoa(i))
		args = append(append(args, values...), state, from.at, from.id, to.at, to.id)
	}
	return strings.Join(parts, " UNION ALL "), args
}

// search returns the page of a query with a text.
func (s *Store) search(ctx context.Context, q MessageQuery, after position, limit int) (MessagePage, error) {
	text := clean(q.Search)
	if q.After == "" && len(text) <= maxIDBytes {
		page, err := s.messages(ctx, "message_id = ?", MaxPage, []any{text})
		page.Messages = slices.DeleteFunc(page.Messages, func(m Message) bool { return !q.matches(&m) })
		if err != nil || len(page.Messages) > 0 {
			return page, err
		}
	}
	// The last of the messages that are looked at comes first: what is stored meanwhile is
	// before it.
	from := firstPosition
	top := " LIMIT " + strconv.Itoa(MaxLooked)
	list, args := s.list(q, from, after, top)
	if err := s.query(ctx, func() { from = firstPosition }, func(rows *sql.Rows) error { return rows.Scan(&from.at, &from.id) },
		"SELECT active_at, id FROM ("+list+") AS newest"+newestFirst+" LIMIT 1 OFFSET "+strconv.Itoa(MaxLooked-1), args...); err != nil {
		return MessagePage{}, err
	}
	list, args = s.list(q, from, after, "")
	contains := map[Engine]string{SQLite: "instr", PostgreSQL: "strpos"}[s.engine]
	page, err := s.messages(ctx, "id IN (SELECT id FROM ("+list+") AS looked) AND "+
		contains+"(lower(subject || '\n' || label || '\n' || campaign), lower(CAST(? AS text))) > 0", limit, append(args, text))
	if page.Next == "" && from != firstPosition {
		page.Next = from.cursor('m')
	}
	return page, err
}

// matches reports whether a message is in the list that a query without Search asks for.
func (q MessageQuery) matches(m *Message) bool {
	return (q.GrantID == "" || q.GrantID == m.GrantID) && (q.Label == "" || q.Label == m.Label) &&
		(q.Campaign == "" || q.Campaign == m.Sent.Campaign()) && (q.State == nil || m.Outcome != nil && m.Outcome.State == *q.State) &&
		(m.Known || !m.LastEvent.IsZero())
}
