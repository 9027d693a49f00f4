package nylastest

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// The endpoints that read a mailbox.
const (
	EndpointListMessages Endpoint = "GET /v3/grants/{grant}/messages"
	EndpointGetMessage   Endpoint = "GET /v3/grants/{grant}/messages/{id}"
)

// The values of fields that a send does not have.
//
// https://developer.nylas.com/docs/reference/api/messages/get-messages-id/
const (
	fieldsTracking = "include_tracking_options"
	fieldsRawMIME  = "raw_mime"
)

// filed is a message in the mailbox of a grant: one that was sent from there, or
// a reply that came.
type filed struct {
	Message
	seq             int
	folders         []string
	received        bool // it came from a mail server
	unread, starred bool
	automatic       bool // written by a machine that says so
}

func (m *filed) isUnread() bool      { return m.unread }
func (m *filed) isStarred() bool     { return m.starred }
func (m *filed) hasAttachment() bool { return len(m.Attachments) > 0 }

// file puts a message into the mailbox of its grant. A transactional one has no
// grant, so no mailbox shows it.
func (b *mailbox) file(m *filed) {
	b.lastSeq++
	m.seq = b.lastSeq
	b.filed = append(b.filed, m)
}

// unfile takes a message out of the mailbox of its grant, and reports whether it was there.
func (b *mailbox) unfile(grantID, id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := len(b.filed)
	b.filed = slices.DeleteFunc(b.filed, func(m *filed) bool { return m.GrantID == grantID && m.ID == id })
	return len(b.filed) < before
}

// headerIDOf returns the Message-ID header of a message in a mailbox.
func (b *mailbox) headerIDOf(id string) string {
	for _, m := range b.filed {
		if m.ID == id {
			return m.headerID(id)
		}
	}
	return ""
}

// newReply writes a reply in a thread: by the owner of the mailbox, or by the
// first recipient of what began the thread.
func (b *mailbox) newReply(t *thread, grant grant, answered string, request replyRequest, at time.Time) *filed {
	owner, other := events.Participant{Name: grant.name, Email: grant.email}, slices.Concat(t.first.To, t.first.CC, t.first.BCC)[0]
	reply := &filed{
		Message: Message{
			ID: b.ids.messageID("reply", t.id), ThreadID: t.id, GrantID: grant.id, SentAt: at,
			From: other, To: []events.Participant{owner},
			CC: []events.Participant{}, BCC: []events.Participant{}, ReplyTo: []events.Participant{},
			Subject: "Re: " + t.first.Subject, Body: "<p>Thank you for your message.</p>",
			ReplyToMessageID: answered, inReplyTo: b.headerIDOf(answered),
		},
		folders: []string{folderInbox}, received: true, unread: true, automatic: request.Automatic,
	}
	if request.FromSelf {
		reply.From, reply.To = owner, []events.Participant{other}
		reply.folders, reply.received, reply.unread = []string{folderSent}, false, false
	}
	if request.Automatic {
		reply.Subject = "Automatic reply: " + t.first.Subject
		reply.Body = "<p>I am out of the office.</p>"
	}
	reply.OriginalBody = reply.Body
	return reply
}

func (m *filed) copy() filed {
	c := *m
	c.Message, c.folders = m.clone(), slices.Clone(m.folders)
	return c
}

// in returns the messages of a grant in the order in which they came.
func (b *mailbox) in(grantID string) []filed {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []filed
	for _, m := range b.filed {
		if m.GrantID == grantID {
			out = append(out, m.copy())
		}
	}
	return out
}

// find returns a message of a grant.
func (b *mailbox) find(grantID, id string) (filed, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.filed {
		if m.GrantID == grantID && m.ID == id {
			return m.copy(), true
		}
	}
	return filed{}, false
}

type readAnswer struct {
	messageAnswer
	Metadata        map[string]string `json:"metadata,omitzero"`
	TrackingOptions *trackingAnswer   `json:"tracking_options,omitzero"`
}

