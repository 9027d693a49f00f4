package nylas_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
)

const draftFile = "http/drafts.draft.response.json"

// recordedDraft is the draft of the recorded answers.
func recordedDraft() *nylas.Draft {
	return &nylas.Draft{
		ID: testID, Object: "draft", GrantID: testGrant, ThreadID: "t-1", Subject: "Quick follow-up", Body: "<p>Hi</p>", Snippet: "Hi",
		Date: events.At(time.Unix(1635355739, 0)),
		From: []nylas.Participant{{Name: "Sales", Email: "sales@acme.dev"}},
		To:   []nylas.Participant{{Name: "Kim Townsend", Email: "kim@example.org"}},
		CC:   []nylas.Participant{{Email: "cc@example.org"}}, BCC: []nylas.Participant{{Email: "bcc@example.org"}},
		ReplyTo: []nylas.Participant{}, ReplyToMessageID: "m-0",
		Metadata: events.Metadata{"key1": "v1", "n": "2"},
		Attachments: []nylas.AttachmentInfo{{
			ID: "a-1", GrantID: testGrant, ContentType: "text/plain", Filename: "a.txt", Size: 12,
		}},
		Folders: []string{"DRAFTS"}, Starred: true,
		TrackingOptions: &nylas.TrackingOptions{Opens: true, ThreadReplies: true, Label: "q2"},
	}
}

