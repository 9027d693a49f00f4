package nylas_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

const (
	largestJSON      = 3_000_000
	largestMultipart = 25 << 20
)

// eachContent has an attachment of each kind. The first one has what must be escaped.
func eachContent(tb testing.TB) []nylas.Attachment {
	tb.Helper()
	return []nylas.Attachment{
		{Filename: `Größe "1".txt`, ContentType: "text/plain", Content: nylas.BytesContent([]byte("bytes"))},
		{ContentID: "logo", Content: nylas.FSContent(fstest.MapFS{"assets/logo.png": {Data: []byte{0, 1, 2}}}, "assets/logo.png")},
		{Content: nylas.FileContent(fileWith(tb, "offer.pdf", "%PDF-"))},
		{Filename: "empty", Content: streamOf(0, "")},
		{Filename: "once.bin", ContentType: "application/x-once; v=1", Content: nylas.ReaderContent(4, strings.NewReader("once"))},
	}
}

func TestAttachmentsAsJSON(t *testing.T) {
	t.Parallel()
	var length int64
	w := newWire(t, announced(&length, answersFile(t, 200, messageAnswer)))
	req := attached(eachContent(t)...)
	req.Body = `<img src="cid:logo">`
	_, err := w.client(t).Messages.Send(t.Context(), testGrant, req, nylas.WithIdempotencyKey(testKey))
	require.NoError(t, err)
	assertRecorded(t, "http/messages.send.attachments.request.json", w.requests()[0])
	assert.EqualValues(t, len(w.requests()[0].body), length)
}

func TestAttachmentsAsMultipart(t *testing.T) {
	t.Parallel()
	length := int64(0)
	w := newWire(t, announced(&length, answersFile(t, 200, messageAnswer)))
	req := attached(append(eachContent(t), nylas.Attachment{Filename: "unknown", Content: streamOf(nylas.UnknownSize, "unknown\r\n")})...)
	req.Body = `<img src="cid:logo">`
	_, err := w.client(t).Messages.Send(t.Context(), testGrant, req, nylas.WithIdempotencyKey(testKey))
	require.NoError(t, err)
	assert.Equal(t, nylas.UnknownSize, length)

	// HMAC-SHA256 of "boundary " and the Idempotency-Key, by the API key.
	const boundary = "nylas-go-35ad304a30e180d830a23efab7f1415c"
	got := w.requests()[0]
	assert.Equal(t, "multipart/form-data; boundary="+boundary, got.header.Get("Content-Type"))
	assert.Equal(t, strings.Join([]string{
		"--" + boundary,
		`Content-Disposition: form-data; name="message"`,
		"Content-Type: application/json",
		"",
		`{"to":[{"email":"kim@example.org"}],"body":"<img src=\"cid:logo\">"}`,
		"--" + boundary,
		`Content-Disposition: form-data; name="file0"; filename="Größe %221%22.txt"`,
		"Content-Type: text/plain",
		"",
		"bytes",
		"--" + boundary,
		`Content-Disposition: form-data; name="logo"; filename="logo.png"`,
		"Content-Type: image/png",
		"",
		"\x00\x01\x02",
		"--" + boundary,
		`Content-Disposition: form-data; name="file2"; filename="offer.pdf"`,
		"Content-Type: application/pdf",
		"",
		"%PDF-",
		"--" + boundary,
		`Content-Disposition: form-data; name="file3"; filename="empty"`,
		"Content-Type: application/octet-stream",
		"",
		"",
		"--" + boundary,
		`Content-Disposition: form-data; name="file4"; filename="once.bin"`,
		"Content-Type: application/x-once; v=1",
		"",
		"once",
		"--" + boundary,
		`Content-Disposition: form-data; name="file5"; filename="unknown"`,
		"Content-Type: application/octet-stream",
		"",
		"unknown\r\n",
		"--" + boundary + "--",
		"",
	}, "\r\n"), string(got.body))
}

