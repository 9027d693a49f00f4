package preflight

import (
	"bytes"
	"net/url"
	"strings"

	"github.com/nylastrack/nylas-go/internal/markup"
)

// openAnchor is an anchor whose end was not seen yet.
type openAnchor struct {
	link     Link
	class    markup.Class
	url      *url.URL
	hasHref  bool
	listed   bool // the report has room for it; otherwise it is only counted
	checked  bool // it may have findings
	wrapped  bool // it already leads through tracking, so Nylas leaves it alone
	isPlace  bool // something to jump to, or a text in a style of its own
	noTrack  bool
	noscript bool // it stands in a noscript element
	badPort  bool // it has a port that no server can have
	unclosed bool // it stands in an element that is never closed
	// What is to be said of the target.
	placeholder, invisible bool
	text                   []byte
	said                   string  // the text in one line, without a last host that may be cut off
	finding                Finding // with the place of the anchor
}

func (s *bodyScan) openAnchor() {
	s.inside = true
	if s.followsNesting() {
		s.nesting.StartAnchor()
	}
	s.anchor = openAnchor{
		text:    s.anchor.text[:0],
		listed:  len(s.report.Links) < maxReportLinks,
		checked: len(s.report.Links) < maxCheckedLinks,
	}
	a := &s.anchor
	a.noscript, a.unclosed = s.noscripts > 0, s.unclosed
	a.link.Target, _, a.hasHref = s.scan.Href()
	switch {
	case !a.hasHref:
	case !a.listed && !markup.HasTrackedScheme(a.link.Target): // it is only counted
		a.class = markup.UnsupportedScheme
	default:
		a.class, a.url = markup.Classify(a.link.Target)
		switch a.class {
		case markup.Eligible, markup.LooseURI, markup.HTTP, markup.UserInfo:
			a.badPort = isBadPort(a.url)
			a.wrapped = markup.IsWrapped(a.url, s.mail.DomainName)
		default:
		}
	}
	if s.mail.Links && a.hasHref {
		s.reportButtons(a.link.Target, true)
	}
	if !a.listed {
		return
	}
	a.link.Line, a.link.Column = s.place(s.scan.Start())
	if a.hasHref {
		a.placeholder = hasPlaceholder(a.link.Target, a.url) && !holdsTags(a.link.Target)
	}
	if !a.checked {
		return
	}
	a.finding = Finding{Line: a.link.Line, Column: a.link.Column, Link: len(s.report.Links)}
	a.noTrack = a.hasHref && isExempted(s.scan)
	a.invisible = markup.HasInvisible(a.link.Target)
	a.isPlace = !a.hasHref && isPlace(s.scan)
}

// isPlace reports whether an anchor without a target is meant to have none: it is
// something to jump to, or a text that mail clients must not make a link of, such as a
// date or an address.
func isPlace(scan *markup.Scanner) bool {
	plain, link := false, false
	for _, attr := range scan.Attrs("name", "id", "target", "rel", "title", "onclick", "style") {
		switch attr.Name {
		case "name", "id":
			return true
		case "style":
			plain = true
		default:
			link = true
		}
	}
	return plain && !link
}

// closeAnchor ends the anchor that is open, if one is: by its end tag, or by what
// ends it otherwise.
func (s *bodyScan) closeAnchor(properly bool) {
	if !s.inside {
		return
	}
	s.inside = false
	a := &s.anchor
	s.behindAnchor = a.hasHref
	a.link.Status, a.link.Reason = a.status()
	switch a.link.Status {
	case StatusEligible:
		s.report.Eligible++
	case StatusSkipped:
		s.report.Skipped++
	default:
		s.report.Unknown++
	}
	if !a.listed {
		return
	}
	a.said = oneLine(a.text)
	a.link.Text = cut(a.said, maxLinkTextChars)
	s.report.Links = append(s.report.Links, a.link)
	if !a.checked {
		return
	}
	if last := strings.LastIndexByte(a.said, ' ') + 1; len(a.text) == maxKeptText && len(a.said)-last <= maxShownHost {
		a.said = a.said[:last]
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

// oneLine returns a text with one space between its words and none around them.
func oneLine(text []byte) string {
	line := text[:0]
	for word := range bytes.FieldsSeq(text) {
		if len(line) > 0 {
			line = append(line, ' ')
		}
		line = append(line, word...)
	}
	return string(line)
}
