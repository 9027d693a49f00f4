package nylas

import (
	"context"
	"net/http"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// TransactionalService sends mail from a domain, without a mailbox. It is
// [Client.Transactional]. Nylas calls this part of its API beta.
type TransactionalService struct{ client *Client }

// SendTransactionalRequest is a message to send from a domain. Only To and From are
// required.
//
// https://developer.nylas.com/docs/reference/api/transactional-send/send-transactional-email/
type SendTransactionalRequest struct {
	To []Participant `json:"to,omitzero"` // at least one
	// From is the sender. Its domain must be verified with Nylas.
	From    Participant   `json:"from"`
	CC      []Participant `json:"cc,omitzero"`
	BCC     []Participant `json:"bcc,omitzero"`
	ReplyTo []Participant `json:"reply_to,omitzero"`
	Subject string        `json:"subject,omitzero"`
	// Body is HTML, unless IsPlaintext is set.
	Body string `json:"body,omitzero"`
	// IsPlaintext sends Body as plain text. Nylas cannot track opens and links in
	// plain text.
	IsPlaintext bool `json:"is_plaintext,omitzero"`
	// CustomHeaders are more headers; see SendMessageRequest.
	CustomHeaders []Header `json:"custom_headers,omitzero"`
	// Metadata is stored with the message: at most 50 pairs, with keys of at most 40
	// and values of at most 500 characters. Notifications about the delivery contain
	// it, tracking notifications do not.
	Metadata map[string]string `json:"metadata,omitzero"`
	// ReplyToMessageID is the message that this one replies to: the ID of an earlier
	// transactional send, or the Message-ID header of another message.
	ReplyToMessageID string `json:"reply_to_message_id,omitzero"`
	// SendAt schedules the message, at least 1 minute and at most 30 days ahead. Nylas
	// counts in whole seconds: a fraction of a second is cut off.
	SendAt time.Time `json:"send_at,omitzero"`
	// Template fills in the subject and the body. Subject and Body take precedence.
	Template *Template `json:"template,omitzero"`
	// TrackingOptions turns tracking on. Nil sends the message without tracking.
	TrackingOptions *TransactionalTrackingOptions `json:"tracking_options,omitzero"`
	// Attachments are files to send with the message, and images for its body.
	Attachments []Attachment `json:"attachments,omitzero"`
}

// MarshalJSON encodes the request so that a program can store it and send it later;
// see [SendMessageRequest.MarshalJSON].
func (r SendTransactionalRequest) MarshalJSON() ([]byte, error) {
	return storedRequest(storedTransactional(r))
}

// storedTransactional is a SendTransactionalRequest without MarshalJSON.
type storedTransactional SendTransactionalRequest

// wire returns the request as Nylas receives it, without its attachments.
func (r *SendTransactionalRequest) wire() any {
	body := storedTransactional(*r)
	body.Attachments = nil
	return struct {
		storedTransactional
		SendAt events.Timestamp `json:"send_at,omitzero"`
	}{body, events.At(r.SendAt)}
}

// TransactionalTrackingOptions turns on the tracking of a transactional message. Both
// flags are always part of the request; to send without tracking, leave the whole
// struct nil. Nylas cannot track replies, because it does not see the mailbox that
// they go to.
//
// https://developer.nylas.com/docs/v3/email/message-tracking/
type TransactionalTrackingOptions struct {
	// Opens adds an invisible image to the body. It needs an HTML body.
	Opens bool `json:"opens"`
	// Links replaces all https, mailto and tel links of the body. It needs an HTML body
	// with at most 100 of them.
	Links bool `json:"links"`
	// Label is part of every tracking notification. It has at most 2048 characters; see
	// [TrackingOptions].
	Label string `json:"label,omitzero"`
	// DomainName is a custom hostname of the organization for the links and the image.
	// It is not the domain that sends. It needs Opens or Links.
	DomainName string `json:"domain_name,omitzero"`
}

// transactionalAnswer is the answer to a transactional send. A model of Nylas' own
// has message_id where the reference has id.
type transactionalAnswer struct {
	messageAnswer
	Data struct {
		Message
		MessageID string `json:"message_id"`
	} `json:"data"`
}

func (a *transactionalAnswer) isNamed() bool {
	m := a.message()
	return m.ID != "" || m.ScheduleID != ""
}

func (a *transactionalAnswer) message() *Message {
	a.messageAnswer.Data = a.Data.Message
	m := a.messageAnswer.message()
	if m.ID == "" {
		m.ID = a.Data.MessageID
	}
	return m
}

// Send sends a message from a domain that is verified with Nylas, now or at SendAt. The
// result has neither a grant nor a thread.
//
// The SDK retries it like [MessageService.Send], with the same key and the same bytes.
// An Idempotency-Key is valid for the whole application: the same key means the same
// send in all domains.
//
// Send refuses what Nylas documents as invalid before any I/O, with an error that
// matches [ErrInvalidRequest]. It does not check the links of the body.
//
// https://developer.nylas.com/docs/reference/api/transactional-send/send-transactional-email/
func (s *TransactionalService) Send(
	ctx context.Context, domain string, req *SendTransactionalRequest, opts ...RequestOption,
) (*Message, error) {
	op := s.client.begin("send transactional message", opts)
	var answer transactionalAnswer
	if err := submit(ctx, op, req, call{
		method: http.MethodPost, path: "/v3/domains/{domain}/messages/send", lane: laneSend, ids: []string{domain},
		limit: sendTimeout, repeat: repeatWithKey,
	}, &answer); err != nil {
		return nil, err
	}
	return answer.message(), nil
}

// all returns the options as those of a message that could track replies too.
func (o *TransactionalTrackingOptions) all() *TrackingOptions {
	if o == nil {
		return nil
	}
	return &TrackingOptions{Opens: o.Opens, Links: o.Links, Label: o.Label, DomainName: o.DomainName}
}

// transactional is the reverse of all.
func (o *TrackingOptions) transactional() *TransactionalTrackingOptions {
	if o == nil {
		return nil
	}
	return &TransactionalTrackingOptions{Opens: o.Opens, Links: o.Links, Label: o.Label, DomainName: o.DomainName}
}
