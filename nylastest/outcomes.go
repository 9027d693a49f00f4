package nylastest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/nylastrack/nylas-go/events"
)

// endpointOutcome is the emulator's own endpoint by which programs in other
// languages can make mail bounce or be complained about.
const endpointOutcome Endpoint = "POST /nylastest/messages/{message}/outcomes"

const (
	// What is sent to an address of these domains, which belong to nobody, bounces,
	// or is complained about after it was delivered.
	bounceDomain    = "@bounce.nylas.test"
	complaintDomain = "@complaint.nylas.test"
	// rejectedText is the name of the file with which virus scanners are tested.
	rejectedText = "EICAR-STANDARD-ANTIVIRUS-TEST-FILE"

	// The names of types are those of Nylas' pages.
	// https://developer.nylas.com/docs/reference/notifications/transactional-email/
	defaultBounceType    = "NoEmail"
	defaultComplaintType = "abuse"
	unknownUser          = "smtp; 550 user unknown"
)

// recipients are all addresses of a message.
func (m *Message) recipients() []events.Address {
	return slices.Concat(addresses(m.To), addresses(m.CC), addresses(m.BCC))
}

func addresses(list []events.Participant) []events.Address {
	var out []events.Address
	for _, p := range list {
		out = append(out, events.Address(p.Email))
	}
	return out
}

func (m *Message) rejected() bool {
	return strings.Contains(m.Subject, rejectedText) || strings.Contains(m.OriginalBody, rejectedText)
}

// outcomeMessage is how notifications about outcomes describe a message.
func (m *Message) outcomeMessage() events.OutcomeMessage {
	return events.OutcomeMessage{
		ID: m.ID, Subject: m.Subject, From: events.Address(m.From.Email),
		To: addresses(m.To), CC: addresses(m.CC), BCC: addresses(m.BCC),
		SentAt: events.At(m.SentAt), Metadata: m.Metadata,
	}
}

// sent tells the webhooks about a message that was sent just now: that it is a
// reply, if it is one, and what becomes of mail that Nylas itself delivers.
func (s *Server) sent(m *Message, reply *events.Notification) {
	s.notify(reply)
	if !s.covers(m) {
		return
	}
	for _, address := range m.recipients() {
		s.sends.add(sendAccepted, m, address, "", "")
		if m.rejected() {
			s.sends.add(sendRejected, m, address, "", "")
		}
	}
	s.watch()
	if m.rejected() {
		s.notifyOutcome(m, &events.MessageRejected{RejectionOutcome: events.RejectionOutcome{
			Message: m.outcomeMessage(), RejectedAt: events.At(time.Now()),
		}})
		return
	}
	to := func(domain string) func(events.Address) bool {
		return func(a events.Address) bool { return strings.HasSuffix(strings.ToLower(string(a)), domain) }
	}
	all := m.recipients()
	delivered := slices.DeleteFunc(slices.Clone(all), to(bounceDomain))
	for _, address := range delivered {
		s.sends.add(sendDelivered, m, address, "", "")
	}
	if len(delivered) > 0 {
		s.notifyOutcome(m, &events.MessageDelivered{DeliveryOutcome: events.DeliveryOutcome{
			Message: m.outcomeMessage(), Delivered: events.Delivered{DeliveredAt: events.At(time.Now()), Recipients: delivered},
		}})
	}
	for _, address := range all {
		switch {
		case to(bounceDomain)(address):
			s.bounced(m, outcomeRequest{Email: string(address), Type: defaultBounceType, DiagnosticCode: unknownUser})
		case to(complaintDomain)(address):
			s.complained(m, outcomeRequest{Email: string(address), Type: defaultComplaintType})
		}
	}
}

// notifyOutcome notifies an outcome, which has another name and type for a
// transactional message.
func (s *Server) notifyOutcome(m *Message, data events.Data) {
	var typ events.Type
	transactional := m.GrantID == ""
	switch d := data.(type) {
	case *events.MessageDelivered:
		typ = events.TypeMessageDelivered
		if transactional {
			typ, data = events.TypeMessageTransactionalDelivered, &events.MessageTransactionalDelivered{DeliveryOutcome: d.DeliveryOutcome}
		}
	case *events.MessageBounced:
		typ = events.TypeMessageBounced
		if transactional {
			typ, data = events.TypeMessageTransactionalBounced, &events.MessageTransactionalBounced{BounceOutcome: d.BounceOutcome}
		}
	case *events.MessageComplaint:
		typ = events.TypeMessageComplaint
		if transactional {
			typ, data = events.TypeMessageTransactionalComplaint, &events.MessageTransactionalComplaint{ComplaintOutcome: d.ComplaintOutcome}
		}
	case *events.MessageRejected:
		typ = events.TypeMessageRejected
		if transactional {
			typ, data = events.TypeMessageTransactionalRejected, &events.MessageTransactionalRejected{RejectionOutcome: d.RejectionOutcome}
		}
	case *events.MessageBounceDetected:
		typ = events.TypeMessageBounceDetected
	}
	n := newNotification(sourceSend, typ, s.applicationID, m.GrantID, time.Now(), data)
	if typ == events.TypeMessageBounceDetected {
		s.notifyFound(n)
	} else {
		s.notify(n)
	}
}

