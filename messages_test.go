package nylas_test

import (
	"encoding/json"
	"fmt"
	"math"
	"mime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
)

// TestSendOnTheWire compares what is sent with what was recorded.
func TestSendOnTheWire(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file string
		req  nylas.SendMessageRequest
	}{
		{"minimal", nylas.SendMessageRequest{To: toKim()}},
		{"minimal", nylas.SendMessageRequest{
			To: toKim(), Fields: "", SendAt: time.Time{}, Template: nil, TrackingOptions: nil,
		}},
		{"cookbook", nylas.SendMessageRequest{
			To:      []nylas.Participant{{Name: "Kim Townsend", Email: "kim@example.com"}},
			Subject: "Quick follow-up on your trial",
			Body:    `Thanks for trying us out. Reply or <a href="https://example.com/demo">book a demo</a> when ready.`,
			TrackingOptions: &nylas.TrackingOptions{
				Opens: true, Links: true, ThreadReplies: true, Label: "trial-followup-q2",
			},
		}},
		{"all", nylas.SendMessageRequest{
			To:               []nylas.Participant{{Name: "Kim Townsend", Email: "kim@example.org"}, {Email: "lee@example.org"}},
			CC:               []nylas.Participant{{Name: "Cé", Email: "cc@example.org"}},
			BCC:              []nylas.Participant{{Email: "bcc@example.org"}},
			From:             []nylas.Participant{{Name: "Sales", Email: "sales@acme.dev"}},
			ReplyTo:          []nylas.Participant{{Email: "reply@acme.dev"}},
			Subject:          `Größe <1> & "more"`,
			Body:             `<p>5 &lt; 6 <a href="https://acme.dev/demo?a=1&b=2">demo</a></p>` + "\u2028",
			IsPlaintext:      true,
			CustomHeaders:    []nylas.Header{{Name: "X-Campaign", Value: "q2"}, {Name: "X-Campaign", Value: "again"}},
			Metadata:         map[string]string{"key1": "v1", "key2": ""},
			ReplyToMessageID: "<CAF=x@mail.example.org>",
			SendAt:           time.Date(2000, 1, 1, 3, 0, 0, 999, time.FixedZone("", 2*60*60)),
			UseDraft:         true,
			SignatureID:      "sig-1",
			Template: &nylas.Template{ID: "tpl-1", Strict: new(false), Variables: map[string]any{
				"name": "Kim", "n": 3, "nested": map[string]any{"a": []any{1, nil}},
			}},
			TrackingOptions: &nylas.TrackingOptions{
				Opens: true, Links: true, ThreadReplies: true, Label: "trial-followup-q2", DomainName: "track.acme.dev",
			},
			Fields: nylas.FieldsIncludeBasicHeaders,
		}},
		{"tracking-off", nylas.SendMessageRequest{To: toKim(), TrackingOptions: &nylas.TrackingOptions{}}},
		{"tracking-replies", nylas.SendMessageRequest{To: toKim(), TrackingOptions: &nylas.TrackingOptions{ThreadReplies: true}}},
		{"template", nylas.SendMessageRequest{To: toKim(), Template: &nylas.Template{ID: "tpl-1"}}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // where it is the year 2000
				w := newWire(t, answersFile(t, 200, messageAnswer))
				_, err := w.client(t).Messages.Send(t.Context(), testGrant, &tt.req, nylas.WithIdempotencyKey(testKey))
				require.NoError(t, err)
				assertRecorded(t, "http/messages.send."+tt.file+".request.json", w.requests()[0])
			})
		})
	}
}

