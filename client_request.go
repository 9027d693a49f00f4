package nylas

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
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

	"github.com/nylastrack/nylas-go/internal/anon"
	"github.com/nylastrack/nylas-go/internal/payload"
	"github.com/nylastrack/nylas-go/internal/telemetry"
)

// The limits of what is sent and read.
const (
	// maxAnswerBytes bounds an answer. A message comes back with its body, which
	// can be as large as a request, 25 MB.
	maxAnswerBytes = 32 << 20
	// shortIDBytes is below the length of ids: shorter ones, such as "me", can be
	// parts of words and are not searched for in texts.
	shortIDBytes = 8
)

// call is one call of the API, before its options.
type call struct {
	method string
	path   string   // with {placeholders}, for URLs and logs
	ids    []string // what goes into the placeholders, in their order
	query  any      // a struct for go-querystring, or nil
	body   any      // goes out as JSON; nil for no body
	limit  time.Duration
	repeat repeat
	// noProvider reports that no provider of mail is involved. Nylas reports one that is
	// unavailable by 503; here that is a gateway's, which may have lost the answer.
	noProvider bool
	lane       lane // for the rate limit
	// partial reports whether the caller chose the fields of the answer, which may then
	// lack the id.
	partial bool

	// stream reports whether a good answer is handed over unread; see operation.open.
	stream bool

	mime []byte // the message of a multipart request that has nothing else

	// multipart reports whether the call takes attachments, and multipart/form-data
	// where JSON would be too large.
	multipart   bool
	attachments []Attachment
	// tracking is what the policy decided on the body.
	tracking []TrackingDecision
}

// operation is a method of a service that was called, with its options. Nothing can be
// refused or done without one, so each method begins with Client.begin.
type operation struct {
	client *Client
	name   string // for errors: "send message"
	config requestConfig
	wrong  error  // of the first option that is wrong
	mark   string // of WithMark, "" for none
	// madeKey: the key in config is none of the caller's.
	madeKey bool
}

// begin applies the options. It empties the Response of WithResponse, so that a call
// that is refused does not have the one of the call before.
func (c *Client) begin(name string, opts []RequestOption) *operation {
	op := &operation{client: c, name: name}
	for _, opt := range opts {
		if opt == nil {
			continue
		}
		if err := opt.applyRequest(&op.config); err != nil && op.wrong == nil {
			op.wrong = err
		}
	}
	if op.config.response != nil {
		*op.config.response = Response{}
	}
	return op
}

// do makes a call and decodes the whole answer into answer.
func (op *operation) do(ctx context.Context, call call, answer any) error {
	x, err := op.prepare(call)
	if err != nil {
		return err
	}
	last, err := x.run(ctx)
	if err == nil {
		x.warn(ctx, last)
		err = x.decode(last, answer)
	}
	if op.config.response != nil {
		*op.config.response = x.response(last)
	}
	return err
}

// open makes a call whose good answer is not JSON, and returns its body unread. The limit of
// an attempt holds until the body begins; from then on only ctx ends it.
func (op *operation) open(ctx context.Context, call call) (io.ReadCloser, error) {
	call.stream = true
	x, err := op.prepare(call)
	if err != nil {
		return nil, err
	}
	last, err := x.run(ctx)
	if op.config.response != nil {
		*op.config.response = x.response(last)
	}
	if err != nil {
		return nil, err
	}
	last.stream.fail = func(err error) error {
		e := x.newError(last)
		e.cause = err
		return e
	}
	return last.stream, nil
}

// roundTrips are a call on its way: what is sent, the same in every attempt, and
// what is known about its outcome.
type roundTrips struct {
	client *Client
	op     *operation
	call   call
	url    string
	body   *payload.Payload // nil for none
	key    string           // Idempotency-Key, "" for none
	header http.Header      // of the caller

	retry     RetryPolicy
	exchanges *[]Exchange // receives the captured attempts; nil if nobody asked for them

	attempts int
	// What is not settled: how many attempts may have been carried out without an answer
	// of Nylas, and whether Nylas itself left it open.
	lost int
	open bool
	pace *pace // of the attempts
}

