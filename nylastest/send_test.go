package nylastest_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

func TestSendAnswersLikeNylas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.call(http.MethodPost, w.sendPath(), mail())
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	assert.Equal(t, "application/json", a.header.Get("Content-Type"))
	assert.Empty(t, a.header.Get("Idempotent-Response"))

	o, data := a.object(), a.data()
	assert.Equal(t, a.header.Get("X-Request-Id"), o["request_id"])
	assert.Equal(t, w.server.GrantID(), o["grant_id"])
	published, err := os.ReadFile("../testdata/published/messages.send.response.json")
	require.NoError(t, err)
	var example struct{ Data object }
	require.NoError(t, json.Unmarshal(published, &example))
	// Not there without being asked for: headers. Never there: tracking_options.
	delete(example.Data, "headers")
	delete(example.Data, "tracking_options")
	assert.ElementsMatch(t, slices.Collect(maps.Keys(example.Data)), slices.Collect(maps.Keys(data)))

	m, ok := w.server.Message(data["id"].(string))
	require.True(t, ok)
	assert.Equal(t, mail()["body"], data["body"], "the answer has the body of the request")
	assert.Equal(t, "Reply or book a demo , or read .", data["snippet"])
	assert.Equal(t, m.ThreadID, data["thread_id"])
	assert.InDelta(t, m.SentAt.Unix(), data["date"], 0)
	assert.Equal(t, []any{object{"name": "Sender", "email": "sender@nylas.test"}}, data["from"])
	assert.Empty(t, data["schedule_id"])
	assert.Equal(t, []any{}, data["cc"])
}

func TestSendKeepsWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.call(http.MethodPost, w.sendPath()+"?fields=standard", mail(object{
		"cc":                  []object{{"email": "cc@example.org"}},
		"bcc":                 []object{{"email": "bcc@example.org"}},
		"reply_to":            []object{{"email": "replies@acme.dev"}},
		"from":                []object{{"name": "Ada", "email": "ada@acme.dev"}},
		"custom_headers":      []object{{"name": "X-Campaign", "value": "q2"}},
		"metadata":            object{"key1": "v"},
		"signature_id":        "sig-1",
		"template":            object{"id": "t-1", "strict": false, "variables": object{"name": "Kim", "n": 1}},
		"reply_to_message_id": "not-known-here",
		"attachments": []object{{
			"filename": "a.txt", "content_type": "text/plain", "content": base64.StdEncoding.EncodeToString([]byte("hello")),
			"content_id": "logo", "content_disposition": "inline",
		}},
		"body":         `<img src="cid:logo"> hi`,
		"is_plaintext": false,
	}), "Idempotency-Key", "key-1")
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	m := w.server.Messages()[0]
	assert.Equal(t, events.Participant{Name: "Ada", Email: "ada@acme.dev"}, m.From)
	assert.Equal(t, []events.Participant{{Name: "Kim Townsend", Email: "kim@example.org"}}, m.To)
	assert.Equal(t, []events.Participant{{Email: "cc@example.org"}}, m.CC)
	assert.Equal(t, []events.Participant{{Email: "bcc@example.org"}}, m.BCC)
	assert.Equal(t, []events.Participant{{Email: "replies@acme.dev"}}, m.ReplyTo)
	assert.Equal(t, []nylastest.Header{{Name: "X-Campaign", Value: "q2"}}, m.CustomHeaders)
	assert.Equal(t, map[string]string{"key1": "v"}, m.Metadata)
	assert.Equal(t, "sig-1", m.SignatureID)
	assert.Equal(t, "not-known-here", m.ReplyToMessageID)
	assert.Equal(t, "key-1", m.IdempotencyKey)
	assert.Equal(t, []nylastest.Attachment{{Filename: "a.txt", ContentType: "text/plain", ContentID: "logo", Size: 5}}, m.Attachments)
	assert.Equal(t, nylastest.Tracking{Opens: true, Links: true, ThreadReplies: true, Label: "trial-followup-q2"}, m.Tracking)
	attachment := a.data()["attachments"].([]any)[0].(object)
	assert.InDelta(t, 5, attachment["size"], 0)
	assert.Equal(t, true, attachment["is_inline"])

	m.To[0].Email, m.Metadata["key1"] = "changed", "changed"
	again, ok := w.server.Message(m.ID)
	require.True(t, ok)
	assert.Equal(t, "kim@example.org", again.To[0].Email, "messages are copies")
	assert.Equal(t, "v", again.Metadata["key1"])
}

