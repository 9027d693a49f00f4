package nylas

import (
	"context"
	"iter"
	"net/http"
	"slices"
	"time"
)

// FieldsIncludeTrackingOptions returns the message with the TrackingOptions that
// it was sent with, without DomainName. [MessageService.Get] and
// [MessageService.List] take it, a send does not. Fields has one value: headers
// and tracking options need two calls.
const FieldsIncludeTrackingOptions MessageFields = "include_tracking_options"

// GetMessageRequest says what of a message to read.
type GetMessageRequest struct {
	// Fields asks for more than the standard fields; [Message.AutoSubmitted] needs
	// FieldsIncludeHeaders.
	Fields MessageFields `url:"fields,omitempty"`
	// Select names the fields to return, such as "id" and "from"; nil returns all.
	Select []string `url:"select,comma,omitempty"`
	// QueryIMAP asks the mail server in place of Nylas' copy (IMAP, Yahoo, iCloud).
	QueryIMAP bool `url:"query_imap,omitempty"`
	// SharedFrom is who shared the message: an address or a grant id (Microsoft).
	SharedFrom string `url:"shared_from,omitempty"`
}

// ListMessagesRequest selects messages of a mailbox. The zero value selects all.
// Filters that a provider does not support are refused by Nylas, or, with
// Microsoft, sometimes do not find what they should: ThreadID is the safe one.
//
// https://developer.nylas.com/docs/reference/api/messages/get-messages/
type ListMessagesRequest struct {
	// Limit is how many messages one page has, 1 to 200; 0 means Nylas' default, 50.
	// It does not limit how many are listed: leave the loop for that.
	Limit int `url:"limit,omitempty"`
	// PageToken is where to begin; empty means at the newest message.
	PageToken string `url:"page_token,omitempty"`
	// Fields asks for more than the standard fields; [Message.AutoSubmitted] needs
	// FieldsIncludeHeaders.
	Fields MessageFields `url:"fields,omitempty"`
	// Select names the fields to return, such as "id" and "from"; nil returns all.
	Select []string `url:"select,comma,omitempty"`

	ThreadID string `url:"thread_id,omitempty"`
	// From, To, CC and BCC are one address each. Few servers keep BCC: it finds what
	// this mailbox sent.
	From string `url:"from,omitempty"`
	To   string `url:"to,omitempty"`
	CC   string `url:"cc,omitempty"`
	BCC  string `url:"bcc,omitempty"`
	// AnyEmail finds what has one of at most 25 addresses in From, To, CC or BCC.
	AnyEmail []string `url:"any_email,comma,omitempty"`
	// Subject finds parts of subjects; upper and lower case matter.
	Subject string `url:"subject,omitempty"`
	// In is the id of a folder or label. QueryIMAP and SharedFrom need it.
	In            string `url:"in,omitempty"`
	HasAttachment *bool  `url:"has_attachment,omitempty"`
	Starred       *bool  `url:"starred,omitempty"`
	Unread        *bool  `url:"unread,omitempty"`
	// ReceivedAfter and ReceivedBefore count in whole seconds.
	ReceivedAfter  time.Time `url:"received_after,unix,omitempty"`
	ReceivedBefore time.Time `url:"received_before,unix,omitempty"`
	// MetadataPair is a key and a value, such as "key1:trial". Only key1 to key5 can
	// be searched for.
	MetadataPair string `url:"metadata_pair,omitempty"`
	// SearchQueryNative is a search in the language of the provider, not escaped.
	// Google and Microsoft take only In, Limit and PageToken beside it.
	SearchQueryNative string `url:"search_query_native,omitempty"`
	// QueryIMAP asks the mail server in place of Nylas' copy (IMAP, Yahoo, iCloud).
	QueryIMAP bool `url:"query_imap,omitempty"`
	// SharedFrom is who shared a folder: an address or a grant id (Microsoft). It
	// needs SharedFolderID and SearchQueryNative, too.
	SharedFrom     string `url:"shared_from,omitempty"`
	SharedFolderID string `url:"shared_folder_id,omitempty"`
}

// The limits of lists.
const (
	// https://developer.nylas.com/docs/reference/api/#pagination
	maxPageLimit = 200
	// https://developer.nylas.com/docs/reference/api/messages/get-messages/
	maxAnyEmail = 25
)

// Get returns a message of a mailbox: one that was sent, or one that came, such
// as the reply that a thread.replied notification names by its message_id. req
// may be nil. An unknown id is [ErrNotFound]. It needs a scope to read mail.
//
// The body of a sent message is the one in the mailbox, which has the tracked
// links and the image in it: showing it with its images counts as an open.
//
// https://developer.nylas.com/docs/reference/api/messages/get-messages-id/
func (s *MessageService) Get(
	ctx context.Context, grantID, messageID string, req *GetMessageRequest, opts ...RequestOption,
) (*Message, error) {
	var query GetMessageRequest
	if req != nil {
		query = *req
	}
	var answer messageAnswer
	err := s.client.do(ctx, call{
		op: "get message", method: http.MethodGet, path: "/v3/grants/{grant_id}/messages/{message_id}",
		ids: []string{grantID, messageID}, query: query, limit: mailboxTimeout, partial: len(query.Select) > 0,
	}, &answer, opts)
	if err != nil {
		return nil, err
	}
	return answer.message(), nil
}

// List returns the messages that req selects, the newest first, or all if it is
// nil. It asks for a page when the loop comes to it, and each loop begins anew. A
// later change of req has no effect. The sequence yields an error once, as its
// last element; a [ListError] is about messages that could not be read. It needs a
// scope to read mail.
//
// Nylas asks the provider for each page, and many messages with long bodies come
// slowly: with errors that match [ErrRateLimited] it recommends a Limit of 20 and
// more filters.
//
// https://developer.nylas.com/docs/reference/api/messages/get-messages/
func (s *MessageService) List(
	ctx context.Context, grantID string, req *ListMessagesRequest, opts ...RequestOption,
) iter.Seq2[*Message, error] {
	const op = "list messages"
	var query ListMessagesRequest
	if req != nil {
		query = *req
		query.Select, query.AnyEmail = slices.Clone(req.Select), slices.Clone(req.AnyEmail)
		query.HasAttachment, query.Starred, query.Unread = copied(req.HasAttachment), copied(req.Starred), copied(req.Unread)
	}
	return pages[Message]{
		client: s.client,
		call: call{
			op: op, method: http.MethodGet, path: "/v3/grants/{grant_id}/messages", ids: []string{grantID},
			limit: mailboxTimeout,
		},
		refusal: checkList(op, query.Limit, query.AnyEmail),
		first:   query.PageToken,
		query: func(token string) any {
			page := query
			page.PageToken = token
			return page
		},
		opts: opts,
	}.all(ctx)
}

func checkList(op string, limit int, anyEmail []string) error {
	switch {
	case limit < 0 || limit > maxPageLimit:
		return refuse(op, "Limit is not between 1 and 200")
	case len(anyEmail) > maxAnyEmail:
		return refuse(op, "AnyEmail has more than 25 addresses")
	}
	return nil
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	return new(*p)
}
