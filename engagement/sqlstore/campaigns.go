package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nylastrack/nylas-go/engagement"
)

// Campaign is what the messages of a campaign came to, as far as [Store.Judge] has judged
// them.
type Campaign struct {
	engagement.Campaign
	// LastActive is when the last event of its messages took place, or when the last one
	// was sent if that is later.
	LastActive time.Time
}

// CampaignQuery asks for a page of campaigns. Its zero value asks for the first page.
type CampaignQuery struct {
	After string // the Next of the page before; empty for the first page
	Limit int    // how many, at most [MaxPage]; 0 means [DefaultPage]
}

// CampaignPage is a page of campaigns.
type CampaignPage struct {
	Campaigns []Campaign
	Next      string // the After of the next page; empty if this is the last one
}

// Campaigns returns a page of the campaigns, the most recently active first. Messages
// without a label are the campaign with the name "". A campaign has the numbers of
// [engagement.Campaigns], of the outcomes that [Store.Judge] stored. Replies whose
// notification named the thread only are in none.
func (s *Store) Campaigns(ctx context.Context, q CampaignQuery) (CampaignPage, error) {
	var page CampaignPage
	limit, after, err := pageOf(q.After, q.Limit, 'c')
	if err != nil {
		return page, failed(ctx, "campaigns", err)
	}
	var last position
	err = s.query(ctx, func() { page = CampaignPage{} }, func(rows *sql.Rows) error {
		if len(page.Campaigns) == limit {
			page.Next = last.cursor('c')
			return nil
		}
		campaign, at, err := scanCampaign(rows)
		page.Campaigns, last = append(page.Campaigns, campaign), at
		return err
	}, selectCampaigns+" WHERE (active_at, hash) < (?, ?) ORDER BY active_at DESC, hash DESC LIMIT "+strconv.Itoa(limit+1), after.at, after.id)
	if err != nil {
		return CampaignPage{}, failed(ctx, "campaigns", err)
	}
	return page, nil
}

// Campaign returns one campaign, or false if no message of it was judged.
func (s *Store) Campaign(ctx context.Context, name string) (Campaign, bool, error) {
	var campaign Campaign
	found := false
	err := s.query(ctx, func() { found = false }, func(rows *sql.Rows) (err error) {
		campaign, _, err = scanCampaign(rows)
		found = true
		return err
	}, selectCampaigns+" WHERE hash = ?", hashOf(clean(name)))
	if err != nil || !found {
		return Campaign{}, false, failed(ctx, "campaign", err)
	}
	return campaign, true, nil
}

// countColumns are the numbers of a campaign, in the order of countsOf.
var countColumns = []string{
	"messages", "delivered", "bounced", "opened_human", "opened_possible", "clicked_human", "clicked_possible",
	"replied_human", "replied_possible", "machine_only", "no_signal", "incomplete",
}

// countsOf returns pointers to the numbers of a campaign. What its rates are of follows
// from them.
func countsOf(c *engagement.Campaign) []*int {
	return []*int{
		&c.Messages, &c.Delivered, &c.Bounced, &c.Opened.Human, &c.Opened.Possible, &c.Clicked.Human, &c.Clicked.Possible,
		&c.Replied.Human, &c.Replied.Possible, &c.MachineOnly, &c.NoSignal, &c.Incomplete,
	}
}

var selectCampaigns = "SELECT hash, active_at, name, " + strings.Join(countColumns, ", ") + " FROM nylas_campaigns"

func scanCampaign(rows *sql.Rows) (c Campaign, at position, err error) {
	into := []any{&at.id, &at.at, &c.Name}
	for _, count := range countsOf(&c.Campaign) {
		into = append(into, count)
	}
	err = rows.Scan(into...)
	of := c.Messages - c.Bounced
	c.Opened.Of, c.Clicked.Of, c.Replied.Of = of, of, of
	c.LastActive = moment(at.at)
	return c, at, err
}

// changes are what a transaction adds to the numbers of campaigns, and takes away.
type changes map[string]*Campaign

// add counts an outcome n times: 1, or -1 to take it away. nil is none.
func (all changes) add(c *counted, n int, activeAt int64) {
	if c == nil {
		return
	}
	change := all[c.Campaign]
	if change == nil {
		change = &Campaign{}
		all[c.Campaign] = change
	}
	if n > 0 && moment(activeAt).After(change.LastActive) {
		change.LastActive = moment(activeAt)
	}
	one := c.campaign()
	for i, count := range countsOf(&one) {
		*countsOf(&change.Campaign)[i] += n * *count
	}
}

// forget takes away what a row of nylas_messages has as its outcome. A thread is no message.
func (all changes) forget(outcome, messageID string) error {
	if messageID == "" {
		return nil
	}
	before, err := decodeOutcome(outcome)
	all.add(before, -1, 0)
	return err
}

// write adds the changes to nylas_campaigns, and deletes a campaign that has no message
// any more. It makes a new [Store.Version].
func (all changes) write(ctx context.Context, s *Store, conn *sql.Conn) error {
	if _, err := s.execIn(ctx, conn, `INSERT INTO nylas_judgements (id, number) VALUES (1, 1)
		ON CONFLICT (id) DO UPDATE SET number = nylas_judgements.number + 1`); err != nil || len(all) == 0 {
		return err
	}
	columns := [][2]string{{"hash", "bigint"}, {"name", "text"}, {"active_at", "bigint"}}
	set := "active_at = CASE WHEN excluded.active_at > nylas_campaigns.active_at THEN excluded.active_at ELSE nylas_campaigns.active_at END"
	for _, name := range countColumns {
		columns = append(columns, [2]string{name, "bigint"})
		set += ", " + name + " = nylas_campaigns." + name + " + excluded." + name
	}
	source, value := s.engine.table(columns)
	var names, values []string
	for _, column := range columns {
		names, values = append(names, column[0]), append(values, value(column[0]))
	}
	var rows []map[string]any
	var gone []int64
	// Two transactions that lock the same rows lock them in the same order.
	for _, name := range slices.Sorted(maps.Keys(all)) {
		change := all[name]
		row := map[string]any{"hash": hashOf(name), "name": name, "active_at": microOf(change.LastActive)}
		for i, count := range countsOf(&change.Campaign) {
			row[countColumns[i]] = *count
		}
		rows = append(rows, row)
		if change.Messages < 0 {
			gone = append(gone, hashOf(name))
		}
	}
	list, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	if _, err := s.execIn(ctx, conn, "INSERT INTO nylas_campaigns ("+strings.Join(names, ", ")+") SELECT "+strings.Join(values, ", ")+
		" FROM "+source+" WHERE true ON CONFLICT (hash) DO UPDATE SET "+set, string(list)); err != nil {
		return err
	}
	for _, hash := range gone {
		if _, err := s.execIn(ctx, conn, "DELETE FROM nylas_campaigns WHERE hash = ? AND messages <= 0", hash); err != nil {
			return err
		}
	}
	return nil
}
