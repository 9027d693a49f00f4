package nylas

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// TrackingReport is what Nylas will make of the tracking of a message, as far as
// its documents say; see [CheckTracking].
type TrackingReport struct {
	// Links are the anchors of the body in their order, at most 10,000 of them.
	Links []TrackingLink
	// Eligible, Skipped and Unknown count all anchors by their status.
	Eligible, Skipped, Unknown int
	// Findings are sorted by their place in the body. Those about the whole
	// message come first.
	Findings []TrackingFinding
	// OmittedFindings counts those that are not in Findings, which has at most 1000
	// with the same code.
	OmittedFindings int
}

// The limits of a TrackingReport, chosen here: a hostile body must not grow into a
// report many times its size.
const (
	maxReportLinks    = 10_000
	maxReportFindings = 1000 // with one code
	maxLinkTextChars  = 200
)

// TrackingLink is an anchor of a body.
type TrackingLink struct {
	// Line and Column are where the anchor's "<" stands, both from 1. Columns count
	// characters.
	Line, Column int
	// Text is what a reader sees of the link, at most 200 characters. Empty for an
	// image.
	Text string
	// Target is the value of href with its character references resolved; empty
	// without one.
	Target string
	// Status tells what happens to the link if TrackingOptions.Links is on.
	Status LinkStatus
	// Reason says why a link is not eligible; empty if it is.
	Reason FindingCode
}

// LinkStatus tells whether Nylas tracks a link.
type LinkStatus string

// What becomes of a link.
const (
	// LinkEligible means that Nylas is documented to track it: a valid https, mailto
	// or tel URL without login credentials.
	LinkEligible LinkStatus = "eligible"
	// LinkSkipped means that Nylas is documented to leave it as it is. It works, and
	// clicks on it are not seen.
	LinkSkipped LinkStatus = "skipped"
	// LinkUnknown means that Nylas' documents do not say.
	LinkUnknown LinkStatus = "unknown"
)

// TrackingFinding is something about a message that its sender should know.
type TrackingFinding struct {
	Code  FindingCode
	Level FindingLevel
	// Refused tells that Nylas is documented to reject the send because of this.
	Refused bool
	// Line and Column are a place in the body, both from 1, or both 0 if the finding
	// is about the whole message. Columns count characters.
	Line, Column int
	// Link is the index in Links of the link that the finding is about, or NoLink.
	Link int
	// Message says what to do. It holds no address, link or text of the message.
	Message string
}

// NoLink is [TrackingFinding].Link of a finding that is not about a listed link.
const NoLink = -1

// String returns the place, the level, the code and the message.
func (f TrackingFinding) String() string {
	text := fmt.Sprintf("%s: %s: %s", f.Level, f.Code, f.Message)
	if f.Line > 0 {
		text = fmt.Sprintf("%d:%d: %s", f.Line, f.Column, text)
	}
	return text
}

// FindingLevel is how much a finding matters.
type FindingLevel string

// The levels of findings.
const (
	// LevelError means that the send will be rejected, or that tracking cannot do
	// what was asked.
	LevelError FindingLevel = "error"
	// LevelWarning means that it probably is not what the sender wants.
	LevelWarning FindingLevel = "warning"
	// LevelInfo is good to know.
	LevelInfo FindingLevel = "info"
)

// FindingCode names a kind of finding. Codes do not change; later versions may
// have more.
type FindingCode string

