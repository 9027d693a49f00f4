package endtoend_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

// The program is down while two of three replies come. Afterwards it finds both in the
// mailbox, and each reply has been told once.
func TestLoopMissedReplies(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx := t.Context()
		var told []string // replies, in their order
		handler, err := engagement.NewHandler(engagement.NewLedger(engagement.NewMemoryStore()), nil,
			func(_ context.Context, e engagement.Event, _ engagement.Verdict) error {
				told = append(told, e.ReplyID+" to "+e.MessageID+" of "+e.Label)
				return nil
			})
		require.NoError(t, err)
		var messages []*nylas.Message
		for i := range 5 {
			message, err := l.send(func(r *nylas.SendMessageRequest) {
				r.TrackingOptions.ThreadReplies = i != 4 // the last one's replies are not asked for
				r.TrackingOptions.Label = strings.Repeat("q", i+1)
			})
			require.NoError(t, err)
			messages = append(messages, message)
			<-time.After(time.Minute)
		}
		reply := func(i int, options ...func(*nylastest.Recipient) *nylastest.Recipient) string {
			recipient := l.recipient(messages[i])
			for _, option := range options {
				recipient = option(recipient)
			}
			id, err := recipient.Reply(ctx)
			require.NoError(t, err)
			<-time.After(time.Minute)
			return id
		}
		reply(0) // long before; nobody asks for it
		since := time.Now()

		l.receive(handler)
		arrived := reply(1)
		require.NoError(t, l.nylas.Wait(ctx))
		require.Equal(t, []string{arrived + " to " + messages[1].ID + " of qq"}, told)
		for _, webhook := range collect(t, l.client.Webhooks.List(ctx)) { // the outage
			require.NoError(t, l.client.Webhooks.Delete(ctx, webhook.ID))
		}
		first := reply(2)
		_, err = l.send(func(r *nylas.SendMessageRequest) { // the sender answers in the thread
			r.ReplyToMessageID, r.TrackingOptions = messages[2].ID, nil
		})
		require.NoError(t, err)
		second := reply(2)
		reply(4)

		var ids []string
		for range 2 { // an inbox can take them again
			var got []string
			for n, err := range l.client.MissedReplies(ctx, "sender@nylas.test", since) {
				require.NoError(t, err)
				assert.Equal(t, l.nylas.GrantID(), n.GrantID, "the id, also if the call has the address")
				replied, ok := n.Data.(*events.ThreadReplied)
				require.True(t, ok)
				got = append(got, replied.MessageID)
				ids = append(ids, n.ID)
				body, err := n.MarshalJSON()
				require.NoError(t, err)
				delivery := receive.NewDelivery(body, "")
				require.NoError(t, delivery.Err)
				require.NoError(t, handler.HandleDelivery(ctx, delivery))
			}
			assert.Equal(t, []string{first, second, arrived}, got, "the newest thread first")
		}
		assert.Equal(t, ids[:3], ids[3:], "the same ids each time")
		assert.Len(t, map[string]bool{ids[0]: true, ids[1]: true, ids[2]: true}, 3)
		assert.Equal(t, []string{
			arrived + " to " + messages[1].ID + " of qq",
			first + " to " + messages[2].ID + " of qqq",
			second + " to " + messages[2].ID + " of qqq",
		}, told, "each once")
	})
}

// TestLoopMissedRepliesAreNylasOwn compares what MissedReplies makes of a mailbox with what
// Nylas had sent for the same reply.
func TestLoopMissedRepliesAreNylasOwn(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx := t.Context()
		var sent []*events.Notification
		l.receive(&receive.Dispatcher{ThreadReplied: func(_ context.Context, n *events.Notification, _ *events.ThreadReplied) error {
			sent = append(sent, n)
			return nil
		}})
		since := time.Now()
		message, err := l.send()
		require.NoError(t, err)
		for range 2 {
			_, err = l.send(func(r *nylas.SendMessageRequest) { r.ReplyToMessageID = message.ID }) // counts as a reply of the thread
			require.NoError(t, err)
			_, err = l.recipient(message).Reply(ctx)
			require.NoError(t, err)
			<-time.After(time.Minute)
		}
		require.NoError(t, l.nylas.Wait(ctx))
		sent = slices.DeleteFunc(sent, func(n *events.Notification) bool { return *n.Data.(*events.ThreadReplied).FromSelf })
		missed := collect(t, l.client.MissedReplies(ctx, l.nylas.GrantID(), since))
		require.Len(t, missed, 2)
		for i, n := range missed {
			assert.Equal(t, "nylas-go/missed-replies", n.Source)
			assert.NotEqual(t, sent[i].ID, n.ID)
			data := *sent[i].Data.(*events.ThreadReplied)
			data.SenderAppID = "" // a mailbox does not tell
			data.ReplyToMessageID = n.Data.(*events.ThreadReplied).ReplyToMessageID
			assert.Equal(t, &data, n.Data)
			assert.Equal(t, sent[i].Type, n.Type)
			assert.Equal(t, sent[i].Time.Unix(), n.Time.Unix())
		}
	})
}

// For Agent Accounts the tracking history has the opens and clicks of an outage.
func TestLoopUnseenEvents(t *testing.T) {
	agentLoop(t, func(t *testing.T, l *loop, agent string) {
		ctx := t.Context()
		store := engagement.NewMemoryStore(engagement.WithEvents())
		handler, err := engagement.NewHandler(engagement.NewLedger(store), nil,
			func(context.Context, engagement.Event, engagement.Verdict) error { return nil })
		require.NoError(t, err)
		l.receive(handler)
		message := l.sendFrom(agent, "news")
		kim := l.recipient(message)
		require.NoError(t, kim.Open(ctx))
		require.NoError(t, kim.Open(ctx)) // in the same second
		require.NoError(t, l.nylas.Wait(ctx))
		<-time.After(time.Hour)
		for _, webhook := range collect(t, l.client.Webhooks.List(ctx)) {
			require.NoError(t, l.client.Webhooks.Delete(ctx, webhook.ID))
		}
		require.NoError(t, kim.Open(ctx))
		_, err = kim.Click(ctx, 1)
		require.NoError(t, err)

		known, err := store.Events(ctx, agent, message.ID)
		require.NoError(t, err)
		require.Len(t, known, 2)
		kinds := map[nylas.TrackingEventType]engagement.Kind{nylas.TrackingOpened: engagement.Open, nylas.TrackingLinkClicked: engagement.Click}
		var recorded []engagement.Event
		for e, err := range l.client.Activity.ListTracking(ctx, &nylas.ListTrackingRequest{MessageID: message.ID}) {
			require.NoError(t, err)
			recorded = append(recorded, engagement.Event{Kind: kinds[e.EventType], MessageID: e.MessageID, Time: e.Timestamp.Time, LinkIndex: -1})
		}
		unseen := engagement.Unseen(known, recorded)
		require.Len(t, unseen, 2)
		assert.ElementsMatch(t, []engagement.Kind{engagement.Open, engagement.Click}, []engagement.Kind{unseen[0].Kind, unseen[1].Kind})
		for _, e := range unseen {
			assert.Equal(t, time.Now().Unix(), e.Time.Unix())
		}
	})
}
