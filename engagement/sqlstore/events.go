package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/nylastrack/nylas-go/engagement"
)

// storedEvent is an event as a row of nylas_events. As JSON, any number of them is one
// parameter of one statement.
type storedEvent struct {
	ID          string `json:"id"`
	Kind        string `json:"kind"`
	At          int64  `json:"at"`    // when the event took place, or if Nylas gave no time, when it was stored
	Dated       bool   `json:"dated"` // Nylas gave a time
	ThreadID    string `json:"thread_id"`
	Label       string `json:"label"`
	IP          string `json:"ip"`
	UserAgent   string `json:"user_agent"`
	LinkIndex   int    `json:"link_index"`
	URL         string `json:"url"`
	URLInferred bool   `json:"url_inferred"`
	ReplyID     string `json:"reply_id"`
	FromSelf    bool   `json:"from_self"`
	Automatic   string `json:"automatic"`
	Network     string `json:"network"`
}

// eventColumns are the columns that storedEvent has, in its order, with their types.
var eventColumns = [][2]string{
	{"id", "text"}, {"kind", "text"}, {"at", "bigint"}, {"dated", "boolean"}, {"thread_id", "text"}, {"label", "text"},
	{"ip", "text"}, {"user_agent", "text"}, {"link_index", "bigint"}, {"url", "text"}, {"url_inferred", "boolean"},
	{"reply_id", "text"}, {"from_self", "boolean"}, {"automatic", "text"}, {"network", "text"},
}

// insertEvents is the statement that adds a list of events to a message. An event that is
// there already stays as it is.
func insertEvents(engine Engine) string {
	source, value := engine.table(eventColumns)
	var names, values []string
	for _, column := range eventColumns {
		names, values = append(names, column[0]), append(values, value(column[0]))
	}
	// Without WHERE, SQLite would take ON CONFLICT for a part of the join.
	return "INSERT INTO nylas_events (message, " + strings.Join(names, ", ") + ") SELECT CAST(? AS bigint), " +
		strings.Join(values, ", ") + " FROM " + source + " WHERE true ON CONFLICT (id) DO NOTHING"
}

func eventTime(event engagement.Event, now int64) int64 {
	if event.Time.IsZero() {
		return now
	}
	return event.Time.UnixMicro()
}

// encodeEvents returns the JSON that insertEvents takes.
func (s *Store) encodeEvents(events []engagement.Event, now int64) (string, error) {
	stored := make([]storedEvent, len(events))
	for i, e := range events {
		stored[i] = storedEvent{
			ID: clean(e.ID), Kind: clean(string(e.Kind)), At: eventTime(e, now), Dated: !e.Time.IsZero(),
			ThreadID: clean(e.ThreadID), Label: clean(e.Label), IP: s.address(e.IP), UserAgent: clean(e.UserAgent),
			LinkIndex: e.LinkIndex, URL: clean(e.URL), URLInferred: e.URLInferred,
			ReplyID: clean(e.ReplyID), FromSelf: e.FromSelf, Automatic: e.Automatic.String(), Network: clean(e.Network),
		}
	}
	rows, err := json.Marshal(stored)
	return string(rows), err
}

// selectEvents begins a query of events. Its columns are those that scanEvent reads.
var selectEvents = func() string {
	columns := "e.message, e.seq, m.grant_id, m.message_id"
	for _, column := range eventColumns {
		columns += ", e." + column[0]
	}
	return "SELECT " + columns + " FROM nylas_events e JOIN nylas_messages m ON m.id = e.message"
}()

// selectOfMessage begins a query of the events of one message.
var selectOfMessage = selectEvents + " WHERE m.grant_id = ? AND m.message_id = ? AND m.thread_id = ?"

// scanEvent reads an event, the row of its message, and its position.
func scanEvent(rows *sql.Rows) (event engagement.Event, message int64, at position, err error) {
	var e storedEvent
	if err := rows.Scan(&message, &at.id, &event.GrantID, &event.MessageID, &e.ID, &e.Kind, &e.At, &e.Dated, &e.ThreadID, &e.Label,
		&e.IP, &e.UserAgent, &e.LinkIndex, &e.URL, &e.URLInferred, &e.ReplyID, &e.FromSelf, &e.Automatic, &e.Network); err != nil {
		return event, message, at, err
	}
	at.at = e.At
	event.ID, event.Kind, event.ThreadID, event.Label = e.ID, engagement.Kind(e.Kind), e.ThreadID, e.Label
	event.UserAgent, event.LinkIndex, event.URL, event.URLInferred = e.UserAgent, e.LinkIndex, e.URL, e.URLInferred
	event.ReplyID, event.FromSelf, event.Network = e.ReplyID, e.FromSelf, e.Network
	if e.Dated {
		event.Time = time.UnixMicro(e.At).UTC()
	}
	if err := event.Automatic.UnmarshalText([]byte(e.Automatic)); err != nil {
		return event, message, at, fmt.Errorf("the event %s in nylas_events: automatic: %w", e.ID, err)
	}
	if e.IP != "" {
		event.IP, err = netip.ParseAddr(e.IP)
		if err != nil {
			return event, message, at, fmt.Errorf("the event %s in nylas_events has no address as its ip", e.ID)
		}
	}
	return event, message, at, nil
}

// Events returns all events of a message in the order of their time, and those of one
// second in the order in which they were stored. [Store.EventPage] returns them in pages.
func (s *Store) Events(ctx context.Context, grantID, messageID string) ([]engagement.Event, error) {
	at, err := placeOf(grantID, messageID, "")
	if err != nil {
		return nil, failed(ctx, "events", err)
	}
	var events []engagement.Event
	err = s.query(ctx, func() { events = nil }, func(rows *sql.Rows) error {
		event, _, _, err := scanEvent(rows)
		events = append(events, event)
		return err
	}, selectOfMessage+" ORDER BY e.at, e.seq", at.grant, at.message, at.thread)
	if err != nil {
		return nil, failed(ctx, "events", err)
	}
	return events, nil
}
