package nylas_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

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

// TestJSONUpToItsLimit goes around the limit by one byte of base64 at a time,
// which is four of the request.
func TestJSONUpToItsLimit(t *testing.T) {
	t.Parallel()
	sendSize := func(padding, size int) (length int64, contentType string, body []byte) {
		w := newWire(t, announced(&length, answersFile(t, 200, messageAnswer)))
		req := attached(nylas.Attachment{Filename: "f", Content: nylas.BytesContent(bytes.Repeat([]byte{'x'}, size))})
		req.Subject = strings.Repeat("s", padding)
		_, err := w.client(t).Messages.Send(t.Context(), testGrant, req)
		require.NoError(t, err)
		return length, w.requests()[0].header.Get("Content-Type"), w.requests()[0].body
	}
	length, _, _ := sendSize(1, 0)
	around := int(length) - 1
	for _, tt := range []struct {
		name          string
		padding, size int
		json          bool
	}{
		{"at the limit", largestJSON - around - 4*1000, 3000, true},
		{"padded in base64", largestJSON - around - 4*1000, 2998, true},
		{"a byte of the message more", largestJSON - around - 4*1000 + 1, 3000, false},
		{"a byte of the attachment more", largestJSON - around - 4*1000, 3001, false},
		{"small message", 4 + (largestJSON-around)%4, (largestJSON - around - 4) / 4 * 3, true},
		{"small message, a byte more", 4 + (largestJSON-around)%4, (largestJSON-around-4)/4*3 + 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			length, contentType, body := sendSize(tt.padding, tt.size)
			assert.EqualValues(t, len(body), length)
			if !tt.json {
				assert.Contains(t, contentType, "multipart/form-data; ")
				return
			}
			assert.Equal(t, "application/json", contentType)
			assert.Len(t, body, largestJSON)
			var decoded struct {
				Attachments []struct{ Content []byte } `json:"attachments"`
			}
			require.NoError(t, json.Unmarshal(body, &decoded))
			assert.Len(t, decoded.Attachments[0].Content, tt.size)
			assert.Empty(t, bytes.Trim(decoded.Attachments[0].Content, "x"))
		})
	}
}

// TestTooLarge has what is refused before anything is opened.
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

	unread := func(size int64) nylas.AttachmentContent {
		return nylas.StreamContent(size, func() (io.ReadCloser, error) {
			t.Error("a content was opened")
			return nil, errors.New("opened")
		})
	}
	for _, tt := range []struct {
		name  string
		sizes []int64
		sum   string
	}{
		{"a byte more", []int64{largest + 1}, "26214401"},
		{"together", []int64{largest / 2, largest / 2}, ""},
		{"with one of unknown size", []int64{largest + 1, nylas.UnknownSize}, ""},
		{"too large for base64", []int64{math.MaxInt64/4*3 + 4}, ""},
		{"almost no number", []int64{math.MaxInt64}, "9223372036854775807"},
		{"no number", []int64{math.MaxInt64, math.MaxInt64, 1 << 62}, "9223372036854775807"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			req := attached()
			for _, size := range tt.sizes {
				req.Attachments = append(req.Attachments, nylas.Attachment{Filename: "f", Content: unread(size)})
			}
			_, err := newWire(t).client(t).Messages.Send(t.Context(), testGrant, req)
			assertSentinels(t, err, nylas.ErrInvalidRequest)
			assert.Zero(t, asError(t, err).Attempts)
			assert.Contains(t, err.Error(), "nylas: send message: the request has "+tt.sum)
			assert.Contains(t, err.Error(), " bytes with its attachments, Nylas takes at most 26214400")
		})
	}
}

