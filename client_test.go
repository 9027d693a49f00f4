package nylas_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

func TestNewClientChecksTheAPIKey(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{
		"empty": "", "blank": " ", "space around": " nyk_v0_abc", "line end": "nyk_v0_abc\n", "space inside": "nyk_v0 abc",
		"tab": "nyk\tv0", "control character": "nyk_v0\x00abc", "DEL": "nyk_v0\x7f", "not ASCII": "nyk_v0_ä",
		"no-break space": "nyk_v0\u00a0abc", "byte order mark": "\ufeffnyk_v0_abc", "not UTF-8": "nyk_v0\xff",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := nylas.NewClient(key)
			assert.Nil(t, client)
			require.ErrorContains(t, err, "nylas: new client: the API key ")
			assert.NotContains(t, err.Error(), "nyk")
		})
	}
	_, err := nylas.NewClient("")
	require.EqualError(t, err, "nylas: new client: the API key is empty: create one in the Nylas Dashboard under API Keys")
	for _, key := range []string{"k", testAPIKey, "!~", strings.Repeat("k", 4096)} {
		client, err := nylas.NewClient(key)
		require.NoError(t, err)
		assert.NotNil(t, client.Messages)
		assert.NotNil(t, client.Webhooks)
	}
}

func TestNewClientRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		opt  nylas.ClientOption
		want string
	}{
		{"region", nylas.WithRegion("mars"), "unknown region: want nylas.US or nylas.EU"},
		{"no region", nylas.WithRegion(""), "unknown region: want nylas.US or nylas.EU"},
		{"no base URL", nylas.WithBaseURL(""), "the base URL is not an absolute http or https URL"},
		{"host without scheme", nylas.WithBaseURL("api.us.nylas.com"), "the base URL is not an absolute http or https URL"},
		{"path", nylas.WithBaseURL("/v3"), "the base URL is not an absolute http or https URL"},
		{"no host", nylas.WithBaseURL("https:///v3"), "the base URL is not an absolute http or https URL"},
		{"other scheme", nylas.WithBaseURL("ftp://host"), "the base URL is not an absolute http or https URL"},
		{"opaque", nylas.WithBaseURL("https:host"), "the base URL is not an absolute http or https URL"},
		{"broken", nylas.WithBaseURL("https://user:pass word@h%zz"), "the base URL cannot be parsed"},
		{"control character", nylas.WithBaseURL("https://host/\n"), "the base URL cannot be parsed"},
		{"user", nylas.WithBaseURL("https://u:pw@host"), "the base URL has more than a scheme, a host and a path"},
		{"query", nylas.WithBaseURL("https://host/?a=b"), "the base URL has more than a scheme, a host and a path"},
		{"empty query", nylas.WithBaseURL("https://host/?"), "the base URL has more than a scheme, a host and a path"},
		{"fragment", nylas.WithBaseURL("https://host/#x"), "the base URL has more than a scheme, a host and a path"},
		{"no HTTP client", nylas.WithHTTPClient(nil), "WithHTTPClient: the client is nil"},
		{"no round tripper", nylas.WithRoundTripper(nil), "WithRoundTripper: the function is nil"},
		{
			"round tripper that is nil",
			nylas.WithRoundTripper(func(http.RoundTripper) http.RoundTripper { return nil }),
			"WithRoundTripper: the function returned nil",
		},
		{"no logger", nylas.WithLogger(nil), "WithLogger: the logger is nil"},
		{"user agent with a line", nylas.WithUserAgent("a\r\nX: y"), "WithUserAgent: want printable ASCII"},
		{"user agent not ASCII", nylas.WithUserAgent("bücher"), "WithUserAgent: want printable ASCII"},
		{"attempts", nylas.WithRetryPolicy(nylas.RetryPolicy{MaxAttempts: -1}), "WithRetryPolicy: a field is negative"},
		{"base delay", nylas.WithRetryPolicy(nylas.RetryPolicy{BaseDelay: -1}), "WithRetryPolicy: a field is negative"},
		{"delay", nylas.WithRetryPolicy(nylas.RetryPolicy{MaxDelay: -1}), "WithRetryPolicy: a field is negative"},
		{"retry after", nylas.WithRetryPolicy(nylas.RetryPolicy{MaxRetryAfter: -1}), "WithRetryPolicy: a field is negative"},
		{
			"delays in the wrong order",
			nylas.WithRetryPolicy(nylas.RetryPolicy{BaseDelay: 2 * time.Second, MaxDelay: time.Second}),
			"WithRetryPolicy: MaxDelay is shorter than BaseDelay",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client, err := nylas.NewClient(testAPIKey, tt.opt)
			assert.Nil(t, client)
			require.EqualError(t, err, "nylas: new client: "+tt.want)
		})
	}
}

