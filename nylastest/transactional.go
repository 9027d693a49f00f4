package nylastest

import (
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/nylastrack/nylas-go/events"
)

// EndpointSendTransactional sends from a domain.
const EndpointSendTransactional Endpoint = "POST /v3/domains/{domain}/messages/send"

// transactionalRequest is the body of a transactional send, with every field that
// Nylas documents.
//
// https://developer.nylas.com/docs/reference/api/transactional-send/send-transactional-email/
type transactionalRequest struct {
	To               []participant       `json:"to"`
	From             *participant        `json:"from"`
	CC               []participant       `json:"cc"`
	BCC              []participant       `json:"bcc"`
	ReplyTo          []participant       `json:"reply_to"`
	Subject          *string             `json:"subject"`
	Body             *string             `json:"body"`
	IsPlaintext      bool                `json:"is_plaintext"`
	Attachments      []requestAttachment `json:"attachments"`
	CustomHeaders    []Header            `json:"custom_headers"`
	Metadata         map[string]string   `json:"metadata"`
	ReplyToMessageID string              `json:"reply_to_message_id"`
	SendAt           *int64              `json:"send_at"`
	Template         *template           `json:"template"`
	TrackingOptions  jsontext.Value      `json:"tracking_options"`
}

// serveTransactional is a transactional send up to its execution. Its keys are
// those of the application, in all domains.
func (s *Server) serveTransactional(c *call) *response {
	domain := normalHostname(c.PathValue("domain"))
	if !s.config.sendingDomains[domain] {
		return notFound("domain")
	}
	return s.sendOnce(c, s.applicationID, func(key string) *response { return s.executeTransactional(c, domain, key) })
}

func (s *Server) executeTransactional(c *call, domain, key string) *response {
	if _, refusal := c.query(); refusal != nil {
		return refusal
	}
	var request transactionalRequest
	attachments, refusal := c.decodeMessage(&request, &request.Attachments, messagePart)
	if refusal != nil {
		return refusal
	}
	if request.From == nil {
		return badRequest("from is required")
	}
	send := request.asSend()
	if refusal := send.check(time.Now()); refusal != nil {
		return refusal
	}
	if _, of, _ := strings.Cut(request.From.Email, "@"); !s.config.sendingDomains[normalHostname(of)] {
		return badRequest("from.email must belong to a verified domain")
	}
	tracking, refusal := s.checkTransactionalTracking(c, request.TrackingOptions)
	if refusal != nil {
		return refusal
	}
	message := send.message(grant{}, tracking)
	message.attach(attachments)
	message.IdempotencyKey = key
	message.Domain = domain
	token := s.ids.token("token", message.content())
	if refusal := s.insertTracking(&message, token); refusal != nil {
		return refusal
	}
	if send.SendAt != nil {
		return s.schedule(message, token, *send.SendAt)
	}
	message, notification := s.mailbox.put(message, token)
	s.sent(&message, notification)
	return dataResponse(message.transactionalAnswer(request.TrackingOptions != nil))
}

// asSend is the same message as a send on a grant would have it.
func (r *transactionalRequest) asSend() sendRequest {
	return sendRequest{
		To: r.To, CC: r.CC, BCC: r.BCC, ReplyTo: r.ReplyTo, From: []participant{*r.From},
		Subject: r.Subject, Body: r.Body, IsPlaintext: r.IsPlaintext, CustomHeaders: r.CustomHeaders, Metadata: r.Metadata,
		ReplyToMessageID: r.ReplyToMessageID, SendAt: r.SendAt, Template: r.Template,
	}
}

// checkTransactionalTracking reads tracking_options, which have no thread_replies
// here.
func (s *Server) checkTransactionalTracking(c *call, raw jsontext.Value) (Tracking, *response) {
	tracking, refusal := s.checkTracking(c, raw)
	if refusal != nil || raw == nil {
		return tracking, refusal
	}
	var request struct {
		TrackingOptions struct {
			Opens      bool    `json:"opens"`
			Links      bool    `json:"links"`
			Label      string  `json:"label"`
			DomainName *string `json:"domain_name"`
		} `json:"tracking_options"`
	}
	tracking.ThreadReplies = false // ignored, unless the server is strict
	return tracking, c.decode([]byte(`{"tracking_options":`+string(raw)+`}`), &request)
}

type transactionalAnswer struct {
	ID              string               `json:"id"`
	Object          string               `json:"object"`
	Subject         string               `json:"subject"`
	Body            string               `json:"body"`
	Snippet         string               `json:"snippet"`
	From            []events.Participant `json:"from"`
	To              []events.Participant `json:"to"`
	CC              []events.Participant `json:"cc"`
	BCC             []events.Participant `json:"bcc"`
	ReplyTo         []events.Participant `json:"reply_to"`
	Attachments     []attachmentAnswer   `json:"attachments"`
	TrackingOptions *trackingAnswer      `json:"tracking_options,omitzero"`
}

// trackingAnswer is how answers repeat tracking_options: without domain_name.
type trackingAnswer struct {
	Opens         bool   `json:"opens"`
	Links         bool   `json:"links"`
	ThreadReplies *bool  `json:"thread_replies,omitzero"` // not of transactional messages
	Label         string `json:"label,omitzero"`
}

func (m *Message) transactionalAnswer(tracked bool) transactionalAnswer {
	a := m.answer(fieldsStandard)
	answer := transactionalAnswer{
		ID: a.ID, Object: a.Object, Subject: a.Subject, Body: a.Body, Snippet: a.Snippet,
		From: a.From, To: a.To, CC: a.CC, BCC: a.BCC, ReplyTo: a.ReplyTo, Attachments: a.Attachments,
	}
	for i := range answer.Attachments {
		answer.Attachments[i].ID, answer.Attachments[i].GrantID = "", ""
	}
	if tracked {
		answer.TrackingOptions = &trackingAnswer{Opens: m.Tracking.Opens, Links: m.Tracking.Links, Label: m.Tracking.Label}
	}
	return answer
}