func TestSendMultipart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	build := func(parts func(*multipart.Writer)) (body, contentType string) {
		var b bytes.Buffer
		m := multipart.NewWriter(&b)
		parts(m)
		require.NoError(t, m.Close())
		return b.String(), m.FormDataContentType()
	}
	message, err := json.Marshal(mail())
	require.NoError(t, err)

	body, contentType := build(func(m *multipart.Writer) {
		require.NoError(t, m.WriteField("message", string(message)))
		part, err := m.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {`form-data; name="logo"; filename="logo.png"`},
			"Content-Type":        {"image/png"},
		})
		require.NoError(t, err)
		_, err = part.Write(make([]byte, 4<<20)) // more than JSON may have
		require.NoError(t, err)
	})
	a := w.call(http.MethodPost, w.sendPath(), body, "Content-Type", contentType)
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	m := w.server.Messages()[0]
	assert.Equal(t, []nylastest.Attachment{{Filename: "logo.png", ContentType: "image/png", ContentID: "logo", Size: 4 << 20}}, m.Attachments)
	assert.Len(t, m.Links, 2)

	body, contentType = build(func(m *multipart.Writer) { require.NoError(t, m.WriteField("file0", "x")) })
	a = w.call(http.MethodPost, w.sendPath(), body, "Content-Type", contentType)
	a.refused(400, "api.invalid_request_error", "error parsing request: no part message")

	body, contentType = build(func(m *multipart.Writer) {
		require.NoError(t, m.WriteField("message", string(message)))
		require.NoError(t, m.WriteField("message", string(message)))
	})
	a = w.call(http.MethodPost, w.sendPath(), body, "Content-Type", contentType)
	a.refused(400, "api.invalid_request_error", "error parsing request: two parts message")

	a = w.call(http.MethodPost, w.sendPath(), body[:len(body)-20], "Content-Type", contentType)
	a.refused(400, "api.invalid_request_error", "error parsing request")
	a = w.call(http.MethodPost, w.sendPath(), "no parts", "Content-Type", contentType)
	a.refused(400, "api.invalid_request_error", "error parsing request: no part message")
	assert.Len(t, w.server.Messages(), 1)
}

func TestSendHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	names := func(fields string) []string {
		a := w.call(http.MethodPost, w.sendPath()+"?fields="+fields, mail(object{
			"reply_to_message_id": "m-1", "custom_headers": []object{{"name": "X-Campaign", "value": "q2"}},
		}))
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		var names []string
		headers, _ := a.data()["headers"].([]any)
		for _, h := range headers {
			names = append(names, h.(object)["name"].(string))
		}
		return names
	}
	assert.Empty(t, names("standard"))
	assert.Equal(t, []string{"Message-ID", "In-Reply-To", "References"}, names("include_basic_headers"))
	assert.Equal(t, []string{"Message-ID", "In-Reply-To", "References", "Date", "Subject", "MIME-Version", "X-Campaign"}, names("include_headers"))
	w.call(http.MethodPost, w.sendPath()+"?fields=all", mail()).
		refused(400, "api.invalid_request_error", "fields must be standard, include_headers or include_basic_headers")
	w.call(http.MethodPost, w.sendPath()+"?fields=standard&fields=standard", mail()).
		refused(400, "api.invalid_request_error", `query parameter "fields" is given twice`)
	w.call(http.MethodPost, w.sendPath()+"?fields=%zz", mail()).
		refused(400, "api.invalid_request_error", "error parsing query")
}