// TestDraftsOnTheWire runs each method against a recorded exchange.
func TestDraftsOnTheWire(t *testing.T) {
	t.Parallel()
	type do = func(context.Context, *nylas.DraftService) (any, error)
	create := func(req nylas.CreateDraftRequest) do {
		return func(ctx context.Context, s *nylas.DraftService) (any, error) { return s.Create(ctx, testGrant, &req) }
	}
	update := func(req nylas.UpdateDraftRequest) do {
		return func(ctx context.Context, s *nylas.DraftService) (any, error) {
			return s.Update(ctx, testGrant, testID, &req)
		}
	}
	updateTracking := func(o nylas.UpdateTrackingOptions) do { return update(nylas.UpdateDraftRequest{TrackingOptions: &o}) }
	send := func(req *nylas.SendDraftRequest) do {
		return func(ctx context.Context, s *nylas.DraftService) (any, error) {
			m, err := s.Send(ctx, testGrant, testID, req)
			require.NoError(t, err)
			return m.ScheduleID + m.Object, nil // the message is the one of TestSentMessage
		}
	}
	kim := []nylas.Participant{{Name: "Kim Townsend", Email: "kim@example.org"}}
	for _, tt := range []struct {
		request, answer string
		call            do
		want            any
	}{
		{"drafts.create-empty", draftFile, create(nylas.CreateDraftRequest{}), recordedDraft()},
		{"drafts.create-empty", "http/drafts.draft-grant-outside.response.json", create(nylas.CreateDraftRequest{}), recordedDraft()},
		{"drafts.create-all", draftFile, create(nylas.CreateDraftRequest{
			To:   append(kim[:1:1], nylas.Participant{Email: "lee@example.org"}),
			CC:   []nylas.Participant{{Email: "cc@example.org"}},
			BCC:  []nylas.Participant{{Email: "bcc@example.org"}},
			From: []nylas.Participant{{Name: "Sales", Email: "sales@acme.dev"}}, ReplyTo: []nylas.Participant{{Email: "reply@acme.dev"}},
			Subject: "Größe", Body: "<p>5 &lt; 6</p>", IsPlaintext: true,
			CustomHeaders: []nylas.Header{{Name: "X-Campaign", Value: "q2"}}, Metadata: map[string]string{"key1": "v1"},
			ReplyToMessageID: "<CAF=x@mail.example.org>", Starred: new(false), SignatureID: "sig-1",
			Template:        &nylas.Template{ID: "tpl-1", Strict: new(false)},
			TrackingOptions: &nylas.TrackingOptions{Opens: true, Label: "trial-followup-q2", DomainName: "track.acme.dev"},
		}), recordedDraft()},
		{
			"drafts.get", draftFile,
			func(ctx context.Context, s *nylas.DraftService) (any, error) { return s.Get(ctx, testGrant, testID) },
			recordedDraft(),
		},
		{"drafts.update-nothing", draftFile, update(nylas.UpdateDraftRequest{}), recordedDraft()},
		{"drafts.update-all", draftFile, update(nylas.UpdateDraftRequest{
			To: kim, CC: []nylas.Participant{{Email: "cc@example.org"}}, BCC: []nylas.Participant{{Email: "bcc@example.org"}},
			ReplyTo: []nylas.Participant{{Email: "reply@acme.dev"}}, Subject: new("New"), Body: new("<p>New</p>"),
			Metadata: map[string]string{"key1": "v2"}, Starred: new(true), Template: &nylas.Template{ID: "tpl-2"},
			TrackingOptions: &nylas.UpdateTrackingOptions{
				Opens: new(true), Links: new(true), ThreadReplies: new(true), Label: new("new"), DomainName: "track.acme.dev",
			},
		}), recordedDraft()},
		{"drafts.update-emptied", draftFile, update(nylas.UpdateDraftRequest{
			To: []nylas.Participant{}, CC: []nylas.Participant{}, BCC: []nylas.Participant{}, ReplyTo: []nylas.Participant{},
			Subject: new(""), Body: new(""), Metadata: map[string]string{}, Starred: new(false),
			TrackingOptions: &nylas.UpdateTrackingOptions{Opens: new(false), Links: new(false), ThreadReplies: new(false), Label: new("")},
		}), recordedDraft()},
		{"drafts.update-links-off", draftFile, updateTracking(nylas.UpdateTrackingOptions{Links: new(false)}), recordedDraft()},
		{"drafts.update-tracking-nothing", draftFile, updateTracking(nylas.UpdateTrackingOptions{}), recordedDraft()},
		{"drafts.update-domain", draftFile, updateTracking(nylas.UpdateTrackingOptions{DomainName: "track.acme.dev"}), recordedDraft()},
		{
			"drafts.delete", "http/drafts.delete.response.json",
			func(ctx context.Context, s *nylas.DraftService) (any, error) {
				return nil, s.Delete(ctx, testGrant, testID)
			},
			nil,
		},
		{"drafts.send", messageAnswer, send(nil), "message"},
		{"drafts.send", messageAnswer, send(&nylas.SendDraftRequest{}), "message"},
		{"drafts.send-signature", messageAnswer, send(&nylas.SendDraftRequest{SignatureID: "sig-1"}), "message"},
	} {
		t.Run(tt.request, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, answersFile(t, 200, tt.answer))
			got, err := tt.call(t.Context(), w.client(t).Drafts)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
			require.Len(t, w.requests(), 1)
			assertRecorded(t, "http/"+tt.request+".request.json", w.requests()[0])
		})
	}
}

func TestListDrafts(t *testing.T) {
	t.Parallel()
	list := func(req *nylas.ListDraftsRequest, recorded string) {
		w := newWire(t, answersFile(t, 200, "http/drafts.list.response.json"))
		var got []*nylas.Draft
		for draft, err := range w.client(t).Drafts.List(t.Context(), testGrant, req) {
			require.NoError(t, err)
			got = append(got, draft)
		}
		assert.Equal(t, []*nylas.Draft{recordedDraft(), {ID: "second"}}, got)
		assertRecorded(t, recorded, w.requests()[0])
	}
	list(nil, "http/drafts.list.request.json")
	list(&nylas.ListDraftsRequest{}, "http/drafts.list.request.json")
	list(&nylas.ListDraftsRequest{
		PageSize: 200, PageToken: "p-1", Select: []string{"id", "subject"}, ThreadID: "t-1", To: "kim@example.org", CC: "cc@example.org",
		BCC: "bcc@example.org", AnyEmail: []string{"a@example.org", "b@example.org"}, Subject: "follow up",
		HasAttachment: new(true), Starred: new(false), MetadataPair: "key1:trial",
	}, "http/drafts.list-all.request.json")
}

