package nylas_test

import (
	"bytes"
	"mime"
	"mime/multipart"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
)

// TestTransactionalOnTheWire compares what is sent with what was recorded.
func TestTransactionalOnTheWire(t *testing.T) {
	t.Parallel()
	sender := nylas.Participant{Email: "sales@news.sender.dev"}
	for file, req := range map[string]nylas.SendTransactionalRequest{
		"minimal": {To: toKim(), From: sender},
		"all": {
			To: []nylas.Participant{{Name: "Kim Townsend", Email: "kim@example.org"}}, From: nylas.Participant{Name: "Sales", Email: sender.Email},
			CC: []nylas.Participant{{Email: "cc@example.org"}}, BCC: []nylas.Participant{{Email: "bcc@example.org"}},
			ReplyTo: []nylas.Participant{{Email: "reply@acme.dev"}}, Subject: "Größe", Body: "<p>Hi</p>", IsPlaintext: true,
			CustomHeaders: []nylas.Header{{Name: "X-Campaign", Value: "q2"}}, Metadata: map[string]string{"key1": "v1"},
			ReplyToMessageID: "m-0", SendAt: time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC),
			Template:        &nylas.Template{ID: "tpl-1", Strict: new(false)},
			TrackingOptions: &nylas.TransactionalTrackingOptions{Links: true, Label: "q2", DomainName: "track.acme.dev"},
		},
		"tracking-off": {To: toKim(), From: sender, TrackingOptions: &nylas.TransactionalTrackingOptions{}},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // where it is the year 2000
				w := newWire(t, answersFile(t, 200, "http/transactional.sent.response.json"))
				message, err := w.client(t).Transactional.Send(t.Context(), testDomain, &req, nylas.WithIdempotencyKey(testKey))
				require.NoError(t, err)
				assertRecorded(t, "http/transactional."+file+".request.json", w.requests()[0])
				assert.Equal(t, &nylas.Message{
					ID: "5a8f7b2e", Object: "message", Subject: "Größe", Body: "<p>Hi</p>", Snippet: "Hi",
					From: []nylas.Participant{{Name: "Sales", Email: sender.Email}},
					To:   []nylas.Participant{{Name: "Kim Townsend", Email: "kim@example.org"}},
					CC:   []nylas.Participant{}, BCC: []nylas.Participant{}, ReplyTo: []nylas.Participant{},
					Attachments:     []nylas.AttachmentInfo{{Filename: "a.txt", ContentType: "text/plain", Size: 12}},
					TrackingOptions: &nylas.TrackingOptions{Links: true, Label: "q2"},
				}, message)
			})
		})
	}
}

func TestTransactionalAnswers(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]*nylas.Message{
		string(recording(t, "http/transactional.message-id.response.json")): {ID: "5a8f7b2e"},
		string(recording(t, "http/transactional.scheduled.response.json")): {
			ScheduleID: "s-1", SendAt: events.At(time.Unix(946688400, 0)),
		},
		`{"data":{"id":"m-1","message_id":"m-2"}}`:                      {ID: "m-1"},
		`{"data":{"starred":"x","id":"m-1"}}`:                           {ID: "m-1"},
		`{"data":{"starred":"x","message_id":"m-1"}}`:                   {ID: "m-1"},
		`{"data":{"starred":"x"},"schedule_id":"s-1","use_draft":true}`: {ScheduleID: "s-1", UseDraft: true},
	} {
		message, err := newWire(t, answers(200, body)).client(t).Transactional.Send(t.Context(), testDomain, markedTransactional())
		require.NoError(t, err, body)
		assert.Equal(t, want, message)
	}
	_, err := newWire(t, answers(200, `{"data":{"starred":"x"}}`)).client(t).Transactional.Send(t.Context(), testDomain, markedTransactional())
	require.ErrorContains(t, err, "does not name what was made")
}

