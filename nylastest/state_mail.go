package nylastest

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// savedMail is what a state file holds of the messages.
type savedMail struct {
	Sent          []savedSent   `json:"sent"`
	Threads       []savedThread `json:"threads"`
	Filed         []savedFiled  `json:"filed"` // in the order of the mailbox
	Drafts        []savedDraft  `json:"drafts"`
	DraftsCreated int           `json:"drafts_created"`
}

// savedMessage is a message with what it keeps to itself.
type savedMessage struct {
	Message
	Contents  [][]byte `json:",omitzero"`
	Raw       []byte   `json:",omitzero"`
	InReplyTo string   `json:",omitzero"`
}

func saveMessage(m *Message) savedMessage {
	return savedMessage{m.clone(), m.contents, m.raw, m.inReplyTo}
}

func (m *savedMessage) restore() Message {
	restored := m.Message
	restored.contents, restored.raw, restored.inReplyTo = m.Contents, m.Raw, m.InReplyTo
	return restored
}

// savedSent is a message that was sent, with its history.
type savedSent struct {
	savedMessage
	Token       string
	Opens       savedHistory
	Counted     int
	LastCounted time.Time
	Clicks      savedHistory
	PerLink     []savedHistory
	ClickCounts []int
}

type savedHistory struct {
	Seen   int
	Latest []savedVisit
}

type savedVisit struct {
	ID, Link      int
	IP, UserAgent string
	At            time.Time
}

// savedThread is a conversation. Which messages are in it, they say themselves.
type savedThread struct {
	ID, GrantID string
	Root, First string // ids of messages, Root may be empty
	Replies     int
}

// savedFiled is a message of a mailbox. Message is nil if it was sent from here: then it is what
// was sent, but for the metadata, which can be changed.
type savedFiled struct {
	ID                                   string
	Folders                              []string
	Received, Unread, Starred, Automatic bool
	Metadata                             map[string]string
	Message                              *savedMessage `json:",omitzero"`
}

type savedDraft struct {
	savedMessage
	Seq     int
	Starred bool
}

func saveVisit(v visit) savedVisit { return savedVisit{v.id, v.link, v.ip, v.userAgent, v.at} }

func (v savedVisit) restore() visit { return visit{v.ID, v.Link, v.IP, v.UserAgent, v.At} }

func (h *history) save() savedHistory {
	saved := savedHistory{Seen: h.seen}
	for _, v := range h.latest {
		saved.Latest = append(saved.Latest, saveVisit(v))
	}
	return saved
}

func (h *savedHistory) restore() history {
	restored := history{seen: h.Seen}
	for _, v := range h.Latest {
		restored.latest = append(restored.latest, v.restore())
	}
	return restored
}

func (b *mailbox) save() savedMail {
	b.mu.Lock()
	defer b.mu.Unlock()
	var mail savedMail
	tokens := make(map[*sent]string, len(b.byToken))
	for token, m := range b.byToken {
		tokens[m] = token
	}
	for _, m := range b.messages {
		saved := savedSent{
			savedMessage: saveMessage(&m.Message), Token: tokens[m],
			Opens: m.opens.save(), Counted: m.counted, LastCounted: m.lastCounted,
			Clicks: m.clicks.save(), ClickCounts: slices.Clone(m.clickCounts),
		}
		for i := range m.perLink {
			saved.PerLink = append(saved.PerLink, m.perLink[i].save())
		}
		mail.Sent = append(mail.Sent, saved)
	}
	known := map[*thread]bool{}
	saveThread := func(id string) { // that of a message
		t := b.threadOf[id]
		if t == nil || known[t] {
			return
		}
		known[t] = true
		thread := savedThread{ID: t.id, GrantID: t.grantID, First: t.first.ID, Replies: t.replies}
		if t.root != nil {
			thread.Root = t.root.ID
		}
		mail.Threads = append(mail.Threads, thread)
	}
	for _, m := range b.messages { // their mailboxes may have deleted them
		saveThread(m.ID)
	}
	for _, m := range b.filed {
		saved := savedFiled{
			ID: m.ID, Folders: slices.Clone(m.folders), Metadata: maps.Clone(m.Metadata),
			Received: m.received, Unread: m.unread, Starred: m.starred, Automatic: m.automatic,
		}
		if b.byID[m.ID] == nil {
			saved.Message = new(saveMessage(&m.Message))
		}
		mail.Filed = append(mail.Filed, saved)
		saveThread(m.ID)
	}
	return mail
}

// restore fills an empty mailbox.
func (b *mailbox) restore(mail *savedMail) error {
	for i := range mail.Sent {
		saved := &mail.Sent[i]
		links := len(saved.Links)
		if saved.ID == "" || saved.Token == "" || len(saved.PerLink) != links || len(saved.ClickCounts) != links ||
			len(saved.Contents) != len(saved.Attachments) || len(saved.To)+len(saved.CC)+len(saved.BCC) == 0 {
			return fmt.Errorf("message %d is not complete", i)
		}
		m := &sent{
			Message: saved.restore(), opens: saved.Opens.restore(), counted: saved.Counted, lastCounted: saved.LastCounted,
			clicks: saved.Clicks.restore(), clickCounts: saved.ClickCounts,
		}
		for _, h := range saved.PerLink {
			m.perLink = append(m.perLink, h.restore())
		}
		b.messages = append(b.messages, m)
		b.byID[m.ID], b.byToken[saved.Token] = m, m
	}
	threads := map[string]*thread{}
	for i, saved := range mail.Threads {
		t := &thread{id: saved.ID, grantID: saved.GrantID, root: b.byID[saved.Root], replies: saved.Replies, first: b.byID[saved.First]}
		if t.first == nil || t.root == nil && saved.Root != "" {
			return fmt.Errorf("thread %d has no message", i)
		}
		threads[t.id] = t
	}
	for i, m := range b.messages {
		if b.threadOf[m.ID] = threads[m.ThreadID]; b.threadOf[m.ID] == nil {
			return fmt.Errorf("message %d has no thread", i)
		}
	}
	for i, saved := range mail.Filed {
		m := &filed{
			folders: saved.Folders, received: saved.Received, unread: saved.Unread, starred: saved.Starred, automatic: saved.Automatic,
		}
		switch s := b.byID[saved.ID]; {
		case saved.Message != nil:
			m.Message = saved.Message.restore()
		case s != nil:
			m.Message = s.clone()
		default:
			return fmt.Errorf("mailbox entry %d has no message", i)
		}
		t := threads[m.ThreadID]
		if t == nil || len(m.To)+len(m.CC)+len(m.BCC) == 0 || len(m.contents) != len(m.Attachments) {
			return fmt.Errorf("mailbox entry %d is not complete", i)
		}
		m.Metadata = saved.Metadata
		b.threadOf[m.ID] = t
		b.file(m)
	}
	return nil
}

func (d *drafts) save() (saved []savedDraft, created int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, known := range d.list {
		saved = append(saved, savedDraft{saveMessage(&known.Message), known.seq, known.starred})
	}
	return saved, d.created
}

func (d *drafts) restore(mail *savedMail) {
	d.created = mail.DraftsCreated
	for i := range mail.Drafts {
		saved := &mail.Drafts[i]
		d.list = append(d.list, &draft{saved.restore(), saved.Seq, saved.Starred})
	}
}
