package events

import (
	"cmp"
	"encoding/json"
	"reflect"
)

// MessageBounceDetected is the data of a message.bounce_detected notification. Nylas
// sends one when the provider (Google, Microsoft Graph, iCloud or Yahoo) reports a hard
// bounce of a message that was sent through Nylas. Agent Accounts have [MessageBounced] in its
// place.
//
// https://developer.nylas.com/docs/reference/notifications/messages/message-bounce_detected/
type MessageBounceDetected struct {
	BounceReason string `json:"bounce_reason,omitzero"`
	// BounceDate is text such as "Wed, 25 Jan 2023 10:18:39 -0800", not unix seconds.
	BounceDate string `json:"bounce_date,omitzero"`
	// BouncedAddresses is one string, despite its name.
	BouncedAddresses string       `json:"bounced_addresses,omitzero"`
	Type             string       `json:"type,omitzero"` // such as "mailbox_unavailable", "domain_not_found"
	Code             Text         `json:"code,omitzero"` // the SMTP code, such as "550"
	GrantID          string       `json:"grant_id,omitzero"`
	MessageID        string       `json:"message_id,omitzero"` // the message that bounced; often only in Origin.ID
	Origin           BounceOrigin `json:"origin,omitzero"`
}

// BounceOrigin describes the message that bounced, in a [MessageBounceDetected].
type BounceOrigin struct {
	To      []Address `json:"to,omitzero"`
	From    Address   `json:"from,omitzero"`
	CC      []Address `json:"cc,omitzero"`
	BCC     []Address `json:"bcc,omitzero"`
	Subject string    `json:"subject,omitzero"`
	MIMEID  string    `json:"mime_id,omitzero"`
	ID      string    `json:"id,omitzero"`
	// OriginalSendAt is text such as "Mon, 16 Sep 2024 16:15:49 +0000".
	OriginalSendAt string `json:"original_send_at,omitzero"`
}

// MessageSendSuccess is the data of a message.send_success notification. Nylas sends
// one for each scheduled message that was sent, and for every message if "Synchronous
// send webhooks" is on in the Nylas Dashboard.
//
// https://developer.nylas.com/docs/reference/notifications/messages/message-send_success/
type MessageSendSuccess struct {
	Message *SentMessage `json:"object"` // nil if Nylas gave none
}

// MessageSendFailed is the data of a message.send_failed notification. Nylas sends one
// for each scheduled message that could not be sent, for each message of an Agent Account
// that was queued and could not be sent, and for every message if "Synchronous send
// webhooks" is on in the Nylas Dashboard.
//
// https://developer.nylas.com/docs/reference/notifications/messages/message-send_failed/
type MessageSendFailed struct {
	Reason  string       `json:"reason,omitzero"`
	Error   *SendError   `json:"error,omitzero"` // nil if Nylas gave none
	Message *SentMessage `json:"object"`         // nil if Nylas gave none
}

// SendError says why a send failed, in a [MessageSendFailed].
type SendError struct {
	Type       string `json:"type"` // such as "api.provider_error"
	Message    string `json:"message"`
	StatusCode Int    `json:"status_code,omitzero"` // the provider's HTTP status
	// ProviderError is the provider's answer as JSON. Its form depends on the provider.
	ProviderError json.RawMessage `json:"provider_error,omitzero"`
}

func (e *SendError) setText(message string) { e.Message = message }

// SentMessage is the message of a [MessageSendSuccess] or [MessageSendFailed]. Nylas
// normally leaves out its body.
type SentMessage struct {
	Object      string           `json:"object,omitzero"` // "message"
	GrantID     string           `json:"grant_id,omitzero"`
	ID          string           `json:"id,omitzero"`
	Subject     string           `json:"subject,omitzero"`
	Body        string           `json:"body,omitzero"`
	Snippet     string           `json:"snippet,omitzero"`
	From        []Participant    `json:"from,omitzero"`
	To          []Participant    `json:"to,omitzero"`
	CC          []Participant    `json:"cc,omitzero"`
	BCC         []Participant    `json:"bcc,omitzero"`
	ReplyTo     []Participant    `json:"reply_to,omitzero"`
	Attachments []SentAttachment `json:"attachments,omitzero"`
	ScheduleID  string           `json:"schedule_id,omitzero"`
	SendAt      Timestamp        `json:"send_at,omitzero"`
	UseDraft    bool             `json:"use_draft,omitzero"`
}

// Participant is a name and an email address, in a [SentMessage].
type Participant struct {
	Name  string `json:"name,omitzero"`
	Email string `json:"email"`
}

func (p *Participant) setText(email string) { p.Email = email }

// SentAttachment is an attachment of a [SentMessage].
type SentAttachment struct {
	ID          string `json:"id,omitzero"`
	Filename    string `json:"filename,omitzero"`
	ContentType string `json:"content_type,omitzero"`
	Size        Int    `json:"size,omitzero"` // bytes
	Content     string `json:"content,omitzero"`
}

// BounceOutcome lists the recipients to whom a message could not be delivered. It is
// the data of [MessageTransactionalBounced] and [MessageBounced].
type BounceOutcome struct {
	Message OutcomeMessage `json:"message"`
	Bounce  Bounce         `json:"bounce"`
}

// ComplaintOutcome lists the recipients who reported a message as spam. It is the data
// of [MessageTransactionalComplaint] and [MessageComplaint].
type ComplaintOutcome struct {
	Message   OutcomeMessage `json:"message"`
	Complaint Complaint      `json:"complaint"`
}

// DeliveryOutcome lists the recipients whose servers accepted a message. It is the data
// of [MessageTransactionalDelivered] and [MessageDelivered].
type DeliveryOutcome struct {
	Message   OutcomeMessage `json:"message"`
	Delivered Delivered      `json:"delivered"`
}

