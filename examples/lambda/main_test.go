package main

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdaurl"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

// function is a function URL of Lambda: it makes events of requests, invokes the handler with
// them, and has one instance at a time.
type function struct {
	instance atomic.Pointer[http.Handler]
	mu       sync.Mutex
	logs     strings.Builder
}

func (f *function) Write(text []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.logs.Write(text)
}

// deploy starts an instance with an environment.
func (f *function) deploy(t *testing.T, secret string) {
	t.Helper()
	handler, err := newHandler(func(name string) string {
		return map[string]string{"NYLAS_WEBHOOK_SECRET": secret}[name]
	}, f)
	require.NoError(t, err)
	f.instance.Store(&handler)
}

func (f *function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	// Lambda gives names of headers in lower case, and may give a body in base64.
	event := &awsevents.LambdaFunctionURLRequest{
		RawPath: r.URL.Path, RawQueryString: r.URL.RawQuery, Headers: map[string]string{},
		Body: base64.StdEncoding.EncodeToString(body), IsBase64Encoded: true,
	}
	for name, values := range r.Header {
		event.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	event.RequestContext.DomainName = r.Host
	event.RequestContext.HTTP.Method = r.Method
	answer, err := lambdaurl.Wrap(*f.instance.Load())(r.Context(), event)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	for name, value := range answer.Headers {
		w.Header().Set(name, value)
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body)
}

func (f *function) lines(t *testing.T) (lines []map[string]any) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for line := range strings.Lines(f.logs.String()) {
		var decoded map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &decoded))
		lines = append(lines, decoded)
	}
	return lines
}

// The function is deployed without a secret, its webhook is made, and it is deployed again.
func TestFunction(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t, nylastest.WithRetryDelays(time.Second, time.Minute))
	f := new(function)
	f.deploy(t, "")
	public := httptest.NewServer(f)
	t.Cleanup(public.Close)
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	require.NoError(t, err)
	webhook, err := client.Webhooks.Create(t.Context(), &nylas.CreateWebhookRequest{
		TriggerTypes: events.TrackingTypes(), WebhookURL: public.URL, CompressedDelivery: true,
	})
	require.NoError(t, err)
	message, err := client.Messages.Send(t.Context(), server.GrantID(), &nylas.SendMessageRequest{
		To: []nylas.Participant{{Email: "kim@example.org"}}, Body: `<a href="https://acme.dev/demo">demo</a>`,
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true, Label: "l-1"},
	})
	require.NoError(t, err)
	kim, err := server.Recipient(message.ID)
	require.NoError(t, err)
	require.NoError(t, kim.Open(t.Context()))
	require.Eventually(t, func() bool { return len(server.Deliveries()) > 0 }, 10*time.Second, time.Millisecond)
	require.Equal(t, http.StatusServiceUnavailable, server.Deliveries()[0].Status)
	assert.Empty(t, f.lines(t))

	f.deploy(t, webhook.WebhookSecret)
	_, err = kim.Click(t.Context(), 0)
	require.NoError(t, err)
	_, err = kim.Reply(t.Context())
	require.NoError(t, err)
	server.RequireDelivered(t, nylastest.Wanted{Type: events.TypeMessageOpened}, // at the second attempt
		nylastest.Wanted{Type: events.TypeMessageLinkClicked}, nylastest.Wanted{Type: events.TypeThreadReplied})
	var kinds []any
	for _, line := range f.lines(t) {
		assert.Equal(t, "event", line["msg"])
		assert.Equal(t, message.ID, line["message"])
		assert.Equal(t, "l-1", line["label"])
		kinds = append(kinds, line["kind"])
	}
	assert.ElementsMatch(t, []any{"open", "click", "reply"}, kinds)
	assert.NotContains(t, f.logs.String(), webhook.WebhookSecret)
}

// A stranger's request is refused, and what cannot be decoded is told of.
func TestRefuses(t *testing.T) {
	t.Parallel()
	f := new(function)
	f.deploy(t, "secret-1,secret-0")
	public := httptest.NewServer(f)
	t.Cleanup(public.Close)
	for secret, want := range map[string]int{"another": http.StatusUnauthorized, "secret-0": http.StatusOK} {
		request, err := nylastest.NewWebhookRequest(t.Context(), public.URL, secret, []byte("no JSON"))
		require.NoError(t, err)
		answer, err := public.Client().Do(request)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		assert.Equal(t, want, answer.StatusCode, secret)
	}
	lines := f.lines(t)
	require.Len(t, lines, 1)
	assert.Equal(t, "undecodable", lines[0]["msg"])

	_, err := newHandler(func(string) string { return "a,,b" }, io.Discard)
	require.ErrorContains(t, err, "secret is empty or blank")
}
