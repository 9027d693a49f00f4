package payload_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/internal/payload"
)

// TestNoPayload has the methods of a call without a body.
func TestNoPayload(t *testing.T) {
	t.Parallel()
	var none *payload.Payload
	assert.Empty(t, none.ContentType())
	assert.False(t, none.IsMultipart())
	assert.False(t, none.Spent())
	assert.Equal(t, http.NoBody, none.Open())
}

// TestJSON has an object alone: net/http gets all of it at once.
func TestJSON(t *testing.T) {
	t.Parallel()
	p, wrong := payload.JSON([]byte(object))
	require.Nil(t, wrong)
	assert.Equal(t, "application/json", p.ContentType())
	assert.False(t, p.IsMultipart())
	assert.EqualValues(t, len(object), p.Size())
	assert.False(t, p.Spent())
	for range 2 {
		body := p.Open()
		assert.IsType(t, &bytes.Reader{}, body)
		content, err := io.ReadAll(body)
		require.NoError(t, err)
		assert.Equal(t, object, string(content))
	}

	largest := bytes.Repeat([]byte{'x'}, payload.MaxJSONBytes)
	_, wrong = payload.JSON(largest)
	require.Nil(t, wrong)
	_, wrong = payload.JSON(append(largest, 'x'))
	require.EqualError(t, wrong, "the request has 3000001 bytes as JSON, Nylas takes at most 3000000")
	require.NoError(t, wrong.Unwrap())
}

// eachContent has an attachment of each kind. The first one has what must be escaped.
func eachContent(tb testing.TB) []payload.Attachment {
	tb.Helper()
	return []payload.Attachment{
		{Filename: `Größe "1".txt`, ContentType: "text/plain", Content: payload.Bytes("bytes")},
		{ContentID: "logo", Content: &payload.FS{FS: fstest.MapFS{"assets/logo.png": {Data: []byte{0, 1, 2}}}, Name: "assets/logo.png"}},
		{Content: payload.File(fileWith(tb, "offer.pdf", "%PDF-"))},
		{Filename: "empty", Content: streamOf(0, "")},
		{Filename: "once.bin", ContentType: "application/x-once; v=1", Content: &payload.Reader{Size: 4, R: strings.NewReader("once")}},
	}
}

func TestEncodeAsJSON(t *testing.T) {
	t.Parallel()
	p := encode(t, eachContent(t)...)
	assert.Equal(t, "application/json", p.ContentType())
	assert.False(t, p.Spent())
	size := p.Size()
	body := read(t, p)
	assert.EqualValues(t, len(body), size)
	assert.Equal(t, `{"to":[{"email":"kim@example.org"}],"attachments":[`+strings.Join([]string{
		`{"filename":"Größe \"1\".txt","content_type":"text/plain","content":"Ynl0ZXM="}`,
		`{"filename":"logo.png","content_type":"image/png","content_id":"logo","content":"AAEC"}`,
		`{"filename":"offer.pdf","content_type":"application/pdf","content":"JVBERi0="}`,
		`{"filename":"empty","content_type":"application/octet-stream","content":""}`,
		`{"filename":"once.bin","content_type":"application/x-once; v=1","content":"b25jZQ=="}`,
	}, ",")+`]}`, body)
	assert.True(t, p.Spent(), "the reader was begun")

	p, wrong := payload.Encode([]byte("{}"), eachContent(t)[3:4], boundary)
	require.Nil(t, wrong)
	assert.Equal(t, `{"attachments":[{"filename":"empty","content_type":"application/octet-stream","content":""}]}`, read(t, p))
}

func TestEncodeAsMultipart(t *testing.T) {
	t.Parallel()
	p := encode(t, append(eachContent(t), payload.Attachment{Filename: "unknown", Content: streamOf(payload.UnknownSize, "unknown\r\n")})...)
	assert.Equal(t, "multipart/form-data; boundary="+boundary, p.ContentType())
	assert.True(t, p.IsMultipart())
	assert.Equal(t, payload.UnknownSize, p.Size())
	part := func(head, contentType, content string) string {
		return "--" + boundary + "\r\nContent-Disposition: form-data; " + head + "\r\nContent-Type: " + contentType + "\r\n\r\n" + content + "\r\n"
	}
	assert.Equal(t, part(`name="message"`, "application/json", object)+
		part(`name="file0"; filename="Größe %221%22.txt"`, "text/plain", "bytes")+
		part(`name="logo"; filename="logo.png"`, "image/png", "\x00\x01\x02")+
		part(`name="file2"; filename="offer.pdf"`, "application/pdf", "%PDF-")+
		part(`name="file3"; filename="empty"`, "application/octet-stream", "")+
		part(`name="file4"; filename="once.bin"`, "application/x-once; v=1", "once")+
		part(`name="file5"; filename="unknown"`, "application/octet-stream", "unknown\r\n")+
		"--"+boundary+"--\r\n", read(t, p))
}

