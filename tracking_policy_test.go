package nylas_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/preflight"
)

const (
	opens   = nylas.TrackOpens
	links   = nylas.TrackLinks
	replies = nylas.TrackThreadReplies

	granted = nylas.ConsentGranted
	denied  = nylas.ConsentDenied
	unknown = nylas.ConsentUnknown
)

// consents is a policy that knows some answers; all others are unknown.
func consents(unknown nylas.Consent, known map[string]nylas.Consent) nylas.TrackingPolicy {
	return nylas.TrackingPolicy{
		Unknown: unknown,
		Consent: func(_ context.Context, recipient nylas.Participant, kind nylas.TrackingKind) (nylas.Consent, error) {
			return known[recipient.Email+" "+string(kind)], nil
		},
	}
}

// groupMail goes to three recipients, one in each list, with all tracking on.
func groupMail() *nylas.SendMessageRequest {
	return &nylas.SendMessageRequest{
		To: []nylas.Participant{{Name: "A", Email: "a"}}, CC: []nylas.Participant{{Email: "b"}}, BCC: []nylas.Participant{{Email: "c"}},
		TrackingOptions: &nylas.TrackingOptions{
			Opens: true, Links: true, ThreadReplies: true, Label: "l", DomainName: "track.acme.dev",
		},
	}
}

// sentOptions returns tracking_options as they went out.
func sentOptions(t *testing.T, w *wire) string {
	t.Helper()
	require.Len(t, w.requests(), 1)
	var body map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(w.requests()[0].body, &body))
	return string(body["tracking_options"])
}

func TestTrackingPolicy(t *testing.T) {
	t.Parallel()
	const all = `{"opens":true,"links":true,"thread_replies":true,"label":"l","domain_name":"track.acme.dev"}`
	object := func(email string, consent nylas.Consent) nylas.TrackingObjection {
		name := ""
		if email == "a" {
			name = "A"
		}
		return nylas.TrackingObjection{Recipient: nylas.Participant{Name: name, Email: email}, Consent: consent}
	}
	allowed := func(kinds ...nylas.TrackingKind) []nylas.TrackingDecision {
		var decisions []nylas.TrackingDecision
		for _, kind := range kinds {
			decisions = append(decisions, nylas.TrackingDecision{Kind: kind, Allowed: true})
		}
		return decisions
	}
	off := func(kind nylas.TrackingKind, objections ...nylas.TrackingObjection) nylas.TrackingDecision {
		return nylas.TrackingDecision{Kind: kind, Objections: objections}
	}
	for name, tt := range map[string]struct {
		unknown   nylas.Consent
		known     map[string]nylas.Consent
		change    func(*nylas.SendMessageRequest)
		sent      string
		decisions []nylas.TrackingDecision
	}{
		"unknown counts as granted": {unknown: granted, sent: all, decisions: allowed(opens, links, replies)},
		"unknown counts as denied": {
			unknown: denied, sent: "", decisions: []nylas.TrackingDecision{
				off(opens, object("a", unknown), object("b", unknown), object("c", unknown)),
				off(links, object("a", unknown), object("b", unknown), object("c", unknown)),
				off(replies, object("a", unknown), object("b", unknown), object("c", unknown)),
			},
		},
		"one denies opens": {
			unknown: granted, known: map[string]nylas.Consent{"b opens": denied, "a opens": granted},
			sent:      `{"opens":false,"links":true,"thread_replies":true,"label":"l","domain_name":"track.acme.dev"}`,
			decisions: append([]nylas.TrackingDecision{off(opens, object("b", denied))}, allowed(links, replies)...),
		},
		"one of BCC denies links": {
			unknown: granted, known: map[string]nylas.Consent{"c links": denied},
			sent:      `{"opens":true,"links":false,"thread_replies":true,"label":"l","domain_name":"track.acme.dev"}`,
			decisions: append(allowed(opens), off(links, object("c", denied)), allowed(replies)[0]),
		},
		"one denies replies": {
			unknown: granted, known: map[string]nylas.Consent{"a thread_replies": denied},
			sent:      `{"opens":true,"links":true,"thread_replies":false,"label":"l","domain_name":"track.acme.dev"}`,
			decisions: append(allowed(opens, links), off(replies, object("a", denied))),
		},
		"only replies are left": {
			unknown: granted, known: map[string]nylas.Consent{"a opens": denied, "b links": denied},
			sent:      `{"opens":false,"links":false,"thread_replies":true,"label":"l"}`,
			decisions: []nylas.TrackingDecision{off(opens, object("a", denied)), off(links, object("b", denied)), allowed(replies)[0]},
		},
		"all agreed to opens": {
			unknown: denied, known: map[string]nylas.Consent{"a opens": granted, "b opens": granted, "c opens": granted},
			change:    func(r *nylas.SendMessageRequest) { r.TrackingOptions = &nylas.TrackingOptions{Opens: true} },
			sent:      `{"opens":true,"links":false,"thread_replies":false}`,
			decisions: allowed(opens),
		},
		"nothing to decide": {
			unknown: denied, change: func(r *nylas.SendMessageRequest) { r.TrackingOptions = &nylas.TrackingOptions{} },
			sent: `{"opens":false,"links":false,"thread_replies":false}`,
		},
		"no options": {unknown: denied, change: func(r *nylas.SendMessageRequest) { r.TrackingOptions = nil }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req, want := groupMail(), groupMail()
			if tt.change != nil {
				tt.change(req)
				tt.change(want)
			}
			options := req.TrackingOptions
			w := newWire(t, answersFile(t, 200, messageAnswer))
			var resp nylas.Response
			_, err := w.client(t, nylas.WithTrackingPolicy(consents(tt.unknown, tt.known))).
				Messages.Send(t.Context(), testGrant, req, nylas.WithResponse(&resp))
			require.NoError(t, err)
			assert.Equal(t, tt.sent, sentOptions(t, w))
			assert.Equal(t, tt.decisions, resp.Tracking)
			assert.Equal(t, want, req, "the caller's request")
			assert.Same(t, options, req.TrackingOptions)
		})
	}
}

