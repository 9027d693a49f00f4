package endtoend_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

// A program is told of two replies, reads them, and finds out which one a person
// wrote.
func TestLoopWhoReplied(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		type reply struct {
			from, subject string
			automatic     nylas.AutoSubmitted
		}
		var replies []reply
		l.receive(&receive.Dispatcher{
			ThreadReplied: func(ctx context.Context, n *events.Notification, replied *events.ThreadReplied) error {
				message, err := l.client.Messages.Get(ctx, n.GrantID, replied.MessageID,
					nylas.WithFields(nylas.FieldsIncludeHeaders))
				if err != nil {
					return err
				}
				replies = append(replies, reply{message.From[0].Email, message.Subject, message.AutoSubmitted()})
				return nil
			},
		})
		message, err := l.send()
		require.NoError(t, err)
		kim := l.recipient(message)
		_, err = kim.AutoReply(t.Context())
		require.NoError(t, err)
		require.NoError(t, l.nylas.Wait(t.Context()))
		_, err = kim.Reply(t.Context())
		require.NoError(t, err)
		require.NoError(t, l.nylas.Wait(t.Context()))
		_, err = kim.AsSender().Reply(t.Context())
		require.NoError(t, err)
		require.NoError(t, l.nylas.Wait(t.Context()))
		assert.Equal(t, []reply{
			{"kim@example.org", "Automatic reply: Quick follow-up on your trial", nylas.AutoSubmittedReplied},
			{"kim@example.org", "Re: Quick follow-up on your trial", nylas.AutoSubmittedNo},
			{"sender@nylas.test", "Re: Quick follow-up on your trial", nylas.AutoSubmittedUnknown}, // nobody received it
		}, replies)
	})
}

func TestLoopReadingBack(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx, grantID := t.Context(), l.nylas.GrantID()
		message, err := l.send(func(r *nylas.SendMessageRequest) { r.Metadata = map[string]string{"key1": "trial"} })
		require.NoError(t, err)
		replyID, err := l.recipient(message).AutoReply(ctx)
		require.NoError(t, err)

		for fields, want := range map[nylas.MessageFields]nylas.AutoSubmitted{
			"": nylas.AutoSubmittedUnknown, nylas.FieldsStandard: nylas.AutoSubmittedUnknown,
			nylas.FieldsIncludeBasicHeaders: nylas.AutoSubmittedUnknown, nylas.FieldsIncludeTrackingOptions: nylas.AutoSubmittedUnknown,
			nylas.FieldsIncludeHeaders: nylas.AutoSubmittedReplied,
		} {
			reply, err := l.client.Messages.Get(ctx, grantID, replyID, nylas.WithFields(fields))
			require.NoError(t, err)
			assert.Equal(t, want, reply.AutoSubmitted(), fields)
			assert.Equal(t, message.ThreadID, reply.ThreadID)
			assert.True(t, reply.Unread)
			assert.Nil(t, reply.TrackingOptions)
		}
		sent, err := l.client.Messages.Get(ctx, grantID, message.ID, nylas.WithFields(nylas.FieldsIncludeTrackingOptions))
		require.NoError(t, err)
		assert.Equal(t, &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true, Label: "trial-followup-q2"}, sent.TrackingOptions)
		assert.Contains(t, sent.Body, l.nylas.URL(), "the mailbox has the body with its tracking")
		assert.Equal(t, events.Metadata{"key1": "trial"}, sent.Metadata)

		only, err := l.client.Messages.Get(ctx, grantID, message.ID, nylas.WithSelect("id", "subject"))
		require.NoError(t, err)
		assert.Equal(t, &nylas.Message{ID: message.ID, Subject: message.Subject}, only)

		_, err = l.client.Messages.Get(ctx, grantID, "unknown")
		require.ErrorIs(t, err, nylas.ErrNotFound)
		_, err = l.client.Messages.Get(ctx, "unknown", message.ID)
		require.ErrorIs(t, err, nylas.ErrNotFound)
	})
}