func TestSendRefuses(t *testing.T) {
	t.Parallel()
	tooMany := func(n int) string { return strings.Repeat(`<a href="https://acme.dev/">x</a>`, n) }
	metadata := func(n int) object {
		m := object{}
		for i := range n {
			m[strconv.Itoa(i)] = "v"
		}
		return m
	}
	tracking := func(changes object) object {
		o := object{"opens": true}
		maps.Copy(o, changes)
		return object{"tracking_options": o}
	}
	const (
		domain = "tracking_options.domain_name must be an active custom hostname for this organization"
		label  = "The message has not been sent. Please try resending with open tracking disabled."
	)
	now := time.Now().Unix()
	for name, test := range map[string]struct {
		change  object
		typ     string // "" is api.invalid_request_error
		message string
	}{
		"no to":                   {object{"to": nil}, "", "to must have at least one recipient"},
		"empty to":                {object{"to": []object{}}, "", "to must have at least one recipient"},
		"no address":              {object{"to": []object{{"name": "Kim"}}}, "", "to[0].email is not an address"},
		"bad address":             {object{"cc": []object{{"email": "kim@"}}}, "", "cc[0].email is not an address"},
		"address of two lines":    {object{"to": []object{{"email": "kim@example.org\r\nBcc: lee@example.org"}}}, "", "to[0].email is not an address"},
		"header without a name":   {object{"custom_headers": []object{{"name": "", "value": "v"}}}, "", "custom_headers[0].name is not the name of a header"},
		"header name with colon":  {object{"custom_headers": []object{{"name": "X-A", "value": "v"}, {"name": "X:B", "value": "v"}}}, "", "custom_headers[1].name is not the name of a header"},
		"header name, two lines":  {object{"custom_headers": []object{{"name": "X-A\r\nBcc", "value": "v"}}}, "", "custom_headers[0].name is not the name of a header"},
		"header value, two lines": {object{"custom_headers": []object{{"name": "X-A", "value": "v\nBcc: lee@example.org"}}}, "", "custom_headers[0].value has a line break or another control character"},
		"type of two lines":       {object{"attachments": []object{{"content_type": "a/b\r\nX-A: v", "content": ""}}}, "", "attachments[0].content_type has a line break or another control character"},
		"two senders":             {object{"from": []object{{"email": "a@b.c"}, {"email": "d@e.f"}}}, "", "from must have one sender at most"},
		"wrong type":              {object{"to": []object{{"email": 1}}}, "", `error parsing request body: wrong type at "/to/0/email"`},
		"metadata pairs":          {object{"metadata": metadata(51)}, "", "metadata has more than 50 pairs"},
		"metadata key":            {object{"metadata": object{strings.Repeat("ä", 41): "v"}}, "", "a metadata key is longer than 40 characters or a value than 500"},
		"metadata value":          {object{"metadata": object{"k": strings.Repeat("ä", 501)}}, "", "a metadata key is longer than 40 characters or a value than 500"},
		"draft without time":      {object{"use_draft": true}, "", "use_draft needs send_at"},
		"past":                    {object{"send_at": now - 10}, "", "send_at is in the past"},
		"31 days":                 {object{"send_at": now + 31*24*3600}, "", "send_at is more than 30 days ahead"},
		"template":                {object{"template": object{"id": "t"}, "body": nil}, "", "template.id: this emulator has no templates, so subject and body must be given"},
		"attachment not base64":   {object{"attachments": []object{{"content": "%"}}}, "", "attachments[0].content is not base64"},
		"attachment of upload":    {object{"attachments": []object{{"id": "x"}}}, "", "attachments[0].id is not a completed upload"},
		"label":                   {tracking(object{"label": strings.Repeat("ä", 2049)}), "", label},
		"label, links":            {tracking(object{"label": strings.Repeat("ä", 2049), "opens": false, "links": true}), "", label},
		"label, only replies":     {tracking(object{"label": strings.Repeat("x", 2049), "opens": false, "thread_replies": true}), "", "The message has not been sent. Please try resending with reply tracking disabled."},
		"domain unknown":          {tracking(object{"domain_name": "other.acme.dev"}), "", domain},
		"domain empty":            {tracking(object{"domain_name": ""}), "", domain},
		"domain, only replies":    {tracking(object{"domain_name": "track.acme.dev", "opens": false, "thread_replies": true}), "", domain},
		"domain with two dots":    {tracking(object{"domain_name": "track.acme.dev.."}), "", domain},
		"too many links":          {object{"body": tooMany(101)}, "", "Too many tracking links: 101 exceeds the maximum of 100. Please reduce the number of links in your email."},
		"denied link":             {object{"body": `<a href="https://example.com/demo">x</a>`}, "api.tracking_error", "https://example.com/demo has been reported as phishing or spam. please remove the link from your email."},
		"denied in other letters": {object{"body": `<a href="https://Example.com.">x</a>`}, "api.tracking_error", "https://Example.com. has been reported as phishing or spam. please remove the link from your email."},
		"denied beside too many":  {object{"body": tooMany(101) + `<a href="https://example.com/">x</a>`}, "api.tracking_error", "https://example.com/ has been reported as phishing or spam. please remove the link from your email."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nylastest.WithTrackingDomains("track.acme.dev"))
			typ := test.typ
			if typ == "" {
				typ = "api.invalid_request_error"
			}
			w.call(http.MethodPost, w.sendPath(), mail(test.change)).refused(400, typ, test.message)
			assert.Empty(t, w.server.Messages())
		})
	}
}

