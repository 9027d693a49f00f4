package nylas

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
)

// Attachment is a file that goes out with a message.
//
//	Attachments: []nylas.Attachment{
//		{Content: nylas.FileContent("/srv/offers/offer.pdf")},
//		{Filename: "logo.png", ContentID: "logo", Content: nylas.BytesContent(logo)},
//	},
//
// The SDK sends a request as JSON if it has at most 3,000,000 bytes in that form, with
// the contents in base64. It sends any other request as multipart/form-data. Such a
// request can have 25 MiB in all; a larger one is refused with an error that matches
// [ErrInvalidRequest]. The mail provider can have a lower limit.
//
// The SDK does not keep contents in memory. Each attempt opens, reads and closes them
// again. If a content cannot be read, or has more or fewer bytes than announced or than
// at the start of the call, the SDK breaks the request off before its end and the call
// fails, so Nylas never gets a message with a broken file. If the bytes change between two
// attempts but their number does not, Nylas refuses the second attempt; see
// [ErrIdempotencyConflict].
//
// As JSON, an attachment has the members filename, content_type, content_id and
// either content or path. A BytesContent is written as base64, a FileContent as its
// path: use an absolute path if another program may decode it, and decode only what
// your programs wrote, because sending reads the file. The other contents cannot be
// encoded.
//
// https://developer.nylas.com/docs/v3/email/attachments/
type Attachment struct {
	// Filename is the name that the recipient sees. It must not contain directories or
	// control characters. It defaults to the name of a FileContent or FSContent; the
	// other contents need one. In multipart/form-data a quotation mark becomes %22, as
	// in browsers.
	Filename string
	// ContentType is the media type. It defaults to the type that package mime has for
	// the extension of Filename, which can differ between machines, and then to
	// application/octet-stream.
	ContentType string
	// ContentID makes the attachment an inline one: the body shows it with
	// <img src="cid:logo">. It should be unique in the thread. Nylas documents letters
	// and digits; the SDK also accepts . _ - + and @. It refuses "message", "draft" and
	// "file" followed by a number, which are the names of other parts of a request.
	ContentID string
	// Content is the content of the file: a [BytesContent], [FileContent],
	// [FSContent], [StreamContent] or [ReaderContent].
	Content AttachmentContent
}

// attachmentJSON is an Attachment as JSON.
type attachmentJSON struct {
	Filename    string  `json:"filename,omitzero"`
	ContentType string  `json:"content_type,omitzero"`
	ContentID   string  `json:"content_id,omitzero"`
	Content     []byte  `json:"content,omitzero"` // in base64
	Path        *string `json:"path,omitzero"`
}

// contentError says why a content cannot be encoded.
type contentError string

func (e contentError) Error() string { return "nylas: encode attachment: " + string(e) }

// MarshalJSON encodes the attachment; see [Attachment].
func (a Attachment) MarshalJSON() ([]byte, error) {
	encoded := attachmentJSON{Filename: a.Filename, ContentType: a.ContentType, ContentID: a.ContentID}
	switch content := a.Content.(type) {
	case nil:
	case bytesContent:
		encoded.Content = append([]byte{}, content...)
	case fileContent:
		encoded.Path = new(string(content))
	case *fsContent:
		return nil, contentError("an FSContent belongs to a file system of this program: use FileContent or BytesContent")
	case *streamContent:
		return nil, contentError("a StreamContent is a function: use FileContent or BytesContent")
	case *readerContent:
		return nil, contentError("a ReaderContent can be read only once: use FileContent or BytesContent")
	default:
		return nil, contentError("the content is of an unknown kind")
	}
	data, err := jsonv2.Marshal(encoded)
	if err != nil {
		return nil, contentError(encodeError(err))
	}
	return data, nil
}

// UnmarshalJSON decodes what MarshalJSON wrote.
func (a *Attachment) UnmarshalJSON(data []byte) error {
	var encoded attachmentJSON
	if err := jsonv2.Unmarshal(data, &encoded); err != nil {
		return errors.New("nylas: decode attachment: " + encodeError(err))
	}
	*a = Attachment{Filename: encoded.Filename, ContentType: encoded.ContentType, ContentID: encoded.ContentID}
	switch {
	case encoded.Content != nil && encoded.Path != nil:
		return errors.New("nylas: decode attachment: it has both content and path")
	case encoded.Content != nil:
		a.Content = BytesContent(encoded.Content)
	case encoded.Path != nil:
		a.Content = FileContent(*encoded.Path)
	}
	return nil
}

// AttachmentContent is the content of an [Attachment]. The functions below return one;
// there are no other kinds.
type AttachmentContent interface {
	// filename is the name that the content has by itself, or "".
	filename() string
	// measure returns the number of bytes, or UnknownSize.
	measure() (int64, error)
	// open begins to read from the start.
	open() (io.ReadCloser, error)
}