func TestLoopListMessages(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx, grantID := t.Context(), l.nylas.GrantID()
		var want []string // newest first
		for range 5 {
			message, err := l.send()
			require.NoError(t, err)
			replyID, err := l.recipient(message).Reply(ctx)
			require.NoError(t, err)
			want = append([]string{replyID, message.ID}, want...)
			<-time.After(time.Minute)
		}
		ids := func(req *nylas.ListMessagesRequest) []string {
			ids := []string{}
			for _, message := range collect(t, l.client.Messages.List(ctx, grantID, req)) {
				ids = append(ids, message.ID)
			}
			return ids
		}
		assert.Equal(t, want, ids(nil))
		for limit := 1; limit <= 11; limit++ {
			assert.Equal(t, want, ids(&nylas.ListMessagesRequest{PageSize: limit}))
		}
		assert.Equal(t, []string{want[0], want[2], want[4], want[6], want[8]}, ids(&nylas.ListMessagesRequest{PageSize: 2, From: "kim@example.org"}))
		thread, err := l.client.Messages.Get(ctx, grantID, want[4])
		require.NoError(t, err)
		assert.Equal(t, want[4:6], ids(&nylas.ListMessagesRequest{ThreadID: thread.ThreadID}))
		assert.Equal(t, want[4:], ids(&nylas.ListMessagesRequest{ReceivedBefore: thread.Date.Add(time.Second)}))
		assert.Equal(t, want[:4], ids(&nylas.ListMessagesRequest{ReceivedAfter: thread.Date.Time}))
	})
}

func TestLoopDrafts(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx, grantID, drafts := t.Context(), l.nylas.GrantID(), l.client.Drafts
		var opened []string
		l.receive(&receive.Dispatcher{
			MessageOpened: func(_ context.Context, _ *events.Notification, data *events.MessageOpened) error {
				opened = append(opened, data.MessageID+" "+data.Label)
				return nil
			},
		})
		created, err := drafts.Create(ctx, grantID, &nylas.CreateDraftRequest{
			Subject: "Draft", Body: `<a href="https://acme.dev/demo">demo</a>`, Starred: new(true), Metadata: map[string]string{"key1": "v"},
			TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, Label: "first", DomainName: "track.acme.dev"},
		})
		require.NoError(t, err)
		assert.Equal(t, "draft", created.Object)
		assert.True(t, created.Starred)
		assert.Equal(t, `<a href="https://acme.dev/demo">demo</a>`, created.Body, "a draft has no tracking in it yet")

		_, err = drafts.Send(ctx, grantID, created.ID, nil)
		require.ErrorIs(t, err, nylas.ErrInvalidRequest, "there is no recipient")

		updated, err := drafts.Update(ctx, grantID, created.ID, &nylas.UpdateDraftRequest{
			To: toKim(), Starred: new(false), TrackingOptions: &nylas.UpdateTrackingOptions{Links: new(false), Label: new("second")},
		})
		require.NoError(t, err)
		assert.Equal(t, "Draft", updated.Subject)
		assert.False(t, updated.Starred)
		assert.Equal(t, toKim(), updated.To)
		got, err := drafts.Get(ctx, grantID, created.ID)
		require.NoError(t, err)
		updated.GrantID = got.GrantID
		assert.Equal(t, updated, got)

		other, err := drafts.Create(ctx, grantID, &nylas.CreateDraftRequest{Subject: "Other"})
		require.NoError(t, err)
		assert.Len(t, collect(t, drafts.List(ctx, grantID, &nylas.ListDraftsRequest{PageSize: 1})), 2)
		found := collect(t, drafts.List(ctx, grantID, &nylas.ListDraftsRequest{Subject: "OTHER"}))
		require.Len(t, found, 1)
		assert.Equal(t, other.ID, found[0].ID)
		require.NoError(t, drafts.Delete(ctx, grantID, other.ID))
		require.ErrorIs(t, drafts.Delete(ctx, grantID, other.ID), nylas.ErrNotFound)

		message, err := drafts.Send(ctx, grantID, created.ID, &nylas.SendDraftRequest{SignatureID: "sig-1"})
		require.NoError(t, err)
		sent, ok := l.nylas.Message(message.ID)
		require.True(t, ok)
		assert.Equal(t, nylastest.Tracking{Opens: true, Label: "second", DomainName: "track.acme.dev"}, sent.Tracking)
		assert.Equal(t, "sig-1", sent.SignatureID)
		assert.Empty(t, sent.Links)
		assert.True(t, strings.HasPrefix(sent.PixelURL, "http://track.acme.dev/"))
		require.NoError(t, l.recipient(message).Open(ctx))
		require.NoError(t, l.nylas.Wait(ctx))
		assert.Equal(t, []string{message.ID + " second"}, opened)

		_, err = drafts.Get(ctx, grantID, created.ID)
		require.ErrorIs(t, err, nylas.ErrNotFound)
		_, err = drafts.Send(ctx, grantID, created.ID, nil)
		require.ErrorIs(t, err, nylas.ErrNotFound)
	}, nylastest.WithTrackingDomains("track.acme.dev"))
}