func (op *operation) prepare(call call) (*roundTrips, error) {
	if op.wrong != nil {
		return nil, refuse(op, op.wrong.Error())
	}
	client, config := op.client, &op.config
	x := &roundTrips{client: client, op: op, call: call, header: config.header, retry: client.retry, exchanges: config.exchanges}
	x.call.limit = cmp.Or(config.timeout, client.timeout, call.limit)
	if config.noRetry {
		x.retry.MaxAttempts = 1
	}
	if call.repeat == repeatWithKey {
		x.key = cmp.Or(config.idempotencyKey, newIdempotencyKey())
	} else if config.idempotencyKey != "" {
		return nil, refuse(op, "this call takes no Idempotency-Key")
	}
	target, err := client.url(call)
	if err != nil {
		return nil, refuse(op, err.Error())
	}
	x.url = target
	if x.body, err = op.encode(call, x.key); err != nil {
		return nil, err
	}
	return x, nil
}

// encode returns the body of a call, of which nothing was read yet.
func (op *operation) encode(call call, key string) (*payload.Payload, error) {
	if call.mime != nil {
		body, wrong := payload.MIME(call.mime, op.client.boundary(key))
		if wrong != nil {
			return nil, refuse(op, wrong.Text)
		}
		return body, nil
	}
	if call.body == nil {
		return nil, nil
	}
	object, err := jsonv2.Marshal(call.body, jsonv2.Deterministic(true))
	if err != nil {
		return nil, refuse(op, "the request cannot be encoded as JSON: "+encodeError(err))
	}
	var body *payload.Payload
	var wrong *payload.Error
	if call.multipart {
		body, wrong = payload.Encode(object, payloadOf(call.attachments), op.client.boundary(key))
	} else {
		body, wrong = payload.JSON(object)
	}
	if wrong != nil {
		e := refuse(op, wrong.Text)
		e.cause = wrong.Cause
		return nil, e
	}
	return body, nil
}

// boundary returns the boundary of a multipart request. It is the same for each request
// with the key, because each attempt must have the same bytes. It depends on the API key,
// so that nobody who guesses the Idempotency-Key can put the boundary into an attachment
// and so add parts to the request.
func (c *Client) boundary(key string) string {
	if key == "" {
		return "nylas-go-" + rand.Text()
	}
	mac := hmac.New(sha256.New, []byte(c.apiKey()))
	mac.Write([]byte("boundary " + key))
	return "nylas-go-" + hex.EncodeToString(mac.Sum(nil)[:16])
}

// encodeError says where encoding failed, and not on what.
func encodeError(err error) string {
	if semantic, ok := errors.AsType[*jsonv2.SemanticError](err); ok {
		return "wrong value in " + place(semantic.JSONPointer)
	}
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return "invalid UTF-8 in " + place(syntactic.JSONPointer)
	}
	return fmt.Sprintf("%T", err)
}