// TestAttachmentsThatAreRefused has what is wrong before any I/O.
func TestAttachmentsThatAreRefused(t *testing.T) {
	t.Parallel()
	content := nylas.BytesContent([]byte("x"))
	dir := t.TempDir()
	secret := filepath.Join(dir, "kim.townsend@example.org", "offer.pdf")
	read := nylas.ReaderContent(nylas.UnknownSize, strings.NewReader("x"))
	_, err := newWire(t, answersFile(t, 200, messageAnswer)).client(t).Messages.Send(
		t.Context(), testGrant, attached(nylas.Attachment{Filename: "f", Content: read}))
	require.NoError(t, err)

	for _, tt := range []struct {
		name  string
		wrong nylas.Attachment
		want  string // "" means that it is sent
		is    error
	}{
		{name: "nothing", wrong: nylas.Attachment{}, want: "has no Content"},
		{name: "no content", wrong: nylas.Attachment{Filename: "f"}, want: "has no Content"},
		{name: "no name", wrong: nylas.Attachment{Content: content}, want: "has no Filename"},
		{name: "no file", wrong: nylas.Attachment{Content: nylas.FileContent(secret)}, is: fs.ErrNotExist,
			want: "cannot be read: no such file or directory"},
		{name: "no file of a file system", wrong: nylas.Attachment{Content: nylas.FSContent(os.DirFS(dir), "kim@example.org")},
			is: fs.ErrNotExist, want: "cannot be read: no such file or directory"},
		{name: "directory", wrong: nylas.Attachment{Content: nylas.FileContent(dir)}, want: "cannot be read: it is not a regular file"},
		{name: "root of a file system", wrong: nylas.Attachment{Content: nylas.FSContent(os.DirFS(dir), ".")},
			want: "cannot be read: it is not a regular file"},
		{name: "path of a file system", wrong: nylas.Attachment{Content: nylas.FSContent(os.DirFS(dir), "../x")},
			is: fs.ErrInvalid, want: "cannot be read: invalid argument"},
		{name: "no file system", wrong: nylas.Attachment{Content: nylas.FSContent(nil, "f")}, want: "cannot be read: the file system is nil"},
		{name: "no function", wrong: nylas.Attachment{Filename: "f", Content: nylas.StreamContent(1, nil)},
			want: "cannot be read: the function is nil"},
		{name: "no reader", wrong: nylas.Attachment{Filename: "f", Content: nylas.ReaderContent(1, nil)},
			want: "cannot be read: the reader is nil"},
		{name: "read before", wrong: nylas.Attachment{Filename: "f", Content: read},
			want: "cannot be read: it was read before, and can be read only once"},

		{name: "line in the name", wrong: nylas.Attachment{Filename: "a\r\nX-Other: b", Content: content},
			want: "has a Filename with a control character or a directory"},
		{name: "line feed", wrong: nylas.Attachment{Filename: "a\nb", Content: content},
			want: "has a Filename with a control character or a directory"},
		{name: "zero", wrong: nylas.Attachment{Filename: "a\x00", Content: content},
			want: "has a Filename with a control character or a directory"},
		{name: "next line", wrong: nylas.Attachment{Filename: "a\u0085b", Content: content},
			want: "has a Filename with a control character or a directory"},
		{name: "line separator", wrong: nylas.Attachment{Filename: "a\u2028b", Content: content},
			want: "has a Filename with a control character or a directory"},
		{name: "directory in the name", wrong: nylas.Attachment{Filename: "../f", Content: content},
			want: "has a Filename with a control character or a directory"},
		{name: "escape in the name", wrong: nylas.Attachment{Filename: `f\`, Content: content},
			want: "has a Filename with a control character or a directory"},
		{name: "not UTF-8", wrong: nylas.Attachment{Filename: "f\xff", Content: content}, want: "has a Filename that is not UTF-8"},
		{name: "any other name", wrong: nylas.Attachment{Filename: `"'; filename=x <&> %22 ü 名 .pdf`, Content: content}},

		{name: "line in the type", wrong: nylas.Attachment{Filename: "f", ContentType: "text/plain;\r\n X: a=b", Content: content},
			want: "has a ContentType that is not a media type"},
		{name: "folded type", wrong: nylas.Attachment{Filename: "f", ContentType: "text/plain;\r\n charset=utf-8", Content: content},
			want: "has a ContentType that is not a media type"},
		{name: "no subtype", wrong: nylas.Attachment{Filename: "f", ContentType: "text", Content: content},
			want: "has a ContentType that is not a media type"},
		{name: "two types", wrong: nylas.Attachment{Filename: "f", ContentType: "text/plain, text/html", Content: content},
			want: "has a ContentType that is not a media type"},
		{name: "bad parameter", wrong: nylas.Attachment{Filename: "f", ContentType: "text/plain; charset", Content: content},
			want: "has a ContentType that is not a media type"},
		{name: "type outside ASCII", wrong: nylas.Attachment{Filename: "f", ContentType: `text/plain; name="ü"`, Content: content},
			want: "has a ContentType that is not a media type"},
		{name: "type with parameters", wrong: nylas.Attachment{Filename: "f", ContentType: `text/plain; name="a b"; charset=utf-8`, Content: content}},

		{name: "quote in the content id", wrong: nylas.Attachment{Filename: "f", ContentID: `a"b`, Content: content},
			want: "has a ContentID with other characters than ASCII letters, digits and . _ - + @"},
		{name: "line in the content id", wrong: nylas.Attachment{Filename: "f", ContentID: "a\r\nb", Content: content},
			want: "has a ContentID with other characters than ASCII letters, digits and . _ - + @"},
		{name: "brackets", wrong: nylas.Attachment{Filename: "f", ContentID: "<logo>", Content: content},
			want: "has a ContentID with other characters than ASCII letters, digits and . _ - + @"},
		{name: "the draft", wrong: nylas.Attachment{Filename: "f", ContentID: "draft", Content: content},
			want: "has a ContentID that is the name of another part"},
		{name: "the message", wrong: nylas.Attachment{Filename: "f", ContentID: "message", Content: content},
			want: "has a ContentID that is the name of another part"},
		{name: "a file", wrong: nylas.Attachment{Filename: "f", ContentID: "file12", Content: content},
			want: "has a ContentID that is the name of another part"},
		{name: "like a file", wrong: nylas.Attachment{Filename: "f", ContentID: "file", Content: content}},
		{name: "like a file too", wrong: nylas.Attachment{Filename: "f", ContentID: "file1a", Content: content}},
		{name: "any other content id", wrong: nylas.Attachment{Filename: "f", ContentID: "logo_1.a-b+c@acme.dev", Content: content}},
		{name: "twice the same content id", wrong: nylas.Attachment{Filename: "f", ContentID: "first", Content: content},
			want: "has the same ContentID as another one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t)
			if tt.want == "" {
				w = newWire(t, answersFile(t, 200, messageAnswer))
			}
			first := nylas.Attachment{Filename: "first", ContentID: "first", Content: content}
			_, err := w.client(t).Messages.Send(t.Context(), testGrant, attached(first, tt.wrong))
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, "nylas: send message: Attachments[1] "+tt.want)
			assertSentinels(t, err, nylas.ErrInvalidRequest)
			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
			}
			assertUnmarked(t, err.Error())
		})
	}
}