// TestLoopDraftHostname has the rules of domain_name on update.
func TestLoopDraftHostname(t *testing.T) {
	const own, other = "track.acme.dev", "links.acme.dev"
	for name, test := range map[string]struct {
		updates []nylas.UpdateTrackingOptions
		want    nylastest.Tracking
	}{
		"nothing":      {[]nylas.UpdateTrackingOptions{{}}, nylastest.Tracking{Opens: true, Links: true, Label: "l", DomainName: own}},
		"one off":      {[]nylas.UpdateTrackingOptions{{Opens: new(false)}}, nylastest.Tracking{Links: true, Label: "l", DomainName: own}},
		"replies":      {[]nylas.UpdateTrackingOptions{{ThreadReplies: new(true)}}, nylastest.Tracking{Opens: true, Links: true, ThreadReplies: true, Label: "l", DomainName: own}},
		"another":      {[]nylas.UpdateTrackingOptions{{DomainName: other}}, nylastest.Tracking{Opens: true, Links: true, Label: "l", DomainName: other}},
		"both off":     {[]nylas.UpdateTrackingOptions{{Opens: new(false), Links: new(false)}}, nylastest.Tracking{Label: "l"}},
		"off and on":   {[]nylas.UpdateTrackingOptions{{Opens: new(false), Links: new(false)}, {Links: new(true)}}, nylastest.Tracking{Links: true, Label: "l"}},
		"one by one":   {[]nylas.UpdateTrackingOptions{{Opens: new(false)}, {Links: new(false)}}, nylastest.Tracking{Label: "l"}},
		"without name": {[]nylas.UpdateTrackingOptions{{Label: new("")}}, nylastest.Tracking{Opens: true, Links: true, DomainName: own}},
	} {
		t.Run(name, func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loop) {
				ctx, grantID := t.Context(), l.nylas.GrantID()
				draft, err := l.client.Drafts.Create(ctx, grantID, &nylas.CreateDraftRequest{
					To: toKim(), TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, Label: "l", DomainName: own},
				})
				require.NoError(t, err)
				for _, update := range test.updates {
					_, err := l.client.Drafts.Update(ctx, grantID, draft.ID, &nylas.UpdateDraftRequest{TrackingOptions: &update})
					require.NoError(t, err)
				}
				message, err := l.client.Drafts.Send(ctx, grantID, draft.ID, nil)
				require.NoError(t, err)
				sent, _ := l.nylas.Message(message.ID)
				assert.Equal(t, test.want, sent.Tracking)
			}, nylastest.WithTrackingDomains(own, other))
		})
	}
}

// The answer to sending a draft is lost. Nothing is repeated, and the draft tells
// what happened.
func TestLoopLostDraft(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx, grantID := t.Context(), l.nylas.GrantID()
		draft, err := l.client.Drafts.Create(ctx, grantID, &nylas.CreateDraftRequest{To: toKim()})
		require.NoError(t, err)
		l.inject(nylastest.Fault{Endpoint: nylastest.EndpointSendDraft, After: nylastest.GatewayAnswer(http.StatusGatewayTimeout)})
		_, err = l.client.Drafts.Send(ctx, grantID, draft.ID, nil)
		require.ErrorIs(t, err, nylas.ErrOutcomeUnknown)
		failed, _ := errors.AsType[*nylas.Error](err)
		assert.Equal(t, 1, failed.Attempts)
		_, err = l.client.Drafts.Get(ctx, grantID, draft.ID)
		require.ErrorIs(t, err, nylas.ErrNotFound)
		assert.Len(t, l.nylas.Messages(), 1)
	})
}

