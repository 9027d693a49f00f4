package dashboard_test

import (
	"bytes"
	"database/sql"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/dashboard"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
	"github.com/nylastrack/nylas-go/nylastest"
)

// desk is a dashboard with a mailbox at an emulator, as somebody uses it in a browser.
type desk struct {
	t      *testing.T
	nylas  *nylastest.Server
	client *nylas.Client
	db     *sql.DB
	store  *sqlstore.Store
	url    string
	log    *logged
}

// logged collects a log of several goroutines.
type logged struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.String()
}

func newDesk(t *testing.T, opts ...nylas.ClientOption) *desk {
	t.Helper()
	d := &desk{t: t, nylas: nylastest.NewServer(t), log: new(logged)}
	quick := nylas.WithRetryPolicy(nylas.RetryPolicy{MaxAttempts: 2, BaseDelay: time.Millisecond, MaxDelay: time.Millisecond})
	client, err := nylas.NewClient(d.nylas.APIKey(), append([]nylas.ClientOption{nylas.WithBaseURL(d.nylas.URL()), quick}, opts...)...)
	require.NoError(t, err)
	d.client = client
	d.db, err = sql.Open("sqlite", filepath.Join(t.TempDir(), "events.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.db.Close() })
	d.store, err = sqlstore.New(d.db, sqlstore.SQLite)
	require.NoError(t, err)
	require.NoError(t, d.store.Migrate(t.Context()))
	d.url = d.serve(dashboard.WithClient(client, dashboard.Sender{GrantID: d.nylas.GrantID(), Name: "Lee <lee@acme.dev>"}))
	return d
}

// serve serves a dashboard of the store, and returns where its pages are.
func (d *desk) serve(opts ...dashboard.Option) string {
	d.t.Helper()
	opts = append(opts, dashboard.WithPath("/mail/"), dashboard.WithLogger(slog.New(slog.NewTextHandler(d.log, nil))), dashboard.WithLocation(time.UTC))
	pages, err := dashboard.New(d.store, opts...)
	require.NoError(d.t, err)
	server := httptest.NewServer(pages)
	d.t.Cleanup(server.Close)
	return server.URL + "/mail/"
}

// seen is an answer of the dashboard.
type seen struct {
	status int
	header http.Header
	body   string
}

func (d *desk) do(method, path string, form url.Values, header ...string) seen {
	d.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = d.url + path
	}
	r, err := http.NewRequestWithContext(d.t.Context(), method, path, strings.NewReader(form.Encode()))
	require.NoError(d.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(r) // follows no redirect
	require.NoError(d.t, err)
	defer response.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(response.Body)
	require.NoError(d.t, err)
	return seen{response.StatusCode, response.Header, string(body)}
}

var hiddenKey = regexp.MustCompile(`<input type="hidden" name="key" value="([^"]*)">`)

// key is the key of the form on a page.
func (s seen) key() string {
	if found := hiddenKey.FindStringSubmatch(s.body); found != nil {
		return found[1]
	}
	return ""
}

// hidden are the hidden fields of a page, as its form sends them.
func (s seen) hidden() url.Values {
	form := url.Values{}
	for _, found := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(s.body, -1) {
		form.Set(found[1], html.UnescapeString(found[2]))
	}
	return form
}

// form opens the form and fills it in.
func (d *desk) form(changes ...string) url.Values {
	d.t.Helper()
	page := d.do(http.MethodGet, "compose", nil)
	require.Equal(d.t, http.StatusOK, page.status)
	require.NotEmpty(d.t, page.key())
	form := url.Values{
		"key": {page.key()}, "sender": {d.nylas.GrantID()}, "to": {"kim@acme.dev"}, "subject": {"Your trial"},
		"body": {`<p>Hi, <a href="https://acme.dev/demo">book a demo</a></p>`}, "opens": {"on"}, "links": {"on"}, "replies": {"on"},
	}
	for i := 0; i+1 < len(changes); i += 2 {
		if changes[i+1] == "" {
			form.Del(changes[i])
		} else {
			form.Set(changes[i], changes[i+1])
		}
	}
	return form
}

// quiet asserts that the log tells nothing of mail.
func (d *desk) quiet() {
	d.t.Helper()
	for _, secret := range []string{"kim@", "Your trial", "acme.dev/demo", "book a demo", d.nylas.APIKey()} {
		assert.NotContains(d.t, d.log.String(), secret)
	}
}