func TestFieldsOfTheAnswer(t *testing.T) {
	t.Parallel()
	for fields, want := range map[nylas.MessageFields]string{
		"":                              "/v3/grants/me/messages/send",
		nylas.FieldsStandard:            "/v3/grants/me/messages/send?fields=standard",
		nylas.FieldsIncludeHeaders:      "/v3/grants/me/messages/send?fields=include_headers",
		nylas.FieldsIncludeBasicHeaders: "/v3/grants/me/messages/send?fields=include_basic_headers",
		"new & other":                   "/v3/grants/me/messages/send?fields=new+%26+other",
	} {
		w := newWire(t, answersFile(t, 200, "http/messages.send.headers.response.json"))
		msg, err := w.client(t).Messages.Send(t.Context(), "me", &nylas.SendMessageRequest{To: toKim(), Fields: fields})
		require.NoError(t, err)
		assert.Equal(t, want, w.requests()[0].target)
		assert.Equal(t, []nylas.Header{
			{Name: "Message-ID", Value: "<a@mail.example.org>"},
			{Name: "References", Value: "<b@mail.example.org>"},
			{Name: "References", Value: "<c@mail.example.org>"},
		}, msg.Headers)
	}
}

// TestSentMessage has the answers to a send.
func TestSentMessage(t *testing.T) {
	t.Parallel()
	sendAt := events.At(time.Unix(1671234087, 0))
	whole := &nylas.Message{
		ID: "…", Object: "message", GrantID: "…", ThreadID: "…", Subject: "…", Body: "…", Snippet: "…",
		Date: events.At(time.Unix(1635355739, 0)),
		From: []nylas.Participant{{Name: "John Doe", Email: "john.doe@example.com"}},
		To:   []nylas.Participant{{Name: "Jane Doe", Email: "jane.doe@example.com"}},
		CC:   []nylas.Participant{}, BCC: []nylas.Participant{}, ReplyTo: []nylas.Participant{},
		Attachments: []nylas.AttachmentInfo{{
			ID: "4kj2…", GrantID: "…", ContentType: "text/plain", Filename: "myfile.txt", ContentID: "HASKD…",
			ContentDisposition: "…", Size: 1708,
		}},
		Folders: []string{"…"}, Unread: true,
		Headers:         []nylas.Header{{Name: "Message-ID", Value: "<…>"}},
		TrackingOptions: &nylas.TrackingOptions{Opens: true, ThreadReplies: true, Links: true, Label: "Tracking test"},
	}
	scheduled := func(useDraft bool) *nylas.Message {
		return &nylas.Message{
			GrantID: testGrant, ScheduleID: "17d0281e-0000-4000-8000-000000000001", SendAt: sendAt, UseDraft: useDraft,
		}
	}
	queued := *whole
	queued.Queued = true
	for _, tt := range []struct {
		status int
		file   string
		want   *nylas.Message
	}{
		{202, messageAnswer, &queued},
		{200, messageAnswer, whole},
		{201, messageAnswer, whole},
		{200, "constructed/messages.send.scheduled.200.json", scheduled(false)},
		{202, "constructed/messages.send.scheduled.202.json", scheduled(true)},
		{200, "http/messages.send.odd.response.json", &nylas.Message{
			ID: "<CAF=x+y/z@mail.example.org>", Object: "message", GrantID: "g-1", Date: events.At(time.Unix(1635355739, 0)),
			Attachments: []nylas.AttachmentInfo{{ContentType: "text/plain", Size: 1708}},
		}},
	} {
		t.Run(fmt.Sprint(tt.status, " ", tt.file), func(t *testing.T) {
			t.Parallel()
			w := newWire(t, answersFile(t, tt.status, tt.file, "X-Request-Id", "r-1"))
			var resp nylas.Response
			msg, err := w.client(t).Messages.Send(t.Context(), testGrant, markedMessage(), nylas.WithResponse(&resp))
			require.NoError(t, err)
			assert.Equal(t, tt.want, msg)
			assert.Equal(t, tt.status, resp.StatusCode)
			assert.NotEmpty(t, resp.RequestID)
		})
	}
}

