//go:build unix

package comparison_test

import (
	"bytes"
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// delivery is a request to a receiver.
type delivery struct {
	body     []byte
	zipped   bool
	noHeader bool // does not say that it is compressed
	signed   func(body []byte) string
	times    int // at once; 0 means 1
	statuses []int
}

// hardDelivery is a row of docs/comparison.md: what is delivered, and what a receiver should
// have saved of it. M stands for the id of its message.
type hardDelivery struct {
	what string
	send []delivery
	want []string
}

func hardDeliveries(t *testing.T) []hardDelivery {
	t.Helper()
	plain := func(bodies ...[]byte) (all []delivery) {
		for _, body := range bodies {
			all = append(all, delivery{body: body})
		}
		return all
	}
	opens := func(from, to int) (lines []string) {
		for i := from; i <= to; i++ {
			lines = append(lines, fmt.Sprintf("open M %d q2", openedAt(i)))
		}
		return lines
	}
	signature := func(text string) func([]byte) string { return func([]byte) string { return text } }
	once := opened("n-1", 0, 0, 0)
	return []hardDelivery{
		{"an open, as Nylas' reference shows it", plain(fixture(t, "published/message.opened.json")),
			slices.Repeat([]string{"open M 1695480567 Testing Nylas Messaged Opened Tracking"}, 3)},
		{"a click", plain(fixture(t, "published/message.link_clicked.json")), slices.Repeat([]string{"click M 1695480422 Hey, just testing"}, 3)},
		{"a click as the tracking page shows it: ids are strings", plain(fixture(t, "published/message.link_clicked.tracking-page.json")),
			slices.Repeat([]string{"click M 1695480422 Hey, just testing"}, 3)},
		{"a reply", plain(fixture(t, "published/thread.replied.json")), []string{"reply M 1696007157 some-client-label"}},
		{"the three legacy forms", plain(fixture(t, "published/message.opened.legacy.json"), fixture(t, "published/message.link_clicked.legacy.json"),
			fixture(t, "published/thread.replied.legacy.json")),
			[]string{"open M 1733163186 Hello world", "click M 1733163188 Hello world", "reply M 1733180490 Hello world"}},
		{"a trigger that is not known yet", []delivery{{body: []byte(`{"id":"n-new","type":"message.summarised","time":1695480567,"data":{"object":{"message_id":"M"}}}`),
			statuses: []int{http.StatusOK}}}, nil},
		{"a user agent that is not UTF-8", plain(bytes.Replace(once, []byte("Mozilla"), []byte("M\xfcller"), 1)), opens(0, 0)},
		{"the same notification three times", plain(once, once, once), opens(0, 0)},
		{"the same notification eight times at once", []delivery{{body: once, times: 8}}, opens(0, 0)},
		{"notifications that repeat earlier opens", plain(opened("n-1", 0, 0, 0), opened("n-2", 0, 1, 0), opened("n-3", 0, 2, 0)), opens(0, 2)},
		{"one of them was lost: the next one has its open", plain(opened("n-1", 0, 0, 0), opened("n-3", 0, 2, 0)), opens(0, 2)},
		{"they come in the wrong order", plain(opened("n-3", 0, 2, 0), opened("n-1", 0, 0, 0), opened("n-2", 0, 1, 0)), opens(0, 2)},
		{"clicks on two links, both with the id 0", plain(clicked("n-1", 0), clicked("n-2", 1)), []string{"click M 1700000000 q2", "click M 1700000001 q2"}},
		{"60 opens, if ids are positions among the last 50, which Nylas leaves open", plain(opened("n-1", 0, 49, 0), opened("n-2", 10, 59, 10)), opens(0, 59)},
		{"compressed", []delivery{{body: once, zipped: true}}, opens(0, 0)},
		{"compressed, and a proxy dropped the header that says so", []delivery{{body: once, zipped: true, noHeader: true}}, opens(0, 0)},
		{"a wrong signature, none, and one that is cut", []delivery{
			{body: once, signed: signature(strings.Repeat("a", 64)), statuses: []int{http.StatusUnauthorized}},
			{body: once, signed: signature(""), statuses: []int{http.StatusUnauthorized}},
			{body: once, signed: func(body []byte) string { return sign(body)[:32] }, statuses: []int{http.StatusUnauthorized}},
		}, nil},
		{"the database is down at the first attempt, and not at the second", []delivery{
			{body: bytes.Replace(once, []byte(`"q2"`), []byte(`"fails once"`), 1), statuses: []int{408, 429, 502, 503, 504, 507}}, // those that Nylas retries
			{body: bytes.Replace(once, []byte(`"q2"`), []byte(`"fails once"`), 1), statuses: []int{http.StatusOK}},
		}, []string{"open M 1700000000 fails once"}},
		{"times in milliseconds", plain(fixture(t, "odd/opened_ms.json")), []string{"open M 1759299990 "}},
		{"times as text", plain(fixture(t, "odd/rfc3339_recents.json")), []string{"open M 1759312800 "}},
		{"an open as a command-line tool shows it, without the object around", plain(fixture(t, "odd/cli_opened_flat.json")), []string{"open M 1234567890 "}},
		{"a click as the same tool shows it", plain(fixture(t, "odd/cli_clicked_flat.json")), []string{"click M 1234567890 "}},
		{"cut off in the middle, with a valid signature: kept for somebody to look at", plain(once[:len(once)/2]), []string{kept}},
	}
}

// fixture returns a file of testdata, with M for the id of its message.
func fixture(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "testdata", filepath.FromSlash(name)))
	require.NoError(t, err)
	id := "n-" + strings.ReplaceAll(filepath.Base(name), ".", "-")
	return []byte(strings.NewReplacer(
		`"<WEBHOOK_ID>"`, `"`+id+`"`, `"ev-message.opened"`, `"`+id+`"`, `"ev-message.link_clicked"`, `"`+id+`"`,
		`"18ac281f237c934b"`, `"M"`, `"<message-id-of-original-tracked-message>"`, `"M"`, `"<V2_REPLY_TO_MESSAGE_ID>"`, `"M"`,
		`"<V2_MESSAGE_ID>"`, map[bool]string{false: `"M"`, true: `"R"`}[strings.Contains(name, "replied")],
		`"AAkAL1"`, `"M"`, `"m-1"`, `"M"`, `"abc123"`, `"M"`,
	).Replace(string(content)))
}

