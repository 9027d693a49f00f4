package receive_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nylastrack/nylas-go/receive"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What must never appear in an answer, an error or a log.
const (
	receiverSecret = "whsec-3f9d1c77"
	bodyMarker     = "kim.townsend@marker.test"
)

// The documented limits of a body, on the wire and after decompression.
const (
	wireLimit     = 2 << 20
	inflatedLimit = 8 << 20
)

// openedBody is a notification of an open, whose label is bodyMarker.
func openedBody(id string) []byte {
	return fmt.Appendf(nil, `{"specversion":"1.0","type":"message.opened","source":"/com/nylas/tracking",`+
		`"id":%q,"time":1695480567,"webhook_delivery_attempt":1,"data":{"application_id":"app-1",`+
		`"grant_id":"grant-1","object":{"message_id":"message-1","label":%q}}}`, id, bodyMarker)
}

// padded is an openedBody of a given length.
func padded(id string, length int) []byte {
	body := openedBody(id)
	return append(body, bytes.Repeat([]byte(" "), length-len(body))...)
}

func hmacHex(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func sha256ID(body []byte) string {
	return fmt.Sprintf("sha256:%x", sha256.Sum256(body))
}

func gzipped(content []byte) []byte {
	var compressed bytes.Buffer
	w, err := gzip.NewWriterLevel(&compressed, gzip.BestSpeed)
	if err == nil {
		_, err = w.Write(content)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		panic(err) // a buffer takes all
	}
	return compressed.Bytes()
}

// The large ones take long under the race detector, so they are made once.
var (
	gzipAtLimit   = sync.OnceValue(func() []byte { return gzipped(padded("n-1", inflatedLimit)) })
	gzipOverLimit = sync.OnceValue(func() []byte { return gzipped(padded("n-1", inflatedLimit+1)) })
	gzipBomb      = sync.OnceValue(func() []byte { return gzipped(make([]byte, 64<<20)) })
)

// incoming is a request to a Receiver that can be made a value for a recorder
// or bytes for a connection.
type incoming struct {
	method string
	target string
	header http.Header
	body   []byte
	length int64 // as declared; -1 means chunked
}

// posted is a POST without a signature.
func posted(body []byte) incoming {
	return incoming{
		method: http.MethodPost,
		target: "/webhooks/nylas",
		header: http.Header{"Content-Type": {"application/json"}},
		body:   body,
		length: int64(len(body)),
	}
}

// signed is a POST as Nylas sends it.
func signed(body []byte) incoming {
	return posted(body).with(receive.SignatureHeader, hmacHex(receiverSecret, body))
}

// asked is a request without a body.
func asked(method, query string) incoming {
	return incoming{method: method, target: "/webhooks/nylas?" + query, header: http.Header{}}
}

// with sets a header to all of the values.
func (in incoming) with(name string, values ...string) incoming {
	in.header = in.header.Clone()
	in.header[http.CanonicalHeaderKey(name)] = values
	return in
}

// declaring changes the declared length; -1 means chunked.
func (in incoming) declaring(length int64) incoming {
	in.length = length
	return in
}

// request is in as a server would give it to a handler.
func (in incoming) request() *http.Request {
	req := httptest.NewRequest(in.method, in.target, bytes.NewReader(in.body))
	req.Header = in.header.Clone()
	req.ContentLength = in.length
	return req
}

// head is in on the wire, up to the body.
func (in incoming) head() []byte {
	var raw bytes.Buffer
	fmt.Fprintf(&raw, "%s %s HTTP/1.1\r\nHost: receiver.test\r\n", in.method, in.target)
	for name, values := range in.header {
		for _, value := range values {
			fmt.Fprintf(&raw, "%s: %s\r\n", name, value)
		}
	}
	switch {
	case in.length < 0:
		raw.WriteString("Transfer-Encoding: chunked\r\n")
	case in.length > 0 || in.method == http.MethodPost:
		fmt.Fprintf(&raw, "Content-Length: %d\r\n", in.length)
	}
	raw.WriteString("\r\n")
	return raw.Bytes()
}

// wire is in on the wire, with its body.
func (in incoming) wire() []byte {
	raw := in.head()
	switch {
	case in.length >= 0:
		raw = append(raw, in.body...)
	case len(in.body) > 0:
		raw = fmt.Appendf(raw, "%x\r\n%s\r\n0\r\n\r\n", len(in.body), in.body)
	default:
		raw = append(raw, "0\r\n\r\n"...)
	}
	return raw
}

// receiverAnswer is what came back, from a recorder or a connection.
type receiverAnswer struct {
	status  int
	header  http.Header
	text    string
	chunked bool
}

// recorded serves in without a connection.
func recorded(h http.Handler, in incoming) receiverAnswer {
	return recordedRequest(h, in.request())
}

func recordedRequest(h http.Handler, req *http.Request) receiverAnswer {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return receiverAnswer{status: rec.Code, header: rec.Result().Header, text: rec.Body.String()}
}

// requireAnswer checks everything that the contract says about an answer with
// this status, and that it holds no more than text.
func requireAnswer(tb testing.TB, want int, text string, got receiverAnswer) {
	tb.Helper()
	require.Equal(tb, want, got.status)
	assert.Equal(tb, text, got.text)
	requireAnswerHeader(tb, want, len(text), got)
}

func requireAnswerHeader(tb testing.TB, want, length int, got receiverAnswer) {
	tb.Helper()
	require.Equal(tb, want, got.status)
	assert.False(tb, got.chunked, "the answer is chunked")
	header := got.header.Clone()
	header.Del("Date")
	header.Del("Connection") // net/http's, and none of the contract's
	if want == http.StatusOK && length == 0 {
		// Custody taken: there is nothing to describe, and net/http says the length.
		assert.Contains(tb, []string{"", "0"}, header.Get("Content-Length"))
		header.Del("Content-Length")
		assert.Empty(tb, header)
		return
	}
	expected := http.Header{
		"Content-Type":           {"text/plain; charset=utf-8"},
		"Content-Length":         {strconv.Itoa(length)},
		"X-Content-Type-Options": {"nosniff"},
	}
	switch want {
	case http.StatusServiceUnavailable:
		expected["Retry-After"] = []string{"10"}
	case http.StatusMethodNotAllowed:
		expected["Allow"] = []string{"GET, HEAD, POST"}
	}
	assert.Equal(tb, expected, header)
}

// statusLine is the text of an answer that is not 200.
func statusLine(status int) string {
	if status == http.StatusOK {
		return ""
	}
	return http.StatusText(status) + "\n"
}

// receiverLog keeps what a Receiver logs.
type receiverLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *receiverLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *receiverLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *receiverLog) option() receive.Option {
	return receive.WithLogger(slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})))
}

