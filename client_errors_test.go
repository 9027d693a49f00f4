package nylas_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

const (
	textNewKey      = "; nothing was sent, and a new try needs a new Idempotency-Key"
	textNewKeyGiven = "; this call sent nothing, and a new try needs a new Idempotency-Key " +
		"unless an earlier call with this one sent the message"
	textUnknown     = "; outcome unknown: the request may have been carried out"
	textUnknownSend = textUnknown + ", and repeating it with a new Idempotency-Key may send a second mail"
	textConflict    = "; outcome unknown: an earlier request with this Idempotency-Key may have been carried out, " +
		"and sending with a new one may send a second mail"
	textRequest = " (request " + testRequest + ")"

	adviceTrial    = ": use a production application, or leave TrackingOptions nil"
	adviceLinks    = ": send at most 100, or switch TrackingOptions.Links off"
	adviceRejected = ": remove the link, or switch TrackingOptions.Links off"
	adviceLabel    = ": use a label of at most 2048 characters"
	adviceDomain   = ": it must be an active custom hostname of the organization, with Opens or Links on"
	adviceKey      = ": check the API key and its region, and whether the owner of the grant must authenticate again"
	adviceProvider = ": the limit is that of the mail provider"
)

// failure is an answer, or none, and what the Client makes of it when it comes
// in every attempt.
type failure struct {
	name    string
	file    string // of testdata, or
	body    string
	respond httpmock.Responder // instead of status, file, body and header
	status  int
	header  []string

	text      string // after "nylas: <op>: " and before what is said about the outcome
	typ       string
	message   string
	requestID string
	provider  string // JSON
	is        []error

	passing bool // repeated, except where a second request would do harm
	limited bool // repeated by all
	lost    bool // the request may have been carried out
	stored  bool // Nylas keeps the answer under the key
}

// responder returns the answer.
func (f failure) responder(tb testing.TB) httpmock.Responder {
	tb.Helper()
	switch {
	case f.respond != nil:
		return f.respond
	case f.file != "":
		return answersFile(tb, f.status, f.file, f.header...)
	default:
		return answers(f.status, f.body, f.header...)
	}
}

