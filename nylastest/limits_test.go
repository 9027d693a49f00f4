package nylastest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

// sendMIME sends a message in MIME form.
func (w *world) sendMIME(raw string) answer {
	w.t.Helper()
	body := "--b\r\nContent-Disposition: form-data; name=mime\r\n\r\n" + raw + "\r\n--b--\r\n"
	return w.call(http.MethodPost, w.sendPath()+"?type=mime", body, "Content-Type", "multipart/form-data; boundary=b")
}

func TestReplyToAMessageWithoutTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.sendMIME("Cc: kim@example.org\r\nSubject: Copy\r\n\r\nHello")
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	m, _ := w.server.Message(a.data()["id"].(string))
	reply, err := w.recipient(m).Reply(t.Context())
	require.NoError(t, err)
	read := w.call(http.MethodGet, "/v3/grants/"+w.server.GrantID()+"/messages/"+reply, nil).data()
	assert.Equal(t, "kim@example.org", read["from"].([]any)[0].(object)["email"])
}

func TestPartsThatAreNestedTooDeep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	nested := func(depth int) string {
		var raw strings.Builder
		raw.WriteString("To: kim@example.org\r\n")
		for i := range depth {
			fmt.Fprintf(&raw, "Content-Type: multipart/mixed; boundary=n%d\r\n\r\n--n%d\r\n", i, i)
		}
		raw.WriteString("Content-Type: text/plain\r\n\r\nHello")
		return raw.String()
	}
	for depth, text := range map[int]string{50: "Hello", 51: "", 20_000: ""} {
		start := time.Now()
		a := w.sendMIME(nested(depth))
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		m, _ := w.server.Message(a.data()["id"].(string))
		assert.Equal(t, text, strings.TrimSpace(m.Body), depth)
		assert.Less(t, time.Since(start), time.Minute)
	}
}

// serve makes a request without a network.
func (w *world) serve(method, path string, body string) int {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), method, path, strings.NewReader(body))
	require.NoError(w.t, err)
	request.Header.Set("Authorization", "Bearer "+w.server.APIKey())
	recorder := &recorder{header: make(http.Header)}
	w.server.ServeHTTP(recorder, request)
	return recorder.status
}

func TestStoredRequestsAreLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := "/v3/grants/" + w.server.GrantID() + "/messages/" + w.send().ID
	padded := `{"starred":true` + strings.Repeat(" ", 1<<20-20) + "}" // nothing of it has to be kept
	w.server.Handle("/acts/", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	for range 10 << 10 { // 10 MiB: what a page is told stays, too
		require.Equal(t, http.StatusOK, w.serve(http.MethodPost, "/acts/", ""))
	}
	taken := 0
	for w.serve(http.MethodPut, path, padded) == http.StatusOK {
		taken++
		require.Less(t, taken, 2000)
	}
	assert.InDelta(t, 1013, taken, 3)
	assert.Equal(t, http.StatusInsufficientStorage, w.serve(http.MethodPost, "/acts/", ""))
	assert.Equal(t, http.StatusOK, w.serve(http.MethodGet, "/acts/", ""))
	a := w.call(http.MethodPost, w.sendPath(), mail())
	a.refused(http.StatusInsufficientStorage, "api.internal_error", "the emulator keeps at most 1024 MiB of requests: start a new one")
	assert.Equal(t, http.StatusOK, w.serve(http.MethodGet, path, ""), "what is there can be read")
	assert.Len(t, w.server.Messages(), 1)
}

func TestLogOfRequestsIsLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 140 {
		assert.Equal(t, http.StatusNotFound, w.serve(http.MethodGet, fmt.Sprint("/", i, "/", strings.Repeat("x", 1<<20)), ""))
	}
	requests := w.server.History().Requests
	assert.Len(t, requests, 127)
	assert.True(t, strings.HasPrefix(requests[126].Path, "/139/"), "the latest are kept")
}

