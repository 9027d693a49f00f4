package preflight

import (
	"bytes"
	"strings"

	"golang.org/x/net/html"

	"github.com/nylastrack/nylas-go/internal/markup"
)

// outlookLink is a link in a comment for Outlook.
type outlookLink struct {
	finding Finding
	target  []byte // as it is in the source
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
		end, value, hasHref := markup.ReadTag(comment[at:], "href")
		if hasHref {
			s.outlookLink(s.scan.Start()+at, comment[at+value.Start:at+value.End])
		}
		if end < 0 {
			return // a tag that is not finished
		}
		at += end
	}
}

// outlookLink keeps a link in a comment until the next anchor is known. No more are kept
// than can be reported. The anchor to which the button belongs is the one before or behind
// it: it has the same target, or nothing that is seen stands between them. The target may
// differ, because programs that rewrite anchors leave comments alone.
func (s *bodyScan) outlookLink(offset int, target []byte) {
	if len(bytes.Trim(target, markup.Space)) == 0 || string(target) == "#" {
		return // it leads nowhere
	}
	line, column := s.place(offset)
	button := outlookLink{target: target, finding: Finding{
		Code: CodeNotAnAnchor, Level: LevelInfo, Line: line, Column: column, Link: NoLink,
		Message: "Nylas sees no clicks on what stands in a comment for Outlook: use an anchor outside of it if they matter",
	}}
	switch {
	case button.leadsTo(s.before), s.behindAnchor:
	case len(s.buttons) < maxReportFindings:
		s.buttons = append(s.buttons, button)
	default:
		s.add(button.finding)
	}
}

// leadsTo reports whether an anchor has the same target, and so is what other programs
// show of the button.
func (l outlookLink) leadsTo(target string) bool {
	return target != "" && (string(l.target) == target || markup.Trim(html.UnescapeString(string(l.target))) == target)
}

// sees notes that something is seen outside of anchors, which parts the buttons from the
// anchors around them.
func (s *bodyScan) sees() { s.behindAnchor, s.parted = false, len(s.buttons) }

// reportButtons reports the links of the comments since the last anchor, but not those
// that belong to the next one.
func (s *bodyScan) reportButtons(next string, isAnchor bool) {
	for i, button := range s.buttons {
		isBeside := isAnchor && i >= s.parted
		if !isBeside && !button.leadsTo(next) {
			s.add(button.finding)
		}
	}
	s.buttons, s.parted, s.before = s.buttons[:0], 0, next
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