func TestStrangeBytesInTheAnswer(t *testing.T) {
	t.Parallel()
	w := newWire(t, answers(200, "{\"data\":{\"id\":\"m-1\",\"id\":\"m-2\",\"snippet\":\"a\xffb\",\"subject\":\"a\\ud800b\"}}"))
	msg, err := w.client(t).Messages.Send(t.Context(), testGrant, markedMessage())
	require.NoError(t, err)
	assert.Equal(t, "m-2", msg.ID)
	assert.Equal(t, "a\ufffdb", msg.Snippet)
	assert.Equal(t, "a\ufffdb", msg.Subject, "half of a pair of surrogates")
}

// TestSendRefuses has what is refused before any I/O, each with its reason.
func TestSendRefuses(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	in := func(d time.Duration) time.Time { return time.Now().Add(d) }
	pairs := func(n int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[fmt.Sprint("key", i)] = "v"
		}
		return m
	}
	for _, tt := range []struct {
		name   string
		change func(*nylas.SendMessageRequest)
		want   string // "" means that it is sent
	}{
		{"nobody", func(r *nylas.SendMessageRequest) { r.To = nil }, "To is empty: a message needs at least one recipient"},
		{"nobody in an empty list", func(r *nylas.SendMessageRequest) { r.To = []nylas.Participant{} },
			"To is empty: a message needs at least one recipient"},
		{"only CC", func(r *nylas.SendMessageRequest) { r.To, r.CC = nil, toKim() },
			"To is empty: a message needs at least one recipient"},
		{"two in From", func(r *nylas.SendMessageRequest) { r.From = append(toKim(), toKim()...) },
			"From has more than one participant"},
		{"no address in To", func(r *nylas.SendMessageRequest) { r.To = append(r.To, nylas.Participant{Name: "Lee"}) },
			"To[1] has no Email"},
		{"blank address in To", func(r *nylas.SendMessageRequest) { r.To[0].Email = " \t" }, "To[0] has no Email"},
		{"no address in CC", func(r *nylas.SendMessageRequest) { r.CC = make([]nylas.Participant, 1) }, "CC[0] has no Email"},
		{"no address in BCC", func(r *nylas.SendMessageRequest) { r.BCC = make([]nylas.Participant, 1) }, "BCC[0] has no Email"},
		{"no address in From", func(r *nylas.SendMessageRequest) { r.From = make([]nylas.Participant, 1) }, "From[0] has no Email"},
		{"no address in ReplyTo", func(r *nylas.SendMessageRequest) { r.ReplyTo = make([]nylas.Participant, 1) },
			"ReplyTo[0] has no Email"},
		{"draft without a time", func(r *nylas.SendMessageRequest) { r.UseDraft = true }, "UseDraft needs SendAt"},
		{"past", func(r *nylas.SendMessageRequest) { r.SendAt = in(-time.Second) }, "SendAt is not in the future"},
		{"now", func(r *nylas.SendMessageRequest) { r.SendAt = in(0) }, "SendAt is not in the future"},
		{"past draft", func(r *nylas.SendMessageRequest) { r.SendAt, r.UseDraft = in(-day), true }, "SendAt is not in the future"},
		{"soon", func(r *nylas.SendMessageRequest) { r.SendAt = in(time.Second) }, ""},
		{"30 days", func(r *nylas.SendMessageRequest) { r.SendAt = in(30 * day) }, ""},
		{"30 days and a second", func(r *nylas.SendMessageRequest) { r.SendAt = in(30*day + time.Second) },
			"SendAt is more than 30 days ahead, which needs UseDraft"},
		{"a year as a draft", func(r *nylas.SendMessageRequest) { r.SendAt, r.UseDraft = in(365*day), true }, ""},
		{"50 pairs", func(r *nylas.SendMessageRequest) { r.Metadata = pairs(50) }, ""},
		{"51 pairs", func(r *nylas.SendMessageRequest) { r.Metadata = pairs(51) }, "Metadata has 51 pairs, Nylas takes at most 50"},
		{"key of 40", func(r *nylas.SendMessageRequest) { r.Metadata = map[string]string{strings.Repeat("ü", 40): ""} }, ""},
		{"key of 41", func(r *nylas.SendMessageRequest) { r.Metadata = map[string]string{strings.Repeat("k", 41): ""} },
			"Metadata has a key of more than 40 characters"},
		{"value of 500", func(r *nylas.SendMessageRequest) { r.Metadata = map[string]string{"k": strings.Repeat("ü", 500)} }, ""},
		{"value of 501", func(r *nylas.SendMessageRequest) { r.Metadata = map[string]string{"k": strings.Repeat("v", 501)} },
			"Metadata has a value of more than 500 characters"},
		{"subject not UTF-8", func(r *nylas.SendMessageRequest) { r.Subject = "a\xff" },
			"the request cannot be encoded as JSON: invalid UTF-8 in subject"},
		{"address not UTF-8", func(r *nylas.SendMessageRequest) { r.To[0].Email = "\xff" + markAddress },
			"the request cannot be encoded as JSON: invalid UTF-8 in to.0.email"},
		{"NaN", func(r *nylas.SendMessageRequest) {
			r.Template = &nylas.Template{Variables: map[string]any{"n": math.NaN()}}
		},
			"the request cannot be encoded as JSON: wrong value in template.variables.n"},
		{"function", func(r *nylas.SendMessageRequest) {
			r.Template = &nylas.Template{Variables: map[string]any{markAddress: func() {}}}
		}, "the request cannot be encoded as JSON: wrong value in [address]"},
		{"raw JSON that is none", func(r *nylas.SendMessageRequest) {
			r.Template = &nylas.Template{Variables: map[string]any{"n": json.RawMessage(`{"` + markBody)}}
		}, "the request cannot be encoded as JSON: wrong value in template.variables.n"},
		{"JSON that ends the program", func(r *nylas.SendMessageRequest) {
			r.Template = &nylas.Template{Variables: map[string]any{"n": failingJSON{}}}
		}, "the request cannot be encoded as JSON: wrong value in template.variables.n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				req := &nylas.SendMessageRequest{To: toKim(), Subject: markBody, Body: markBody}
				tt.change(req)
				w := newWire(t)
				if tt.want == "" {
					w = newWire(t, answersFile(t, 200, messageAnswer))
				}
				_, err := w.client(t).Messages.Send(t.Context(), testGrant, req)
				if tt.want == "" {
					require.NoError(t, err)
					return
				}
				require.EqualError(t, err, "nylas: send message: "+tt.want)
				assertSentinels(t, err, nylas.ErrInvalidRequest)
				assert.Zero(t, asError(t, err).StatusCode)
				assert.Zero(t, asError(t, err).Attempts)
				assert.Empty(t, w.requests())
				assertUnmarked(t, err.Error())
			})
		})
	}
}

