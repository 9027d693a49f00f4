package endtoend_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
)

// nobodysOpens is a policy by which nobody has agreed to have opens tracked.
func nobodysOpens() nylas.ClientOption {
	return nylas.WithTrackingPolicy(nylas.TrackingPolicy{
		Consent: func(_ context.Context, _ nylas.Participant, kind nylas.TrackingKind) (nylas.Consent, error) {
			if kind == nylas.TrackOpens {
				return nylas.ConsentDenied, nil
			}
			return nylas.ConsentGranted, nil
		},
		Unknown: nylas.ConsentDenied,
	})
}

// The policy holds for every way to send, and leaves the caller's request alone.
func TestLoopPolicyOfDrafts(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx := t.Context()
		client := l.newClient(l.nylas.APIKey(), nobodysOpens())
		create := &nylas.CreateDraftRequest{
			To: toKim(), Subject: "s", Body: `<a href="https://acme.dev/demo">demo</a>`,
			TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, Label: "l-1"},
		}
		var response nylas.Response
		draft, err := client.Drafts.Create(ctx, l.nylas.GrantID(), create, nylas.WithResponse(&response))
		require.NoError(t, err)
		assert.True(t, create.TrackingOptions.Opens)
		require.Len(t, response.Tracking, 2)
		assert.False(t, response.Tracking[0].Allowed)

		update := &nylas.UpdateDraftRequest{TrackingOptions: &nylas.UpdateTrackingOptions{Opens: new(true), ThreadReplies: new(true)}}
		_, err = client.Drafts.Update(ctx, l.nylas.GrantID(), draft.ID, update)
		require.ErrorIs(t, err, nylas.ErrInvalidRequest)
		require.ErrorContains(t, err, "give the recipients of the draft too")
		update.To = toKim()
		_, err = client.Drafts.Update(ctx, l.nylas.GrantID(), draft.ID, update)
		require.NoError(t, err)
		assert.True(t, *update.TrackingOptions.Opens)

		message, err := client.Drafts.Send(ctx, l.nylas.GrantID(), draft.ID, nil)
		require.NoError(t, err)
		sent, _ := l.nylas.Message(message.ID)
		assert.Equal(t, nylastest.Tracking{Links: true, ThreadReplies: true, Label: "l-1"}, sent.Tracking)
	})
}

// Recipients that a draft got after its tracking are asked about when it is sent.
func TestLoopPolicyWhenADraftIsSent(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx := t.Context()
		client := l.newClient(l.nylas.APIKey(), nylas.WithTrackingPolicy(nylas.TrackingPolicy{
			Consent: func(_ context.Context, recipient nylas.Participant, _ nylas.TrackingKind) (nylas.Consent, error) {
				if recipient.Email == "no@example.org" {
					return nylas.ConsentDenied, nil
				}
				return nylas.ConsentGranted, nil
			},
			Unknown: nylas.ConsentDenied,
		}))
		no := []nylas.Participant{{Email: "no@example.org"}}
		for name, to := range map[string][]nylas.Participant{"other recipients": toKim(), "none": nil} {
			draft, err := client.Drafts.Create(ctx, l.nylas.GrantID(), &nylas.CreateDraftRequest{
				To: to, Body: "<p>hello</p>", TrackingOptions: &nylas.TrackingOptions{Opens: true, ThreadReplies: true},
			})
			require.NoError(t, err, name)
			_, err = client.Drafts.Update(ctx, l.nylas.GrantID(), draft.ID, &nylas.UpdateDraftRequest{To: no})
			require.NoError(t, err, name)
			var response nylas.Response
			message, err := client.Drafts.Send(ctx, l.nylas.GrantID(), draft.ID, nil, nylas.WithResponse(&response))
			require.NoError(t, err, name)
			sent, _ := l.nylas.Message(message.ID)
			assert.Equal(t, nylastest.Tracking{}, sent.Tracking, name)
			assert.Empty(t, sent.PixelURL, name)
			require.NotEmpty(t, response.Tracking, name)
			assert.False(t, response.Tracking[0].Allowed, name)
		}
	})
}

