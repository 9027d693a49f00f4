package nylas

import (
	"context"
	"iter"
	"net/http"
	"slices"

	"github.com/nylastrack/nylas-go/events"
)

// DraftService manages the drafts of a mailbox and sends them. It is [Client.Drafts].
//
// These calls accept no Idempotency-Key. The SDK retries Create and Send only after
// 429, or when nothing was written to the connection. After any other failure that
// leaves the outcome open, the error matches [ErrOutcomeUnknown].
type DraftService struct{ client *Client }

// Draft is a draft as Nylas returns it. Any field can be missing.
//
// https://developer.nylas.com/docs/reference/api/drafts/
type Draft struct {
	ID       string `json:"id,omitzero"`
	Object   string `json:"object,omitzero"` // "draft"
	GrantID  string `json:"grant_id,omitzero"`
	ThreadID string `json:"thread_id,omitzero"`
	Subject  string `json:"subject,omitzero"`
	// Body has no tracked links and no tracking image: Nylas adds them when it sends the
	// draft.
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
	// TrackingOptions is not always returned: nil does not mean that the draft has none.
	TrackingOptions *TrackingOptions `json:"tracking_options,omitzero"`
}

func (d *Draft) isNamed() bool { return d.ID != "" }

// CreateDraftRequest is a draft to create. All fields are optional.
//
// https://developer.nylas.com/docs/reference/api/drafts/post-draft/
type CreateDraftRequest struct {
	To  []Participant `json:"to,omitzero"`
	CC  []Participant `json:"cc,omitzero"`
	BCC []Participant `json:"bcc,omitzero"`
	// From has at most one participant. It defaults to the address and name of the
	// grant.
	From []Participant `json:"from,omitzero"`
	// ReplyTo is lost with some providers, which do not store it with a draft.
	ReplyTo []Participant `json:"reply_to,omitzero"`
	Subject string        `json:"subject,omitzero"`
	// Body is HTML, unless IsPlaintext is set.
	Body string `json:"body,omitzero"`
	// IsPlaintext sends Body as plain text. Nylas cannot track opens and links in
	// plain text.
	IsPlaintext bool `json:"is_plaintext,omitzero"`
	// CustomHeaders are more headers; see SendMessageRequest.
	CustomHeaders []Header `json:"custom_headers,omitzero"`
	// Metadata is stored with the draft: at most 50 pairs, with keys of at most 40 and
	// values of at most 500 characters. With Agent Accounts it goes to the message that is
	// sent; for connected mailboxes Nylas does not document that.
	Metadata         map[string]string `json:"metadata,omitzero"`
	ReplyToMessageID string            `json:"reply_to_message_id,omitzero"` // the message that this one replies to
	Starred          *bool             `json:"starred,omitzero"`
	// SignatureID is the id of a signature that Nylas adds to the end of the body when
	// it creates the draft. Give it here or to Send, not both.
	SignatureID string `json:"signature_id,omitzero"`
	// Template fills in the subject and the body. Subject and Body take precedence.
	Template *Template `json:"template,omitzero"`
	// TrackingOptions is stored with the draft and turns tracking on when it is sent.
	// Nil creates the draft without tracking.
	TrackingOptions *TrackingOptions `json:"tracking_options,omitzero"`
	// Attachments are files of the draft, and images for its body.
	Attachments []Attachment `json:"attachments,omitzero"`
}

// MarshalJSON encodes the request so that a program can store it and create the
// draft later; see [SendMessageRequest.MarshalJSON].
func (r CreateDraftRequest) MarshalJSON() ([]byte, error) { return storedRequest(storedDraft(r)) }

// storedDraft is a CreateDraftRequest without MarshalJSON.
type storedDraft CreateDraftRequest

// wire returns the request as Nylas receives it, without its attachments.
func (r *CreateDraftRequest) wire() any {
	body := storedDraft(*r)
	body.Attachments = nil
	return body
}

// UpdateDraftRequest changes a draft. A nil field is left out of the request. An empty
// list, an empty map and a pointer to an empty string are part of it, and new("text")
// makes a pointer. A list or a map replaces the old one as a whole.
//
// Nylas' reference says that an update changes only the fields that it contains. A
// recipe of Nylas says that an update replaces the draft. To be right under both
// readings, give all recipients and the body each time.
//
// https://developer.nylas.com/docs/reference/api/drafts/put-drafts-id/
// https://developer.nylas.com/docs/cookbook/email/manage-drafts/
type UpdateDraftRequest struct {
	To       []Participant     `json:"to,omitzero"`
	CC       []Participant     `json:"cc,omitzero"`
	BCC      []Participant     `json:"bcc,omitzero"`
	ReplyTo  []Participant     `json:"reply_to,omitzero"`
	Subject  *string           `json:"subject,omitzero"`
	Body     *string           `json:"body,omitzero"` // HTML
	Metadata map[string]string `json:"metadata,omitzero"`
	Starred  *bool             `json:"starred,omitzero"`
	Template *Template         `json:"template,omitzero"`
	// TrackingOptions changes those of the draft; nil leaves them.
	TrackingOptions *UpdateTrackingOptions `json:"tracking_options,omitzero"`
	// Attachments are files of the draft. Nylas does not document what happens to the
	// attachments that the draft already has.
	Attachments []Attachment `json:"attachments,omitzero"`
}

