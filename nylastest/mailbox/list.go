package mailbox

import (
	"net/http"
	"slices"
	"strings"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/internal/page"
	"github.com/nylastrack/nylas-go/nylastest"
)

// maxShown is how many messages, and how many notifications, a page shows: more are not
// read, and each change shows them all again.
const maxShown = 200

// row is a message in the list.
type row struct {
	ID, Path, Subject, From, To string
	Sent                        page.Moment
	Tracks                      []string
	Notices                     int
}

func (h handler) list(w http.ResponseWriter, r *http.Request) {
	messages, notices := h.server.Messages(), h.server.Notices()
	about := make(map[string]int)
	for i := range notices {
		about[notices[i].MessageID]++
	}
	var rows []row
	for _, m := range slices.Backward(messages[max(0, len(messages)-maxShown):]) {
		rows = append(rows, newRow(&m, about[m.ID]))
	}
	page.Write(w, r, listTemplate, http.StatusOK, h.page("Mailbox · Nylas emulator", map[string]any{
		"Messages": rows, "Sent": len(messages), "Older": max(0, len(messages)-maxShown),
		"Notices": viewNotices(notices, subjects(messages)),
	}))
}

func newRow(m *nylastest.Message, notices int) row {
	return row{
		ID: m.ID, Path: messagesPath + m.ID, Subject: subject(m), From: name(m.From), To: names(slices.Concat(m.To, m.CC, m.BCC)),
		Sent: at(m.SentAt), Tracks: tracks(m), Notices: notices,
	}
}

func subject(m *nylastest.Message) string {
	if strings.TrimSpace(m.Subject) == "" {
		return "(no subject)"
	}
	return m.Subject
}

func subjects(messages []nylastest.Message) map[string]string {
	all := make(map[string]string, len(messages))
	for i := range messages {
		all[messages[i].ID] = subject(&messages[i])
	}
	return all
}

// tracks names what is tracked of a message.
func tracks(m *nylastest.Message) []string {
	var on []string
	if m.PixelURL != "" {
		on = append(on, "opens")
	}
	if len(m.Links) > 0 {
		on = append(on, "links")
	}
	if m.Tracking.ThreadReplies {
		on = append(on, "replies")
	}
	return on
}

func name(p events.Participant) string {
	if p.Name == "" {
		return p.Email
	}
	return p.Name
}

func full(p events.Participant) string {
	if p.Name == "" {
		return p.Email
	}
	return p.Name + " <" + p.Email + ">"
}

func names(list []events.Participant) string { return join(list, name) }

func join(list []events.Participant, text func(events.Participant) string) string {
	var all []string
	for _, p := range list {
		all = append(all, text(p))
	}
	return strings.Join(all, ", ")
}
