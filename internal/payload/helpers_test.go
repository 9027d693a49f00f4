package payload_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/internal/payload"
)

const (
	object   = `{"to":[{"email":"kim@example.org"}]}`
	boundary = "nylas-go-boundary"
)

// encode makes a payload of the object and attachments.
func encode(tb testing.TB, attachments ...payload.Attachment) *payload.Payload {
	tb.Helper()
	p, err := payload.Encode([]byte(object), attachments, boundary)
	require.Nil(tb, err)
	return p
}

// read returns what one attempt sends.
func read(tb testing.TB, p *payload.Payload) string {
	tb.Helper()
	body, err := io.ReadAll(p.Open())
	require.NoError(tb, err)
	return string(body)
}

// readingOf begins an attempt with attachments.
func readingOf(tb testing.TB, attachments ...payload.Attachment) *payload.Reading {
	tb.Helper()
	reading, ok := encode(tb, attachments...).Open().(*payload.Reading)
	require.True(tb, ok)
	return reading
}

// fileWith writes a file and returns its path.
func fileWith(tb testing.TB, name, content string) string {
	tb.Helper()
	name = filepath.Join(tb.TempDir(), name)
	require.NoError(tb, os.WriteFile(name, []byte(content), 0o600))
	return name
}

// streamOf is a content that can be opened again.
func streamOf(size int64, content string) payload.Content {
	return stream(size, func() io.Reader { return strings.NewReader(content) })
}

// stream is a content that is read from a new reader each time.
func stream(size int64, open func() io.Reader) payload.Content {
	return &payload.Stream{Size: size, Opener: func() (io.ReadCloser, error) { return io.NopCloser(open()), nil }}
}

// zeros is a content of size bytes.
func zeros(announced, size int64) payload.Content {
	return stream(announced, func() io.Reader { return io.LimitReader(endless{}, size) })
}

// endless reads zeros for ever.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// part is an attachment as it arrives.
type part struct{ Filename, ContentType, ContentID, Content string }

// partsOf returns the attachments of a body. That of a form must begin with the object.
func partsOf(t *testing.T, p *payload.Payload) []part {
	t.Helper()
	body := []byte(read(t, p))
	if !p.IsMultipart() {
		return jsonParts(t, body)
	}
	mediaType, parameters, err := mime.ParseMediaType(p.ContentType())
	require.NoError(t, err)
	require.Equal(t, "multipart/form-data", mediaType)
	reader := multipart.NewReader(bytes.NewReader(body), parameters["boundary"])
	var parts []part
	for i := -1; ; i++ {
		p, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return parts
		}
		require.NoError(t, err)
		content, err := io.ReadAll(p)
		require.NoError(t, err)
		require.Len(t, p.Header, 2)
		if i < 0 {
			require.Equal(t, "message", p.FormName())
			require.JSONEq(t, object, string(content))
			continue
		}
		contentID := p.FormName()
		if contentID == fmt.Sprint("file", i) {
			contentID = ""
		}
		_, disposition, err := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
		require.NoError(t, err)
		parts = append(parts, part{disposition["filename"], p.Header.Get("Content-Type"), contentID, string(content)})
	}
}

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