// The codes of findings. Those about links, but [CodeTextHostMismatch] and
// [CodeForeignTrackingPresent], are only found if TrackingOptions.Links is on.
const (
	// CodeTooManyLinks: more than 100 links are tracked (error, refused), or would be
	// with those of which it is unknown (warning).
	CodeTooManyLinks FindingCode = "too-many-links"
	// CodeDenylistedPlaceholder: a link leads to example.com, which is on Nylas' list
	// of phishing and spam (error, refused), or to another name that is reserved for
	// examples and tests (warning).
	CodeDenylistedPlaceholder FindingCode = "denylisted-placeholder"
	// CodePlaintextUntrackable: opens or links are to be tracked in a body that is
	// plain text or has no tags (error).
	CodePlaintextUntrackable FindingCode = "plaintext-untrackable"
	// CodeDomainNameWithoutEffect: DomainName is set with Opens and Links off (error,
	// refused).
	CodeDomainNameWithoutEffect FindingCode = "domain-name-without-effect"
	// CodeDomainNameMalformed: DomainName is no full hostname (error, refused).
	CodeDomainNameMalformed FindingCode = "domain-name-malformed"
	// CodeLabelTooLong: Label has more than 2048 characters (error, refused).
	CodeLabelTooLong FindingCode = "label-too-long"
	// CodeAnchorNoHref: an anchor has no href, so it is no link (warning). One with a
	// name or an id is a place to jump to, and no finding.
	CodeAnchorNoHref FindingCode = "anchor-no-href"
	// CodeBadURI: the target is not a valid URI (warning).
	CodeBadURI FindingCode = "bad-uri"
	// CodeUnsupportedScheme: the target is relative, or has a scheme other than
	// https, mailto and tel (warning).
	CodeUnsupportedScheme FindingCode = "unsupported-scheme"
	// CodeHTTPScheme: the target is http, of which Nylas says nothing (info).
	CodeHTTPScheme FindingCode = "http-scheme"
	// CodeMailtoNoAddress: the target is mailto without an address, of which Nylas
	// says nothing (info).
	CodeMailtoNoAddress FindingCode = "mailto-no-address"
	// CodeMailtoTelRewritten: Nylas replaces mailto and tel links too (info).
	CodeMailtoTelRewritten FindingCode = "mailto-tel-rewritten"
	// CodeURLUserinfo: the target has a user name or a password in it (warning).
	CodeURLUserinfo FindingCode = "url-userinfo"
	// CodeURLSecret: the target looks as if it held a secret, which passes a
	// redirect, and which scanners that follow links use up (warning).
	CodeURLSecret FindingCode = "url-secret"
	// CodeUnsubscribeTracked: a link to unsubscribe is tracked; Nylas cannot exempt
	// one link (warning).
	CodeUnsubscribeTracked FindingCode = "unsubscribe-tracked"
	// CodeTextIsURL: the text of a tracked link is or contains a URL or a host, and the
	// link will lead elsewhere, which mail clients warn about (warning).
	CodeTextIsURL FindingCode = "text-is-url"
	// CodeTextHostMismatch: the text of a link is or contains a URL or a host of another
	// owner than its target, before any tracking: the pattern of phishing (error). Hosts
	// of one registrable domain, such as www.acme.dev and acme.dev, have the same owner.
	CodeTextHostMismatch FindingCode = "text-host-mismatch"
	// CodeInNoscript: a link is in a noscript element, which mail clients show, and of
	// which Nylas says nothing (info).
	CodeInNoscript FindingCode = "in-noscript"
	// CodeNestedOrUnclosedAnchor: an anchor begins inside another one, has no end, or
	// overlaps another element, as in <a><b></a></b>, and programs differ in how they
	// repair that (warning).
	CodeNestedOrUnclosedAnchor FindingCode = "nested-or-unclosed-anchor"
	// CodeNotAnAnchor: a URL in the text, area, form, base, or an anchor or a VML element
	// in a comment for Outlook; clicks there are not seen (info).
	CodeNotAnAnchor FindingCode = "not-an-anchor"
	// CodeNoTrackAttribute: an attribute by which other systems exempt a link does
	// nothing at Nylas (warning).
	CodeNoTrackAttribute FindingCode = "no-track-attribute"
	// CodeGmailClip: opens or links are to be tracked in a body of more than 102 kB,
	// which Gmail cuts off, maybe with the pixel, and surely with the last links
	// (warning).
	CodeGmailClip FindingCode = "gmail-clip"
	// CodeForeignTrackingPresent: a link or an image leads to a tracking host of
	// Nylas or a link checker, so it was copied from a received mail, and what
	// happens is counted there (error).
	CodeForeignTrackingPresent FindingCode = "foreign-tracking-present"
	// CodeDuplicateURL: an earlier link has the same target (info).
	CodeDuplicateURL FindingCode = "duplicate-url"
	// CodeGroupMail: there are several recipients, and Nylas does not tell which of
	// them opened or clicked (info).
	CodeGroupMail FindingCode = "group-mail"
	// CodeSelfRecipient: the sender in From is a recipient too (warning).
	CodeSelfRecipient FindingCode = "self-recipient"
	// CodeBodyIncomplete: a template or a signature adds to the body at Nylas, which
	// is not checked here (info).
	CodeBodyIncomplete FindingCode = "body-incomplete"
	// CodeConsentMissing: the policy switches tracking off (warning); only in the
	// report of [TrackingPolicy.Check].
	CodeConsentMissing FindingCode = "consent-missing"
)

// The limits of a tracked body.
const (
	// https://developer.nylas.com/docs/v3/email/message-tracking/
	maxTrackedLinks = 100
	// gmailClipBytes is where Gmail cuts a message.
	// https://support.sparkpost.com/docs/tech-resources/open-pixel-location
	gmailClipBytes = 102_000
)

