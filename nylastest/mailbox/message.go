package mailbox

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/internal/markup"
	"github.com/nylastrack/nylas-go/internal/page"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/preflight"
)

// The parameters of a message's page.
const (
	asParam     = "as"     // the address of the recipient who looks
	viewParam   = "view"   // untracked, or empty
	didParam    = "did"    // an act that was done
	eventsParam = "events" // how many events it was

	untracked = "untracked"
)

// messageView is a message as one recipient sees it.
type messageView struct {
	row
	As         string
	Recipients []recipient
	Header     []headerLine
	Label      string
	Body       string // the path of the frame
	Counts     bool   // the frame loads the pixel
	HasPixel   bool
	Other      string // the path of the other view
	Sandbox    string
	Blocked    int // images that the frame may not load
	Links      []link
	Files      []nylastest.Attachment
	Rejected   bool
	Result     result
	Acts       acts
	ActsPath   string
	Check      check
	Notices    notices
}

// recipient is one address of a message.
type recipient struct {
	Field, Name, Path string
	Current           bool
}

// link is a tracked link. People count them from 1.
type link struct {
	Index, Number int
	URL           string
}

func linksOf(m *nylastest.Message) (all []link) {
	for _, l := range m.Links {
		all = append(all, link{Index: l.Index, Number: l.Index + 1, URL: l.URL})
	}
	return all
}

// blocked counts the images of a mail that come from elsewhere. Those of other forms, such as
// backgrounds, are not loaded either; mail programs rarely do.
func blocked(m *nylastest.Message) (n int) {
	if m.IsPlaintext {
		return 0
	}
	for scan := markup.New([]byte(m.OriginalBody)); scan.Next(); {
		if markup.LoadsFrom(scan, func(string) bool { return true }) {
			n++
		}
	}
	return n
}

type headerLine struct{ Name, Value string }

// result is what an act came to.
type result struct {
	Text   string
	Failed bool
}

func (h handler) message(w http.ResponseWriter, r *http.Request) {
	m, ok := h.server.Message(r.PathValue("message"))
	if !ok {
		h.missing(w, r)
		return
	}
	h.show(w, r, &m, r.URL.Query(), http.StatusOK, didResult(r.URL.Query()))
}

// show answers with the page of a message, as its parameters say.
func (h handler) show(w http.ResponseWriter, r *http.Request, m *nylastest.Message, query url.Values, status int, outcome result) {
	as := viewer(m, query.Get(asParam))
	notices := about(h.server.Notices(), m.ID)
	base := newRow(m, len(notices))
	_, err := h.server.Recipient(m.ID) // the server knows why it would be refused
	view := messageView{
		row: base, As: as, Recipients: recipientsOf(m, as), Header: headerOf(m, as), Label: m.Tracking.Label,
		HasPixel: m.PixelURL != "", Counts: query.Get(viewParam) != untracked, Sandbox: page.Sandbox,
		Blocked: blocked(m), Links: linksOf(m), Files: m.Attachments, Rejected: err != nil, Result: outcome,
		Acts: actsOn(m), ActsPath: base.Path + "/acts", Check: newCheck(m),
		Notices: viewNotices(notices, nil),
	}
	parameters, other := url.Values{asParam: {as}}, url.Values{asParam: {as}}
	view.Body = base.Path + "/body"
	if view.Counts {
		other.Set(viewParam, untracked)
	} else {
		parameters.Set(viewParam, untracked)
		view.Body += "?" + url.Values{viewParam: {untracked}}.Encode()
	}
	view.Other = base.Path + "?" + other.Encode()
	for i := range view.Recipients {
		parameters.Set(asParam, view.Recipients[i].Path)
		view.Recipients[i].Path = base.Path + "?" + parameters.Encode()
	}
	page.Write(w, r, messageTemplate, status, h.page(base.Subject+" · Mailbox", view))
}

