package nylastest

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/nylastrack/nylas-go/events"
)

// The endpoints of threads.
const (
	EndpointListThreads  Endpoint = "GET /v3/grants/{grant}/threads"
	EndpointGetThread    Endpoint = "GET /v3/grants/{grant}/threads/{id}"
	EndpointUpdateThread Endpoint = "PUT /v3/grants/{grant}/threads/{id}"
	EndpointDeleteThread Endpoint = "DELETE /v3/grants/{grant}/threads/{id}"
)

// conversation is what a mailbox holds of a thread: at least one message, oldest first.
type conversation []filed

// conversations returns the threads of a grant, the one with the newest message last.
func (b *mailbox) conversations(grantID string) []conversation {
	byID := map[string]conversation{}
	for _, m := range b.in(grantID) {
		byID[m.ThreadID] = append(byID[m.ThreadID], m)
	}
	return slices.SortedFunc(maps.Values(byID), func(a, b conversation) int { return cmp.Compare(a.latest().seq, b.latest().seq) })
}

func (c conversation) latest() *filed { return &c[len(c)-1] }

func (c conversation) any(is func(*filed) bool) bool {
	return slices.ContainsFunc(c, func(m filed) bool { return is(&m) })
}

// threadAnswer is how the endpoints describe a thread.
//
// https://developer.nylas.com/docs/reference/api/threads/
type threadAnswer struct {
	ID                        string               `json:"id"`
	GrantID                   string               `json:"grant_id"`
	Object                    string               `json:"object"`
	Subject                   string               `json:"subject"`
	Snippet                   string               `json:"snippet"`
	Participants              []events.Participant `json:"participants"`
	MessageIDs                []string             `json:"message_ids"`
	DraftIDs                  []string             `json:"draft_ids"`
	Folders                   []string             `json:"folders"`
	HasAttachments            bool                 `json:"has_attachments"`
	HasDrafts                 bool                 `json:"has_drafts"`
	Starred                   bool                 `json:"starred"`
	Unread                    bool                 `json:"unread"`
	EarliestMessageDate       int64                `json:"earliest_message_date"`
	LatestMessageReceivedDate int64                `json:"latest_message_received_date,omitzero"`
	LatestMessageSentDate     int64                `json:"latest_message_sent_date,omitzero"`
	LatestDraftOrMessage      readAnswer           `json:"latest_draft_or_message"`
}

func (s *Server) threadAnswer(c conversation) threadAnswer {
	latest := c.latest()
	a := threadAnswer{
		ID: latest.ThreadID, GrantID: latest.GrantID, Object: "thread", Subject: c[0].Subject,
		Snippet: snippet(latest.OriginalBody, latest.IsPlaintext), DraftIDs: []string{},
		HasAttachments: c.any((*filed).hasAttachment), Starred: c.any((*filed).isStarred), Unread: c.any((*filed).isUnread),
		EarliestMessageDate: c[0].SentAt.Unix(), LatestDraftOrMessage: latest.answer(fieldsStandard),
	}
	for i := range c {
		m := &c[i]
		a.MessageIDs = append(a.MessageIDs, m.ID)
		if m.received {
			a.LatestMessageReceivedDate = m.SentAt.Unix()
		} else {
			a.LatestMessageSentDate = m.SentAt.Unix()
		}
		for _, folder := range m.folders {
			if !slices.Contains(a.Folders, folder) {
				a.Folders = append(a.Folders, folder)
			}
		}
		for _, p := range slices.Concat([]events.Participant{m.From}, m.To, m.CC, m.BCC) {
			if !has(p.Email, a.Participants) {
				a.Participants = append(a.Participants, p)
			}
		}
	}
	for _, d := range s.drafts.of(latest.GrantID) {
		if slices.Contains(a.MessageIDs, d.ReplyToMessageID) {
			a.DraftIDs = append(a.DraftIDs, d.ID)
		}
	}
	a.HasDrafts = len(a.DraftIDs) > 0
	return a
}

// ofAny makes a filter of messages one of threads: one of the messages must pass it.
func ofAny(by filter) filter {
	return func(value string) (func(*listed) bool, *response) {
		keep, refusal := by(value)
		return func(l *listed) bool {
			return l.thread.any(func(m *filed) bool { return keep(&listed{message: &m.Message, folders: m.folders}) })
		}, refusal
	}
}