func TestContentTypeOfAnAttachment(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a.png": "image/png", "a.PDF": "application/pdf", "a": "application/octet-stream",
		"a.no-such-ending": "application/octet-stream", ".": "application/octet-stream", "a.": "application/octet-stream",
	} {
		w := newWire(t, answersFile(t, 200, messageAnswer))
		_, err := w.client(t).Messages.Send(t.Context(), testGrant, attached(nylas.Attachment{Filename: name, Content: nylas.BytesContent(nil)}))
		require.NoError(t, err)
		var got struct {
			Attachments []map[string]string `json:"attachments"`
		}
		require.NoError(t, json.Unmarshal(w.requests()[0].body, &got))
		assert.Equal(t, []map[string]string{{"filename": name, "content_type": want, "content": ""}}, got.Attachments)
	}
}

// FuzzAttachmentNames sends attachments with any names. They are refused, or come
// out as they went in and leave everything around them as it was.
func FuzzAttachmentNames(f *testing.F) {
	for _, name := range []string{
		"offer.pdf", "Größe.pdf", "a\"b", "a\r\nX: y\r\n\r\n--", "a\\\"b", "%22", "file0", "message", "a; b=c", "a\u2028", "\xff", "text/plain", "", " 0/0", "0/0 ", "\t0/0",
	} {
		f.Add(name, "text/plain; charset=utf-8", "logo")
		f.Add("f", name, "logo")
		f.Add("f", "text/plain", name)
	}
	f.Fuzz(func(t *testing.T, filename, contentType, contentID string) {
		for _, size := range []int64{7, nylas.UnknownSize} {
			first := nylas.Attachment{Filename: filename, ContentType: contentType, ContentID: contentID, Content: streamOf(size, "content")}
			last := nylas.Attachment{Filename: "last", ContentType: "text/plain", Content: nylas.BytesContent([]byte("last"))}
			w := newWireAlways(answers(200, `{"data":{"id":"m-1"}}`))
			_, err := w.client(t).Messages.Send(t.Context(), testGrant, attached(first, last))
			if err != nil {
				assertSentinels(t, err, nylas.ErrInvalidRequest)
				assert.Empty(t, w.requests())
				return
			}
			got := w.requests()[0]
			var parts []part
			wantName := filename
			if size == nylas.UnknownSize {
				parts = formParts(t, got)
				wantName = strings.ReplaceAll(filename, `"`, "%22")
			} else {
				parts = jsonParts(t, got.body)
			}
			require.Len(t, parts, 2)
			assert.Equal(t, part{wantName, parts[0].ContentType, contentID, "content"}, parts[0])
			if contentType != "" {
				assert.Equal(t, contentType, parts[0].ContentType)
			}
			assert.Equal(t, part{"last", "text/plain", "", "last"}, parts[1])
			assert.True(t, utf8.Valid(got.body))
		}
	})
}

