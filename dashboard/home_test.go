package dashboard_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/dashboard"
	"github.com/nylastrack/nylas-go/engagement"
)

func TestEmptyHome(t *testing.T) {
	t.Parallel()
	page := text(newSite(t).get("/"))
	assert.Contains(t, page, "No message yet.")
	assert.Contains(t, page, "Nothing has happened yet.")
}

// feed is what the live list says, line by line.
func feed(t *testing.T, page string) []string {
	t.Helper()
	var lines []string
	for _, line := range strings.Split(part(t, page, "feed", "</ol>"), "<li ")[1:] {
		lines = append(lines, text("<li "+line))
	}
	return lines
}

func TestFeed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.sent("m-1", noon, func(m *engagement.Sent) { m.Label = "spring" })
	s.happened(event("m-1", engagement.Open, noon.Add(time.Hour), gmailAgent), event("unknown", engagement.Open, noon.Add(2*time.Hour), appleAgent))
	reply := event("", engagement.Reply, noon.Add(3*time.Hour), "")
	reply.ThreadID = "t-1"
	reply.ReplyID = "r-1"
	s.happened(reply)
	// Three links within a second are no person's, which only the other events tell.
	for link := range 3 {
		s.happened(click("m-1", link, noon.Add(4*time.Hour), chromeAgent))
	}
	page := s.get("/")
	lines := feed(t, page)
	require.Len(t, lines, 6)
	for i := range 3 {
		assert.Regexp(t, fmt.Sprintf("^Click on link %d probably a machine 4 Mar, 16:00 Subject of m-1 .*links", 3-i), lines[i])
	}
	assert.Equal(t, "Reply probably a person 4 Mar, 15:00 (a thread) Somebody answered the message. The headers of the reply are not known, so it may be an automatic one.", lines[3])
	assert.Regexp(t, `^Open nobody can tell 4 Mar, 14:00 \(no subject\) Apple`, lines[4])
	assert.Regexp(t, `^Open probably a person 4 Mar, 13:00 Subject of m-1 Gmail`, lines[5])
	assert.Contains(t, page, `<a href="/threads/g-1/t-1"`)
	assert.Contains(t, text(page), "The latest: Click on link 3, probably a machine, Subject of m-1")

	assert.Len(t, feed(t, s.get("/?campaign=spring")), 4)
	assert.Empty(t, feed(t, s.get("/?grant=other")))
}

// The list of events stays short, also if one message has them all.
func TestBusyFeed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.sent("m-1", noon, nil)
	for i := range 150 {
		s.happened(event("m-1", engagement.Open, noon.Add(time.Duration(i)*time.Minute), gmailAgent))
	}
	// Stored last, although it is older than what is judged together.
	s.happened(event("m-1", engagement.Open, noon.Add(-time.Hour), appleAgent))
	lines := feed(t, s.get("/"))
	assert.Len(t, lines, 20)
	assert.Contains(t, lines[0], "Open nobody can tell 4 Mar, 11:00")
}

func TestFilters(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.spring()
	s.sent("far", noon, func(m *engagement.Sent) { m.GrantID, m.Subject = "g/2", "Subject of far, and 100 % sure" })
	s.judge()
	for query, want := range map[string][]string{
		"grant=g/2": {"far, and 100 % sure"}, "campaign=autumn": {"other"}, "state=clicked": {"m-1"}, "state=clicked&campaign=autumn": nil,
		"search=and+100+%25": {"far, and 100 % sure"}, "search=SUBJECT+OF+OTHER": {"other"}, "search=m-3": {"m-3"}, "search=nobody": nil,
		"campaign=spring&state=machine+only&grant=g-1": {"m-3"}, "grant=none": nil,
	} {
		page := s.get("/?" + query)
		assert.Equal(t, want, subjects(page), query)
		assert.Contains(t, page, `<a href="/" class="button">Clear</a>`)
		if want == nil {
			assert.Contains(t, text(page), "No message is like that.")
		}
	}
	page := s.get("/?campaign=spring&state=clicked&search=x&grant=g-1")
	for _, want := range []string{`value="x"`, `value="spring"`, `<option value="clicked" selected>`, `name="grant" value="g-1"`,
		`href="/messages.csv?campaign=spring&amp;grant=g-1&amp;search=x&amp;state=clicked"`} {
		assert.Contains(t, page, want, "the form says what is shown")
	}
}

