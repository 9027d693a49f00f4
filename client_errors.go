package nylas

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nylastrack/nylas-go/internal/loose"
	"github.com/nylastrack/nylas-go/internal/rules"
)

// Use these errors with [errors.Is]. An error can match more than one of them: a
// rejected link is also an invalid request.
//
// https://developer.nylas.com/docs/api/errors/
var (
	// ErrTrackingNotAllowed means that the application is a trial or sandbox
	// application. Nylas then refuses all messages with tracking options.
	ErrTrackingNotAllowed = errors.New("nylas: tracking is not allowed for trial accounts: " + adviceTrial)
	// ErrTooManyLinks means that TrackingOptions.Links is on and the body has more than
	// 100 links.
	ErrTooManyLinks = errors.New("nylas: too many tracked links: " + adviceLinks)
	// ErrLinkRejected means that Nylas considers a tracked link phishing or spam. Links
	// to example.com are among them.
	ErrLinkRejected = errors.New("nylas: a tracked link was rejected: " + adviceRejected)
	// ErrTrackingDataTooLarge means that the tracking label is too long.
	ErrTrackingDataTooLarge = errors.New("nylas: tracking data is too large: " + adviceLabel)
	// ErrTrackingDomain means that TrackingOptions.DomainName cannot be used.
	ErrTrackingDomain = errors.New("nylas: the tracking domain cannot be used: " + adviceDomain)
	// ErrInvalidRequest means that the request is wrong. If the SDK found that before
	// any I/O, Error.StatusCode is 0.
	ErrInvalidRequest = errors.New("nylas: invalid request")
	// ErrUnauthorized means that the API key is wrong or belongs to another region, or, in a
	// call for a grant, that the grant has expired: its owner must authenticate again. Then
	// its [Grant.GrantStatus] is GrantInvalid.
	// https://developer.nylas.com/docs/dev-guide/best-practices/grant-lifecycle/
	ErrUnauthorized = errors.New("nylas: unauthorized: " + adviceKey)
	// ErrForbidden means that Nylas or the mail provider does not allow the request.
	// Error.Message says why: the grant lacks a scope, the user must authenticate again,
	// Microsoft has put the tenant into quarantine, or Nylas has blocked an Agent Account
	// for abuse. A proxy on the way can answer 403 too; Error.Type is empty then.
	//
	// https://developer.nylas.com/docs/changelogs/2026-11-12-scheduler-send-notetaker-and-agent-account-fixes/
	ErrForbidden = errors.New("nylas: forbidden")
	// ErrNotFound means that the grant, message, draft, schedule, webhook or channel
	// does not exist.
	ErrNotFound = errors.New("nylas: not found")
	// ErrIdempotencyConflict means that another request already used the
	// Idempotency-Key: one with another content. That request may have been carried out,
	// so the error matches ErrOutcomeUnknown too. Look for the message before you send
	// it with a new key.
	ErrIdempotencyConflict = errors.New("nylas: the Idempotency-Key was used for another request")
	// ErrRateLimited means that there were too many requests, for Nylas or for the mail
	// provider. If it was the provider, the error also matches ErrProviderRateLimited.
	// Otherwise a limit of Nylas was reached, which counts requests per second. Try
	// again soon, and use WithRateLimit to stay below it.
	//
	// https://developer.nylas.com/docs/dev-guide/platform/rate-limits/
	ErrRateLimited = errors.New("nylas: rate limited")
	// ErrProviderRateLimited means that there were too many requests for the mail
	// provider, or that a quota of the mailbox is used up. It rarely affects other
	// grants. Stop using this grant for Error.RetryAfter, or for some minutes if that is
	// 0: Microsoft Exchange throttles for about 20 minutes, and a daily quota lasts until
	// the end of the day. Error.ProviderError can say more. The error also matches
	// ErrRateLimited.
	//
	// https://developer.nylas.com/docs/dev-guide/platform/rate-limits/
	ErrProviderRateLimited = errors.New("nylas: rate limited by the mail provider")
	// ErrSendingPaused means that Nylas has paused sending from an Agent Account, because
	// too much of its mail bounced or was reported as spam. It is no rate limit, whatever
	// the status: waiting does not help. Stop sending from the account, and ask Nylas'
	// support to end the pause.
	//
	// https://developer.nylas.com/docs/v3/agent-accounts/send-limits/
	ErrSendingPaused = errors.New("nylas: sending is paused: " + advicePaused)
	// ErrOutcomeUnknown means that Nylas may have carried out the request:
	//
	//   - there was no response to an attempt
	//   - the response was 408, 500, 502 or 504
	//   - a gateway or proxy answered instead of Nylas, such as 403 with a page, or 503
	//     without a body, of which nobody knows who wrote it
	//   - an earlier request with the Idempotency-Key runs, or had another content
	//   - the response was 2xx without saying what was done
	//
	// Within 55 minutes of the first attempt, repeat a send with Error.IdempotencyKey and
	// the same content: that usually finds the outcome. A new key may send a second mail.
	// The same key can do that too: Nylas forgets the key of a request whose client
	// disconnected, and does not say whether that request sent the mail. After an hour
	// Nylas forgets every key. If a second mail does harm, look for the message
	// first: with Messages.FindSent, for which it needs WithMark.
	//
	// https://developer.nylas.com/docs/changelogs/2026-09-28-send-imap-and-scheduler-fixes/
	ErrOutcomeUnknown = errors.New("nylas: outcome unknown: the request may have been carried out")
)

