package preflight

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/nylastrack/nylas-go/internal/rules"
)

// Mail is what a check needs to know of a mail. All fields are optional.
type Mail struct {
	// Body is HTML, or plain text if Plaintext is set.
	Body      string
	Plaintext bool
	// Template is set if a template that is stored at Nylas makes the body. A Body that
	// is given too takes its place.
	Template bool
	// Signature is set if a signature that is stored at Nylas ends the body.
	Signature bool

	// Senders are the addresses in From, and Recipients those in To, CC and BCC. They are
	// addresses without names, such as kim@acme.dev.
	Senders, Recipients []string

	// Opens and Links are the kinds of tracking that are on. Tracking of replies does not
	// touch the body, so a check does not ask for it.
	Opens, Links bool
	// Label is the text that comes back in every tracking notification.
	Label string
	// DomainName is the custom hostname of the tracked links and the pixel. It is empty
	// if Nylas' own is used.
	DomainName string
}

// Check reports what Nylas will make of the tracking of a mail before it is sent. The
// report of a zero Mail is empty.
//
// The time it takes grows with the size of the body and nothing else. A body can hold
// anything: the report stays small.
//
// https://developer.nylas.com/docs/v3/email/message-tracking/
func Check(mail Mail) *Report {
	c := check{report: &Report{}, mail: mail, counts: make(map[Code]int)}
	c.checkOptions()
	c.checkRecipients()
	c.checkBody()
	slices.SortStableFunc(c.report.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return c.report
}

// gmailClipBytes is where Gmail cuts a message.
// https://support.sparkpost.com/docs/tech-resources/open-pixel-location
const gmailClipBytes = 102_000

// check makes a report.
type check struct {
	report *Report
	mail   Mail
	counts map[Code]int
}

func (c *check) add(finding Finding) {
	finding.Count = max(finding.Count, 1)
	if c.counts[finding.Code]++; c.counts[finding.Code] > maxReportFindings {
		c.report.OmittedFindings++
		return
	}
	c.report.Findings = append(c.report.Findings, finding)
}

// whole adds a finding about the whole mail.
func (c *check) whole(code Code, level Level, refused bool, message string) {
	c.add(Finding{Code: code, Level: level, Refused: refused, Link: NoLink, Message: message})
}

func (c *check) tracksBody() bool { return c.mail.Opens || c.mail.Links }

func (c *check) checkOptions() {
	if chars := utf8.RuneCountInString(c.mail.Label); chars > rules.MaxLabelChars {
		c.whole(CodeLabelTooLong, LevelError, true,
			fmt.Sprintf("the label has %d characters: shorten it to %d", chars, rules.MaxLabelChars))
	}
	if c.mail.DomainName == "" {
		return
	}
	if !c.tracksBody() {
		c.whole(CodeDomainNameWithoutEffect, LevelError, true,
			"replies do not use DomainName: leave it out, or switch Opens or Links on")
	}
	if err := rules.CheckHostname(c.mail.DomainName); err != nil {
		c.whole(CodeDomainNameMalformed, LevelError, true, "correct DomainName: it "+err.Error())
	}
}

func (c *check) checkRecipients() {
	if !c.tracksBody() {
		return
	}
	if len(c.mail.Recipients) > 1 {
		c.whole(CodeGroupMail, LevelInfo, false,
			"nobody can tell which recipient opened or clicked: send one message to each to know")
	}
	for _, sender := range c.mail.Senders {
		if slices.ContainsFunc(c.mail.Recipients, func(r string) bool { return sameAddress(r, sender) }) {
			c.whole(CodeSelfRecipient, LevelWarning, false,
				"the sender is a recipient, and will be counted: leave the sender out, or track another message")
		}
	}
}

func sameAddress(a, b string) bool {
	return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
}

func (c *check) checkBody() {
	fromTemplate := c.mail.Template && c.mail.Body == ""
	if c.tracksBody() && !c.mail.Plaintext && (fromTemplate || c.mail.Signature) {
		c.whole(CodeBodyIncomplete, LevelInfo, false,
			"a template or a signature adds to the body at Nylas: check the links in it too, they count")
	}
	c.checkEncoding()
	tags := false
	if !c.mail.Plaintext {
		tags = c.scanBody(c.mail.Body)
	}
	if c.tracksBody() && !tags && !fromTemplate {
		c.whole(CodePlaintextUntrackable, LevelError, false,
			"plain text holds no pixel and no tracked link: write the body as HTML, or switch Opens and Links off")
	}
	if c.tracksBody() && tags && len(c.mail.Body) > gmailClipBytes {
		c.whole(CodeGmailClip, LevelWarning, false,
			"Gmail cuts the message off, with the links behind the cut and maybe the pixel: shorten the body to 102 kB")
	}
	if !c.mail.Links {
		return
	}
	switch eligible, all := c.report.Eligible, c.report.Eligible+c.report.Unknown; {
	case eligible > rules.MaxTrackedLinks:
		c.whole(CodeTooManyLinks, LevelError, true, fmt.Sprintf(
			"%d links would be tracked, and Nylas takes at most %d: remove some, or switch Links off", eligible, rules.MaxTrackedLinks))
	case all > rules.MaxTrackedLinks:
		c.whole(CodeTooManyLinks, LevelWarning, false, fmt.Sprintf(
			"%d links might be tracked, and Nylas takes at most %d: remove some, or switch Links off", all, rules.MaxTrackedLinks))
	}
}

// checkEncoding looks for bytes that are not UTF-8.
func (c *check) checkEncoding() {
	body := c.mail.Body
	if utf8.ValidString(body) {
		return
	}
	finding := Finding{
		Code: CodeInvalidUTF8, Level: LevelWarning, Link: NoLink,
		Message: "the body is not UTF-8, so recipients see other characters instead of those bytes: convert it before the mail is sent",
	}
	for i := 0; i < len(body); {
		r, size := utf8.DecodeRuneInString(body[i:])
		if r == utf8.RuneError && size == 1 {
			if finding.Count++; finding.Count == 1 {
				finding.Line = strings.Count(body[:i], "\n") + 1
				finding.Column = utf8.RuneCountInString(body[strings.LastIndexByte(body[:i], '\n')+1:i]) + 1
			}
		}
		i += size
	}
	if finding.Count > 1 {
		finding.Message = fmt.Sprintf("%s (%d bytes)", finding.Message, finding.Count)
	}
	c.add(finding)
}
