package nylastest_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

const (
	appHost = "app.test"
	appURL  = "http://" + appHost + "/hooks"
)

// world is a server on a network in memory and a receiver beside it.
type world struct {
	t        *testing.T
	network  *nylastest.Network
	server   *nylastest.Server
	receiver *receiver
}

func newWorld(t *testing.T, opts ...nylastest.Option) *world {
	t.Helper()
	network := nylastest.NewNetwork()
	server := nylastest.NewServer(t, append(opts, nylastest.WithNetwork(network))...)
	return &world{t: t, network: network, server: server, receiver: newReceiver(t, network, appHost)}
}

// answer is what the API said.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

// call makes one API request. A string body travels as it is, anything else as
// JSON.
func (w *world) call(method, path string, body any, header ...string) answer {
	w.t.Helper()
	a, err := w.try(method, path, body, header...)
	require.NoError(w.t, err)
	return a
}

func (w *world) try(method, path string, body any, header ...string) (answer, error) {
	w.t.Helper()
	request := w.request(method, path, body, header...)
	response, err := w.server.HTTPClient().Do(request)
	if err != nil {
		return answer{}, err
	}
	content, err := io.ReadAll(response.Body)
	require.NoError(w.t, response.Body.Close())
	return answer{w.t, response.StatusCode, response.Header, content}, err
}

func (w *world) request(method, path string, body any, header ...string) *http.Request {
	w.t.Helper()
	var reader io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(body)
	default:
		encoded, err := json.Marshal(body)
		require.NoError(w.t, err)
		reader = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL()+path, reader)
	require.NoError(w.t, err)
	request.Header.Set("Authorization", "Bearer "+w.server.APIKey())
	if reader != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return request
}

func (w *world) sendPath() string { return "/v3/grants/" + w.server.GrantID() + "/messages/send" }

// object is a JSON object.
type object = map[string]any

// mail is a send request with everything tracked; changes overwrite or, with nil,
// remove members.
func mail(changes ...object) object {
	m := object{
		"to":      []object{{"name": "Kim Townsend", "email": "kim@example.org"}},
		"subject": "Quick follow-up on your trial",
		"body":    `<p>Reply or <a href="https://acme.dev/demo">book a demo</a>, or <a href="https://acme.dev/docs">read</a>.</p>`,
		"tracking_options": object{
			"opens": true, "links": true, "thread_replies": true, "label": "trial-followup-q2",
		},
	}
	for _, change := range changes {
		for name, value := range change {
			if value == nil {
				delete(m, name)
			} else {
				m[name] = value
			}
		}
	}
	return m
}

// send sends and returns what was sent.
func (w *world) send(changes ...object) nylastest.Message {
	w.t.Helper()
	a := w.call(http.MethodPost, w.sendPath(), mail(changes...))
	require.Equal(w.t, http.StatusOK, a.status, "%s", a.body)
	m, ok := w.server.Message(a.data()["id"].(string))
	require.True(w.t, ok)
	return m
}

func (w *world) recipient(m nylastest.Message) *nylastest.Recipient {
	w.t.Helper()
	r, err := w.server.Recipient(m.ID)
	require.NoError(w.t, err)
	return r
}

// subscribe creates a webhook and returns its answer's data.
func (w *world) subscribe(url string, triggers ...events.Type) object {
	w.t.Helper()
	if len(triggers) == 0 {
		triggers = events.TrackingTypes()
	}
	a := w.call(http.MethodPost, "/v3/webhooks", object{"trigger_types": triggers, "webhook_url": url})
	require.Equal(w.t, http.StatusOK, a.status, "%s", a.body)
	return a.data()
}

func (w *world) wait() {
	w.t.Helper()
	require.NoError(w.t, w.server.Wait(w.t.Context()))
}

func (a answer) object() object {
	a.t.Helper()
	var o object
	require.NoError(a.t, json.Unmarshal(a.body, &o), "%s", a.body)
	return o
}

func (a answer) data() object {
	a.t.Helper()
	data, ok := a.object()["data"].(object)
	require.True(a.t, ok, "%s", a.body)
	return data
}

// refused asserts an error in the shape of Nylas.
func (a answer) refused(status int, typ, message string) {
	a.t.Helper()
	assert.Equal(a.t, status, a.status)
	o := a.object()
	assert.NotEmpty(a.t, o["request_id"])
	e, ok := o["error"].(object)
	if assert.True(a.t, ok, "%s", a.body) {
		assert.Equal(a.t, typ, e["type"])
		assert.Equal(a.t, message, e["message"])
	}
}

// received is a notification that came to a receiver.
type received struct {
	*events.Notification
	header http.Header
	body   []byte // as it travelled
}

// receiver is a webhook endpoint. It answers 200 unless told otherwise.
type receiver struct {
	t  *testing.T
	mu sync.Mutex
	// challenge answers the challenge; nil does it right.
	challenge http.HandlerFunc
	answers   []http.HandlerFunc
	got       []received
	asked     int // challenges
}

func newReceiver(t *testing.T, network *nylastest.Network, host string) *receiver {
	t.Helper()
	r := &receiver{t: t}
	l, err := network.Listen(host)
	require.NoError(t, err)
	server := &http.Server{Handler: r}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	if request.Method == http.MethodGet {
		r.asked++
		challenge := r.challenge
		r.mu.Unlock()
		if challenge != nil {
			challenge(w, request)
			return
		}
		_, _ = io.WriteString(w, request.URL.Query().Get("challenge"))
		return
	}
	body, err := io.ReadAll(request.Body)
	assert.NoError(r.t, err)
	plain := body
	if request.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(body))
		if assert.NoError(r.t, err) {
			plain, err = io.ReadAll(z)
			assert.NoError(r.t, err)
		}
	}
	n, err := events.Parse(plain)
	assert.NoError(r.t, err)
	r.got = append(r.got, received{n, request.Header.Clone(), body})
	var next http.HandlerFunc
	if len(r.answers) > 0 {
		next, r.answers = r.answers[0], r.answers[1:]
	}
	r.mu.Unlock()
	if next != nil {
		next(w, request)
	}
}

// then lets the receiver answer the next notifications in this way.
func (r *receiver) then(answers ...http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers = append(r.answers, answers...)
}

func (r *receiver) setChallenge(f http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.challenge = f
}

func (r *receiver) challenges() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// take returns what has arrived since the last call.
func (r *receiver) take() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	r.got = nil
	return got
}

// one waits until everything is delivered and returns the only notification.
func (w *world) one() received {
	w.t.Helper()
	w.wait()
	got := w.receiver.take()
	require.Len(w.t, got, 1)
	return got[0]
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

// fakeT is a test that remembers how it failed.
type fakeT struct {
	testing.TB
	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func (*fakeT) Helper()                  {}
func (f *fakeT) Cleanup(cleanup func()) { f.cleanups = append(f.cleanups, cleanup) }

func (f *fakeT) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failures = append(f.failures, fmt.Sprintf(format, args...))
}

func (f *fakeT) Fatal(args ...any) {
	f.Errorf("%s", fmt.Sprint(args...))
	panic(f)
}

func (f *fakeT) end() {
	for _, cleanup := range slices.Backward(f.cleanups) {
		cleanup()
	}
}

// pass lets time pass inside a bubble, and everything happen that is due then.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
