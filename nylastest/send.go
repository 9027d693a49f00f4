package nylastest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/internal/markup"
)

// Limits of a send.
const (
	// https://developer.nylas.com/docs/dev-guide/metadata/
	maxMetadataPairs = 50
	maxMetadataKey   = 40  // characters
	maxMetadataValue = 500 // characters
	// https://developer.nylas.com/docs/reference/api/messages/send-message/
	maxLabel = 2048 // characters
	// https://developer.nylas.com/docs/v3/email/message-tracking/
	maxLinks = 100
	// maxScheduleAhead holds for schedules that Nylas keeps, not for drafts of the
	// provider. The minimum differs between Nylas' pages, one minute or two, so
	// every time to come is taken.
	// https://developer.nylas.com/docs/v3/email/scheduled-send/
	maxScheduleAhead = 30 * 24 * time.Hour
)

// The texts by which Nylas refuses tracking, and an SDK recognises it.
const (
	textTrial      = "Tracking options are not allowed for trial accounts"
	textLabel      = "The message has not been sent. Please try resending with %s tracking disabled."
	textDomain     = "tracking_options.domain_name must be an active custom hostname for this organization"
	textManyLinks  = "Too many tracking links: %d exceeds the maximum of %d. Please reduce the number of links in your email."
	textDeniedLink = "%s has been reported as phishing or spam. please remove the link from your email."
)

// sendRequest is the body of a send, with every field that Nylas documents.
//
// https://developer.nylas.com/docs/reference/api/messages/send-message/
type sendRequest struct {
	To               []participant       `json:"to"`
	CC               []participant       `json:"cc"`
	BCC              []participant       `json:"bcc"`
	ReplyTo          []participant       `json:"reply_to"`
	From             []participant       `json:"from"`
	Subject          *string             `json:"subject"`
	Body             *string             `json:"body"`
	IsPlaintext      bool                `json:"is_plaintext"`
	Attachments      []requestAttachment `json:"attachments"`
	CustomHeaders    []Header            `json:"custom_headers"`
	Metadata         map[string]string   `json:"metadata"`
	ReplyToMessageID string              `json:"reply_to_message_id"`
	SendAt           *int64              `json:"send_at"`
	UseDraft         bool                `json:"use_draft"`
	SignatureID      string              `json:"signature_id"`
	Template         *template           `json:"template"`
	// TrackingOptions is read later: on a trial account its presence matters.
	TrackingOptions jsontext.Value `json:"tracking_options"`
}

type participant struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

type template struct {
	ID        string                    `json:"id"`
	Strict    *bool                     `json:"strict"`
	Variables map[string]jsontext.Value `json:"variables"`
}

type trackingOptions struct {
	Opens         bool    `json:"opens"`
	Links         bool    `json:"links"`
	ThreadReplies bool    `json:"thread_replies"`
	Label         string  `json:"label"`
	DomainName    *string `json:"domain_name"`
}

// serveSend is a send up to its execution.
func (s *Server) serveSend(c *call) *response {
	grant, refusal := s.grantOf(c)
	if refusal != nil {
		return refusal
	}
	return s.sendOnce(c, grant.id, func(key string) *response { return s.executeSend(c, grant, key) })
}

// executeSend checks and does a send. It does not look at the context of the
// request: a client that hangs up does not stop Nylas.
func (s *Server) executeSend(c *call, grant grant, key string) *response {
	query, refusal := c.query("fields", "type")
	if refusal != nil {
		return refusal
	}
	fields := query.Get("fields")
	switch fields {
	case "", fieldsStandard, fieldsHeaders, fieldsBasicHeaders:
	default:
		return badRequest("fields must be standard, include_headers or include_basic_headers")
	}
	switch query.Get("type") {
	case "":
	case typeMIME:
		message, refusal := c.readMIME(grant)
		if refusal != nil {
			return refusal
		}
		return s.sendNow(grant, message, key, s.ids.token("token", message.content()), fields)
	default:
		return badRequest("type must be mime")
	}
	var request sendRequest
	attachments, refusal := c.decodeSend(&request)
	if refusal != nil {
		return refusal
	}
	if refusal := request.check(time.Now()); refusal != nil {
		return refusal
	}
	tracking, refusal := s.checkTracking(c, request.TrackingOptions)
	if refusal != nil {
		return refusal
	}
	message := request.message(grant, tracking)
	message.attach(attachments)

	// Tracking is put in when a schedule is made, so what is wrong with a link is
	// said at once.
	token := s.ids.token("token", message.content())
	if refusal := s.insertTracking(&message, token); refusal != nil {
		return refusal
	}
	if request.SendAt != nil {
		message.IdempotencyKey = key
		return s.schedule(message, token, *request.SendAt)
	}
	return s.sendNow(grant, message, key, token, fields)
}