// answer is how the message is described to who reads the mailbox: with the body
// that lies there, tracking included.
func (m *filed) answer(fields string) readAnswer {
	a := readAnswer{messageAnswer: m.Message.answer(fields), Metadata: m.Metadata}
	a.Body = m.Body
	a.Folders = m.folders
	a.Unread, a.Starred = m.unread, m.starred
	switch fields {
	case fieldsHeaders:
		a.Headers = append(a.Headers, Header{"From", address(m.From)}, Header{"To", address(m.To[0])})
		if m.received {
			received := "from mail.example.org by mail.nylas.test; " + m.SentAt.Format(time.RFC1123Z)
			a.Headers = append([]Header{{"Received", received}}, a.Headers...)
		}
		if m.automatic {
			a.Headers = append(a.Headers, Header{"Auto-Submitted", "auto-replied"}, Header{"X-Auto-Response-Suppress", "All"})
		}
	case fieldsTracking:
		if t := m.Tracking; t != (Tracking{}) {
			a.TrackingOptions = &trackingAnswer{Opens: t.Opens, Links: t.Links, ThreadReplies: new(t.ThreadReplies), Label: t.Label}
		}
	}
	return a
}

func address(p events.Participant) string {
	if p.Name == "" {
		return p.Email
	}
	return fmt.Sprintf("%q <%s>", p.Name, p.Email)
}

// described is the answer, or with fields=raw_mime another one.
func (m *filed) described(fields string) any {
	if fields == fieldsRawMIME {
		return m.rawAnswer()
	}
	return m.answer(fields)
}

// checkFields refuses other values of fields than documented.
func checkFields(query url.Values) *response {
	switch fields := query.Get("fields"); fields {
	case "", fieldsStandard, fieldsHeaders, fieldsBasicHeaders, fieldsTracking, fieldsRawMIME:
		return nil
	default:
		return badRequest("fields must be standard, include_headers, include_basic_headers, include_tracking_options or raw_mime")
	}
}

func (s *Server) serveGetMessage(c *call) *response {
	grant, refusal := s.grantOf(c)
	if refusal != nil {
		return refusal
	}
	query, refusal := c.query("fields", "select", "query_imap", "shared_from")
	if refusal == nil {
		refusal = cmp.Or(checkFields(query), checkEmulated(query))
	}
	if refusal != nil {
		return refusal
	}
	message, ok := s.mailbox.find(grant.id, c.PathValue("id"))
	if !ok {
		return notFound("message")
	}
	return dataResponse(selected(message.described(query.Get("fields")), query.Get("select")))
}

// serveListMessages lists what a mailbox holds, the newest first.
func (s *Server) serveListMessages(c *call) *response {
	grant, refusal := s.grantOf(c)
	if refusal != nil {
		return refusal
	}
	filters := listFilters()
	filters["from"] = byText(func(l *listed, value string) bool { return has(value, []events.Participant{l.message.From}) })
	filters["in"] = byText(func(l *listed, value string) bool { return slices.Contains(l.folders, value) })
	filters["unread"] = byFlag("unread", func(l *listed) bool { return l.unread })
	filters["received_after"] = byTime("received_after", func(sent, given int64) bool { return sent > given })
	filters["received_before"] = byTime("received_before", func(sent, given int64) bool { return sent < given })
	known := append(slices.Collect(maps.Keys(filters)),
		"limit", "page_token", "fields", "select", "search_query_native", "shared_from", "shared_folder_id")
	query, refusal := c.query(known...)
	if refusal == nil {
		refusal = cmp.Or(checkFields(query), checkEmulated(query))
	}
	if refusal != nil {
		return refusal
	}
	if query.Get("query_imap") == "true" && !query.Has("in") {
		return badRequest("query_imap needs in")
	}
	messages := s.mailbox.in(grant.id)
	items := make([]listed, len(messages))
	for i := range messages {
		m := &messages[i]
		items[i] = listed{
			seq: m.seq, message: &m.Message, folders: m.folders, unread: m.unread, starred: m.starred,
			answer: func() any { return m.described(query.Get("fields")) },
		}
	}
	return c.listResponse(items, query, filters)
}

// checkEmulated refuses what needs a provider.
func checkEmulated(query url.Values) *response {
	for _, name := range []string{"search_query_native", "shared_from", "shared_folder_id"} {
		if query.Has(name) {
			return badRequest(name + ": this emulator has no provider that could answer it")
		}
	}
	return nil
}
