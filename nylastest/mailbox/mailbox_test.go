package mailbox_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/nylastest/mailbox"
)

// world is a server in memory with the page.
type world struct {
	t       *testing.T
	network *nylastest.Network
	server  *nylastest.Server
}

func newWorld(t *testing.T, opts ...nylastest.Option) *world {
	t.Helper()
	network := nylastest.NewNetwork()
	server := nylastest.NewServer(t, append(opts, nylastest.WithNetwork(network))...)
	server.Handle(mailbox.Path, mailbox.New(server))
	return &world{t, network, server}
}

// send sends a mail with these members of a request, and returns it.
func (w *world) send(members string) nylastest.Message {
	w.t.Helper()
	return w.sendFrom(w.server.GrantID(), members)
}

func (w *world) sendFrom(grantID, members string) nylastest.Message {
	w.t.Helper()
	w.post("/v3/grants/"+grantID+"/messages/send", members)
	all := w.server.Messages()
	return all[len(all)-1]
}

// post asks the API for something.
func (w *world) post(path, body string) {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.server.URL()+path, strings.NewReader(body))
	require.NoError(w.t, err)
	request.Header.Set("Authorization", "Bearer "+w.server.APIKey())
	request.Header.Set("Content-Type", "application/json")
	answer, err := w.server.HTTPClient().Do(request)
	require.NoError(w.t, err)
	content, err := io.ReadAll(answer.Body)
	require.NoError(w.t, err)
	require.NoError(w.t, answer.Body.Close())
	require.Equal(w.t, http.StatusOK, answer.StatusCode, "%s", content)
}

// answer is what the page said.
type answer struct {
	status int
	header http.Header
	body   string
}

func (w *world) get(path string) answer { return w.do(http.MethodGet, path, nil) }

func (w *world) do(method, path string, form url.Values, header ...string) answer {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL()+path, strings.NewReader(form.Encode()))
	require.NoError(w.t, err)
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			request.Host = header[i+1]
		}
		request.Header.Set(header[i], header[i+1])
	}
	client := w.server.HTTPClient()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.Do(request)
	require.NoError(w.t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(w.t, err)
	require.NoError(w.t, response.Body.Close())
	return answer{response.StatusCode, response.Header, string(body)}
}

const tracked = `{"to": [{"name": "Kim Townsend", "email": "kim@acme.dev"}], "cc": [{"name": "Lee Chen", "email": "lee@acme.dev"}],
	"bcc": [{"name": "Sam Boss", "email": "sam@acme.dev"}], "subject": "Your trial",
	"body": "<p>Hello Kim, <a href=\"https://acme.dev/demo\">book a demo</a></p>",
	"tracking_options": {"opens": true, "links": true, "thread_replies": true, "label": "trial"}}`

func TestPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	assert.Contains(t, w.get(mailbox.Path).body, "No mail was sent yet")
	w.send(`{"to": [{"email": "noor@acme.dev"}], "subject": " "}`)
	m := w.send(tracked)

	list := w.get(mailbox.Path)
	assert.Equal(t, http.StatusOK, list.status)
	assert.Contains(t, list.body, `href="/mailbox/messages/`+m.ID+`"`)
	assert.Less(t, strings.Index(list.body, "Your trial"), strings.Index(list.body, "(no subject)"), "the newest is first")
	for _, want := range []string{"Sender → Kim Townsend, Lee Chen, Sam Boss", ">opens<", ">links<", ">replies<", ">not tracked<"} {
		assert.Contains(t, list.body, want)
	}
	for _, path := range []string{"/mailbox/", "/mailbox/messages/" + m.ID} {
		assert.Contains(t, w.get(path).header.Get("Content-Security-Policy"), "script-src 'self'")
		assert.Empty(t, w.do(http.MethodHead, path, nil).body)
	}
	for _, path := range []string{
		"/mailbox/other", "/mailbox/messages/", "/mailbox/messages/none", "/mailbox/messages/none/body", "/mailbox/messages/" + m.ID + "/other",
	} {
		a := w.get(path)
		assert.Equal(t, http.StatusNotFound, a.status, path)
		assert.Contains(t, a.body, "Not here", path)
		assert.NotContains(t, a.body, "data-stream", path)
	}
	assert.Equal(t, http.StatusNotFound, w.do(http.MethodPost, "/mailbox/messages/none/acts", url.Values{"do": {"open"}}).status)
	assert.Equal(t, http.StatusOK, w.get("/mailbox/assets/page.js").status)
}

