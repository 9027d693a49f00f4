// This file has what many tests share.

package nylas_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

const (
	testAPIKey  = "nyk_v0_9fW2kTestKey"
	testGrant   = "41009df5-bf11-4c97-aa18-b285b5f2e386"
	testKey     = "idem-3c1d0f52-marker"
	testWebhook = "UMWjAjMeWQ4D8gYF2moonK4486"
	testRequest = "5fa64c92-e840-4357-86b9-2aa364d35b88"
)

// recording returns a file of testdata, such as "http/webhooks.get.response.json".
func recording(tb testing.TB, name string) []byte {
	tb.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", filepath.FromSlash(name)))
	require.NoError(tb, err)
	return content
}

// sentRequest is a request as it came to the wire.
type sentRequest struct {
	method string
	target string // escaped path and query
	header http.Header
	body   []byte
	at     time.Time
}

// wire stands for Nylas: it keeps what it was asked and answers from a script.
type wire struct {
	mock *httpmock.MockTransport

	mu     sync.Mutex
	sent   []sentRequest
	script []httpmock.Responder
	rest   httpmock.Responder // answers after the script
}

// newWire makes a wire that answers once with each responder, in their order. A
// request beyond them fails the test.
func newWire(tb testing.TB, script ...httpmock.Responder) *wire {
	tb.Helper()
	w := &wire{mock: httpmock.NewMockTransport(), script: script}
	w.rest = func(r *http.Request) (*http.Response, error) {
		tb.Errorf("a request that the test does not expect: %s %s", r.Method, r.URL.EscapedPath())
		return nil, errors.New("no answer is left")
	}
	w.mock.RegisterNoResponder(w.answer)
	return w
}

// newWireAlways makes a wire that always answers the same.
func newWireAlways(responder httpmock.Responder) *wire {
	w := &wire{mock: httpmock.NewMockTransport(), rest: responder}
	w.mock.RegisterNoResponder(w.answer)
	return w
}

func (w *wire) answer(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	w.mu.Lock()
	w.sent = append(w.sent, sentRequest{r.Method, r.URL.RequestURI(), r.Header.Clone(), body, time.Now()})
	responder := w.rest
	if len(w.script) > 0 {
		responder, w.script = w.script[0], w.script[1:]
	}
	w.mu.Unlock()
	return responder(r)
}

// requests returns what came so far.
func (w *wire) requests() []sentRequest {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]sentRequest(nil), w.sent...)
}

// waits returns the times between the requests.
func (w *wire) waits() []time.Duration {
	var waits []time.Duration
	requests := w.requests()
	for i := 1; i < len(requests); i++ {
		waits = append(waits, requests[i].at.Sub(requests[i-1].at))
	}
	return waits
}

func (w *wire) client(tb testing.TB, opts ...nylas.ClientOption) *nylas.Client {
	tb.Helper()
	opts = append([]nylas.ClientOption{nylas.WithHTTPClient(&http.Client{Transport: w.mock})}, opts...)
	client, err := nylas.NewClient(testAPIKey, opts...)
	require.NoError(tb, err)
	return client
}

// answers returns a responder with a status, a body and headers, given as name
// and value in turns.
func answers(status int, body string, header ...string) httpmock.Responder {
	return func(*http.Request) (*http.Response, error) {
		resp := httpmock.NewStringResponse(status, body)
		for i := 0; i < len(header); i += 2 {
			resp.Header.Add(header[i], header[i+1])
		}
		return resp, nil
	}
}

// answersFile is answers with a recorded body.
func answersFile(tb testing.TB, status int, name string, header ...string) httpmock.Responder {
	tb.Helper()
	return answers(status, string(recording(tb, name)), header...)
}

// answersCut breaks off after a part of the body.
func answersCut(status int, part string) httpmock.Responder {
	return func(*http.Request) (*http.Response, error) {
		resp := httpmock.NewStringResponse(status, "")
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(part), errReader{io.ErrUnexpectedEOF}))
		return resp, nil
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// compressAnswer returns content compressed.
func compressAnswer(tb testing.TB, content []byte) []byte {
	tb.Helper()
	var buf bytes.Buffer
	zip := gzip.NewWriter(&buf)
	_, err := zip.Write(content)
	require.NoError(tb, err)
	require.NoError(tb, zip.Close())
	return buf.Bytes()
}