// threadFilters are those of a list of threads.
//
// https://developer.nylas.com/docs/reference/api/threads/get-threads/
func threadFilters() map[string]filter {
	ofMessages := listFilters()
	filters := map[string]filter{
		"from": ofAny(byText(func(l *listed, value string) bool { return has(value, []events.Participant{l.message.From}) })),
		"in":   ofAny(byText(func(l *listed, value string) bool { return slices.Contains(l.folders, value) })),

		"unread":         byFlag("unread", func(l *listed) bool { return l.thread.any((*filed).isUnread) }),
		"starred":        byFlag("starred", func(l *listed) bool { return l.thread.any((*filed).isStarred) }),
		"has_attachment": byFlag("has_attachment", func(l *listed) bool { return l.thread.any((*filed).hasAttachment) }),

		"latest_message_after":  byLatest("latest_message_after", func(at, given int64) bool { return at > given }),
		"latest_message_before": byLatest("latest_message_before", func(at, given int64) bool { return at < given }),
	}
	for _, name := range []string{"subject", "any_email", "to", "cc", "bcc"} {
		filters[name] = ofAny(ofMessages[name])
	}
	return filters
}

func byLatest(name string, keep func(at, given int64) bool) filter {
	return func(value string) (func(*listed) bool, *response) {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return nil, badRequest(name + " must be a number of seconds")
		}
		return func(l *listed) bool { return keep(l.thread.latest().SentAt.Unix(), seconds) }, nil
	}
}

// serveListThreads lists threads, the one with the newest message first.
//
// https://developer.nylas.com/docs/reference/api/threads/get-threads/
func (s *Server) serveListThreads(c *call) *response {
	grant, refusal := s.grantOf(c)
	if refusal != nil {
		return refusal
	}
	filters := threadFilters()
	query, refusal := c.query(append(slices.Collect(maps.Keys(filters)),
		"limit", "page_token", "select", "search_query_native", "shared_from", "shared_folder_id")...)
	if refusal == nil {
		refusal = checkEmulated(query)
	}
	if refusal != nil {
		return refusal
	}
	var items []listed
	for _, t := range s.mailbox.conversations(grant.id) {
		items = append(items, listed{seq: t.latest().seq, thread: t, answer: func() any { return s.threadAnswer(t) }})
	}
	return c.listResponse(items, query, filters)
}

// thread finds what the path names.
func (s *Server) thread(c *call) (conversation, *response) {
	grant, refusal := s.grantOf(c)
	if refusal != nil {
		return nil, refusal
	}
	for _, t := range s.mailbox.conversations(grant.id) {
		if t.latest().ThreadID == c.PathValue("id") {
			return t, nil
		}
	}
	return nil, notFound("thread")
}

func (s *Server) serveGetThread(c *call) *response {
	t, refusal := s.thread(c)
	if refusal != nil {
		return refusal
	}
	query, refusal := c.query("select", "shared_from", "shared_folder_id")
	if refusal == nil {
		refusal = checkEmulated(query)
	}
	if refusal != nil {
		return refusal
	}
	return dataResponse(selected(s.threadAnswer(t), query.Get("select")))
}

// changeThread changes all messages of the thread that the path names.
func (s *Server) changeThread(c *call, change func(*filed)) *response {
	t, refusal := s.thread(c)
	if refusal != nil {
		return refusal
	}
	latest := t.latest()
	s.mailbox.change(func(m *filed) bool { return m.GrantID == latest.GrantID && m.ThreadID == latest.ThreadID }, change)
	return nil
}

// serveUpdateThread changes all messages of a thread.
//
// https://developer.nylas.com/docs/reference/api/threads/put-threads-id/
func (s *Server) serveUpdateThread(c *call) *response {
	var request changeRequest
	query, refusal := c.query("select", "shared_from", "shared_folder_id")
	if refusal == nil {
		refusal = cmp.Or(checkEmulated(query), c.decode(c.body, &request))
	}
	if refusal == nil {
		refusal = request.check()
	}
	if refusal != nil {
		return refusal
	}
	if refusal := s.changeThread(c, request.apply); refusal != nil {
		return refusal
	}
	return s.serveGetThread(c)
}

// serveDeleteThread moves all messages of a thread to the trash.
//
// https://developer.nylas.com/docs/reference/api/threads/delete-threads-id/
func (s *Server) serveDeleteThread(c *call) *response {
	query, refusal := c.query("shared_from", "shared_folder_id")
	if refusal == nil {
		refusal = checkEmulated(query)
	}
	if refusal == nil {
		refusal = s.changeThread(c, (*filed).trash)
	}
	if refusal != nil {
		return refusal
	}
	return jsonResponse(http.StatusOK, map[string]any{})
}
