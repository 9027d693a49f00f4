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
)

// Attachment is a file that goes out with a message.
//
//	Attachments: []nylas.Attachment{
//		{Content: nylas.FileContent("/srv/offers/offer.pdf")},
//		{Filename: "logo.png", ContentID: "logo", Content: nylas.BytesContent(logo)},
//	},
//
// A request that is at most 3,000,000 bytes as JSON, with the contents in base64,
// goes out as JSON, any other one as multipart/form-data. It may have 25 MiB then,
// all of it counted; one with more is refused with an error that matches
// [ErrInvalidRequest]. The mail provider can have a lower limit.
//
// Contents are never kept in memory: each attempt opens them and reads them again,
// and closes them when it ends. A content that cannot be read, or has not as many
// bytes as before or as announced, breaks the request off, so that Nylas does not
// get a whole one, and ends the call. Bytes that change between attempts without
// a change of size make another request of the same Idempotency-Key, which
// Nylas refuses; see [ErrIdempotencyConflict].
//
// https://developer.nylas.com/docs/v3/email/attachments/
type Attachment struct {
	// Filename is the name that the recipient sees, without directories and control
	// characters. A FileContent or FSContent has one of its own; the others need it.
	// In multipart a quotation mark goes out as %22, as browsers write it.
	Filename string
	// ContentType is the media type. An empty one is found by the ending of Filename
	// in the tables of package mime, which differ between machines; if they have none,
	// it is application/octet-stream.
	ContentType string
	// ContentID makes the attachment an inline one, for the body to show as
	// <img src="cid:logo">. It is to be unique in the thread. Nylas asks for letters
	// and digits; the SDK also takes . _ - + and @, and refuses "message", "draft" and
	// "file" with a number, which are the names of other parts.
	ContentID string
	// Content is what is in the file: a [BytesContent], [FileContent], [FSContent],
	// [StreamContent] or [ReaderContent].
	Content AttachmentContent
}

// AttachmentContent is what is in an [Attachment]. The functions that return one
// are its only kinds.
type AttachmentContent interface {
	// filename is the name that the content has by itself, or "".
	filename() string
	// measure returns the number of bytes, or UnknownSize.
	measure() (int64, error)
	// open begins to read from the start.
	open() (io.ReadCloser, error)
}

// UnknownSize stands for the size of a content that is not known beforehand. Such
// a request is always multipart, is sent chunked, and is cut off when it passes
// 25 MiB, with an error that matches [ErrInvalidRequest]; Nylas then has not got a
// whole request, and sends nothing.
const UnknownSize int64 = -1

// BytesContent is a content in memory. The bytes must not change before the call
// ends.
func BytesContent(content []byte) AttachmentContent { return bytesContent(content) }

type bytesContent []byte

func (c bytesContent) filename() string        { return "" }
func (c bytesContent) measure() (int64, error) { return int64(len(c)), nil }
func (c bytesContent) open() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(c)), nil
}

// FileContent is the content of a regular file. Its size is taken when the call
// begins. Errors wrap those of package os, without the path. What is no regular
// file, or has become something else by a later attempt, such as a named pipe, is
// an error.
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

// FSContent is the content of a regular file in a file system, such as an
// [embed.FS]. It is otherwise like [FileContent], but that a file system can only be
// asked what a file is before it is opened: one that becomes a named pipe in just
// that moment can block.
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

// StreamContent is a content of size bytes, or of [UnknownSize], that open gives
// from its start as often as it is called: once for each attempt, perhaps while
// the stream of the attempt before is being closed. Close may be called during a
// Read and must end it, as it does with files, pipes and bodies of HTTP answers: a
// call whose context ends returns only after the Read. A panic in open or in the
// stream is an error of the call, as if reading had failed.
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

// ReaderContent is a content of size bytes, or of [UnknownSize], that can be read
// once. It makes the call one that is not repeated: after the first Read every
// failure is final, whatever the [RetryPolicy] says, and the error may match
// [ErrOutcomeUnknown] where a repetition would have found out. A content that was
// read is refused in a second call, and one that stands in two attachments is
// refused before it is read. Prefer a [StreamContent] wherever the source can be
// opened again.
//
// As net/http does with the body of a request, the SDK closes r, if it can be
// closed, when the attempt that began to read it ends, perhaps during a Read.
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
		return file, &payloadError{text: "has a ContentID with other characters than ASCII letters, digits and . _ - + @"}
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

func unfitForContentID(r rune) bool {
	isLetterOrDigit := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	return !isLetterOrDigit && !strings.ContainsRune("._-+@", r)
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