func TestLoopDraftsOfATrial(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx, grantID := t.Context(), l.nylas.GrantID()
		_, err := l.client.Drafts.Create(ctx, grantID, &nylas.CreateDraftRequest{TrackingOptions: &nylas.TrackingOptions{}})
		require.ErrorIs(t, err, nylas.ErrTrackingNotAllowed)
		draft, err := l.client.Drafts.Create(ctx, grantID, &nylas.CreateDraftRequest{To: toKim()})
		require.NoError(t, err)
		_, err = l.client.Drafts.Update(ctx, grantID, draft.ID, &nylas.UpdateDraftRequest{TrackingOptions: &nylas.UpdateTrackingOptions{}})
		require.ErrorIs(t, err, nylas.ErrTrackingNotAllowed)
		_, err = l.client.Drafts.Send(ctx, grantID, draft.ID, nil)
		require.NoError(t, err)
	}, nylastest.WithTrial())
}

func TestLoopSchedules(t *testing.T) {
	for name, reading := range map[string]nylastest.Readings{"in data": {}, "bare": {SchedulesBare: true}} {
		t.Run(name, func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loop) {
				ctx, grantID, messages := t.Context(), l.nylas.GrantID(), l.client.Messages
				in := func(d time.Duration) string {
					message, err := l.send(func(r *nylas.SendMessageRequest) { r.SendAt = time.Now().Add(d) })
					require.NoError(t, err)
					return message.ScheduleID
				}
				sent, cancelled, late, failing := in(time.Hour), in(2*time.Hour), in(3*time.Hour), in(4*time.Hour)
				status := func() map[string]nylas.ScheduleCode {
					all := map[string]nylas.ScheduleCode{}
					for _, schedule := range collect(t, messages.ListSchedules(ctx, grantID)) {
						all[schedule.ScheduleID] = schedule.Status.Code
						one, err := messages.GetSchedule(ctx, grantID, schedule.ScheduleID)
						require.NoError(t, err)
						assert.Equal(t, schedule, one)
						assert.Equal(t, schedule.Status.Code == nylas.SchedulePending, schedule.CloseTime.IsZero())
					}
					return all
				}
				const pending = nylas.SchedulePending
				assert.Equal(t, map[string]nylas.ScheduleCode{sent: pending, cancelled: pending, late: pending, failing: pending}, status())

				<-time.After(2*time.Hour - 10*time.Second)
				require.NoError(t, messages.CancelSchedule(ctx, grantID, cancelled))
				require.ErrorIs(t, messages.CancelSchedule(ctx, grantID, cancelled), nylas.ErrNotFound)
				require.ErrorIs(t, messages.CancelSchedule(ctx, grantID, "unknown"), nylas.ErrNotFound)
				_, err := messages.GetSchedule(ctx, grantID, cancelled)
				require.ErrorIs(t, err, nylas.ErrNotFound)

				<-time.After(time.Hour + time.Second) // 9 s before
				require.NoError(t, messages.CancelSchedule(ctx, grantID, late), "it is not sure any more")
				l.inject(
					nylastest.Fault{Endpoint: nylastest.EndpointScheduledSend, Hold: func(context.Context) {}},
					nylastest.Fault{
						Endpoint: nylastest.EndpointScheduledSend,
						Inside:   nylastest.ErrorAnswer(http.StatusServiceUnavailable, "provider_error", "away"),
					})
				<-time.After(2 * time.Hour)
				assert.Len(t, l.nylas.Messages(), 2)
				assert.Equal(t, map[string]nylas.ScheduleCode{
					sent: nylas.ScheduleSuccess, late: nylas.ScheduleSuccess, failing: "failed",
				}, status())
				require.ErrorIs(t, messages.CancelSchedule(ctx, grantID, sent), nylas.ErrNotFound)

				<-time.After(70*time.Hour + 10*time.Second) // a second more than 72 h after that which was sent late
				assert.Equal(t, map[string]nylas.ScheduleCode{failing: "failed"}, status())
			}, nylastest.WithReadings(reading))
		})
	}
}