// TestTextIsTheSameInBothForms: whether a message is sent as JSON or as a multipart form
// depends on its size, which must not change a character of it.
func TestTextIsTheSameInBothForms(t *testing.T) {
	t.Parallel()
	for form, content := range map[string]nylas.AttachmentContent{
		"application/json": nylas.BytesContent([]byte("x")), "multipart/form-data": streamOf(nylas.UnknownSize, "x"),
	} {
		w := newWire(t, answersFile(t, 200, messageAnswer))
		req := attached(nylas.Attachment{Filename: "f", Content: content})
		req.Subject, req.Body = "De l’idée à 5 €", "<p>日本 & 5 € 🙂</p>"
		req.Metadata = map[string]string{"myCustomKey": "v", "my_custom_key": "w"}
		_, err := w.client(t).Messages.Send(t.Context(), testGrant, req)
		require.NoError(t, err)
		sent := w.requests()[0]
		assert.Contains(t, sent.header.Get("Content-Type"), form)
		assert.Contains(t, string(sent.body), `"subject":"De l’idée à 5 €","body":"<p>日本 & 5 € 🙂</p>"`, form)
		assert.Contains(t, string(sent.body), `"metadata":{"myCustomKey":"v","my_custom_key":"w"}`, form)
	}
}

// TestBoundary has what the boundary depends on: who does not know the API key
// cannot know it.
func TestBoundary(t *testing.T) {
	t.Parallel()
	boundaryOf := func(apiKey, key string) string {
		w := newWire(t, answersFile(t, 200, messageAnswer))
		client, err := nylas.NewClient(apiKey, nylas.WithHTTPClient(&http.Client{Transport: w.mock}))
		require.NoError(t, err)
		_, err = client.Messages.Send(t.Context(), testGrant,
			attached(nylas.Attachment{Filename: "f", Content: streamOf(nylas.UnknownSize, "x")}), nylas.WithIdempotencyKey(key))
		require.NoError(t, err)
		_, parameters, err := mime.ParseMediaType(w.requests()[0].header.Get("Content-Type"))
		require.NoError(t, err)
		return parameters["boundary"]
	}
	first := boundaryOf(testAPIKey, testKey)
	assert.Equal(t, first, boundaryOf(testAPIKey, testKey))
	assert.NotEqual(t, first, boundaryOf(testAPIKey, testKey+"2"))
	assert.NotEqual(t, first, boundaryOf(testAPIKey+"2", testKey))
	assert.NotContains(t, first, testKey)
}

// TestTooLarge has the largest request, and what is refused before anything is opened.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	var length int64
	w := newWire(t, announced(&length, answersFile(t, 200, messageAnswer)))
	client := w.client(t)
	const size = largestMultipart - 1000
	_, err := client.Messages.Send(t.Context(), testGrant, attached(nylas.Attachment{Filename: "f", Content: zeros(size, size)}))
	require.NoError(t, err)
	assert.EqualValues(t, len(w.requests()[0].body), length)
	largest := size + largestMultipart - length

	w = newWire(t, announced(&length, answersFile(t, 200, messageAnswer)))
	client = w.client(t)
	_, err = client.Messages.Send(t.Context(), testGrant, attached(nylas.Attachment{Filename: "f", Content: zeros(largest, largest)}))
	require.NoError(t, err)
	assert.EqualValues(t, largestMultipart, length)

	// Of unknown size it can be as large. That shows only when it is read.
	sendUnknown := func(size int64) error {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			length, _ = io.Copy(io.Discard, r.Body)
			_, _ = w.Write([]byte(`{"data":{"id":"m-1"}}`))
		}))
		defer server.Close()
		_, err := realClient(t, server.URL, 1).Messages.Send(t.Context(), testGrant,
			attached(nylas.Attachment{Filename: "f", Content: zeros(nylas.UnknownSize, size)}))
		return err
	}
	require.NoError(t, sendUnknown(largest))
	assert.EqualValues(t, largestMultipart, length)
	err = sendUnknown(largest + 1)
	require.ErrorIs(t, err, nylas.ErrInvalidRequest)
	require.ErrorContains(t, err, "the request has more than 26214400 bytes")

	_, err = newWire(t).client(t).Messages.Send(t.Context(), testGrant, attached(nylas.Attachment{
		Filename: "f", Content: nylas.StreamContent(largest+1, func() (io.ReadCloser, error) {
			t.Error("a content was opened")
			return nil, errors.New("opened")
		}),
	}))
	assertSentinels(t, err, nylas.ErrInvalidRequest)
	assert.Zero(t, asError(t, err).Attempts)
	require.EqualError(t, err, "nylas: send message: the request has 26214401 bytes with its attachments, Nylas takes at most 26214400")
}

