package nylas

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-querystring/query"
)

// The limits of what is sent and read.
const (
	// maxJSONBytes bounds a JSON request; Nylas takes 3 MB.
	// https://developer.nylas.com/docs/v3/email/attachments/
	maxJSONBytes = 3_000_000
	// maxAnswerBytes bounds an answer. A message comes back with its body, which
	// can be as large as a request, 25 MB.
	maxAnswerBytes = 32 << 20
	// shortIDBytes is below the length of ids: shorter ones, such as "me", can be
	// parts of words and are not searched for in texts.
	shortIDBytes = 8
)

// answerOptions make the decoder of answers lenient: an answer that is odd in one
// place should not hide that a message was sent.
var answerOptions = jsonv2.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// call is one call of the API, before its options.
type call struct {
	op     string // for errors: "send message"
	method string
	path   string   // with {placeholders}, for URLs and logs
	ids    []string // what goes into the placeholders, in their order
	query  any      // a struct for go-querystring, or nil
	body   any      // goes out as JSON; nil for no body
	limit  time.Duration
	repeat repeat
	// tracking is what the policy decided on the body.
	tracking []TrackingDecision
}

// do makes a call and decodes the whole answer into answer.
func (c *Client) do(ctx context.Context, call call, answer any, opts []RequestOption) error {
	x, response, err := c.prepare(call, opts)
	if err != nil {
		return err
	}
	last, err := x.run(ctx)
	if err == nil {
		err = x.decode(last, answer)
	}
	if response != nil {
		*response = x.response(last)
	}
	return err
}

// exchange is a call on its way: what is sent, the same in every attempt, and
// what is known about its outcome.
type exchange struct {
	client *Client
	call   call
	url    string
	body   []byte
	key    string // Idempotency-Key, "" for none

	attempts int
	unknown  bool // an attempt may have been carried out, and nothing settled it
}

func (c *Client) prepare(call call, opts []RequestOption) (*exchange, *Response, error) {
	var config requestConfig
	for _, opt := range opts {
		if err := opt.applyRequest(&config); err != nil {
			return nil, nil, refuse(call.op, err.Error())
		}
	}
	x := &exchange{client: c, call: call}
	if call.repeat == repeatWithKey {
		x.key = cmp.Or(config.idempotencyKey, newIdempotencyKey())
	} else if config.idempotencyKey != "" {
		return nil, nil, refuse(call.op, "this call takes no Idempotency-Key")
	}
	target, err := c.url(call)
	if err != nil {
		return nil, nil, refuse(call.op, err.Error())
	}
	x.url = target
	if call.body != nil {
		x.body, err = jsonv2.Marshal(call.body, jsonv2.Deterministic(true))
		if err != nil {
			return nil, nil, refuse(call.op, "the request cannot be encoded as JSON: "+encodeError(err))
		}
		if len(x.body) > maxJSONBytes {
			return nil, nil, refuse(call.op, fmt.Sprintf(
				"the request has %d bytes as JSON, Nylas takes at most %d", len(x.body), maxJSONBytes))
		}
	}
	return x, config.response, nil
}

// encodeError says where encoding failed, and not on what.
func encodeError(err error) string {
	if semantic, ok := errors.AsType[*jsonv2.SemanticError](err); ok {
		return "wrong value in " + redact(string(semantic.JSONPointer))
	}
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return "invalid UTF-8 in " + redact(string(syntactic.JSONPointer))
	}
	return fmt.Sprintf("%T", err)
}

// url fills the path template. Ids are escaped one by one; one that would
// change the path is refused.
func (c *Client) url(call call) (string, error) {
	var path strings.Builder
	rest := call.path
	for _, id := range call.ids {
		head, tail, _ := strings.Cut(rest, "{")
		name, tail, _ := strings.Cut(tail, "}")
		switch {
		case id == "":
			return "", fmt.Errorf("%s is empty", name)
		case id == "." || id == "..":
			return "", fmt.Errorf("%s is a dot segment", name)
		case strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f }):
			return "", fmt.Errorf("%s has control characters", name)
		}
		path.WriteString(head + url.PathEscape(id))
		rest = tail
	}
	path.WriteString(rest)
	target := strings.TrimSuffix(c.baseURL.String(), "/") + path.String()
	if call.query == nil {
		return target, nil
	}
	values, err := query.Values(call.query)
	if err != nil {
		return "", fmt.Errorf("the query cannot be encoded: %w", err)
	}
	if encoded := values.Encode(); encoded != "" {
		target += "?" + encoded
	}
	return target, nil
}

// answer is what one attempt brought: an HTTP answer, or an error without one.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error // set if there is no whole answer
	// reached tells, for an attempt without an answer, that Nylas may have got the
	// request.
	reached bool
}

// attempt sends the request once.
func (x *exchange) attempt(ctx context.Context) *answer {
	ctx, cancel := context.WithTimeoutCause(ctx, x.call.limit,
		fmt.Errorf("the limit of %v passed: %w", x.call.limit, os.ErrDeadlineExceeded))
	defer cancel()
	x.attempts++
	start := time.Now()
	a := x.roundTrip(ctx)
	if a.err != nil && ctx.Err() != nil {
		a.err = context.Cause(ctx) // more exact than what the transport makes of it
	}
	x.log(ctx, a, time.Since(start))
	return a
}

