package preflight

import (
	"slices"
	"strings"

	"github.com/nylastrack/nylas-go/internal/markup"
)

// status returns what becomes of a link, and why.
func (a *openAnchor) status() (Status, Code) {
	if !a.hasHref {
		return StatusSkipped, CodeAnchorNoHref
	}
	if a.wrapped {
		return StatusSkipped, CodeForeignTrackingPresent
	}
	switch a.class {
	case markup.Eligible:
		if a.noscript {
			return StatusUnknown, CodeInNoscript
		}
		return StatusEligible, ""
	case markup.BadURI:
		return StatusSkipped, CodeBadURI
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
			s.about(a, CodeAnchorNoHref, LevelWarning, "give the anchor an href: without one it is no link")
		}
		return
	}
	host := markup.HostOf(a.link.Target)
	if a.wrapped || s.isForeign(host) {
		s.about(a, CodeForeignTrackingPresent, LevelError,
			"the link leads through the tracking of another message: put the original link in its place")
	}
	isURL, mismatch := false, false
	for shown := range markup.ShownHosts(a.said, a.url) {
		isURL = true
		if host != "" && !markup.Related(shown, host) {
			mismatch = true
			break
		}
	}
	if mismatch {
		s.about(a, CodeTextHostMismatch, LevelError,
			"the text names another host than the link leads to, as phishing does: let both be the same, or write words")
	}
	if !s.mail.Links {
		return
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
	if isURL && !mismatch {
		s.about(a, CodeTextIsURL, LevelWarning,
			"the text names a URL or a host, and the tracked link leads elsewhere, which mail clients warn about: write words")
	}
	if a.noTrack {
		s.about(a, CodeNoTrackAttribute, LevelWarning,
			"the attribute exempts the link at other systems and does nothing at Nylas: send without Links, or accept that it is tracked")
	}
	// Links that are not listed are not remembered either.
	if a.finding.Link != NoLink {
		if s.targets[a.link.Target]++; s.targets[a.link.Target] > 1 {
			s.about(a, CodeDuplicateURL, LevelInfo,
				"an earlier link has the same target: add a parameter to one of them to tell their clicks apart")
		}
	}
}

// checkStatus has the findings that say why a link is what it is.
func (s *bodyScan) checkStatus(a *openAnchor) {
	switch a.class {
	case markup.Eligible:
		switch {
		case a.noscript:
			s.about(a, CodeInNoscript, LevelInfo,
				"put the link outside of noscript: mail clients show it there, but whether Nylas tracks it is not documented")
		case a.url.Scheme != "https":
			s.about(a, CodeMailtoTelRewritten, LevelInfo,
				"mailto and tel links lead through a redirect too, which some devices do not follow: switch Links off if they matter more")
		}
	case markup.BadURI:
		s.about(a, CodeBadURI, LevelWarning, "escape the target: it is not a valid URI, so clicks on it are not seen")
	case markup.UnsupportedScheme:
		s.about(a, CodeUnsupportedScheme, LevelWarning, "use a whole https, mailto or tel URL: clicks on other targets are not seen")
	case markup.Credentials, markup.UserInfo:
		s.about(a, CodeURLUserinfo, LevelWarning,
			"take the user name and the password out of the target: with a password Nylas does not track it, and everybody can read it")
	case markup.HTTP:
		s.about(a, CodeHTTPScheme, LevelInfo, "use https: whether Nylas tracks http is not documented")
	case markup.NoAddress:
		s.about(a, CodeMailtoNoAddress, LevelInfo, "whether Nylas tracks mailto without an address is not documented: do not count on it")
	}
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

// isForeign reports whether a host is one that a link or an image only has after it
// was tracked or checked on the way of another message.
func (s *bodyScan) isForeign(host string) bool {
	if host == "" {
		return false
	}
	if markup.IsNylasTrackingHost(host) || host == markup.NormalHost(s.mail.DomainName) {
		return true
	}
	for _, checker := range []string{
		"safelinks.protection.outlook.com", // Microsoft Defender for Office 365
		"urldefense.com", "urldefense.us", "urldefense.proofpoint.com",
	} {
		if markup.IsWithin(host, checker) {
			return true
		}
	}
	return false
}

// unsubscribeWords are in the texts and targets of links to unsubscribe.
var unsubscribeWords = []string{
	"unsubscribe", "opt-out", "optout", "opt out", "abmelden", "abbestellen", "austragen", "désabonner", "desabonner", "désinscri", "desinscri",
	"darse de baja", "darme de baja", "cancelar suscripción", "cancelar la suscripción", "disiscri", "annulla iscrizione", "cancellami",
	"afmelden", "uitschrijven", "cancelar inscrição", "descadastrar", "avregistrera", "avprenumerera", "avmeld", "afmeld",
	"wypisz", "odhlásit", "отписаться", "退订", "配信停止", "購読解除",
}

func isUnsubscribe(link Link) bool {
	for _, said := range []string{link.Text, link.Target} {
		said = strings.ToLower(said)
		if slices.ContainsFunc(unsubscribeWords, func(word string) bool { return strings.Contains(said, word) }) {
			return true
		}
	}
	return false
}