// What to do about an error.
var (
	adviceLinks = fmt.Sprintf("send at most %d, or switch TrackingOptions.Links off", rules.MaxTrackedLinks)
	adviceLabel = fmt.Sprintf("use a label of at most %d characters", rules.MaxLabelChars)
)

const (
	adviceTrial    = "use a production application, or leave TrackingOptions nil"
	adviceRejected = "remove the link, or switch TrackingOptions.Links off"
	adviceDomain   = "it must be an active custom hostname of the organization, with Opens or Links on"
	adviceKey      = "check the API key and its region, and whether the owner of the grant must authenticate again"
	adviceProvider = "the limit is that of the mail provider"
	advicePaused   = "stop sending from the Agent Account, and ask Nylas' support to end the pause"
)

// Error is the error that every call returns. With [errors.Is] it matches the errors of
// this package, such as [ErrNotFound], and the error of the transport or the context
// that ended the call.
//
// Its text has the operation, the status, the type, the message and the request id. It
// contains no links, addresses, API keys, Idempotency-Keys or ids from paths.
//
// The fields decide what an Error matches, so a test can make one:
// &Error{StatusCode: 429} matches [ErrRateLimited].
type Error struct {
	// Op is the operation, such as "send message".
	Op string
	// StatusCode is the HTTP status of the last attempt, 0 if there was no response.
	StatusCode int
	// Type is the type that Nylas gives the error, without "api.", such as
	// "invalid_request_error". Errors of webhook calls have numbers, such as "70005".
	Type string
	// Message is the message of Nylas, unchanged. It can contain links and addresses.
	Message string
	// RequestID is the id of the request at Nylas. Nylas' support can look it up.
	RequestID string
	// ProviderError is the error of the mail provider, in the provider's own format. It
	// can contain addresses.
	ProviderError json.RawMessage
	// RetryAfter is how long Nylas asks to wait, 0 if it does not ask.
	RetryAfter time.Duration
	// Attempts is how many requests the SDK made. 0 means that the SDK refused the call,
	// or that the context ended before the first request.
	Attempts int
	// IdempotencyKey is the key of the call, if it had one.
	IdempotencyKey string
	// Mark is what the message can be found by with [MessageService.FindSent], if the
	// call had WithMark.
	Mark string
	// Replayed reports whether Nylas repeated its response to an earlier request with
	// the same key.
	Replayed bool
	// NeedsNewKey reports whether another try needs a new IdempotencyKey. This call sent
	// nothing, but for an hour Nylas answers requests with the same key with this error or
	// with a conflict. Without WithIdempotencyKey each call has a new key. With it, an
	// earlier call with the same key may have sent the message: if the error of one
	// matched ErrOutcomeUnknown, look for the message before you send with a new key.
	NeedsNewKey bool
	// OutcomeUnknown reports whether Nylas may have carried out the request; see
	// ErrOutcomeUnknown.
	OutcomeUnknown bool

	givenKey bool    // the key is one of WithIdempotencyKey
	refused  []error // what an error that the SDK found itself matches
	cause    error
	// secrets returns what no text may show. It is a function so that a dump of the
	// struct does not show it either.
	secrets func() []string
}