func failures() []failure {
	return []failure{
		{
			name: "400", file: "published/error.response.json", status: 400, stored: true,
			text: "400 invalid_request_error: error parsing request body" + textRequest,
			typ:  "invalid_request_error", message: "error parsing request body", requestID: testRequest,
			provider: `{"code":"TargetIdShouldNotBeMeOrWhitespace","message":"Id is malformed."}`,
			is:       []error{nylas.ErrInvalidRequest},
		},
		{
			name: "400 for the API key", file: "constructed/error.invalid-key.400.json", status: 400, stored: true,
			text: "400 token.unauthorized_access: Invalid API key" + textRequest + adviceKey,
			typ:  "token.unauthorized_access", message: "Invalid API key", requestID: testRequest,
			is: []error{nylas.ErrUnauthorized},
		},
		{
			name: "401", file: "constructed/error.unauthorized.401.json", status: 401,
			text: "401 unauthorized: Unauthorized" + textRequest + adviceKey,
			typ:  "unauthorized", message: "Unauthorized", requestID: testRequest,
			provider: `{"code":401,"message":"Unauthorized"}`, is: []error{nylas.ErrUnauthorized},
		},
		{
			name: "402, perhaps sent to some", file: "http/error.partial.402.json", status: 402,
			text: "402 provider_error: Sending to at least one recipient failed." + textRequest,
			typ:  "provider_error", message: "Sending to at least one recipient failed.", requestID: testRequest,
		},
		{
			name: "403", file: "http/error.forbidden.403.json", status: 403, stored: true,
			text: "403 insufficient_scopes: missing provider scopes required to send email" + textRequest,
			typ:  "insufficient_scopes", message: "missing provider scopes required to send email", requestID: testRequest,
			is: []error{nylas.ErrForbidden},
		},
		{
			name: "404", file: "http/error.not-found.404.json", status: 404,
			text: "404 not_found_error: requested object not found" + textRequest,
			typ:  "not_found_error", message: "requested object not found", requestID: testRequest,
			is: []error{nylas.ErrNotFound},
		},
		{
			name: "404 as text", file: "http/error.cannot-put.404.txt", status: 404, header: []string{"X-Request-Id", "from-the-header"},
			text: "404: Not Found (request from-the-header)", requestID: "from-the-header", is: []error{nylas.ErrNotFound},
		},
		{
			name: "429 of Nylas", file: "constructed/error.rate-limit-nylas.429.json", status: 429, limited: true,
			text: "429 nylas_rate_limit_exceeded: Too many requests, please try again shortly." + textRequest,
			typ:  "nylas_rate_limit_exceeded", message: "Too many requests, please try again shortly.",
			requestID: testRequest, is: []error{nylas.ErrRateLimited},
		},
		{
			name: "429 of the provider", file: "constructed/error.rate-limit-provider.429.json", status: 429, limited: true,
			text: "429 quota_exceeded_error: Activity limit reached (request 3305114997-9753c430-2599-4bcc-8f25-9165b071227a)" + adviceProvider,
			typ:  "quota_exceeded_error", message: "Activity limit reached",
			requestID: "3305114997-9753c430-2599-4bcc-8f25-9165b071227a",
			provider: `{"error":{"code":429,` +
				`"message":"User-rate limit exceeded. Retry after 2026-01-08T09:26:53.594Z (Mail sending)"}}`,
			is: []error{nylas.ErrRateLimited, nylas.ErrProviderRateLimited},
		},
		{
			name: "500", file: "http/error.internal.500.json", status: 500, passing: true, lost: true,
			text: "500 internal_error: Internal error, please try again." + textRequest,
			typ:  "internal_error", message: "Internal error, please try again.", requestID: testRequest,
		},
		{
			name: "500 and no body", status: 500, passing: true, lost: true, text: "500: Internal Server Error",
		},
		{
			name: "502 as HTML", file: "http/error.gateway.502.html", status: 502, passing: true, lost: true,
			header: []string{"X-Request-Id", "gw-1"}, text: "502: Bad Gateway (request gw-1)", requestID: "gw-1",
		},
		{
			name: "503", file: "http/error.unavailable.503.json", status: 503, passing: true,
			header: []string{"X-Request-Id", "the one in the body counts"},
			text:   "503 provider_error: The provider is unavailable." + textRequest,
			typ:    "provider_error", message: "The provider is unavailable.", requestID: testRequest,
			provider: `{"detail":"` + markProvider + `"}`,
		},
		{
			name: "504", file: "constructed/error.provider-timeout.504.json", status: 504, passing: true, lost: true,
			text: "504 provider_error: Provider request timed out." + textRequest,
			typ:  "provider_error", message: "Provider request timed out.", requestID: testRequest,
		},
		{
			name: "550", file: "http/error.spam.550.json", status: 550, stored: true,
			text: "550 provider_error: The message was flagged as spam." + textRequest,
			typ:  "provider_error", message: "The message was flagged as spam.", requestID: testRequest,
		},
		{
			name: "501", body: "{}", status: 501, text: "501: Not Implemented",
		},
		{
			name: "505", body: "{}", status: 505, text: "505: HTTP Version Not Supported",
		},
		{
			name: "JSON of another shape", body: `[{"error":1}]`, status: 400, lost: true,
			text: "400: Bad Request", is: []error{nylas.ErrInvalidRequest},
		},
		{
			name: "an error of another shape", body: `{"error":[1],"request_id":"r-7"}`, status: 403, stored: true,
			text: "403: Forbidden (request r-7)", requestID: "r-7", is: []error{nylas.ErrForbidden},
		},
		{
			name: "an error with nulls", body: `{"error":{"type":null,"message":null,"provider_error":null}}`, status: 403, lost: true,
			text: "403: Forbidden", is: []error{nylas.ErrForbidden},
		},
		{
			name: "the shape of OAuth", file: "http/error.oauth.400.json", status: 400, stored: true,
			text: "400 invalid_grant: The refresh token has expired." + textRequest,
			typ:  "invalid_grant", message: "The refresh token has expired.", requestID: testRequest,
			is: []error{nylas.ErrInvalidRequest},
		},
		{
			name: "a type that is a number", file: "http/error.numeric-type.400.json", status: 400, stored: true,
			text: "400 70001: invalid.input.format : topic is required" + textRequest,
			typ:  "70001", message: "invalid.input.format : topic is required", requestID: testRequest,
			is: []error{nylas.ErrInvalidRequest},
		},
		{
			name: "a body that is cut off", respond: answersCut(403, `{"error":{"type":"insuff`), status: 403, lost: true,
			text: "403: Forbidden", is: []error{nylas.ErrForbidden},
		},
		{
			name: "a success that is cut off", respond: answersCut(200, `{"data":{"id":"m-`), passing: true, lost: true,
			text: "no answer: the answer was cut off: unexpected EOF", is: []error{errCut},
		},
		{
			name: "no answer", respond: loses, passing: true, lost: true, text: "no answer: unexpected EOF", is: []error{errCut},
		},
		{
			name: "a redirect", status: 302, body: "", header: []string{"Location", markLink}, text: "302: Found",
		},
	}
}

