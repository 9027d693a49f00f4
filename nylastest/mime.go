package nylastest

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"

	"github.com/nylastrack/nylas-go/events"
)

// mimePart is the part of a multipart request that holds a message in MIME form, and the
// value of type that says so.
//
// https://developer.nylas.com/docs/v3/email/headers-mime-data/
const (
	mimePart = "mime"
	typeMIME = "mime"
)

// readMIME reads a send with type=mime. Nothing in it is tracked.
func (c *call) readMIME(grant grant) (Message, *response) {
	contentType := c.Header.Get("Content-Type")
	if !isMultipart(contentType) {
		return Message{}, badRequest("type=mime needs a request of content-type multipart/form-data")
	}
	_, parameters, _ := mime.ParseMediaType(contentType)
	raw, others, refusal := splitMultipart(c.body, parameters["boundary"], []string{mimePart})
	if refusal != nil {
		return Message{}, refusal
	}
	if len(others) > 0 {
		return Message{}, c.unknown("part", others[0].ContentID)
	}
	parsed, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return Message{}, badRequest("mime: the headers cannot be parsed")
	}
	m := Message{GrantID: grant.id, From: events.Participant{Name: grant.name, Email: grant.email}, raw: raw}
	lists := map[string]*[]events.Participant{"To": &m.To, "Cc": &m.CC, "Bcc": &m.BCC, "Reply-To": &m.ReplyTo}
	for name, list := range lists {
		*list = []events.Participant{}
		if parsed.Header.Get(name) == "" {
			continue
		}
		addresses, err := parsed.Header.AddressList(name)
		if err != nil {
			return Message{}, badRequest("mime: the addresses in " + name + " cannot be parsed")
		}
		for _, a := range addresses {
			*list = append(*list, events.Participant{Name: a.Name, Email: a.Address})
		}
	}
	if len(m.To)+len(m.CC)+len(m.BCC) == 0 {
		return Message{}, badRequest("mime: there is no recipient")
	}
	if from, err := parsed.Header.AddressList("From"); err == nil {
		m.From = events.Participant{Name: from[0].Name, Email: from[0].Address}
	}
	if m.Subject, err = new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject")); err != nil {
		m.Subject = parsed.Header.Get("Subject")
	}
	m.Body, m.IsPlaintext = textOf(textproto.MIMEHeader(parsed.Header), parsed.Body, maxMIMEDepth)
	m.OriginalBody = m.Body
	return m, nil
}

// textOf returns the HTML of an entity, or its plain text if it has none. What is nested
// deeper than depth is not read.
func textOf(header textproto.MIMEHeader, body io.Reader, depth int) (text string, isPlain bool) {
	mediaType, parameters, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		mediaType = "text/plain" // RFC 2045, section 5.2
	}
	if strings.HasPrefix(mediaType, "multipart/") && depth > 0 {
		parts := multipart.NewReader(body, parameters["boundary"])
		isPlain = true
		for {
			part, err := parts.NextRawPart()
			if err != nil {
				return text, isPlain
			}
			if found, plain := textOf(part.Header, part, depth-1); found != "" && (text == "" || isPlain && !plain) {
				text, isPlain = found, plain
			}
		}
	}
	if !strings.HasPrefix(mediaType, "text/") || strings.HasPrefix(header.Get("Content-Disposition"), "attachment") {
		return "", true
	}
	switch strings.ToLower(header.Get("Content-Transfer-Encoding")) {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	content, _ := io.ReadAll(body) // what can be read counts
	return string(content), mediaType != "text/html"
}

// rawAnswer is how a message is described with fields=raw_mime.
type rawAnswer struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	GrantID string `json:"grant_id"`
	RawMIME string `json:"raw_mime"`
}

func (m *filed) rawAnswer() rawAnswer {
	return rawAnswer{m.ID, "message", m.GrantID, base64.URLEncoding.EncodeToString(m.mime())}
}

// mime is the message as the mail server has it: as it was sent in that form, or with the
// headers that include_headers returns, the body and the attachments.
func (m *filed) mime() []byte {
	if m.raw != nil {
		return m.raw
	}
	var out bytes.Buffer
	for _, h := range m.answer(fieldsHeaders).Headers {
		if strings.HasPrefix(strings.ToLower(h.Name), "content-") {
			continue // of a sender; what follows describes the body as it is written here
		}
		out.WriteString(h.Name + ": " + mime.QEncoding.Encode("utf-8", h.Value) + "\r\n")
	}
	contentType := "text/html; charset=utf-8"
	if m.IsPlaintext {
		contentType = "text/plain; charset=utf-8"
	}
	if len(m.Attachments) == 0 {
		out.WriteString("Content-Type: " + contentType + "\r\nContent-Transfer-Encoding: base64\r\n\r\n")
		writeBase64(&out, []byte(m.Body))
		return out.Bytes()
	}
	parts := multipart.NewWriter(&out)
	out.WriteString("Content-Type: multipart/mixed; boundary=" + parts.Boundary() + "\r\n\r\n")
	add := func(contentType, disposition string, content []byte) {
		header := textproto.MIMEHeader{"Content-Type": {contentType}, "Content-Transfer-Encoding": {"base64"}}
		if disposition != "" {
			header.Set("Content-Disposition", disposition)
		}
		part, _ := parts.CreatePart(header) // a bytes.Buffer takes everything
		writeBase64(part, content)
	}
	add(contentType, "", []byte(m.Body))
	for i, a := range m.Attachments {
		add(a.ContentType, mime.FormatMediaType("attachment", map[string]string{"filename": a.Filename}), m.contents[i])
	}
	_ = parts.Close()
	return out.Bytes()
}

// maxEncodedLine is the length of a line of base64. RFC 2045, section 6.8.
const maxEncodedLine = 76

func writeBase64(w io.Writer, content []byte) {
	text := base64.StdEncoding.EncodeToString(content)
	for len(text) > 0 {
		n := min(maxEncodedLine, len(text))
		_, _ = io.WriteString(w, text[:n]+"\r\n")
		text = text[n:]
	}
}