func TestWhereRequestsGo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		opts []nylas.ClientOption
		want string
	}{
		{"default", nil, "https://api.us.nylas.com/v3/webhooks"},
		{"US", []nylas.ClientOption{nylas.WithRegion(nylas.US)}, "https://api.us.nylas.com/v3/webhooks"},
		{"EU", []nylas.ClientOption{nylas.WithRegion(nylas.EU)}, "https://api.eu.nylas.com/v3/webhooks"},
		{"base URL", []nylas.ClientOption{nylas.WithBaseURL("http://127.0.0.1:8025")}, "http://127.0.0.1:8025/v3/webhooks"},
		{"slash", []nylas.ClientOption{nylas.WithBaseURL("https://h/")}, "https://h/v3/webhooks"},
		{"prefix", []nylas.ClientOption{nylas.WithBaseURL("https://h/proxy/nylas")}, "https://h/proxy/nylas/v3/webhooks"},
		{"prefix and slash", []nylas.ClientOption{nylas.WithBaseURL("https://h/proxy/nylas/")}, "https://h/proxy/nylas/v3/webhooks"},
		{"escaped prefix", []nylas.ClientOption{nylas.WithBaseURL("https://h/a%2Fb%20c")}, "https://h/a%2Fb%20c/v3/webhooks"},
		{"upper case", []nylas.ClientOption{nylas.WithBaseURL("HTTPS://h")}, "https://h/v3/webhooks"},
		{
			"the last one counts", []nylas.ClientOption{nylas.WithBaseURL("https://h"), nylas.WithRegion(nylas.EU)},
			"https://api.eu.nylas.com/v3/webhooks",
		},
		{
			"the last one counts, turned round", []nylas.ClientOption{nylas.WithRegion(nylas.EU), nylas.WithBaseURL("https://h")},
			"https://h/v3/webhooks",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got string
			opts := append(slices.Clone(tt.opts), nylas.WithHTTPClient(&http.Client{Transport: roundTripFunc(func(r *http.Request) (*http.Response, error) {
				got = r.URL.String()
				return answers(200, `{"data":[]}`)(r)
			})}))
			client, err := nylas.NewClient(testAPIKey, opts...)
			require.NoError(t, err)
			assertEmpty(t, client.Webhooks.List(t.Context()))
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestHTTPClientIsCopied(t *testing.T) {
	t.Parallel()
	first, second := newWireAlways(answers(200, `{"data":[]}`)), newWire(t)
	httpClient := &http.Client{Transport: first.mock}
	client, err := nylas.NewClient(testAPIKey, nylas.WithHTTPClient(httpClient),
		nylas.WithRoundTripper(func(next http.RoundTripper) http.RoundTripper { return roundTripFunc(next.RoundTrip) }))
	require.NoError(t, err)
	assert.Nil(t, httpClient.CheckRedirect, "the original was changed")
	assert.Same(t, first.mock, httpClient.Transport, "the original was changed")

	httpClient.Transport = second.mock
	_, err = client.Webhooks.MockPayload(t.Context(), "message.opened")
	require.NoError(t, err)
	assert.Len(t, first.requests(), 1)
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		w := newWireAlways(answers(status, "", "Location", "https://elsewhere.example/"))
		for _, m := range methods() {
			err := m.call(t.Context(), w.client(t))
			assert.Equal(t, status, asError(t, err).StatusCode)
		}
		assert.Len(t, w.requests(), len(methods()), "a redirect was followed")
	}
	// Who sets a policy of their own keeps it.
	w := newWire(t, answers(307, "", "Location", "/elsewhere"), answers(200, `{"data":{"id":"w-1"}}`))
	followed := 0
	client := w.client(t, nylas.WithHTTPClient(&http.Client{Transport: w.mock, CheckRedirect: func(*http.Request, []*http.Request) error {
		followed++
		return nil
	}}))
	webhook, err := client.Webhooks.Get(t.Context(), testWebhook)
	require.NoError(t, err)
	assert.Equal(t, "w-1", webhook.ID)
	assert.Equal(t, 1, followed)
}

func TestRoundTrippers(t *testing.T) {
	t.Parallel()
	var order []string
	wrap := func(name string) nylas.ClientOption {
		return nylas.WithRoundTripper(func(next http.RoundTripper) http.RoundTripper {
			return roundTripFunc(func(r *http.Request) (*http.Response, error) {
				order = append(order, name)
				assert.Equal(t, "Bearer "+testAPIKey, r.Header.Get("Authorization"))
				return next.RoundTrip(r)
			})
		})
	}
	w := newWire(t, answers(200, `{"data":[]}`))
	client, err := nylas.NewClient(testAPIKey, wrap("inner"), nylas.WithHTTPClient(&http.Client{Transport: w.mock}), wrap("outer"))
	require.NoError(t, err)
	assertEmpty(t, client.Webhooks.List(t.Context()))
	assert.Equal(t, []string{"outer", "inner"}, order)
	assert.Len(t, w.requests(), 1)

	var got http.RoundTripper
	_, err = nylas.NewClient(testAPIKey, nylas.WithRoundTripper(func(next http.RoundTripper) http.RoundTripper {
		got = next
		return next
	}))
	require.NoError(t, err)
	assert.Same(t, http.DefaultTransport, got)
}

func TestUserAgent(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"":             "nylastrack-nylas-go/" + nylas.Version,
		"outreach/1.2": "outreach/1.2 nylastrack-nylas-go/" + nylas.Version,
		"a (b; c) d/1": "a (b; c) d/1 nylastrack-nylas-go/" + nylas.Version,
	} {
		w := newWire(t, answers(200, `{"data":[]}`))
		assertEmpty(t, w.client(t, nylas.WithUserAgent(name)).Webhooks.List(t.Context()))
		assert.Equal(t, []string{want}, w.requests()[0].header["User-Agent"])
	}
}