// part is an attachment as it arrives.
type part struct{ Filename, ContentType, ContentID, Content string }

// jsonParts returns the attachments of a JSON request.
func jsonParts(t *testing.T, body []byte) []part {
	t.Helper()
	var request struct {
		Attachments []map[string]string `json:"attachments"`
	}
	require.NoError(t, json.Unmarshal(body, &request))
	var parts []part
	for _, a := range request.Attachments {
		content, err := base64.StdEncoding.DecodeString(a["content"])
		require.NoError(t, err)
		parts = append(parts, part{a["filename"], a["content_type"], a["content_id"], string(content)})
	}
	return parts
}

// formParts returns the attachments of a multipart request, and checks that the
// first part is a message.
func formParts(t *testing.T, r sentRequest) []part {
	t.Helper()
	mediaType, parameters, err := mime.ParseMediaType(r.header.Get("Content-Type"))
	require.NoError(t, err)
	require.Equal(t, "multipart/form-data", mediaType)
	reader := multipart.NewReader(bytes.NewReader(r.body), parameters["boundary"])
	var parts []part
	for i := -1; ; i++ {
		p, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return parts
		}
		require.NoError(t, err)
		content, err := io.ReadAll(p)
		require.NoError(t, err)
		if i < 0 {
			require.Equal(t, "message", p.FormName())
			require.JSONEq(t, `{"to":[{"email":"kim@example.org"}]}`, string(content))
			require.Len(t, p.Header, 2)
			continue
		}
		require.Len(t, p.Header, 2)
		contentID := p.FormName()
		if contentID == fmt.Sprint("file", i) {
			contentID = ""
		}
		_, disposition, err := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
		require.NoError(t, err)
		parts = append(parts, part{disposition["filename"], p.Header.Get("Content-Type"), contentID, string(content)})
	}
}

// idleReader brings neither bytes nor an end.
type idleReader struct{}

func (idleReader) Read([]byte) (int, error) { return 0, nil }

func TestReaderThatBringsNothing(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"data":{"id":"m-1"}}`)
	}))
	t.Cleanup(server.Close)
	for _, size := range []int64{3, 4_000_000} {
		_, err := realClient(t, server.URL, 1).Messages.Send(t.Context(), testGrant, &nylas.SendMessageRequest{
			To: []nylas.Participant{{Email: "kim@example.org"}},
			Attachments: []nylas.Attachment{{Filename: "f.txt", Content: nylas.StreamContent(size, func() (io.ReadCloser, error) {
				return io.NopCloser(idleReader{}), nil
			})}},
		})
		require.ErrorIs(t, err, io.ErrNoProgress)
	}
}