// TestEveryMethodOnEveryFailure runs each method of the Client into each kind of
// failure.
func TestEveryMethodOnEveryFailure(t *testing.T) {
	t.Parallel()
	for _, m := range methods() {
		for _, f := range failures() {
			if m.streams() && f.name == "a success that is cut off" {
				continue // TestDownloadBreaksOff
			}
			t.Run(m.op+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { testFailure(t, m, f) })
			})
		}
	}
}

// losesBy503 reports whether a 503 can only be that of a gateway, because the method
// involves no provider of mail.
func (m method) losesBy503() bool {
	return m.op == "create webhook" || m.op == "create alert rule" || m.op == "rotate webhook secret"
}

func testFailure(t *testing.T, m method, f failure) {
	t.Helper()
	w := newWireAlways(f.responder(t))
	var log logBuffer
	var resp nylas.Response
	err := m.call(t.Context(), w.client(t, log.option()), nylas.WithResponse(&resp))

	attempts := 1
	if f.limited || f.passing && m.repeats != repeatsUnsent {
		attempts = 4
	}
	text, wantIs := "nylas: "+m.op+": "+f.text, f.is
	unknown := m.repeats != repeatsAlways && (f.lost || m.losesBy503() && f.status == http.StatusServiceUnavailable)
	newKey := f.stored && m.repeats == repeatsWithKey
	key := ""
	if m.repeats == repeatsWithKey {
		key = testKey
	}
	switch {
	case newKey:
		text += textNewKeyGiven // each method that takes a key gives one
	case unknown && key != "":
		text += textUnknownSend
	case unknown:
		text += textUnknown
	}
	if unknown {
		wantIs = append(wantIs[:len(wantIs):len(wantIs)], nylas.ErrOutcomeUnknown)
	}

	e := asError(t, err)
	assert.Len(t, w.requests(), attempts)
	assert.Equal(t, text, err.Error())
	assertUnmarked(t, err.Error())
	assertUnmarked(t, log.String())
	for _, want := range wantIs {
		require.ErrorIs(t, err, want)
	}
	assertSentinels(t, err, without(wantIs, errCut)...)
	assert.Equal(t, f.status, e.StatusCode)
	assert.Equal(t, f.typ, e.Type)
	assert.Equal(t, f.message, e.Message)
	assert.Equal(t, f.requestID, e.RequestID)
	assert.Equal(t, attempts, e.Attempts)
	assert.Equal(t, key, e.IdempotencyKey)
	assert.Equal(t, newKey, e.NeedsNewKey)
	assert.False(t, e.Replayed)
	if f.provider == "" {
		assert.Nil(t, e.ProviderError)
	} else {
		assert.JSONEq(t, f.provider, string(e.ProviderError))
	}

	assert.Equal(t, f.status, resp.StatusCode)
	assert.Equal(t, f.requestID, resp.RequestID)
	assert.Equal(t, attempts, resp.Attempts)
	assert.Equal(t, key, resp.IdempotencyKey)
	assert.Len(t, log.records(t), attempts)
}