// Each recipient sees a header of his own.
func TestRecipients(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.send(tracked)
	path := "/mailbox/messages/" + m.ID
	kim := w.get(path).body
	assert.Contains(t, kim, "Be kim@acme.dev")
	assert.Contains(t, kim, "<dd>Kim Townsend &lt;kim@acme.dev&gt;</dd>")
	assert.Contains(t, kim, "<dd>Lee Chen &lt;lee@acme.dev&gt;</dd>")
	assert.Contains(t, kim, "<dd>trial</dd>")
	assert.NotContains(t, kim, "<dt>Bcc</dt>")
	assert.Contains(t, kim, `href="`+path+`?as=sam%40acme.dev"`)

	sam := w.get(path + "?as=SAM@acme.dev").body
	assert.Contains(t, sam, "Be sam@acme.dev")
	assert.Contains(t, sam, "<dt>Bcc</dt><dd>Sam Boss &lt;sam@acme.dev&gt;</dd>")
	assert.Contains(t, sam, `aria-current="true"><span class="field">Bcc</span> Sam Boss`)
	assert.Contains(t, w.get(path+"?as=somebody@else.dev").body, "Be kim@acme.dev")
}

// The frame has the mail as it was sent, and loads the real pixel and nothing else.
func TestBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.send(tracked)
	path := "/mailbox/messages/" + m.ID
	page := w.get(path).body
	assert.Contains(t, page, `<iframe src="`+path+`/body" sandbox="allow-popups allow-popups-to-escape-sandbox" title="The mail as kim@acme.dev sees it"`)
	assert.Contains(t, page, "Looking counts.")
	body := w.get(path + "/body")
	assert.Contains(t, body.body, m.Body)
	assert.Contains(t, body.header.Get("Content-Security-Policy"), "; img-src data: nylas.test/nylastest/pixel/")
	assert.Contains(t, body.header.Get("Content-Security-Policy"), "sandbox allow-popups")

	quiet := w.get(path + "?view=untracked").body
	assert.Contains(t, quiet, `<iframe src="`+path+`/body?view=untracked"`)
	assert.Contains(t, quiet, "Looking does not count.")
	body = w.get(path + "/body?view=untracked")
	assert.Contains(t, body.body, m.OriginalBody)
	assert.NotContains(t, body.body, "/nylastest/")
	assert.NotContains(t, body.header.Get("Content-Security-Policy"), "nylas.test")
	assert.Empty(t, w.server.Notices(), "nothing here has loaded the pixel")

	plain := w.send(`{"to": [{"email": "kim@acme.dev"}], "body": "1 < 2 </pre><b>", "is_plaintext": true, "tracking_options": {"opens": true}}`)
	assert.Contains(t, w.get("/mailbox/messages/"+plain.ID+"/body").body, "1 &lt; 2 &lt;/pre&gt;&lt;b&gt;")
	assert.Contains(t, w.get("/mailbox/messages/"+plain.ID).body, "Opens of this mail are not tracked")
}

// People count links from 1, as the prompt of examples/emulator does.
func TestLinksCountFromOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.send(`{"to": [{"email": "kim@acme.dev"}], "body": "<a href='https://acme.dev/a'>a</a> <a href='https://acme.dev/b'>b</a>",
		"tracking_options": {"links": true}}`)
	body := w.get("/mailbox/messages/" + m.ID).body
	assert.Contains(t, body, `<option value="0">1: https://acme.dev/a</option>`)
	assert.Contains(t, body, `<option value="1">2: https://acme.dev/b</option>`)
	assert.Contains(t, body, "Links count from 1 here; <code>link_index</code> in notifications counts from 0.")
}

// What the frame does not load, the page says.
func TestBlockedImages(t *testing.T) {
	t.Parallel()
	const hint = "Images from elsewhere are not loaded here"
	for name, tt := range map[string]struct{ body, says string }{
		"none":       {`<p>Hello</p>`, ""},
		"own":        {`<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='> <img src='cid:logo'>`, ""},
		"one":        {`<img src='https://acme.dev/logo.png'>`, hint + ", so that nobody else learns of your tests. 1 is missing."},
		"two":        {`<img src='//acme.dev/a'> <img src='data:,' srcset='https://acme.dev/b 2x'> <a href='https://acme.dev'>x</a>`, "2 are missing."},
		"plain text": {`<img src='https://acme.dev/logo.png'>`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			m := w.send(fmt.Sprintf(`{"to": [{"email": "kim@acme.dev"}], "body": %q, "is_plaintext": %t, "tracking_options": {"opens": true}}`,
				tt.body, name == "plain text"))
			for _, view := range []string{"", "?view=untracked"} {
				body := w.get("/mailbox/messages/" + m.ID + view).body
				assert.Contains(t, body, tt.says)
				assert.Equal(t, tt.says != "", strings.Contains(body, hint))
			}
		})
	}
}

