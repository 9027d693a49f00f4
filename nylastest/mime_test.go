package nylastest_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	netmail "net/mail"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

// multipartOf is a request with the given parts, as name and content in turns.
func multipartOf(t *testing.T, parts ...string) (body, contentType string) {
	t.Helper()
	var out strings.Builder
	writer := multipart.NewWriter(&out)
	for i := 0; i < len(parts); i += 2 {
		require.NoError(t, writer.WriteField(parts[i], parts[i+1]))
	}
	require.NoError(t, writer.Close())
	return out.String(), writer.FormDataContentType()
}

func TestSendMIME(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raw := "From: Sales <sales@acme.dev>\r\nTo: Kim <kim@example.org>, lee@example.org\r\nCc: c@example.org\r\n" +
		"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n" +
		"--b\r\n\r\nplain\r\n--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>Hi=3D</p>\r\n--b--\r\n"
	body, contentType := multipartOf(t, "mime", raw)
	send := func() string {
		a := w.call(http.MethodPost, w.sendPath()+"?type=mime", body, "Content-Type", contentType, "Idempotency-Key", "k")
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		return a.data()["id"].(string)
	}
	id := send()
	assert.Equal(t, id, send(), "the key is known")
	m, _ := w.server.Message(id)
	assert.Equal(t, "Sales", m.From.Name)
	assert.Equal(t, []events.Participant{{Name: "Kim", Email: "kim@example.org"}, {Email: "lee@example.org"}}, m.To)
	assert.Equal(t, []events.Participant{{Email: "c@example.org"}}, m.CC)
	assert.Equal(t, "Grüße", m.Subject)
	assert.Equal(t, "<p>Hi=</p>", m.Body)
	assert.Equal(t, nylastest.Tracking{}, m.Tracking)
	assert.Equal(t, "k", m.IdempotencyKey)
	got := w.call(http.MethodGet, w.messagesPath()+"/"+id+"?fields=raw_mime", nil).data()
	assert.Equal(t, []string{"grant_id", "id", "object", "raw_mime"}, keys(got))
	decoded, err := base64.URLEncoding.DecodeString(got["raw_mime"].(string))
	require.NoError(t, err)
	assert.Equal(t, raw, string(decoded))
	assert.Equal(t, []any{got}, w.list(w.messagesPath()+"?fields=raw_mime"))
}

// TestRawMIME: what was not sent in MIME form has one too, attachments included.
func TestRawMIME(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sent := w.send(object{"subject": "Grüße", "attachments": []object{{"filename": "a.txt", "content_type": "text/plain", "content": "aGVsbG8="}}})
	_, err := w.recipient(sent).Reply(t.Context())
	require.NoError(t, err)
	var raws []*netmail.Message
	for _, e := range w.list(w.messagesPath() + "?fields=raw_mime") {
		decoded, err := base64.URLEncoding.DecodeString(e.(object)["raw_mime"].(string))
		require.NoError(t, err)
		m, err := netmail.ReadMessage(bytes.NewReader(decoded))
		require.NoError(t, err)
		raws = append(raws, m)
	}
	require.Len(t, raws, 2)
	assert.NotEmpty(t, raws[0].Header.Get("Received"))
	text, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, raws[0].Body))
	require.NoError(t, err)
	assert.Equal(t, "<p>Thank you for your message.</p>", string(text))

	subject, err := new(mime.WordDecoder).DecodeHeader(raws[1].Header.Get("Subject"))
	require.NoError(t, err)
	assert.Equal(t, "Grüße", subject)
	_, parameters, err := mime.ParseMediaType(raws[1].Header.Get("Content-Type"))
	require.NoError(t, err)
	parts := multipart.NewReader(raws[1].Body, parameters["boundary"])
	var contents []string
	for range 2 {
		part, err := parts.NextPart()
		require.NoError(t, err)
		content, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, part))
		require.NoError(t, err)
		contents = append(contents, part.FileName()+": "+string(content))
	}
	assert.Equal(t, []string{": " + sent.Body, "a.txt: hello"}, contents)
}

// TestRawMIMEDescribesItsOwnBody: a header of the sender does not say what the body is.
func TestRawMIMEDescribesItsOwnBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sent := w.send(object{"custom_headers": []object{
		{"name": "Content-Type", "value": "text/plain"}, {"name": "content-transfer-encoding", "value": "8bit"}, {"name": "X-A", "value": "v"},
	}})
	got := w.call(http.MethodGet, w.messagesPath()+"/"+sent.ID+"?fields=raw_mime", nil).data()
	decoded, err := base64.URLEncoding.DecodeString(got["raw_mime"].(string))
	require.NoError(t, err)
	m, err := netmail.ReadMessage(bytes.NewReader(decoded))
	require.NoError(t, err)
	assert.Equal(t, []string{"text/html; charset=utf-8"}, m.Header["Content-Type"])
	assert.Equal(t, []string{"base64"}, m.Header["Content-Transfer-Encoding"])
	assert.Equal(t, "v", m.Header.Get("X-A"))
}

func TestSendMIMERefuses(t *testing.T) {
	t.Parallel()
	fake := &fakeT{}
	w := &world{t: t, server: nylastest.NewServer(fake, nylastest.WithNetwork(nylastest.NewNetwork()))}
	path := w.sendPath() + "?type=mime"
	for message, parts := range map[string][]string{
		"error parsing request: no part mime":        {"mim", "To: a@b.c\r\n\r\n"},
		"mime: the headers cannot be parsed":         {"mime", "x"},
		"mime: there is no recipient":                {"mime", "Subject: x\r\n\r\n"},
		"mime: the addresses in To cannot be parsed": {"mime", "To: a b\r\n\r\n"},
		`unknown part "message"`:                     {"mime", "To: a@b.c\r\n\r\n", "message", "{}"},
	} {
		body, contentType := multipartOf(t, parts...)
		w.call(http.MethodPost, path, body, "Content-Type", contentType).refused(http.StatusBadRequest, "api.invalid_request_error", message)
	}
	w.call(http.MethodPost, path, mail()).refused(http.StatusBadRequest, "api.invalid_request_error",
		"type=mime needs a request of content-type multipart/form-data")
	w.call(http.MethodPost, w.sendPath()+"?type=json", mail()).refused(http.StatusBadRequest, "api.invalid_request_error", "type must be mime")
	fake.end()
	assert.Len(t, fake.failures, 1, "%v", fake.failures)
	assert.Empty(t, w.server.Messages())
}