// TestAttachmentsThatAreRefused has some of what is wrong before any I/O; package
// payload has all of it.
func TestAttachmentsThatAreRefused(t *testing.T) {
	t.Parallel()
	content := nylas.BytesContent([]byte("x"))
	secret := filepath.Join(t.TempDir(), "kim.townsend@example.org", "offer.pdf")
	for _, tt := range []struct {
		name  string
		wrong nylas.Attachment
		want  string
		is    error
	}{
		{name: "nothing", wrong: nylas.Attachment{}, want: "has no Content"},
		{name: "no file", wrong: nylas.Attachment{Content: nylas.FileContent(secret)}, is: fs.ErrNotExist,
			want: "cannot be read: no such file or directory"},
		{name: "no file system", wrong: nylas.Attachment{Content: nylas.FSContent(nil, "f")}, want: "cannot be read: the file system is nil"},
		{name: "no function", wrong: nylas.Attachment{Filename: "f", Content: nylas.StreamContent(1, nil)},
			want: "cannot be read: the function is nil"},
		{name: "no reader", wrong: nylas.Attachment{Filename: "f", Content: nylas.ReaderContent(1, nil)},
			want: "cannot be read: the reader is nil"},
		{name: "directory in the name", wrong: nylas.Attachment{Filename: "../f", Content: content},
			want: "has a Filename with a control character or a directory"},
		{name: "no media type", wrong: nylas.Attachment{Filename: "f", ContentType: "text", Content: content},
			want: "has a ContentType that is not a media type"},
		{name: "name of another part", wrong: nylas.Attachment{Filename: "f", ContentID: "message", Content: content},
			want: "has a ContentID that is the name of another part"},
		{name: "twice the same content id", wrong: nylas.Attachment{Filename: "f", ContentID: "first", Content: content},
			want: "has the same ContentID as another one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			first := nylas.Attachment{Filename: "first", ContentID: "first", Content: content}
			_, err := newWire(t).client(t).Messages.Send(t.Context(), testGrant, attached(first, tt.wrong))
			require.EqualError(t, err, "nylas: send message: Attachments[1] "+tt.want)
			assertSentinels(t, err, nylas.ErrInvalidRequest)
			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
			}
			assertUnmarked(t, err.Error())
		})
	}
}

func TestGetAttachment(t *testing.T) {
	t.Parallel()
	w := newWire(t, answersFile(t, 200, "http/attachments.get.response.json"))
	got, err := w.client(t).Attachments.Get(t.Context(), testGrant, testAttachment, "<m+1@acme.dev>")
	require.NoError(t, err)
	assert.Equal(t, &nylas.AttachmentInfo{
		ID: testAttachment, GrantID: testGrant, Filename: "offer.pdf", ContentType: "application/pdf", Size: 73, ContentID: "c-1",
		ContentDisposition: `attachment; filename="offer.pdf"`,
	}, got)
	assertRecorded(t, "http/attachments.get.request.json", w.requests()[0])
}

// TestDownload: the content comes as it is, and no part of it is in the log or the capture.
func TestDownload(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", markBody, `{"error":{}}`, strings.Repeat("\x00\xff", 1<<20)} {
		var log logBuffer
		var resp nylas.Response
		var exchanges []nylas.Exchange
		w := newWire(t, answers(200, content, "X-Request-Id", "r-1", "Content-Length", "7"))
		body, err := w.client(t, log.option()).Attachments.Download(t.Context(), testGrant, testAttachment, "<m+1@acme.dev>",
			nylas.WithResponse(&resp), nylas.WithCapture(&exchanges))
		require.NoError(t, err)
		assert.Equal(t, "r-1", resp.RequestID)
		assert.Equal(t, "7", resp.Header.Get("Content-Length"))
		got, err := io.ReadAll(body)
		require.NoError(t, err)
		assert.Equal(t, content, string(got))
		require.NoError(t, body.Close())
		assertRecorded(t, "http/attachments.download.request.json", w.requests()[0])
		assertUnmarked(t, log.String())
		assert.InDelta(t, 200, log.records(t)[0]["http.response.status_code"], 0)
		require.Len(t, exchanges, 1)
		assert.Equal(t, 200, exchanges[0].StatusCode)
		assert.Empty(t, exchanges[0].ResponseBody)
	}
}