// bounced notifies that a message did not reach an address. Of a connected grant
// Nylas sees the message that comes back.
func (s *Server) bounced(m *Message, request outcomeRequest) {
	now := time.Now()
	if !s.covers(m) {
		s.notifyOutcome(m, &events.MessageBounceDetected{
			BounceReason: request.DiagnosticCode, BounceDate: now.Format(time.RFC1123Z), BouncedAddresses: request.Email,
			Type: request.Type, GrantID: m.GrantID,
			Origin: events.BounceOrigin{
				To: addresses(m.To), CC: addresses(m.CC), BCC: addresses(m.BCC), From: events.Address(m.From.Email),
				Subject: m.Subject, ID: m.ID, OriginalSendAt: m.SentAt.Format(time.RFC1123Z),
			},
		})
		return
	}
	s.sends.add(sendBounced, m, events.Address(request.Email), request.Type, request.DiagnosticCode)
	s.notifyOutcome(m, &events.MessageBounced{BounceOutcome: events.BounceOutcome{
		Message: m.outcomeMessage(),
		Bounce: events.Bounce{
			BouncedAt: events.At(now), Type: request.Type,
			Recipients: []events.BouncedRecipient{{Email: request.Email, DiagnosticCode: request.DiagnosticCode}},
		},
	}})
}

func (s *Server) complained(m *Message, request outcomeRequest) {
	s.sends.add(sendComplaint, m, events.Address(request.Email), request.Type, "")
	s.notifyOutcome(m, &events.MessageComplaint{ComplaintOutcome: events.ComplaintOutcome{
		Message: m.outcomeMessage(),
		Complaint: events.Complaint{
			ReportedAt: events.At(time.Now()), Type: request.Type, ComplainedRecipients: []events.Address{events.Address(request.Email)},
		},
	}})
}

// WithAddress returns the recipient with this address, for Bounce and Complain.
// Without it that is the first address in To.
func (r *Recipient) WithAddress(email string) *Recipient {
	c := *r
	c.email = email
	return &c
}

// Bounce makes the server of the recipient send the message back, after it was
// taken for delivered: message.transactional.bounced or message.bounced follows,
// for mail of a connected grant message.bounce_detected. The type is that of Nylas,
// such as "MailboxFull"; empty means "NoEmail".
//
// What is sent to an address that ends in @bounce.nylas.test bounces by itself, and
// is never reported as delivered.
//
// https://developer.nylas.com/docs/reference/notifications/transactional-email/
func (r *Recipient) Bounce(ctx context.Context, bounceType string) error {
	return r.outcome(ctx, outcomeRequest{Outcome: outcomeBounced, Email: r.email, Type: bounceType})
}

// Complain reports the message as spam: message.transactional.complaint or
// message.complaint follows. It is an error for mail of a connected grant, of which
// Nylas learns no complaint. What is sent to an address that ends in
// @complaint.nylas.test is complained about by itself.
//
// https://developer.nylas.com/docs/reference/notifications/transactional-email/
func (r *Recipient) Complain(ctx context.Context) error {
	return r.outcome(ctx, outcomeRequest{Outcome: outcomeComplaint, Email: r.email})
}

const (
	outcomeBounced   = "bounced"
	outcomeComplaint = "complaint"
)

type outcomeRequest struct {
	Outcome        string `json:"outcome"`
	Email          string `json:"email,omitzero"`
	Type           string `json:"type,omitzero"`
	DiagnosticCode string `json:"diagnostic_code,omitzero"`
}

func (r *Recipient) outcome(ctx context.Context, request outcomeRequest) error {
	body, err := jsonv2.Marshal(request)
	if err == nil {
		_, err = r.do(ctx, http.MethodPost, r.server.URL()+"/nylastest/messages/"+r.message.ID+"/outcomes", body, http.StatusOK)
	}
	if err != nil {
		return fmt.Errorf("nylastest: %s of message %s: %w", request.Outcome, r.message.ID, err)
	}
	return nil
}

func (s *Server) serveOutcome(c *call) *response {
	m, ok := s.mailbox.get(c.PathValue("message"))
	if !ok {
		return notFound("message")
	}
	var request outcomeRequest
	if refusal := c.decode(c.body, &request); refusal != nil {
		return refusal
	}
	if s.grants.deleted(m.GrantID) {
		return notFound("grant")
	}
	all := m.recipients()
	if request.Email == "" {
		request.Email = string(all[0]) // a message has at least one
	}
	if !slices.ContainsFunc(all, func(a events.Address) bool { return strings.EqualFold(string(a), request.Email) }) {
		return badRequest("email is not an address of the message")
	}
	switch {
	case m.rejected() && s.covers(&m):
		return badRequest("the message was rejected: nobody received it")
	case request.Outcome == outcomeBounced:
		if request.Type == "" {
			request.Type = defaultBounceType
		}
		if request.DiagnosticCode == "" {
			request.DiagnosticCode = unknownUser
		}
		s.bounced(&m, request)
	case request.Outcome == outcomeComplaint && s.covers(&m):
		if request.Type == "" {
			request.Type = defaultComplaintType
		}
		s.complained(&m, request)
	case request.Outcome == outcomeComplaint:
		return badRequest("nobody tells Nylas about a complaint about mail of a connected grant")
	default:
		return badRequest("outcome must be bounced or complaint")
	}
	return dataResponse(map[string]string{"status": "success"})
}
