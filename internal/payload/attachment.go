package payload

import (
	"cmp"
	"errors"
	"fmt"
	"mime"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nylastrack/nylas-go/internal/anon"
)

// Attachment is a file to send. Filename and ContentType can be left out if they follow
// from the content. A ContentID makes it an inline one.
type Attachment struct {
	Filename, ContentType, ContentID string

	Content Content // nil is refused
}

// attachmentError says which attachment is meant.
func attachmentError(index int, err *Error) *Error {
	return &Error{fmt.Sprintf("Attachments[%d] %s", index, err.Text), err.Cause}
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
	content Content
}

// checkAttachments refuses what could not be sent, or could change the request
// around it.
func checkAttachments(attachments []Attachment) ([]attachedFile, *Error) {
	files := make([]attachedFile, len(attachments))
	contentIDs := make(map[string]bool)
	readers := make(map[*Reader]int)
	for i, a := range attachments {
		file, err := a.check()
		once, isReader := a.Content.(*Reader)
		other, taken := readers[once]
		switch {
		case err != nil:
		case a.ContentID != "" && contentIDs[a.ContentID]:
			err = &Error{Text: "has the same ContentID as another one"}
		case isReader && taken:
			err = &Error{Text: fmt.Sprintf("has the ReaderContent of Attachments[%d], which can be read only once: "+
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

func (a Attachment) check() (attachedFile, *Error) {
	if a.Content == nil {
		return attachedFile{}, &Error{Text: "has no Content"}
	}
	file := attachedFile{
		Filename:  cmp.Or(a.Filename, a.Content.Filename()),
		ContentID: a.ContentID,
		content:   a.Content,
	}
	file.ContentType = cmp.Or(a.ContentType, mime.TypeByExtension(path.Ext(file.Filename)), defaultContentType)
	size, err := a.Content.Measure()
	switch {
	case err != nil:
		return file, &Error{"cannot be read", withoutPath(err)}
	case file.Filename == "":
		return file, &Error{Text: "has no Filename"}
	case !utf8.ValidString(file.Filename):
		return file, &Error{Text: "has a Filename that is not UTF-8"}
	case strings.ContainsFunc(file.Filename, unfitForFilename):
		return file, &Error{Text: "has a Filename with a control character or a directory"}
	case !isMediaType(file.ContentType):
		return file, &Error{Text: "has a ContentType that is not a media type"}
	case strings.ContainsFunc(a.ContentID, unfitForContentID):
		return file, &Error{Text: "has a ContentID with other characters than ASCII letters, digits and " + contentIDChars}
	case isPartName(a.ContentID):
		return file, &Error{Text: "has a ContentID that is the name of another part"}
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

// withoutPath takes off the wrapping that names a file or a URL. The text of a panic has
// none.
func withoutPath(err error) error {
	if _, ok := errors.AsType[*panicError](err); ok {
		return err
	}
	return anon.WithoutPath(err)
}