// Error returns the text described at [Error].
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("nylas: ")
	if e.Op != "" {
		b.WriteString(e.Op + ": ")
	}
	message := e.redact(e.Message)
	if e.refused != nil {
		message = e.Message // the SDK's own words
	}
	if e.StatusCode != 0 {
		b.WriteString(strings.TrimSpace(strconv.Itoa(e.StatusCode)+" "+e.redact(e.Type)) + ": ")
	}
	b.WriteString(cmp.Or(message, http.StatusText(e.StatusCode), e.noAnswer()))
	if e.RequestID != "" {
		b.WriteString(" (request " + e.redact(e.RequestID) + ")")
	}
	if _, advice := e.kinds(); advice != "" {
		b.WriteString(": " + advice)
	}
	if e.cause != nil {
		b.WriteString(": " + e.redact(e.cause.Error()))
	}
	b.WriteString(e.outcome())
	return b.String()
}

// noAnswer is what an error without an answer begins with.
func (e *Error) noAnswer() string {
	if e.Attempts == 0 && e.cause != nil {
		return "no request was made"
	}
	return "no answer"
}

// outcome says what the error tells of the outcome. That nothing was sent it says only if
// that is known.
func (e *Error) outcome() string {
	const newKey = "and a new try needs a new Idempotency-Key"
	switch {
	case e.OutcomeUnknown && e.Is(ErrIdempotencyConflict):
		return "; outcome unknown: an earlier request with this Idempotency-Key may have been carried out, " +
			"and sending with a new one may send a second mail"
	case e.OutcomeUnknown && e.IdempotencyKey != "":
		return "; outcome unknown: the request may have been carried out, " +
			"and repeating it with a new Idempotency-Key may send a second mail"
	case e.OutcomeUnknown:
		return "; outcome unknown: the request may have been carried out"
	case e.NeedsNewKey && e.givenKey:
		return "; this call sent nothing, " + newKey + " unless an earlier call with this one sent the message"
	case e.NeedsNewKey:
		return "; nothing was sent, " + newKey
	default:
		return ""
	}
}

// redact prepares foreign text for that of the error.
func (e *Error) redact(text string) string {
	if e.secrets == nil {
		return redact(text)
	}
	return redact(text, e.secrets()...)
}

// Is reports whether the error matches target, one of the errors of this package.
func (e *Error) Is(target error) bool {
	if target == ErrOutcomeUnknown {
		return e.OutcomeUnknown
	}
	kinds, _ := e.kinds()
	return slices.Contains(kinds, target)
}

// Unwrap returns the error of the transport or the context, if one ended the call.
func (e *Error) Unwrap() error { return e.cause }

// refuse returns the error for a request that is wrong before any I/O.
func refuse(op *operation, reason string, kinds ...error) *Error {
	return &Error{Op: op.name, Message: reason, refused: append([]error{ErrInvalidRequest}, kinds...)}
}

// checkChars refuses a value with more characters than Nylas takes.
func checkChars(op *operation, name, value string, limit int, matches ...error) error {
	if chars := utf8.RuneCountInString(value); chars > limit {
		return refuse(op, fmt.Sprintf("%s has %d characters, Nylas takes at most %d", name, chars, limit), matches...)
	}
	return nil
}

