package nylastest

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// Message is a message that was really sent: there is one for each execution of a
// send, however often its request was repeated. A scheduled message is there once
// its time has come.
type Message struct {
	ID       string
	ThreadID string
	GrantID  string
	SentAt   time.Time

	From    events.Participant
	To      []events.Participant
	CC      []events.Participant
	BCC     []events.Participant
	ReplyTo []events.Participant
	Subject string

	// Body is what recipients see, with the tracked links and the pixel.
	Body string
	// OriginalBody is the body of the request.
	OriginalBody string
	IsPlaintext  bool
	Attachments  []Attachment
	contents     [][]byte // of the attachments
	raw          []byte   // of a message that was sent in MIME form

	Tracking Tracking
	PixelURL string // empty without open tracking of an HTML body
	Links    []Link // the tracked links, in the order of the body

	Metadata         map[string]string
	CustomHeaders    []Header
	ReplyToMessageID string
	SignatureID      string // recorded only: nothing is appended to the body

	IdempotencyKey string // empty if the request had none
	ScheduleID     string // empty if it was sent at once
	UseDraft       bool
	// Domain is the domain of the path of a transactional send, which has no grant.
	Domain string

	inReplyTo string // the Message-ID header of the message that it answers, if known
	// What a queued message will have when it goes out, empty for others.
	reservedID, reservedThread string
}

// Tracking is the tracking_options of a send.
type Tracking struct {
	Opens         bool
	Links         bool
	ThreadReplies bool
	Label         string
	DomainName    string // normalised; empty for the server's own host
}

// Link is a tracked link.
type Link struct {
	Index      int    // from 0; link_index in notifications
	URL        string // as the sender wrote it
	TrackedURL string // as the recipient sees it
}

// Attachment is an attachment of a [Message].
type Attachment struct {
	Filename    string
	ContentType string
	ContentID   string // of multipart sends the name of the part
	Size        int    // bytes, after decoding
}

// Header is a header of a [Message].
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func (m *Message) clone() Message {
	c := *m
	c.To, c.CC, c.BCC, c.ReplyTo = slices.Clone(m.To), slices.Clone(m.CC), slices.Clone(m.BCC), slices.Clone(m.ReplyTo)
	c.Attachments, c.Links, c.CustomHeaders = slices.Clone(m.Attachments), slices.Clone(m.Links), slices.Clone(m.CustomHeaders)
	c.Metadata = maps.Clone(m.Metadata)
	return c
}

// mailbox holds the sent messages and what happened to them. It returns the
// notifications that an event causes; somebody else delivers them.
type mailbox struct {
	readings      Readings
	applicationID string
	ids           *ids

	mu       sync.Mutex
	messages []*sent
	byID     map[string]*sent
	byToken  map[string]*sent
	threadOf map[string]*thread // by the id of a message or reply in it
	filed    []*filed           // what the mailboxes of the grants hold, in its order
	lastSeq  int                // of what was filed
}

// sent is a message with its history.
type sent struct {
	Message
	opens       history
	counted     int // opens
	lastCounted time.Time
	clicks      history   // under ClickRecentsPerMessage
	perLink     []history // otherwise
	clickCounts []int     // by link
}

// thread is a conversation. Its root is its first message with reply tracking.
type thread struct {
	id      string
	grantID string
	root    *sent // nil if replies are not tracked
	replies int
	first   *sent // what began it
}

func newMailbox(applicationID string, readings Readings, ids *ids) *mailbox {
	return &mailbox{
		readings: readings, applicationID: applicationID, ids: ids,
		byID: make(map[string]*sent), byToken: make(map[string]*sent), threadOf: make(map[string]*thread),
	}
}