// errCut is what a transport returns for a connection that broke.
var errCut = io.ErrUnexpectedEOF

// loses takes the request and gives no answer.
func loses(*http.Request) (*http.Response, error) { return nil, errCut }

// fails does not get the request through.
func fails(err error) httpmock.Responder {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// hangs until the client gives up.
func hangs(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// headerReplayed marks an answer as the one to an earlier request.
var headerReplayed = []string{"Idempotent-Response", "true"}

// assertRecorded compares a request with a recorded one: method, target, all
// headers, and the body as JSON.
func assertRecorded(tb testing.TB, name string, got sentRequest) {
	tb.Helper()
	var want struct {
		Method string
		Target string
		Header http.Header
		Body   json.RawMessage
	}
	text := strings.ReplaceAll(string(recording(tb, name)), "{version}", nylas.Version)
	require.NoError(tb, json.Unmarshal([]byte(text), &want))
	assert.Equal(tb, want.Method, got.method)
	assert.Equal(tb, want.Target, got.target)
	assert.Equal(tb, want.Header, got.header)
	if want.Body == nil {
		assert.Empty(tb, got.body)
		return
	}
	assert.JSONEq(tb, string(want.Body), string(got.body))
}

// logBuffer collects the records of a logger.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logBuffer) option() nylas.ClientOption {
	return nylas.WithLogger(slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})))
}

// records returns the log as one map for each record.
func (l *logBuffer) records(tb testing.TB) []map[string]any {
	tb.Helper()
	var records []map[string]any
	for line := range strings.Lines(l.String()) {
		var record map[string]any
		require.NoError(tb, json.Unmarshal([]byte(line), &record))
		records = append(records, record)
	}
	return records
}

// What must be in no text and no log, beside the keys and the ids.
const (
	markAddress  = "kim.townsend@example.org"
	markLink     = "https://acme.dev/secret-offer"
	markBody     = "BODY-MARKER"
	markProvider = "PROVIDER-MARKER"
)

// marks are all of them, with the forms in which they could slip through.
func marks() []string {
	return []string{
		testAPIKey, testKey, testGrant, testWebhook, testID, testDomain, markBody, markProvider,
		markAddress, "kim.townsend%40example.org", "example.org", markLink, "acme.dev",
	}
}

func assertUnmarked(tb testing.TB, text string) {
	tb.Helper()
	for _, mark := range marks() {
		assert.NotContains(tb, text, mark)
	}
}

// markedMessage is a message that holds what must stay in it.
func markedMessage() *nylas.SendMessageRequest {
	return &nylas.SendMessageRequest{
		To:              []nylas.Participant{{Name: "Kim", Email: markAddress}},
		Subject:         markBody,
		Body:            markBody + ` <a href="` + markLink + `">x</a>`,
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Label: markBody},
	}
}

// asError returns the *nylas.Error in err.
func asError(tb testing.TB, err error) *nylas.Error {
	tb.Helper()
	var e *nylas.Error
	require.ErrorAs(tb, err, &e)
	return e
}

// assertEmpty runs a list and checks that it yields nothing.
func assertEmpty(tb testing.TB, list iter.Seq2[*nylas.Webhook, error]) {
	tb.Helper()
	for webhook, err := range list {
		tb.Errorf("the list has %v, %v", webhook, err)
	}
}

// sentinels are all of them.
func sentinels() []error {
	return []error{
		nylas.ErrTrackingNotAllowed, nylas.ErrTooManyLinks, nylas.ErrLinkRejected, nylas.ErrTrackingDataTooLarge,
		nylas.ErrTrackingDomain, nylas.ErrInvalidRequest, nylas.ErrUnauthorized, nylas.ErrForbidden, nylas.ErrNotFound,
		nylas.ErrIdempotencyConflict, nylas.ErrRateLimited, nylas.ErrProviderRateLimited, nylas.ErrSendingPaused, nylas.ErrOutcomeUnknown,
		nylas.ErrWebhookExists,
	}
}

// assertSentinels checks that err matches these sentinels and no other one.
func assertSentinels(tb testing.TB, err error, want ...error) {
	tb.Helper()
	var got []error
	for _, sentinel := range sentinels() {
		if errors.Is(err, sentinel) {
			got = append(got, sentinel)
		}
	}
	assert.ElementsMatch(tb, want, got)
}