func TestClientFromManyGoroutines(t *testing.T) {
	t.Parallel()
	var log logBuffer
	w := newWireAlways(answersFile(t, 200, messageAnswer))
	client := w.client(t, log.option())
	list := client.Webhooks.List(t.Context())
	msg := markedMessage()
	var calls sync.WaitGroup
	failed := make([]error, 40)
	for i := range failed {
		calls.Go(func() {
			key := fmt.Sprintf("key-%d", i)
			var resp nylas.Response
			_, failed[i] = client.Messages.Send(t.Context(), testGrant, msg, nylas.WithIdempotencyKey(key), nylas.WithResponse(&resp))
			assert.Equal(t, key, resp.IdempotencyKey)
			for _, err := range list {
				assert.Error(t, err, "the answer is a message")
			}
		})
	}
	calls.Wait()
	require.NoError(t, errors.Join(failed...))
	assert.Len(t, w.requests(), 80)
	assert.Len(t, log.records(t), 80)
}

// TestHeadersOnTheWire has what net/http adds and leaves.
func TestHeadersOnTheWire(t *testing.T) {
	t.Parallel()
	for _, m := range methods() {
		t.Run(m.op, func(t *testing.T) {
			t.Parallel()
			got := make(chan *http.Request, 1)
			server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				got <- r
				_, _ = io.WriteString(rw, anyAnswer(m.op))
			}))
			t.Cleanup(server.Close)
			require.NoError(t, m.call(t.Context(), realClient(t, server.URL, 1)))

			r := <-got
			want := http.Header{
				"Authorization":   {"Bearer " + testAPIKey},
				"Accept":          {"application/json"},
				"Accept-Encoding": {"gzip"},
				"User-Agent":      {"nylastrack-nylas-go/" + nylas.Version},
			}
			if m.streams() {
				want["Accept"] = []string{"*/*"}
			}
			hasBody := m.verb == http.MethodPut || m.verb == http.MethodPost && m.op != "rotate webhook secret"
			if hasBody {
				want["Content-Type"] = []string{"application/json"}
			}
			if m.op == "send MIME message" {
				want["Content-Type"] = r.Header["Content-Type"] // TestSendMIME
			}
			if hasBody || m.verb == http.MethodPost {
				want["Content-Length"] = []string{fmt.Sprint(r.ContentLength)}
			}
			if m.repeats == repeatsWithKey {
				want["Idempotency-Key"] = []string{testKey}
			}
			assert.Equal(t, want, r.Header)
			assert.Equal(t, hasBody, r.ContentLength > 0)
			assert.Empty(t, r.TransferEncoding, "the body is not chunked")
			assert.Equal(t, m.verb, r.Method)
			path := strings.NewReplacer(append(slices.Concat(messagePaths(), historyPaths()), "{grant_id}", testGrant, "{webhook_id}", testWebhook)...).Replace(m.path)
			assert.Equal(t, path, r.URL.EscapedPath())
			switch {
			case m.op == "send MIME message":
				assert.Equal(t, "type=mime", r.URL.RawQuery)
			case strings.HasSuffix(m.op, " attachment"):
				assert.Equal(t, "message_id="+testID, r.URL.RawQuery)
			case m.op != "find sent message":
				assert.Empty(t, r.URL.RawQuery)
			}
		})
	}
}