// put files a message that was sent, in the thread of the message that it answers
// if that is known here. Within a tracked thread it is the sender's own reply,
// which Nylas notifies like any other.
func (b *mailbox) put(m Message, token string) (Message, *events.Notification) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &sent{Message: m, perLink: make([]history, len(m.Links)), clickCounts: make([]int, len(m.Links))}
	s.ID = cmp.Or(m.reservedID, b.ids.messageID("message", m.content()))
	s.SentAt = time.Now()

	var notification *events.Notification
	t := b.threadOf[m.ReplyToMessageID]
	if t == nil || t.grantID != m.GrantID {
		t = &thread{id: cmp.Or(m.reservedThread, b.ids.messageID("thread", s.ID)), grantID: m.GrantID, first: s}
	} else {
		notification = b.replied(t, s.ID, m.ReplyToMessageID, true, s.SentAt)
	}
	if t.root == nil && m.Tracking.ThreadReplies {
		t.root = s
	}
	s.ThreadID = t.id
	s.inReplyTo = b.headerIDOf(m.ReplyToMessageID)
	b.threadOf[s.ID] = t
	b.file(&filed{Message: s.Message, folders: []string{folderSent}})
	b.messages = append(b.messages, s)
	b.byID[s.ID] = s
	b.byToken[token] = s
	return s.clone(), notification
}

// reserve gives a message that will be put later its id and its thread.
func (b *mailbox) reserve(m *Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m.reservedID = b.ids.messageID("message", m.content())
	m.reservedThread = b.ids.messageID("thread", m.reservedID)
	if t := b.threadOf[m.ReplyToMessageID]; t != nil && t.grantID == m.GrantID {
		m.reservedThread = t.id
	}
	m.ID, m.ThreadID, m.SentAt = m.reservedID, m.reservedThread, time.Now()
}

func (b *mailbox) all() []Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]Message, len(b.messages))
	for i, m := range b.messages {
		all[i] = m.clone()
	}
	return all
}

func (b *mailbox) get(id string) (Message, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m, ok := b.byID[id]
	if !ok {
		return Message{}, false
	}
	return m.clone(), true
}

func (b *mailbox) counts(id string) (c Counts) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m, ok := b.byID[id]
	if !ok {
		return c
	}
	c.Opens, c.Replies = m.opens.seen, b.threadOf[id].replies
	for _, clicks := range m.clickCounts {
		c.Clicks += clicks
	}
	return c
}

// byTrackingToken returns the message of a tracking URL. It shares the memory of the one in
// the mailbox, because the log of events keeps it: nobody may change it.
func (b *mailbox) byTrackingToken(token string) (Message, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m, ok := b.byToken[token]
	if !ok {
		return Message{}, false
	}
	return m.Message, true
}

// open records that the pixel of a message was loaded. The notification is nil if
// Nylas would send none.
func (b *mailbox) open(token string, v visit) *events.Notification {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.byToken[token]
	if m.counted == 0 || v.at.Sub(m.lastCounted) >= openWindow {
		m.counted++
		m.lastCounted = v.at
	} else if b.readings.OmitUncountedOpens {
		return nil
	}
	m.opens.add(v)
	recents := make([]events.Open, 0, recentsLimit)
	for _, e := range m.opens.recents(b.readings.PositionalIDs) {
		recents = append(recents, events.Open{
			OpenedID: events.Int(e.id), IP: e.ip, Timestamp: events.At(e.at), UserAgent: e.userAgent,
		})
	}
	return b.notification(events.TypeMessageOpened, m.GrantID, v.at, &events.MessageOpened{
		Object:      "message",
		GrantID:     m.GrantID,
		MessageData: events.MessageData{Count: events.Int(m.counted), Timestamp: events.At(v.at)},
		MessageID:   m.ID,
		Label:       m.Tracking.Label,
		Recents:     recents,
		SenderAppID: events.Text(b.applicationID),
		Timestamp:   events.At(v.at),
	})
}

