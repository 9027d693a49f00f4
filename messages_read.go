package nylas

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"iter"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/internal/mailheader"
)

// FieldsIncludeTrackingOptions returns the TrackingOptions that the message was sent
// with, without DomainName. [MessageService.Get] and [MessageService.List] accept it, a
// send does not. A call has one value for its fields, so headers and tracking options
// need two calls.
const FieldsIncludeTrackingOptions MessageFields = "include_tracking_options"

// FieldsRawMIME returns only the message's ID, GrantID, Object and RawMIME: the whole message
// with its attachments, base64 included. [MessageService.Get] and [MessageService.List] accept
// it, a send does not.
const FieldsRawMIME MessageFields = "raw_mime"

// getMessageQuery is the query of [MessageService.Get].
type getMessageQuery struct {
	Fields     MessageFields `url:"fields,omitempty"`
	Select     []string      `url:"select,comma,omitempty"`
	QueryIMAP  bool          `url:"query_imap,omitempty"`
	SharedFrom string        `url:"shared_from,omitempty"`
}

// getMessageOption changes the query of [MessageService.Get], which takes it out of
// its options: every other call refuses it.
type getMessageOption struct {
	name string
	set  func(*getMessageQuery)
}

func (o getMessageOption) applyRequest(*requestConfig) error {
	return errors.New(o.name + ": only Messages.Get takes this option")
}

// WithFields makes [MessageService.Get] return more than the standard fields.
// [Message.MachineReply] needs [FieldsIncludeHeaders] or [FieldsRawMIME]. Other calls refuse
// the option.
func WithFields(fields MessageFields) RequestOption {
	return getMessageOption{"WithFields", func(q *getMessageQuery) { q.Fields = fields }}
}

// WithSelect makes [MessageService.Get] return only the named fields, such as "id"
// and "from". Other calls refuse the option.
func WithSelect(names ...string) RequestOption {
	return getMessageOption{"WithSelect", func(q *getMessageQuery) { q.Select = names }}
}

// WithQueryIMAP makes [MessageService.Get] ask the mail server instead of Nylas'
// copy (IMAP, Yahoo, iCloud). Other calls refuse the option.
func WithQueryIMAP() RequestOption {
	return getMessageOption{"WithQueryIMAP", func(q *getMessageQuery) { q.QueryIMAP = true }}
}

// WithSharedFrom makes [MessageService.Get] read a message that somebody else
// shared: owner is an address or a grant id (Microsoft). Other calls refuse the
// option.
func WithSharedFrom(owner string) RequestOption {
	return getMessageOption{"WithSharedFrom", func(q *getMessageQuery) { q.SharedFrom = owner }}
}