// sendNow sends a message, or puts it into the queue of the organization.
func (s *Server) sendNow(grant grant, message Message, key, token, fields string) *response {
	message.IdempotencyKey = key
	t, refusal := s.queue.enter(grant)
	if refusal != nil {
		return refusal
	}
	return s.dispatch(t, message, token, fields, func() {})
}

// insertTracking makes the body that recipients see.
func (s *Server) insertTracking(message *Message, token string) *response {
	if message.IsPlaintext {
		return nil
	}
	tracking := message.Tracking
	rewritten := rewrite(message.OriginalBody, tracking, s.trackingBase(tracking.DomainName), token)
	for _, link := range rewritten.links {
		if markup.IsDenylisted(markup.HostOf(link.URL)) {
			return errorResponse(http.StatusBadRequest, typeTracking, fmt.Sprintf(textDeniedLink, link.URL))
		}
	}
	if n := len(rewritten.links); n > maxLinks {
		return badRequest(fmt.Sprintf(textManyLinks, n, maxLinks))
	}
	message.Body, message.PixelURL, message.Links = rewritten.body, rewritten.pixel, rewritten.links
	return nil
}

// check applies the rules that concern no tracking.
func (r *sendRequest) check(now time.Time) *response {
	if len(r.To) == 0 {
		return badRequest("to must have at least one recipient")
	}
	if refusal := r.checkContent(); refusal != nil {
		return refusal
	}
	if r.SendAt == nil {
		if r.UseDraft {
			return badRequest("use_draft needs send_at")
		}
		return nil
	}
	switch ahead := time.Unix(*r.SendAt, 0).Sub(now); {
	case ahead <= 0:
		return badRequest("send_at is in the past")
	case ahead > maxScheduleAhead && !r.UseDraft:
		return badRequest("send_at is more than 30 days ahead")
	default:
		return nil
	}
}

// checkContent applies the rules that hold for drafts, too.
func (r *sendRequest) checkContent() *response {
	if len(r.From) > 1 {
		return badRequest("from must have one sender at most")
	}
	for name, list := range map[string][]participant{"to": r.To, "cc": r.CC, "bcc": r.BCC, "reply_to": r.ReplyTo, "from": r.From} {
		for i, p := range list {
			if at := strings.LastIndexByte(p.Email, '@'); at < 1 || at == len(p.Email)-1 || hasControl(p.Email) {
				return badRequest(fmt.Sprintf("%s[%d].email is not an address", name, i))
			}
		}
	}
	for i, h := range r.CustomHeaders {
		if !isHeaderName(h.Name) {
			return badRequest(fmt.Sprintf("custom_headers[%d].name is not the name of a header", i))
		}
		if hasControl(strings.ReplaceAll(h.Value, "\t", "")) {
			return badRequest(fmt.Sprintf("custom_headers[%d].value has a line break or another control character", i))
		}
	}
	if refusal := checkMetadata(r.Metadata); refusal != nil {
		return refusal
	}
	if r.Template != nil && (r.Subject == nil || r.Body == nil) {
		return badRequest("template.id: this emulator has no templates, so subject and body must be given")
	}
	return nil
}

// hasControl reports whether text has a character that would end the line of a header.
func hasControl(text string) bool { return strings.ContainsFunc(text, unicode.IsControl) }

// isHeaderName reports whether a name is one of RFC 5322, section 2.2: of printable ASCII
// without a colon.
func isHeaderName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' })
}

func checkMetadata(metadata map[string]string) *response {
	if len(metadata) > maxMetadataPairs {
		return badRequest(fmt.Sprintf("metadata has more than %d pairs", maxMetadataPairs))
	}
	for key, value := range metadata {
		if utf8.RuneCountInString(key) > maxMetadataKey || utf8.RuneCountInString(value) > maxMetadataValue {
			return badRequest(fmt.Sprintf("a metadata key is longer than %d characters or a value than %d", maxMetadataKey, maxMetadataValue))
		}
	}
	return nil
}

