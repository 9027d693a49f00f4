package mailbox_test

import (
	"html"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

// hook is a receiver with a webhook. It answers with status.
type hook struct {
	url      string
	statuses chan int
}

func (w *world) subscribe(extra string) *hook {
	w.t.Helper()
	h := &hook{url: "http://app.test/hooks?tenant=[7]&name=o'neil", statuses: make(chan int, 10)}
	listener, err := w.network.Listen("app.test")
	require.NoError(w.t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case status := <-h.statuses:
			w.WriteHeader(status)
		default:
			_, _ = io.WriteString(w, r.URL.Query().Get("challenge"))
		}
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	w.t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	w.post("/v3/webhooks", `{"trigger_types": ["message.opened", "message.link_clicked", "thread.replied"], "webhook_url": "`+h.url+`"`+extra+`}`)
	return h
}

func (w *world) open(m nylastest.Message, userAgent string) {
	w.t.Helper()
	kim, err := w.server.Recipient(m.ID)
	require.NoError(w.t, err)
	require.NoError(w.t, kim.WithUserAgent(userAgent).WithIP("203.0.113.9").Open(w.t.Context()))
}

var chip = regexp.MustCompile(`<span class="chip \w+">([^<]*)</span>`)

// states are those of the notifications and their attempts on a page.
func (a answer) states() []string {
	_, list, _ := strings.Cut(a.body, `<ol id="notices"`)
	list, _, _ = strings.Cut(list, "</ol>")
	var states []string
	for _, found := range chip.FindAllStringSubmatch(list, -1) {
		states = append(states, found[1])
	}
	return states
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m, other := w.send(tracked), w.send(tracked)
		path := "/mailbox/messages/" + m.ID
		assert.Contains(t, w.get(path).body, "None yet.")
		w.open(m, "nobody")
		assert.Equal(t, []string{"no webhook wants it"}, w.get(path).states())
		assert.Contains(t, w.get(path).body, "no active webhook has this trigger")

		h := w.subscribe("")
		h.statuses <- http.StatusServiceUnavailable
		w.open(m, "Kim's browser")
		synctest.Wait()
		a := w.get(path)
		assert.Equal(t, []string{"will be tried again", "503 Service Unavailable", "no webhook wants it"}, a.states())
		for _, want := range []string{"203.0.113.9 · Kim&#39;s browser", "1 open<", "2 notifications, the latest: message.opened, will be tried again"} {
			assert.Contains(t, a.body, want)
		}
		require.NoError(t, w.server.Wait(t.Context()))
		assert.Equal(t, []string{"delivered", "503 Service Unavailable", "200 OK", "no webhook wants it"}, w.get(path).states())

		h.statuses <- http.StatusForbidden
		w.open(m, "")
		require.NoError(t, w.server.Wait(t.Context()))
		a = w.get(path)
		assert.Equal(t, []string{"given up", "403 Forbidden"}, a.states()[:2])
		assert.Contains(t, a.body, "203.0.113.9 · no User-Agent")

		assert.Contains(t, w.get("/mailbox/messages/"+other.ID).body, "None yet.")
		assert.Len(t, w.get("/mailbox/").states(), 6)
	})
}

// Of several opens each notification tells of its own, also if an earlier one bears a
// later time.
func TestNotificationTellsOfItsEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.send(tracked)
	kim, err := w.server.Recipient(m.ID)
	require.NoError(t, err)
	require.NoError(t, kim.WithUserAgent("tomorrow").WithTime(time.Now().Add(24*time.Hour)).Open(t.Context()))
	require.NoError(t, kim.WithUserAgent("today").Open(t.Context()))
	page := w.get("/mailbox/messages/" + m.ID).body
	assert.Contains(t, page, "127.0.0.1 · today<")
	assert.Contains(t, page, "127.0.0.1 · tomorrow<")
	assert.Equal(t, 1, strings.Count(page, "bears the time"))
}

func TestTestEventIsListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.subscribe("")
	w.post("/v3/webhooks/send-test-event", `{"trigger_type": "message.opened", "webhook_url": "`+h.url+`"}`)
	assert.Contains(t, w.get("/mailbox/").body, "webhook <code>test event</code>")
}

func TestLongLists(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.send(tracked)
	for range 200 {
		w.send(tracked)
		w.open(first, "x")
	}
	w.open(first, "x")
	page := w.get("/mailbox/").body
	assert.NotContains(t, page, first.ID+`" id="a-`)
	assert.Equal(t, 2, strings.Count(page, "1 older ones are not shown."))
	assert.Equal(t, 200, strings.Count(page, `<li id="m-`))
	assert.Equal(t, 200, strings.Count(page, `class="notice open"`))
}

var shown = regexp.MustCompile(`(?s)<pre id="[^"]*">(.*?)</pre>`)

// The shell makes of the command the request that was delivered.
func TestCurl(t *testing.T) {
	t.Parallel()
	for name, extra := range map[string]string{"plain": "", "gzip": `, "compressed_delivery": true`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sh, err := exec.LookPath("sh")
			if err != nil {
				t.Skip("there is no sh")
			}
			w := newWorld(t)
			w.subscribe(extra)
			m := w.send(tracked)
			w.open(m, "o'neil \"$(touch x)\" `id` \\ %s \t ü 日本 <&>")
			require.NoError(t, w.server.Wait(t.Context()))
			page := w.get("/mailbox/messages/" + m.ID).body
			command := html.UnescapeString(shown.FindStringSubmatch(page)[1])

			// In its place stands a function that tells what curl would get.
			script := `curl() { for a; do printf '%s\0' "$a"; done; printf '\0'; cat; }` + "\n" + command
			run := exec.CommandContext(t.Context(), sh)
			run.Stdin = strings.NewReader(script)
			run.Dir = t.TempDir()
			output, err := run.Output()
			require.NoError(t, err)
			arguments, body, _ := strings.Cut(string(output), "\x00\x00")
			attempt := w.server.Deliveries()[0]
			assert.Equal(t, string(attempt.Wire), body)
			want := []string{"--globoff", "--request", "POST"}
			if extra != "" {
				want = append(want, "--header", "Content-Encoding: gzip")
			}
			want = append(want,
				"--header", "Content-Type: application/json", "--header", "X-Nylas-Signature: "+attempt.Header.Get("X-Nylas-Signature"),
				"--data-binary", "@-", "http://app.test/hooks?tenant=[7]&name=o'neil")
			assert.Equal(t, want, strings.Split(arguments, "\x00"))

			_, request, _ := strings.Cut(page, "<summary id=\"")
			assert.Contains(t, html.UnescapeString(request), "POST /hooks?tenant=[7]&name=o'neil HTTP/1.1\nHost: app.test\nContent-Length: ")
			assert.Contains(t, html.UnescapeString(page), string(attempt.Body))
			n, err := events.Parse(attempt.Body)
			require.NoError(t, err)
			assert.Contains(t, page, n.ID)
		})
	}
}