// records returns the log without times.
func (l *receiverLog) records(tb testing.TB) []map[string]any {
	tb.Helper()
	var all []map[string]any
	for line := range strings.Lines(l.String()) {
		var record map[string]any
		require.NoError(tb, json.Unmarshal([]byte(line), &record))
		delete(record, "time")
		all = append(all, record)
	}
	return all
}

// requireNothingLeaked checks that no text holds the secret, a signature made
// with it, or a part of the body.
func requireNothingLeaked(tb testing.TB, body []byte, texts ...string) {
	tb.Helper()
	signature := hmacHex(receiverSecret, body)
	for _, text := range texts {
		for _, secret := range []string{receiverSecret, signature, strings.ToUpper(signature), bodyMarker} {
			assert.NotContains(tb, text, secret)
		}
	}
}

// sourceFunc is a function that is a receive.SecretSource.
type sourceFunc func(ctx context.Context) (receive.SecretState, error)

func (f sourceFunc) Load(ctx context.Context) (receive.SecretState, error) { return f(ctx) }

// stateOf is the settled state of a webhook with these secrets.
func stateOf(values ...string) receive.SecretState {
	state := receive.SecretState{WebhookID: "webhook-1", URL: "https://app.test/"}
	for _, value := range values {
		state.Secrets = append(state.Secrets, receive.StoredSecret{Value: value})
	}
	return state
}

// rotating is the state while a process rotates the secret.
func rotating(values ...string) receive.SecretState {
	state := stateOf(values...)
	state.Busy, state.Owner = receive.BusyRotate, "owner-1"
	return state
}

