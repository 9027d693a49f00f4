package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/nylastrack/nylas-go/engagement"
)

const (
	// MaxJudged is how many messages one call of [Store.Judge] judges at most. It is our
	// choice: they take about a second.
	MaxJudged = 1000
	// judgeStep is how many messages one transaction stores, so that others need not wait
	// long. It is our choice.
	judgeStep = 100
)

// Judged says what a call of [Store.Judge] did.
type Judged struct {
	// Messages is how many messages were judged.
	Messages int
	// Next is when the next message is due, or the zero Time if none is. It is not in the
	// future if there are more than one call judges.
	Next time.Time
}

// Judge judges the messages that are due, at most [MaxJudged], and stores what each came to:
// [Message.Outcome]. The campaigns count it at once. A message is due if something was stored
// of it since it was judged (events, SetSent, SetDelivery), when its verdicts settle, when
// missing events count as lost after [engagement.DefaultHorizon], and if the rules of the
// classifier are of a later date. If classifier is nil, the built-in rules apply.
//
// Call it again at once while Next is not in the future, and every few seconds apart from
// that. Any number of processes may do so. A message that gets an event while it is judged
// stays due. If a message cannot be judged, its error is returned after the others were, and
// it stays due.
func (s *Store) Judge(ctx context.Context, classifier *engagement.Classifier) (Judged, error) {
	var judged Judged
	if classifier == nil {
		var err error
		if classifier, err = engagement.NewClassifier(); err != nil {
			return judged, failed(ctx, "judge", err)
		}
	}
	var bad []error
	looked := 0
	// judge judges the rows of an index from a position on: the two first of args.
	judge := func(where, order string, position func(*dueRow) [2]any, args ...any) error {
		for looked < MaxJudged {
			due, err := s.due(ctx, where, order, min(judgeStep, MaxJudged-looked), args)
			if err != nil || len(due) == 0 {
				return err
			}
			stored, err := s.judge(ctx, classifier, due, &bad)
			if err != nil {
				return err
			}
			judged.Messages += stored
			looked += len(due)
			last := position(due[len(due)-1])
			args[0], args[1] = last[0], last[1]
		}
		return nil
	}
	rules := classifier.Rules()
	err := judge("(judge_at, id) > (?, ?) AND judge_at <= ?", "judge_at, id",
		func(r *dueRow) [2]any { return [2]any{r.judgeAt, r.id} }, 0, int64(math.MaxInt64), time.Now().UnixMicro())
	if err == nil {
		err = judge("(rules, id) > (?, ?) AND rules < ?", "rules, id",
			func(r *dueRow) [2]any { return [2]any{r.rules, r.id} }, "", int64(math.MaxInt64), rules)
	}
	if err == nil {
		judged.Next, err = s.nextDue(ctx, rules)
	}
	return judged, failed(ctx, "judge", errors.Join(append(bad, err)...))
}

// nextDue returns when the next message is to be judged.
func (s *Store) nextDue(ctx context.Context, rules string) (next time.Time, err error) {
	var at sql.NullInt64
	err = s.query(ctx, func() {}, func(rows *sql.Rows) error { return rows.Scan(&at) },
		`SELECT min(at) FROM (SELECT min(judge_at) AS at FROM nylas_messages WHERE judge_at > 0
		UNION ALL SELECT 1 AS at FROM nylas_messages WHERE rules > '' AND rules < ? LIMIT 1) AS due`, rules)
	return moment(at.Int64), err
}

// dueRow is a message that is to be judged.
type dueRow struct {
	id, version, judgeAt, activeAt int64
	threadID, rules                string
	sent                           engagement.Sent
	links                          string
	delivery                       string
	withdrawn                      bool
	opens, clicks                  []byte
	outcome, base                  string
	baseSeq                        int64

	events []engagement.Event
	seq    int64 // of the last event
	err    error // of an event that cannot be read

	before, after *counted
}