// UnknownSize is the size of a content whose size is not known beforehand. The SDK
// sends such a request as chunked multipart/form-data. If the request exceeds 25 MiB,
// the SDK breaks it off with an error that matches [ErrInvalidRequest]. Nylas then has
// only a part of the request and sends nothing.
const UnknownSize int64 = -1

// BytesContent returns a content in memory. The bytes must not change until the call
// returns.
func BytesContent(content []byte) AttachmentContent { return bytesContent(content) }

type bytesContent []byte

func (c bytesContent) filename() string        { return "" }
func (c bytesContent) measure() (int64, error) { return int64(len(c)), nil }
func (c bytesContent) open() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(c)), nil
}

// FileContent returns the content of a regular file. The call looks up the size when
// it begins. Errors wrap those of package os, without the path. Anything but a
// regular file, such as a named pipe, is an error, also if the file was replaced
// between two attempts.
func FileContent(name string) AttachmentContent { return fileContent(name) }

type fileContent string

func (c fileContent) filename() string { return filepath.Base(string(c)) }

func (c fileContent) measure() (int64, error) { return measureFile(os.Stat(string(c))) }

// open must not wait for the other end of a named pipe: no context ends that.
func (c fileContent) open() (io.ReadCloser, error) {
	file, err := os.OpenFile(string(c), os.O_RDONLY|openNonblock, 0)
	if err != nil {
		return nil, err
	}
	return regular(file)
}

// FSContent returns the content of a regular file in a file system, such as an
// [embed.FS]. It is like [FileContent], with one difference: it checks the kind of the
// file before it opens it, so a file that is replaced by a named pipe in between can
// block.
func FSContent(fsys fs.FS, name string) AttachmentContent { return &fsContent{fsys, name} }

type fsContent struct {
	fsys fs.FS
	name string
}

func (c *fsContent) filename() string { return path.Base(c.name) }

func (c *fsContent) measure() (int64, error) {
	if c.fsys == nil {
		return 0, errors.New("the file system is nil")
	}
	return measureFile(fs.Stat(c.fsys, c.name))
}

func (c *fsContent) open() (io.ReadCloser, error) {
	if _, err := c.measure(); err != nil {
		return nil, err
	}
	file, err := c.fsys.Open(c.name)
	if err != nil {
		return nil, err
	}
	return regular(file)
}

func measureFile(info fs.FileInfo, err error) (int64, error) {
	switch {
	case err != nil:
		return 0, err
	case !info.Mode().IsRegular():
		return 0, errors.New("it is not a regular file")
	}
	return info.Size(), nil
}

// regular returns an open file if it is a regular one, and closes it otherwise.
func regular(file fs.File) (io.ReadCloser, error) {
	if _, err := measureFile(file.Stat()); err != nil {
		_ = file.Close() // nothing was read
		return nil, err
	}
	return file, nil
}

// StreamContent returns a content of size bytes, or of [UnknownSize]. Each attempt
// calls open, which must return a stream that begins at the start of the content. The
// previous stream may still be closing at that time.
//
// The SDK may call Close during a Read, and Close must end that Read, as it does for
// files, pipes and bodies of HTTP responses: a call whose context ends returns only
// after the Read. If open or the stream panics, the call fails as if reading had
// failed.
func StreamContent(size int64, open func() (io.ReadCloser, error)) AttachmentContent {
	return &streamContent{size, open}
}

type streamContent struct {
	size   int64
	opener func() (io.ReadCloser, error)
}

func (c *streamContent) filename() string { return "" }

func (c *streamContent) measure() (int64, error) {
	if c.opener == nil {
		return 0, errors.New("the function is nil")
	}
	return max(c.size, UnknownSize), nil
}

func (c *streamContent) open() (io.ReadCloser, error) {
	stream, err := c.opener()
	if err == nil && stream == nil {
		err = errors.New("the function returned nil")
	}
	return stream, err
}

// ReaderContent returns a content of size bytes, or of [UnknownSize], that can be read
// only once. Prefer a [StreamContent] if the source can be opened again.
//
// The SDK does not retry a call once it has read from r, whatever the [RetryPolicy]
// says. The error can then match [ErrOutcomeUnknown] where a retry would have found
// the outcome. A call refuses a content that was read before, and a content that is
// used in two attachments.
//
// If r is an [io.Closer], the SDK closes it when the attempt that read from it ends,
// perhaps during a Read, as net/http does with the body of a request.
func ReaderContent(size int64, r io.Reader) AttachmentContent {
	return &readerContent{size: size, r: r}
}

type readerContent struct {
	size    int64
	r       io.Reader
	started atomic.Bool
}

var errReadBefore = errors.New("it was read before, and can be read only once")

func (c *readerContent) filename() string { return "" }

func (c *readerContent) measure() (int64, error) {
	switch {
	case c.r == nil:
		return 0, errors.New("the reader is nil")
	case c.started.Load():
		return 0, errReadBefore
	}
	return max(c.size, UnknownSize), nil
}

