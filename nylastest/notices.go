package nylastest

import (
	"slices"
	"sync"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// Notice is a notification that the server made, and what became of it.
type Notice struct {
	ID   string
	Type events.Type
	// MessageID is the sent message that the notification is about, or empty.
	MessageID string
	At        time.Time // when it was made
	Body      []byte    // the notification as JSON, as its first attempt has it
	// Settled is set once no attempt will follow: a webhook took the notification, it was
	// given up, or no active webhook wants it.
	Settled  bool
	Attempts []DeliveryAttempt // in the order in which they ended
}

// Notices returns the notifications so far, in the order in which they were made. It has
// those too that no webhook wanted, and so have no attempt. Test events are last. When they
// come to more than 128 MiB, the oldest are forgotten.
func (s *Server) Notices() []Notice {
	notices := s.courier.notices.all()
	place := make(map[string]int, len(notices))
	for i := range notices {
		place[notices[i].ID] = i
	}
	for _, attempt := range s.courier.deliveries() {
		if i, known := place[attempt.NotificationID]; known && attempt.WebhookID != "" {
			notices[i].Attempts = append(notices[i].Attempts, attempt)
			continue
		}
		notices = append(notices, Notice{
			ID: attempt.NotificationID, Type: attempt.Type, At: attempt.StartedAt, Body: attempt.Body,
			Settled: true, Attempts: []DeliveryAttempt{attempt},
		})
	}
	return notices
}

// Changed returns a channel that is closed when something changes next: a message is
// sent, a notification is made, an attempt to deliver it ends. To show what there is,
// call Changed first, read, and then wait for the channel. Close does not close it.
func (s *Server) Changed() <-chan struct{} { return s.changes.next() }

// notices remembers the notifications.
type notices struct {
	mu      sync.Mutex
	list    journal[Notice]
	settled map[string]bool // by id, of those that are in the list
}

func (n *notices) add(notification *events.Notification) {
	notice := Notice{ID: notification.ID, Type: notification.Type, At: time.Now()}
	notice.Body, _ = notification.MarshalJSON() // one that cannot be encoded has an attempt with the error
	if tracked := notification.Tracked(); len(tracked) > 0 {
		notice.MessageID = tracked[0].MessageID
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.settled == nil {
		n.settled = make(map[string]bool)
		n.list.size = func(notice *Notice) int { return len(notice.Body) }
		n.list.forgotten = func(notice *Notice) { delete(n.settled, notice.ID) }
	}
	n.settled[notice.ID] = false
	n.list.add(notice)
}

func (n *notices) settle(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, known := n.settled[id]; known {
		n.settled[id] = true
	}
}

func (n *notices) all() []Notice {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := slices.Clone(n.list.entries)
	for i := range all {
		all[i].Settled = n.settled[all[i].ID]
	}
	return all
}

// changes tells whoever waits, and the state file, that something changed.
type changes struct {
	file *stateFile // nil if nothing is kept

	mu   sync.Mutex
	wake chan struct{} // nil if nobody waits
}

func (c *changes) next() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wake == nil {
		c.wake = make(chan struct{})
	}
	return c.wake
}

func (c *changes) happened() {
	c.file.changed()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wake != nil {
		close(c.wake)
		c.wake = nil
	}
}
