package dashboard_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"html"
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

	"github.com/nylastrack/nylas-go/dashboard"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
	"github.com/nylastrack/nylas-go/events"
)

// User agents and addresses whose verdicts are known.
const (
	gmailAgent  = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
	appleAgent  = "Mozilla/5.0"
	chromeAgent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
	scriptAgent = "python-requests/2.32"
)

// site is a dashboard on a store in a file.
type site struct {
	t     *testing.T
	file  string
	db    *sql.DB
	store *sqlstore.Store
	log   *lockedBuffer
	pages *dashboard.Dashboard
}

func newSite(t *testing.T, opts ...dashboard.Option) *site {
	t.Helper()
	return openSite(t, filepath.Join(t.TempDir(), "events.db"), opts...)
}

// openSite opens the database of another site once more, as another process would.
func openSite(t *testing.T, file string, opts ...dashboard.Option) *site {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	store, err := sqlstore.New(db, sqlstore.SQLite)
	require.NoError(t, err)
	require.NoError(t, store.Migrate(t.Context()))
	log := &lockedBuffer{}
	opts = append([]dashboard.Option{dashboard.WithLocation(time.UTC), dashboard.WithLogger(slog.New(slog.NewTextHandler(log, nil)))}, opts...)
	pages, err := dashboard.New(store, opts...)
	require.NoError(t, err)
	return &site{t, file, db, store, log, pages}
}

// lockedBuffer is what is logged.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (s *site) do(method, path string) *httptest.ResponseRecorder {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.pages.ServeHTTP(w, httptest.NewRequest(method, path, nil).WithContext(s.t.Context()))
	return w
}

// get returns a page that must be there.
func (s *site) get(path string) string {
	s.t.Helper()
	w := s.do(http.MethodGet, path)
	require.Equal(s.t, http.StatusOK, w.Code, "%s: %s", path, w.Body)
	return w.Body.String()
}

var tags = regexp.MustCompile(`<[^>]*>`)

// text is what somebody reads who reads a page from its beginning to its end.
func text(page string) string {
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(page, " "))), " ")
}

// part is what stands between an element's opening tag, named by its id, and a closing one.
func part(t *testing.T, page, id, end string) string {
	t.Helper()
	_, after, found := strings.Cut(page, `id="`+id+`"`)
	require.True(t, found, "there is no %s", id)
	inside, _, found := strings.Cut(after, end)
	require.True(t, found)
	_, inside, _ = strings.Cut(inside, ">")
	return inside
}

// sent stores a message to one person with three links.
func (s *site) sent(id string, at time.Time, change func(*engagement.Sent)) {
	s.t.Helper()
	sent := engagement.Sent{
		GrantID: "g-1", MessageID: id, Subject: "Subject of " + id, At: at, Recipients: 1,
		Links: []string{"https://acme.dev/demo", "https://acme.dev/pricing", "https://acme.dev/unsubscribe"},
	}
	if change != nil {
		change(&sent)
	}
	require.NoError(s.t, s.store.SetSent(s.t.Context(), sent))
}

// event is an event of the grant g-1.
func event(message string, kind engagement.Kind, at time.Time, agent string) engagement.Event {
	return engagement.Event{
		Kind: kind, GrantID: "g-1", MessageID: message, Time: at.UTC().Truncate(time.Second), UserAgent: agent, LinkIndex: -1,
	}
}

func click(message string, link int, at time.Time, agent string) engagement.Event {
	e := event(message, engagement.Click, at, agent)
	e.LinkIndex = link
	return e
}

// happened stores events, each with an id of its own.
func (s *site) happened(events ...engagement.Event) {
	s.t.Helper()
	for _, e := range events {
		key := engagement.Key{GrantID: e.GrantID, MessageID: e.MessageID, Kind: e.Kind}
		if e.MessageID == "" {
			key.ThreadID = e.ThreadID
		}
		require.NoError(s.t, s.store.Update(s.t.Context(), key, func(r engagement.Record) (engagement.Addition, error) {
			if e.ID == "" {
				e.ID = fmt.Sprintf("E%025d", eventIDs.next())
			}
			return engagement.Addition{State: r.State, Events: []engagement.Event{e}}, nil
		}))
	}
}

// counter counts from 1.
type counter struct {
	mu sync.Mutex
	n  int
}

var eventIDs counter

func (c *counter) next() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.n
}

// judge judges what is due, as Run does.
func (s *site) judge() {
	s.t.Helper()
	_, err := s.store.Judge(s.t.Context(), nil)
	require.NoError(s.t, err)
}

// queryEscape writes a text as the value of a parameter.
func queryEscape(text string) string { return url.QueryEscape(text) }

var links = regexp.MustCompile(`(href|src|action|data-stream)="([^"]*)"`)

// subjects are those of the messages in a list, without what sent puts before the id.
func subjects(page string) []string {
	var all []string
	for _, found := range regexp.MustCompile(`<strong><bdi>(?:Subject of )?([^<]*)</bdi></strong>`).FindAllStringSubmatch(page, -1) {
		all = append(all, html.UnescapeString(found[1]))
	}
	return all
}

// notified applies a notification of opens with these ids, each ten minutes after the one before.
func (s *site) notified(message string, ids ...int) {
	s.t.Helper()
	var recents []string
	for _, id := range ids {
		recents = append(recents, fmt.Sprintf(`{"opened_id":%d,"timestamp":%d,"ip":"66.249.84.1","user_agent":%q}`, id, noon.Unix()+int64(id+1)*600, gmailAgent))
	}
	n, err := events.Parse(fmt.Appendf(nil, `{"specversion":"1.0","type":"message.opened","source":"/com/nylas/tracking","id":"n-%s-%d","time":%d,
		"data":{"grant_id":"g-1","object":{"message_id":%q,"recents":[%s]}}}`, message, ids[0], noon.Unix(), message, strings.Join(recents, ",")))
	require.NoError(s.t, err)
	_, err = engagement.NewLedger(s.store).Apply(s.t.Context(), n)
	require.NoError(s.t, err)
}
