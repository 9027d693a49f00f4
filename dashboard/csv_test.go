package dashboard_test

import (
	"encoding/csv"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
)

// table reads a download: its rows by the names of the columns.
func (s *site) table(path string) []map[string]string {
	s.t.Helper()
	w := s.do(http.MethodGet, path)
	require.Equal(s.t, http.StatusOK, w.Code, path)
	assert.Equal(s.t, "text/csv; charset=utf-8", w.Header().Get("Content-Type"))
	assert.Regexp(s.t, `^attachment; filename="(messages|events)\.csv"$`, w.Header().Get("Content-Disposition"))
	all, err := csv.NewReader(w.Body).ReadAll()
	require.NoError(s.t, err)
	var rows []map[string]string
	for _, record := range all[1:] {
		row := map[string]string{}
		for i, name := range all[0] {
			row[name] = record[i]
		}
		rows = append(rows, row)
	}
	return rows
}

func column(rows []map[string]string, name string) []string {
	var all []string
	for _, row := range rows {
		all = append(all, row[name])
	}
	return all
}

func TestDownloads(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.spring()
	s.notified("gaps", 0)
	s.notified("gaps", 2)
	reply := event("", engagement.Reply, noon, "")
	reply.ThreadID = "t-1"
	s.happened(reply)
	s.judge()

	rows := s.table("/messages.csv")
	assert.ElementsMatch(t, []string{"m-0", "m-1", "m-2", "m-3", "m-4", "m-5", "m-6", "m-7", "other", "gaps", ""}, column(rows, "message_id"))
	for _, row := range rows {
		switch row["message_id"] {
		case "m-1":
			assert.Equal(t, []string{"clicked", "1", "1", "0", "3540"},
				[]string{row["state"], row["opens_human"], row["clicks_human"], row["clicks_machine"], row["first_open_seconds"]})
		case "gaps":
			assert.Equal(t, []string{"no", "1"}, []string{row["complete"], row["missing"]})
		case "m-7":
			assert.Equal(t, "bounced", row["delivery"])
		}
	}
	assert.Equal(t, []string{"m-1"}, column(s.table("/messages.csv?state=clicked&campaign=spring"), "message_id"))
	assert.Equal(t, []string{"other"}, column(s.table("/messages.csv?campaign=autumn"), "message_id"))
	assert.Empty(t, s.table("/messages.csv?grant=none"))

	rows = s.table("/events.csv")
	assert.Len(t, rows, 8)
	rows = s.table("/events.csv?campaign=spring")
	assert.ElementsMatch(t, []string{"m-0", "m-1", "m-1", "m-2", "m-3"}, column(rows, "message_id"))
	assert.ElementsMatch(t, []string{"human", "human", "human", "indeterminate", "machine"}, column(rows, "actor"))
	assert.Equal(t, []string{"open", "click"}, column(s.table("/events.csv?grant=g-1&message=m-1"), "kind"), "in the order of their time")
	assert.Equal(t, []string{"reply"}, column(s.table("/events.csv?grant=g-1&thread=t-1"), "kind"))

	assert.Contains(t, s.get("/messages/g-1/m-1"), `<a href="/events.csv?grant=g-1&amp;message=m-1" download>`)
	for _, path := range []string{"/messages.csv?state=read", "/events.csv?campaign=%ff", "/events.csv?message=%00", "/messages.csv?after=x", "/?after=x", "/campaigns?after=x", "/?state=read", "/?search=%00", "/campaign?name=%ff", "/events.csv?message=a&thread=b"} {
		assert.Equal(t, http.StatusBadRequest, s.do(http.MethodGet, path).Code, path)
	}
}

// A download has all messages, of however many pages of the store.
func TestLongDownload(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const messages = 1100 // more than sqlstore.MaxPage
	s.fill(1, 1, messages-1)
	rows := s.table("/messages.csv")
	assert.Len(t, rows, messages)
	ids := map[string]bool{}
	for _, id := range column(rows, "message_id") {
		ids[id] = true
	}
	assert.Len(t, ids, messages, "each once")
}

// A file that is cut short must not look whole.
func TestDownloadBreaksOff(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill(1, 1, 1099)
	// An event that cannot be read, of the message that comes last.
	_, err := s.db.ExecContext(t.Context(), "UPDATE nylas_events SET ip = 'none' WHERE message = (SELECT id FROM nylas_messages ORDER BY active_at LIMIT 1)")
	require.NoError(t, err)
	server := httptest.NewServer(s.pages)
	defer server.Close()
	for _, file := range []string{"messages.csv", "events.csv"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/"+file, nil)
		require.NoError(t, err)
		answer, err := server.Client().Do(request)
		require.NoError(t, err)
		_, err = csv.NewReader(answer.Body).ReadAll()
		require.Error(t, err, file)
		require.NoError(t, answer.Body.Close())
	}
	assert.Contains(t, s.log.String(), "a download broke off")
}

// What a spreadsheet would calculate is text.
func TestDownloadedFormulas(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.sent("m-1", noon, func(m *engagement.Sent) { m.Subject = `=HYPERLINK("https://evil.dev")` })
	s.happened(event("m-1", engagement.Open, noon.Add(time.Minute), "+cmd|x"))
	assert.Equal(t, `'=HYPERLINK("https://evil.dev")`, s.table("/messages.csv")[0]["subject"])
	assert.Equal(t, "'+cmd|x", s.table("/events.csv")[0]["user_agent"])
}

// A message that gets an event while a download runs does not jump out of the file.
func TestDownloadIsCompleteAsOfItsStart(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"/messages.csv?campaign=fill-0", "/events.csv?campaign=fill-0", "/messages.csv?campaign=fill-0&state=likely+opened"} {
		s := newSite(t)
		const messages = 2500 // more than two pages of the store
		s.fill(1, 1, messages-1)
		var oldest string
		require.NoError(t, s.db.QueryRowContext(t.Context(), "SELECT message_id FROM nylas_messages ORDER BY active_at LIMIT 1").Scan(&oldest))
		w := &interrupted{ResponseRecorder: httptest.NewRecorder(), first: func() {
			s.happened(click(oldest, 0, time.Now(), chromeAgent))
			s.judge()
		}}
		s.pages.ServeHTTP(w, httptest.NewRequest(http.MethodGet, file, nil).WithContext(t.Context()))
		rows, err := csv.NewReader(w.Body).ReadAll()
		require.NoError(t, err)
		ids := map[string]int{}
		for _, row := range rows[1:] {
			ids[row[1]]++
		}
		assert.Len(t, ids, messages, file)
		assert.Contains(t, ids, oldest)
		if strings.HasPrefix(file, "/messages") {
			assert.Len(t, rows, messages+1, "each once")
		}
	}
}

// interrupted calls a function when the first part of an answer is out.
type interrupted struct {
	*httptest.ResponseRecorder
	once  sync.Once
	first func()
}

func (i *interrupted) Write(p []byte) (int, error) {
	i.once.Do(i.first)
	return i.ResponseRecorder.Write(p)
}