// MarshalJSON encodes the request so that a program can store it and update the
// draft later; see [SendMessageRequest.MarshalJSON].
func (r UpdateDraftRequest) MarshalJSON() ([]byte, error) { return storedRequest(storedUpdate(r)) }

// storedUpdate is an UpdateDraftRequest without MarshalJSON.
type storedUpdate UpdateDraftRequest

// wire returns the request as Nylas receives it, without its attachments.
func (r *UpdateDraftRequest) wire() any {
	body := storedUpdate(*r)
	body.Attachments = nil
	return body
}

// UpdateTrackingOptions changes the tracking of a draft. A field that is not set
// leaves the draft's value as it is.
//
// https://developer.nylas.com/docs/reference/api/drafts/put-drafts-id/
type UpdateTrackingOptions struct {
	Opens         *bool   `json:"opens,omitzero"`
	Links         *bool   `json:"links,omitzero"`
	ThreadReplies *bool   `json:"thread_replies,omitzero"`
	Label         *string `json:"label,omitzero"` // at most 2048 characters
	// DomainName replaces the custom hostname of the draft. Empty keeps the old one.
	// Turning both Opens and Links off removes it, and there is no other way to do so:
	// if one is turned on later without DomainName, Nylas uses its own host.
	DomainName string `json:"domain_name,omitzero"`
}

// ListDraftsRequest selects drafts. The zero value selects all of them.
//
// https://developer.nylas.com/docs/reference/api/drafts/get-drafts/
type ListDraftsRequest struct {
	// PageSize is how many drafts Nylas returns in one page: 1 to 200, and 0 means
	// Nylas' default, 50. List goes on over all pages: to read ten drafts, leave the
	// loop after ten.
	// https://developer.nylas.com/docs/reference/api/#pagination
	PageSize int `url:"limit,omitempty"`
	// PageToken is where to begin. Empty means at the beginning.
	PageToken string `url:"page_token,omitempty"`
	// Select lists the fields to return, such as "id" and "subject". Nil returns all.
	Select   []string `url:"select,comma,omitempty"`
	ThreadID string   `url:"thread_id,omitempty"`
	// To, CC and BCC are one address each.
	To  string `url:"to,omitempty"`
	CC  string `url:"cc,omitempty"`
	BCC string `url:"bcc,omitempty"`
	// AnyEmail selects drafts with one of at most 25 addresses.
	AnyEmail []string `url:"any_email,comma,omitempty"`
	// Subject is a part of the subject. It is not case-sensitive.
	Subject       string `url:"subject,omitempty"`
	HasAttachment *bool  `url:"has_attachment,omitempty"`
	Starred       *bool  `url:"starred,omitempty"`
	// MetadataPair is a key and a value, such as "key1:trial". Only key1 to key5 can
	// be searched for. Nylas refuses every other filter beside it, and returns what was
	// tagged first at the beginning.
	MetadataPair string `url:"metadata_pair,omitempty"`
}

// SendDraftRequest has the options of sending a draft.
type SendDraftRequest struct {
	// SignatureID is the id of a signature that Nylas adds to the end of the body, for a
	// draft that was created without one.
	SignatureID string `json:"signature_id,omitzero"`
}

type draftAnswer struct {
	Data    Draft  `json:"data"`
	GrantID string `json:"grant_id"`
}

func (a *draftAnswer) isNamed() bool { return a.Data.isNamed() }

func (a *draftAnswer) draft() *Draft {
	if a.Data.GrantID == "" {
		a.Data.GrantID = a.GrantID
	}
	return &a.Data
}

// Create creates a draft. It refuses what Nylas documents as invalid before any I/O,
// with an error that matches [ErrInvalidRequest].
//
// If Nylas does not answer, the error matches [ErrOutcomeUnknown]: the draft may exist,
// and List shows whether it does.
//
// https://developer.nylas.com/docs/reference/api/drafts/post-draft/
func (s *DraftService) Create(ctx context.Context, grantID string, req *CreateDraftRequest, opts ...RequestOption) (*Draft, error) {
	op := s.client.begin("create draft", opts)
	var answer draftAnswer
	if err := submit(ctx, op, req, call{
		method: http.MethodPost, path: "/v3/grants/{grant_id}/drafts", lane: laneGrant, ids: []string{grantID},
		limit: mailboxTimeout, repeat: repeatUnsent,
	}, &answer); err != nil {
		return nil, err
	}
	return answer.draft(), nil
}

// Get returns a draft. An unknown id is [ErrNotFound], and so is the id of a draft
// that was sent.
//
// https://developer.nylas.com/docs/reference/api/drafts/get-draft-id/
func (s *DraftService) Get(ctx context.Context, grantID, draftID string, opts ...RequestOption) (*Draft, error) {
	var answer draftAnswer
	err := s.client.begin("get draft", opts).do(ctx, call{
		method: http.MethodGet, path: draftPath, lane: laneGrant, ids: []string{grantID, draftID}, limit: mailboxTimeout,
	}, &answer)
	if err != nil {
		return nil, err
	}
	return answer.draft(), nil
}

