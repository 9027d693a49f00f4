package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/nylastrack/nylas-go/engagement"
)

const (
	// DefaultPage is how many elements a page has if a query does not say.
	DefaultPage = 50
	// MaxPage is the limit of a page. It is our choice: what a page of a dashboard shows.
	MaxPage = 1000
	// MaxLooked is how many rows a search or a feed with a filter looks at in one call. It is
	// our choice: on SQLite it takes less than 50 ms.
	MaxLooked = 1000
)

// ErrQuery is the error of a query that cannot be: its After is not the Next of a page of the
// same list, its Limit is out of range, or its filters exclude each other. The database was not
// asked.
var ErrQuery = errors.New("the query cannot be")

// MessageQuery asks for a page of messages. Its zero value asks for the first page of all.
type MessageQuery struct {
	GrantID string // only those of this grant, unless empty
	Label   string // only those with this label, unless empty
	// Campaign leaves those of this campaign, unless empty: see [engagement.CampaignOf].
	Campaign string
	// NoCampaign leaves those of the campaign with the name "": without a label. Campaign and
	// Label must be empty then.
	NoCampaign bool
	// State leaves those that came to this when [Store.Judge] judged them, unless nil.
	State *engagement.State
	// Search leaves those whose subject, label or campaign contains this text, unless empty.
	// Upper and lower case are the same for ASCII letters; for others only as far as
	// PostgreSQL's collation knows them. The id of a message finds that message alone.
	//
	// A call looks at the newest [MaxLooked] messages of the others: a page with Next may
	// have fewer messages than Limit, or none.
	Search string
	After  string // the Next of the page before; empty for the first page
	Limit  int    // how many, at most [MaxPage]; 0 means [DefaultPage]
}

// Message is a message in a page: one that was sent, or has events, or both.
type Message struct {
	engagement.Sent
	// Known reports that SetSent stored the message. Else Sent has its ids, and the
	// label of its events.
	Known bool
	// ThreadID is set, and MessageID is empty, for replies whose notification named the
	// thread only.
	ThreadID string
	// LastEvent is the time of the newest event, or the zero Time if there is none.
	LastEvent time.Time
	// Delivery is what [Store.SetDelivery] stored.
	Delivery engagement.Delivery
	// Outcome is what the message came to. It is nil until [Store.Judge] has judged it, and
	// lacks what was stored since.
	Outcome *Outcome
	// Withdrawn reports that later events are dropped: see [Store.Withdraw].
	Withdrawn bool
}

// MessagePage is a page of messages.
type MessagePage struct {
	Messages []Message
	Next     string // the After of the next page; empty if this is the last one
}

// Messages returns a page of messages. The one with the newest event comes first; a message
// without events stands where it was sent. A message that gets an event moves to the first
// page. Apart from that, no message is missed and none comes twice, whatever is added
// between two pages.
func (s *Store) Messages(ctx context.Context, q MessageQuery) (MessagePage, error) {
	var page MessagePage
	limit, after, err := pageOf(q.After, q.Limit, 'm')
	if err == nil {
		err = q.check()
	}
	if err != nil {
		return page, failed(ctx, "messages", err)
	}
	if q.Search != "" {
		page, err = s.search(ctx, q, after, limit)
	} else {
		top := " LIMIT " + strconv.Itoa(limit+1)
		list, args := s.list(q, after, top)
		page, err = s.messages(ctx, "id IN (SELECT id FROM ("+list+") AS newest"+newestFirst+top+")", limit, args)
	}
	if err != nil {
		return MessagePage{}, failed(ctx, "messages", err)
	}
	return page, nil
}

// messages returns a page of the messages for which a condition holds.
func (s *Store) messages(ctx context.Context, where string, limit int, args []any) (page MessagePage, err error) {
	var last position
	err = s.query(ctx, func() { page = MessagePage{} }, func(rows *sql.Rows) error {
		if len(page.Messages) == limit { // one more than asked for shows that there is a next page
			page.Next = last.cursor('m')
			return nil
		}
		message, at, err := scanMessage(rows)
		page.Messages, last = append(page.Messages, message), at
		return err
	}, "SELECT "+messageColumns+" FROM nylas_messages WHERE "+where+newestFirst+" LIMIT "+strconv.Itoa(limit+1), args...)
	return page, err
}

// message returns a message, or one that is not Known if there is none.
func (s *Store) message(ctx context.Context, at place) (message Message, found bool, err error) {
	err = s.query(ctx, func() { message, found = Message{}, false }, func(rows *sql.Rows) (err error) {
		message, _, err = scanMessage(rows)
		found = true
		return err
	}, "SELECT "+messageColumns+" FROM nylas_messages WHERE grant_id = ? AND message_id = ? AND thread_id = ?", at.grant, at.message, at.thread)
	return message, found, err
}