// A later change of a request has no effect on its list.
func TestListDraftsCopiesTheRequest(t *testing.T) {
	t.Parallel()
	w := newWire(t, answersFile(t, 200, "http/drafts.list.response.json"))
	req := &nylas.ListDraftsRequest{
		PageSize: 1, Select: []string{"id"}, AnyEmail: []string{"a@b.c"}, Starred: new(true), HasAttachment: new(true),
	}
	list := w.client(t).Drafts.List(t.Context(), testGrant, req)
	req.PageSize, req.Select[0], req.AnyEmail[0], *req.Starred, *req.HasAttachment = 2, "x", "x", false, false
	require.NoError(t, onlyError(list))
	assert.Equal(t, "/v3/grants/"+testGrant+"/drafts?any_email=a%40b.c&has_attachment=true&limit=1&select=id&starred=true", w.requests()[0].target)
}

// TestDraftsRefuse has what is refused before any I/O.
func TestDraftsRefuse(t *testing.T) {
	t.Parallel()
	long, blank := strings.Repeat("ä", 2049), make([]nylas.Participant, 1)
	const (
		tooLong = "TrackingOptions.Label has 2049 characters, Nylas takes at most 2048"
		unused  = "TrackingOptions.DomainName needs Opens or Links; replies do not use it"
		noDot   = "TrackingOptions.DomainName is not a full hostname: it has no dot"
	)
	tracking := func(o nylas.UpdateTrackingOptions) *nylas.UpdateDraftRequest {
		return &nylas.UpdateDraftRequest{TrackingOptions: &o}
	}
	for _, tt := range []struct {
		name   string
		create *nylas.CreateDraftRequest
		update *nylas.UpdateDraftRequest
		want   string
		is     error
	}{
		{name: "To", create: &nylas.CreateDraftRequest{To: blank}, update: &nylas.UpdateDraftRequest{To: blank}, want: "To[0] has no Email"},
		{name: "CC", create: &nylas.CreateDraftRequest{CC: blank}, update: &nylas.UpdateDraftRequest{CC: blank}, want: "CC[0] has no Email"},
		{name: "BCC", create: &nylas.CreateDraftRequest{BCC: blank}, update: &nylas.UpdateDraftRequest{BCC: blank}, want: "BCC[0] has no Email"},
		{
			name: "ReplyTo", create: &nylas.CreateDraftRequest{ReplyTo: blank}, update: &nylas.UpdateDraftRequest{ReplyTo: blank},
			want: "ReplyTo[0] has no Email",
		},
		{name: "From", create: &nylas.CreateDraftRequest{From: blank}, want: "From[0] has no Email"},
		{name: "two in From", create: &nylas.CreateDraftRequest{From: append(toKim(), toKim()...)}, want: "From has more than one participant"},
		{
			name: "metadata", create: &nylas.CreateDraftRequest{Metadata: map[string]string{"k": long}},
			update: &nylas.UpdateDraftRequest{Metadata: map[string]string{"k": long}},
			want:   "Metadata has a value of more than 500 characters",
		},
		{
			name: "label", create: &nylas.CreateDraftRequest{TrackingOptions: &nylas.TrackingOptions{Label: long}},
			update: tracking(nylas.UpdateTrackingOptions{Label: &long}), want: tooLong, is: nylas.ErrTrackingDataTooLarge,
		},
		{
			name:   "hostname without a use",
			create: &nylas.CreateDraftRequest{TrackingOptions: &nylas.TrackingOptions{ThreadReplies: true, DomainName: "track.acme.dev"}},
			update: tracking(nylas.UpdateTrackingOptions{Opens: new(false), Links: new(false), DomainName: "track.acme.dev"}),
			want:   unused, is: nylas.ErrTrackingDomain,
		},
		{
			name:   "no hostname",
			create: &nylas.CreateDraftRequest{TrackingOptions: &nylas.TrackingOptions{Opens: true, DomainName: "localhost"}},
			update: tracking(nylas.UpdateTrackingOptions{DomainName: "localhost"}), want: noDot, is: nylas.ErrTrackingDomain,
		},
		{name: "nil", want: "the request is nil"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t)
			check := func(op string, err error) {
				require.EqualError(t, err, "nylas: "+op+": "+tt.want)
				require.ErrorIs(t, err, nylas.ErrInvalidRequest)
				if tt.is != nil {
					require.ErrorIs(t, err, tt.is)
				}
			}
			drafts := w.client(t).Drafts
			if tt.create != nil || tt.name == "nil" {
				_, err := drafts.Create(t.Context(), testGrant, tt.create)
				check("create draft", err)
			}
			if tt.update != nil || tt.name == "nil" {
				_, err := drafts.Update(t.Context(), testGrant, testID, tt.update)
				check("update draft", err)
			}
			assert.Empty(t, w.requests())
		})
	}
}

