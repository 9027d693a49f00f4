package preflight

import (
	"strings"
	"unicode"

	"github.com/nylastrack/nylas-go/internal/markup"
)

// status returns what becomes of a link, and why.
func (a *openAnchor) status() (Status, Code) {
	status, reason := a.statusByTarget()
	switch {
	case status != StatusSkipped && a.unclosed:
		return StatusUnknown, CodeUnclosedElement
	case a.placeholder && (reason == CodeBadURI || reason == CodeUnsupportedScheme):
		return status, CodeUnfilledPlaceholder
	default:
		return status, reason
	}
}

func (a *openAnchor) statusByTarget() (Status, Code) {
	if !a.hasHref {
		return StatusSkipped, CodeAnchorNoHref
	}
	if a.wrapped {
		return StatusSkipped, CodeForeignTrackingPresent
	}
	if a.badPort {
		return StatusUnknown, CodeBadURI
	}
	switch a.class {
	case markup.Eligible:
		if a.noscript {
			return StatusUnknown, CodeInNoscript
		}
		return StatusEligible, ""
	case markup.BadURI:
		return StatusSkipped, CodeBadURI
	case markup.LooseURI:
		return StatusUnknown, CodeBadURI
	case markup.Credentials:
		return StatusSkipped, CodeURLUserinfo
	case markup.UserInfo:
		return StatusUnknown, CodeURLUserinfo
	case markup.HTTP:
		return StatusUnknown, CodeHTTPScheme
	case markup.NoAddress:
		return StatusUnknown, CodeMailtoNoAddress
	default:
		return StatusSkipped, CodeUnsupportedScheme
	}
}

// checkLink finds what there is to know about one link.
func (s *bodyScan) checkLink(a *openAnchor) {
	if !a.hasHref {
		if s.mail.Links && !a.isPlace {
			s.about(a, CodeAnchorNoHref, LevelWarning, "give the anchor an href, or take it out: without one it is no link")
		}
		return
	}
	host := markup.HostOf(a.link.Target)
	path := ""
	if a.url != nil {
		path = a.url.Path
	}
	isForeign := a.wrapped || s.isForeign(host, path)
	if isForeign {
		s.about(a, CodeForeignTrackingPresent, LevelError,
			"the link leads through the tracking of another message: put the original link in its place")
	}
	isURL, mismatch := false, false
	for shown := range markup.ShownHosts(a.said, a.url) {
		isURL = true
		if host != "" && (!a.placeholder || markup.IsHostname(host)) && !s.related(shown, host) {
			mismatch = true
			break
		}
	}
	if mismatch && !isForeign { // the original link may well lead there
		s.about(a, CodeTextHostMismatch, LevelError,
			"the text names another host than the link leads to, as phishing does: let both be the same, or write words")
	}
	if !s.mail.Links {
		return
	}
	if a.placeholder {
		s.about(a, CodeUnfilledPlaceholder, LevelWarning,
			"a placeholder was not filled: put the link or the value in its place before the mail is sent")
	}
	if a.invisible {
		s.about(a, CodeInvisibleCharacter, LevelWarning,
			"the target holds a character that nobody sees, such as a space without width: write the target anew")
	}
	if !a.wrapped {
		s.checkStatus(a)
	}
	if a.link.Status == StatusSkipped {
		return
	}
	s.checkPlaceholder(a, host)
	if markup.HoldsSecret(a.url) {
		s.about(a, CodeURLSecret, LevelWarning,
			"the link looks as if it held a secret, and would lead it through a redirect: send it untracked, in a message of its own")
	}
	if isUnsubscribe(a.link) {
		s.about(a, CodeUnsubscribeTracked, LevelWarning,
			"no link can be exempted from tracking: offer unsubscribing in the List-Unsubscribe and List-Unsubscribe-Post headers too")
	}
	if isURL && (!mismatch || isForeign) {
		s.about(a, CodeTextIsURL, LevelWarning,
			"the text names a URL or a host, and the tracked link leads elsewhere, which mail clients warn about: write words")
	}
	if a.noTrack {
		s.about(a, CodeNoTrackAttribute, LevelWarning,
			"the attribute exempts the link at other systems and does nothing at Nylas: send without Links, or accept that it is tracked")
	}
	if _, seen := s.targets[a.link.Target]; seen {
		s.once(a, CodeDuplicateURL,
			"an earlier link has the same target: add a parameter to one of them to tell their clicks apart")
	} else {
		s.targets[a.link.Target] = struct{}{}
	}
}

// related is markup.Related. Most links of a mail lead to the same hosts.
func (s *bodyScan) related(shown, host string) bool {
	if s.hosts != [2]string{shown, host} {
		s.hosts, s.areRelated = [2]string{shown, host}, shown == host || markup.Related(shown, host)
	}
	return s.areRelated
}

