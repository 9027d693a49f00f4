package preflight

import (
	"bytes"
	"fmt"
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

	around    atom.Atom           // the start tag before a text
	nesting   *markup.Nesting     // only if links are tracked
	noscripts int                 // how many noscript elements the scan is in
	anchor    openAnchor          // the one that the scan is in, if inside is set
	inside    bool                // an anchor
	targets   map[string]struct{} // those that were seen
	first     map[Code]int        // where the findings are that are made once for a mail
	raw       bool                // a text is what an element such as style holds
	rawStart  int                 // where that element begins
	unclosed  bool                // the scan is in an element or a tag that is never closed
	// unfinished is set once a tag was seen that is never closed.
	unfinished bool

	hosts      [2]string // that were compared last
	areRelated bool

	before       string        // the target of the last anchor
	buttons      []outlookLink // of the comments since then
	parted       int           // how many of them something is seen behind
	behindAnchor bool          // nothing was seen since the last anchor
}

// scanBody lists the links of an HTML body and reports whether it has any tags.
func (c *check) scanBody(text string) bool {
	body := []byte(text)
	s := &bodyScan{
		check: c, body: body, scan: markup.New(body),
		line: 1, column: 1, targets: make(map[string]struct{}), first: make(map[Code]int),
		nesting: markup.NewNesting(),
	}
	s.scan.ReadNoscript()
	tags := false
	for s.scan.Next() || s.enterUnfinished() && s.scan.Next() {
		switch s.scan.Token() {
		case html.StartTagToken, html.SelfClosingTagToken:
			tags = true
			s.startTag()
		case html.EndTagToken:
			s.endTag(atom.Lookup(s.scan.Name()))
		case html.TextToken:
			if s.raw && s.scan.End() == len(body) {
				s.enterUnclosed(s.rawStart, s.scan.Start())
				continue
			}
			s.text()
		case html.CommentToken:
			if s.isUnclosedComment() {
				s.enterUnclosed(s.scan.Start(), s.scan.Start()+len(commentStart))
				continue
			}
			s.comment()
		default:
		}
		s.around, s.raw = s.scan.StartTag(), s.scan.HoldsText()
		if s.raw {
			s.rawStart = s.scan.Start()
		}
	}
	s.closeAnchor(false)
	s.reportButtons("", false)
	s.countFindings()
	return tags
}

// commentStart begins a comment.
const commentStart = "<!--"

// isUnclosedComment reports whether a comment takes up the rest of the body.
func (s *bodyScan) isUnclosedComment() bool {
	comment := s.body[s.scan.Start():s.scan.End()]
	return s.scan.End() == len(s.body) && bytes.HasPrefix(comment, []byte(commentStart)) &&
		!bytes.HasSuffix(comment, []byte("-->")) && !bytes.HasSuffix(comment, []byte("--!>"))
}

// enterUnclosed goes on inside an element or a comment that is never closed, as if it were
// not there: what other programs make of the rest is not known.
func (s *bodyScan) enterUnclosed(start, offset int) {
	if s.mail.Links {
		s.here(start, CodeUnclosedElement, LevelWarning,
			"an element or a comment is never closed, so that the rest of the body is text or left out for some programs: close it")
	}
	// Other comments that are never closed are not there either.
	closed := max(offset, bytes.LastIndex(s.body, []byte("-->")), bytes.LastIndex(s.body, []byte("--!>")))
	if bytes.Contains(s.body[closed:], []byte(commentStart)) {
		s.body = bytes.Clone(s.body)
		for at := closed; ; at++ {
			next := bytes.Index(s.body[at:], []byte(commentStart))
			if next < 0 {
				break
			}
			at += next
			s.body[at] = ' '
		}
	}
	s.enter(offset)
}