// The options of the call hold for what it asks and changes before it sends.
func TestLoopPolicyWhenADraftIsSentWithOptions(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx := t.Context()
		create := &nylas.CreateDraftRequest{To: toKim(), Body: "<p>hello</p>", TrackingOptions: &nylas.TrackingOptions{Opens: true}}
		draft, err := l.newClient(l.nylas.APIKey()).Drafts.Create(ctx, l.nylas.GrantID(), create)
		require.NoError(t, err)
		asked := 0
		client := l.newClient(l.nylas.APIKey(), nylas.WithTrackingPolicy(nylas.TrackingPolicy{
			Consent: func(context.Context, nylas.Participant, nylas.TrackingKind) (nylas.Consent, error) {
				asked++
				return nylas.ConsentDenied, nil
			},
			Unknown: nylas.ConsentDenied,
		}))

		var exchanges []nylas.Exchange
		_, err = client.Drafts.Send(ctx, l.nylas.GrantID(), draft.ID, nil, nylas.WithIdempotencyKey("k-1"), nylas.WithCapture(&exchanges))
		require.ErrorContains(t, err, "takes no Idempotency-Key")
		assert.Empty(t, exchanges)
		assert.Zero(t, asked)

		_, err = client.Drafts.Send(ctx, l.nylas.GrantID(), draft.ID, nil, nylas.WithHeader("X-Tenant", "42"), nylas.WithCapture(&exchanges))
		require.NoError(t, err)
		var methods []string
		for _, exchange := range exchanges {
			methods = append(methods, exchange.Method)
			assert.Equal(t, "42", exchange.RequestHeader.Get("X-Tenant"))
		}
		assert.Equal(t, []string{"GET", "PUT", "POST"}, methods)
	})
}

// A policy cannot change the request that it is asked about.
func TestLoopPolicyCannotChangeTheRequest(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		req := &nylas.SendMessageRequest{To: toKim(), Body: "<p>hello</p>", TrackingOptions: &nylas.TrackingOptions{Opens: true}}
		client := l.newClient(l.nylas.APIKey(), nylas.WithTrackingPolicy(nylas.TrackingPolicy{
			Consent: func(context.Context, nylas.Participant, nylas.TrackingKind) (nylas.Consent, error) {
				req.TrackingOptions.ThreadReplies = true
				req.To[0].Email = "other@example.org"
				return nylas.ConsentGranted, nil
			},
			Unknown: nylas.ConsentDenied,
		}))
		message, err := client.Messages.Send(t.Context(), l.nylas.GrantID(), req)
		require.NoError(t, err)
		sent, _ := l.nylas.Message(message.ID)
		assert.Equal(t, nylastest.Tracking{Opens: true}, sent.Tracking)
		assert.Equal(t, "kim@example.org", sent.To[0].Email)
	})
}

func TestLoopPolicyCannotChangeTheUpdateOfADraft(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx := t.Context()
		draft, err := l.client.Drafts.Create(ctx, l.nylas.GrantID(), &nylas.CreateDraftRequest{To: toKim(), Body: "<p>hello</p>"})
		require.NoError(t, err)
		update := &nylas.UpdateDraftRequest{To: toKim(), TrackingOptions: &nylas.UpdateTrackingOptions{Opens: new(true), Links: new(false)}}
		client := l.newClient(l.nylas.APIKey(), nylas.WithTrackingPolicy(nylas.TrackingPolicy{
			Consent: func(context.Context, nylas.Participant, nylas.TrackingKind) (nylas.Consent, error) {
				update.To[0].Email = "other@example.org"
				update.CC = []nylas.Participant{{Email: "copy@example.org"}}
				*update.TrackingOptions.Links = true
				update.TrackingOptions.ThreadReplies = new(true)
				return nylas.ConsentGranted, nil
			},
			Unknown: nylas.ConsentDenied,
		}))
		_, err = client.Drafts.Update(ctx, l.nylas.GrantID(), draft.ID, update)
		require.NoError(t, err)
		message, err := l.client.Drafts.Send(ctx, l.nylas.GrantID(), draft.ID, nil)
		require.NoError(t, err)
		sent, _ := l.nylas.Message(message.ID)
		assert.Equal(t, nylastest.Tracking{Opens: true}, sent.Tracking)
		assert.Equal(t, "kim@example.org", sent.To[0].Email)
		assert.Empty(t, sent.CC)
	})
}

func TestLoopPolicyOfTransactionalSends(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		client := l.newClient(l.nylas.APIKey(), nobodysOpens())
		req := &nylas.SendTransactionalRequest{
			To: toKim(), From: nylas.Participant{Email: "hello@news.sender.dev"}, Body: "<p>hello</p>",
			TrackingOptions: &nylas.TransactionalTrackingOptions{Opens: true, Label: "l-1"},
		}
		message, err := client.Transactional.Send(t.Context(), testDomain, req)
		require.NoError(t, err)
		assert.True(t, req.TrackingOptions.Opens)
		sent, _ := l.nylas.Message(message.ID)
		assert.Equal(t, nylastest.Tracking{}, sent.Tracking)
	}, nylastest.WithSendingDomains(testDomain))
}

