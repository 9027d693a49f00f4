package nylas

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/nylastrack/nylas-go/events"
)

// MessageService sends messages and reads them back; it is [Client.Messages].
type MessageService struct{ client *Client }

// Participant is a name and an e-mail address.
type Participant = events.Participant

// Header is one header of a message.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// SendMessageRequest is a message to send. Only To is required.
//
// https://developer.nylas.com/docs/reference/api/messages/send-message/
type SendMessageRequest struct {
	To  []Participant `json:"to,omitzero"` // at least one
	CC  []Participant `json:"cc,omitzero"`
	BCC []Participant `json:"bcc,omitzero"`
	// From has at most one participant. It defaults to the address and name of the
	// grant.
	From    []Participant `json:"from,omitzero"`
	ReplyTo []Participant `json:"reply_to,omitzero"`
	Subject string        `json:"subject,omitzero"`
	// Body is HTML, unless IsPlaintext is set.
	Body string `json:"body,omitzero"`
	// IsPlaintext sends Body as plain text. Nylas cannot track opens and links in
	// plain text.
	IsPlaintext bool `json:"is_plaintext,omitzero"`
	// CustomHeaders are more headers. A value must be one line, and To, CC and BCC are
	// refused. List-Unsubscribe does not work with Microsoft Graph and iCloud.
	CustomHeaders []Header `json:"custom_headers,omitzero"`
	// Metadata is stored with the message: at most 50 pairs, with keys of at most 40
	// and values of at most 500 characters. Tracking notifications do not contain it;
	// they contain TrackingOptions.Label. WithMark adds a pair.
	Metadata map[string]string `json:"metadata,omitzero"`
	// ReplyToMessageID is the id of the message that this one replies to. For IMAP it
	// is the Message-ID header.
	ReplyToMessageID string `json:"reply_to_message_id,omitzero"`
	// SendAt schedules the message. It must be in the future, and at most 30 days
	// ahead unless UseDraft is set. Nylas counts in whole seconds: a fraction of a
	// second is cut off. Nylas' pages disagree on the shortest time ahead: they say 1
	// minute and 2 minutes.
	SendAt time.Time `json:"send_at,omitzero"`
	// UseDraft keeps a scheduled message as a draft at the provider (Google,
	// Microsoft). It needs SendAt.
	UseDraft bool `json:"use_draft,omitzero"`
	// SignatureID is the id of a signature that Nylas adds to the end of the body.
	SignatureID string `json:"signature_id,omitzero"`
	// Template fills in the subject and the body. Subject and Body take precedence.
	Template *Template `json:"template,omitzero"`
	// TrackingOptions turns tracking on. Nil sends the message without tracking.
	TrackingOptions *TrackingOptions `json:"tracking_options,omitzero"`

	// Attachments are files to send with the message, and images for its body.
	Attachments []Attachment `json:"attachments,omitzero"`
	// Fields asks Nylas to return the headers of the sent message. It has no effect on
	// a scheduled or queued message.
	Fields MessageFields `json:"fields,omitzero"`
}

// MarshalJSON encodes the request, so that a program can store it and send it later.
// Decoding returns an equal request; [Attachment] and [Template] say what they keep.
// This is not the JSON that Nylas receives. If JSON cannot hold the request, the
// error says why and matches [ErrInvalidRequest].
func (r SendMessageRequest) MarshalJSON() ([]byte, error) { return storedRequest(storedMessage(r)) }

// storedMessage is a SendMessageRequest without MarshalJSON.
type storedMessage SendMessageRequest

// wire returns the request as Nylas receives it, without its attachments.
func (r *SendMessageRequest) wire() any {
	body := storedMessage(*r)
	body.Attachments, body.Fields = nil, ""
	return struct {
		storedMessage
		SendAt events.Timestamp `json:"send_at,omitzero"`
	}{body, events.At(r.SendAt)}
}

// storedRequest encodes a request whose type has no MarshalJSON. Unlike package
// encoding/json it refuses text that is not UTF-8: it would come back changed.
func storedRequest(req any) ([]byte, error) {
	data, err := jsonv2.Marshal(req, jsonv2.Deterministic(true))
	if err == nil {
		return data, nil
	}
	reason := encodeError(err)
	if unfit, ok := errors.AsType[contentError](err); ok {
		reason += ": " + string(unfit)
	}
	return nil, refuse(&operation{name: "encode request"}, reason)
}

// Template names a template that is stored at Nylas.
type Template struct {
	ID        string         `json:"id"`
	Strict    *bool          `json:"strict,omitzero"` // nil means true: a missing variable is an error
	Variables map[string]any `json:"variables,omitzero"`
}