func (c *readerContent) open() (io.ReadCloser, error) {
	if !c.started.CompareAndSwap(false, true) {
		return nil, errReadBefore
	}
	if stream, ok := c.r.(io.ReadCloser); ok {
		return stream, nil
	}
	return io.NopCloser(c.r), nil
}

// attachmentError says which attachment is meant.
func attachmentError(index int, err *payloadError) *payloadError {
	return &payloadError{fmt.Sprintf("Attachments[%d] %s", index, err.text), err.cause}
}

// defaultContentType is for what nobody knows better. RFC 2046, section 4.5.1.
const defaultContentType = "application/octet-stream"

// attachedFile is an attachment that was checked, with what it left out.
type attachedFile struct {
	Filename    string `json:"filename"`
	ContentType string `json:"content_type"`
	ContentID   string `json:"content_id,omitzero"`

	index   int
	size    int64
	content AttachmentContent
}

// checkAttachments refuses what could not be sent, or could change the request
// around it.
func checkAttachments(attachments []Attachment) ([]attachedFile, *payloadError) {
	files := make([]attachedFile, len(attachments))
	contentIDs := make(map[string]bool)
	readers := make(map[*readerContent]int)
	for i, a := range attachments {
		file, err := a.check()
		once, isReader := a.Content.(*readerContent)
		other, taken := readers[once]
		switch {
		case err != nil:
		case a.ContentID != "" && contentIDs[a.ContentID]:
			err = &payloadError{text: "has the same ContentID as another one"}
		case isReader && taken:
			err = &payloadError{text: fmt.Sprintf("has the ReaderContent of Attachments[%d], which can be read only once: "+
				"use BytesContent or StreamContent for both", other)}
		}
		if err != nil {
			return nil, attachmentError(i, err)
		}
		contentIDs[a.ContentID] = true
		if isReader {
			readers[once] = i
		}
		file.index = i
		files[i] = file
	}
	return files, nil
}

func (a Attachment) check() (attachedFile, *payloadError) {
	if a.Content == nil {
		return attachedFile{}, &payloadError{text: "has no Content"}
	}
	file := attachedFile{
		Filename:  cmp.Or(a.Filename, a.Content.filename()),
		ContentID: a.ContentID,
		content:   a.Content,
	}
	file.ContentType = cmp.Or(a.ContentType, mime.TypeByExtension(path.Ext(file.Filename)), defaultContentType)
	size, err := a.Content.measure()
	switch {
	case err != nil:
		return file, &payloadError{"cannot be read", withoutPath(err)}
	case file.Filename == "":
		return file, &payloadError{text: "has no Filename"}
	case !utf8.ValidString(file.Filename):
		return file, &payloadError{text: "has a Filename that is not UTF-8"}
	case strings.ContainsFunc(file.Filename, unfitForFilename):
		return file, &payloadError{text: "has a Filename with a control character or a directory"}
	case !isMediaType(file.ContentType):
		return file, &payloadError{text: "has a ContentType that is not a media type"}
	case strings.ContainsFunc(a.ContentID, unfitForContentID):
		return file, &payloadError{text: "has a ContentID with other characters than ASCII letters, digits and " + contentIDChars}
	case isPartName(a.ContentID):
		return file, &payloadError{text: "has a ContentID that is the name of another part"}
	}
	file.size = size
	return file, nil
}

// unfitForFilename finds what ends a line for somebody, and what separates
// directories: a backslash does that for some, and escapes for others.
func unfitForFilename(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '/' || r == '\\'
}

// contentIDChars are the characters that a ContentID may have beside ASCII letters
// and digits, which are all that Nylas documents. A content id has the form of an
// address, and these need no escaping in a cid: URL.
//
// https://developer.nylas.com/docs/v3/email/attachments/
// https://www.rfc-editor.org/rfc/rfc2392#section-2
const contentIDChars = ". _ - + @"

func unfitForContentID(r rune) bool {
	isLetterOrDigit := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	return !isLetterOrDigit && (r == ' ' || !strings.ContainsRune(contentIDChars, r))
}

// isMediaType reports whether a value is one type with its parameters, on one line.
func isMediaType(value string) bool {
	if strings.TrimSpace(value) != value {
		return false // a header would come out without it
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
		return false
	}
	mediaType, _, err := mime.ParseMediaType(value)
	return err == nil && strings.Contains(mediaType, "/")
}

// isPartName reports whether a part that is not inline can have the name.
func isPartName(name string) bool {
	number, ok := strings.CutPrefix(name, filePartPrefix)
	return name == messagePart || name == draftPart || ok && number != "" && strings.Trim(number, "0123456789") == ""
}

// withoutPath takes off the wrapping that names a file or a URL: such a name can
// tell whose it is. The text of a panic has none.
func withoutPath(err error) error {
	if _, ok := errors.AsType[*contentPanicError](err); ok {
		return err
	}
	err = withoutURL(err)
	for {
		wrapped, ok := errors.AsType[*fs.PathError](err)
		if !ok || wrapped.Err == nil {
			return err
		}
		err = wrapped.Err
	}
}