// RejectionOutcome describes a message that was not sent at all. It is the data of
// [MessageTransactionalRejected] and [MessageRejected].
type RejectionOutcome struct {
	Message    OutcomeMessage `json:"message"`
	RejectedAt Timestamp      `json:"rejected_at,omitzero"`
}

// What became of transactional mail. These notifications have no grant.
//
// https://developer.nylas.com/docs/reference/notifications/transactional-email/
type (
	// MessageTransactionalBounced is the data of message.transactional.bounced.
	MessageTransactionalBounced struct{ BounceOutcome }
	// MessageTransactionalComplaint is the data of message.transactional.complaint.
	MessageTransactionalComplaint struct{ ComplaintOutcome }
	// MessageTransactionalDelivered is the data of message.transactional.delivered.
	MessageTransactionalDelivered struct{ DeliveryOutcome }
	// MessageTransactionalRejected is the data of message.transactional.rejected.
	MessageTransactionalRejected struct{ RejectionOutcome }
)

// What became of mail from Agent Accounts. These notifications come only for grants of the
// provider "nylas". Subscribing to them for other grants, of Google or Microsoft for example,
// brings nothing: there a bounce is [MessageBounceDetected], and nothing reports a delivery, a
// complaint or a rejection.
//
// https://developer.nylas.com/docs/reference/notifications/agent-accounts/
type (
	// MessageBounced is the data of message.bounced, for provider "nylas" only.
	MessageBounced struct{ BounceOutcome }
	// MessageComplaint is the data of message.complaint, for provider "nylas" only.
	MessageComplaint struct{ ComplaintOutcome }
	// MessageDelivered is the data of message.delivered, for provider "nylas" only.
	MessageDelivered struct{ DeliveryOutcome }
	// MessageRejected is the data of message.rejected, for provider "nylas" only.
	MessageRejected struct{ RejectionOutcome }
)

// OutcomeMessage is the message that bounced, got a complaint, was delivered or was
// rejected.
type OutcomeMessage struct {
	ID       string    `json:"id"`
	Subject  string    `json:"subject,omitzero"`
	From     Address   `json:"from,omitzero"`
	To       []Address `json:"to,omitzero"`
	CC       []Address `json:"cc,omitzero"`
	BCC      []Address `json:"bcc,omitzero"`
	SentAt   Timestamp `json:"sent_at,omitzero"`
	Metadata Metadata  `json:"metadata,omitzero"`
}

// Bounce describes a bounce, in a [BounceOutcome].
type Bounce struct {
	BouncedAt  Timestamp          `json:"bounced_at,omitzero"`
	Type       string             `json:"type,omitzero"` // such as "MailboxFull"
	Recipients []BouncedRecipient `json:"recipients,omitzero"`
}

// BouncedRecipient is a recipient of a [Bounce] and, if known, the answer of its mail
// server.
type BouncedRecipient struct {
	Email          string `json:"email"`
	DiagnosticCode string `json:"diagnostic_code,omitzero"` // such as "smtp; 550 user unknown"
}

func (r *BouncedRecipient) setText(email string) { r.Email = email }

// Complaint describes a complaint, in a [ComplaintOutcome].
type Complaint struct {
	ReportedAt           Timestamp `json:"reported_at,omitzero"`
	Type                 string    `json:"type,omitzero"` // such as "abuse"
	ComplainedRecipients []Address `json:"complained_recipients,omitzero"`
}

// Delivered says when a message was delivered and to whom, in a [DeliveryOutcome].
type Delivered struct {
	DeliveredAt Timestamp `json:"delivered_at,omitzero"`
	Recipients  []Address `json:"recipients,omitzero"`
}

func (d *MessageBounceDetected) tracked() []Tracked {
	if d.Origin.ID != "" {
		return track(d.Origin.ID, "", "")
	}
	return track(d.MessageID, "", "")
}

func (d *MessageSendSuccess) tracked() []Tracked { return d.Message.tracked() }
func (d *MessageSendFailed) tracked() []Tracked  { return d.Message.tracked() }

func (m *SentMessage) tracked() []Tracked {
	if m == nil {
		return nil
	}
	return track(m.ID, "", "")
}

func (d *BounceOutcome) tracked() []Tracked    { return track(d.Message.ID, "", "") }
func (d *ComplaintOutcome) tracked() []Tracked { return track(d.Message.ID, "", "") }
func (d *DeliveryOutcome) tracked() []Tracked  { return track(d.Message.ID, "", "") }
func (d *RejectionOutcome) tracked() []Tracked { return track(d.Message.ID, "", "") }

// sentData is the data of message.send_success and message.send_failed. Nylas' schemas
// and examples disagree: reason and error are next to the message, within it, or
// nowhere, and the message may take the place of data.
type sentData struct {
	SentMessage
	Reason string     `json:"reason"`
	Error  *SendError `json:"error"`
}

func (p *parser) sendOutcome() MessageSendFailed {
	var data sentData
	root := reflect.ValueOf(&data).Elem()
	start := p.at
	hasObject := p.fields(root)
	end, named := p.at, len(p.odd)

	// What is next to the message wins over what is within it.
	var beside struct {
		Reason string     `json:"reason"`
		Error  *SendError `json:"error"`
	}
	p.at = start
	besideRoot := reflect.ValueOf(&beside).Elem()
	p.value(besideRoot, shapeOf(besideRoot.Type()))
	p.at, p.odd = end, p.odd[:named]

	outcome := MessageSendFailed{Reason: cmp.Or(beside.Reason, data.Reason), Error: cmp.Or(beside.Error, data.Error)}
	if hasObject || !isEmpty(root) {
		outcome.Message = &data.SentMessage
	}
	return outcome
}
