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
)

// What went wrong, for errors.Is. One error can match several: a rejected link
// is an invalid request too, and ErrOutcomeUnknown stands beside whatever the
// last attempt got.
//
// https://developer.nylas.com/docs/api/errors/
var (
	// ErrTrackingNotAllowed means that the application is a trial or sandbox one.
	// Nylas then refuses any message with tracking options.
	ErrTrackingNotAllowed = errors.New("nylas: tracking is not allowed for trial accounts: " + adviceTrial)
	// ErrTooManyLinks means that the body has over 100 links and TrackingOptions.Links is on.
	ErrTooManyLinks = errors.New("nylas: too many tracked links: " + adviceLinks)
	// ErrLinkRejected means that a tracked link is on Nylas' list of phishing and
	// spam; example.com is.
	ErrLinkRejected = errors.New("nylas: a tracked link was rejected: " + adviceRejected)
	// ErrTrackingDataTooLarge means that the tracking label is too long.
	ErrTrackingDataTooLarge = errors.New("nylas: tracking data is too large: " + adviceLabel)
	// ErrTrackingDomain means that TrackingOptions.DomainName cannot be used.
	ErrTrackingDomain = errors.New("nylas: the tracking domain cannot be used: " + adviceDomain)
	// ErrInvalidRequest means that the request is wrong, whoever found out: the SDK
	// before any I/O (then Error.StatusCode is 0) or Nylas.
	ErrInvalidRequest = errors.New("nylas: invalid request")
	// ErrUnauthorized means that the API key is wrong or from another region.
	ErrUnauthorized = errors.New("nylas: unauthorized: " + adviceKey)
	// ErrForbidden means that the grant lacks a scope.
	ErrForbidden = errors.New("nylas: forbidden")
	// ErrNotFound means that there is no such grant, message, draft, schedule or webhook.
	ErrNotFound = errors.New("nylas: not found")
	// ErrIdempotencyConflict means that the Idempotency-Key was used for another request.
	ErrIdempotencyConflict = errors.New("nylas: the Idempotency-Key was used for another request")
	// ErrRateLimited means that Nylas or the mail provider asks for fewer requests.
	// If it is the provider, the error matches ErrProviderRateLimited too. If not,
	// a limit of Nylas was reached, which counts the requests of a second, for a
	// grant or for the application: try again soon, and keep below it with
	// WithRateLimit.
	//
	// https://developer.nylas.com/docs/dev-guide/platform/rate-limits/
	ErrRateLimited = errors.New("nylas: rate limited")
	// ErrProviderRateLimited means that the mail provider asks for fewer requests,
	// or that a quota of the mailbox is used up. Other grants are seldom concerned.
	// Hold back this one for Error.RetryAfter, or if that is 0 for minutes: Exchange
	// throttles for about 20, and a quota of a day lasts until it is over.
	// Error.ProviderError can say more. It never stands without ErrRateLimited.
	//
	// https://developer.nylas.com/docs/dev-guide/platform/rate-limits/
	ErrProviderRateLimited = errors.New("nylas: rate limited by the mail provider")
	// ErrOutcomeUnknown means that the request may have been carried out, by an
	// attempt that was not answered, got 500, 502 or 504, or got an answer of 2xx
	// that does not say what was done. For a send: repeating
	// it with Error.IdempotencyKey within an hour is safe, repeating it with a new
	// key may send a second mail.
	ErrOutcomeUnknown = errors.New("nylas: outcome unknown: the request may have been carried out")
)

const (
	adviceTrial    = "use a production application, or leave TrackingOptions nil"
	adviceLinks    = "send at most 100, or switch TrackingOptions.Links off"
	adviceRejected = "remove the link, or switch TrackingOptions.Links off"
	adviceLabel    = "use a label of at most 2048 characters"
	adviceDomain   = "it must be an active custom hostname of the organization, with Opens or Links on"
	adviceKey      = "check the API key and the region"
	adviceProvider = "the limit is that of the mail provider"
)

// Error is the error of every call. It matches the sentinels above with
// errors.Is, and the cause of a failed transport or an ended context.
//
// Its text has the operation, the status, the type, the message and the request
// id, with links, addresses, keys and ids taken out.
//
// What an Error matches follows from its fields, so tests can make one:
// &Error{StatusCode: 429} matches [ErrRateLimited].
type Error struct {
	// Op is the call, such as "send message".
	Op string
	// StatusCode is the HTTP status of the last answer, 0 if there was none.
	StatusCode int
	// Type is Nylas' name for the error without "api.", such as
	// "invalid_request_error". Webhook calls have numbers such as "70005".
	Type string
	// Message is what Nylas said, unchanged: it can hold links and addresses.
	Message string
	// RequestID names the call to Nylas' support.
	RequestID string
	// ProviderError is what the mail provider said, in a form of its own. It can
	// hold addresses.
	ProviderError json.RawMessage
	// RetryAfter is how long Nylas asked to wait; 0 if it did not.
	RetryAfter time.Duration
	// Attempts is how many requests were made. 0 means that the SDK refused, or
	// that the context had ended before.
	Attempts int
	// IdempotencyKey is the key of the call, if it had one.
	IdempotencyKey string
	// Replayed tells that the answer was that to an earlier request with the key.
	Replayed bool
	// NeedsNewKey tells that nothing was sent, and that the same IdempotencyKey
	// would bring back the same answer, or a conflict, for an hour: a new try
	// needs a new key. The SDK makes one for each call that is not given one.
	NeedsNewKey bool
	// OutcomeUnknown tells that the request may have been carried out; it is what
	// matches ErrOutcomeUnknown.
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

// Is reports whether target is a sentinel that the error matches.
func (e *Error) Is(target error) bool {
	if target == ErrOutcomeUnknown {
		return e.OutcomeUnknown
	}
	kinds, _ := e.kinds()
	return slices.Contains(kinds, target)
}

// Unwrap returns the cause: a failed transport or an ended context.
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