func (x *exchange) roundTrip(ctx context.Context) *answer {
	var trace connTrace
	req, err := http.NewRequestWithContext(trace.watch(ctx), x.call.method, x.url, bytes.NewReader(x.body))
	if err != nil {
		return &answer{err: errors.New("the request cannot be built")}
	}
	if x.call.body != nil {
		req.Header.Set("Content-Type", "application/json") // Nylas refuses a charset
	}
	if x.key != "" {
		req.Header.Set("Idempotency-Key", x.key)
		// With a key and a body that it can get again, net/http would repeat the
		// request by itself, and nobody would know of the attempt that was lost.
		req.GetBody = nil
	}
	req.Header.Set("Authorization", "Bearer "+x.client.apiKey)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", x.client.userAgent)

	resp, err := x.client.http.Do(req)
	if err != nil {
		return &answer{err: withoutURL(err), reached: trace.reached(err)}
	}
	defer func() { _ = resp.Body.Close() }() // nothing more is read from it
	a := &answer{status: resp.StatusCode, header: resp.Header}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1))
	switch {
	case err != nil && isSuccess(a.status):
		return &answer{err: fmt.Errorf("the answer was cut off: %w", withoutURL(err)), reached: true}
	case len(a.body) > maxAnswerBytes:
		// The status stands. Of the body so much is wrong that it is of no use.
		a.body = nil
	}
	return a
}

// connTrace watches how far a request gets.
type connTrace struct {
	started, wrote atomic.Bool
}

func (t *connTrace) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:      func(string) { t.started.Store(true) },
		WroteHeaders: func() { t.wrote.Store(true) },
	})
}

// reached reports whether a request that failed with err may have been
// received. A round tripper that does not tell how far it got is believed only
// if it failed to connect.
func (t *connTrace) reached(err error) bool {
	if t.started.Load() {
		return t.wrote.Load()
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return false
	}
	op, ok := errors.AsType[*net.OpError](err)
	return !ok || op.Op != "dial" && op.Op != "proxyconnect"
}

// withoutURL takes off the wrapping that names the URL, with its ids and
// addresses. A round tripper can have put one below that of http.Client.
func withoutURL(err error) error {
	for {
		wrapped, ok := errors.AsType[*url.Error](err)
		if !ok || wrapped.Err == nil {
			return err
		}
		err = wrapped.Err
	}
}

func isSuccess(status int) bool { return status >= 200 && status < 300 }

// decode reads an answer of 2xx. With nothing to read into it may be empty.
func (x *exchange) decode(last *answer, into any) error {
	if into == nil {
		if len(last.body) == 0 {
			return nil
		}
		into = new(struct{})
	}
	err := jsonv2.Unmarshal(last.body, into, answerOptions)
	if err == nil || salvage(last.body, into) {
		return nil
	}
	e := x.newError(last)
	e.kinds = nil
	e.cause = errors.New("the request was carried out, but the answer cannot be decoded")
	if _, notJSON := errors.AsType[*jsontext.SyntacticError](err); notJSON {
		// Whoever answered, it was not Nylas.
		e.cause = errors.New("the answer is not JSON")
		if x.call.repeat != repeatAlways {
			e.kinds = []error{ErrOutcomeUnknown}
		}
	}
	return e
}

// identified is an answer that knows whether it names what it is about.
type identified interface{ isIdentified() bool }

// salvage reads an answer in which a field has another type than documented:
// that must not hide the id of a message that was sent. encoding/json goes on
// after such a field.
func salvage(body []byte, into any) bool {
	answer, ok := into.(identified)
	if !ok {
		return false
	}
	_ = json.Unmarshal(body, answer) // what could be read counts
	return answer.isIdentified()
}

// newError returns the error for the last answer of the exchange.
func (x *exchange) newError(last *answer) *Error {
	secrets := x.secrets()
	e := &Error{
		op: x.call.op, Attempts: x.attempts, IdempotencyKey: x.key,
		secrets: func() []string { return secrets },
	}
	if last == nil {
		return e
	}
	if last.err != nil {
		e.cause = last.err
		return e
	}
	e.Replayed = last.replayed()
	e.RetryAfter = last.retryAfter()
	e.decode(last.status, last.header, last.body)
	e.said = e.redact(e.Message)
	return e
}

// secrets returns what no text or log may show: keys, and ids, which can be
// addresses, as they are and as they stand in the path.
func (x *exchange) secrets() []string {
	secrets := []string{x.client.apiKey, x.key}
	for _, id := range x.call.ids {
		if len(id) >= shortIDBytes {
			secrets = append(secrets, id, url.PathEscape(id), url.QueryEscape(id))
		}
	}
	return secrets
}

func (x *exchange) response(last *answer) Response {
	r := Response{Attempts: x.attempts, IdempotencyKey: x.key, Tracking: x.call.tracking}
	if last == nil || last.err != nil {
		return r
	}
	r.StatusCode = last.status
	r.Header = last.header.Clone()
	r.Replayed = last.replayed()
	r.RequestID = last.requestID()
	return r
}

func (a *answer) replayed() bool {
	return strings.EqualFold(a.header.Get("Idempotent-Response"), "true")
}

// requestID prefers the id in the body, which Nylas documents, to that in the header.
func (a *answer) requestID() string {
	var envelope struct {
		RequestID string `json:"request_id"`
	}
	_ = jsonv2.Unmarshal(a.body, &envelope, answerOptions) // without one the header's counts
	return cmp.Or(envelope.RequestID, a.header.Get("X-Request-Id"))
}

func (x *exchange) log(ctx context.Context, a *answer, took time.Duration) {
	logger := x.client.logger
	if !logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", x.call.method),
		slog.String("path", x.call.path),
		slog.Int("attempt", x.attempts),
		slog.Duration("duration", took),
	}
	if a.err != nil {
		attrs = append(attrs, slog.String("error", x.newError(a).Error()))
	} else {
		attrs = append(attrs,
			slog.Int("status", a.status),
			slog.Bool("replayed", a.replayed()),
			slog.String("request_id", redact(a.requestID(), x.secrets()...)))
	}
	logger.LogAttrs(ctx, slog.LevelDebug, "nylas: request", attrs...)
}