func openedAt(i int) int { return 1_700_000_000 + 100*i }

// opened returns a notification of the opens first to last, whose ids begin at first-less.
func opened(id string, first, last, less int) []byte {
	var recents []string
	for i := first; i <= last; i++ {
		recents = append(recents, fmt.Sprintf(`{"opened_id":%d,"ip":"203.0.113.%d","timestamp":%d,"user_agent":"Mozilla/5.0"}`, i-less, i, openedAt(i)))
	}
	return fmt.Appendf(nil, `{"specversion":"1.0","type":"message.opened","source":"/com/nylas/tracking","id":%q,"time":1700000000,"data":{"application_id":"a-1","grant_id":"g-1",`+
		`"object":{"object":"message","grant_id":"g-1","message_id":"M","label":"q2","message_data":{"count":%d,"timestamp":1700000000},"recents":[%s]}}}`,
		id, last+1, strings.Join(recents, ","))
}

func clicked(id string, link int) []byte {
	return fmt.Appendf(nil, `{"specversion":"1.0","type":"message.link_clicked","source":"/com/nylas/tracking","id":%q,"time":1700000000,"data":{"application_id":"a-1","grant_id":"g-1",`+
		`"object":{"object":"message","grant_id":"g-1","message_id":"M","label":"q2","link_data":[{"count":1,"url":"https://acme.dev/%d"}],`+
		`"recents":[{"click_id":0,"link_index":"%d","ip":"203.0.113.7","timestamp":%d,"user_agent":"Mozilla/5.0"}]}}}`, id, link, link, 1_700_000_000+link)
}