// What the draft has is not known here, so a hostname may come alone, or with one
// of the two off.
func TestUpdateOfAHostname(t *testing.T) {
	t.Parallel()
	for _, o := range []nylas.UpdateTrackingOptions{
		{}, {Opens: new(false)}, {Links: new(false)}, {Opens: new(false), Links: new(true)}, {Opens: new(true), Links: new(false)},
		{ThreadReplies: new(true)},
	} {
		o.DomainName = "track.acme.dev"
		_, err := newWire(t, answersFile(t, 200, draftFile)).client(t).Drafts.
			Update(t.Context(), testGrant, testID, &nylas.UpdateDraftRequest{TrackingOptions: &o})
		require.NoError(t, err)
	}
}

// TestGoneTwice has deletions whose answer was lost.
func TestGoneTwice(t *testing.T) {
	t.Parallel()
	notFound := answersFile(t, 404, "http/error.not-found.404.json")
	for op, call := range map[string]func(context.Context, *nylas.Client) error{
		"delete draft": func(ctx context.Context, c *nylas.Client) error { return c.Drafts.Delete(ctx, testGrant, testID) },
		"cancel": func(ctx context.Context, c *nylas.Client) error {
			return c.Messages.CancelSchedule(ctx, testGrant, testID)
		},
	} {
		for name, tt := range map[string]struct {
			script []httpmock.Responder
			is     []error
		}{
			"lost, then 404": {inTurn(loses, notFound), nil},
			"504, then 404":  {inTurn(answers(504, ""), notFound), nil},
			"404":            {inTurn(notFound), []error{nylas.ErrNotFound}},
			"lost, then 401": {inTurn(loses, answersFile(t, 401, "constructed/error.unauthorized.401.json")), []error{nylas.ErrUnauthorized}},
		} {
			t.Run(op+"/"+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newWire(t, tt.script...)
					err := call(t.Context(), w.client(t))
					assert.Len(t, w.requests(), len(tt.script))
					assertSentinels(t, err, tt.is...)
					assert.Equal(t, tt.is == nil, err == nil)
				})
			})
		}
	}
}

// A field of another type than documented must not hide what was made or sent.
func TestDraftsWithOddAnswers(t *testing.T) {
	t.Parallel()
	odd := answers(200, `{"data":{"starred":"x","id":"d-1","thread_id":"t-1"}}`)
	draft, err := newWire(t, odd).client(t).Drafts.Create(t.Context(), testGrant, &nylas.CreateDraftRequest{})
	require.NoError(t, err)
	assert.Equal(t, &nylas.Draft{ID: "d-1", ThreadID: "t-1"}, draft)
	message, err := newWire(t, odd).client(t).Drafts.Send(t.Context(), testGrant, testID, nil)
	require.NoError(t, err)
	assert.Equal(t, "d-1", message.ID)
}

// onlyReplies is a policy of recipients who allow Nylas to track replies and nothing
// else.
func onlyReplies() nylas.ClientOption {
	return nylas.WithTrackingPolicy(nylas.TrackingPolicy{
		Unknown: nylas.ConsentDenied,
		Consent: func(_ context.Context, _ nylas.Participant, kind nylas.TrackingKind) (nylas.Consent, error) {
			if kind == nylas.TrackThreadReplies {
				return nylas.ConsentGranted, nil
			}
			return nylas.ConsentUnknown, nil
		},
	})
}

