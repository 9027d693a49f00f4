// Package payload makes the bodies of requests: JSON, or multipart/form-data, with the
// contents of attachments streamed into them, the same bytes for each attempt.
package payload

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
)

// The limits of a request.
// https://developer.nylas.com/docs/v3/email/attachments/
const (
	// MaxJSONBytes bounds a JSON request; Nylas takes 3 MB.
	MaxJSONBytes = 3_000_000
	// MaxBytes bounds a multipart request. Nylas takes 25 MB, and its SDKs count 1024
	// times 1024 bytes for one.
	MaxBytes = 25 << 20
)

// The names of the parts, as Nylas' SDKs write them; an inline attachment's part
// is named by its content id.
const (
	messagePart    = "message"
	draftPart      = "draft" // the other name of messagePart in Nylas' OpenAPI description
	filePartPrefix = "file"
	mimePart       = "mime"
)

// JSON returns a payload of a JSON object alone. One that is too long is an error.
func JSON(object []byte) (*Payload, *Error) {
	if len(object) > MaxJSONBytes {
		return nil, &Error{Text: fmt.Sprintf("the request has %d bytes as JSON, Nylas takes at most %d", len(object), MaxJSONBytes)}
	}
	return jsonPayload(object, nil), nil
}

// Encode puts a JSON object and attachments together: as JSON if that has at
// most MaxJSONBytes, and as multipart with the given boundary otherwise. Nothing
// is read.
func Encode(object []byte, attachments []Attachment, boundary string) (*Payload, *Error) {
	files, err := checkAttachments(attachments)
	if err != nil {
		return nil, err
	}
	if p := jsonPayload(object, files); p.Size() != UnknownSize && p.Size() <= MaxJSONBytes {
		return p, nil
	}
	return multipartPayload(object, files, boundary)
}

// jsonPayload returns the body as JSON, with the files as the member attachments.
func jsonPayload(object []byte, files []attachedFile) *Payload {
	p := &Payload{contentType: "application/json"} // Nylas refuses a charset
	if len(files) == 0 {
		p.addText(object)
		return p
	}
	head := bytes.TrimSuffix(object, []byte("}"))
	p.addText(head)
	separator := `,"attachments":[`
	if len(head) == 1 {
		separator = separator[1:]
	}
	for i := range files {
		described, _ := jsonv2.Marshal(files[i]) // its strings are valid
		p.addText([]byte(separator), bytes.TrimSuffix(described, []byte("}")), []byte(`,"content":"`))
		p.addFile(&files[i], true)
		separator = `"},`
	}
	p.addText([]byte(`"}]}`))
	return p
}

// MIME returns a message that is already written as the only part of a multipart request.
func MIME(message []byte, boundary string) (*Payload, *Error) {
	p := &Payload{contentType: "multipart/form-data; boundary=" + boundary}
	p.addText([]byte("--"+boundary+"\r\n"+`Content-Disposition: form-data; name="`+mimePart+"\"\r\n\r\n"),
		message, []byte("\r\n--"+boundary+"--\r\n"))
	if p.known > MaxBytes {
		return nil, &Error{Text: tooLarge(strconv.FormatInt(p.known, 10))}
	}
	return p, nil
}

// multipartPayload returns the body as multipart/form-data (RFC 7578): the object,
// then the files.
func multipartPayload(object []byte, files []attachedFile, boundary string) (*Payload, *Error) {
	p := &Payload{contentType: "multipart/form-data; boundary=" + boundary}
	p.addText([]byte("--" + boundary + "\r\n" +
		`Content-Disposition: form-data; name="` + messagePart + "\"\r\n" +
		"Content-Type: application/json\r\n\r\n"))
	p.addText(object)
	for i := range files {
		file := &files[i]
		name := file.ContentID
		if name == "" {
			name = filePartPrefix + strconv.Itoa(file.index)
		}
		p.addText([]byte("\r\n--" + boundary + "\r\n" +
			`Content-Disposition: form-data; name="` + name + `"; filename="` + escapeFilename(file.Filename) + "\"\r\n" +
			"Content-Type: " + file.ContentType + "\r\n\r\n"))
		p.addFile(file, false)
	}
	p.addText([]byte("\r\n--" + boundary + "--\r\n"))
	if p.known > MaxBytes {
		return nil, &Error{Text: tooLarge(strconv.FormatInt(p.known, 10))}
	}
	return p, nil
}

func tooLarge(size string) string {
	return fmt.Sprintf("the request has %s bytes with its attachments, Nylas takes at most %d", size, MaxBytes)
}

// escapeFilename writes a name as browsers and Nylas' SDKs do: in UTF-8, without
// the other form (filename*), which RFC 7578 forbids.
// https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data
func escapeFilename(name string) string { return strings.ReplaceAll(name, `"`, "%22") }