// ListMessagesRequest selects messages of a mailbox. The zero value selects all of
// them. Nylas refuses filters that the provider does not support. With Microsoft some
// filters miss messages; ThreadID is reliable with every provider.
//
// https://developer.nylas.com/docs/reference/api/messages/get-messages/
type ListMessagesRequest struct {
	// PageSize is how many messages Nylas returns in one page: 1 to 200, and 0 means
	// Nylas' default, 50. List goes on over all pages: to read ten messages, leave
	// the loop after ten.
	// https://developer.nylas.com/docs/reference/api/#pagination
	PageSize int `url:"limit,omitempty"`
	// PageToken is where to begin. Empty means at the newest message.
	PageToken string `url:"page_token,omitempty"`
	// Fields asks for more than the standard fields. [Message.MachineReply] needs
	// FieldsIncludeHeaders or FieldsRawMIME.
	Fields MessageFields `url:"fields,omitempty"`
	// Select lists the fields to return, such as "id" and "from". Nil returns all.
	Select []string `url:"select,comma,omitempty"`

	ThreadID string `url:"thread_id,omitempty"`
	// From, To, CC and BCC are one address each. Few servers keep BCC, so BCC finds only
	// what this mailbox sent.
	From string `url:"from,omitempty"`
	To   string `url:"to,omitempty"`
	CC   string `url:"cc,omitempty"`
	BCC  string `url:"bcc,omitempty"`
	// AnyEmail selects messages with one of at most 25 addresses in From, To, CC or BCC.
	AnyEmail []string `url:"any_email,comma,omitempty"`
	// Subject is a part of the subject. It is case-sensitive.
	Subject string `url:"subject,omitempty"`
	// In is the id of a folder or label. QueryIMAP and SharedFrom need it.
	In            string `url:"in,omitempty"`
	HasAttachment *bool  `url:"has_attachment,omitempty"`
	Starred       *bool  `url:"starred,omitempty"`
	Unread        *bool  `url:"unread,omitempty"`
	// ReceivedAfter and ReceivedBefore count in whole seconds: a fraction of a second
	// is cut off. The zero time means no limit; times before 1970 are refused.
	ReceivedAfter  time.Time `url:"received_after,unix,omitempty"`
	ReceivedBefore time.Time `url:"received_before,unix,omitempty"`
	// MetadataPair is a key and a value, such as "key1:trial". Only key1 to key5 can
	// be searched for. Nylas refuses every other filter beside it, and returns what was
	// tagged first at the beginning.
	MetadataPair string `url:"metadata_pair,omitempty"`
	// SearchQueryNative is a search in the provider's own language. Do not escape it.
	// Google and Microsoft accept only In, PageSize and PageToken beside it.
	SearchQueryNative string `url:"search_query_native,omitempty"`
	// QueryIMAP asks the mail server instead of Nylas' copy (IMAP, Yahoo, iCloud).
	QueryIMAP bool `url:"query_imap,omitempty"`
	// SharedFrom is the owner of a shared folder: an address or a grant id (Microsoft).
	// It also needs SharedFolderID and SearchQueryNative.
	SharedFrom     string `url:"shared_from,omitempty"`
	SharedFolderID string `url:"shared_folder_id,omitempty"`
}

// Get returns a message of a mailbox: one that was sent, or one that was received,
// such as the reply whose id is the message_id of a thread.replied notification.
// [WithFields], [WithSelect], [WithQueryIMAP] and [WithSharedFrom] change what Get
// reads. An unknown id is [ErrNotFound]. Get needs a scope to read mail.
//
// The body of a sent message contains the tracked links and the tracking image.
// Displaying it with its images counts as an open; see [StripPixel].
//
// https://developer.nylas.com/docs/reference/api/messages/get-messages-id/
func (s *MessageService) Get(
	ctx context.Context, grantID, messageID string, opts ...RequestOption,
) (*Message, error) {
	var query getMessageQuery
	var others []RequestOption
	for _, opt := range opts {
		if own, ok := opt.(getMessageOption); ok {
			own.set(&query)
		} else {
			others = append(others, opt)
		}
	}
	var answer messageAnswer
	err := s.client.begin("get message", others).do(ctx, call{
		method: http.MethodGet, path: messagePath, lane: laneGrant,
		ids: []string{grantID, messageID}, query: query, limit: mailboxTimeout, partial: len(query.Select) > 0,
	}, &answer)
	if err != nil {
		return nil, err
	}
	return answer.message(), nil
}

// List returns the messages that req selects, newest first unless MetadataPair is set. A
// nil req selects all of them. List requests a page when the loop reaches it, and each
// loop starts again at the beginning. Changing req later has no effect. The sequence
// yields an error at most once, as its last element; a [ListError] means that some
// messages could not be read. List needs a scope to read mail.
//
// Nylas fetches each page from the provider, which is slow for messages with long
// bodies. If errors match [ErrRateLimited], Nylas recommends a PageSize of 20 and more
// filters.
//
// https://developer.nylas.com/docs/reference/api/messages/get-messages/
func (s *MessageService) List(
	ctx context.Context, grantID string, req *ListMessagesRequest, opts ...RequestOption,
) iter.Seq2[*Message, error] {
	var query ListMessagesRequest
	if req != nil {
		query = *req
		query.Select, query.AnyEmail = slices.Clone(req.Select), slices.Clone(req.AnyEmail)
		query.HasAttachment, query.Starred, query.Unread = copied(req.HasAttachment), copied(req.Starred), copied(req.Unread)
	}
	return pages[Message]{
		client: s.client,
		name:   "list messages",
		call: call{
			method: http.MethodGet, path: "/v3/grants/{grant_id}/messages", lane: laneGrant, ids: []string{grantID},
			limit: mailboxTimeout,
		},
		check: query.check,
		first: query.PageToken,
		query: func(token string) any {
			page := query
			page.PageToken = token
			return page
		},
		opts: opts,
	}.all(ctx)
}

