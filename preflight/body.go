package preflight

import (
	"bytes"
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/nylastrack/nylas-go/internal/markup"
)

// bodyScan goes once over a body.
type bodyScan struct {
	*check
	body []byte
	scan *markup.Scanner

	// The place that was asked for last. Places are asked for in their order, so
	// finding all of them is one walk.
	offset, line, column int

	around    atom.Atom       // the start tag before a text
	nesting   *markup.Nesting // only if links are tracked
	noscripts int             // how many noscript elements the scan is in
	anchor    openAnchor      // the one that the scan is in, if inside is set
	inside    bool            // an anchor
	targets   map[string]int  // how often a target was seen
}

// openAnchor is an anchor whose end was not seen yet.
type openAnchor struct {
	link     Link
	class    markup.Class
	url      *url.URL
	hasHref  bool
	wrapped  bool // it already leads through tracking, so Nylas leaves it alone
	isPlace  bool // something to jump to
	noTrack  bool
	noscript bool // it stands in a noscript element
	text     []byte
	said     string  // the text in one line, without a last host that may be cut off
	finding  Finding // with the place of the anchor
}

// scanBody lists the links of an HTML body and reports whether it has any tags.
func (c *check) scanBody(text string) bool {
	body := []byte(text)
	s := &bodyScan{
		check: c, body: body, scan: markup.New(body),
		line: 1, column: 1, targets: make(map[string]int),
		nesting: markup.NewNesting(),
	}
	s.scan.ReadNoscript()
	tags := false
	for s.scan.Next() {
		switch s.scan.Token() {
		case html.StartTagToken, html.SelfClosingTagToken:
			tags = true
			s.startTag()
		case html.EndTagToken:
			s.endTag(atom.Lookup(s.scan.Name()))
		case html.TextToken:
			s.text()
		case html.CommentToken:
			s.comment()
		default:
		}
		s.around = s.scan.StartTag()
	}
	s.closeAnchor(false)
	return tags
}

func (s *bodyScan) startTag() {
	tag := s.scan.StartTag()
	if s.mail.Links && tag != atom.A {
		s.nesting.Start(tag, s.scan.Token() == html.SelfClosingTagToken)
	}
	switch tag {
	case atom.A:
		s.closeAnchor(false)
		s.openAnchor()
	case atom.Noscript:
		s.noscripts++
	case atom.Img, atom.Image:
		if markup.LoadsFrom(s.scan, s.isForeign) || markup.IsEmulatorPixel(s.scan) {
			s.here(s.scan.Start(), CodeForeignTrackingPresent, LevelError,
				"the image counts as an open of an earlier message: remove it, StripPixel does so")
		}
	case atom.Area, atom.Base:
		if _, ok := s.scan.Attr("href"); ok && s.mail.Links {
			s.notAnAnchor(s.scan.Start())
		}
	case atom.Form:
		if _, ok := s.scan.Attr("action"); ok && s.mail.Links {
			s.notAnAnchor(s.scan.Start())
		}
	default:
	}
}

func (s *bodyScan) endTag(tag atom.Atom) {
	switch tag {
	case atom.A:
		s.closeAnchor(true)
		return
	case atom.Noscript:
		s.noscripts = max(0, s.noscripts-1)
	default:
	}
	if s.mail.Links {
		s.nesting.End(tag)
	}
}

func (s *bodyScan) openAnchor() {
	s.inside = true
	if s.mail.Links {
		s.nesting.StartAnchor()
	}
	s.anchor = openAnchor{text: s.anchor.text[:0]}
	a := &s.anchor
	a.noscript = s.noscripts > 0
	a.link.Line, a.link.Column = s.place(s.scan.Start())
	a.finding = Finding{Line: a.link.Line, Column: a.link.Column, Link: NoLink}
	a.link.Target, _, a.hasHref = s.scan.Href()
	if a.hasHref {
		a.class, a.url = markup.Classify(a.link.Target)
		switch a.class {
		case markup.Eligible, markup.HTTP, markup.UserInfo:
			a.wrapped = markup.IsWrapped(a.url, s.mail.DomainName)
		default:
		}
	}
	_, named := s.scan.Attr("name")
	_, identified := s.scan.Attr("id")
	a.isPlace = named || identified
	clicktracking, _ := s.scan.Attr("clicktracking")
	_, postmark := s.scan.Attr("data-pm-no-track")
	_, ses := s.scan.Attr("ses:no-track")
	a.noTrack = strings.EqualFold(clicktracking, "off") || postmark || ses
}

// closeAnchor ends the anchor that is open, if one is: by its end tag, or by what
// ends it otherwise.
func (s *bodyScan) closeAnchor(properly bool) {
	if !s.inside {
		return
	}
	s.inside = false
	a := &s.anchor
	a.said = strings.Join(strings.Fields(string(a.text)), " ")
	a.link.Text = cut(a.said, maxLinkTextChars)
	if last := strings.LastIndexByte(a.said, ' ') + 1; len(a.text) == maxKeptText && len(a.said)-last <= maxShownHost {
		a.said = a.said[:last]
	}
	a.link.Status, a.link.Reason = a.status()
	switch a.link.Status {
	case StatusEligible:
		s.report.Eligible++
	case StatusSkipped:
		s.report.Skipped++
	default:
		s.report.Unknown++
	}
	if len(s.report.Links) < maxReportLinks {
		a.finding.Link = len(s.report.Links)
		s.report.Links = append(s.report.Links, a.link)
	}
	whole := s.nesting.EndAnchor()
	switch {
	case !s.mail.Links:
	case !properly:
		s.about(a, CodeNestedOrUnclosedAnchor, LevelWarning,
			"the anchor is not closed before the next one or the end, and programs repair that differently: close it with </a>")
	case !whole:
		s.about(a, CodeNestedOrUnclosedAnchor, LevelWarning,
			"the anchor overlaps another element, and programs repair that differently: end before </a> what begins in the anchor, and nothing else")
	}
	s.checkLink(a)
}

