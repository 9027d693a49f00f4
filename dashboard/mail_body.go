package dashboard

import (
	"html"
	"regexp"
	"slices"
	"strings"

	parser "golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/internal/markup"
	"github.com/nylastrack/nylas-go/internal/page"
)

// maxBodyShown is the largest body that is shown, in bytes. It is our choice: Gmail cuts a
// mail off at 102 kB, and what is more is mostly images.
const maxBodyShown = 4 << 20

// What the bar above a mail says.
const (
	noteUncounted = "Looking does not count: the pixel is taken out, and no link leads through tracking."
	noteImages    = "Images that the mail only refers to are not loaded."
	noteTooLarge  = "The body is larger than 4 MiB, so it is not shown."
	noteTextOnly  = "The layout of this mail could hide a tracked link or a pixel, so only its text is shown."
	noteNoLinks   = "Nylas returned this mail without tracked links, so the clicks are not shown at their links."
	noteOtherSum  = "The tracked links of this mail are not the ones that were stored when it was sent, so the clicks are not shown at their links."
	noteTooFew    = "Nylas told of clicks on more links than this mail has, so the clicks are not shown at their links."
	noteNoPlace   = "Of some clicks it is not known on which link they were. They are not shown at a link."
	noteTargets   = "Where some links lead is not known, so they cannot be followed here."
)

// showMail returns the body of a sent mail as its sender can look at it: without the pixel,
// with links that lead to their targets instead of through tracking, and behind each link who
// clicked it. Everything else stays byte for byte, except that [page.WithoutConnections]
// renames two elements; a frame must keep it from doing anything.
// The notes say what is not shown, and why.
func showMail(body string, summary *engagement.Summary) (shown string, notes []string) {
	if len(body) > maxBodyShown {
		return "", []string{noteTooLarge}
	}
	m := scanMail(body)
	if !m.hasTags {
		return page.PlainText(body), nil
	}
	notes = []string{noteUncounted}
	body = page.WithoutConnections(body)
	stripped := nylas.StripPixel(body, m.hosts...)
	m = scanMail(stripped)
	rows, problem := linkRows(len(m.links), summary)
	if problem != "" {
		notes = append(notes, problem)
	} else if slices.ContainsFunc(summary.Links, func(l engagement.LinkCount) bool { return l.Index < 0 }) {
		notes = append(notes, noteNoPlace)
	}
	shown, unknown := m.edit(rows)
	if unknown {
		notes = append(notes, noteTargets)
	}
	if m.images {
		notes = append(notes, noteImages)
	}
	if text, ok := checkShown(shown, m.hosts); !ok {
		return page.PlainText(text), []string{noteTextOnly}
	}
	return shown, notes
}

// sentBody is what a scan found in the body of a sent mail.
type sentBody struct {
	body    string
	hasTags bool
	images  bool     // there are some that must be loaded
	hosts   []string // custom ones that the links show
	links   []mailLink
}

// mailLink is an anchor that leads through tracking.
type mailLink struct {
	tag        markup.Span // its start tag
	href       markup.Span // the value in it
	attributes []markup.Attribute
	behind     int // where it ends
}

// looks are the attributes that a link keeps when its target is taken away.
var looks = []string{"id", "name", "class", "style", "title", "dir", "lang"}

