package nylastest

import "time"

const (
	// recentsLimit is how many events a notification repeats.
	// https://developer.nylas.com/docs/v3/email/message-tracking/
	recentsLimit = 50
	// openWindow is the time after a counted open in which further ones are not
	// counted.
	// https://developer.nylas.com/docs/reference/notifications/message-tracking/message-opened/
	openWindow = time.Minute
)

// visit is one load of a pixel or one click.
type visit struct {
	id        int
	link      int
	ip        string
	userAgent string
	at        time.Time
}

// history is the latest visits of one thing that Nylas keeps recents of.
type history struct {
	seen   int
	latest []visit // at most recentsLimit, oldest first
}

func (h *history) add(v visit) {
	v.id = h.seen
	h.seen++
	h.latest = append(h.latest, v)
	if len(h.latest) > recentsLimit {
		h.latest = h.latest[1:]
	}
}

// recents returns the latest visits, oldest first as in the published examples,
// with the ids that a notification gives them.
func (h *history) recents(positionalIDs bool) []visit {
	recents := make([]visit, len(h.latest))
	for i, v := range h.latest {
		if positionalIDs {
			v.id = i
		}
		recents[i] = v
	}
	return recents
}