// The policy is asked for what is switched on, of everybody, with the context of
// the call.
func TestTrackingPolicyIsAsked(t *testing.T) {
	t.Parallel()
	type contextKey struct{}
	var asked []string
	policy := nylas.TrackingPolicy{Unknown: denied, Consent: func(
		ctx context.Context, recipient nylas.Participant, kind nylas.TrackingKind,
	) (nylas.Consent, error) {
		asked = append(asked, fmt.Sprint(recipient.Email, " ", kind, " ", ctx.Value(contextKey{})))
		return granted, nil
	}}
	w := newWireAlways(answersFile(t, 200, messageAnswer))
	client := w.client(t, nylas.WithTrackingPolicy(policy))
	req := groupMail()
	req.TrackingOptions.Links = false
	for range 2 {
		_, err := client.Messages.Send(context.WithValue(t.Context(), contextKey{}, "x"), testGrant, req)
		require.NoError(t, err)
	}
	once := []string{"a opens x", "b opens x", "c opens x", "a thread_replies x", "b thread_replies x", "c thread_replies x"}
	assert.Equal(t, append(once, once...), asked)
}

func TestTrackingPolicyFails(t *testing.T) {
	t.Parallel()
	boom := errors.New("no consent known for " + markAddress)
	for name, tt := range map[string]struct {
		answer nylas.Consent
		err    error
		want   string
	}{
		"error":      {granted, boom, "the tracking policy failed: no consent known for [address]"},
		"no answer":  {nylas.Consent(7), nil, "the tracking policy failed: Consent(7) is no answer"},
		"below zero": {nylas.Consent(-1), nil, "the tracking policy failed: Consent(-1) is no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			policy := nylas.TrackingPolicy{Unknown: granted, Consent: func(context.Context, nylas.Participant, nylas.TrackingKind) (nylas.Consent, error) {
				return tt.answer, tt.err
			}}
			w := newWire(t)
			resp := nylas.Response{RequestID: "of the call before", Tracking: []nylas.TrackingDecision{{Kind: nylas.TrackOpens}}}
			_, err := w.client(t, nylas.WithTrackingPolicy(policy)).Messages.Send(t.Context(), testGrant, markedMessage(), nylas.WithResponse(&resp))
			require.EqualError(t, err, "nylas: send message: nothing was sent: "+tt.want)
			if tt.err != nil {
				require.ErrorIs(t, err, tt.err)
			}
			assertSentinels(t, err)
			assertUnmarked(t, err.Error())
			assert.Zero(t, asError(t, err).Attempts)
			assert.Empty(t, w.requests())
			assert.Equal(t, nylas.Response{}, resp)
		})
	}
}

func TestTrackingPolicyAndContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("shutdown")
	asked := 0
	policy := nylas.TrackingPolicy{Unknown: granted, Consent: func(context.Context, nylas.Participant, nylas.TrackingKind) (nylas.Consent, error) {
		asked++
		cancel(stop)
		return granted, nil
	}}
	w := newWire(t)
	_, err := w.client(t, nylas.WithTrackingPolicy(policy)).Messages.Send(ctx, testGrant, groupMail())
	require.EqualError(t, err, "nylas: send message: nothing was sent: context canceled: shutdown")
	require.ErrorIs(t, err, stop)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 1, asked)
	assert.Empty(t, w.requests())
}

// A request that is refused is refused before the policy is asked.
func TestTrackingPolicyIsNotAskedInVain(t *testing.T) {
	t.Parallel()
	policy := nylas.TrackingPolicy{Unknown: granted, Consent: func(context.Context, nylas.Participant, nylas.TrackingKind) (nylas.Consent, error) {
		t.Error("it was asked")
		return granted, nil
	}}
	_, err := newWire(t).client(t, nylas.WithTrackingPolicy(policy)).Messages.Send(t.Context(), testGrant, &nylas.SendMessageRequest{
		TrackingOptions: &nylas.TrackingOptions{Opens: true},
	})
	assertSentinels(t, err, nylas.ErrInvalidRequest)
}

// What was decided is told in an error of the send too.
func TestTrackingPolicyAndFailedSend(t *testing.T) {
	t.Parallel()
	w := newWire(t, answersFile(t, 400, "constructed/error.too-many-links.400.json"))
	var resp nylas.Response
	_, err := w.client(t, nylas.WithTrackingPolicy(consents(granted, nil))).
		Messages.Send(t.Context(), testGrant, markedMessage(), nylas.WithResponse(&resp))
	require.ErrorIs(t, err, nylas.ErrTooManyLinks)
	assert.Equal(t, []nylas.TrackingDecision{{Kind: opens, Allowed: true}}, resp.Tracking)
}

func TestWithTrackingPolicyRefuses(t *testing.T) {
	t.Parallel()
	whole := consents(granted, nil)
	const neither = "the field Unknown is neither ConsentGranted nor ConsentDenied"
	for _, tt := range []struct {
		policy nylas.TrackingPolicy
		want   string
	}{
		{nylas.TrackingPolicy{Unknown: granted}, "the function Consent is nil"},
		{nylas.TrackingPolicy{Consent: whole.Consent}, neither},
		{nylas.TrackingPolicy{Consent: whole.Consent, Unknown: 3}, neither},
	} {
		_, err := nylas.NewClient(testAPIKey, nylas.WithTrackingPolicy(tt.policy))
		require.EqualError(t, err, "nylas: new client: WithTrackingPolicy: "+tt.want)
		_, err = tt.policy.Check(t.Context(), groupMail())
		require.EqualError(t, err, "nylas: check tracking: "+tt.want)
	}
}

func TestTrackingPolicyCheck(t *testing.T) {
	t.Parallel()
	policy := consents(denied, map[string]nylas.Consent{
		"a opens": granted, "b opens": granted, "c opens": granted, "a links": granted, "b links": denied,
	})
	req, want := groupMail(), groupMail()
	req.Body = `<a href="https://acme.dev/">x</a>`
	want.Body = req.Body
	report, err := policy.Check(t.Context(), req)
	require.NoError(t, err)
	assert.Equal(t, want, req)
	var found []string
	for _, f := range report.Findings {
		found = append(found, fmt.Sprintf("%s %s %d:%d", f.Level, f.Code, f.Line, f.Column))
	}
	assert.Equal(t, []string{"warning consent-missing 0:0", "warning consent-missing 0:0", "info group-mail 0:0"}, found)
	assert.Contains(t, report.Findings[0].Message, "2 of the recipients have not agreed to tracking of links")
	assert.Contains(t, report.Findings[1].Message, "3 of the recipients have not agreed to tracking of thread_replies")
	assert.False(t, report.Refused())

	report, err = policy.Check(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, &preflight.Report{}, report)

	boom := errors.New("boom")
	policy.Consent = func(context.Context, nylas.Participant, nylas.TrackingKind) (nylas.Consent, error) {
		return granted, boom
	}
	_, err = policy.Check(t.Context(), req)
	require.ErrorIs(t, err, boom)
	require.EqualError(t, err, "nylas: check tracking: the tracking policy failed: boom")
}

func TestConsentString(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "unknown granted denied Consent(9)", fmt.Sprint(unknown, granted, denied, nylas.Consent(9)))
}