// A click repeats all links of its message, here 1 MiB of them.
func TestLogOfNotificationsIsLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	link := `<a href="https://acme.dev/` + strings.Repeat("x", 1<<20/64) + `">x</a>`
	tracked := w.send(object{"body": strings.Repeat(link, 64)}).Links[0].TrackedURL
	request := w.request(http.MethodGet, strings.TrimPrefix(tracked, w.server.URL()), "")
	latest := ""
	for range 140 {
		w.server.ServeHTTP(&recorder{header: make(http.Header)}, request.Clone(t.Context()))
		notices := w.server.Notices()
		latest = notices[len(notices)-1].ID
	}
	notices := w.server.Notices()
	kept := len(notices) // not require.Len, which prints all of them
	require.Equal(t, 127, kept, "each has 1 MiB and its recents")
	for _, notice := range notices {
		assert.True(t, notice.Settled)
	}
	assert.Equal(t, latest, notices[126].ID)
}

// A delivery has its notification twice: as JSON, and as it travelled. Here that is 2 MiB.
func TestLogOfDeliveriesIsLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.subscribe(appURL)
		link := `<a href="https://acme.dev/` + strings.Repeat("x", 1<<20/64) + `">x</a>`
		m := w.send(object{"body": strings.Repeat(link, 64)})
		for range 70 {
			_, err := w.recipient(m).Click(t.Context(), 0)
			require.NoError(t, err)
			w.wait()
			w.receiver.take() // it would keep them
		}
		all := w.server.Deliveries()
		kept := len(all) // not require.Len, which prints all of them
		require.Equal(t, 63, kept)
		n, err := events.Parse(all[62].Body)
		require.NoError(t, err)
		assert.Equal(t, events.Int(70), n.Data.(*events.MessageLinkClicked).LinkData[0].Count, "the latest are kept")
		n, err = events.Parse(all[0].Body)
		require.NoError(t, err)
		assert.Equal(t, events.Int(8), n.Data.(*events.MessageLinkClicked).LinkData[0].Count)
	})
}

func TestTooManyNotificationsAreGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.subscribe(appURL)
		require.NoError(t, w.server.InjectDelivery(nylastest.DeliveryFault{Delay: time.Hour, Times: nylastest.Forever}))
		pixel := strings.TrimPrefix(w.send().PixelURL, w.server.URL())
		for range 10_003 {
			require.Equal(t, http.StatusOK, w.serve(http.MethodGet, pixel, ""))
		}
		given := w.server.Deliveries()
		require.Len(t, given, 3)
		require.ErrorContains(t, given[2].Err, "too many notifications wait")
	})
}

func TestTrackingHistoryIsLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	agent := w.server.AddAgentAccount("Agent", "agent@nylas.test")
	a := w.call(http.MethodPost, "/v3/grants/"+agent+"/messages/send", mail())
	m, _ := w.server.Message(a.data()["id"].(string))
	pixel := strings.TrimPrefix(m.PixelURL, w.server.URL())
	for range 20_002 {
		require.Equal(t, http.StatusOK, w.serve(http.MethodGet, pixel, ""))
	}
	seen := w.call(http.MethodGet, "/v3/activity/tracking/messages/"+m.ID, nil).data()
	assert.InDelta(t, 20_000, seen["opens"], 0)
}

// TestWhatAVisitorSaysIsLimited: nobody needs a key to load a pixel, and what he says of
// himself is repeated in 50 notifications.
func TestWhatAVisitorSaysIsLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.subscribe(appURL)
	m := w.send()
	long := strings.Repeat("x", 500_000)
	a := w.call(http.MethodGet, strings.TrimPrefix(m.PixelURL, w.server.URL()), nil, "User-Agent", "Agent "+long, "X-Forwarded-For", "fe80::1%"+long)
	require.Equal(t, http.StatusOK, a.status)
	w.wait()
	latest, _ := w.one().Data.(*events.MessageOpened).Latest()
	assert.Equal(t, "Agent "+long[:1024-len("Agent ")], latest.UserAgent)
	assert.Equal(t, "fe80::1", latest.IP)
}