// enterUnfinished goes on behind the first ">" of a start tag that is not finished, because a
// quote in it is never closed, and reports whether there is one. It does so once for a body:
// such tags can stand in each other, and each is looked for up to the end.
func (s *bodyScan) enterUnfinished() bool {
	start := s.scan.End()
	if s.unfinished || !markup.StartsTag(s.body[start:]) {
		return false
	}
	s.unfinished = true
	if s.mail.Links {
		s.here(start, CodeUnclosedElement, LevelWarning,
			"a tag is never closed, so that programs leave the rest of the body out: look for a quote that is missing in it")
	}
	end := bytes.IndexByte(s.body[start:], '>')
	if end < 0 {
		return false
	}
	s.enter(start + end + 1)
	return true
}

// enter reads what stands behind an offset as if nothing unclosed were before it.
func (s *bodyScan) enter(offset int) {
	s.scan = markup.NewInside(s.body, offset)
	s.around, s.raw, s.unclosed = 0, false, true
}

func (s *bodyScan) startTag() {
	tag := s.scan.StartTag()
	if s.followsNesting() && tag != atom.A {
		s.nesting.Start(tag, s.scan.Token() == html.SelfClosingTagToken)
	}
	switch tag {
	case atom.A:
		s.closeAnchor(false)
		s.openAnchor()
	case atom.Noscript:
		s.noscripts++
	case atom.Img, atom.Image:
		if !s.inside {
			s.sees()
		}
		if markup.LoadsFrom(s.scan, s.isForeignImage) || markup.IsEmulatorPixel(s.scan) {
			s.here(s.scan.Start(), CodeForeignTrackingPresent, LevelError,
				"the image counts as an open of an earlier message: remove it, StripPixel does so")
		}
	case atom.Area:
		if _, ok := s.scan.Attr("href"); ok && s.mail.Links {
			s.notAnAnchor(s.scan.Start())
		}
	case atom.Base:
		if _, ok := s.scan.Attr("href"); ok && s.mail.Links {
			s.here(s.scan.Start(), CodeNotAnAnchor, LevelInfo,
				"links that need a base are not tracked: write whole targets instead")
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
	if s.followsNesting() {
		s.nesting.End(tag)
	}
}

// followsNesting reports whether there may be something to say about the nesting of this
// anchor or the next.
func (s *bodyScan) followsNesting() bool {
	return s.mail.Links && len(s.report.Links) < maxCheckedLinks
}

// about adds a finding about a link.
func (s *bodyScan) about(a *openAnchor, code Code, level Level, message string) {
	finding := a.finding
	finding.Code, finding.Level, finding.Message = code, level, message
	s.add(finding)
}

// once counts a link in the one finding (info) that there is of a code.
func (s *bodyScan) once(a *openAnchor, code Code, message string) {
	if i, ok := s.first[code]; ok {
		s.report.Findings[i].Count++
		return
	}
	s.first[code] = len(s.report.Findings)
	s.about(a, code, LevelInfo, message)
}

// countFindings writes the count into the messages of findings about several links.
func (s *bodyScan) countFindings() {
	for _, i := range s.first {
		if f := &s.report.Findings[i]; f.Count > 1 {
			f.Message = fmt.Sprintf("%s (%d links)", f.Message, f.Count)
		}
	}
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
		if room := maxKeptText - len(a.text); room > 0 && a.listed {
			text := s.scan.Text()
			a.text = append(a.text, text[:min(room, len(text))]...)
		}
		return
	}
	if !isBlank(s.body[s.scan.Start():s.scan.End()]) {
		s.sees()
	}
	if s.mail.Links && !s.unclosed { // in a style sheet, for instance
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

func (s *bodyScan) notAnAnchor(offset int) {
	s.here(offset, CodeNotAnAnchor, LevelInfo,
		"Nylas tracks anchors only, and sees no clicks here: use an anchor if they matter")
}

// cut returns the first characters of a text.
func cut(text string, chars int) string {
	if len(text) <= chars {
		return text
	}
	for i := range text {
		if chars--; chars < 0 {
			return text[:i]
		}
	}
	return text
}