// click records that a link of a message was followed.
func (b *mailbox) click(token string, index int, v visit) *events.Notification {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.byToken[token]
	v.link = index
	m.clickCounts[index]++
	clicks := &m.perLink[index]
	if b.readings.ClickRecentsPerMessage {
		clicks = &m.clicks
	}
	clicks.add(v)
	recents := make([]events.Click, 0, recentsLimit)
	for _, e := range clicks.recents(b.readings.PositionalIDs) {
		recents = append(recents, events.Click{
			ClickID: events.Int(e.id), IP: e.ip, LinkIndex: events.Index(e.link), Timestamp: events.At(e.at), UserAgent: e.userAgent,
		})
	}
	var data []events.LinkData
	for i, link := range m.Links {
		if i == index || !b.readings.ClickedLinkOnly {
			data = append(data, events.LinkData{Count: events.Int(m.clickCounts[i]), URL: link.URL})
		}
	}
	return b.notification(events.TypeMessageLinkClicked, m.GrantID, v.at, &events.MessageLinkClicked{
		Object:      "message",
		GrantID:     m.GrantID,
		LinkData:    data,
		MessageID:   m.ID,
		Label:       m.Tracking.Label,
		Recents:     recents,
		SenderAppID: events.Text(b.applicationID),
		Timestamp:   events.At(v.at),
	})
}

// reply files a reply that did not come through the API, and returns its id and
// that of the thread.
func (b *mailbox) reply(grant grant, answered string, request replyRequest, at time.Time) (id, threadID string, n *events.Notification, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.threadOf[answered]
	if t == nil || t.grantID != grant.id {
		return "", "", nil, false
	}
	reply := b.newReply(t, grant, answered, request, at)
	b.threadOf[reply.ID] = t
	b.file(reply)
	return reply.ID, t.id, b.replied(t, reply.ID, answered, request.FromSelf, at), true
}

func (b *mailbox) replied(t *thread, id, answered string, fromSelf bool, at time.Time) *events.Notification {
	t.replies++
	if t.root == nil {
		return nil
	}
	return b.notification(events.TypeThreadReplied, t.grantID, at, &events.ThreadReplied{
		Object:           "thread",
		GrantID:          t.grantID,
		MessageID:        id,
		RootMessageID:    t.root.ID,
		Label:            t.root.Tracking.Label,
		ReplyData:        events.ReplyData{Count: events.Int(t.replies)},
		ReplyToMessageID: answered,
		FromSelf:         &fromSelf,
		SenderAppID:      events.Text(b.applicationID),
		ThreadID:         t.id,
		Timestamp:        events.At(at),
	})
}

// The sources of notifications.
//
// https://developer.nylas.com/docs/reference/notifications/
const (
	sourceTracking = "/com/nylas/tracking"
	sourceSend     = "/nylas/send"
)

func (b *mailbox) notification(typ events.Type, grantID string, at time.Time, data events.Data) *events.Notification {
	return newNotification(sourceTracking, typ, b.applicationID, grantID, at, data)
}

// newNotification returns a notification without an id: see [ids.name].
func newNotification(source string, typ events.Type, applicationID, grantID string, at time.Time, data events.Data) *events.Notification {
	return &events.Notification{
		SpecVersion:     "1.0",
		Type:            typ,
		Source:          source,
		Time:            events.At(at),
		DeliveryAttempt: 1,
		ApplicationID:   applicationID,
		GrantID:         grantID,
		Data:            data,
	}
}

// sentMessage is how the outcome of a scheduled send describes the message.
func (m *Message) sentMessage(sendAt time.Time) *events.SentMessage {
	return &events.SentMessage{
		Object:     "message",
		GrantID:    m.GrantID,
		ID:         m.ID,
		Subject:    m.Subject,
		From:       []events.Participant{m.From},
		To:         m.To,
		CC:         m.CC,
		BCC:        m.BCC,
		ReplyTo:    m.ReplyTo,
		ScheduleID: m.ScheduleID,
		SendAt:     events.At(sendAt),
		UseDraft:   m.UseDraft,
	}
}

// sendError describes why a scheduled send failed.
func (r *response) sendError() *events.SendError {
	e := r.errorOf()
	return &events.SendError{
		Type:          e.Type,
		Message:       e.Message,
		StatusCode:    events.Int(r.status),
		ProviderError: json.RawMessage(e.ProviderError),
	}
}
