package payload_test

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/internal/payload"
)

// TestAttachmentsThatAreRefused has what is wrong before any I/O.
func TestAttachmentsThatAreRefused(t *testing.T) {
	t.Parallel()
	content := payload.Bytes("x")
	dir := t.TempDir()
	secret := filepath.Join(dir, "kim.townsend@example.org", "offer.pdf")
	read := &payload.Reader{Size: payload.UnknownSize, R: strings.NewReader("x")}
	_, err := read.Open()
	require.NoError(t, err)

	for _, tt := range []struct {
		name  string
		wrong payload.Attachment
		want  string // "" means that it is taken
		is    error
	}{
		{name: "nothing", wrong: payload.Attachment{}, want: "has no Content"},
		{name: "no content", wrong: payload.Attachment{Filename: "f"}, want: "has no Content"},
		{name: "no name", wrong: payload.Attachment{Content: content}, want: "has no Filename"},
		{name: "no file", wrong: payload.Attachment{Content: payload.File(secret)}, is: fs.ErrNotExist,
			want: "cannot be read: no such file or directory"},
		{name: "no file of a file system", wrong: payload.Attachment{Content: &payload.FS{FS: os.DirFS(dir), Name: "kim@example.org"}},
			is: fs.ErrNotExist, want: "cannot be read: no such file or directory"},
		{name: "directory", wrong: payload.Attachment{Content: payload.File(dir)}, want: "cannot be read: it is not a regular file"},
		{name: "root of a file system", wrong: payload.Attachment{Content: &payload.FS{FS: os.DirFS(dir), Name: "."}},
			want: "cannot be read: it is not a regular file"},
		{name: "path of a file system", wrong: payload.Attachment{Content: &payload.FS{FS: os.DirFS(dir), Name: "../x"}},
			is: fs.ErrInvalid, want: "cannot be read: invalid argument"},
		{name: "no file system", wrong: payload.Attachment{Content: &payload.FS{FS: nil, Name: "f"}}, want: "cannot be read: the file system is nil"},
		{name: "no function", wrong: payload.Attachment{Filename: "f", Content: &payload.Stream{Size: 1}},
			want: "cannot be read: the function is nil"},
		{name: "no reader", wrong: payload.Attachment{Filename: "f", Content: &payload.Reader{Size: 1}},
			want: "cannot be read: the reader is nil"},
		{name: "read before", wrong: payload.Attachment{Filename: "f", Content: read},
			want: "cannot be read: it was read before, and can be read only once"},

		{name: "line in the name", wrong: payload.Attachment{Filename: "a\r\nX-Other: b", Content: content},
			want: "has a Filename with a control character or a directory"},
		{name: "line feed", wrong: payload.Attachment{Filename: "a\nb", Content: content},
			want: "has a Filename with a control character or a directory"},
		{name: "zero", wrong: payload.Attachment{Filename: "a\x00", Content: content},
			want: "has a Filename with a control character or a directory"},
		{name: "next line", wrong: payload.Attachment{Filename: "a\u0085b", Content: content},
			want: "has a Filename with a control character or a directory"},
		{name: "line separator", wrong: payload.Attachment{Filename: "a\u2028b", Content: content},
			want: "has a Filename with a control character or a directory"},
		{name: "directory in the name", wrong: payload.Attachment{Filename: "../f", Content: content},
			want: "has a Filename with a control character or a directory"},
		{name: "escape in the name", wrong: payload.Attachment{Filename: `f\`, Content: content},
			want: "has a Filename with a control character or a directory"},
		{name: "not UTF-8", wrong: payload.Attachment{Filename: "f\xff", Content: content}, want: "has a Filename that is not UTF-8"},
		{name: "any other name", wrong: payload.Attachment{Filename: `"'; filename=x <&> %22 ü 名 .pdf`, Content: content}},

		{name: "line in the type", wrong: payload.Attachment{Filename: "f", ContentType: "text/plain;\r\n X: a=b", Content: content},
			want: "has a ContentType that is not a media type"},
		{name: "folded type", wrong: payload.Attachment{Filename: "f", ContentType: "text/plain;\r\n charset=utf-8", Content: content},
			want: "has a ContentType that is not a media type"},
		{name: "no subtype", wrong: payload.Attachment{Filename: "f", ContentType: "text", Content: content},
			want: "has a ContentType that is not a media type"},
		{name: "two types", wrong: payload.Attachment{Filename: "f", ContentType: "text/plain, text/html", Content: content},
			want: "has a ContentType that is not a media type"},
		{name: "bad parameter", wrong: payload.Attachment{Filename: "f", ContentType: "text/plain; charset", Content: content},
			want: "has a ContentType that is not a media type"},
		{name: "type outside ASCII", wrong: payload.Attachment{Filename: "f", ContentType: `text/plain; name="ü"`, Content: content},
			want: "has a ContentType that is not a media type"},
		{name: "type with parameters", wrong: payload.Attachment{Filename: "f", ContentType: `text/plain; name="a b"; charset=utf-8`, Content: content}},

		{name: "quote in the content id", wrong: payload.Attachment{Filename: "f", ContentID: `a"b`, Content: content},
			want: "has a ContentID with other characters than ASCII letters, digits and . _ - + @"},
		{name: "line in the content id", wrong: payload.Attachment{Filename: "f", ContentID: "a\r\nb", Content: content},
			want: "has a ContentID with other characters than ASCII letters, digits and . _ - + @"},
		{name: "brackets", wrong: payload.Attachment{Filename: "f", ContentID: "<logo>", Content: content},
			want: "has a ContentID with other characters than ASCII letters, digits and . _ - + @"},
		{name: "the draft", wrong: payload.Attachment{Filename: "f", ContentID: "draft", Content: content},
			want: "has a ContentID that is the name of another part"},
		{name: "the message", wrong: payload.Attachment{Filename: "f", ContentID: "message", Content: content},
			want: "has a ContentID that is the name of another part"},
		{name: "a file", wrong: payload.Attachment{Filename: "f", ContentID: "file12", Content: content},
			want: "has a ContentID that is the name of another part"},
		{name: "like a file", wrong: payload.Attachment{Filename: "f", ContentID: "file", Content: content}},
		{name: "like a file too", wrong: payload.Attachment{Filename: "f", ContentID: "file1a", Content: content}},
		{name: "any other content id", wrong: payload.Attachment{Filename: "f", ContentID: "logo_1.a-b+c@acme.dev", Content: content}},
		{name: "twice the same content id", wrong: payload.Attachment{Filename: "f", ContentID: "first", Content: content},
			want: "has the same ContentID as another one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			first := payload.Attachment{Filename: "first", ContentID: "first", Content: content}
			_, wrong := payload.Encode([]byte(object), []payload.Attachment{first, tt.wrong}, boundary)
			if tt.want == "" {
				require.Nil(t, wrong)
				return
			}
			require.EqualError(t, wrong, "Attachments[1] "+tt.want)
			if tt.is != nil {
				require.ErrorIs(t, wrong, tt.is)
			}
			assert.NotContains(t, wrong.Error(), "kim")
		})
	}
}

// TestReaderInTwoPlaces: what can only fail is refused before anything is read, so
// the reader is as good as before.
func TestReaderInTwoPlaces(t *testing.T) {
	t.Parallel()
	first := payload.Attachment{Filename: "f", Content: &payload.Reader{Size: payload.UnknownSize, R: strings.NewReader("content")}}
	second := payload.Attachment{Filename: "g", Content: first.Content}
	_, wrong := payload.Encode([]byte(object), []payload.Attachment{first, {Filename: "b", Content: payload.Bytes(nil)}, second}, boundary)
	require.EqualError(t, wrong, "Attachments[2] has the ReaderContent of Attachments[0], "+
		"which can be read only once: use BytesContent or StreamContent for both")
	assert.Equal(t, []part{{"f", "application/octet-stream", "", "content"}}, partsOf(t, encode(t, first)))
}

func TestContentTypeOfAnAttachment(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a.png": "image/png", "a.PDF": "application/pdf", "a": "application/octet-stream",
		"a.no-such-ending": "application/octet-stream", ".": "application/octet-stream", "a.": "application/octet-stream",
	} {
		p := encode(t, payload.Attachment{Filename: name, Content: payload.Bytes(nil)})
		assert.Equal(t, []part{{name, want, "", ""}}, partsOf(t, p))
	}
}

// FuzzAttachmentNames encodes attachments with any names. They are refused, or come
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
		for _, size := range []int64{7, payload.UnknownSize} {
			first := payload.Attachment{Filename: filename, ContentType: contentType, ContentID: contentID, Content: streamOf(size, "content")}
			last := payload.Attachment{Filename: "last", ContentType: "text/plain", Content: payload.Bytes("last")}
			p, wrong := payload.Encode([]byte(object), []payload.Attachment{first, last}, boundary)
			if wrong != nil {
				require.NoError(t, wrong.Unwrap())
				return
			}
			parts := partsOf(t, p)
			wantName := filename
			if size == payload.UnknownSize {
				wantName = strings.ReplaceAll(filename, `"`, "%22")
			}
			require.Len(t, parts, 2)
			assert.Equal(t, part{wantName, parts[0].ContentType, contentID, "content"}, parts[0])
			if contentType != "" {
				assert.Equal(t, contentType, parts[0].ContentType)
			}
			assert.Equal(t, part{"last", "text/plain", "", "last"}, parts[1])
			body, err := io.ReadAll(p.Open())
			require.NoError(t, err)
			assert.True(t, utf8.Valid(body))
		}
	})
}