func TestCompressedAnswerIsRead(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Encoding", "gzip")
		_, _ = rw.Write(compressAnswer(t, recording(t, "published/webhooks.create.response.json")))
	}))
	t.Cleanup(server.Close)
	webhook, err := realClient(t, server.URL, 1).Webhooks.Get(t.Context(), testWebhook)
	require.NoError(t, err)
	assert.Equal(t, testWebhook, webhook.ID)
}

// TestIDsInPaths has ids that Nylas or its users make.
func TestIDsInPaths(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		testGrant:                 testGrant,
		"me":                      "me",
		"kim@example.org":         "kim@example.org",
		"kim+x@example.org":       "kim+x@example.org",
		"email:kim@example.org":   "email:kim@example.org",
		"grant:41009df5":          "grant:41009df5",
		"external:a/b":            "external:a%2Fb",
		"<CAF=x+y/z@example.org>": "%3CCAF=x+y%2Fz@example.org%3E",
		"a/b":                     "a%2Fb",
		"../grants/other":         "..%2Fgrants%2Fother",
		"a%2Fb":                   "a%252Fb",
		"%2e%2e":                  "%252e%252e",
		"100%":                    "100%25",
		"a?b#c":                   "a%3Fb%23c",
		"a b":                     "a%20b",
		`a\b;c,d`:                 `a%5Cb%3Bc%2Cd`,
		"ü/日":                     "%C3%BC%2F%E6%97%A5",
		"a\xffb":                  "a%FFb",
		"...":                     "...",
		"{webhook_id}":            "%7Bwebhook_id%7D",
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			w := newWireAlways(answers(200, `{"data":{"id":"x","webhook_secret":"s"}}`))
			client := w.client(t)
			_, err := client.Messages.Send(t.Context(), id, markedMessage())
			require.NoError(t, err)
			_, err = client.Webhooks.Get(t.Context(), id)
			require.NoError(t, err)
			_, err = client.Webhooks.Update(t.Context(), id, &nylas.UpdateWebhookRequest{})
			require.NoError(t, err)
			require.NoError(t, client.Webhooks.Delete(t.Context(), id))
			_, err = client.Webhooks.RotateSecret(t.Context(), id)
			require.NoError(t, err)

			var targets []string
			for _, request := range w.requests() {
				targets = append(targets, request.target)
				parsed, err := url.ParseRequestURI(request.target)
				require.NoError(t, err)
				assert.Contains(t, parsed.Path, "/"+id)
			}
			assert.Equal(t, []string{
				"/v3/grants/" + want + "/messages/send", "/v3/webhooks/" + want, "/v3/webhooks/" + want,
				"/v3/webhooks/" + want, "/v3/webhooks/rotate-secret/" + want,
			}, targets)
		})
	}
}