// without returns list without an element.
func without(list []error, element error) []error {
	var rest []error
	for _, err := range list {
		if !errors.Is(element, err) {
			rest = append(rest, err)
		}
	}
	return rest
}

func TestAnswersThatAreNotNylas(t *testing.T) {
	t.Parallel()
	for _, m := range methods() {
		if m.streams() { // any content is one
			continue
		}
		for name, body := range map[string]string{
			"empty": "", "HTML": "\n<html>" + markBody + "</html>", "cut JSON": `{"request_id":"r-`, "text": "Deleted",
		} {
			t.Run(m.op+"/"+name, func(t *testing.T) {
				t.Parallel()
				w := newWire(t, answers(200, body, "X-Request-Id", "r-1"))
				err := m.call(t.Context(), w.client(t))
				if body == "" && (m.verb == http.MethodDelete || m.op == "send test event") {
					require.NoError(t, err, "there is nothing to read")
					return
				}
				if m.verb == http.MethodDelete && name != "HTML" {
					require.NoError(t, err, "the status says that it is done")
					return
				}
				e := asError(t, err)
				assert.Equal(t, 200, e.StatusCode)
				assert.Equal(t, "r-1", e.RequestID)
				want := "nylas: " + m.op + ": 200: OK (request r-1): the answer is not JSON"
				assertAfterSuccess(t, m, err, want)
			})
		}
		t.Run(m.op+"/another shape", func(t *testing.T) {
			t.Parallel()
			w := newWire(t, answers(200, `["`+markBody+`"]`))
			err := m.call(t.Context(), w.client(t))
			if strings.HasPrefix(m.op, "delete ") || m.op == "send test event" || m.op == "cancel schedule" {
				require.NoError(t, err, "what the answer says does not matter")
				return
			}
			require.Error(t, err)
			want := "nylas: " + m.op + ": 200: OK: the answer has another form than documented"
			if m.op == "list schedules" { // the answer can be the list alone
				want = "nylas: list schedules: the list is not complete: 1 of the elements have another form than documented"
			}
			if strings.Contains(err.Error(), "does not name") {
				want = "nylas: " + m.op + ": 200: OK: the answer does not name what was made"
			}
			assertAfterSuccess(t, m, err, want)
		})
	}
}

// assertAfterSuccess checks an error after an answer of 2xx that says nothing: its
// text, and that a call that must not be made twice may have been carried out.
func assertAfterSuccess(tb testing.TB, m method, err error, want string) {
	tb.Helper()
	switch m.repeats {
	case repeatsAlways:
		assertSentinels(tb, err)
	case repeatsWithKey:
		assertSentinels(tb, err, nylas.ErrOutcomeUnknown)
		want += textUnknownSend
	case repeatsUnsent, repeatsTold:
		assertSentinels(tb, err, nylas.ErrOutcomeUnknown)
		want += textUnknown
	}
	assert.Equal(tb, want, err.Error())
}

// TestSentinelsOfTracking has the errors that Nylas gives to tracked messages.
func TestSentinelsOfTracking(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file   string
		is     []error
		advice string
	}{
		{"constructed/error.trial.400.json", []error{nylas.ErrTrackingNotAllowed, nylas.ErrInvalidRequest}, adviceTrial},
		{"constructed/error.too-many-links.400.json", []error{nylas.ErrTooManyLinks, nylas.ErrInvalidRequest}, adviceLinks},
		{"constructed/error.link-rejected.400.json", []error{nylas.ErrLinkRejected, nylas.ErrInvalidRequest}, adviceRejected},
		{"constructed/error.domain-name.400.json", []error{nylas.ErrTrackingDomain, nylas.ErrInvalidRequest}, adviceDomain},
		{"http/error.label-opens.400.json", []error{nylas.ErrTrackingDataTooLarge, nylas.ErrInvalidRequest}, adviceLabel},
		{"http/error.label-replies.400.json", []error{nylas.ErrTrackingDataTooLarge, nylas.ErrInvalidRequest}, adviceLabel},
		{"constructed/error.idempotency-key.400.json", []error{nylas.ErrInvalidRequest}, ""},
	} {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, answersFile(t, 400, tt.file))
			_, err := w.client(t).Messages.Send(t.Context(), testGrant, markedMessage())
			assertSentinels(t, err, tt.is...)
			assert.Contains(t, err.Error(), textRequest+tt.advice+textNewKey)
			assert.NotContains(t, err.Error(), "://")
			assert.True(t, asError(t, err).NeedsNewKey)
			for _, sentinel := range tt.is {
				if tt.advice != "" && !errors.Is(sentinel, nylas.ErrInvalidRequest) {
					assert.Contains(t, sentinel.Error(), tt.advice)
				}
			}
		})
	}
}