// UnmarshalJSON decodes a template. Numbers in Variables keep their exact value: they
// become int64, uint64 or float64, or [json.RawMessage] if none of these is exact.
func (t *Template) UnmarshalJSON(data []byte) error {
	type plain Template // without this method
	return jsonv2.Unmarshal(data, (*plain)(t), jsonv2.WithUnmarshalers(jsonv2.UnmarshalFromFunc(exactNumber)))
}

func exactNumber(dec *jsontext.Decoder, into *any) error {
	if dec.PeekKind() != '0' {
		return errors.ErrUnsupported // decode it as usual
	}
	number, err := dec.ReadValue()
	if err != nil {
		return err
	}
	text := string(number)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		*into = n
		return nil
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		*into = n
		return nil
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		if again, err := jsonv2.Marshal(f); err == nil && string(again) == text {
			*into = f
			return nil
		}
	}
	*into = json.RawMessage(text)
	return nil
}

// MessageFields says how much of a message Nylas returns.
type MessageFields string

// The values of MessageFields that a send accepts.
const (
	FieldsStandard MessageFields = "standard" // the default
	// FieldsIncludeHeaders returns all headers.
	FieldsIncludeHeaders MessageFields = "include_headers"
	// FieldsIncludeBasicHeaders returns Message-ID, In-Reply-To and References.
	FieldsIncludeBasicHeaders MessageFields = "include_basic_headers"
)

// Message is a message as Nylas returns it. Any field can be missing; a scheduled
// message has a ScheduleID.
//
// https://developer.nylas.com/docs/reference/api/messages/
type Message struct {
	// ID is the message_id of tracking notifications. It is empty for a scheduled
	// message.
	ID               string           `json:"id,omitzero"`
	Object           string           `json:"object,omitzero"` // "message"
	GrantID          string           `json:"grant_id,omitzero"`
	ThreadID         string           `json:"thread_id,omitzero"`
	Subject          string           `json:"subject,omitzero"`
	Body             string           `json:"body,omitzero"`
	Snippet          string           `json:"snippet,omitzero"`
	Date             events.Timestamp `json:"date,omitzero"`
	From             []Participant    `json:"from,omitzero"`
	To               []Participant    `json:"to,omitzero"`
	CC               []Participant    `json:"cc,omitzero"`
	BCC              []Participant    `json:"bcc,omitzero"`
	ReplyTo          []Participant    `json:"reply_to,omitzero"`
	ReplyToMessageID string           `json:"reply_to_message_id,omitzero"`
	Metadata         events.Metadata  `json:"metadata,omitzero"`
	Attachments      []AttachmentInfo `json:"attachments,omitzero"`
	Folders          []string         `json:"folders,omitzero"`
	Starred          bool             `json:"starred,omitzero"`
	Unread           bool             `json:"unread,omitzero"`
	// Headers is set only if the request asked for it with Fields. A name can occur
	// more than once.
	Headers []Header `json:"headers,omitzero"`
	// RawMIME is the message as it was received, in base64url. It is set only if the
	// request asked for it with FieldsRawMIME.
	RawMIME string `json:"raw_mime,omitzero"`
	// TrackingOptions is not always returned: nil does not mean that the message is
	// not tracked.
	TrackingOptions *TrackingOptions `json:"tracking_options,omitzero"`
	// ScheduleID is the id of the schedule, for a message that was sent with SendAt.
	ScheduleID string           `json:"schedule_id,omitzero"`
	SendAt     events.Timestamp `json:"send_at,omitzero"`
	UseDraft   bool             `json:"use_draft,omitzero"`
	// Queued reports that Nylas accepted the message but has not sent it yet. Only Agent
	// Accounts queue: what they send above the organization's limit a second goes out in
	// order, usually within seconds and at most 90 s later. A message.delivered
	// notification confirms that it went out. If it cannot be sent, message.send_failed
	// comes, and nothing counts towards a quota; events.FailureTypes has that trigger.
	// Only the message that Send returns has Queued.
	//
	// https://developer.nylas.com/docs/v3/agent-accounts/send-limits/
	Queued bool `json:"queued,omitzero"`
}

func (m *Message) isNamed() bool { return m.ID != "" }

// AttachmentInfo describes an attachment of a Message.
type AttachmentInfo struct {
	ID                 string     `json:"id,omitzero"`
	GrantID            string     `json:"grant_id,omitzero"`
	ContentType        string     `json:"content_type,omitzero"`
	Filename           string     `json:"filename,omitzero"`
	ContentID          string     `json:"content_id,omitzero"`
	ContentDisposition string     `json:"content_disposition,omitzero"`
	IsInline           bool       `json:"is_inline,omitzero"`
	Size               events.Int `json:"size,omitzero"` // bytes
}

