package nylas_test

import (
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