func TestUpdateDraftUnderAPolicy(t *testing.T) {
	t.Parallel()
	w := newWireAlways(answers(200, `{"data":{"id":"d-1"}}`))
	drafts := w.client(t, onlyReplies()).Drafts
	options := &nylas.UpdateTrackingOptions{Opens: new(true), Links: new(true), ThreadReplies: new(true), DomainName: "track.acme.dev"}
	_, err := drafts.Update(t.Context(), testGrant, testID, &nylas.UpdateDraftRequest{TrackingOptions: options})
	require.EqualError(t, err, "nylas: update draft: TrackingOptions without To, CC or BCC: "+
		"the tracking policy cannot be asked; give the recipients of the draft too")
	assert.Empty(t, w.requests())

	var resp nylas.Response
	_, err = drafts.Update(t.Context(), testGrant, testID,
		&nylas.UpdateDraftRequest{BCC: toKim(), TrackingOptions: options}, nylas.WithResponse(&resp))
	require.NoError(t, err)
	assert.JSONEq(t, `{"bcc":[{"email":"kim@example.org"}],"tracking_options":{"opens":false,"links":false,"thread_replies":true}}`,
		string(w.requests()[0].body))
	assert.Len(t, resp.Tracking, 3)
	assert.Equal(t, "track.acme.dev", options.DomainName, "the request is the caller's")
	assert.True(t, *options.Opens)

	// Nobody is asked about what is turned off.
	_, err = drafts.Update(t.Context(), testGrant, testID,
		&nylas.UpdateDraftRequest{TrackingOptions: &nylas.UpdateTrackingOptions{Opens: new(false)}})
	require.NoError(t, err)
	assert.JSONEq(t, `{"tracking_options":{"opens":false}}`, string(w.requests()[1].body))
}

func TestSendDraftUnderAPolicy(t *testing.T) {
	t.Parallel()
	for draft, off := range map[string]string{
		`{"id":"d-1","to":[{"email":"kim@example.org"}],"tracking_options":{"opens":true,"links":false,"thread_replies":true}}`: `{"opens":false}`,
		`{"id":"d-1","to":[{"email":"kim@example.org"}],"tracking_options":{"thread_replies":true}}`:                            "",
		// Nylas does not always return the options: any may be on.
		`{"id":"d-1","to":[{"email":"kim@example.org"}]}`: `{"opens":false,"links":false}`,
	} {
		script := []httpmock.Responder{answers(200, `{"data":`+draft+`}`), answers(200, `{"data":{"id":"d-1"}}`), answers(200, `{"data":{"id":"m-1"}}`)}
		want := []string{http.MethodGet, http.MethodPut, http.MethodPost}
		if off == "" {
			script, want = slices.Delete(script, 1, 2), slices.Delete(want, 1, 2)
		}
		w := newWire(t, script...)
		message, err := w.client(t, onlyReplies()).Drafts.Send(t.Context(), testGrant, testID, nil)
		require.NoError(t, err)
		assert.Equal(t, "m-1", message.ID)
		var methods []string
		for _, r := range w.requests() {
			methods = append(methods, r.method)
		}
		assert.Equal(t, want, methods)
		if off != "" {
			assert.JSONEq(t, `{"tracking_options":`+off+`}`, string(w.requests()[1].body))
		}
	}
}

// A draft is not sent if it is not known what it tracks, or if tracking stays on.
func TestSendDraftIfAPolicyCannotBeFollowed(t *testing.T) {
	t.Parallel()
	draft := answers(200, `{"data":{"id":"d-1","to":[{"email":"kim@example.org"}]}}`)
	for _, script := range [][]httpmock.Responder{{answers(404, `{}`)}, {draft, answers(404, `{}`)}} {
		w := newWire(t, script...)
		_, err := w.client(t, onlyReplies()).Drafts.Send(t.Context(), testGrant, testID, nil)
		require.ErrorIs(t, err, nylas.ErrNotFound)
		assert.Len(t, w.requests(), len(script))
	}
}
