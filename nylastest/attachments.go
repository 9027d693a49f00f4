package nylastest

import (
	"net/http"
	"net/url"
	"slices"
)

// The endpoints of attachments.
const (
	EndpointGetAttachment      Endpoint = "GET /v3/grants/{grant}/attachments/{id}"
	EndpointDownloadAttachment Endpoint = "GET /v3/grants/{grant}/attachments/{id}/download"
)

// attachment finds what the path and message_id name: an attachment of a message or a draft.
func (s *Server) attachment(c *call, known ...string) (attachmentAnswer, []byte, *response) {
	grant, refusal := s.grantOf(c)
	if refusal != nil {
		return attachmentAnswer{}, nil, refusal
	}
	var query url.Values
	if query, refusal = c.query(append(known, "message_id")...); refusal != nil {
		return attachmentAnswer{}, nil, refusal
	}
	id := query.Get("message_id")
	if id == "" {
		return attachmentAnswer{}, nil, badRequest("message_id is required")
	}
	var message *Message
	if m, ok := s.mailbox.find(grant.id, id); ok {
		message = &m.Message
	}
	for _, d := range s.drafts.of(grant.id) {
		if d.ID == id {
			message = &d.Message
		}
	}
	if message == nil {
		return attachmentAnswer{}, nil, notFound("message")
	}
	list := message.answer(fieldsStandard).Attachments
	i := slices.IndexFunc(list, func(a attachmentAnswer) bool { return a.ID == c.PathValue("id") })
	if i < 0 {
		return attachmentAnswer{}, nil, notFound("attachment")
	}
	return list[i], message.contents[i], nil
}

// serveGetAttachment describes an attachment.
//
// https://developer.nylas.com/docs/reference/api/attachments/get-attachments-id/
func (s *Server) serveGetAttachment(c *call) *response {
	a, _, refusal := s.attachment(c, "query_imap")
	if refusal != nil {
		return refusal
	}
	return dataResponse(a)
}

// serveDownloadAttachment returns the bytes of an attachment, whatever its type is.
//
// https://developer.nylas.com/docs/reference/api/attachments/get-attachments-id-download/
func (s *Server) serveDownloadAttachment(c *call) *response {
	_, content, refusal := s.attachment(c, "query_imap")
	if refusal != nil {
		return refusal
	}
	header := http.Header{"Content-Type": {"application/octet-stream"}, "X-Request-Id": {newUUID()}}
	return &response{status: http.StatusOK, header: header, body: content}
}
