package nylas

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
)

// maxMultipartBytes bounds a multipart request. Nylas takes 25 MB, and its SDKs
// count 1024 times 1024 bytes for one. https://developer.nylas.com/docs/v3/email/attachments/
const maxMultipartBytes = 25 << 20

// The names of the parts, as Nylas' SDKs write them; an inline attachment's part
// is named by its content id.
const (
	messagePart    = "message"
	draftPart      = "draft" // the other name of messagePart in Nylas' OpenAPI description
	filePartPrefix = "file"
)

// encodePayload puts a JSON object and attachments together: as JSON if that has at
// most maxJSONBytes, and as multipart with the given boundary otherwise. Nothing
// is read.
func encodePayload(object []byte, attachments []Attachment, boundary string) (*payload, *payloadError) {
	files, err := checkAttachments(attachments)
	if err != nil {
		return nil, err
	}
	if p := jsonPayload(object, files); p.size() != UnknownSize && p.size() <= maxJSONBytes {
		return p, nil
	}
	return multipartPayload(object, files, boundary)
}

// jsonPayload returns the body as JSON, with the files as the member attachments.
func jsonPayload(object []byte, files []attachedFile) *payload {
	p := &payload{contentType: "application/json"} // Nylas refuses a charset
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

// multipartPayload returns the body as multipart/form-data (RFC 7578): the object,
// then the files.
func multipartPayload(object []byte, files []attachedFile, boundary string) (*payload, *payloadError) {
	p := &payload{contentType: "multipart/form-data; boundary=" + boundary}
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
	if p.known > maxMultipartBytes {
		return nil, &payloadError{text: tooLarge(strconv.FormatInt(p.known, 10))}
	}
	return p, nil
}

func tooLarge(size string) string {
	return fmt.Sprintf("the request has %s bytes with its attachments, Nylas takes at most %d", size, maxMultipartBytes)
}

// escapeFilename writes a name as browsers and Nylas' SDKs do: in UTF-8, without
// the other form (filename*), which RFC 7578 forbids.
// https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data
func escapeFilename(name string) string { return strings.ReplaceAll(name, `"`, "%22") }

// boundary returns what separates the parts: the same for each request with the
// key, as the bytes of a repetition are to be the same. The API key is in it
// because who can guess an Idempotency-Key, and wrote what is attached, could
// otherwise write parts of the request.
func (c *Client) boundary(key string) string {
	if key == "" {
		return "nylas-go-" + rand.Text()
	}
	mac := hmac.New(sha256.New, []byte(c.apiKey()))
	mac.Write([]byte("boundary " + key))
	return "nylas-go-" + hex.EncodeToString(mac.Sum(nil)[:16])
}

// breakOff makes e the error for a request that was broken off.
func (e *Error) breakOff(err *payloadError) {
	e.Message = "the request was broken off: " + err.text
	e.cause = err.cause
	if err.cause == nil { // what was asked for is wrong, and not a disk or a network
		e.refused = []error{ErrInvalidRequest}
	}
}