// viewer returns the recipient with an address, or the first one.
func viewer(m *nylastest.Message, email string) string {
	all := slices.Concat(m.To, m.CC, m.BCC)
	i := slices.IndexFunc(all, func(p events.Participant) bool { return strings.EqualFold(p.Email, email) })
	return all[max(i, 0)].Email // a message has at least one
}

// recipientsOf lists the recipients. The Path of each is its address still; the caller makes a path of it.
func recipientsOf(m *nylastest.Message, as string) []recipient {
	var all []recipient
	for _, field := range []struct {
		name string
		list []events.Participant
	}{{"To", m.To}, {"Cc", m.CC}, {"Bcc", m.BCC}} {
		for _, p := range field.list {
			all = append(all, recipient{Field: field.name, Name: name(p), Path: p.Email, Current: p.Email == as})
		}
	}
	return all
}

// headerOf is the header as a recipient sees it: of Bcc nobody sees but oneself.
func headerOf(m *nylastest.Message, as string) []headerLine {
	lines := []headerLine{{"From", full(m.From)}, {"To", join(m.To, full)}}
	if len(m.CC) > 0 {
		lines = append(lines, headerLine{"Cc", join(m.CC, full)})
	}
	own := slices.DeleteFunc(slices.Clone(m.BCC), func(p events.Participant) bool { return p.Email != as })
	if len(own) > 0 {
		lines = append(lines, headerLine{"Bcc", join(own, full)})
	}
	if len(m.ReplyTo) > 0 {
		lines = append(lines, headerLine{"Reply-To", join(m.ReplyTo, full)})
	}
	return append(lines, headerLine{"Date", m.SentAt.Format("Mon, 2 Jan 2006 15:04:05 -0700")})
}

// body serves what is in the frame: the mail as it was sent, or without tracking.
func (h handler) body(w http.ResponseWriter, r *http.Request) {
	m, ok := h.server.Message(r.PathValue("message"))
	if !ok {
		h.missing(w, r)
		return
	}
	switch {
	case m.IsPlaintext:
		page.WriteMail(w, r, page.PlainText(m.Body))
	case r.URL.Query().Get(viewParam) == untracked:
		page.WriteMail(w, r, m.OriginalBody)
	default:
		page.WriteMail(w, r, reachable(&m, r), r.Host+markup.EmulatorPixelPath)
	}
}

// reachable returns the body with the pixel and the links at the address by which the
// browser has reached this page: it knows neither the custom tracking domains, nor the
// server's own address if there is something between. Their paths stay.
func reachable(m *nylastest.Message, r *http.Request) string {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	var replacements []string
	move := func(tracked string) {
		if u, err := url.Parse(tracked); err == nil && tracked != "" {
			replacements = append(replacements, tracked, scheme+r.Host+u.EscapedPath())
		}
	}
	for i := range m.Links {
		move(m.Links[i].TrackedURL)
	}
	move(m.PixelURL)
	return strings.NewReplacer(replacements...).Replace(m.Body)
}

// check is what package preflight says of a mail.
type check struct {
	Findings []preflight.Finding
	Links    []preflight.Link
	Omitted  int
}

func newCheck(m *nylastest.Message) check {
	mail := preflight.Mail{
		Body: m.OriginalBody, Plaintext: m.IsPlaintext, Senders: []string{m.From.Email},
		Opens: m.Tracking.Opens, Links: m.Tracking.Links, Label: m.Tracking.Label, DomainName: m.Tracking.DomainName,
	}
	for _, p := range slices.Concat(m.To, m.CC, m.BCC) {
		mail.Recipients = append(mail.Recipients, p.Email)
	}
	report := preflight.Check(mail)
	return check{
		Findings: report.Findings[:min(len(report.Findings), maxShown)],
		Links:    report.Links[:min(len(report.Links), maxShown)],
		Omitted:  report.OmittedFindings + max(0, len(report.Findings)-maxShown),
	}
}