const (
	testID     = "r-8163245982711" // of a draft, a message or a schedule
	testDomain = "news.sender.dev"
)

func markedDraft() *nylas.CreateDraftRequest {
	m := markedMessage()
	return &nylas.CreateDraftRequest{To: m.To, Subject: m.Subject, Body: m.Body, TrackingOptions: m.TrackingOptions}
}

func markedTransactional() *nylas.SendTransactionalRequest {
	m := markedMessage()
	return &nylas.SendTransactionalRequest{
		To: m.To, From: m.To[0], Subject: m.Subject, Body: m.Body,
		TrackingOptions: &nylas.TransactionalTrackingOptions{Opens: true, Label: markBody},
	}
}

// The times of the default policy and of a send.
const (
	baseDelay      = 500 * time.Millisecond
	maxDelay       = 20 * time.Second
	sendLimit      = 150 * time.Second
	callLimit      = 30 * time.Second
	pollsUntil     = 150 * time.Second
	pollsAtLeast   = 2 * time.Second
	pollsAtMost    = 5 * time.Second
	repeatsUntil   = 55 * time.Minute
	messageAnswer  = "published/messages.send.response.json"
	timeoutAnswer  = "constructed/error.provider-timeout.504.json"
	limitAnswer    = "constructed/error.rate-limit-nylas.429.json"
	runningAnswer  = "constructed/error.idempotent-concurrent.409.json"
	conflictAnswer = "constructed/error.idempotent-conflict.409.json"
)

func send(ctx context.Context, client *nylas.Client, opts ...nylas.RequestOption) error {
	_, err := client.Messages.Send(ctx, testGrant, markedMessage(), opts...)
	return err
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func inTurn(script ...httpmock.Responder) []httpmock.Responder { return script }

// quick repeats without waiting, for tests on real connections.
func quick(attempts int) nylas.ClientOption {
	return nylas.WithRetryPolicy(nylas.RetryPolicy{MaxAttempts: attempts, BaseDelay: 1, MaxDelay: 1})
}

// realClient returns a Client with a transport of its own.
func realClient(t *testing.T, baseURL string, attempts int) *nylas.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client, err := nylas.NewClient(testAPIKey, nylas.WithBaseURL(baseURL), quick(attempts),
		nylas.WithHTTPClient(&http.Client{Transport: transport}))
	require.NoError(t, err)
	return client
}

// bubble runs a test in which waiting takes no time.
func bubble(test func(*testing.T)) func(*testing.T) {
	return func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, test)
	}
}

func toKim() []nylas.Participant { return []nylas.Participant{{Email: "kim@example.org"}} }

// attached is a message with attachments.
func attached(attachments ...nylas.Attachment) *nylas.SendMessageRequest {
	return &nylas.SendMessageRequest{To: toKim(), Attachments: attachments}
}

// fileWith writes a file, and returns its path.
func fileWith(tb testing.TB, name, content string) string {
	tb.Helper()
	name = filepath.Join(tb.TempDir(), name)
	require.NoError(tb, os.WriteFile(name, []byte(content), 0o600))
	return name
}

// streamOf is a StreamContent that can be opened again.
func streamOf(size int64, content string) nylas.AttachmentContent {
	return nylas.StreamContent(size, func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	})
}

// zeros is a content of size bytes.
func zeros(announced, size int64) nylas.AttachmentContent {
	return nylas.StreamContent(announced, func() (io.ReadCloser, error) {
		return io.NopCloser(io.LimitReader(endless{}, size)), nil
	})
}

// endless reads zeros for ever.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// announced keeps what a request says about the length of its body: -1 for chunked.
func announced(length *int64, next httpmock.Responder) httpmock.Responder {
	return func(r *http.Request) (*http.Response, error) {
		*length = r.ContentLength
		return next(r)
	}
}

// collect runs a list that has no error.
func collect[T any](tb testing.TB, list iter.Seq2[T, error]) []T {
	tb.Helper()
	var all []T
	for element, err := range list {
		require.NoError(tb, err)
		all = append(all, element)
	}
	return all
}

var errStop = errors.New("the program stops")