// With senders their names are offered, and a grant that is none of them stays chosen.
func TestSenders(t *testing.T) {
	t.Parallel()
	client, err := nylas.NewClient("key")
	require.NoError(t, err)
	s := newSite(t, dashboard.WithClient(client, dashboard.Sender{GrantID: "g-1", Name: "Kim <kim@acme.dev>"}))
	s.sent("m-1", noon, nil)
	assert.Contains(t, s.get("/?grant=g-1"), `<option value="g-1" selected>Kim &lt;kim@acme.dev&gt;</option>`)
	assert.Contains(t, s.get("/?grant=g-9"), `<option value="g-9" selected>g-9</option>`)
	page := s.get("/messages/g-1/m-1")
	assert.Contains(t, text(page), "Mailbox Kim <kim@acme.dev>")
	assert.Contains(t, page, `<iframe src="/messages/g-1/m-1/body" sandbox="allow-popups allow-popups-to-escape-sandbox"`)
}

var nextPage = regexp.MustCompile(`<a href="([^"]*)" rel="next">Older</a>`)

func TestPaging(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill(1, 1, 119)
	seen := map[string]int{}
	path, pages := "/?campaign=fill-0", 0
	for path != "" {
		page := s.get(strings.ReplaceAll(path, "&amp;", "&"))
		for _, found := range regexp.MustCompile(`<a href="(/messages/[^"]*)" id="k[^"]*-a">\s*<span class="line"><strong>`).FindAllStringSubmatch(page, -1) {
			seen[found[1]]++
		}
		if pages > 0 {
			assert.Contains(t, page, `<a href="/?campaign=fill-0">Newest</a>`)
		}
		pages++
		path = ""
		if next := nextPage.FindStringSubmatch(page); next != nil {
			path = next[1]
		}
	}
	assert.Equal(t, 3, pages)
	assert.Len(t, seen, 120)
}

// stream is a ResponseWriter that can be read while it is written.
type stream struct {
	*httptest.ResponseRecorder
	mu sync.Mutex
}

func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ResponseRecorder.Write(p)
}

func (s *stream) changes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Count(s.Body.String(), "event: changed")
}

// Whatever process stores an event, each open page is told within a second or so.
func TestChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		other := openSite(t, s.file)
		s.sent("m-1", time.Now().Add(-time.Hour), nil)
		ctx, leave := context.WithCancel(t.Context())
		w := &stream{ResponseRecorder: httptest.NewRecorder()}
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.pages.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/changes", nil).WithContext(ctx))
		}()
		pass(10 * time.Second)
		assert.Equal(t, 1, w.changes(), "once at first, for what happened before")
		other.happened(event("m-1", engagement.Open, time.Now(), gmailAgent))
		pass(1100 * time.Millisecond)
		assert.Equal(t, 2, w.changes())
		other.judge()
		pass(1100 * time.Millisecond)
		assert.Equal(t, 3, w.changes(), "the list has a state now")
		pass(10 * time.Second)
		assert.Equal(t, 3, w.changes())

		_, err := s.db.ExecContext(t.Context(), "ALTER TABLE nylas_events RENAME TO away")
		require.NoError(t, err)
		pass(time.Minute)
		assert.Equal(t, 1, strings.Count(s.log.String(), "cannot ask for changes"), "not each second")
		_, err = s.db.ExecContext(t.Context(), "ALTER TABLE away RENAME TO nylas_events")
		require.NoError(t, err)
		pass(2 * time.Second)
		other.happened(event("m-1", engagement.Open, time.Now(), gmailAgent))
		pass(1100 * time.Millisecond)
		assert.Equal(t, 4, w.changes())

		leave()
		<-done // and nothing goes on: the bubble would wait for it
	})
}