func TestSendTakes(t *testing.T) {
	t.Parallel()
	const otherHost = `<a href="https://notexample.com/">x</a>`
	for name, change := range map[string]object{
		"label of 2048 characters":        {"tracking_options": object{"opens": true, "label": strings.Repeat("ä", 2048)}},
		"100 links":                       {"body": strings.Repeat(`<a href="https://acme.dev/">x</a>`, 100)},
		"101 links without link tracking": {"body": strings.Repeat(`<a href="https://acme.dev/">x</a>`, 101), "tracking_options": object{"opens": true}},
		"101 http links":                  {"body": strings.Repeat(`<a href="http://acme.dev/">x</a>`, 101)},
		"example.com without tracking":    {"body": `<a href="https://example.com/">x</a>`, "tracking_options": nil},
		"example.com in plain text":       {"body": `<a href="https://example.com/">x</a>`, "is_plaintext": true},
		"example.com over http":           {"body": `<a href="http://example.com/">x</a>`},
		"a host that only ends like it":   {"body": otherHost},
		"no options":                      {"tracking_options": nil},
		"a tab in a header":               {"custom_headers": []object{{"name": "X-A", "value": "a\tb"}}},
		"no body":                         {"body": nil},
		"metadata at its limits":          {"metadata": object{strings.Repeat("k", 40): strings.Repeat("v", 500)}},
		"a draft in 31 days":              {"send_at": time.Now().Add(31 * 24 * time.Hour).Unix(), "use_draft": true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a := w.call(http.MethodPost, w.sendPath(), mail(change))
			assert.Equal(t, http.StatusOK, a.status, "%s", a.body)
		})
	}
	t.Run("options that are null", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		a := w.call(http.MethodPost, w.sendPath(), `{"to":[{"email":"kim@example.org"}],"tracking_options":null}`)
		assert.Equal(t, http.StatusOK, a.status, "%s", a.body)
	})
}

func TestTrialRefusesTracking(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nylastest.WithTrial())
	const message = "Tracking options are not allowed for trial accounts"
	w.call(http.MethodPost, w.sendPath(), mail()).refused(400, "api.invalid_request_error", message)
	w.call(http.MethodPost, w.sendPath(), mail(object{"tracking_options": object{}})).refused(400, "api.invalid_request_error", message)
	a := w.call(http.MethodPost, w.sendPath(), mail(object{"tracking_options": nil}))
	assert.Equal(t, http.StatusOK, a.status)
}

func TestSendBodyRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, contentType := range []string{"application/json; charset=utf-8", "text/plain", "", "multipart/form-data"} {
		w.call(http.MethodPost, w.sendPath(), mail(), "Content-Type", contentType).
			refused(400, "api.invalid_request_error", "request must be of content-type multipart/form-data or application/json")
	}
	for _, body := range []string{"", "{", "[]x", `{"to":[],"to":[]}`} {
		w.call(http.MethodPost, w.sendPath(), body, "Content-Type", "application/json").
			refused(400, "api.invalid_request_error", "error parsing request body")
	}
	const limit = 3 << 20
	request := func(size int) string {
		const start, end = `{"to":[{"email":"kim@example.org"}],"body":"`, `"}`
		return start + strings.Repeat("x", size-len(start)-len(end)) + end
	}
	a := w.call(http.MethodPost, w.sendPath(), request(limit))
	assert.Equal(t, http.StatusOK, a.status)
	w.call(http.MethodPost, w.sendPath(), request(limit+1)).
		refused(400, "api.invalid_request_error", "max size of attachments for json is 3MB, received '3145729'")

	// Without a declared length.
	long := w.request(http.MethodPost, w.sendPath(), nil, "Content-Type", "application/json")
	long.Body, long.ContentLength = http.NoBody, -1
	long.Body = readCloser{strings.NewReader(request(limit + 100))}
	response, err := w.server.HTTPClient().Do(long)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, http.StatusBadRequest, response.StatusCode)
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func TestWhoMaySend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, authorization := range []string{"", "Bearer wrong", w.server.APIKey(), "Basic " + w.server.APIKey()} {
		a := w.call(http.MethodPost, w.sendPath(), mail(), "Authorization", authorization)
		a.refused(http.StatusUnauthorized, "unauthorized", "Unauthorized")
		assert.Equal(t, object{"code": 401., "message": "Unauthorized"}, a.object()["error"].(object)["provider_error"])
	}
	other := w.server.AddGrant("Ada", "Ada@acme.dev")
	for name, grantID := range map[string]string{
		w.server.GrantID():            w.server.GrantID(),
		"grant:" + w.server.GrantID(): w.server.GrantID(),
		"sender@nylas.test":           w.server.GrantID(),
		"email:sender%40nylas.test":   w.server.GrantID(),
		other:                         other,
		"ada@acme.dev":                other,
	} {
		a := w.call(http.MethodPost, "/v3/grants/"+name+"/messages/send", mail())
		if assert.Equal(t, http.StatusOK, a.status, "%s: %s", name, a.body) {
			assert.Equal(t, grantID, a.object()["grant_id"], name)
		}
	}
	for _, name := range []string{"nobody", "me", "grant:sender@nylas.test", "email:" + other, "external:1"} {
		w.call(http.MethodPost, "/v3/grants/"+name+"/messages/send", mail()).
			refused(http.StatusNotFound, "api.not_found_error", "grant not found")
	}
}

func TestUnknownPaths(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/", "/v3/webhook", "/v3/webhooks/x/rotate-secret", "/v3//webhooks", "/v3/grants/../webhooks", w.sendPath() + "/"} {
		a := w.call(http.MethodPost, path, nil)
		assert.Equal(t, http.StatusNotFound, a.status, path)
		assert.Equal(t, "Cannot POST "+path, string(a.body))
		assert.NotContains(t, a.header.Get("Content-Type"), "json")
	}
	// So is another method of a known path, and a slash behind one, but behind /v3/webhooks.
	for _, request := range []string{
		"PATCH " + w.sendPath(), "GET " + w.sendPath() + "/x", "DELETE " + w.messagesPath(), "POST " + w.grantPath("threads"),
		"PUT " + w.grantPath("folders/INBOX"), "GET " + w.messagesPath() + "/", "GET /v3/grants/", "GET " + w.grantPath("threads/"),
		"PUT /v3/webhooks", "GET /v3/webhooks/x/", "POST /v3/activity/tracking", "GET /v2/grants", "GET /v3",
	} {
		method, path, _ := strings.Cut(request, " ")
		a := w.call(method, path, nil)
		assert.Equal(t, http.StatusNotFound, a.status, request)
		assert.Equal(t, "Cannot "+request, string(a.body))
	}
	assert.Equal(t, http.StatusOK, w.call(http.MethodGet, "/v3/webhooks/", nil).status)
}