// CheckTracking reports what Nylas will make of the tracking of a message, before
// it is sent: each link of the body, and what the sender should know. It sends
// nothing, changes nothing, and needs no account. A nil request has an empty report.
//
// It knows what Nylas documents. Whether a link is on the list of phishing and
// spam, what counts as login credentials, and what a tracked link looks like is not
// documented; where that decides, a link is [LinkUnknown] or a finding a warning.
// Only what Nylas is documented to reject is Refused. Send never refuses a message
// because of its links.
//
// The time it takes grows with the size of the body and nothing else.
//
// https://developer.nylas.com/docs/v3/email/message-tracking/
func CheckTracking(req *SendMessageRequest) *TrackingReport {
	check := trackingCheck{report: &TrackingReport{}, counts: make(map[FindingCode]int)}
	if req == nil {
		return check.report
	}
	if req.TrackingOptions != nil {
		check.options = *req.TrackingOptions
	}
	check.checkOptions()
	check.checkRecipients(req)
	check.checkBody(req)
	slices.SortStableFunc(check.report.Findings, func(a, b TrackingFinding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return check.report
}

// Refused tells whether Nylas is documented to reject the send.
func (r *TrackingReport) Refused() bool {
	return slices.ContainsFunc(r.Findings, func(f TrackingFinding) bool { return f.Refused })
}

// trackingCheck makes a report.
type trackingCheck struct {
	report  *TrackingReport
	options TrackingOptions
	counts  map[FindingCode]int
}

func (c *trackingCheck) add(finding TrackingFinding) {
	if c.counts[finding.Code]++; c.counts[finding.Code] > maxReportFindings {
		c.report.OmittedFindings++
		return
	}
	c.report.Findings = append(c.report.Findings, finding)
}

// whole adds a finding about the whole message.
func (c *trackingCheck) whole(code FindingCode, level FindingLevel, refused bool, message string) {
	c.add(TrackingFinding{Code: code, Level: level, Refused: refused, Link: NoLink, Message: message})
}

func (c *trackingCheck) tracksBody() bool { return c.options.Opens || c.options.Links }

func (c *trackingCheck) checkOptions() {
	if chars := utf8.RuneCountInString(c.options.Label); chars > maxLabelChars {
		c.whole(CodeLabelTooLong, LevelError, true,
			fmt.Sprintf("the label has %d characters: shorten it to %d", chars, maxLabelChars))
	}
	if c.options.DomainName == "" {
		return
	}
	if !c.tracksBody() {
		c.whole(CodeDomainNameWithoutEffect, LevelError, true,
			"replies do not use DomainName: leave it out, or switch Opens or Links on")
	}
	if err := checkDomainName(c.options.DomainName); err != nil {
		c.whole(CodeDomainNameMalformed, LevelError, true, "correct DomainName: it "+err.Error())
	}
}

func (c *trackingCheck) checkRecipients(req *SendMessageRequest) {
	if !c.tracksBody() {
		return
	}
	recipients := slices.Concat(req.To, req.CC, req.BCC)
	if len(recipients) > 1 {
		c.whole(CodeGroupMail, LevelInfo, false,
			"nobody can tell which recipient opened or clicked: send one message to each to know")
	}
	for _, from := range req.From {
		if slices.ContainsFunc(recipients, func(p Participant) bool { return sameAddress(p, from) }) {
			c.whole(CodeSelfRecipient, LevelWarning, false,
				"the sender is a recipient, and will be counted: leave the sender out, or track another message")
		}
	}
}

func sameAddress(a, b Participant) bool {
	return strings.EqualFold(strings.TrimSpace(a.Email), strings.TrimSpace(b.Email))
}

func (c *trackingCheck) checkBody(req *SendMessageRequest) {
	fromTemplate := req.Template != nil && req.Body == ""
	if c.tracksBody() && !req.IsPlaintext && (fromTemplate || req.SignatureID != "") {
		c.whole(CodeBodyIncomplete, LevelInfo, false,
			"a template or a signature adds to the body at Nylas: check the links in it too, they count")
	}
	tags := false
	if !req.IsPlaintext {
		tags = c.scanBody(req.Body)
	}
	if c.tracksBody() && !tags && !fromTemplate {
		c.whole(CodePlaintextUntrackable, LevelError, false,
			"plain text holds no pixel and no tracked link: write the body as HTML, or switch Opens and Links off")
	}
	if c.tracksBody() && tags && len(req.Body) > gmailClipBytes {
		c.whole(CodeGmailClip, LevelWarning, false,
			"Gmail cuts the message off, with the links behind the cut and maybe the pixel: shorten the body to 102 kB")
	}
	if !c.options.Links {
		return
	}
	switch eligible, all := c.report.Eligible, c.report.Eligible+c.report.Unknown; {
	case eligible > maxTrackedLinks:
		c.whole(CodeTooManyLinks, LevelError, true, fmt.Sprintf(
			"%d links would be tracked, and Nylas takes at most %d: remove some, or switch Links off", eligible, maxTrackedLinks))
	case all > maxTrackedLinks:
		c.whole(CodeTooManyLinks, LevelWarning, false, fmt.Sprintf(
			"%d links might be tracked, and Nylas takes at most %d: remove some, or switch Links off", all, maxTrackedLinks))
	}
}