// TestNothingPrivateInTexts has Nylas, and then a transport, repeat everything
// that must not get into a text or a log.
func TestNothingPrivateInTexts(t *testing.T) {
	t.Parallel()
	const grant = "Kim.Townsend+x@example.org/ü"
	private := strings.Join([]string{
		testAPIKey, "Bearer " + testAPIKey + ",", testKey, grant, url.PathEscape(grant), testGrant, "<" + markAddress + ">",
		`"` + markLink + `"`, "WWW.acme.dev/x", "(www.acme.dev)", "TEL:+4930123456", "mailto:" + markAddress,
		"HTTPS://acme.dev", "\x00\x1b[31m\u2028",
	}, " ")
	quoted := fmt.Sprintf("%q", strings.NewReplacer("\x00", "", "\x1b", "").Replace(private))
	check := func(t *testing.T, text string) {
		t.Helper()
		assertUnmarked(t, text)
		for _, part := range []string{"Townsend", "%2F", "4930123456", "acme", "\x00", "\x1b", "\u2028"} {
			assert.NotContains(t, text, part)
		}
	}
	for name, respond := range map[string]httpmock.Responder{
		"message":    answers(400, `{"error":{"type":"x","message":`+quoted+`}}`),
		"type":       answers(400, `{"error":{"type":`+quoted+`}}`),
		"OAuth":      answers(400, `{"error":`+quoted+`,"error_description":`+quoted+`}`),
		"request id": answers(400, `{"request_id":`+quoted+`}`),
		"provider":   answers(400, `{"error":{"type":"x","provider_error":`+quoted+`}}`),
		"header":     answers(400, ``, "X-Request-Id", strings.Map(printable, private)),
		"success":    answers(200, `{"data":[],"request_id":`+quoted+`}`),
		"not JSON":   answers(400, private),
		"transport":  fails(errors.New(private)),
		"its URL":    fails(&url.Error{Op: "Post", URL: private, Err: &url.Error{Op: "Post", URL: private, Err: errCut}}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWireAlways(respond)
			var log logBuffer
			client := w.client(t, log.option(), nylas.WithRetryPolicy(nylas.RetryPolicy{MaxAttempts: 1}))
			msg := markedMessage()
			msg.Metadata = map[string]string{"key1": testGrant}
			_, err := client.Messages.Send(t.Context(), grant, msg, nylas.WithIdempotencyKey(testKey))
			require.Error(t, err)
			check(t, strings.ReplaceAll(err.Error(), testGrant, "")) // not an id of this call
			check(t, strings.ReplaceAll(log.String(), testGrant, ""))
			assert.Len(t, log.records(t), 1)
		})
	}
}

func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return '?'
	}
	return r
}

func TestErrorTextIsBounded(t *testing.T) {
	t.Parallel()
	w := newWire(t, answers(400, `{"error":{"type":"x","message":"`+strings.Repeat("ü ", 5000)+`"}}`))
	_, err := w.client(t).Webhooks.Get(t.Context(), testWebhook)
	assert.Less(t, len(err.Error()), 500)
	assert.Contains(t, err.Error(), "…")
	assert.True(t, utf8.ValidString(err.Error()), "a character was cut")
	assert.Len(t, asError(t, err).Message, 15000, "Message is whole")
}