// TestDownloadIsRepeated: until the content begins, it is a call like all others.
func TestDownloadIsRepeated(t *testing.T) {
	t.Parallel()
	for _, first := range inTurn(loses, answers(429, ""), answers(500, ""), answers(503, ""), answersCut(502, "x")) {
		synctest.Test(t, func(t *testing.T) {
			w := newWire(t, first, answers(200, "content"))
			got, err := download(t.Context(), w.client(t))
			require.NoError(t, err)
			assert.Equal(t, "content", got)
			assert.Len(t, w.requests(), 2)
		})
	}
}

func TestDownloadBreaksOff(t *testing.T) {
	t.Parallel()
	w := newWire(t, answersCut(200, "cont"))
	body, err := w.client(t).Attachments.Download(t.Context(), testGrant, testAttachment, testID)
	require.NoError(t, err)
	got, err := io.ReadAll(body)
	assert.Equal(t, "cont", string(got))
	require.EqualError(t, err, "nylas: download attachment: 200: OK: the content was cut off: unexpected EOF")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assertSentinels(t, err)
	require.NoError(t, body.Close())
}

// TestDownloadEndsWithTheContext: the time limit is over once the content begins, the
// context is not.
func TestDownloadEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		closed := false
		slow := func(r *http.Request) (*http.Response, error) {
			reader, writer := io.Pipe()
			context.AfterFunc(r.Context(), func() { _ = writer.CloseWithError(r.Context().Err()) })
			go func() {
				<-time.After(time.Hour)
				_, _ = writer.Write([]byte("late"))
			}()
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: closing{reader, func() { closed = true }}}, nil
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		body, err := newWire(t, slow).client(t).Attachments.Download(ctx, testGrant, testAttachment, testID, nylas.WithTimeout(time.Second))
		require.NoError(t, err)
		part := make([]byte, 4)
		_, err = io.ReadFull(body, part)
		require.NoError(t, err)
		assert.Equal(t, "late", string(part))
		cancel(errStop)
		_, err = body.Read(part)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, errStop)
		assert.Contains(t, err.Error(), "nylas: download attachment: 200: OK: the content was cut off: context canceled: the program stops")
		require.NoError(t, body.Close())
		assert.True(t, closed)
	})
}

// TestDownloadIsReleased: what was closed before its end holds no context.
func TestDownloadIsReleased(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(io.ReadCloser) error{
		"closed": io.ReadCloser.Close,
		"read": func(body io.ReadCloser) error {
			_, err := io.Copy(io.Discard, body)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked context.Context
			w := newWire(t, func(r *http.Request) (*http.Response, error) {
				asked = r.Context()
				return answers(200, "content")(r)
			})
			body, err := w.client(t).Attachments.Download(t.Context(), testGrant, testAttachment, testID)
			require.NoError(t, err)
			require.NoError(t, asked.Err())
			require.NoError(t, end(body))
			require.ErrorIs(t, asked.Err(), context.Canceled)
		})
	}
}

func TestAttachmentsRefuse(t *testing.T) {
	t.Parallel()
	s, ctx := newWire(t).client(t).Attachments, t.Context()
	for want, err := range map[string]error{
		"get attachment: message_id is empty":         second(s.Get(ctx, testGrant, testAttachment, "")),
		"download attachment: message_id is empty":    second(s.Download(ctx, testGrant, testAttachment, "")),
		"download attachment: attachment_id is empty": second(s.Download(ctx, testGrant, "", testID)),
	} {
		require.EqualError(t, err, "nylas: "+want)
		assertSentinels(t, err, nylas.ErrInvalidRequest)
	}
}

// closing tells when a body is closed.
type closing struct {
	io.Reader
	close func()
}

func (c closing) Close() error {
	c.close()
	return nil
}
