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
	// ErrUnauthorized means that the API key is wrong, or belongs to another region.
	ErrUnauthorized = errors.New("nylas: unauthorized: " + adviceKey)
	// ErrForbidden means that the grant lacks a scope.
	ErrForbidden = errors.New("nylas: forbidden")
	// ErrNotFound means that the grant, message, draft, schedule, webhook or channel
	// does not exist.
	ErrNotFound = errors.New("nylas: not found")
	// ErrIdempotencyConflict means that another request already used the
	// Idempotency-Key.
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
	// ErrOutcomeUnknown means that Nylas may have carried out the request: there was no
	// response to an attempt, or it was 500, 502 or 504, or it was 2xx without saying
	// what was done. It is safe to repeat a send with Error.IdempotencyKey within an
	// hour. A new key may send a second mail: look with Messages.FindSent first, for which
	// the message needs WithMark.
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
	adviceKey      = "check the API key and the region"
	adviceProvider = "the limit is that of the mail provider"
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
	// NeedsNewKey reports whether another try needs a new IdempotencyKey. Nothing was
	// sent, but for an hour Nylas answers requests with the same key with this error or
	// with a conflict. Without WithIdempotencyKey each call has a new key.
	NeedsNewKey bool
	// OutcomeUnknown reports whether Nylas may have carried out the request; see
	// ErrOutcomeUnknown.
	OutcomeUnknown bool

	refused []error // what an error that the SDK found itself matches
	cause   error
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
	b.WriteString(cmp.Or(message, http.StatusText(e.StatusCode), "no answer"))
	if e.RequestID != "" {
		b.WriteString(" (request " + e.redact(e.RequestID) + ")")
	}
	if _, advice := e.kinds(); advice != "" {
		b.WriteString(": " + advice)
	}
	if e.cause != nil {
		b.WriteString(": " + e.redact(e.cause.Error()))
	}
	if e.NeedsNewKey {
		b.WriteString("; nothing was sent, and a new try needs a new Idempotency-Key")
	}
	if e.OutcomeUnknown {
		b.WriteString("; outcome unknown: the request may have been carried out")
		if e.IdempotencyKey != "" {
			b.WriteString(", and repeating it with a new Idempotency-Key may send a second mail")
		}
	}
	return b.String()
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
	switch {
	case e.StatusCode == http.StatusUnauthorized, e.Type == typeBadToken:
		is(ErrUnauthorized, adviceKey)
	case e.StatusCode == http.StatusForbidden:
		is(ErrForbidden, "")
	case e.StatusCode == http.StatusNotFound, e.Type == typeWebhookUnknown && says("not.found"):
		is(ErrNotFound, "")
	case e.Type == typeConflict:
		is(ErrIdempotencyConflict, "")
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
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "[…]")
		}
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
