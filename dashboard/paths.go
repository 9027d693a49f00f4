package dashboard

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/nylastrack/nylas-go/engagement/sqlstore"
)

// maxID is how long an id can be that the store keeps, in bytes: see [sqlstore.Store.SetSent].
const maxID = 512

// place names a message, or the thread of replies whose notification named no message.
type place struct{ grant, message, thread string }

func placeOf(m *sqlstore.Message) place { return place{m.GrantID, m.MessageID, m.ThreadID} }

// page returns the path of the page of a message or a thread.
func (d *Dashboard) page(p place) string {
	if p.thread != "" {
		return d.at("threads", segment(p.grant), segment(p.thread))
	}
	return d.at("messages", segment(p.grant), segment(p.message))
}

// asked returns the message or the thread that a path names. It reports false for what can
// be no id: a database refuses it as a text.
func asked(r *http.Request) (place, bool) {
	p := place{unsegment(r.PathValue("grant")), unsegment(r.PathValue("message")), unsegment(r.PathValue("thread"))}
	for _, id := range []string{p.grant, p.message, p.thread} {
		if !isID(id) {
			return place{}, false
		}
	}
	return p, p.message != "" || p.thread != ""
}

// isID reports whether a text can be an id, or empty.
func isID(text string) bool { return len(text) <= maxID && isText(text) }

// segment makes any id a segment of a path. Browsers and servers drop empty segments and
// those of dots, so these get a mark in front.
func segment(id string) string {
	if id == "" || id[0] == '.' || id[0] == '~' {
		id = "~" + id
	}
	return url.PathEscape(id)
}

func unsegment(value string) string { return strings.TrimPrefix(value, "~") }