// deletionError returns the error of a deletion. It is nil if a repeated attempt did
// not find what an earlier one may have deleted.
func deletionError(err error) error {
	if failed, ok := errors.AsType[*Error](err); ok && failed.Attempts > 1 && errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// decode fills the error from an answer. A body that is not JSON, such as a
// gateway's page, says nothing that the status does not say, and no member of
// one that is can hide the others.
func (e *Error) decode(status int, header http.Header, body []byte) {
	e.StatusCode = status
	answer := loose.Parse(body)
	e.RequestID = cmp.Or(answer.Text("request_id"), header.Get("X-Request-Id"))
	detail := loose.Parse(answer["error"])
	if detail == nil {
		// Some parts of the API follow OAuth, where error is a string.
		e.Type, e.Message = answer.Text("error"), answer.Text("error_description")
		return
	}
	e.Type = detail.Text("type")
	if detail["type"].Kind() == '0' { // webhooks have numbers
		e.Type = string(detail["type"])
	}
	e.Type = strings.TrimPrefix(e.Type, "api.")
	e.Message = detail.Text("message")
	if kind := detail["provider_error"].Kind(); kind != 'n' && kind != 0 {
		e.ProviderError = json.RawMessage(detail["provider_error"])
	}
}

// The error types that decide something, without "api.".
const (
	typeConcurrentRequest = "concurrent_idempotent_request"
	typeConflict          = "invalid_idempotent_request"
	typeTracking          = "tracking_error"
	typeBadToken          = "token.unauthorized_access"
	typeWebhookUnknown    = "70000"
)

// kinds returns the sentinels that the error matches, but for ErrOutcomeUnknown,
// and what to do about it. Nylas gives no types to most errors of tracking; they
// are known by the texts of https://developer.nylas.com/docs/v3/email/message-tracking/.
func (e *Error) kinds() (kinds []error, advice string) {
	if e.StatusCode < http.StatusBadRequest {
		return e.refused, ""
	}
	is := func(kind error, hint string) {
		kinds = append(kinds, kind)
		advice = cmp.Or(advice, hint)
	}
	says := func(text string) bool {
		return strings.Contains(strings.ToLower(e.Message), text)
	}
	switch {
	case e.Type == typeTracking:
		is(ErrLinkRejected, adviceRejected)
	case says("not allowed for trial"):
		is(ErrTrackingNotAllowed, adviceTrial)
	case says("too many tracking links"):
		is(ErrTooManyLinks, adviceLinks)
	case says("tracking disabled"):
		is(ErrTrackingDataTooLarge, adviceLabel)
	case says("tracking_options.domain_name"):
		is(ErrTrackingDomain, adviceDomain)
	}
	paused := says("sending") && says("paused")
	if paused {
		is(ErrSendingPaused, advicePaused)
	}
	switch {
	case e.StatusCode == http.StatusUnauthorized, e.Type == typeBadToken:
		is(ErrUnauthorized, adviceKey)
	case e.StatusCode == http.StatusForbidden:
		is(ErrForbidden, "")
	case e.StatusCode == http.StatusNotFound, e.Type == typeWebhookUnknown && says("not.found"):
		is(ErrNotFound, "")
	case e.Type == typeConflict:
		is(ErrIdempotencyConflict, "")
	case e.StatusCode == http.StatusTooManyRequests && paused:
		// It does not pass by waiting.
	case e.StatusCode == http.StatusTooManyRequests && e.ProviderError != nil:
		// The types of the two contradict each other from page to page.
		is(ErrRateLimited, "")
		is(ErrProviderRateLimited, adviceProvider)
	case e.StatusCode == http.StatusTooManyRequests:
		is(ErrRateLimited, "")
	case e.StatusCode == http.StatusBadRequest:
		is(ErrInvalidRequest, "")
	}
	return kinds, advice
}

// isLink reports whether a word in small letters is a URL, a path, or a host with a path.
func isLink(word string) bool {
	host, _, hasPath := strings.Cut(word, "/")
	return hasPath && (host == "" || strings.ContainsAny(host, ".:")) ||
		strings.Contains(word, "tel:") || strings.Contains(word, "www.")
}

// maxMessageText bounds what an error's text repeats of a message.
const maxMessageText = 400

// redact prepares foreign text for an error or a log: without control
// characters, links, addresses and the given secrets, and not too long.
func redact(text string, secrets ...string) string {
	for _, secret := range secrets {
		text = removeSecret(text, secret)
	}
	words := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
	for i, word := range words {
		switch word = strings.ToLower(word); {
		case strings.ContainsAny(word, "@＠"), strings.Contains(word, "%40"):
			words[i] = "[address]"
		case isLink(word):
			words[i] = "[link]"
		}
	}
	text = strings.Join(words, " ")
	if len(text) > maxMessageText {
		cut := maxMessageText
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "…"
	}
	return text
}

// removeSecret replaces a secret in text. What can be a part of a word, because it is
// short or has letters only, is replaced where it is a whole word: the key "request" is
// no part of "invalid_request_error".
func removeSecret(text, secret string) string {
	const removed = "[…]"
	if secret == "" {
		return text
	}
	isPlain := len(secret) < shortIDBytes ||
		!strings.ContainsFunc(secret, func(r rune) bool { return !unicode.IsLetter(r) && r != '_' && r != '-' })
	if !isPlain {
		return strings.ReplaceAll(text, secret, removed)
	}
	var b strings.Builder
	last := rune(0) // before text
	for text != "" {
		if rest, found := strings.CutPrefix(text, secret); found && !isWordChar(last) {
			if next, _ := utf8.DecodeRuneInString(rest); rest == "" || !isWordChar(next) {
				b.WriteString(removed)
				text, last = rest, ']'
				continue
			}
		}
		r, size := utf8.DecodeRuneInString(text)
		b.WriteString(text[:size])
		text, last = text[size:], r
	}
	return b.String()
}

func isWordChar(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' || r == '-'
}