// failingJSON is a value whose own encoding fails with what it must not tell.
type failingJSON struct{}

func (failingJSON) MarshalJSON() ([]byte, error) {
	return nil, fmt.Errorf("cannot encode %s", markAddress)
}

func TestSendWithoutARequest(t *testing.T) {
	t.Parallel()
	_, err := newWire(t).client(t).Messages.Send(t.Context(), testGrant, nil)
	require.EqualError(t, err, "nylas: send message: the request is nil")
	assertSentinels(t, err, nylas.ErrInvalidRequest)
}

// TestSizeOfASend has the largest request as JSON and one byte more.
func TestSizeOfASend(t *testing.T) {
	t.Parallel()
	const largest = 3_000_000
	req := &nylas.SendMessageRequest{To: toKim(), Body: "x"}
	w := newWireAlways(answersFile(t, 200, messageAnswer))
	client := w.client(t)
	_, err := client.Messages.Send(t.Context(), testGrant, req)
	require.NoError(t, err)
	around := len(w.requests()[0].body) - 1

	req.Body = strings.Repeat("x", largest-around)
	_, err = client.Messages.Send(t.Context(), testGrant, req)
	require.NoError(t, err)
	assert.Len(t, w.requests()[1].body, largest)

	req.Body += "x"
	_, err = client.Messages.Send(t.Context(), testGrant, req)
	require.NoError(t, err)

	req.Body = strings.Repeat(`"`, largest-around-1) // two bytes each when encoded
	_, err = client.Messages.Send(t.Context(), testGrant, req)
	require.NoError(t, err)

	for i, want := range []string{"application/json", "application/json", "multipart/form-data", "multipart/form-data"} {
		got, _, err := mime.ParseMediaType(w.requests()[i].header.Get("Content-Type"))
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
}

func TestSendLeavesTheRequestAlone(t *testing.T) {
	t.Parallel()
	req, want := markedMessage(), markedMessage()
	_, err := newWire(t, answersFile(t, 200, messageAnswer)).client(t).Messages.Send(t.Context(), testGrant, req)
	require.NoError(t, err)
	assert.Equal(t, want, req)
}

// A field of another type than documented must not hide that the message was
// sent.
func TestSendWithAnOddAnswer(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"first": `{"data":{"starred":"x","id":"m-1","thread_id":"t-1"}}`,
		"last":  `{"data":{"id":"m-1","thread_id":"t-1","headers":{"Message-ID":"<m-1>"}}}`,
		"time":  `{"send_at":"soon","data":{"date":"2026-11-23T10:00:00Z","id":"m-1","thread_id":"t-1"}}`,
		"size":  `{"data":{"attachments":[{"size":"12 kB"}],"id":"m-1","thread_id":"t-1"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, answers(200, body))
			message, err := w.client(t).Messages.Send(t.Context(), "g-1", &nylas.SendMessageRequest{
				To: []nylas.Participant{{Email: "kim@example.org"}},
			})
			require.NoError(t, err)
			assert.Equal(t, "m-1", message.ID)
			assert.Equal(t, "t-1", message.ThreadID)
		})
	}
}

// An answer that names no message is no proof that none was sent.
func TestSendWithAnAnswerWithoutAnID(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `null`, `{"data":null}`, `{"data":{}}`, `{"data":"success"}`, `{"data":{"id":12}}`, `[]`, `{"error":{"type":"x"}}`} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, answers(200, body))
			err := send(t.Context(), w.client(t))
			assertSentinels(t, err, nylas.ErrOutcomeUnknown)
			assert.Contains(t, err.Error(), "the answer does not name what was made")
		})
	}
}

func TestCustomHeadersThatAreRefused(t *testing.T) {
	t.Parallel()
	to := []nylas.Participant{{Email: "kim@example.org"}}
	for name, test := range map[string]struct {
		header nylas.Header
		want   string
	}{
		"no name":                  {nylas.Header{Value: "x"}, "CustomHeaders[1] has a Name that"},
		"a line break in the name": {nylas.Header{Name: "X-A\r\nBcc", Value: "x"}, "CustomHeaders[1] has a Name that"},
		"a colon in the name":      {nylas.Header{Name: "Bcc: kim", Value: "x"}, "CustomHeaders[1] has a Name that"},
		"a name beyond ASCII":      {nylas.Header{Name: "Größe", Value: "x"}, "CustomHeaders[1] has a Name that"},
		"a line break":             {nylas.Header{Name: "X-A", Value: "x\r\nBcc: sam@example.org"}, "CustomHeaders[1] has a line break"},
		"a line feed":              {nylas.Header{Name: "X-A", Value: "x\nBcc: sam@example.org"}, "CustomHeaders[1] has a line break"},
		"NUL":                      {nylas.Header{Name: "X-A", Value: "\x00"}, "CustomHeaders[1] has a line break"},
		"recipients":               {nylas.Header{Name: "BCC", Value: "sam@example.org"}, "CustomHeaders[1] names recipients"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := nylas.NewClient(testAPIKey, nylas.WithBaseURL("http://127.0.0.1:1"), nylas.WithRetryPolicy(nylas.RetryPolicy{MaxAttempts: 1}))
			require.NoError(t, err)
			headers := []nylas.Header{{Name: "List-Unsubscribe", Value: "<https://acme.dev/u>"}, test.header}
			_, sent := client.Messages.Send(t.Context(), testGrant, &nylas.SendMessageRequest{To: to, CustomHeaders: headers})
			_, created := client.Drafts.Create(t.Context(), testGrant, &nylas.CreateDraftRequest{To: to, CustomHeaders: headers})
			_, transactional := client.Transactional.Send(t.Context(), "acme.dev",
				&nylas.SendTransactionalRequest{From: to[0], To: to, CustomHeaders: headers})
			for _, err := range []error{sent, created, transactional} {
				require.ErrorIs(t, err, nylas.ErrInvalidRequest)
				require.ErrorContains(t, err, test.want)
				assert.NotContains(t, err.Error(), "sam@")
			}
		})
	}
}

// A line break in what goes into a header would begin another one.
func TestLineBreaksAreRefused(t *testing.T) {
	t.Parallel()
	fine := []nylas.Participant{{Name: "Kim", Email: "kim@example.org"}}
	for _, evil := range []string{"a\r\nBcc: sam@example.org", "a\nb", "a\rb", "a\x00"} {
		_, err := newWire(t).client(t).Messages.Send(t.Context(), testGrant, &nylas.SendMessageRequest{To: fine, ReplyToMessageID: evil})
		require.ErrorContains(t, err, "ReplyToMessageID has a line break")
		name, email := []nylas.Participant{{Name: evil, Email: "kim@example.org"}}, []nylas.Participant{{Email: evil}}
		for want, req := range map[string]*nylas.SendMessageRequest{
			"Subject":    {To: fine, Subject: evil},
			"To[0]":      {To: name},
			"CC[0]":      {To: fine, CC: email},
			"BCC[0]":     {To: fine, BCC: name},
			"From[0]":    {To: fine, From: email},
			"ReplyTo[0]": {To: fine, ReplyTo: name},
		} {
			w := newWire(t)
			client := w.client(t)
			_, err := client.Messages.Send(t.Context(), testGrant, req)
			require.ErrorIs(t, err, nylas.ErrInvalidRequest, want)
			require.ErrorContains(t, err, want+" has a line break or NUL: give it in one line")
			assert.NotContains(t, err.Error(), evil)

			_, err = client.Drafts.Create(t.Context(), testGrant, &nylas.CreateDraftRequest{
				To: req.To, CC: req.CC, BCC: req.BCC, From: req.From, ReplyTo: req.ReplyTo, Subject: req.Subject,
			})
			require.ErrorContains(t, err, want+" has a line break")
			if want != "From[0]" {
				_, err = client.Drafts.Update(t.Context(), testGrant, "draft-1", &nylas.UpdateDraftRequest{
					To: req.To, CC: req.CC, BCC: req.BCC, ReplyTo: req.ReplyTo, Subject: &req.Subject,
				})
				require.ErrorContains(t, err, want+" has a line break")
			}
			from := nylas.Participant{Email: "us@acme.dev"}
			if len(req.From) > 0 {
				from = req.From[0]
			}
			_, err = client.Transactional.Send(t.Context(), "acme.dev", &nylas.SendTransactionalRequest{
				From: from, To: req.To, CC: req.CC, BCC: req.BCC, ReplyTo: req.ReplyTo, Subject: req.Subject,
			})
			require.ErrorContains(t, err, want+" has a line break")
			assert.Empty(t, w.requests())
		}
	}
}
