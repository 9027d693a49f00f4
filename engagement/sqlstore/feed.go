package sqlstore

import (
	"context"
	"database/sql"
	"strconv"
)

// Version returns a text that changes when any process stores an event or a message, or
// when outcomes change. It is three look-ups, for a page that asks every second whether it
// must be shown anew. What a second SetSent or SetDelivery says of a message changes it when
// [Store.Judge] has judged the message.
func (s *Store) Version(ctx context.Context) (version string, err error) {
	err = s.query(ctx, func() {}, func(rows *sql.Rows) error {
		var event, message, judgement int64
		err := rows.Scan(&event, &message, &judgement)
		version = strconv.FormatInt(event, cursorBase) + "." + strconv.FormatInt(message, cursorBase) + "." + strconv.FormatInt(judgement, cursorBase)
		return err
	}, `SELECT coalesce((SELECT max(seq) FROM nylas_events), 0), coalesce((SELECT max(id) FROM nylas_messages), 0),
		coalesce((SELECT number FROM nylas_judgements WHERE id = 1), 0)`)
	return version, failed(ctx, "version", err)
}

// FeedQuery asks for a page of the events of all messages. Its zero value asks for the
// first page.
type FeedQuery struct {
	GrantID  string // only those of this grant, unless empty
	Campaign string // only those of this campaign, unless empty: see [engagement.CampaignOf]
	// NoCampaign leaves those of the campaign with the name "". Campaign must be empty then.
	NoCampaign bool
	After      string // the Next of the page before; empty for the first page
	Limit      int    // how many, at most [MaxPage]; 0 means [DefaultPage]
}

// Latest returns a page of the events of all messages, with their grants and messages: the
// one that was stored last comes first. If the query has a grant or a campaign, a call looks
// at the newest [MaxLooked] events only: a page with Next may have fewer events than Limit, or
// none. In PostgreSQL, events that were stored at the same time may miss a later page.
func (s *Store) Latest(ctx context.Context, q FeedQuery) (EventPage, error) {
	var page EventPage
	limit, after, err := pageOf(q.After, q.Limit, 'l')
	if err == nil {
		err = MessageQuery{Campaign: q.Campaign, NoCampaign: q.NoCampaign}.check()
	}
	if err != nil {
		return page, failed(ctx, "latest", err)
	}
	where, args := " WHERE e.seq < ?", []any{after.id}
	from := int64(0)
	if q.GrantID != "" || q.Campaign != "" || q.NoCampaign {
		if err := s.query(ctx, func() { from = 0 }, func(rows *sql.Rows) error { return rows.Scan(&from) },
			"SELECT seq FROM nylas_events WHERE seq < ? ORDER BY seq DESC LIMIT 1 OFFSET "+strconv.Itoa(MaxLooked-1), after.id); err != nil {
			return page, failed(ctx, "latest", err)
		}
		where += " AND e.seq >= ?"
		args = append(args, from)
	}
	if q.GrantID != "" {
		where += " AND m.grant_id = ?"
		args = append(args, clean(q.GrantID))
	}
	if q.Campaign != "" || q.NoCampaign {
		where += " AND m.campaign_hash = ?"
		args = append(args, hashOf(clean(q.Campaign)))
	}
	var last int64
	err = s.query(ctx, func() { page = EventPage{} }, func(rows *sql.Rows) error {
		if len(page.Events) == limit {
			page.Next = position{id: last}.cursor('l')
			return nil
		}
		event, _, at, err := scanEvent(rows)
		page.Events, last = append(page.Events, event), at.id
		return err
	}, selectEvents+where+" ORDER BY e.seq DESC LIMIT "+strconv.Itoa(limit+1), args...)
	if err != nil {
		return EventPage{}, failed(ctx, "latest", err)
	}
	if page.Next == "" && from > 0 {
		page.Next = position{id: from}.cursor('l')
	}
	return page, nil
}