// about adds a finding about a link.
func (s *bodyScan) about(a *openAnchor, code Code, level Level, message string) {
	finding := a.finding
	finding.Code, finding.Level, finding.Message = code, level, message
	s.add(finding)
}

// here adds a finding about another place in the body.
func (s *bodyScan) here(offset int, code Code, level Level, message string) {
	line, column := s.place(offset)
	s.add(Finding{Code: code, Level: level, Line: line, Column: column, Link: NoLink, Message: message})
}

// place returns the line and the column of an offset that is not before the last
// one that was asked for.
func (s *bodyScan) place(offset int) (line, column int) {
	part := s.body[s.offset:offset]
	s.offset = offset
	if end := bytes.LastIndexByte(part, '\n'); end >= 0 {
		s.line += bytes.Count(part, []byte{'\n'})
		s.column = 1
		part = part[end+1:]
	}
	s.column += utf8.RuneCount(part)
	return s.line, s.column
}

// text looks at a text, which is that of an anchor or may hold URLs of its own.
func (s *bodyScan) text() {
	switch s.around {
	case atom.Style, atom.Script, atom.Title:
		return
	default:
	}
	if a := &s.anchor; s.inside {
		if !isBlank(s.body[s.scan.Start():s.scan.End()]) {
			s.nesting.Content()
		}
		if room := maxKeptText - len(a.text); room > 0 {
			text := s.scan.Text()
			a.text = append(a.text, text[:min(room, len(text))]...)
		}
		return
	}
	if s.mail.Links {
		s.bareURLs()
	}
}

// maxKeptText is how much of the text of an anchor is kept: some more than is listed,
// because white space is not taken out yet.
const maxKeptText = maxLinkTextChars * 2 * utf8.UTFMax

// maxShownHost is how long a host can be (RFC 1035, section 2.3.4), with its scheme.
// In a longer word it is not cut off.
const maxShownHost = len("https://") + 255

func isBlank(text []byte) bool { return len(bytes.Trim(text, markup.Space)) == 0 }

// bareURLs finds URLs in the text between tags.
func (s *bodyScan) bareURLs() {
	text := s.body[s.scan.Start():s.scan.End()]
	for at := 0; at < len(text); {
		word := at + wordLength(text[at:])
		if word == at {
			at++
			continue
		}
		if isBareURL(text[at:word]) {
			s.here(s.scan.Start()+at, CodeNotAnAnchor, LevelInfo,
				"Nylas tracks no URL in a text: make an anchor of it to see its clicks")
		}
		at = word
	}
}

func wordLength(text []byte) int {
	for i, c := range text {
		if c <= ' ' || c == '(' || c == '"' {
			return i
		}
	}
	return len(text)
}

func isBareURL(word []byte) bool {
	for _, start := range []string{"https://", "http://", "www."} {
		if len(word) > len(start) && strings.EqualFold(string(word[:len(start)]), start) {
			return true
		}
	}
	return false
}

// comment looks into comments that only Outlook reads, where buttons are drawn.
func (s *bodyScan) comment() {
	comment := s.body[s.scan.Start():s.scan.End()]
	if !s.mail.Links || !bytes.HasPrefix(comment, []byte("<!--[if")) {
		return
	}
	for at := 0; ; {
		next := bytes.IndexByte(comment[at:], '<')
		if next < 0 {
			return
		}
		at += next
		if !isOutlookLink(comment[at:]) {
			at++
			continue
		}
		end, hasHref := markup.ReadTag(comment[at:], "href")
		if hasHref {
			s.here(s.scan.Start()+at, CodeNotAnAnchor, LevelInfo,
				"Nylas sees no clicks on what stands in a comment for Outlook: use an anchor outside of it if they matter")
		}
		if end < 0 {
			return // a tag that is not finished
		}
		at += end
	}
}

// isOutlookLink reports whether a tag begins an anchor, or an element of VML.
func isOutlookLink(tag []byte) bool {
	if len(tag) < 3 {
		return false
	}
	switch tag[1] | 0x20 {
	case 'v':
		return tag[2] == ':'
	case 'a':
		return tag[2] == '/' || strings.IndexByte(markup.Space, tag[2]) >= 0
	default:
		return false
	}
}

func (s *bodyScan) notAnAnchor(offset int) {
	s.here(offset, CodeNotAnAnchor, LevelInfo,
		"Nylas tracks anchors only, and sees no clicks here: use an anchor if they matter")
}

// cut returns the first characters of a text.
func cut(text string, chars int) string {
	for i := range text {
		if chars--; chars < 0 {
			return text[:i]
		}
	}
	return text
}