// TestEscapedIDsAreNotInTexts has an id as it stands in paths and in queries.
func TestEscapedIDsAreNotInTexts(t *testing.T) {
	t.Parallel()
	w := newWire(t, answers(404, `{"error":{"type":"x","message":"no external:a b/4711, external:a%20b%2F4711, external%3Aa+b%2F4711"}}`))
	_, err := w.client(t).Webhooks.Get(t.Context(), "external:a b/4711")
	assert.Equal(t, "nylas: get webhook: 404 x: no […], […], […]", err.Error())
}

func TestShortIDsAreNotSearchedFor(t *testing.T) {
	t.Parallel()
	w := newWire(t, answers(400, `{"error":{"type":"x","message":"some message"}}`))
	_, err := w.client(t).Webhooks.Get(t.Context(), "me")
	assert.Equal(t, "nylas: get webhook: 400 x: some message", err.Error())
}

// TestErrorOfAnotherMaker has an Error that a test of the user makes.
func TestErrorOfAnotherMaker(t *testing.T) {
	t.Parallel()
	e := &nylas.Error{StatusCode: 404, Type: "not_found_error", RequestID: "r-1"}
	assert.Equal(t, "nylas: 404 not_found_error: Not Found (request r-1)", e.Error())
	assertSentinels(t, e, nylas.ErrNotFound)
	assertSentinels(t, &nylas.Error{StatusCode: 504, OutcomeUnknown: true}, nylas.ErrOutcomeUnknown)
	assertSentinels(t, &nylas.Error{StatusCode: 400, Message: "Tracking options are not allowed for trial accounts"},
		nylas.ErrInvalidRequest, nylas.ErrTrackingNotAllowed)
	assertSentinels(t, &nylas.Error{})
	assert.Equal(t, "nylas: no answer", new(nylas.Error).Error())
}

func TestLogOfAnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		w := newWire(t,
			func(*http.Request) (*http.Response, error) {
				return nil, &url.Error{Op: "Post", URL: markLink, Err: errCut}
			},
			answersFile(t, 504, "constructed/error.provider-timeout.504.json"),
			answersFile(t, 200, "published/messages.send.response.json", headerReplayed...))
		_, err := w.client(t, log.option()).Messages.Send(t.Context(), testGrant, markedMessage(), nylas.WithIdempotencyKey(testKey))
		require.NoError(t, err)

		records := log.records(t)
		require.Len(t, records, 4)
		assert.Equal(t, "nylas: a second mail is possible", records[3]["msg"], "two attempts were open, and the answer is that to one")
		for i, record := range records[:3] {
			delete(record, slog.TimeKey)
			assert.Equal(t, map[string]any{
				"level": "DEBUG", "msg": "nylas: request", "http.request.method": "POST",
				"url.template": "/v3/grants/{grant_id}/messages/send", "nylas.attempt": float64(i + 1), "nylas.duration": float64(0),
			}, only(record, "level", "msg", "http.request.method", "url.template", "nylas.attempt", "nylas.duration"))
		}
		assert.Equal(t, map[string]any{"exception.message": "nylas: send message: no answer: unexpected EOF"}, records[0])
		assert.Equal(t, map[string]any{"http.response.status_code": float64(504), "nylas.replayed": false, "nylas.request.id": testRequest}, records[1])
		assert.Equal(t, map[string]any{"http.response.status_code": float64(200), "nylas.replayed": true, "nylas.request.id": testRequest}, records[2])
		assertUnmarked(t, log.String())
	})
}

// only takes some keys out of a record and returns them.
func only(record map[string]any, keys ...string) map[string]any {
	taken := map[string]any{}
	for _, key := range keys {
		if value, ok := record[key]; ok {
			taken[key] = value
			delete(record, key)
		}
	}
	return taken
}

