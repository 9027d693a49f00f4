package nylas

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
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

// missedMessagesPage is how many messages MissedReplies reads at a time. They come with their
// bodies, and an answer of more than maxAnswerBytes cannot be read. Nylas recommends this size
// for what is slow to fetch.
// https://developer.nylas.com/docs/dev-guide/platform/rate-limits/
const missedMessagesPage = 20

// maxUnreadThreads is after how many threads in a row MissedReplies gives up: then it is not
// the threads that are wrong.
const maxUnreadThreads = 3

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
// TrackingOptions.ThreadReplies; if several have that, the first of them. Messages that the
// mailbox wrote itself are no replies: those from the address of the grant or from that of a
// tracked message, those in a folder with the attribute \Sent or \Drafts, and drafts. An absence
// notice and the report of a mail server are replies too: see [Message.MachineReply]. The newest
// thread comes first; in a thread, the oldest reply does.
//
// MissedReplies costs a request for the grant, one for each page of its folders, one for each
// page of threads with a message at since or later, and one for each 20 messages of each
// thread that got mail since then. A busy mailbox can have thousands of such threads:
// keep since close to the outage. It needs a scope to read mail. It does not find replies that
// were deleted, that the provider put into another thread, or whose tracked message was
// deleted. Opens and clicks are in no mailbox: for those of Agent Accounts and
// Transactional sends see [ActivityService.ListTracking], and for others the next
// notification of the message repeats the last 50.
//
// The sequence yields an error at most once, as its last element. A thread whose messages
// cannot be read does not end it: the error names the thread, and comes after the replies in
// the others. Too many requests, an ended context and three such threads in a row do end it.
// If the error matches [ListError], some threads or messages could not be read, and all others
// were. A since that is zero or before 1970 is [ErrInvalidRequest].
//
// https://developer.nylas.com/docs/reference/api/threads/get-threads/
func (c *Client) MissedReplies(
	ctx context.Context, grantID string, since time.Time, opts ...RequestOption,
) iter.Seq2[*events.Notification, error] {
	return func(yield func(*events.Notification, error) bool) {
		switch op := c.begin("find missed replies", opts); {
		case since.IsZero():
			yield(nil, refuse(op, "since is zero: give the time at which the outage began"))
			return
		case since.Unix() < 0:
			yield(nil, refuse(op, "since is before 1970: give the time at which the outage began"))
			return
		}
		since := since.Truncate(time.Second) // Nylas' times have no fractions
		box, err := c.ownMail(ctx, grantID, opts)
		if err != nil {
			yield(nil, err)
			return
		}
		var unread []error
		inARow := 0
		// Nylas does not say whether "after" includes the second itself.
		query := &ListThreadsRequest{
			LatestMessageAfter: time.Unix(max(since.Unix()-1, 0), 0), PageSize: maxPageSize,
			Select: []string{"id", "latest_message_received_date"},
		}
		for thread, err := range c.Threads.List(ctx, grantID, query, opts...) {
			if err != nil {
				unread = append(unread, err) // the last element
				break
			}
			if !thread.receivedSince(since) {
				continue
			}
			replies, err := c.repliesIn(ctx, box, thread.ID, since, opts)
			for _, reply := range replies {
				if !yield(reply, nil) {
					return
				}
			}
			if err == nil {
				inARow = 0
				continue
			}
			unread = append(unread, fmt.Errorf("thread %s: %w", thread.ID, err))
			if _, partly := errors.AsType[*ListError](err); partly {
				inARow = 0
			} else if inARow++; inARow == maxUnreadThreads || ctx.Err() != nil || errors.Is(err, ErrRateLimited) {
				break
			}
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

// ownMail tells which messages a mailbox wrote itself.
type ownMail struct {
	grantID string
	address string
	sent    []string // the folders of sent mail
	drafts  []string // those of drafts
}

// The attributes of the folders of a mailbox's own mail.
// https://developer.nylas.com/docs/reference/api/folders/
const (
	sentAttribute   = `\Sent`
	draftsAttribute = `\Drafts`
)

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
		if folder.has(sentAttribute) {
			box.sent = append(box.sent, folder.ID)
		}
		if folder.has(draftsAttribute) {
			box.drafts = append(box.drafts, folder.ID)
		}
	}
	return box, nil
}

func (f *Folder) has(attribute string) bool {
	return slices.ContainsFunc(f.Attributes, func(a string) bool { return strings.EqualFold(a, attribute) })
}

func (m *Message) isIn(folders []string) bool {
	return slices.ContainsFunc(m.Folders, func(f string) bool { return slices.Contains(folders, f) })
}

func (m *Message) isFrom(addresses []string) bool {
	return slices.ContainsFunc(m.From, func(p Participant) bool {
		return p.Email != "" && slices.ContainsFunc(addresses, func(a string) bool { return strings.EqualFold(p.Email, a) })
	})
}

func (m *Message) tracksReplies() bool {
	return m.TrackingOptions != nil && m.TrackingOptions.ThreadReplies
}

// repliesIn returns the replies of a thread since then. With a [ListError] it returns those
// that could be read.
func (c *Client) repliesIn(
	ctx context.Context, box *ownMail, threadID string, since time.Time, opts []RequestOption,
) ([]*events.Notification, error) {
	query := &ListMessagesRequest{ThreadID: threadID, Fields: FieldsIncludeTrackingOptions, PageSize: missedMessagesPage}
	var messages []*Message
	for m, err := range c.Messages.List(ctx, box.grantID, query, opts...) {
		if err == nil {
			m.Body, m.Snippet = "", "" // all of them can be much
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
	own := []string{b.address}
	for _, m := range messages {
		if m.tracksReplies() { // the mailbox sent it, maybe from an alias
			for _, p := range m.From {
				own = append(own, p.Email)
			}
		}
	}
	var root *Message
	var count events.Int
	var replies []*events.Notification
	for _, m := range messages {
		switch {
		case m.Object == "draft" || m.isIn(b.drafts):
		case root == nil:
			if m.tracksReplies() {
				root = m
			}
		case m.isFrom(own) || m.isIn(b.sent):
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