func (r *ListMessagesRequest) check(op *operation) error {
	if err := checkTimes(op, timeFilter{"ReceivedAfter", r.ReceivedAfter}, timeFilter{"ReceivedBefore", r.ReceivedBefore}); err != nil {
		return err
	}
	return checkList(op, r.PageSize, r.AnyEmail)
}

// UpdateMessageRequest changes a message of a mailbox. What is nil stays as it is.
//
// https://developer.nylas.com/docs/reference/api/messages/put-messages-id/
type UpdateMessageRequest struct {
	Starred *bool `json:"starred,omitzero"`
	Unread  *bool `json:"unread,omitzero"`
	// Folders are the ids of the folders or labels that the message will have, instead of
	// those that it has. An empty list that is not nil removes all of them.
	Folders []string `json:"folders,omitzero"`
	// Metadata replaces all pairs of the message, its mark included; see [WithMark]. It has
	// at most 50 pairs, with keys of at most 40 and values of at most 500 characters.
	Metadata map[string]string `json:"metadata,omitzero"`
}

// Update changes a message of a mailbox; see [UpdateMessageRequest]. It returns the message as
// it is then. An unknown id is [ErrNotFound].
//
// https://developer.nylas.com/docs/reference/api/messages/put-messages-id/
func (s *MessageService) Update(
	ctx context.Context, grantID, messageID string, req *UpdateMessageRequest, opts ...RequestOption,
) (*Message, error) {
	op := s.client.begin("update message", opts)
	if req == nil {
		return nil, refuse(op, "the request is nil")
	}
	if err := checkMetadata(op, req.Metadata); err != nil {
		return nil, err
	}
	var answer messageAnswer
	err := op.do(ctx, call{
		method: http.MethodPut, path: messagePath, lane: laneGrant, ids: []string{grantID, messageID}, body: req, limit: mailboxTimeout,
	}, &answer)
	if err != nil {
		return nil, err
	}
	return answer.message(), nil
}

// deleteMessageOption changes the query of [MessageService.Delete], which takes it out of its
// options: every other call refuses it.
type deleteMessageOption struct{}

func (deleteMessageOption) applyRequest(*requestConfig) error {
	return errors.New("WithHardDelete: only Messages.Delete takes this option")
}

// WithHardDelete makes [MessageService.Delete] delete the message for good, instead of moving
// it to the trash. Nobody can undo that. Nylas only does it if "Enable hard delete" is on in
// the Nylas Dashboard, under Customizations, API. Other calls refuse the option.
//
// https://developer.nylas.com/docs/reference/api/messages/delete-message/
func WithHardDelete() RequestOption { return deleteMessageOption{} }

// deleteMessageQuery is the query of [MessageService.Delete].
type deleteMessageQuery struct {
	HardDelete bool `url:"hard_delete,omitempty"`
}

// Delete moves a message to the trash of its mailbox; [WithHardDelete] deletes it for good. An
// unknown id is [ErrNotFound]. If a retry does not find the message, Delete returns nil, because
// an earlier attempt may have moved it.
//
// https://developer.nylas.com/docs/reference/api/messages/delete-message/
func (s *MessageService) Delete(ctx context.Context, grantID, messageID string, opts ...RequestOption) error {
	var query deleteMessageQuery
	others := slices.DeleteFunc(slices.Clone(opts), func(opt RequestOption) bool {
		_, hard := opt.(deleteMessageOption)
		query.HardDelete = query.HardDelete || hard
		return hard
	})
	return deletionError(s.client.begin("delete message", others).do(ctx, call{
		method: http.MethodDelete, path: messagePath, lane: laneGrant, ids: []string{grantID, messageID},
		query: query, limit: mailboxTimeout,
	}, nil))
}