// Message returns one message, or false if nothing is stored of it.
func (s *Store) Message(ctx context.Context, grantID, messageID string) (Message, bool, error) {
	at, err := placeOf(grantID, messageID, "")
	if err != nil {
		return Message{}, false, failed(ctx, "message", err)
	}
	message, found, err := s.message(ctx, at)
	if err != nil {
		return Message{}, false, failed(ctx, "message", err)
	}
	return message, found, nil
}

// messageColumns are the columns that scanMessage reads, and more may follow.
const messageColumns = "id, active_at, grant_id, message_id, thread_id, sent, label, subject, sent_at, recipients, links, last_event, withdrawn, delivery, outcome"

func scanMessage(rows *sql.Rows, more ...any) (m Message, at position, err error) {
	var sentAt, lastEvent int64
	var links, outcome string
	into := []any{
		&at.id, &at.at, &m.GrantID, &m.MessageID, &m.ThreadID, &m.Known, &m.Label, &m.Subject, &sentAt,
		&m.Recipients, &links, &lastEvent, &m.Withdrawn, &m.Delivery, &outcome,
	}
	if err := rows.Scan(append(into, more...)...); err != nil {
		return m, at, err
	}
	m.At, m.LastEvent = moment(sentAt), moment(lastEvent)
	if json.Unmarshal([]byte(links), &m.Links) != nil { // whose error may quote a link
		return m, at, fmt.Errorf("row %d of nylas_messages has no list of texts as its links", at.id)
	}
	judged, err := decodeOutcome(outcome)
	if judged != nil {
		m.Outcome = &judged.Outcome
	}
	return m, at, err
}

// microOf is the reverse of moment.
func microOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(micro int64) time.Time {
	if micro == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micro).UTC()
}

// EventQuery asks for a page of the events of one message.
type EventQuery struct {
	GrantID string
	// MessageID is the message. ThreadID is set instead for replies whose notification
	// named the thread only.
	MessageID, ThreadID string
	After               string // the Next of the page before; empty for the first page
	Limit               int    // how many, at most [MaxPage]; 0 means [DefaultPage]
}

// EventPage is a page of events.
type EventPage struct {
	Events []engagement.Event
	Next   string // the After of the next page; empty if this is the last one
}

// EventPage returns a page of the events of a message, the newest first. No event is missed
// and none comes twice, whatever is added between two pages.
func (s *Store) EventPage(ctx context.Context, q EventQuery) (EventPage, error) {
	var page EventPage
	at, err := placeOf(q.GrantID, q.MessageID, q.ThreadID)
	if err != nil {
		return page, failed(ctx, "event page", err)
	}
	limit, after, err := pageOf(q.After, q.Limit, 'e')
	if err != nil {
		return page, failed(ctx, "event page", err)
	}
	var last position
	err = s.query(ctx, func() { page = EventPage{} }, func(rows *sql.Rows) error {
		if len(page.Events) == limit {
			page.Next = last.cursor('e')
			return nil
		}
		event, _, at, err := scanEvent(rows)
		page.Events, last = append(page.Events, event), at
		return err
	}, selectOfMessage+" AND (e.at, e.seq) < (?, ?) ORDER BY e.at DESC, e.seq DESC LIMIT "+strconv.Itoa(limit+1),
		at.grant, at.message, at.thread, after.at, after.id)
	if err != nil {
		return EventPage{}, failed(ctx, "event page", err)
	}
	return page, nil
}

// position is where a row stands in a list: by its time, and rows of one time by their id.
type position struct{ at, id int64 }

// firstPage is before all rows.
var firstPage = position{math.MaxInt64, math.MaxInt64}

const cursorBase = 36

// cursor writes a position as what a page calls Next. The mark tells lists apart.
func (p position) cursor(mark byte) string {
	return string(mark) + strconv.FormatInt(p.at, cursorBase) + "_" + strconv.FormatInt(p.id, cursorBase)
}

// pageOf reads what a query says of its page.
func pageOf(after string, limit int, mark byte) (int, position, error) {
	switch {
	case limit == 0:
		limit = DefaultPage
	case limit < 0 || limit > MaxPage:
		return 0, position{}, fmt.Errorf("%w: its Limit is %d: ask for 1 to %d", ErrQuery, limit, MaxPage)
	}
	if after == "" {
		return limit, firstPage, nil
	}
	at, id, _ := strings.Cut(strings.TrimPrefix(after, string(mark)), "_")
	var p position
	var errAt, errID error
	p.at, errAt = strconv.ParseInt(at, cursorBase, 64)
	p.id, errID = strconv.ParseInt(id, cursorBase, 64)
	if after[0] != mark || errAt != nil || errID != nil {
		return 0, position{}, fmt.Errorf("%w: its After is not the Next of a page of this list: leave it empty for the first page", ErrQuery)
	}
	return limit, p, nil
}
