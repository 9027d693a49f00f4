package nylas

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/nylastrack/nylas-go/internal/payload"
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
	if a.Content == nil {
		return encodedAttachment(encoded)
	}
	switch content := a.Content.content().(type) {
	case payload.Bytes:
		encoded.Content = append([]byte{}, content...)
	case payload.File:
		encoded.Path = new(string(content))
	case *payload.FS:
		return nil, contentError("an FSContent belongs to a file system of this program: use FileContent or BytesContent")
	case *payload.Stream:
		return nil, contentError("a StreamContent is a function: use FileContent or BytesContent")
	case *payload.Reader:
		return nil, contentError("a ReaderContent can be read only once: use FileContent or BytesContent")
	default:
		return nil, contentError("the content is of an unknown kind")
	}
	return encodedAttachment(encoded)
}

func encodedAttachment(encoded attachmentJSON) ([]byte, error) {
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
	content() payload.Content
}

type attachmentContent struct{ payload.Content }

func (c attachmentContent) content() payload.Content { return c.Content }

// UnknownSize is the size of a content whose size is not known beforehand. The SDK
// sends such a request as chunked multipart/form-data. If the request exceeds 25 MiB,
// the SDK breaks it off with an error that matches [ErrInvalidRequest]. Nylas then has
// only a part of the request and sends nothing.
const UnknownSize = payload.UnknownSize

// BytesContent returns a content in memory. The bytes must not change until the call
// returns.
func BytesContent(content []byte) AttachmentContent {
	return attachmentContent{payload.Bytes(content)}
}

// FileContent returns the content of a regular file. The call looks up the size when
// it begins. Errors wrap those of package os, without the path. Anything but a
// regular file, such as a named pipe, is an error, also if the file was replaced
// between two attempts.
func FileContent(name string) AttachmentContent { return attachmentContent{payload.File(name)} }

// FSContent returns the content of a regular file in a file system, such as an
// [embed.FS]. It is like [FileContent], with one difference: it checks the kind of the
// file before it opens it, so a file that is replaced by a named pipe in between can
// block.
func FSContent(fsys fs.FS, name string) AttachmentContent {
	return attachmentContent{&payload.FS{FS: fsys, Name: name}}
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
	return attachmentContent{&payload.Stream{Size: size, Opener: open}}
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
	return attachmentContent{&payload.Reader{Size: size, R: r}}
}

// payloadOf returns attachments as they are put into a payload.
func payloadOf(attachments []Attachment) []payload.Attachment {
	files := make([]payload.Attachment, len(attachments))
	for i, a := range attachments {
		files[i] = payload.Attachment{Filename: a.Filename, ContentType: a.ContentType, ContentID: a.ContentID}
		if a.Content != nil {
			files[i].Content = a.Content.content()
		}
	}
	return files
}

// AttachmentService reads the attachments of messages in mailboxes; it is
// [Client.Attachments].
type AttachmentService struct{ client *Client }

func (a *AttachmentInfo) isNamed() bool { return a.ID != "" }

type attachmentQuery struct {
	MessageID string `url:"message_id"`
}

// Get returns what an attachment is: its name, type and size. attachmentID is the
// [AttachmentInfo.ID] in [Message.Attachments], and messageID is the id of that message. An
// unknown id is [ErrNotFound].
//
// https://developer.nylas.com/docs/reference/api/attachments/get-attachments-id/
func (s *AttachmentService) Get(
	ctx context.Context, grantID, attachmentID, messageID string, opts ...RequestOption,
) (*AttachmentInfo, error) {
	op := s.client.begin("get attachment", opts)
	call, err := attachmentCall(op, "/v3/grants/{grant_id}/attachments/{attachment_id}", grantID, attachmentID, messageID)
	if err != nil {
		return nil, err
	}
	var answer dataAnswer[AttachmentInfo]
	if err := op.do(ctx, call, &answer); err != nil {
		return nil, err
	}
	return &answer.Data, nil
}

// Download returns the content of an attachment as it arrives. The caller must close it. The
// ids are those of Get, which returns the type; the size is also the Content-Length in
// [Response.Header], if Nylas sends one. An unknown id is [ErrNotFound].
//
// The SDK retries until the content begins, and [WithTimeout] limits that time. From then on
// ctx limits the download. If the content breaks off or ctx ends, Read returns an [*Error],
// and the content is not complete; the SDK does not begin again.
//
// https://developer.nylas.com/docs/reference/api/attachments/get-attachments-id-download/
func (s *AttachmentService) Download(
	ctx context.Context, grantID, attachmentID, messageID string, opts ...RequestOption,
) (io.ReadCloser, error) {
	op := s.client.begin("download attachment", opts)
	call, err := attachmentCall(op, "/v3/grants/{grant_id}/attachments/{attachment_id}/download", grantID, attachmentID, messageID)
	if err != nil {
		return nil, err
	}
	return op.open(ctx, call)
}

func attachmentCall(op *operation, path, grantID, attachmentID, messageID string) (call, error) {
	if messageID == "" {
		return call{}, refuse(op, "message_id is empty")
	}
	return call{
		method: http.MethodGet, path: path, lane: laneGrant, ids: []string{grantID, attachmentID},
		query: attachmentQuery{messageID}, limit: mailboxTimeout,
	}, nil
}
