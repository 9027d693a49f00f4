package nylas

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// The limits of a message.
const (
	// maxScheduleDays is for messages that Nylas keeps until they are sent.
	// https://developer.nylas.com/docs/v3/email/scheduled-send/
	maxScheduleDays = 30

	// https://developer.nylas.com/docs/dev-guide/metadata/
	maxMetadataPairs      = 50
	maxMetadataKeyChars   = 40
	maxMetadataValueChars = 500
)

// check refuses what Nylas is documented to refuse.
func (r *SendMessageRequest) check(op *operation) error {
	switch {
	case len(r.To) == 0:
		return refuse(op, "To is empty: a message needs at least one recipient")
	case len(r.From) > 1:
		return refuse(op, "From has more than one participant")
	case r.UseDraft && r.SendAt.IsZero():
		return refuse(op, "UseDraft needs SendAt")
	case !r.UseDraft && tooFarAhead(r.SendAt):
		return refuse(op, fmt.Sprintf("SendAt is more than %d days ahead, which needs UseDraft", maxScheduleDays))
	}
	if err := checkSendAt(op, r.SendAt); err != nil {
		return err
	}
	if err := (mail{
		subject: r.Subject, to: r.To, cc: r.CC, bcc: r.BCC, from: r.From, replyTo: r.ReplyTo, answers: r.ReplyToMessageID, headers: r.CustomHeaders, metadata: r.Metadata,
	}).check(op); err != nil {
		return err
	}
	return r.TrackingOptions.check(op)
}

// check refuses what Nylas is documented to refuse.
func (r *SendTransactionalRequest) check(op *operation) error {
	switch {
	case len(r.To) == 0:
		return refuse(op, "To is empty: a message needs at least one recipient")
	case strings.TrimSpace(r.From.Email) == "":
		return refuse(op, "From has no Email")
	case tooFarAhead(r.SendAt):
		return refuse(op, fmt.Sprintf("SendAt is more than %d days ahead", maxScheduleDays))
	}
	if err := checkSendAt(op, r.SendAt); err != nil {
		return err
	}
	if err := (mail{
		subject: r.Subject, to: r.To, cc: r.CC, bcc: r.BCC, from: []Participant{r.From}, replyTo: r.ReplyTo, answers: r.ReplyToMessageID, headers: r.CustomHeaders, metadata: r.Metadata,
	}).check(op); err != nil {
		return err
	}
	return r.TrackingOptions.all().check(op)
}

// check refuses what Nylas is documented to refuse.
func (r *CreateDraftRequest) check(op *operation) error {
	if len(r.From) > 1 {
		return refuse(op, "From has more than one participant")
	}
	if err := (mail{
		subject: r.Subject, to: r.To, cc: r.CC, bcc: r.BCC, from: r.From, replyTo: r.ReplyTo, answers: r.ReplyToMessageID, headers: r.CustomHeaders, metadata: r.Metadata,
	}).check(op); err != nil {
		return err
	}
	return r.TrackingOptions.check(op)
}

func (r *UpdateDraftRequest) check(op *operation) error {
	var subject string
	if r.Subject != nil {
		subject = *r.Subject
	}
	if err := (mail{
		subject: subject, to: r.To, cc: r.CC, bcc: r.BCC, replyTo: r.ReplyTo, metadata: r.Metadata,
	}).check(op); err != nil {
		return err
	}
	return r.TrackingOptions.check(op)
}

// check takes a flag that is not set for one that may be on: what the draft has is
// not known here.
func (o *UpdateTrackingOptions) check(op *operation) error {
	if o == nil {
		return nil
	}
	merged := TrackingOptions{
		Opens:      o.Opens == nil || *o.Opens,
		Links:      o.Links == nil || *o.Links,
		DomainName: o.DomainName,
	}
	if o.Label != nil {
		merged.Label = *o.Label
	}
	return merged.check(op)
}

// mail is what all requests of mail have.
type mail struct {
	subject                    string
	answers                    string // a message id
	to, cc, bcc, from, replyTo []Participant
	headers                    []Header
	metadata                   map[string]string
}

func (m mail) check(op *operation) error {
	if hasLineBreak(m.subject) {
		return refuse(op, "Subject has a line break or NUL: give it in one line")
	}
	if hasLineBreak(m.answers) {
		return refuse(op, "ReplyToMessageID has a line break or NUL: give it in one line")
	}
	for _, list := range []struct {
		name         string
		participants []Participant
	}{{"To", m.to}, {"CC", m.cc}, {"BCC", m.bcc}, {"From", m.from}, {"ReplyTo", m.replyTo}} {
		for i, participant := range list.participants {
			if strings.TrimSpace(participant.Email) == "" {
				return refuse(op, fmt.Sprintf("%s[%d] has no Email", list.name, i))
			}
			if hasLineBreak(participant.Name) || hasLineBreak(participant.Email) {
				return refuse(op, fmt.Sprintf("%s[%d] has a line break or NUL: give it in one line", list.name, i))
			}
		}
	}
	if err := checkHeaders(op, m.headers); err != nil {
		return err
	}
	return checkMetadata(op, m.metadata)
}

// hasLineBreak reports whether a text could end the header that it goes into, or holds NUL,
// which no header may.
// https://www.rfc-editor.org/rfc/rfc5322#section-2.2
func hasLineBreak(text string) bool { return strings.ContainsAny(text, "\r\n\x00") }

func checkSendAt(op *operation, sendAt time.Time) error {
	if !sendAt.IsZero() && !sendAt.After(time.Now()) {
		return refuse(op, "SendAt is not in the future")
	}
	return nil
}

func tooFarAhead(sendAt time.Time) bool {
	return !sendAt.IsZero() && time.Until(sendAt) > maxScheduleDays*24*time.Hour
}

func checkMetadata(op *operation, metadata map[string]string) error {
	if len(metadata) > maxMetadataPairs {
		return refuse(op, fmt.Sprintf("Metadata has %d pairs, Nylas takes at most %d", len(metadata), maxMetadataPairs))
	}
	for key, value := range metadata {
		if utf8.RuneCountInString(key) > maxMetadataKeyChars {
			return refuse(op, fmt.Sprintf("Metadata has a key of more than %d characters", maxMetadataKeyChars))
		}
		if utf8.RuneCountInString(value) > maxMetadataValueChars {
			return refuse(op, fmt.Sprintf("Metadata has a value of more than %d characters", maxMetadataValueChars))
		}
	}
	return nil
}

// recipientHeaders have fields of their own, which the checks and a
// [TrackingPolicy] read.
var recipientHeaders = []string{"to", "cc", "bcc"}

// checkHeaders refuses a name or a value with a line break: it would begin another
// header, which could name a recipient whom no policy was asked about.
//
// https://www.rfc-editor.org/rfc/rfc5322#section-2.2
func checkHeaders(op *operation, headers []Header) error {
	for i, header := range headers {
		switch {
		case header.Name == "" || strings.ContainsFunc(header.Name, notInHeaderName):
			return refuse(op, fmt.Sprintf("CustomHeaders[%d] has a Name that is not printable ASCII without space and colon", i))
		case hasLineBreak(header.Value):
			return refuse(op, fmt.Sprintf("CustomHeaders[%d] has a line break or NUL in its Value: give it in one line", i))
		case slices.Contains(recipientHeaders, strings.ToLower(header.Name)):
			return refuse(op, fmt.Sprintf("CustomHeaders[%d] names recipients: use To, CC and BCC", i))
		}
	}
	return nil
}

func notInHeaderName(r rune) bool { return r <= ' ' || r > '~' || r == ':' }