// TestReceivers delivers what is hard to every receiver, and compares what they saved with
// docs/comparison.md.
func TestReceivers(t *testing.T) {
	t.Parallel()
	all := receivers(t)
	cells := make([][]string, len(all))
	rows := hardDeliveries(t)
	var running sync.WaitGroup
	for i, p := range all {
		running.Go(func() {
			seen := 0
			for n, row := range rows {
				statuses := ""
				for _, d := range row.send {
					// Rows must not disturb each other: each has messages and notifications of its own.
					d.body = []byte(strings.NewReplacer(`"M"`, fmt.Sprintf(`"m%d"`, n), `"id":"n-`, fmt.Sprintf(`"id":"n%d-`, n), `"id": "n-`, fmt.Sprintf(`"id": "n%d-`, n)).Replace(string(d.body)))
					if status := post(t, p.server.URL(), d); d.statuses != nil && !slices.Contains(d.statuses, status) {
						statuses = fmt.Sprintf("answers %d", status)
					}
				}
				lines := slices.DeleteFunc(get(t, p.server.URL()+"/report"), func(line string) bool { return line == "" })
				got := lines[seen:]
				seen = len(lines)
				var want []string
				for _, line := range row.want {
					want = append(want, strings.Replace(line, " M ", fmt.Sprintf(" m%d ", n), 1))
				}
				cells[i] = append(cells[i], became(want, got, statuses))
				t.Logf("%s: %s: %q", p.name, row.what, got)
			}
		})
	}
	running.Wait()
	if t.Failed() {
		return
	}
	var b strings.Builder
	b.WriteString("| what comes | this SDK | by hand | Node |\n|---|---|---|---|\n")
	for n, row := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", row.what, cells[0][n], cells[1][n], cells[2][n])
	}
	checkTable(t, "Hard deliveries", b.String())
}

// became says in a word what a receiver made of a row.
func became(want, got []string, statuses string) string {
	missing, extra := slices.Clone(want), []string(nil)
	for _, line := range got {
		if i := slices.Index(missing, line); i >= 0 {
			missing = slices.Delete(missing, i, i+1)
		} else {
			extra = append(extra, line)
		}
	}
	switch {
	case statuses != "":
		return statuses
	case len(missing) == 0 && len(extra) == 0:
		return "yes"
	case len(extra) == 0 && len(want) == 1:
		return "**lost**"
	case len(extra) == 0:
		return fmt.Sprintf("**%d of %d lost**", len(missing), len(want))
	case len(missing) == 0:
		return fmt.Sprintf("**%d too many**", len(extra))
	}
	return "**wrong**"
}

func post(t *testing.T, url string, d delivery) (status int) {
	t.Helper()
	body := d.body
	if d.zipped {
		var zipped bytes.Buffer
		w := gzip.NewWriter(&zipped)
		_, err := w.Write(body)
		assert.NoError(t, err)
		assert.NoError(t, w.Close())
		body = zipped.Bytes()
	}
	signature := sign(body)
	if d.signed != nil {
		signature = d.signed(body)
	}
	statuses := make(chan int, max(d.times, 1))
	var posting sync.WaitGroup
	for range max(d.times, 1) {
		posting.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/", bytes.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/json")
			if signature != "" {
				req.Header.Set("X-Nylas-Signature", signature)
			}
			if d.zipped && !d.noHeader {
				req.Header.Set("Content-Encoding", "gzip")
			}
			resp, err := asker.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			statuses <- resp.StatusCode
		})
	}
	posting.Wait()
	close(statuses)
	return <-statuses
}

func sign(body []byte) string {
	mac := hmac.New(sha256.New, []byte(webhookSecret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
