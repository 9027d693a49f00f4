package preflight

import (
	"fmt"
	"slices"
)

// Report is what Nylas will make of the tracking of a mail, as far as its documents
// say.
type Report struct {
	// Links are the anchors of the body in their order, at most 10,000 of them.
	Links []Link
	// Eligible, Skipped and Unknown count all anchors by their status.
	Eligible, Skipped, Unknown int
	// Findings are sorted by their place in the body. Those about the whole mail come
	// first. There are none about single links behind the first 1000: Nylas takes 100.
	Findings []Finding
	// OmittedFindings counts the findings that Findings leaves out: it holds at most
	// 1000 with the same code.
	OmittedFindings int
}

// The limits of a Report, chosen here: a hostile body must not grow into a report many
// times its size.
const (
	maxReportLinks    = 10_000
	maxCheckedLinks   = 1000
	maxReportFindings = 1000 // with one code
	maxLinkTextChars  = 200
)

// Refused reports whether Nylas is documented to reject the mail.
func (r *Report) Refused() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Refused })
}

// Link is an anchor of a body.
type Link struct {
	// Line and Column are where the anchor's "<" stands. Both start at 1. Columns count
	// characters.
	Line, Column int
	// Text is what a reader sees of the link, at most 200 characters. It is empty for
	// an image.
	Text string
	// Target is the value of href with its character references resolved. It is empty
	// if there is no href.
	Target string
	// Status is what happens to the link if Mail.Links is on.
	Status Status
	// Reason says why a link is not eligible. It is empty if the link is.
	Reason Code
}

// Status says whether Nylas tracks a link.
type Status string

// What becomes of a link.
const (
	// StatusEligible means that Nylas is documented to track the link. It is a valid
	// https, mailto or tel URL without login credentials.
	StatusEligible Status = "eligible"
	// StatusSkipped means that Nylas is documented to leave the link as it is. The link
	// works, and nobody sees the clicks on it.
	StatusSkipped Status = "skipped"
	// StatusUnknown means that Nylas' documents do not say.
	StatusUnknown Status = "unknown"
)

// Finding is something about a mail that its sender should know.
type Finding struct {
	Code  Code
	Level Level
	// Refused is set if Nylas is documented to reject the mail because of this.
	Refused bool
	// Line and Column are a place in the body. Both start at 1, and both are 0 if the
	// finding is about the whole mail. Columns count characters.
	Line, Column int
	// Link is the index in Links of the link that the finding is about, or NoLink.
	Link int
	// Count is how many places of the mail the finding is about. It is 1 for most. If it
	// is more, the finding has the place and the link of the first.
	Count int
	// Message says what to do. It holds no address, link or text of the mail.
	Message string
}

// NoLink is [Finding].Link of a finding that is not about a listed link.
const NoLink = -1

// String returns the place, the level, the code and the message.
func (f Finding) String() string {
	text := fmt.Sprintf("%s: %s: %s", f.Level, f.Code, f.Message)
	if f.Line > 0 {
		text = fmt.Sprintf("%d:%d: %s", f.Line, f.Column, text)
	}
	return text
}

// Level is how much a finding matters.
type Level string

// The levels of findings.
const (
	// LevelError means that Nylas will reject the mail, or that tracking cannot do what
	// was asked.
	LevelError Level = "error"
	// LevelWarning means that the mail is probably not what the sender wants.
	LevelWarning Level = "warning"
	// LevelInfo is good to know.
	LevelInfo Level = "info"
)