func TestScheduledSend(t *testing.T) {
	t.Parallel()
	for name, onTop := range map[string]bool{"in data": false, "on top": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nylastest.WithReadings(nylastest.Readings{ScheduleOnTop: onTop}))
				w.subscribe(appURL, events.TypeMessageSendSuccess, events.TypeMessageSendFailed, events.TypeMessageOpened)
				at := time.Now().Add(time.Hour).Unix()
				a := w.call(http.MethodPost, w.sendPath(), mail(object{"send_at": at}))
				schedule := a.object()
				want := http.StatusAccepted
				if !onTop {
					schedule, want = a.data(), http.StatusOK
				}
				assert.Equal(t, want, a.status)
				assert.NotEmpty(t, schedule["schedule_id"])
				assert.InDelta(t, at, schedule["send_at"], 0)
				assert.Equal(t, false, schedule["use_draft"])
				assert.Equal(t, w.server.GrantID(), a.object()["grant_id"])

				w.wait()
				pass(time.Hour - time.Second)
				assert.Empty(t, w.server.Messages())
				pass(time.Second)
				n := w.one()
				require.IsType(t, &events.MessageSendSuccess{}, n.Data)
				m := w.server.Messages()[0]
				sent := n.Data.(*events.MessageSendSuccess).Message
				assert.Equal(t, "/nylas/send", n.Source)
				assert.Equal(t, m.ID, sent.ID)
				assert.Equal(t, schedule["schedule_id"], sent.ScheduleID)
				assert.Equal(t, m.ScheduleID, sent.ScheduleID)
				assert.Equal(t, at, sent.SendAt.Unix())
				assert.Equal(t, at, m.SentAt.Unix())
				require.NoError(t, w.recipient(m).Open(t.Context()))
				assert.Equal(t, events.TypeMessageOpened, w.one().Type)
			})
		})
	}
}

func TestScheduledSendFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.subscribe(appURL, events.TypeMessageSendSuccess, events.TypeMessageSendFailed)
		require.NoError(t, w.server.Inject(
			nylastest.Fault{
				Endpoint: nylastest.EndpointScheduledSend,
				Inside:   nylastest.ErrorAnswer(550, "api.provider_error", "mailbox unavailable"),
			},
			nylastest.Fault{
				Endpoint: nylastest.EndpointScheduledSend,
				Inside:   nylastest.GatewayAnswer(http.StatusServiceUnavailable),
			}))
		var failures []*events.MessageSendFailed
		for i := range 2 {
			at := time.Now().Add(time.Hour)
			a := w.call(http.MethodPost, w.sendPath(), mail(object{"send_at": at.Unix()}))
			require.Equal(t, http.StatusOK, a.status, "%d: %s", i, a.body)
			pass(time.Hour)
			n := w.one()
			require.IsType(t, &events.MessageSendFailed{}, n.Data)
			failed := n.Data.(*events.MessageSendFailed)
			assert.Equal(t, a.data()["schedule_id"], failed.Message.ScheduleID)
			failures = append(failures, failed)
		}
		assert.Equal(t, &events.SendError{Type: "api.provider_error", Message: "mailbox unavailable", StatusCode: 550}, failures[0].Error)
		assert.Equal(t, &events.SendError{Type: "api.provider_error", Message: "service unavailable", StatusCode: 503}, failures[1].Error)
		assert.Empty(t, w.server.Messages())
	})
}