func (s *Store) due(ctx context.Context, where, order string, limit int, args []any) (due []*dueRow, err error) {
	err = s.query(ctx, func() { due = nil }, func(rows *sql.Rows) error {
		r := &dueRow{}
		var sentAt int64
		due = append(due, r)
		err := rows.Scan(&r.id, &r.version, &r.judgeAt, &r.activeAt, &r.sent.GrantID, &r.sent.MessageID, &r.threadID, &r.rules, &r.sent.Label,
			&sentAt, &r.sent.Recipients, &r.links, &r.delivery, &r.withdrawn, &r.opens, &r.clicks, &r.outcome, &r.base, &r.baseSeq)
		r.sent.At = moment(sentAt)
		return err
	}, `SELECT id, version, judge_at, active_at, grant_id, message_id, thread_id, rules, label, sent_at, recipients, links, delivery,
		withdrawn, opens, clicks, outcome, base, base_seq FROM nylas_messages WHERE `+where+" ORDER BY "+order+" LIMIT "+strconv.Itoa(limit), args...)
	return due, err
}

// judgedRow is what Judge stores of a message.
type judgedRow struct {
	ID      int64  `json:"id"`
	Was     int64  `json:"was"` // the version that was judged
	JudgeAt int64  `json:"judge_at"`
	State   int64  `json:"state"`
	Rules   string `json:"rules"`
	Outcome string `json:"outcome"`
	Seq     int64  `json:"judged_seq"`
}

var judgedColumns = [][2]string{
	{"id", "bigint"}, {"was", "bigint"}, {"judge_at", "bigint"}, {"state", "bigint"}, {"rules", "text"}, {"outcome", "text"}, {"judged_seq", "bigint"},
}

// judge judges rows and stores what they came to. It returns how many it stored.
func (s *Store) judge(ctx context.Context, c *engagement.Classifier, due []*dueRow, bad *[]error) (stored int, err error) {
	if err := s.eventsOf(ctx, due); err != nil {
		return 0, err
	}
	now := time.Now()
	byID := make(map[int64]*dueRow, len(due))
	var list []judgedRow
	for _, r := range due {
		next, err := r.judge(ctx, c, now)
		if err != nil {
			*bad = append(*bad, fmt.Errorf("row %d of nylas_messages: %w", r.id, err))
			continue
		}
		text, err := encodeOutcome(r.after)
		if err != nil {
			return 0, err
		}
		byID[r.id] = r
		list = append(list, judgedRow{ID: r.id, Was: r.version, JudgeAt: next, State: int64(r.after.State), Rules: r.after.Rules, Outcome: text, Seq: r.seq})
	}
	if len(list) == 0 {
		return 0, nil
	}
	source, value := s.engine.table(judgedColumns)
	update := "UPDATE nylas_messages SET judge_at = " + value("judge_at") + ", state = " + value("state") + ", rules = " + value("rules") +
		", outcome = " + value("outcome") + ", judged_seq = " + value("judged_seq") + ", version = version + 1 FROM " + source + " WHERE nylas_messages.id = " + value("id") + " AND nylas_messages.version = " + value("was") + " RETURNING nylas_messages.id"
	err = s.repeat(ctx, func(conn *sql.Conn) error {
		stored = 0
		free, err := s.free(ctx, conn, list)
		if err != nil || len(free) == 0 {
			return err
		}
		encoded, err := json.Marshal(free)
		if err != nil {
			return err
		}
		ids, err := s.idsIn(ctx, conn, update, string(encoded))
		if err != nil {
			return err
		}
		if stored = len(ids); stored == 0 {
			return nil
		}
		campaigns := changes{}
		for _, id := range ids {
			if r := byID[id]; r.sent.MessageID != "" { // a thread is no message
				campaigns.add(r.before, -1, 0)
				campaigns.add(r.after, 1, r.activeAt)
			}
		}
		return campaigns.write(ctx, s, conn)
	})
	return stored, err
}

