package dashboard

import (
	"html"
	"strconv"
	"strings"

	"github.com/nylastrack/nylas-go/engagement"
)

// The styles stand in the elements, because the style of the mail would change those of a
// class. Nothing is inherited from it either.
const (
	plainStyle = "all:initial;font:12px/1.5 system-ui,sans-serif;color:#171a26;"
	badgeStyle = plainStyle + "display:inline-block;margin:0 0 0 .35em;padding:0 .5em;border-radius:1em;font-weight:600;vertical-align:middle;"
	barStyle   = plainStyle + "display:block;margin:0 0 1rem;padding:.5rem .75rem;border-radius:8px;background:#eceefd;color:#2a2f45;font-size:13px"
	noteStyle  = plainStyle + "display:block;font-size:13px"
)

// badges are what stands behind a link: how often it was clicked, by whom.
func badges(clicks engagement.Counts) string {
	if clicks == (engagement.Counts{}) {
		return badge("not clicked", "background:#f3f4f9;color:#565d73")
	}
	var all strings.Builder
	for _, part := range []struct {
		n            int
		by, coloured string
	}{
		{clicks.Human, "by people", "background:#dff5e5;color:#14622f"},
		{clicks.Indeterminate, "maybe", "background:#fdf0d5;color:#7a4a00"},
		{clicks.Machine, "by machines", "background:#e6e8f0;color:#3d4356"},
		{clicks.Self, "by the sender", "background:#e6e8f0;color:#3d4356"},
	} {
		if part.n > 0 {
			all.WriteString(badge(strconv.Itoa(part.n)+" "+part.by, part.coloured))
		}
	}
	return all.String()
}

func badge(text, style string) string {
	return `<span style="` + badgeStyle + style + `">` + text + `</span>`
}

// bar is what stands above a mail.
func bar(notes []string) string {
	if len(notes) == 0 {
		return ""
	}
	var all strings.Builder
	all.WriteString(`<div style="` + barStyle + `">`)
	for _, note := range notes {
		all.WriteString(`<span style="` + noteStyle + `">` + html.EscapeString(note) + `</span>`)
	}
	all.WriteString("</div>")
	return all.String()
}
