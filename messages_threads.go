package nylas

import (
	"context"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// ThreadService reads and changes conversations; it is [Client.Threads].
type ThreadService struct{ client *Client }

// Thread is a conversation: messages that answer each other. Any field but ID can be missing.
//
// A thread was answered if its LatestMessageReceivedDate is after its LatestMessageSentDate.
// For connected mailboxes that is also the way to find replies that came while no webhook
// could be delivered, because Nylas does not send their notifications later.
//
// https://developer.nylas.com/docs/reference/api/threads/
type Thread struct {
	ID             string        `json:"id"`
	Object         string        `json:"object,omitzero"` // "thread"
	GrantID        string        `json:"grant_id,omitzero"`
	Subject        string        `json:"subject,omitzero"`
	Snippet        string        `json:"snippet,omitzero"` // of the latest message, about 100 characters
	Participants   []Participant `json:"participants,omitzero"`
	MessageIDs     []string      `json:"message_ids,omitzero"`
	DraftIDs       []string      `json:"draft_ids,omitzero"`
	Folders        []string      `json:"folders,omitzero"`
	HasAttachments bool          `json:"has_attachments,omitzero"`
	HasDrafts      bool          `json:"has_drafts,omitzero"`
	Starred        bool          `json:"starred,omitzero"`
	Unread         bool          `json:"unread,omitzero"`
	// EarliestMessageDate is when the thread began.
	EarliestMessageDate events.Timestamp `json:"earliest_message_date,omitzero"`
	// LatestMessageReceivedDate and LatestMessageSentDate are zero if the mailbox received
	// nothing, or sent nothing.
	LatestMessageReceivedDate events.Timestamp `json:"latest_message_received_date,omitzero"`
	LatestMessageSentDate     events.Timestamp `json:"latest_message_sent_date,omitzero"`
	// LatestDraftOrMessage is the newest message or draft; its Object says which. Nil means
	// that the answer has none.
	LatestDraftOrMessage *Message `json:"latest_draft_or_message,omitzero"`
}

func (t *Thread) isNamed() bool { return t.ID != "" }

// ListThreadsRequest selects threads. The zero value selects all of them. Nylas refuses
// filters that the provider does not support.
//
// https://developer.nylas.com/docs/reference/api/threads/get-threads/
type ListThreadsRequest struct {
	// PageSize is how many threads Nylas returns in one page: 1 to 200, and 0 means Nylas'
	// default, 50. List goes on over all pages: to read ten threads, leave the loop after
	// ten.
	// https://developer.nylas.com/docs/reference/api/#pagination
	PageSize int `url:"limit,omitempty"`
	// PageToken is where to begin. Empty means at the beginning.
	PageToken string `url:"page_token,omitempty"`
	// Select lists the fields to return, such as "id" and "message_ids". Nil returns all.
	Select []string `url:"select,comma,omitempty"`
	// From, To, CC and BCC are one address each. Few servers keep BCC, so BCC finds only
	// what this mailbox sent.
	From string `url:"from,omitempty"`
	To   string `url:"to,omitempty"`
	CC   string `url:"cc,omitempty"`
	BCC  string `url:"bcc,omitempty"`
	// AnyEmail selects threads with one of at most 25 addresses.
	AnyEmail []string `url:"any_email,comma,omitempty"`
	Subject  string   `url:"subject,omitempty"`
	// In is the id of a folder or label; Nylas does not take names such as "inbox".
	In            string `url:"in,omitempty"`
	HasAttachment *bool  `url:"has_attachment,omitempty"`
	Starred       *bool  `url:"starred,omitempty"`
	Unread        *bool  `url:"unread,omitempty"`
	// LatestMessageAfter and LatestMessageBefore select by the newest message. They count
	// in whole seconds: a fraction of a second is cut off. The zero time means no limit;
	// times before 1970 are refused.
	LatestMessageAfter  time.Time `url:"latest_message_after,unix,omitempty"`
	LatestMessageBefore time.Time `url:"latest_message_before,unix,omitempty"`
	// SearchQueryNative is a search in the provider's own language (Google, Microsoft). Do
	// not escape it.
	SearchQueryNative string `url:"search_query_native,omitempty"`
}

func (r *ListThreadsRequest) check(op *operation) error {
	if err := checkTimes(op,
		timeFilter{"LatestMessageAfter", r.LatestMessageAfter}, timeFilter{"LatestMessageBefore", r.LatestMessageBefore},
	); err != nil {
		return err
	}
	return checkList(op, r.PageSize, r.AnyEmail)
}

// UpdateThreadRequest changes all messages of a thread. What is nil stays as it is.
//
// https://developer.nylas.com/docs/reference/api/threads/put-threads-id/
type UpdateThreadRequest struct {
	Starred *bool `json:"starred,omitzero"`
	Unread  *bool `json:"unread,omitzero"`
	// Folders are the ids of the folders or labels that the messages will have, instead of
	// those that they have. An empty list that is not nil removes all of them.
	Folders []string `json:"folders,omitzero"`
}

const threadPath = "/v3/grants/{grant_id}/threads/{thread_id}"

// List returns the threads that req selects, the one with the newest message first; with
// Google that order is not certain. A nil req selects all of them. List requests a page when
// the loop reaches it, and each loop starts again at the beginning. Changing req later has no
// effect. The sequence yields an error at most once, as its last element; a [ListError] means
// that some threads could not be read.
//
// Nylas fetches each page from the provider. If errors match [ErrRateLimited], Nylas
// recommends a PageSize of 20 and more filters.
//
// https://developer.nylas.com/docs/reference/api/threads/get-threads/
func (s *ThreadService) List(
	ctx context.Context, grantID string, req *ListThreadsRequest, opts ...RequestOption,
) iter.Seq2[*Thread, error] {
	var query ListThreadsRequest
	if req != nil {
		query = *req
		query.Select, query.AnyEmail = slices.Clone(req.Select), slices.Clone(req.AnyEmail)
		query.HasAttachment, query.Starred, query.Unread = copied(req.HasAttachment), copied(req.Starred), copied(req.Unread)
	}
	return pages[Thread]{
		client: s.client,
		name:   "list threads",
		call: call{
			method: http.MethodGet, path: "/v3/grants/{grant_id}/threads", lane: laneGrant, ids: []string{grantID}, limit: mailboxTimeout,
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

// Get returns a thread, such as that of [Message.ThreadID]. An unknown id is [ErrNotFound].
//
// https://developer.nylas.com/docs/reference/api/threads/get-threads-id/
func (s *ThreadService) Get(ctx context.Context, grantID, threadID string, opts ...RequestOption) (*Thread, error) {
	var answer dataAnswer[Thread]
	err := s.client.begin("get thread", opts).do(ctx, call{
		method: http.MethodGet, path: threadPath, lane: laneGrant, ids: []string{grantID, threadID}, limit: mailboxTimeout,
	}, &answer)
	if err != nil {
		return nil, err
	}
	return &answer.Data, nil
}

// Update changes all messages of a thread; see [UpdateThreadRequest]. It returns the thread as
// it is then. An unknown id is [ErrNotFound].
//
// https://developer.nylas.com/docs/reference/api/threads/put-threads-id/
func (s *ThreadService) Update(
	ctx context.Context, grantID, threadID string, req *UpdateThreadRequest, opts ...RequestOption,
) (*Thread, error) {
	op := s.client.begin("update thread", opts)
	if req == nil {
		return nil, refuse(op, "the request is nil")
	}
	var answer dataAnswer[Thread]
	err := op.do(ctx, call{
		method: http.MethodPut, path: threadPath, lane: laneGrant, ids: []string{grantID, threadID}, body: req, limit: mailboxTimeout,
	}, &answer)
	if err != nil {
		return nil, err
	}
	return &answer.Data, nil
}

// Delete moves a thread with all its messages to the trash. An unknown id is [ErrNotFound]. If
// a retry does not find the thread, Delete returns nil, because an earlier attempt may have
// moved it.
//
// https://developer.nylas.com/docs/reference/api/threads/delete-threads-id/
func (s *ThreadService) Delete(ctx context.Context, grantID, threadID string, opts ...RequestOption) error {
	return deletionError(s.client.begin("delete thread", opts).do(ctx, call{
		method: http.MethodDelete, path: threadPath, lane: laneGrant, ids: []string{grantID, threadID}, limit: mailboxTimeout,
	}, nil))
}

// FolderService reads the folders of mailboxes; it is [Client.Folders].
type FolderService struct{ client *Client }

// Folder is a folder, or a label of Google. Any field but ID can be missing.
//
// https://developer.nylas.com/docs/reference/api/folders/
type Folder struct {
	ID      string `json:"id"`
	Object  string `json:"object,omitzero"` // "folder"
	GrantID string `json:"grant_id,omitzero"`
	Name    string `json:"name,omitzero"`
	// Attributes name the same folder with all providers: the folder of sent mail has
	// `\Sent`, and so on. Names and ids depend on the provider and the owner's language.
	Attributes      []string `json:"attributes,omitzero"`
	ParentID        string   `json:"parent_id,omitzero"`        // Microsoft
	BackgroundColor string   `json:"background_color,omitzero"` // Google
	TextColor       string   `json:"text_color,omitzero"`       // Google
	// SystemFolder reports that the owner of the mailbox did not create the folder (Google).
	SystemFolder bool       `json:"system_folder,omitzero"`
	ChildCount   events.Int `json:"child_count,omitzero"` // Microsoft; without grandchildren
	UnreadCount  events.Int `json:"unread_count,omitzero"`
	TotalCount   events.Int `json:"total_count,omitzero"`
}

func (f *Folder) isNamed() bool { return f.ID != "" }

// ListFoldersRequest selects folders. The zero value selects all of them.
//
// https://developer.nylas.com/docs/reference/api/folders/get-folder/
type ListFoldersRequest struct {
	// PageSize is how many folders Nylas returns in one page: 1 to 200, and 0 means Nylas'
	// default, 50.
	// https://developer.nylas.com/docs/reference/api/#pagination
	PageSize int `url:"limit,omitempty"`
	// PageToken is where to begin. Empty means at the beginning.
	PageToken string `url:"page_token,omitempty"`
	// Select lists the fields to return, such as "id" and "name". Nil returns all.
	Select []string `url:"select,comma,omitempty"`
	// ParentID selects the folders inside one (Microsoft, EWS).
	ParentID string `url:"parent_id,omitempty"`
	// SingleLevel leaves out the folders inside others (Microsoft).
	SingleLevel bool `url:"single_level,omitempty"`
	// IncludeHidden adds hidden folders (Microsoft).
	IncludeHidden bool `url:"include_hidden_folders,omitempty"`
	// SharedFrom is the owner of shared folders: an address or a grant id (Microsoft).
	SharedFrom string `url:"shared_from,omitempty"`
}

// List returns the folders of a mailbox in one flat list. A nil req selects all of them. List
// requests a page when the loop reaches it, and each loop starts again at the beginning.
// Changing req later has no effect. The sequence yields an error at most once, as its last
// element.
//
// https://developer.nylas.com/docs/reference/api/folders/get-folder/
func (s *FolderService) List(
	ctx context.Context, grantID string, req *ListFoldersRequest, opts ...RequestOption,
) iter.Seq2[*Folder, error] {
	var query ListFoldersRequest
	if req != nil {
		query = *req
		query.Select = slices.Clone(req.Select)
	}
	return pages[Folder]{
		client: s.client,
		name:   "list folders",
		call: call{
			method: http.MethodGet, path: "/v3/grants/{grant_id}/folders", lane: laneGrant, ids: []string{grantID}, limit: mailboxTimeout,
		},
		check: func(op *operation) error { return checkList(op, query.PageSize, nil) },
		first: query.PageToken,
		query: func(token string) any {
			page := query
			page.PageToken = token
			return page
		},
		opts: opts,
	}.all(ctx)
}

// Get returns a folder. An unknown id is [ErrNotFound].
//
// https://developer.nylas.com/docs/reference/api/folders/get-folders-id/
func (s *FolderService) Get(ctx context.Context, grantID, folderID string, opts ...RequestOption) (*Folder, error) {
	var answer dataAnswer[Folder]
	err := s.client.begin("get folder", opts).do(ctx, call{
		method: http.MethodGet, path: "/v3/grants/{grant_id}/folders/{folder_id}", lane: laneGrant,
		ids: []string{grantID, folderID}, limit: mailboxTimeout,
	}, &answer)
	if err != nil {
		return nil, err
	}
	return &answer.Data, nil
}