// scanMail reads a body like a mail client that runs no scripts.
func scanMail(body string) sentBody {
	m := sentBody{body: body}
	open := false // the last link
	closeAt := func(offset int) {
		if open {
			m.links[len(m.links)-1].behind = offset
		}
		open = false
	}
	scan := markup.New([]byte(body))
	scan.ReadNoscript()
	for scan.Next() {
		switch scan.Token() {
		case parser.StartTagToken, parser.SelfClosingTagToken:
			m.hasTags = true
		case parser.EndTagToken:
			if string(scan.Name()) == "a" {
				closeAt(scan.End())
			}
		default:
		}
		switch scan.StartTag() {
		case atom.Img:
			src, _ := scan.Attr("src")
			m.images = m.images || !strings.HasPrefix(strings.ToLower(markup.Trim(src)), "data:")
		case atom.A:
			closeAt(scan.Start())
			href, span, ok := scan.Href()
			if !ok || !isTracked(href) {
				continue
			}
			if host := markup.HostOf(href); !slices.Contains(m.hosts, host) {
				m.hosts = append(m.hosts, host)
			}
			m.links = append(m.links, mailLink{
				tag: markup.Span{Start: scan.Start(), End: scan.End()}, href: span, attributes: scan.Attrs(looks...),
			})
			open = true
		default:
		}
	}
	closeAt(scan.End())
	return m
}

// trackedLink is a link of mail that was sent through Nylas, whatever its host: its path is a
// token, the position of the link and a signature. Nylas does not document that, so it only
// adds to the hosts that are documented. And it is a link of package nylastest.
var trackedLink = regexp.MustCompile(`(?i)^https?://[^/?#]+(/l/[0-9a-f]{32}/[0-9]+/[0-9a-f]{64}|` + markup.EmulatorLinkPath + `)`)

// isTracked reports whether a click on a target would be counted as the recipient's.
func isTracked(target string) bool {
	return markup.IsNylasTrackingHost(markup.HostOf(target)) || trackedLink.MatchString(target)
}

// linkRows returns what is known of each of n tracked links, or why that is not known:
// clicks have the position of a link, so all positions must be those of this body.
func linkRows(n int, summary *engagement.Summary) (rows []engagement.LinkCount, problem string) {
	known, clicked := len(summary.Sent.Links), -1
	for _, row := range summary.Links {
		if row.Clicks != (engagement.Counts{}) {
			clicked = max(clicked, row.Index)
		}
	}
	switch {
	case n == 0 && clicked < 0:
		return nil, ""
	case n == 0:
		return nil, noteNoLinks
	case known > 0 && known != n:
		return nil, noteOtherSum
	case clicked >= n:
		return nil, noteTooFew
	}
	rows = make([]engagement.LinkCount, n)
	for _, row := range summary.Links {
		if row.Index >= 0 && row.Index < n {
			rows[row.Index] = row
		}
	}
	return rows, ""
}

// edit returns the body with other targets and, if rows is not nil, a badge behind each link.
// It reports whether the target of a link is not known.
func (m sentBody) edit(rows []engagement.LinkCount) (edited string, unknown bool) {
	var out strings.Builder
	copied := 0
	put := func(at markup.Span, text string) {
		out.WriteString(m.body[copied:at.Start] + text)
		copied = at.End
	}
	for i := range m.links {
		link := &m.links[i]
		target := ""
		if rows != nil && !rows[i].Inferred && canFollow(rows[i].URL) {
			target = rows[i].URL
		}
		if target != "" {
			put(link.href, html.EscapeString(target))
		} else {
			put(link.tag, withoutTarget(link.attributes))
			unknown = true
		}
		if rows != nil {
			put(markup.Span{Start: link.behind, End: link.behind}, badges(rows[i].Clicks))
		}
	}
	out.WriteString(m.body[copied:])
	return out.String(), unknown
}

// canFollow reports whether a link of the frame may lead to a target. It is a URL without
// characters that end the value of an attribute.
func canFollow(target string) bool {
	class, _ := markup.Classify(target)
	return class != markup.BadURI && class != markup.UnsupportedScheme && !isTracked(target) && !mentionsTracking(target, nil)
}

// withoutTarget returns the start tag of an anchor that leads nowhere.
func withoutTarget(attributes []markup.Attribute) string {
	var tag strings.Builder
	tag.WriteString("<a")
	for _, a := range attributes {
		tag.WriteString(" " + a.Name + `="` + html.EscapeString(a.Value) + `"`)
	}
	tag.WriteString(">")
	return tag.String()
}