// sendQuery is the query of a send.
type sendQuery struct {
	Fields MessageFields `url:"fields,omitempty"`
}

// messageAnswer is the answer with a message. For a scheduled one Nylas writes
// the schedule into data or beside it.
type messageAnswer struct {
	Data       Message          `json:"data"`
	GrantID    string           `json:"grant_id"`
	ScheduleID string           `json:"schedule_id"`
	SendAt     events.Timestamp `json:"send_at"`
	UseDraft   bool             `json:"use_draft"`

	status int // of the answer
}

func (a *messageAnswer) answered(status int) { a.status = status }

func (a *messageAnswer) isNamed() bool {
	return a.Data.ID != "" || a.Data.ScheduleID != "" || a.ScheduleID != ""
}

func (a *messageAnswer) message() *Message {
	m := &a.Data
	if m.GrantID == "" {
		m.GrantID = a.GrantID
	}
	if m.ScheduleID == "" {
		m.ScheduleID = a.ScheduleID
	}
	if m.SendAt.IsZero() {
		m.SendAt = a.SendAt
	}
	m.UseDraft = m.UseDraft || a.UseDraft
	// A scheduled message can come with 202 too.
	m.Queued = a.status == http.StatusAccepted && m.ScheduleID == "" && m.SendAt.IsZero()
	return m
}

// Send sends a message from a grant, now or at SendAt. grantID is the id of the
// grant, its e-mail address, or one of the forms grant:…, email:… and external:….
//
// Nylas answers when the message is sent, which usually takes about 2 s. One attempt
// can take up to 150 s. A message of an Agent Account can be queued instead: it is not
// sent yet when Send returns, and [Message.Queued] is set. If the queue is full, Nylas
// answers 429, and the SDK tries again after the time that Nylas asks to wait.
//
// Every send has an Idempotency-Key. The SDK makes one unless [WithIdempotencyKey]
// gives one, and retries only with the same key and the same bytes. Such a retry sends no
// second mail, with one exception: Nylas forgets the key of a request whose client
// disconnected before the response, and may have sent its mail. If that can have happened
// and a retry succeeds, [Response.SecondMailPossible] is set, and the SDK logs a warning.
// If it is not known whether the message was sent, the error matches [ErrOutcomeUnknown]. With
// [WithMark], [MessageService.FindSent] can then look for the message.
//
// Send refuses what Nylas documents as invalid before any I/O, with an error that
// matches [ErrInvalidRequest]. It does not check the links of the body.
//
// https://developer.nylas.com/docs/reference/api/messages/send-message/
func (s *MessageService) Send(
	ctx context.Context, grantID string, req *SendMessageRequest, opts ...RequestOption,
) (*Message, error) {
	mark, opts := s.client.takeMark(opts)
	op := s.client.begin("send message", opts)
	req, err := op.marked(req, mark)
	if err != nil {
		return nil, err
	}
	var query sendQuery
	if req != nil {
		query.Fields = req.Fields
	}
	var answer messageAnswer
	if err := submit(ctx, op, req, call{
		method: http.MethodPost,
		path:   "/v3/grants/{grant_id}/messages/send", lane: laneSend,
		ids:   []string{grantID},
		query: query,

		limit:  sendTimeout,
		repeat: repeatWithKey,
	}, &answer); err != nil {
		return nil, err
	}
	return answer.message(), nil
}

// outgoing is a request that sends or stores mail, which can be tracked.
type outgoing[T any] interface {
	*T
	check(op *operation) error
	wire() any // the body of the request
	files() []Attachment
	recipients() []*[]Participant
	// track turns off what the client's policy does not allow.
	track(ctx context.Context, op *operation) ([]TrackingDecision, error)
}

// submit makes a call that sends or stores mail. The request is checked, the policy is
// asked, and the rest of the call filled from what the policy leaves of a copy of the
// request.
func submit[T any, R outgoing[T]](ctx context.Context, op *operation, req R, call call, answer any) error {
	if req == nil {
		return refuse(op, "the request is nil")
	}
	if err := req.check(op); err != nil {
		return err
	}
	own := R(new(*req))
	for _, list := range own.recipients() {
		*list = slices.Clone(*list) // the policy must not be able to change the caller's
	}
	decided, err := own.track(ctx, op)
	if err != nil {
		return err
	}
	call.body, call.multipart, call.attachments, call.tracking = own.wire(), true, own.files(), decided
	return op.do(ctx, call, answer)
}
