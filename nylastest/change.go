package nylastest

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// The endpoints that change messages of a mailbox.
const (
	EndpointUpdateMessage Endpoint = "PUT /v3/grants/{grant}/messages/{id}"
	EndpointDeleteMessage Endpoint = "DELETE /v3/grants/{grant}/messages/{id}"
)

// change changes the messages that match.
func (b *mailbox) change(matches func(*filed) bool, change func(*filed)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.filed {
		if matches(m) {
			change(m)
		}
	}
}

// changeRequest is the body that changes a message or a thread. What is nil is not there.
type changeRequest struct {
	Starred *bool    `json:"starred"`
	Unread  *bool    `json:"unread"`
	Folders []string `json:"folders"`
}

func (r *changeRequest) check() *response {
	for i, id := range r.Folders {
		if !knownFolder(id) {
			return badRequest(fmt.Sprintf("folders[%d] is not a folder of this mailbox", i))
		}
	}
	return nil
}

// apply replaces what the request has.
func (r *changeRequest) apply(m *filed) {
	m.starred = *cmp.Or(r.Starred, &m.starred)
	m.unread = *cmp.Or(r.Unread, &m.unread)
	if r.Folders != nil {
		m.folders = slices.Clone(r.Folders)
	}
}

func (m *filed) trash() { m.folders = []string{folderTrash} }

// changeMessage changes the message that the path names.
func (s *Server) changeMessage(c *call, change func(*filed)) *response {
	grant, refusal := s.grantOf(c)
	if refusal != nil {
		return refusal
	}
	id := c.PathValue("id")
	if _, ok := s.mailbox.find(grant.id, id); !ok {
		return notFound("message")
	}
	s.mailbox.change(func(m *filed) bool { return m.GrantID == grant.id && m.ID == id }, change)
	return nil
}

// serveUpdateMessage changes a message.
//
// https://developer.nylas.com/docs/reference/api/messages/put-messages-id/
func (s *Server) serveUpdateMessage(c *call) *response {
	var request struct {
		changeRequest
		Metadata map[string]string `json:"metadata"`
	}
	query, refusal := c.query("select", "query_imap", "shared_from")
	if refusal == nil {
		refusal = cmp.Or(checkEmulated(query), c.decode(c.body, &request))
	}
	if refusal == nil {
		refusal = cmp.Or(request.check(), checkMetadata(request.Metadata))
	}
	if refusal == nil {
		refusal = s.changeMessage(c, func(m *filed) {
			request.apply(m)
			if request.Metadata != nil {
				m.Metadata = maps.Clone(request.Metadata)
			}
		})
	}
	if refusal != nil {
		return refusal
	}
	return s.serveGetMessage(c)
}

// deleteMessage takes the message that the path names out of its mailbox. It was sent all the
// same, so it stays where tracking looks for it.
func (s *Server) deleteMessage(c *call) *response {
	grant, refusal := s.grantOf(c)
	if refusal != nil {
		return refusal
	}
	if !s.mailbox.unfile(grant.id, c.PathValue("id")) {
		return notFound("message")
	}
	return nil
}

// serveDeleteMessage moves a message to the trash, or deletes it for good.
//
// https://developer.nylas.com/docs/reference/api/messages/delete-message/
func (s *Server) serveDeleteMessage(c *call) *response {
	query, refusal := c.query("hard_delete", "shared_from")
	if refusal == nil {
		refusal = checkEmulated(query)
	}
	hard := query.Get("hard_delete")
	switch {
	case refusal != nil:
	case hard != "" && hard != "true" && hard != "false":
		refusal = badRequest("hard_delete must be true or false")
	case hard == "true" && !s.config.hardDelete:
		refusal = badRequest(`hard_delete: "Enable hard delete" is off`)
	case hard == "true":
		refusal = s.deleteMessage(c)
	default:
		refusal = s.changeMessage(c, (*filed).trash)
	}
	if refusal != nil {
		return refusal
	}
	return jsonResponse(http.StatusOK, map[string]any{})
}
