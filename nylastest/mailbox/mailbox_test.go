package mailbox_test

import (
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
	t      *testing.T
	server *nylastest.Server
}

func newWorld(t *testing.T, opts ...nylastest.Option) *world {
	t.Helper()
	server := nylastest.NewServer(t, append(opts, nylastest.WithNetwork(nylastest.NewNetwork()))...)
	server.Handle(mailbox.Path, mailbox.New(server))
	return &world{t, server}
}

// send sends a mail with these members of a request, and returns its id.
func (w *world) send(members string) nylastest.Message {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost,
		w.server.URL()+"/v3/grants/"+w.server.GrantID()+"/messages/send", strings.NewReader(members))
	require.NoError(w.t, err)
	request.Header.Set("Authorization", "Bearer "+w.server.APIKey())
	request.Header.Set("Content-Type", "application/json")
	answer, err := w.server.HTTPClient().Do(request)
	require.NoError(w.t, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(w.t, err)
	require.Equal(w.t, http.StatusOK, answer.StatusCode, "%s", body)
	all := w.server.Messages()
	return all[len(all)-1]
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

const tracked = `{"to": [{"name": "Kim Townsend", "email": "kim@acme.dev"}], "subject": "Your trial",
	"body": "<p>Hello Kim, <a href=\"https://acme.dev/demo\">book a demo</a></p>",
	"tracking_options": {"opens": true, "links": true, "thread_replies": true, "label": "trial"}}`

func TestPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.send(tracked)
	list := w.get(mailbox.Path)
	assert.Equal(t, http.StatusOK, list.status)
	assert.Contains(t, list.body, "Your trial")
	assert.Contains(t, list.body, `href="/mailbox/messages/`+m.ID+`"`)
	page := w.get("/mailbox/messages/" + m.ID)
	assert.Equal(t, http.StatusOK, page.status)
	assert.Contains(t, page.body, "Kim Townsend")
	body := w.get("/mailbox/messages/" + m.ID + "/body")
	assert.Contains(t, body.body, m.Body)
}
