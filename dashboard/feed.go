package dashboard

import (
	"context"
	"time"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
)

const (
	// feedEvents is how many events the live list shows. It is our choice: two screens.
	feedEvents = 20
	// feedContext is how many events of a message the live list judges together, the
	// newest ones. It is our choice: a burst is in it, and a busy message costs no more.
	feedContext = 100
)

// feedLine is an event in the live list.
type feedLine struct {
	line
	Path, Subject string
}

// feed returns the newest events of all messages, with their verdicts. known has messages that
// were read already.
func (d *Dashboard) feed(ctx context.Context, f filter, known []sqlstore.Message) ([]feedLine, error) {
	latest, err := d.store.Latest(ctx, sqlstore.FeedQuery{GrantID: f.Grant, Campaign: f.Campaign, NoCampaign: f.NoLabel, Limit: feedEvents})
	if err != nil {
		return nil, err
	}
	messages := make(map[place]*sqlstore.Message, len(known))
	for i := range known {
		messages[placeOf(&known[i])] = &known[i]
	}
	verdicts := make(map[place]map[string]engagement.Verdict) // by the ids of the events
	now := time.Now()
	var lines []feedLine
	for i := range latest.Events {
		e := &latest.Events[i]
		p := placeOfEvent(e)
		m := messages[p]
		if m == nil {
			if m, err = d.messageOf(ctx, p); err != nil {
				return nil, err
			}
			messages[p] = m
		}
		if verdicts[p] == nil {
			if verdicts[p], err = d.verdicts(ctx, m); err != nil {
				return nil, err
			}
		}
		v, judged := verdicts[p][e.ID]
		if !judged { // older than what was judged together
			v = d.classifier.Event(*e)
		}
		l := feedLine{line: d.line(&m.Sent, e, v, now), Path: d.page(p), Subject: subjectOf(&m.Sent, p.thread)}
		l.Key, l.At, l.Details = key("f", e.ID), d.short(e.Time), nil
		l.Version = key(l.Version, l.At.Text, l.Subject)
		lines = append(lines, l)
	}
	return lines, nil
}

// placeOfEvent returns the message of an event, or the thread if its notification named no
// message.
func placeOfEvent(e *engagement.Event) place {
	if e.MessageID == "" {
		return place{grant: e.GrantID, thread: e.ThreadID}
	}
	return place{grant: e.GrantID, message: e.MessageID}
}

func (d *Dashboard) messageOf(ctx context.Context, p place) (*sqlstore.Message, error) {
	m := sqlstore.Message{ThreadID: p.thread}
	if p.thread == "" {
		var err error
		if m, _, err = d.store.Message(ctx, p.grant, p.message); err != nil {
			return nil, err
		}
	}
	m.GrantID, m.MessageID = p.grant, p.message
	return &m, nil
}

// verdicts judges the newest events of a message together.
func (d *Dashboard) verdicts(ctx context.Context, m *sqlstore.Message) (map[string]engagement.Verdict, error) {
	p := placeOf(m)
	found, err := d.store.EventPage(ctx, sqlstore.EventQuery{GrantID: p.grant, MessageID: p.message, ThreadID: p.thread, Limit: feedContext})
	if err != nil {
		return nil, err
	}
	all := make(map[string]engagement.Verdict, len(found.Events))
	for i, v := range d.classifier.Message(m.Sent, found.Events).Verdicts {
		all[found.Events[i].ID] = v
	}
	return all, nil
}
