package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/nylastrack/nylas-go/engagement"
)

// SetSent stores what the program knows of a message. Call it after the send; events that
// came before are kept. A second call replaces what the first one stored, except that an
// empty Label keeps the label that is known.
func (s *Store) SetSent(ctx context.Context, sent engagement.Sent) error {
	at, err := placeOf(sent.GrantID, sent.MessageID, "")
	if err == nil && (sent.Recipients < 0 || sent.Recipients > math.MaxInt32) {
		err = fmt.Errorf("the number of Recipients is %d: give 0 if it is unknown", sent.Recipients)
	}
	if err != nil {
		return failed(ctx, "set sent", err)
	}
	now := time.Now().UnixMicro()
	sentAt, activeAt := int64(0), now
	if !sent.At.IsZero() {
		sentAt = sent.At.UnixMicro()
		activeAt = sentAt
	}
	var targets []string
	for _, link := range sent.Links {
		targets = append(targets, clean(link))
	}
	links, err := json.Marshal(targets)
	if err != nil {
		return failed(ctx, "set sent", err)
	}
	label := clean(sent.Label)
	campaign := engagement.CampaignOf(label)
	return failed(ctx, "set sent", s.exec(ctx, `INSERT INTO nylas_messages
		(grant_id, message_id, thread_id, sent, label, label_hash, campaign, campaign_hash, subject, sent_at, recipients, links, active_at, changed_at, judge_at, version)
		VALUES (?, ?, ?, TRUE, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (grant_id, message_id, thread_id) DO UPDATE SET sent = TRUE,
		label = CASE WHEN excluded.label = '' THEN nylas_messages.label ELSE excluded.label END,
		label_hash = CASE WHEN excluded.label = '' THEN nylas_messages.label_hash ELSE excluded.label_hash END,
		campaign = CASE WHEN excluded.label = '' THEN nylas_messages.campaign ELSE excluded.campaign END,
		campaign_hash = CASE WHEN excluded.label = '' THEN nylas_messages.campaign_hash ELSE excluded.campaign_hash END,
		subject = excluded.subject, sent_at = excluded.sent_at, recipients = excluded.recipients, links = excluded.links,
		active_at = CASE WHEN nylas_messages.last_event = 0 THEN excluded.active_at ELSE nylas_messages.active_at END,
		changed_at = excluded.changed_at, judge_at = excluded.judge_at, version = nylas_messages.version + 1`,
		at.grant, at.message, at.thread, label, hashOf(label), campaign, hashOf(campaign), clean(sent.Subject), sentAt, sent.Recipients,
		string(links), activeAt, now, now, now))
}

// SetDelivery stores whether a message arrived. A message that bounced is in no rate of its
// campaign. It is the function for the handler:
//
//	engagement.WithDelivery(store.SetDelivery)
//
// The last call counts, with one exception: Delivered does not replace Bounced, whatever the
// order in which Nylas told of them. "" means that it is unknown, and replaces both. A call
// that changes nothing has no effect. What is stored of a message that nothing else is known of
// is in no list and no campaign until SetSent or an event follows.
func (s *Store) SetDelivery(ctx context.Context, grantID, messageID string, delivery engagement.Delivery) error {
	at, err := placeOf(grantID, messageID, "")
	if err == nil && delivery != "" && delivery != engagement.Delivered && delivery != engagement.Bounced {
		err = fmt.Errorf("the delivery is %.40q: give engagement.Delivered, engagement.Bounced or nothing", string(delivery))
	}
	if err != nil {
		return failed(ctx, "set delivery", err)
	}
	now := time.Now().UnixMicro()
	return failed(ctx, "set delivery", s.exec(ctx, `INSERT INTO nylas_messages
		(grant_id, message_id, thread_id, delivery, changed_at, version) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (grant_id, message_id, thread_id) DO UPDATE SET delivery = excluded.delivery, changed_at = excluded.changed_at,
		judge_at = CASE WHEN nylas_messages.active_at > 0 THEN excluded.changed_at ELSE 0 END, version = nylas_messages.version + 1
		WHERE nylas_messages.delivery <> excluded.delivery AND NOT (nylas_messages.delivery = ? AND excluded.delivery = ?)`,
		at.grant, at.message, at.thread, string(delivery), now, now, string(engagement.Bounced), string(engagement.Delivered)))
}

// Sent returns what SetSent stored of a message, or false. Label is that of the events if
// SetSent got none. Times are kept to the microsecond.
func (s *Store) Sent(ctx context.Context, grantID, messageID string) (engagement.Sent, bool, error) {
	at, err := placeOf(grantID, messageID, "")
	if err != nil {
		return engagement.Sent{}, false, failed(ctx, "sent", err)
	}
	message, _, err := s.message(ctx, at)
	if err != nil || !message.Known {
		return engagement.Sent{}, false, failed(ctx, "sent", err)
	}
	return message.Sent, true, nil
}