// TestTransactionalRefuses has what is refused before any I/O.
func TestTransactionalRefuses(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) time.Time { return time.Now().Add(d) }
	tracking := func(o nylas.TransactionalTrackingOptions) func(*nylas.SendTransactionalRequest) {
		return func(r *nylas.SendTransactionalRequest) { r.TrackingOptions = &o }
	}
	blank := make([]nylas.Participant, 1)
	for want, change := range map[string]func(*nylas.SendTransactionalRequest){
		"To is empty: a message needs at least one recipient": func(r *nylas.SendTransactionalRequest) { r.To = nil },
		"From has no Email":                             func(r *nylas.SendTransactionalRequest) { r.From.Email = " \t" },
		"To[0] has no Email":                            func(r *nylas.SendTransactionalRequest) { r.To = blank },
		"CC[0] has no Email":                            func(r *nylas.SendTransactionalRequest) { r.CC = blank },
		"BCC[0] has no Email":                           func(r *nylas.SendTransactionalRequest) { r.BCC = blank },
		"ReplyTo[0] has no Email":                       func(r *nylas.SendTransactionalRequest) { r.ReplyTo = blank },
		"SendAt is not in the future":                   func(r *nylas.SendTransactionalRequest) { r.SendAt = in(0) },
		"SendAt is more than 30 days ahead":             func(r *nylas.SendTransactionalRequest) { r.SendAt = in(30*24*time.Hour + 1) },
		"Metadata has a key of more than 40 characters": func(r *nylas.SendTransactionalRequest) { r.Metadata = map[string]string{strings.Repeat("k", 41): ""} },
		"TrackingOptions.Label has 2049 characters, Nylas takes at most 2048":    tracking(nylas.TransactionalTrackingOptions{Label: strings.Repeat("x", 2049)}),
		"TrackingOptions.DomainName needs Opens or Links; replies do not use it": tracking(nylas.TransactionalTrackingOptions{DomainName: "track.acme.dev"}),
		"TrackingOptions.DomainName is not a full hostname: it has no dot":       tracking(nylas.TransactionalTrackingOptions{Opens: true, DomainName: "x"}),
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, req := newWire(t), markedTransactional()
				change(req)
				_, err := w.client(t).Transactional.Send(t.Context(), testDomain, req)
				require.EqualError(t, err, "nylas: send transactional message: "+want)
				require.ErrorIs(t, err, nylas.ErrInvalidRequest)
				assert.Empty(t, w.requests())
			})
		})
	}
	w := newWire(t)
	_, err := w.client(t).Transactional.Send(t.Context(), testDomain, nil)
	require.EqualError(t, err, "nylas: send transactional message: the request is nil")
	_, err = w.client(t).Transactional.Send(t.Context(), "", markedTransactional())
	require.EqualError(t, err, "nylas: send transactional message: domain is empty")
	assert.Empty(t, w.requests())

	synctest.Test(t, func(t *testing.T) {
		req := markedTransactional()
		req.SendAt = in(30 * 24 * time.Hour)
		_, err := newWire(t, answersFile(t, 200, "http/transactional.scheduled.response.json")).client(t).
			Transactional.Send(t.Context(), testDomain, req)
		require.NoError(t, err)
	})
}

// markedMIME is a message in MIME form that holds what must stay in it.
func markedMIME() []byte {
	return []byte("From: sales@acme.dev\r\nTo: " + markAddress + "\r\nSubject: " + markBody + "\r\n\r\n" + markBody + "\r\n")
}

// TestSendMIME: the message is the only part, byte for byte, and the same in each attempt.
func TestSendMIME(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, answers(504, ""), answersFile(t, 200, messageAnswer))
		message := append(markedMIME(), "\x00\xff--nylas-go-\n\n"...)
		sent, err := w.client(t, nylas.WithMark("key5")).Messages.SendMIME(t.Context(), testGrant, message, nylas.WithIdempotencyKey(testKey))
		require.NoError(t, err)
		assert.NotEmpty(t, sent.ID)
		require.Len(t, w.requests(), 2)
		for _, request := range w.requests() {
			assert.Equal(t, "POST", request.method)
			assert.Equal(t, "/v3/grants/"+testGrant+"/messages/send?type=mime", request.target)
			assert.Equal(t, testKey, request.header.Get("Idempotency-Key"))
			mediaType, parameters, err := mime.ParseMediaType(request.header.Get("Content-Type"))
			require.NoError(t, err)
			assert.Equal(t, "multipart/form-data", mediaType)
			form, err := multipart.NewReader(bytes.NewReader(request.body), parameters["boundary"]).ReadForm(1 << 20)
			require.NoError(t, err)
			assert.Empty(t, form.File)
			assert.Equal(t, map[string][]string{"mime": {string(message)}}, form.Value)
			assert.Equal(t, w.requests()[0].body, request.body)
		}
	})
}

func TestSendMIMERefuses(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	send := func(message string, opts ...nylas.RequestOption) error {
		_, err := w.client(t).Messages.SendMIME(t.Context(), testGrant, []byte(message), opts...)
		return err
	}
	const noHeader = "the message does not begin with headers and an empty line"
	for _, tt := range []struct {
		want string
		err  error
	}{
		{noHeader, send("")},
		{noHeader, send("Hello Kim")},
		{noHeader, send("To: kim@example.org\r\nno header\r\n\r\nHi")},
		{noHeader, send("To: kim@example.org")},
		{"the message has no recipient in To, Cc or Bcc", send("Subject: x\r\nTo: \r\n\r\nTo: kim@example.org")},
		{"the request has 26214552 bytes with its attachments, Nylas takes at most 26214400", send("To: a@b.c\n\n" + strings.Repeat("x", 25<<20))},
		{"WithMark: only Messages.Send takes this option", send(string(markedMIME()), nylas.WithMark("key1"))},
	} {
		require.EqualError(t, tt.err, "nylas: send MIME message: "+tt.want)
		assertSentinels(t, tt.err, nylas.ErrInvalidRequest)
	}
	assert.Empty(t, w.requests())
}

func TestMIMEOfAMessage(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{"_v8-": "\xfe\xff>", "QQ": "A", "QQ==": "A"} {
		got, err := (&nylas.Message{RawMIME: raw}).MIME()
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
	}
	_, err := (&nylas.Message{}).MIME()
	require.EqualError(t, err, "nylas: the message has no RawMIME: get it with FieldsRawMIME")
	_, err = (&nylas.Message{RawMIME: "/v8+"}).MIME()
	require.EqualError(t, err, "nylas: RawMIME is not base64url")
}