// unsure is the state after a rotation.
func unsure(values ...string) receive.SecretState {
	state := stateOf(values...)
	state.UnsureUntil = time.Now().Add(30 * time.Minute)
	return state
}

// signedBy is the answer to a delivery that was signed with a secret.
func signedBy(receiver http.Handler, secret string) int {
	body := openedBody("n-1")
	return recorded(receiver, posted(body).with(receive.SignatureHeader, hmacHex(secret, body))).status
}

// newReceiver makes a Receiver that knows receiverSecret.
func newReceiver(tb testing.TB, handler receive.Handler, opts ...receive.Option) *receive.Receiver {
	tb.Helper()
	receiver, err := receive.New(handler, receive.Secret(receiverSecret), opts...)
	require.NoError(tb, err)
	return receiver
}

// outcome is a Handler that ends with err.
func outcome(err error) receive.Handler {
	return receive.HandlerFunc(func(context.Context, *receive.Delivery) error { return err })
}

// counted counts the calls of a Handler.
func counted(calls *atomic.Int64, next receive.Handler) receive.Handler {
	return receive.HandlerFunc(func(ctx context.Context, d *receive.Delivery) error {
		calls.Add(1)
		return next.HandleDelivery(ctx, d)
	})
}

// keeping keeps the deliveries that it takes.
type keeping struct {
	mu   sync.Mutex
	kept []*receive.Delivery
}

func (k *keeping) HandleDelivery(_ context.Context, d *receive.Delivery) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept = append(k.kept, d)
	return nil
}

func (k *keeping) deliveries() []*receive.Delivery {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.kept)
}

// pipeServer is an http.Server on connections made by net.Pipe, which work
// within a synctest bubble.
type pipeServer struct {
	conns chan net.Conn
	once  sync.Once
	ended chan struct{}
}

// servePipes runs handler until the test ends. To be called within a bubble.
func servePipes(t *testing.T, handler http.Handler) *pipeServer {
	t.Helper()
	p := &pipeServer{conns: make(chan net.Conn), ended: make(chan struct{})}
	var open sync.WaitGroup
	server := &http.Server{
		Handler:  handler,
		ErrorLog: log.New(io.Discard, "", 0),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				open.Add(1)
			case http.StateClosed:
				open.Done()
			}
		},
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(p) }()
	t.Cleanup(func() {
		assert.NoError(t, server.Close())
		assert.ErrorIs(t, <-served, http.ErrServerClosed)
		open.Wait() // net/http lingers on a connection that it cuts
	})
	return p
}

func (p *pipeServer) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

func (p *pipeServer) Close() error {
	p.once.Do(func() { close(p.ended) })
	return nil
}

func (p *pipeServer) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// wireClient is the client's end of a connection.
type wireClient struct {
	net.Conn
	answers *bufio.Reader
}

// dial returns a connection, which the end of the test closes.
func (p *pipeServer) dial(t *testing.T) *wireClient {
	t.Helper()
	client, server := net.Pipe()
	p.conns <- server
	t.Cleanup(func() { assert.NoError(t, client.Close()) })
	return newWireClient(client)
}

func newWireClient(conn net.Conn) *wireClient {
	return &wireClient{Conn: conn, answers: bufio.NewReader(conn)}
}

// send writes in the background: a server may answer before it has read all.
func (c *wireClient) send(raw []byte) {
	go func() { _, _ = c.Write(raw) }()
}

// answer reads the answer to a request with the given method.
func (c *wireClient) answer(t *testing.T, method string) receiverAnswer {
	t.Helper()
	resp, err := http.ReadResponse(c.answers, &http.Request{Method: method})
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return receiverAnswer{
		status:  resp.StatusCode,
		header:  resp.Header,
		text:    string(text),
		chunked: len(resp.TransferEncoding) > 0,
	}
}

// roundTrip sends in and reads the answer.
func (c *wireClient) roundTrip(t *testing.T, in incoming) receiverAnswer {
	t.Helper()
	c.send(in.wire())
	return c.answer(t, in.method)
}
