package nylas

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
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
	// Error.ProviderError is set if it is the provider.
	ErrRateLimited = errors.New("nylas: rate limited")
	// ErrOutcomeUnknown means that the request may have been carried out, by an
	// attempt that was not answered or got 500, 502 or 504. For a send: repeating
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
)

// Error is the error of every call. It matches the sentinels above with
// errors.Is, and the cause of a failed transport or an ended context.
//
// Its text has the operation, the status, the type, the message and the request
// id, with links, addresses, keys and ids taken out.
type Error struct {
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

	op     string
	said   string // Message as far as it may be shown
	kinds  []error
	advice string
	cause  error
	// secrets returns what no text may show. It is a function so that a dump of the
	// struct does not show it either.
	secrets func() []string
}

// Error returns the text described at [Error].
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("nylas: " + e.op + ": ")
	if e.StatusCode != 0 {
		b.WriteString(strings.TrimSpace(strconv.Itoa(e.StatusCode)+" "+e.redact(e.Type)) + ": ")
	}
	b.WriteString(cmp.Or(e.said, http.StatusText(e.StatusCode), "no answer"))
	if e.RequestID != "" {
		b.WriteString(" (request " + e.redact(e.RequestID) + ")")
	}
	if e.advice != "" {
		b.WriteString(": " + e.advice)
	}
	if e.cause != nil {
		b.WriteString(": " + e.redact(e.cause.Error()))
	}
	if e.NeedsNewKey {
		b.WriteString("; nothing was sent, and a new try needs a new Idempotency-Key")
	}
	if errors.Is(e, ErrOutcomeUnknown) {
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

// Unwrap returns the sentinels that the error matches, and its cause.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return e.kinds
	}
	return append(e.kinds[:len(e.kinds):len(e.kinds)], e.cause)
}

// refuse returns the error for a request that is wrong before any I/O.
func refuse(op, reason string, kinds ...error) *Error {
	return &Error{op: op, Message: reason, said: reason, kinds: append([]error{ErrInvalidRequest}, kinds...)}
}

// errorAnswer is an answer that is not 2xx.
type errorAnswer struct {
	Error     jsontext.Value `json:"error"`
	RequestID string         `json:"request_id"`

	// Some parts of the API follow OAuth, where error is a string.
	ErrorDescription string `json:"error_description"`
}

// decode fills the error from an answer. A body that is not JSON, such as a
// gateway's page, says nothing that the status does not say.
func (e *Error) decode(status int, header http.Header, body []byte) {
	e.StatusCode = status
	e.RequestID = header.Get("X-Request-Id")
	var answer errorAnswer
	if jsonv2.Unmarshal(body, &answer, answerOptions) == nil {
		e.RequestID = cmp.Or(answer.RequestID, e.RequestID)
		e.decodeDetail(answer)
	}
	e.classify()
}

func (e *Error) decodeDetail(answer errorAnswer) {
	if answer.Error.Kind() == '"' {
		_ = jsonv2.Unmarshal(answer.Error, &e.Type, answerOptions) // a string fits
		e.Message = answer.ErrorDescription
		return
	}
	var detail struct {
		Type          jsontext.Value `json:"type"` // a string, or a number for webhooks
		Message       string         `json:"message"`
		ProviderError jsontext.Value `json:"provider_error"`
	}
	if jsonv2.Unmarshal(answer.Error, &detail, answerOptions) != nil {
		return
	}
	switch detail.Type.Kind() {
	case '"':
		_ = jsonv2.Unmarshal(detail.Type, &e.Type, answerOptions) // a string fits
	case '0':
		e.Type = string(detail.Type)
	}
	e.Type = strings.TrimPrefix(e.Type, "api.")
	e.Message = detail.Message
	if kind := detail.ProviderError.Kind(); kind != 'n' && kind != 0 {
		e.ProviderError = json.RawMessage(detail.ProviderError)
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

// classify finds the sentinels for an answer. Nylas gives no types to most
// errors of tracking; they are known by the texts of
// https://developer.nylas.com/docs/v3/email/message-tracking/#errors.
func (e *Error) classify() {
	is := func(kind error, advice string) {
		e.kinds = append(e.kinds, kind)
		e.advice = cmp.Or(e.advice, advice)
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
	case e.StatusCode == http.StatusTooManyRequests:
		is(ErrRateLimited, "")
	case e.StatusCode == http.StatusBadRequest:
		is(ErrInvalidRequest, "")
	}
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
		word = strings.ToLower(word)
		switch {
		case strings.Contains(word, "://"), strings.Contains(word, "tel:"), strings.Contains(word, "www."):
			words[i] = "[link]"
		case strings.Contains(word, "@"):
			words[i] = "[address]"
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