// place names a member of a request. The keys of maps are the caller's.
func place(pointer jsontext.Pointer) string {
	return redact(strings.ReplaceAll(strings.TrimPrefix(string(pointer), "/"), "/", "."))
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

// attempt sends the request once.
func (x *roundTrips) attempt(ctx context.Context) *answer {
	passed := fmt.Errorf("the limit of %v passed: %w", x.call.limit, os.ErrDeadlineExceeded)
	if x.call.stream {
		return x.attemptStream(ctx, passed)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, x.call.limit, passed)
	defer cancel()
	return x.attemptIn(ctx)
}

// attemptStream sends the request of a stream once. What it starts ends with the stream.
func (x *roundTrips) attemptStream(ctx context.Context, passed error) *answer {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(x.call.limit, func() { cancel(passed) })
	a := x.attemptIn(ctx)
	inTime := timer.Stop()
	if a.stream == nil {
		cancel(nil)
		return a
	}
	a.stream.end = func() { cancel(nil) }
	a.stream.ended = func() error {
		if ctx.Err() == nil {
			return nil
		}
		return ended(ctx)
	}
	if !inTime {
		_ = a.stream.Close() // nothing was read from it
		return &answer{err: passed, reached: true}
	}
	return a
}

// attemptIn sends the request once, until ctx ends.
func (x *roundTrips) attemptIn(ctx context.Context) *answer {
	x.attempts++
	start := time.Now()
	captured := x.newCapture()
	a := x.roundTrip(ctx, captured)
	if a.err != nil && ctx.Err() != nil {
		a.err = context.Cause(ctx) // more exact than what the transport makes of it
	}
	took := time.Since(start)
	captured.keep(x, a.err, start, took)
	x.log(ctx, a, took)
	return a
}

func (x *roundTrips) roundTrip(ctx context.Context, captured *capture) *answer {
	var trace connTrace
	told := telemetry.WithAttempt(trace.watch(ctx), telemetry.Attempt{Path: x.call.path, Number: x.attempts})
	req, err := http.NewRequestWithContext(told, x.call.method, x.url, http.NoBody)
	if err != nil {
		return &answer{err: errors.New("the request cannot be built")}
	}
	body, stream := x.attach(req)
	defer stream.End()
	// net/http does not return before a Read that it began does.
	defer context.AfterFunc(ctx, stream.End)()
	maps.Copy(req.Header, x.header)
	if contentType := x.body.ContentType(); contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if x.key != "" {
		req.Header.Set("Idempotency-Key", x.key)
	}
	req.Header.Set("Authorization", "Bearer "+x.client.apiKey())
	req.Header.Set("Accept", "application/json")
	if x.call.stream {
		req.Header.Set("Accept", "*/*")
	}
	req.Header.Set("User-Agent", x.client.userAgent)

	captured.sends(req)
	resp, err := x.client.http.Do(req)
	if err != nil {
		if failure := stream.Failure(); failure != nil {
			return &answer{err: failure, broken: true}
		}
		if body.late.Load() {
			return &answer{err: errWindowOver, broken: true}
		}
		reached := trace.reached(err, x.client.ofNetHTTP, body.read.Load()) && stream.WasRead()
		return &answer{err: anon.WithoutURL(err), reached: reached}
	}
	if x.call.stream && isSuccess(resp.StatusCode) {
		captured.receivesStream(resp)
		return &answer{status: resp.StatusCode, header: resp.Header, stream: &streamedBody{body: resp.Body}}
	}
	captured.receives(resp)
	defer func() { _ = resp.Body.Close() }() // nothing more is read from it
	if resp.StatusCode < http.StatusOK {     // net/http lets 000 and 101 through
		return &answer{err: fmt.Errorf("the status %03d is not one of an answer", resp.StatusCode), reached: true}
	}
	a := &answer{status: resp.StatusCode, header: resp.Header}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1))
	switch {
	case err != nil && isSuccess(a.status):
		return &answer{err: fmt.Errorf("the answer was cut off: %w", anon.WithoutURL(err)), reached: true}
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

// reached reports whether a request that failed with err may have been received. That of
// net/http tells how far it got, but for what it hands to another round tripper. Any other
// is believed only if it failed to connect, or did not get to it because the address of
// the proxy is wrong.
func (t *connTrace) reached(err error, ofNetHTTP, wasRead bool) bool {
	switch {
	case t.started.Load():
		return t.wrote.Load()
	case ofNetHTTP && !wasRead:
		return false
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok || strings.Contains(err.Error(), badProxy) {
		return false
	}
	op, ok := errors.AsType[*net.OpError](err)
	return !ok || op.Op != "dial" && op.Op != "proxyconnect"
}

// badProxy is in the text by which net/http refuses a variable such as HTTPS_PROXY. The
// error has no type.
const badProxy = "invalid proxy address"

// warn logs a send that may have brought two mails.
func (x *roundTrips) warn(ctx context.Context, last *answer) {
	if !x.maybeTwice(last) {
		return
	}
	x.client.logger.LogAttrs(ctx, slog.LevelWarn, "nylas: a second mail is possible",
		slog.String(telemetry.LogMethod, x.call.method),
		slog.String(telemetry.LogPath, x.call.path),
		slog.Int(telemetry.LogAttempts, x.attempts),
		slog.String(telemetry.LogRequestID, redact(last.requestID(), x.secrets()...)))
}

func (x *roundTrips) log(ctx context.Context, a *answer, took time.Duration) {
	logger := x.client.logger
	if !logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{
		slog.String(telemetry.LogMethod, x.call.method),
		slog.String(telemetry.LogPath, x.call.path),
		slog.Int(telemetry.LogAttempt, x.attempts),
		slog.Duration(telemetry.LogDuration, took),
	}
	if a.err != nil {
		attrs = append(attrs, slog.String(telemetry.LogError, x.newError(a).Error()))
	} else {
		attrs = append(attrs,
			slog.Int(telemetry.LogStatus, a.status),
			slog.Bool(telemetry.LogReplayed, a.replayed()),
			slog.String(telemetry.LogRequestID, redact(a.requestID(), x.secrets()...)))
	}
	logger.LogAttrs(ctx, slog.LevelDebug, "nylas: request", attrs...)
}