const messagePath = "/v3/grants/{grant_id}/messages/{message_id}"

// AutoSubmitted is the value of a message's Auto-Submitted header. Every value but
// AutoSubmittedUnknown and AutoSubmittedNo means that a program wrote the message.
// Other values than these constants are possible: RFC 5436 adds auto-notified.
//
// https://datatracker.ietf.org/doc/html/rfc3834#section-5
type AutoSubmitted string

// The values of AutoSubmitted.
const (
	// AutoSubmittedUnknown means that the headers as received are not there.
	AutoSubmittedUnknown AutoSubmitted = ""
	// AutoSubmittedNo means that the header is missing or says "no". Not every program
	// that writes mail sets the header.
	AutoSubmittedNo AutoSubmitted = "no"
	// AutoSubmittedGenerated means that a program wrote the message by itself.
	AutoSubmittedGenerated AutoSubmitted = "auto-generated"
	// AutoSubmittedReplied means that a program wrote the message as a reply to another
	// one, such as an out-of-office reply.
	AutoSubmittedReplied AutoSubmitted = "auto-replied"
)

// AutoSubmitted returns the value of the message's Auto-Submitted header. Most programs that
// answer mail leave it out; [Message.MachineReply] looks for their other signs too.
//
// It needs all headers of the message: get it with [MessageService.Get] or
// [MessageService.List] and [FieldsIncludeHeaders]. It returns AutoSubmittedUnknown if the
// message has neither that header nor a Received header, which every received message has. So
// it is without headers, with only those of [FieldsIncludeBasicHeaders], and in mailboxes of
// EWS and IMAP, for which Nylas does not return the headers as received.
func (m *Message) AutoSubmitted() AutoSubmitted {
	result := AutoSubmittedUnknown
	for _, header := range m.Headers {
		switch name := strings.TrimSpace(header.Name); {
		case strings.EqualFold(name, "Received"):
			result = AutoSubmittedNo
		case strings.EqualFold(name, "Auto-Submitted"):
			result = AutoSubmittedNo
			if keyword := mailheader.Keyword(header.Value); keyword != "" && keyword != string(AutoSubmittedNo) {
				return AutoSubmitted(keyword)
			}
		}
	}
	return result
}

// MachineReply says whether a program wrote the message, by all signs that
// [events.MachineReply] knows, and why. Nylas sends thread.replied for automatic replies and
// bounces too; they should neither stop a sequence nor count as interest.
//
// It needs the headers of the message as received. Get it with [FieldsIncludeHeaders], or, in a
// mailbox of EWS or IMAP (Yahoo, iCloud and others), with [FieldsRawMIME]: for these Nylas
// returns only headers of its own. Without them the answer is [events.MachineUnknown]; so it is
// for a message that this mailbox sent.
//
// https://developer.nylas.com/docs/reference/api/messages/get-messages-id/
func (m *Message) MachineReply() (machine events.Machine, reason string) {
	all := make(map[string][]string)
	for _, header := range m.Headers {
		all[header.Name] = append(all[header.Name], header.Value)
	}
	raw := base64.NewDecoder(base64.RawURLEncoding, strings.NewReader(urlAlphabet.Replace(strings.TrimRight(m.RawMIME, "="))))
	received, err := textproto.NewReader(bufio.NewReader(raw)).ReadMIMEHeader()
	for name, values := range received {
		all[name] = append(all[name], values...)
	}
	machine, reason = events.MachineReply(all)
	if m.RawMIME != "" && err != nil && machine == events.MachineNo {
		return events.MachineUnknown, "the headers cannot be read to their end" // a sign may stand behind what is no header
	}
	return machine, reason
}

// urlAlphabet turns base64 into its form for URLs, in which Nylas returns raw MIME.
var urlAlphabet = strings.NewReplacer("+", "-", "/", "_")
