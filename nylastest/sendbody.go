package nylastest

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// The largest requests, in bytes of the whole body. The unit of Nylas' 3 MB and
// 25 MB is not said; its own SDKs take it as 1024 times 1024.
//
// https://developer.nylas.com/docs/v3/email/attachments/
const (
	maxJSONBody      = 3 << 20
	maxMultipartBody = 25 << 20
)

// The part of a multipart request that holds what JSON would. For drafts Nylas'
// reference calls it draft, and its guide and SDKs message.
const (
	messagePart = "message"
	draftPart   = "draft"
)

// requestAttachment is an attachment in JSON. The last two fields are in no reference:
// the official Node SDK sends them, and they change nothing, because the content
// decides.
//
// https://github.com/nylas/nylas-nodejs/blob/main/src/models/attachments.ts
type requestAttachment struct {
	ID                 string `json:"id"`
	Content            string `json:"content"` // base64
	ContentType        string `json:"content_type"`
	Filename           string `json:"filename"`
	ContentID          string `json:"content_id"`
	ContentDisposition string `json:"content_disposition"`
	Size               int64  `json:"size"` // bytes
	IsInline           bool   `json:"is_inline"`
}

// readSend reads the body of a send within its limit. Only the two content types
// are taken, JSON without parameters: Nylas refused a charset there.
func readSend(r *http.Request) ([]byte, *response) {
	contentType := r.Header.Get("Content-Type")
	limit, tooBig := int64(maxJSONBody), "max size of attachments for json is 3MB"
	if isMultipart(contentType) {
		limit, tooBig = maxMultipartBody, "max size of a multipart request is 25MB"
	} else if contentType != "application/json" {
		return nil, badRequest("request must be of content-type multipart/form-data or application/json")
	}
	body, err := readBody(r, limit)
	if errors.Is(err, errTooBig) {
		return nil, badRequest(fmt.Sprintf("%s, received '%d'", tooBig, max(r.ContentLength, limit+1)))
	}
	if err != nil {
		return nil, badRequest("error reading request body")
	}
	return body, nil
}

var errTooBig = errors.New("body too big")

func readBody(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, errTooBig
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > limit {
		return nil, errTooBig
	}
	return body, nil
}

func isMultipart(contentType string) bool {
	mediaType, parameters, err := mime.ParseMediaType(contentType)
	return err == nil && mediaType == "multipart/form-data" && parameters["boundary"] != ""
}

// attachedFile is an attachment with its content.
type attachedFile struct {
	Attachment
	content []byte
}

func (m *Message) attach(files []attachedFile) {
	m.Attachments, m.contents = nil, nil
	for _, f := range files {
		m.Attachments, m.contents = append(m.Attachments, f.Attachment), append(m.contents, f.content)
	}
}

// decodeSend reads a send in either form, and returns its attachments.
func (c *call) decodeSend(request *sendRequest) ([]attachedFile, *response) {
	return c.decodeMessage(request, &request.Attachments, messagePart)
}

// decodeMessage is decodeSend for any request struct, of which list is a member.
func (c *call) decodeMessage(request any, list *[]requestAttachment, names ...string) ([]attachedFile, *response) {
	message, parts := c.body, []attachedFile(nil)
	if contentType := c.Header.Get("Content-Type"); isMultipart(contentType) {
		_, parameters, _ := mime.ParseMediaType(contentType)
		var refusal *response
		if message, parts, refusal = splitMultipart(c.body, parameters["boundary"], names); refusal != nil {
			return nil, refusal
		}
	}
	if refusal := c.decode(message, request); refusal != nil {
		return nil, refusal
	}
	var attachments []attachedFile
	for i, a := range *list {
		if a.ID != "" {
			return nil, badRequest(fmt.Sprintf("attachments[%d].id is not a completed upload", i))
		}
		if hasControl(a.ContentType) {
			return nil, badRequest(fmt.Sprintf("attachments[%d].content_type has a line break or another control character", i))
		}
		content, err := base64.StdEncoding.DecodeString(a.Content)
		if err != nil {
			return nil, badRequest(fmt.Sprintf("attachments[%d].content is not base64", i))
		}
		attachments = append(attachments, attachedFile{Attachment{a.Filename, a.ContentType, a.ContentID, len(content)}, content})
	}
	return append(attachments, parts...), nil
}