func TestIDsThatAreRefused(t *testing.T) {
	t.Parallel()
	for id, reason := range map[string]string{
		"": "is empty", ".": "is a dot segment", "..": "is a dot segment", "a\nb": "has control characters",
		"a\x00": "has control characters", "\x7f": "has control characters", "\t": "has control characters",
	} {
		t.Run(fmt.Sprintf("%q", id), func(t *testing.T) {
			t.Parallel()
			w := newWire(t)
			client, ctx := w.client(t), t.Context()
			for op, call := range map[string]func() error{
				"send message: grant_id": func() error {
					_, err := client.Messages.Send(ctx, id, markedMessage())
					return err
				},
				"get webhook: webhook_id": func() error {
					_, err := client.Webhooks.Get(ctx, id)
					return err
				},
				"update webhook: webhook_id": func() error {
					_, err := client.Webhooks.Update(ctx, id, &nylas.UpdateWebhookRequest{})
					return err
				},
				"delete webhook: webhook_id": func() error { return client.Webhooks.Delete(ctx, id) },
				"rotate webhook secret: webhook_id": func() error {
					_, err := client.Webhooks.RotateSecret(ctx, id)
					return err
				},
			} {
				err := call()
				require.EqualError(t, err, "nylas: "+op+" "+reason)
				assertSentinels(t, err, nylas.ErrInvalidRequest)
				assert.Zero(t, asError(t, err).StatusCode)
				assert.Zero(t, asError(t, err).Attempts)
			}
			assert.Empty(t, w.requests())
		})
	}
}

// TestAnswerIsBounded has an answer that does not end.
func TestAnswerIsBounded(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 400} {
		endless := &endlessBody{}
		w := newWire(t, func(r *http.Request) (*http.Response, error) {
			resp, err := answers(status, "")(r)
			resp.Body = endless
			return resp, err
		})
		_, err := w.client(t).Webhooks.Get(t.Context(), testWebhook)
		assert.Equal(t, status, asError(t, err).StatusCode)
		assert.Less(t, endless.read, 40<<20)
		assert.True(t, endless.closed)
	}
}

type endlessBody struct {
	read   int
	closed bool
}

func (b *endlessBody) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	b.read += len(p)
	return len(p), nil
}

func (b *endlessBody) Close() error {
	b.closed = true
	return nil
}

// TestCallersErrorsStayReachable has the error of a round tripper of the caller.
func TestCallersErrorsStayReachable(t *testing.T) {
	t.Parallel()
	errBudget := errors.New("the budget is spent")
	client := newWireAlways(fails(errBudget)).client(t, quick(1))
	_, err := client.Webhooks.Get(context.Background(), testWebhook)
	require.ErrorIs(t, err, errBudget)
	var wrapped *url.Error
	assert.NotErrorAs(t, err, &wrapped)
}