func TestLoopTransactional(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx := t.Context()
		var clicked []string
		l.receive(&receive.Dispatcher{
			MessageLinkClicked: func(_ context.Context, n *events.Notification, data *events.MessageLinkClicked) error {
				clicked = append(clicked, n.GrantID+data.MessageID+" "+data.Label)
				return nil
			},
		})
		req := &nylas.SendTransactionalRequest{
			To: toKim(), From: nylas.Participant{Name: "Acme", Email: "hello@news.sender.dev"},
			Subject: "Welcome", Body: `<a href="https://acme.dev/start">start</a>`,
			TrackingOptions: &nylas.TransactionalTrackingOptions{Links: true, Label: "welcome", DomainName: "track.acme.dev"},
		}
		var response nylas.Response
		message, err := l.client.Transactional.Send(ctx, testDomain, req, nylas.WithResponse(&response))
		require.NoError(t, err)
		assert.Empty(t, message.GrantID)
		assert.Equal(t, &nylas.TrackingOptions{Links: true, Label: "welcome"}, message.TrackingOptions)
		sent, _ := l.nylas.Message(message.ID)
		assert.Equal(t, testDomain, sent.Domain)
		assert.Equal(t, nylastest.Tracking{Links: true, Label: "welcome", DomainName: "track.acme.dev"}, sent.Tracking)
		assert.Equal(t, response.IdempotencyKey, sent.IdempotencyKey)
		_, err = l.recipient(message).Click(ctx, 0)
		require.NoError(t, err)
		require.NoError(t, l.nylas.Wait(ctx))
		assert.Equal(t, []string{message.ID + " welcome"}, clicked)

		// A key is that of the application: another domain gets the same answer.
		again, err := l.client.Transactional.Send(ctx, "other.sender.dev", req, nylas.WithResponse(&response),
			nylas.WithIdempotencyKey(sent.IdempotencyKey))
		require.NoError(t, err)
		assert.Equal(t, message.ID, again.ID)
		assert.True(t, response.Replayed)
		assert.Len(t, l.nylas.Messages(), 1)
		// A grant has keys of its own.
		_, err = l.sendBy(l.client, []nylas.RequestOption{nylas.WithIdempotencyKey(sent.IdempotencyKey)})
		require.NoError(t, err)
		assert.Len(t, l.nylas.Messages(), 2)

		_, err = l.client.Transactional.Send(ctx, "unknown.dev", req)
		require.ErrorIs(t, err, nylas.ErrNotFound)
		req.TrackingOptions.DomainName = "other.acme.dev"
		_, err = l.client.Transactional.Send(ctx, testDomain, req)
		require.ErrorIs(t, err, nylas.ErrTrackingDomain)
		req.TrackingOptions, req.Body = &nylas.TransactionalTrackingOptions{Links: true}, `<a href="https://example.com/">x</a>`
		_, err = l.client.Transactional.Send(ctx, testDomain, req)
		require.ErrorIs(t, err, nylas.ErrLinkRejected)
		req.TrackingOptions, req.From.Email = nil, "hello@elsewhere.dev"
		_, err = l.client.Transactional.Send(ctx, testDomain, req)
		require.ErrorIs(t, err, nylas.ErrInvalidRequest)
	}, nylastest.WithSendingDomains(testDomain, "other.sender.dev"), nylastest.WithTrackingDomains("track.acme.dev"))
}

func TestLoopScheduledTransactional(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		message, err := l.client.Transactional.Send(t.Context(), testDomain, &nylas.SendTransactionalRequest{
			To: toKim(), From: nylas.Participant{Email: "hello@news.sender.dev"}, SendAt: time.Now().Add(time.Hour),
		})
		require.NoError(t, err)
		assert.NotEmpty(t, message.ScheduleID)
		assert.Empty(t, collect(t, l.client.Messages.ListSchedules(t.Context(), l.nylas.GrantID())))
		<-time.After(time.Hour + time.Second)
		assert.Len(t, l.nylas.Messages(), 1)
	}, nylastest.WithSendingDomains(testDomain))
}

// A gateway loses the answer of a transactional send: the repeated request brings
// it, and nothing is sent twice.
func TestLoopLostTransactional(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		l.inject(nylastest.Fault{Endpoint: nylastest.EndpointSendTransactional, After: nylastest.GatewayAnswer(http.StatusBadGateway)})
		var response nylas.Response
		_, err := l.client.Transactional.Send(t.Context(), testDomain, &nylas.SendTransactionalRequest{
			To: toKim(), From: nylas.Participant{Email: "hello@news.sender.dev"},
		}, nylas.WithResponse(&response))
		require.NoError(t, err)
		assert.Equal(t, 2, response.Attempts)
		assert.True(t, response.Replayed)
		assert.Len(t, l.nylas.Messages(), 1)
	}, nylastest.WithSendingDomains(testDomain))
}