const draftPath = "/v3/grants/{grant_id}/drafts/{draft_id}"

// List returns the drafts that req selects. A nil req selects all of them. List
// requests a page when the loop reaches it, and each loop starts again at the
// beginning. Changing req later has no effect. The sequence yields an error at most
// once, as its last element.
//
// https://developer.nylas.com/docs/reference/api/drafts/get-drafts/
func (s *DraftService) List(
	ctx context.Context, grantID string, req *ListDraftsRequest, opts ...RequestOption,
) iter.Seq2[*Draft, error] {
	var query ListDraftsRequest
	if req != nil {
		query = *req
		query.Select, query.AnyEmail = slices.Clone(req.Select), slices.Clone(req.AnyEmail)
		query.HasAttachment, query.Starred = copied(req.HasAttachment), copied(req.Starred)
	}
	return pages[Draft]{
		client: s.client,
		name:   "list drafts",
		call: call{
			method: http.MethodGet, path: "/v3/grants/{grant_id}/drafts", lane: laneGrant, ids: []string{grantID}, limit: mailboxTimeout,
		},
		check: func(op *operation) error { return checkList(op, query.PageSize, query.AnyEmail) },
		first: query.PageToken,
		query: func(token string) any {
			page := query
			page.PageToken = token
			return page
		},
		opts: opts,
	}.all(ctx)
}

// Update changes a draft; see [UpdateDraftRequest]. An unknown id is
// [ErrNotFound].
//
// If the client has a tracking policy, an update that turns tracking on must also have
// the recipients of the draft, because the policy is asked about them.
//
// https://developer.nylas.com/docs/reference/api/drafts/put-drafts-id/
func (s *DraftService) Update(
	ctx context.Context, grantID, draftID string, req *UpdateDraftRequest, opts ...RequestOption,
) (*Draft, error) {
	op := s.client.begin("update draft", opts)
	var answer draftAnswer
	if err := submit(ctx, op, req, call{
		method: http.MethodPut, path: draftPath, lane: laneGrant, ids: []string{grantID, draftID},
		limit: mailboxTimeout,
	}, &answer); err != nil {
		return nil, err
	}
	return answer.draft(), nil
}

// Delete deletes a draft for good. An unknown id is [ErrNotFound]. If a retry does not
// find the draft, Delete returns nil, because an earlier attempt may have deleted it.
//
// https://developer.nylas.com/docs/reference/api/drafts/delete-drafts-id/
func (s *DraftService) Delete(ctx context.Context, grantID, draftID string, opts ...RequestOption) error {
	return deletionError(s.client.begin("delete draft", opts).do(ctx, call{
		method: http.MethodDelete, path: draftPath, lane: laneGrant, ids: []string{grantID, draftID}, limit: mailboxTimeout,
	}, nil))
}

// Send sends a draft, with the tracking options that are stored with it. req may be
// nil. The sent message has an ID of its own, which tracking notifications contain. The
// draft no longer exists then. If the result is Queued, the draft exists until the
// message goes out, and stays if message.send_failed comes; see [Message.Queued]. Do not
// send it again in between.
//
// Sending a draft takes as long as [MessageService.Send], but accepts no
// Idempotency-Key. If it is not known whether the draft was sent, the error matches
// [ErrOutcomeUnknown], and sending it again may send a second mail. Look before:
//
//   - If Get returns [ErrNotFound], the draft was sent, or somebody deleted it.
//   - If Get returns the draft of a connected mailbox, it was probably not sent.
//   - If Get returns the draft of an Agent Account, it may be queued, which takes at most
//     90 s. If Get still returns it after that, it was probably not sent.
//   - If the draft of an Agent Account was created with a value of your own in key1 to
//     key5 of its Metadata, [MessageService.FindSent] finds the sent message by it.
//
// If the client has a tracking policy, Send first reads the draft, asks the policy
// about its current recipients, and turns off in the draft what the policy does not
// allow. Options apply to each of these requests. [WithResponse] gets the response to
// the last one.
//
// https://developer.nylas.com/docs/reference/api/drafts/send-draft-id/
func (s *DraftService) Send(
	ctx context.Context, grantID, draftID string, req *SendDraftRequest, opts ...RequestOption,
) (*Message, error) {
	op := s.client.begin("send draft", opts)
	send := call{
		method: http.MethodPost, path: draftPath, lane: laneSend, ids: []string{grantID, draftID},
		limit: sendTimeout, repeat: repeatUnsent,
	}
	if req != nil && *req != (SendDraftRequest{}) {
		send.body = req
	}
	decided, err := s.settleTracking(ctx, op, grantID, draftID, opts)
	if err != nil {
		return nil, err
	}
	send.tracking = decided
	var answer messageAnswer
	if err := op.do(ctx, send, &answer); err != nil {
		return nil, err
	}
	return answer.message(), nil
}