func splitMultipart(body []byte, boundary string, names []string) (message []byte, attachments []attachedFile, refusal *response) {
	reader := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, badRequest("error parsing request")
		}
		var content bytes.Buffer
		size, err := io.Copy(&content, part)
		if err != nil {
			return nil, nil, badRequest("error parsing request")
		}
		switch {
		case !slices.Contains(names, part.FormName()):
			attachments = append(attachments, attachedFile{Attachment{
				Filename: part.FileName(), ContentType: part.Header.Get("Content-Type"), ContentID: part.FormName(), Size: int(size),
			}, content.Bytes()})
		case message != nil:
			return nil, nil, badRequest("error parsing request: two parts " + part.FormName())
		default:
			message = content.Bytes()
		}
	}
	if message == nil {
		return nil, nil, badRequest("error parsing request: no part " + names[0])
	}
	return message, attachments, nil
}

// The values of the query parameter fields.
//
// https://developer.nylas.com/docs/reference/api/messages/send-message/
const (
	fieldsStandard     = "standard"
	fieldsHeaders      = "include_headers"
	fieldsBasicHeaders = "include_basic_headers"
)

type messageAnswer struct {
	ID               string               `json:"id"`
	Object           string               `json:"object"`
	GrantID          string               `json:"grant_id"`
	ThreadID         string               `json:"thread_id"`
	Subject          string               `json:"subject"`
	Body             string               `json:"body"`
	Snippet          string               `json:"snippet"`
	Date             int64                `json:"date"`
	From             []events.Participant `json:"from"`
	To               []events.Participant `json:"to"`
	CC               []events.Participant `json:"cc"`
	BCC              []events.Participant `json:"bcc"`
	ReplyTo          []events.Participant `json:"reply_to"`
	ReplyToMessageID string               `json:"reply_to_message_id"`
	ScheduleID       string               `json:"schedule_id"`
	Attachments      []attachmentAnswer   `json:"attachments"`
	Folders          []string             `json:"folders"`
	Starred          bool                 `json:"starred"`
	Unread           bool                 `json:"unread"`
	UseDraft         bool                 `json:"use_draft"`
	Headers          []Header             `json:"headers,omitzero"`
}

type attachmentAnswer struct {
	ID                 string `json:"id,omitzero"` // transactional messages have none
	GrantID            string `json:"grant_id,omitzero"`
	ContentType        string `json:"content_type"`
	Filename           string `json:"filename"`
	ContentID          string `json:"content_id,omitzero"`
	IsInline           bool   `json:"is_inline"`
	ContentDisposition string `json:"content_disposition,omitzero"`
	Size               int    `json:"size"`
}

// answer is how the message is described to who sent it. The body is that of the
// request; tracking_options are left out, as in all published examples.
func (m *Message) answer(fields string) messageAnswer {
	a := messageAnswer{
		ID: m.ID, Object: "message", GrantID: m.GrantID, ThreadID: m.ThreadID,
		Subject: m.Subject, Body: m.OriginalBody, Snippet: snippet(m.OriginalBody, m.IsPlaintext), Date: m.SentAt.Unix(),
		From: []events.Participant{m.From}, To: m.To, CC: m.CC, BCC: m.BCC, ReplyTo: m.ReplyTo,
		ReplyToMessageID: m.ReplyToMessageID,
		Attachments:      []attachmentAnswer{},
		Folders:          []string{"SENT"},
	}
	for i, at := range m.Attachments {
		answer := attachmentAnswer{
			ID: attachmentID(m.ID, i), GrantID: m.GrantID, ContentType: at.ContentType, Filename: at.Filename, ContentID: at.ContentID,
			IsInline: at.ContentID != "" && strings.Contains(m.OriginalBody, "cid:"+at.ContentID), Size: at.Size,
		}
		disposition := "attachment"
		if answer.IsInline {
			disposition = "inline"
		}
		answer.ContentDisposition = mime.FormatMediaType(disposition, map[string]string{"filename": at.Filename})
		a.Attachments = append(a.Attachments, answer)
	}
	switch fields {
	case fieldsBasicHeaders:
		a.Headers = m.basicHeaders()
	case fieldsHeaders:
		a.Headers = append(m.basicHeaders(),
			Header{"Date", m.SentAt.Format(time.RFC1123Z)},
			Header{"Subject", m.Subject},
			Header{"MIME-Version", "1.0"})
		a.Headers = append(a.Headers, m.CustomHeaders...)
	}
	return a
}

// headerID is the Message-ID header of a message with this id.
func (m *Message) headerID(id string) string {
	_, domain, _ := strings.Cut(m.From.Email, "@")
	return "<" + id + "@" + domain + ">"
}

func (m *Message) basicHeaders() []Header {
	headers := []Header{{"Message-ID", m.headerID(m.ID)}}
	if m.ReplyToMessageID != "" {
		answered := cmp.Or(m.inReplyTo, m.headerID(m.ReplyToMessageID))
		headers = append(headers, Header{"In-Reply-To", answered}, Header{"References", answered})
	}
	return headers
}
