package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nylastrack/nylas-go/engagement"
)

// newestFirst is the order of lists of messages.
const newestFirst = " ORDER BY active_at DESC, id DESC"

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

// list returns a statement for the positions of the newest messages of a query that come
// after one, with a limit for each state. An index has them in their order, one state after
// the other.
func (s *Store) list(q MessageQuery, after position, top string) (statement string, args []any) {
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
	if campaign := cmp.Or(q.Campaign, engagement.CampaignOf(q.Label)); campaign != "" || q.NoCampaign {
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
			" AND active_at > 0 AND (active_at, id) < (?, ?)"+newestFirst+top+") AS part"+strconv.Itoa(i))
		args = append(append(args, values...), state, after.at, after.id)
	}
	return strings.Join(parts, " UNION ALL "), args
}

// hit is the condition for a message that contains the text of a search, its parameter.
func (s *Store) hit() string {
	return map[Engine]string{SQLite: "instr", PostgreSQL: "strpos"}[s.engine] +
		"(lower(subject || '\n' || label || '\n' || campaign), lower(CAST(? AS text))) > 0"
}

// named returns the messages of a query whose id its Search is: one of each grant at most.
func (s *Store) named(ctx context.Context, q MessageQuery) ([]Message, error) {
	text := clean(q.Search)
	if text == "" || len(text) > maxIDBytes {
		return nil, nil
	}
	page, err := s.messages(ctx, "message_id = ?", MaxPage, []any{text})
	return slices.DeleteFunc(page.Messages, func(m Message) bool { return !q.matches(&m) }), err
}

// search returns the page of a query with a text.
func (s *Store) search(ctx context.Context, q MessageQuery, after position, limit int) (MessagePage, error) {
	text := clean(q.Search)
	if q.After == "" {
		if named, err := s.named(ctx, q); err != nil || len(named) > 0 {
			return MessagePage{Messages: named}, err
		}
	}
	top := " LIMIT " + strconv.Itoa(MaxLooked)
	list, args := s.list(q, after, top)
	hit := s.hit()
	var page MessagePage
	var last position
	// The last row that is looked at comes too, because the next page begins after it.
	err := s.query(ctx, func() { page = MessagePage{} }, func(rows *sql.Rows) error {
		var hit bool
		var place int
		message, at, err := scanMessage(rows, &hit, &place)
		switch {
		case err != nil:
			return err
		case page.Next != "":
			return nil
		case hit && len(page.Messages) == limit:
			page.Next = last.cursor('m')
			return nil
		case hit:
			page.Messages = append(page.Messages, message)
		}
		if last = at; place == MaxLooked {
			page.Next = at.cursor('m')
		}
		return nil
	}, "SELECT "+messageColumns+", "+hit+", place FROM (SELECT id AS looked, row_number() OVER ("+strings.TrimSpace(newestFirst)+
		") AS place FROM (SELECT * FROM ("+list+") AS parts"+newestFirst+top+") AS newest) AS places JOIN nylas_messages ON id = looked WHERE "+hit+" OR place = "+strconv.Itoa(MaxLooked)+
		newestFirst+" LIMIT "+strconv.Itoa(limit+1), slices.Concat([]any{text}, args, []any{text})...)
	return page, err
}

// check refuses filters that exclude each other.
func (q MessageQuery) check() error {
	if q.NoCampaign && (q.Campaign != "" || q.Label != "") {
		return fmt.Errorf("%w: it asks for messages without a campaign, and names one: leave NoCampaign out, or Campaign and Label", ErrQuery)
	}
	return nil
}

// matches reports whether a message is in the list that a query without Search asks for.
func (q MessageQuery) matches(m *Message) bool {
	return (q.GrantID == "" || q.GrantID == m.GrantID) && (q.Label == "" || q.Label == m.Label) &&
		(q.Campaign == "" && !q.NoCampaign || q.Campaign == m.Campaign()) && (q.State == nil || m.Outcome != nil && m.Outcome.State == *q.State) &&
		(m.Known || !m.LastEvent.IsZero())
}