// checkStatus has the findings that say why a link is what it is.
func (s *bodyScan) checkStatus(a *openAnchor) {
	if a.badPort {
		s.about(a, CodeBadURI, LevelWarning, "correct the port: they go from 1 to 65535, so browsers do not follow the link")
		return
	}
	switch a.class {
	case markup.Eligible:
		switch {
		case a.noscript:
			s.about(a, CodeInNoscript, LevelInfo,
				"put the link outside of noscript: mail clients show it there, but whether Nylas tracks it is not documented")
		case a.url.Scheme != "https":
			s.once(a, CodeMailtoTelRewritten,
				"mailto and tel links lead through a redirect too, which some devices do not follow: switch Links off if they matter more")
		}
	case markup.BadURI:
		switch {
		case a.placeholder:
		case a.url != nil: // the characters are good
			s.about(a, CodeBadURI, LevelWarning, "complete the target: it names no host, address or number, so the link leads nowhere")
		case holdsTags(a.link.Target):
			s.about(a, CodeBadURI, LevelWarning, "close the quote of the target: it goes on to the next quote, with tags and texts in it")
		case isTelWithSpaces(a.link.Target):
			s.about(a, CodeBadURI, LevelWarning, "leave the spaces out of the number: with them it is not a valid URI, so clicks on it are not seen")
		default:
			s.about(a, CodeBadURI, LevelWarning, "escape the target: it is not a valid URI, so clicks on it are not seen")
		}
	case markup.LooseURI:
		if !a.placeholder && !a.invisible {
			s.about(a, CodeBadURI, LevelInfo,
				"escape brackets, letters that are not ASCII, and % where it escapes nothing: whether Nylas tracks a target with them is not documented")
		}
	case markup.UnsupportedScheme:
		switch {
		case a.placeholder, isJump(a.link.Target):
		case a.link.Target == "#" || a.link.Target == "":
			s.about(a, CodeUnsupportedScheme, LevelWarning, "give the link a target: this one leads nowhere")
		default:
			s.about(a, CodeUnsupportedScheme, LevelWarning, "use a whole https, mailto or tel URL: clicks on other targets are not seen")
		}
	case markup.Credentials, markup.UserInfo:
		s.about(a, CodeURLUserinfo, LevelWarning,
			"take the user name and the password out of the target: with a password Nylas does not track it, and everybody can read it")
	case markup.HTTP:
		s.once(a, CodeHTTPScheme, "use https: whether Nylas tracks http is not documented")
	case markup.NoAddress:
		s.about(a, CodeMailtoNoAddress, LevelInfo, "whether Nylas tracks mailto without an address is not documented: do not count on it")
	}
}

// isJump reports whether a target is a place in the same mail.
func isJump(target string) bool { return len(target) > 1 && target[0] == '#' }

// holdsTags reports whether a target goes on behind its own tag, up to the quote of another.
func holdsTags(target string) bool {
	end := strings.IndexAny(target, "<>")
	return end >= 0 && target[end] == '>' && strings.IndexByte(target[end:], '<') >= 0
}

// isTelWithSpaces reports whether a target is a telephone number in groups.
func isTelWithSpaces(target string) bool {
	const scheme = "tel:"
	return len(target) > len(scheme) && strings.EqualFold(target[:len(scheme)], scheme) && strings.ContainsFunc(target, unicode.IsSpace)
}

// checkPlaceholder looks for hosts that nobody wants to send anybody to.
func (s *bodyScan) checkPlaceholder(a *openAnchor, host string) {
	if a.url.Scheme == "mailto" {
		address, _, _ := strings.Cut(a.url.Opaque, "?")
		host = markup.NormalHost(address[strings.LastIndexByte(address, '@')+1:])
	}
	if !isPlaceholder(host) {
		return
	}
	finding := a.finding
	finding.Code, finding.Level = CodeDenylistedPlaceholder, LevelWarning
	finding.Message = "the host is reserved for examples and tests, and Nylas may reject the message: use a real one"
	if markup.IsDenylisted(host) && a.link.Status == StatusEligible && a.url.Scheme == "https" {
		finding.Level, finding.Refused = LevelError, true
		finding.Message = "Nylas rejects messages with tracked links to example.com: use a host of your own"
	}
	s.add(finding)
}

// isPlaceholder knows the names that RFC 2606 and RFC 6761 reserve.
func isPlaceholder(host string) bool {
	for _, name := range []string{
		"example.com", "example.net", "example.org", "example", "test", "invalid", "localhost",
	} {
		if markup.IsWithin(host, name) {
			return true
		}
	}
	return false
}