// The browser reaches the pixel and the links where it has reached the page, also those of
// a custom tracking domain, which only the emulator's own recipients know.
func TestBodyIsReachable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nylastest.WithTrackingDomains("track.acme.dev"))
	m := w.send(`{"to": [{"email": "kim@acme.dev"}], "body": "` + strings.Repeat(`<a href='https://acme.dev/x'>x</a>`, 11) +
		`", "tracking_options": {"opens": true, "links": true, "domain_name": "track.acme.dev"}}`)
	require.Contains(t, m.PixelURL, "http://track.acme.dev/")
	body := w.do(http.MethodGet, "/mailbox/messages/"+m.ID+"/body", nil, "Host", "localhost:8080")
	assert.NotContains(t, body.body, "track.acme.dev")
	for _, tracked := range []string{m.PixelURL, m.Links[1].TrackedURL + "'", m.Links[10].TrackedURL + "'"} {
		assert.Contains(t, body.body, strings.Replace(tracked, "//track.acme.dev/", "//localhost:8080/", 1))
	}
	assert.Contains(t, body.header.Get("Content-Security-Policy"), "; img-src data: localhost:8080/nylastest/pixel/")
}

// A text of a mail is text everywhere.
func TestEscaping(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const evil = `<script>alert(1)</script>`
	encoded, err := json.Marshal(map[string]any{
		"to":      []any{map[string]any{"name": evil, "email": "kim@acme.dev"}},
		"cc":      []any{map[string]any{"name": evil, "email": `"` + evil + `"@acme.dev`}},
		"subject": evil, "body": `<a href="https://acme.dev/?a='">` + evil + `</a>`,
		"tracking_options": map[string]any{"opens": true, "links": true, "label": evil},
	})
	require.NoError(t, err)
	m := w.send(string(encoded))
	kim, err := w.server.Recipient(m.ID)
	require.NoError(t, err)
	require.NoError(t, kim.WithUserAgent(evil).Open(t.Context()))
	_, err = kim.Click(t.Context(), 0)
	require.NoError(t, err)
	for _, path := range []string{"/mailbox/", "/mailbox/messages/" + m.ID, "/mailbox/messages/" + m.ID + `?as=%22%3Cscript%3Ealert(1)%3C/script%3E%22@acme.dev&did=%3Cscript%3E&events=1`} {
		a := w.get(path)
		assert.Equal(t, http.StatusOK, a.status)
		assert.NotContains(t, a.body, evil)
		assert.Contains(t, a.body, "&lt;script&gt;alert(1)&lt;/script&gt;")
	}
}

func TestChecks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.send(`{"to": [{"email": "kim@acme.dev"}], "body": "<p><a href='http://acme.dev/'>Look</a></p>", "tracking_options": {"links": true}}`)
	page := w.get("/mailbox/messages/" + m.ID).body
	assert.Contains(t, page, "<code>http-scheme</code>, line 1:4")
	assert.Contains(t, page, "1 link<")
	m = w.send(`{"to": [{"email": "kim@acme.dev"}], "subject": "x", "body": "<p>Hello</p>"}`)
	assert.Contains(t, w.get("/mailbox/messages/"+m.ID).body, "Nothing to complain about.")
}

// A page of the Internet whose name has been made to point to this machine gets nothing.
func TestForeignHosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.send(tracked)
	for host, want := range map[string]int{
		"nylas.test": http.StatusOK, "localhost": http.StatusOK, "LOCALHOST:8080": http.StatusOK, "mail.localhost:80": http.StatusOK,
		"127.0.0.1:9000": http.StatusOK, "[::1]:80": http.StatusOK, "[::1]": http.StatusOK, "127.9.9.9": http.StatusOK,
		"evil.dev": http.StatusMisdirectedRequest, "evil.dev:80": http.StatusMisdirectedRequest, "localhost.evil.dev": http.StatusMisdirectedRequest,
		"192.0.2.1": http.StatusMisdirectedRequest, "nylas.test.evil.dev": http.StatusMisdirectedRequest, "nylas.test:81": http.StatusMisdirectedRequest,
		"localhost:80;script-src": http.StatusMisdirectedRequest, "a'b.localhost": http.StatusMisdirectedRequest,
	} {
		assert.Equal(t, want, w.do(http.MethodGet, "/mailbox/messages/"+m.ID, nil, "Host", host).status, host)
		assert.Equal(t, want, w.do(http.MethodGet, "/mailbox/messages/"+m.ID+"/body", nil, "Host", host).status, host)
	}
}