// free locks rows, and returns those that nobody else has locked. To wait for the others while
// it keeps some could make an Update fail, which waits for one of these. What is left out
// stays due.
func (s *Store) free(ctx context.Context, conn *sql.Conn, list []judgedRow) (free []judgedRow, err error) {
	if s.engine == SQLite { // which has one writer at a time
		return list, nil
	}
	ids := make([]int64, len(list))
	for i, row := range list {
		ids[i] = row.ID
	}
	encoded, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	locked, err := s.idsIn(ctx, conn, "SELECT id FROM nylas_messages WHERE id IN "+s.engine.listed()+" FOR UPDATE SKIP LOCKED", string(encoded))
	if err != nil {
		return nil, err
	}
	for _, row := range list {
		if slices.Contains(locked, row.ID) {
			free = append(free, row)
		}
	}
	return free, nil
}

// eventsOf reads the events of rows. Those that base has come to are left out.
func (s *Store) eventsOf(ctx context.Context, due []*dueRow) error {
	ids := make([]int64, len(due))
	byID := make(map[int64]*dueRow, len(due))
	for i, r := range due {
		ids[i], byID[r.id] = r.id, r
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	reset := func() {
		for _, r := range due {
			r.events, r.seq, r.err = nil, r.baseSeq, nil
		}
	}
	return s.query(ctx, reset, func(rows *sql.Rows) error {
		event, message, at, err := scanEvent(rows)
		r := byID[message]
		if r == nil {
			return err
		}
		r.events, r.seq, r.err = append(r.events, event), max(r.seq, at.id), errors.Join(r.err, err)
		return nil
	}, selectEvents+" WHERE e.message IN "+s.engine.listed()+" AND e.seq > m.base_seq", string(list))
}

// judge sets what a message came to, and returns when it is due again.
func (r *dueRow) judge(ctx context.Context, c *engagement.Classifier, now time.Time) (next int64, err error) {
	if r.err != nil {
		return 0, r.err
	}
	if json.Unmarshal([]byte(r.links), &r.sent.Links) != nil { // whose error may quote a link
		return 0, errNoLinks
	}
	if r.before, err = decodeOutcome(r.outcome); err != nil {
		return 0, err
	}
	base, err := decodeOutcome(r.base)
	if err != nil {
		return 0, err
	}
	summary := c.Message(r.sent, r.events)
	summary.Delivery = engagement.Delivery(r.delivery)
	if r.sent.MessageID != "" {
		gaps, known, err := engagement.NewLedger((*knownRow)(r)).Missing(ctx, r.sent.GrantID, r.sent.MessageID)
		if err != nil {
			return 0, err
		}
		if known {
			summary = summary.WithMissing(gaps)
		}
	}
	o := outcomeOf(&summary, now)
	if base != nil {
		o = o.with(base.Outcome)
	}
	if !o.Settled(now) {
		next = o.SettledAt.UnixMicro()
	} else if o.Missing > o.Lost {
		next = now.Add(engagement.DefaultHorizon).UnixMicro()
	}
	r.after = &counted{Outcome: o, Campaign: engagement.CampaignOf(r.sent.Label)}
	return next, nil
}

var errNoLinks = errors.New("the links are no list of texts")

// knownRow answers a Ledger with what a row says of the events that are known.
type knownRow dueRow

func (k *knownRow) Load(_ context.Context, key engagement.Key) (engagement.Record, error) {
	state := k.opens
	if key.Kind == engagement.Click {
		state = k.clicks
	}
	return engagement.Record{State: state, Withdrawn: k.withdrawn}, nil
}

func (k *knownRow) Update(context.Context, engagement.Key, func(engagement.Record) (engagement.Addition, error)) error {
	return errors.ErrUnsupported
}

// idsIn runs a statement in a transaction, and returns the ids that it returns.
func (s *Store) idsIn(ctx context.Context, conn *sql.Conn, statement string, args ...any) (ids []int64, err error) {
	rows, err := conn.QueryContext(ctx, s.engine.numbered(statement), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err says what failed
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