// Nylas refuses a hostname that has no use, so it goes with what was switched off.
func TestLoopPolicyTakesTheHostnameOffAnUpdate(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx := t.Context()
		draft, err := l.client.Drafts.Create(ctx, l.nylas.GrantID(), &nylas.CreateDraftRequest{To: toKim(), Body: "<p>hello</p>"})
		require.NoError(t, err)
		var exchanges []nylas.Exchange
		client := l.newClient(l.nylas.APIKey(), nobodysOpens())
		_, err = client.Drafts.Update(ctx, l.nylas.GrantID(), draft.ID, &nylas.UpdateDraftRequest{
			To: toKim(), TrackingOptions: &nylas.UpdateTrackingOptions{Opens: new(true), Links: new(false), DomainName: "track.acme.dev"},
		}, nylas.WithCapture(&exchanges))
		require.NoError(t, err)
		require.Len(t, exchanges, 1)
		assert.Contains(t, string(exchanges[0].RequestBody), `"tracking_options":{"opens":false,"links":false}`)
	})
}

// Whoever gets the message is asked, in every way to send.
func TestLoopPolicyAsksAllRecipients(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx, grant := t.Context(), l.nylas.GrantID()
		var asked []string
		client := l.newClient(l.nylas.APIKey(), nylas.WithTrackingPolicy(nylas.TrackingPolicy{
			Consent: func(_ context.Context, recipient nylas.Participant, _ nylas.TrackingKind) (nylas.Consent, error) {
				asked = append(asked, recipient.Email)
				return nylas.ConsentGranted, nil
			},
			Unknown: nylas.ConsentDenied,
		}))
		to := []nylas.Participant{{Email: "to@example.org"}}
		cc := []nylas.Participant{{Email: "cc@example.org"}}
		bcc := []nylas.Participant{{Email: "bcc@example.org"}}
		options := &nylas.TrackingOptions{ThreadReplies: true}
		askedBy := func(name string, err error, times int) {
			require.NoError(t, err, name)
			assert.Equal(t, slices.Repeat([]string{"to@example.org", "cc@example.org", "bcc@example.org"}, times), asked, name)
			asked = nil
		}

		_, err := client.Messages.Send(ctx, grant, &nylas.SendMessageRequest{To: to, CC: cc, BCC: bcc, Body: "<p>a</p>", TrackingOptions: options})
		askedBy("send message", err, 1)
		_, err = client.Transactional.Send(ctx, testDomain, &nylas.SendTransactionalRequest{
			To: to, CC: cc, BCC: bcc, From: nylas.Participant{Email: "hello@" + testDomain}, Body: "<p>a</p>",
			TrackingOptions: &nylas.TransactionalTrackingOptions{Opens: true},
		})
		askedBy("send transactional message", err, 1)
		draft, err := client.Drafts.Create(ctx, grant, &nylas.CreateDraftRequest{To: to, CC: cc, BCC: bcc, Body: "<p>a</p>", TrackingOptions: options})
		askedBy("create draft", err, 1)
		_, err = client.Drafts.Update(ctx, grant, draft.ID, &nylas.UpdateDraftRequest{
			To: to, CC: cc, BCC: bcc, TrackingOptions: &nylas.UpdateTrackingOptions{ThreadReplies: new(true)},
		})
		askedBy("update draft", err, 1)
		_, err = client.Drafts.Send(ctx, grant, draft.ID, nil)
		askedBy("send draft", err, 3) // the emulator does not return the options of a draft, so any kind may be on
	}, nylastest.WithSendingDomains(testDomain))
}

// Attachments travel in every way to send, in JSON and above its limit.
func TestLoopAttachmentsOfDraftsAndTransactionalSends(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx := t.Context()
		attached := func(name string, size int) []nylas.Attachment {
			return []nylas.Attachment{{Filename: name, ContentType: "text/plain", Content: nylas.BytesContent([]byte(strings.Repeat("x", size)))}}
		}
		for _, size := range []int{10, 4_000_000} {
			message, err := l.client.Transactional.Send(ctx, testDomain, &nylas.SendTransactionalRequest{
				To: toKim(), From: nylas.Participant{Email: "hello@news.sender.dev"}, Attachments: attached("t.txt", size),
			})
			require.NoError(t, err)
			sent, _ := l.nylas.Message(message.ID)
			require.Len(t, sent.Attachments, 1)
			assert.Equal(t, size, sent.Attachments[0].Size)

			draft, err := l.client.Drafts.Create(ctx, l.nylas.GrantID(), &nylas.CreateDraftRequest{To: toKim(), Attachments: attached("c.txt", size)})
			require.NoError(t, err)
			message, err = l.client.Drafts.Send(ctx, l.nylas.GrantID(), draft.ID, nil)
			require.NoError(t, err)
			sent, _ = l.nylas.Message(message.ID)
			require.Len(t, sent.Attachments, 1)
			assert.Equal(t, size, sent.Attachments[0].Size)
		}
	}, nylastest.WithSendingDomains(testDomain))
}
