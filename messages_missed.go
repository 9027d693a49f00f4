package nylas

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// missedSource is the Source of the notifications that [Client.MissedReplies] makes.
// Nylas' own sources begin with a slash.
const missedSource = "nylas-go/missed-replies"

// missedIDBytes is how much of a SHA-256 the ID of such a notification has.
const missedIDBytes = 16

// MissedReplies looks into a mailbox for the replies to tracked messages that came at since or
// later, and returns each as the thread.replied notification that Nylas sends for it. Use it
// after an outage: Nylas does not repeat what it could not deliver. It sends nothing and
// changes nothing, so it can be stopped and called again.
//
// A reply whose notification did arrive is returned too. Package engagement knows replies by
// their id: pass the notifications to a Ledger, or to the handler of engagement.NewHandler,
// and each reply still counts once. A notification always has the same ID for the same
// reply, so an inbox that gets it twice keeps one. Its Source is "nylas-go/missed-replies".
//
// A reply is a message of another sender that stands in a thread after a message with
// TrackingOptions.ThreadReplies. Messages that the mailbox sent itself are no replies: those
// from the address of the grant, and those in a folder with the attribute \Sent. The newest
// thread comes first; in a thread, the oldest reply does.
//
// MissedReplies costs a request for the grant, one for each page of its folders, one for each
// page of threads with a message at since or later, and one for each page of the messages of
// each thread that got mail since then. A busy mailbox can have thousands of such threads:
// keep since close to the outage. It needs a scope to read mail. It does not find replies that
// were deleted, that the provider put into another thread, or whose tracked message was
// deleted. Opens and clicks are in no mailbox: for those of Agent Accounts and
// Transactional sends see [ActivityService.ListTracking], and for others the next
// notification of the message repeats the last 50.
//
// The sequence yields an error at most once, as its last element. If it matches [ListError],
// some threads or messages could not be read, and all others were. A since that is zero is
// [ErrInvalidRequest].
//
// https://developer.nylas.com/docs/reference/api/threads/get-threads/
func (c *Client) MissedReplies(
	ctx context.Context, grantID string, since time.Time, opts ...RequestOption,
) iter.Seq2[*events.Notification, error] {
	return func(yield func(*events.Notification, error) bool) {
		if since.IsZero() {
			yield(nil, refuse(c.begin("find missed replies", opts), "since is zero: give the time at which the outage began"))
			return
		}
		since := since.Truncate(time.Second) // Nylas' times have no fractions
		box, err := c.ownMail(ctx, grantID, opts)
		if err != nil {
			yield(nil, err)
			return
		}
		var unread []error
		// Nylas does not say whether "after" includes the second itself.
		query := &ListThreadsRequest{
			LatestMessageAfter: since.Add(-time.Second), PageSize: maxPageSize, Select: []string{"id", "latest_message_received_date"},
		}
		for thread, err := range c.Threads.List(ctx, grantID, query, opts...) {
			if err == nil && thread.receivedSince(since) {
				var replies []*events.Notification
				replies, err = c.repliesIn(ctx, box, thread.ID, since, opts)
				for _, reply := range replies {
					if !yield(reply, nil) {
						return
					}
				}
			}
			if err == nil {
				continue
			}
			if _, partly := errors.AsType[*ListError](err); !partly {
				yield(nil, err)
				return
			}
			unread = append(unread, err)
		}
		if len(unread) > 0 {
			yield(nil, errors.Join(unread...))
		}
	}
}

// receivedSince reports whether the thread may have got a message since then.
func (t *Thread) receivedSince(since time.Time) bool {
	received := t.LatestMessageReceivedDate
	return received.IsZero() || !received.Before(since)
}

// ownMail tells which messages a mailbox sent itself.
type ownMail struct {
	grantID string
	address string
	folders []string // those of sent mail
}

// sentAttribute is that of the folder of sent mail.
// https://developer.nylas.com/docs/reference/api/folders/
const sentAttribute = `\Sent`

func (c *Client) ownMail(ctx context.Context, grantID string, opts []RequestOption) (*ownMail, error) {
	grant, err := c.Grants.Get(ctx, grantID, opts...)
	if err != nil {
		return nil, err
	}
	box := &ownMail{grantID: grant.ID, address: grant.Email}
	for folder, err := range c.Folders.List(ctx, grantID, nil, opts...) {
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(folder.Attributes, func(a string) bool { return strings.EqualFold(a, sentAttribute) }) {
			box.folders = append(box.folders, folder.ID)
		}
	}
	return box, nil
}

func (b *ownMail) sent(m *Message) bool {
	return slices.ContainsFunc(m.From, func(p Participant) bool { return p.Email != "" && strings.EqualFold(p.Email, b.address) }) ||
		slices.ContainsFunc(m.Folders, func(f string) bool { return slices.Contains(b.folders, f) })
}

// repliesIn returns the replies of a thread since then. With a [ListError] it returns those
// that could be read.
func (c *Client) repliesIn(
	ctx context.Context, box *ownMail, threadID string, since time.Time, opts []RequestOption,
) ([]*events.Notification, error) {
	query := &ListMessagesRequest{ThreadID: threadID, Fields: FieldsIncludeTrackingOptions, PageSize: maxPageSize}
	var messages []*Message
	for m, err := range c.Messages.List(ctx, box.grantID, query, opts...) {
		if err == nil {
			messages = append(messages, m)
			continue
		}
		if _, partly := errors.AsType[*ListError](err); !partly {
			return nil, err
		}
		return box.replies(messages, since), err
	}
	return box.replies(messages, since), nil
}

func (b *ownMail) replies(messages []*Message, since time.Time) []*events.Notification {
	slices.Reverse(messages) // the list begins with the newest, also within a second
	slices.SortStableFunc(messages, func(a, b *Message) int {
		if a.Date.IsZero() || b.Date.IsZero() {
			return cmp.Compare(zeroLast(a.Date), zeroLast(b.Date))
		}
		return a.Date.Compare(b.Date.Time)
	})
	var root *Message
	var count events.Int
	var replies []*events.Notification
	for _, m := range messages {
		switch {
		case root == nil:
			if o := m.TrackingOptions; o != nil && o.ThreadReplies {
				root = m
			}
		case b.sent(m):
			count++
		default:
			count++
			if m.Date.IsZero() || !m.Date.Before(since) {
				replies = append(replies, b.notification(root, m, count))
			}
		}
	}
	return replies
}

// zeroLast orders a message without a date behind all others: it may be a new one.
func zeroLast(date events.Timestamp) int {
	if date.IsZero() {
		return 1
	}
	return 0
}

func (b *ownMail) notification(root, reply *Message, count events.Int) *events.Notification {
	id := sha256.Sum256([]byte(missedSource + "\x00" + b.grantID + "\x00" + reply.ID))
	return &events.Notification{
		SpecVersion: "1.0",
		Type:        events.TypeThreadReplied,
		Source:      missedSource,
		ID:          "missed-" + hex.EncodeToString(id[:missedIDBytes]),
		Time:        reply.Date,
		GrantID:     b.grantID,
		Data: &events.ThreadReplied{
			Object:           "thread",
			GrantID:          b.grantID,
			MessageID:        reply.ID,
			RootMessageID:    root.ID,
			Label:            root.TrackingOptions.Label,
			ReplyData:        events.ReplyData{Count: count},
			ReplyToMessageID: reply.ReplyToMessageID,
			FromSelf:         new(false),
			ThreadID:         cmp.Or(reply.ThreadID, root.ThreadID),
			Timestamp:        reply.Date,
		},
	}
}