// TestJSONUpToItsLimit goes around the limit by one byte of base64 at a time,
// which is four of the request.
func TestJSONUpToItsLimit(t *testing.T) {
	t.Parallel()
	sized := func(padding, size int) *payload.Payload {
		p, wrong := payload.Encode([]byte(`{"subject":"`+strings.Repeat("s", padding)+`"}`), []payload.Attachment{
			{Filename: "f", Content: payload.Bytes(bytes.Repeat([]byte{'x'}, size))},
		}, boundary)
		require.Nil(t, wrong)
		return p
	}
	around := int(sized(1, 0).Size()) - 1
	for _, tt := range []struct {
		name          string
		padding, size int
		json          bool
	}{
		{"at the limit", payload.MaxJSONBytes - around - 4*1000, 3000, true},
		{"padded in base64", payload.MaxJSONBytes - around - 4*1000, 2998, true},
		{"a byte of the message more", payload.MaxJSONBytes - around - 4*1000 + 1, 3000, false},
		{"a byte of the attachment more", payload.MaxJSONBytes - around - 4*1000, 3001, false},
		{"small message", 4 + (payload.MaxJSONBytes-around)%4, (payload.MaxJSONBytes - around - 4) / 4 * 3, true},
		{"small message, a byte more", 4 + (payload.MaxJSONBytes-around)%4, (payload.MaxJSONBytes-around-4)/4*3 + 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := sized(tt.padding, tt.size)
			body := read(t, p)
			assert.EqualValues(t, len(body), p.Size())
			assert.Equal(t, !tt.json, p.IsMultipart())
			if !tt.json {
				return
			}
			assert.Len(t, body, payload.MaxJSONBytes)
			var decoded struct {
				Attachments []struct{ Content []byte } `json:"attachments"`
			}
			require.NoError(t, json.Unmarshal([]byte(body), &decoded))
			assert.Len(t, decoded.Attachments[0].Content, tt.size)
			assert.Empty(t, bytes.Trim(decoded.Attachments[0].Content, "x"))
		})
	}
}

// TestTooLarge has what is refused before anything is opened.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	unread := func(size int64) payload.Content {
		return &payload.Stream{Size: size, Opener: func() (io.ReadCloser, error) {
			t.Error("a content was opened")
			return nil, io.ErrUnexpectedEOF
		}}
	}
	const size = payload.MaxBytes - 1000
	largest := size + payload.MaxBytes - encode(t, payload.Attachment{Filename: "f", Content: unread(size)}).Size()
	assert.EqualValues(t, payload.MaxBytes, encode(t, payload.Attachment{Filename: "f", Content: unread(largest)}).Size())
	for _, tt := range []struct {
		name  string
		sizes []int64
		sum   string
	}{
		{"a byte more", []int64{largest + 1}, "26214401"},
		{"together", []int64{largest / 2, largest / 2}, ""},
		{"with one of unknown size", []int64{largest + 1, payload.UnknownSize}, ""},
		{"too large for base64", []int64{math.MaxInt64/4*3 + 4}, ""},
		{"almost no number", []int64{math.MaxInt64}, "9223372036854775807"},
		{"no number", []int64{math.MaxInt64, math.MaxInt64, 1 << 62}, "9223372036854775807"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var attachments []payload.Attachment
			for _, size := range tt.sizes {
				attachments = append(attachments, payload.Attachment{Filename: "f", Content: unread(size)})
			}
			_, wrong := payload.Encode([]byte(object), attachments, boundary)
			require.NotNil(t, wrong)
			assert.Contains(t, wrong.Error(), "the request has "+tt.sum)
			assert.Contains(t, wrong.Error(), " bytes with its attachments, Nylas takes at most 26214400")
		})
	}
}

// TestLargestOfUnknownSize: how large it is shows only when it is read.
func TestLargestOfUnknownSize(t *testing.T) {
	t.Parallel()
	empty := int64(len(read(t, encode(t, payload.Attachment{Filename: "f", Content: streamOf(payload.UnknownSize, "")}))))
	body := encode(t, payload.Attachment{Filename: "f", Content: zeros(payload.UnknownSize, payload.MaxBytes-empty)}).Open()
	size, err := io.Copy(io.Discard, body)
	require.NoError(t, err)
	assert.EqualValues(t, payload.MaxBytes, size)

	body = encode(t, payload.Attachment{Filename: "f", Content: zeros(payload.UnknownSize, payload.MaxBytes-empty+1)}).Open()
	_, err = io.Copy(io.Discard, body)
	require.EqualError(t, err, "the request has more than 26214400 bytes with its attachments, Nylas takes at most 26214400")
}