func TestLogLevelIsRespected(t *testing.T) {
	t.Parallel()
	var log logBuffer
	w := newWire(t, answers(200, `{"data":[]}`))
	client := w.client(t, nylas.WithLogger(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo}))))
	assertEmpty(t, client.Webhooks.List(t.Context()))
	assert.Empty(t, log.String())
}

func TestWithResponse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, loses, answersFile(t, 200, "published/messages.send.response.json",
			"Idempotent-Response", "true", "Nylas-Provider-Request-Count", "3", "X-Request-Id", "another one"))
		var resp nylas.Response
		msg, err := w.client(t).Messages.Send(t.Context(), testGrant, markedMessage(), nylas.WithResponse(&resp))
		require.NoError(t, err)
		assert.Equal(t, "Jane Doe", msg.To[0].Name)
		assert.NotEmpty(t, resp.IdempotencyKey)
		assert.Equal(t, nylas.Response{
			StatusCode: 200, RequestID: testRequest, Attempts: 2, Replayed: true, IdempotencyKey: resp.IdempotencyKey,
			Header: http.Header{
				"Idempotent-Response": {"true"}, "Nylas-Provider-Request-Count": {"3"}, "X-Request-Id": {"another one"},
			},
		}, resp)
	})
}

func TestWithResponseWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	resp := nylas.Response{StatusCode: 1, Attempts: 9, Replayed: true}
	_, err := newWire(t).client(t).Webhooks.Get(ctx, testWebhook, nylas.WithResponse(&resp))
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, nylas.Response{}, resp)

	_, err = newWire(t).client(t).Webhooks.Get(t.Context(), testWebhook, nylas.WithResponse(nil))
	require.ErrorIs(t, err, nylas.ErrInvalidRequest)
	assert.Contains(t, err.Error(), "WithResponse: the response is nil")
}

func TestRetryAfterInError(t *testing.T) {
	t.Parallel()
	w := newWire(t, answers(429, "{}", "Retry-After", "61"))
	_, err := w.client(t).Webhooks.Get(t.Context(), testWebhook)
	e := asError(t, err)
	assert.Equal(t, 61*time.Second, e.RetryAfter)
	assert.Equal(t, 1, e.Attempts)
}

// TestLogOfEveryMethodOnEveryFailure holds the records to the names and values
// that they may have, so that nothing can be added unnoticed.
func TestLogOfEveryMethodOnEveryFailure(t *testing.T) {
	t.Parallel()
	outcomes := append(failures(), failure{name: "success", status: 200, file: messageAnswer, requestID: testRequest})
	for _, m := range methods() {
		for _, f := range outcomes {
			if m.streams() && strings.Contains(f.name, "success") {
				continue // TestDownload
			}
			t.Run(m.op+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { testLog(t, m, f) })
			})
		}
	}
}

func testLog(t *testing.T, m method, f failure) {
	t.Helper()
	respond := f.responder(t)
	var log logBuffer
	w := newWireAlways(func(r *http.Request) (*http.Response, error) {
		<-time.After(1500 * time.Millisecond)
		return respond(r)
	})
	_ = m.call(t.Context(), w.client(t, log.option()), nylas.WithHeader("X-Trace", markBody)) // what it brings, others test

	assertUnmarked(t, log.String())
	records := log.records(t)
	require.Len(t, records, len(w.requests()))
	for i, record := range records {
		began := w.requests()[i].at.Add(1500 * time.Millisecond)
		written, err := time.Parse(time.RFC3339Nano, record["time"].(string))
		require.NoError(t, err)
		assert.True(t, began.Equal(written))
		delete(record, "time")
		want := map[string]any{
			"level": "DEBUG", "msg": "nylas: request", "http.request.method": m.verb, "url.template": m.path,
			"nylas.attempt": float64(i + 1), "nylas.duration": float64(1500 * time.Millisecond),
		}
		if f.lost && (f.status == 0) {
			want["exception.message"] = "nylas: " + m.op + ": " + f.text
		} else {
			want["http.response.status_code"], want["nylas.replayed"], want["nylas.request.id"] = float64(f.status), false, f.requestID
		}
		assert.Equal(t, want, record, slices.Collect(maps.Keys(record)))
	}
}
