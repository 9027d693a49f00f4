package nylastest_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
)

// maxAnswer is far more than any answer about one message has, in bytes, for each byte of
// the requests.
const maxAnswer = 64

// FuzzServer sends two requests, as they travel, to a server with one message. Whatever they
// say, it answers, with no status of its own failure, and stays as it was.
func FuzzServer(f *testing.F) {
	send := "POST /v3/grants/{grant}/messages/send HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
	withBody := func(head, body string) string {
		return head + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
	}
	get := func(path string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
	}
	change := func(method, path, body string) string {
		return withBody(method+" "+path+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n", body)
	}
	seeds := []string{
		withBody(send, `{"to":[{"email":"a@b.c"}],"body":"<a href=https://acme.dev>x</a>","tracking_options":{"opens":true,"links":true}}`),
		withBody(send+"Idempotency-Key: k\r\n", `{"to":[{"email":"a@b.c"}],"send_at":99999999999,"use_draft":true}`),
		withBody(strings.Replace(send, "/send", "/send?type=mime", 1), "{}"),
		withBody(strings.Replace(strings.Replace(send, "/send", "/send?type=mime", 1), "application/json", "multipart/form-data; boundary=b", 1),
			"--b\r\nContent-Disposition: form-data; name=mime\r\n\r\nCc: a@b.c\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nHi\r\n--c--\r\n--b--\r\n"),
		change("POST", "/v3/domains/acme.dev/messages/send", `{"to":[{"email":"a@b.c"}],"from":{"email":"a@acme.dev"},"body":"x"}`),
		change("POST", "/v3/webhooks", `{"trigger_types":["message.opened"],"webhook_url":"http://app.test/"}`),
		change("PUT", "/v3/webhooks/x", `{"status":"active"}`),
		change("POST", "/v3/webhooks/mock-payload", `{"trigger_type":"message.opened"}`),
		change("POST", "/v3/webhooks/send-test-event", `{"trigger_type":"message.opened","webhook_url":"http://app.test"}`),
		change("POST", "/v3/grants/{grant}/drafts", `{"subject":"x","body":"<p>","to":[]}`),
		change("PUT", "/v3/grants/{grant}/messages/{message}", `{"starred":true,"folders":["TRASH"],"metadata":{"key1":"x"}}`),
		change("PUT", "/v3/grants/{grant}/threads/{thread}", `{"unread":false}`),
		change("DELETE", "/v3/grants/{grant}/messages/{message}", ``),
		change("POST", "/nylastest/grants/{grant}/messages/{message}/replies", `{"from_self":true}`),
		change("POST", "/nylastest/messages/{message}/outcomes", `{"outcome":"bounced"}`),
		change("POST", "/v3/channels/pubsub", `{"trigger_types":["message.opened"],"topic":"projects/p/topics/t"}`),
		change("POST", "/v3/alerts/send", `{"metric":"bounce_rate","threshold":5,"window_hours":24}`),
		get("/v3/grants?limit=1&offset=0"), get("/v3/grants/{grant}/messages?limit=1&fields=raw_mime"),
		get("/v3/grants/{grant}/messages/{message}?fields=include_headers"), get("/v3/grants/{grant}/threads?any_email=a@b.c"),
		get("/v3/grants/{grant}/folders"), get("/v3/activity/tracking?start=0&limit=200"), get("/v3/activity/send?event_type=delivered"),
		get("/v3/metrics/tracking/timeseries?start=0&end=9999999999&interval=hour"), get("/v3/metrics/send?group_by=label"), get("{pixel}"), get("{link}?x=1"), get("/v3/webhooks/"), get("/%2e%2e/x"),
		"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n",
		get("{pixel}") + "X-Nylastest-Time: 2026-01-02T15:04:05Z\r\n",
	}
	for _, seed := range seeds {
		f.Add(seed, get("/v3/grants/{grant}/messages"))
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		server, err := nylastest.Start(nylastest.WithNetwork(nylastest.NewNetwork()), nylastest.WithSeed(1), nylastest.WithSendingDomains("acme.dev"))
		require.NoError(t, err)
		defer func() { assert.NoError(t, server.Close()) }()
		w := &world{t: t, server: server}
		m := w.send()
		replace := strings.NewReplacer("{grant}", server.GrantID(), "{key}", server.APIKey(), "{message}", m.ID, "{thread}", m.ThreadID,
			"{pixel}", strings.TrimPrefix(m.PixelURL, server.URL()), "{link}", strings.TrimPrefix(m.Links[0].TrackedURL, server.URL()))
		for _, raw := range []string{first, second} {
			request, err := http.ReadRequest(bufio.NewReader(strings.NewReader(replace.Replace(raw))))
			if err != nil {
				continue // net/http answers itself
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			request.RemoteAddr = "127.0.0.1:1"
			answer := httptest.NewRecorder()
			server.ServeHTTP(answer, request.WithContext(ctx))
			require.NoError(t, ctx.Err(), "it took too long")
			cancel()
			assert.Less(t, answer.Code, http.StatusInternalServerError, "%s", answer.Body)
			assert.Less(t, answer.Body.Len(), 100_000+maxAnswer*(len(first)+len(second)))
		}
		got, ok := server.Message(m.ID)
		assert.True(t, ok)
		assert.Equal(t, m.Body, got.Body)
		assert.NotContains(t, server.History().String(), server.APIKey())
	})
}