// checkTracking reads tracking_options. No options and null are the same, other
// than on a trial account.
func (s *Server) checkTracking(c *call, raw jsontext.Value) (Tracking, *response) {
	if raw == nil {
		return Tracking{}, nil
	}
	if s.config.trial {
		return Tracking{}, badRequest(textTrial)
	}
	var request struct {
		TrackingOptions trackingOptions `json:"tracking_options"`
	}
	if refusal := c.decode([]byte(`{"tracking_options":`+string(raw)+`}`), &request); refusal != nil {
		return Tracking{}, refusal
	}
	o := request.TrackingOptions
	tracking := Tracking{Opens: o.Opens, Links: o.Links, ThreadReplies: o.ThreadReplies, Label: o.Label}
	if refusal := tracking.checkLabel(); refusal != nil {
		return Tracking{}, refusal
	}
	if o.DomainName != nil {
		tracking.DomainName = normalHostname(*o.DomainName)
		if !s.config.trackingDomains[tracking.DomainName] || !o.Opens && !o.Links {
			return Tracking{}, badRequest(textDomain)
		}
	}
	return tracking, nil
}

func (t *Tracking) checkLabel() *response {
	if utf8.RuneCountInString(t.Label) <= maxLabel {
		return nil
	}
	kind := "open"
	if t.ThreadReplies && !t.Opens && !t.Links {
		kind = "reply"
	}
	return badRequest(fmt.Sprintf(textLabel, kind))
}

// message makes the message out of a request that was checked.
func (r *sendRequest) message(grant grant, tracking Tracking) Message {
	m := Message{
		GrantID: grant.id,
		From:    events.Participant{Name: grant.name, Email: grant.email},
		To:      participants(r.To), CC: participants(r.CC), BCC: participants(r.BCC), ReplyTo: participants(r.ReplyTo),
		Subject: deref(r.Subject), Body: deref(r.Body), OriginalBody: deref(r.Body), IsPlaintext: r.IsPlaintext,
		Tracking:         tracking,
		Metadata:         r.Metadata,
		CustomHeaders:    r.CustomHeaders,
		ReplyToMessageID: r.ReplyToMessageID,
		SignatureID:      r.SignatureID,
		UseDraft:         r.UseDraft,
	}
	if len(r.From) == 1 {
		m.From = events.Participant(r.From[0])
	}
	return m
}

func participants(list []participant) []events.Participant {
	out := make([]events.Participant, len(list)) // never nil: answers have []
	for i, p := range list {
		out[i] = events.Participant(p)
	}
	return out
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// schedule keeps a message until its time has come.
func (s *Server) schedule(message Message, token string, sendAt int64) *response {
	message.ScheduleID = s.ids.uuid("schedule", message.content())
	if !s.startSchedule(message, token, time.Unix(sendAt, 0)) {
		return closedResponse()
	}
	schedule := map[string]any{"schedule_id": message.ScheduleID, "send_at": sendAt, "use_draft": message.UseDraft}
	if s.config.readings.ScheduleOnTop {
		schedule["grant_id"] = message.GrantID
		return jsonResponse(http.StatusAccepted, schedule)
	}
	schedule["reply_to_message_id"] = message.ReplyToMessageID
	return jsonResponse(http.StatusOK, map[string]any{"grant_id": message.GrantID, "data": schedule})
}

func (s *Server) executeSchedule(ctx context.Context, message Message, token string, sendAt time.Time) {
	if !sleep(ctx, time.Until(sendAt)) {
		return
	}
	grant, _ := s.grants.find(message.GrantID)
	t, failure := s.queue.enter(grant)
	defer t.end()
	if failure == nil && t.wait(ctx) {
		fault := s.faults.at(EndpointScheduledSend, message.ScheduleID)
		failure = fault.execute(ctx, func() *response { return s.grants.barred(message.GrantID) })
	}
	if ctx.Err() != nil {
		return
	}
	if failure != nil && failure.status >= http.StatusBadRequest {
		s.schedules.end(message.ScheduleID, scheduleFailed)
		s.sendFailed(&message, failure, sendAt)
		return
	}
	message, notification := s.mailbox.put(message, token)
	s.schedules.end(message.ScheduleID, scheduleSuccess)
	s.notify(newNotification(sourceSend, events.TypeMessageSendSuccess, s.applicationID, message.GrantID, time.Now(),
		&events.MessageSendSuccess{Message: message.sentMessage(sendAt)}))
	s.sent(&message, notification)
}

// sleep waits, and reports false if the context ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
