package dashboard_test

import (
	"fmt"
	"html"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
)

// noon is some time that is over.
var noon = time.Date(2026, time.March, 4, 12, 0, 0, 0, time.UTC)

func TestMessagePage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.sent("m-1", noon, func(m *engagement.Sent) { m.Label = "spring" })
	gmail := event("m-1", engagement.Open, noon.Add(12*time.Minute), gmailAgent)
	gmail.IP = netip.MustParseAddr("66.249.84.1")
	apple := event("m-1", engagement.Open, noon.Add(20*time.Second), appleAgent)
	apple.IP = netip.MustParseAddr("17.58.1.1")
	reply := event("m-1", engagement.Reply, noon.Add(26*time.Hour), "")
	reply.ReplyID, reply.Automatic = "r-1", engagement.No
	s.happened(gmail, apple, reply, click("m-1", 1, noon.Add(2*time.Hour+13*time.Minute), chromeAgent), click("m-1", 0, noon.Add(3*time.Hour), scriptAgent))

	page := s.get("/messages/g-1/m-1")
	assert.Contains(t, page, "<h1><bdi>Subject of m-1</bdi></h1>")
	assert.Contains(t, text(part(t, page, "state", "</div>")), "replied")
	assert.Contains(t, text(part(t, page, "state", "</div>")), "1 reply is probably a person's.")
	assert.Equal(t, "First likely open 12 minutes after the send 4 Mar 2026, 12:12:00 "+
		"First likely click 2 hours 13 minutes after the send 4 Mar 2026, 14:13:00 "+
		"First reply 1 day 2 hours after the send 5 Mar 2026, 14:00:00", text(part(t, page, "firsts", "</section>")))
	assert.Equal(t, "Opens 1 1 0 0 Clicks 1 0 1 0 Replies 1 0 0 0", text(part(t, page, "counts", "</tbody>")), "each number by itself")
	assert.Equal(t, "Clicks by link People Nobody can tell Machines Sender 1 https://acme.dev/demo 0 0 1 0 2 https://acme.dev/pricing 1 0 0 0 "+
		"3 https://acme.dev/unsubscribe 0 0 0 0", text(part(t, page, "links", "</section>")))
	for _, want := range []string{"Sent 4 Mar 2026, 12:00:00", "1. The events are theirs", "Campaign spring", "Message m-1"} {
		assert.Contains(t, text(page), want)
	}
	assert.Contains(t, page, `href="/campaign?name=spring"`)

	var lines []string
	for _, line := range strings.Split(part(t, page, "lines", "</ol>"), "<li ")[1:] {
		summary, _, _ := strings.Cut("<li "+line, "</summary>")
		lines = append(lines, text(summary))
	}
	assert.Equal(t, []string{
		"Reply probably a person 5 Mar 2026, 14:00:00 Somebody answered the message. 1 day 2 hours after the send",
		"Click on link 1 probably a machine 4 Mar 2026, 15:00:00 https://acme.dev/demo The user agent is that of a script or a library. 3 hours after the send",
		"Click on link 2 probably a person 4 Mar 2026, 14:13:00 https://acme.dev/pricing The user agent is that of a browser, which scanners can copy. 2 hours 13 minutes after the send",
		"Open probably a person 4 Mar 2026, 12:12:00 Gmail's image proxy loaded it, when somebody displayed the message. It hides place and device. 12 minutes after the send",
		"Open nobody can tell 4 Mar 2026, 12:00:20 Apple Mail Privacy Protection loads images for its users, read or not, so nobody can tell whether somebody looked. 20 seconds after the send",
	}, lines)
	assert.Contains(t, text(page), "Address 66.249.84.1")
	assert.NotContains(t, page, "iframe", "without a client nobody can read the body")
}

// What is not known is said, and not shown as a zero.
func TestMessageWithGaps(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.notified("m-gaps", 0)
	s.notified("m-gaps", 4, 5)
	page := text(s.get("/messages/g-1/m-gaps"))
	assert.Contains(t, page, "Lower bounds: 3 events are missing. The next notification of the message may bring what is missing.")
	assert.Contains(t, page, "Complete no, 3 events are missing")
	assert.Contains(t, page, "The program did not store this message when it sent it.")
	assert.Contains(t, page, "the time of the send is unknown")
	assert.Contains(t, page, "(no subject)")
	s.notified("m-whole", 0)
	page = text(s.get("/messages/g-1/m-whole"))
	assert.Contains(t, page, "Complete yes, no event is known to be missing")
	assert.NotContains(t, page, "Lower bounds")
}

func TestMessageProvisional(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.sent("m-1", time.Now().Add(-time.Hour), nil)
	s.happened(click("m-1", 0, time.Now().Add(-10*time.Second), chromeAgent))
	page := text(s.get("/messages/g-1/m-1"))
	assert.Contains(t, page, "Provisional: what is still on its way can change the verdicts.")
	assert.Contains(t, page, "Click on link 1 probably a person provisional")
	s.sent("m-2", noon, nil)
	s.happened(click("m-2", 0, noon.Add(time.Hour), chromeAgent))
	assert.NotContains(t, strings.ToLower(s.get("/messages/g-1/m-2")), "provisional")
}

func TestMessageOfSeveral(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.sent("m-1", noon, func(m *engagement.Sent) { m.Recipients = 4 })
	assert.Contains(t, text(s.get("/messages/g-1/m-1")), "Recipients 4. Each event is of one of them, and nobody can tell of which.")
	assert.Contains(t, text(s.get("/messages/g-1/m-1")), "No event yet.")
	s.sent("m-2", noon, func(m *engagement.Sent) { m.Recipients = 0 })
	assert.Contains(t, text(s.get("/messages/g-1/m-2")), "Recipients unknown")
}

func TestWithdrawnMessage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.sent("m-1", noon, nil)
	require.NoError(t, s.store.Withdraw(t.Context(), sqlstore.Withdrawal{GrantID: "g-1", MessageIDs: []string{"m-1", "m-2"}}))
	for _, id := range []string{"m-1", "m-2"} {
		assert.Contains(t, text(s.get("/messages/g-1/"+id)), "The recipient withdrew their consent: later events are dropped.", id)
	}
}

// Replies whose notification named the thread only have a page too.
func TestThreadPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	reply := event("", engagement.Reply, noon, "")
	reply.ThreadID, reply.ReplyID = "t/9", "r-7"
	s.happened(reply)
	page := text(s.get("/threads/g-1/t%2F9"))
	for _, want := range []string{"(a thread)", "named the thread, and not the message", "Thread t/9", "Reply r-7", "Written by a program unknown", "Replies 1 0 0 0"} {
		assert.Contains(t, page, want)
	}
	assert.NotContains(t, page, "Recipients")
}

// A message with thousands of events stays a page that can be shown, and says so.
func TestMessageWithThousandsOfEvents(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.sent("m-1", noon, nil)
	fill := func(n int) {
		var all []engagement.Event
		for range n {
			e := event("m-1", engagement.Open, noon.Add(time.Duration(eventIDs.next())*time.Minute), gmailAgent)
			e.ID = fmt.Sprintf("E%025d", eventIDs.next())
			all = append(all, e)
		}
		require.NoError(t, s.store.Update(t.Context(), engagement.Key{GrantID: "g-1", MessageID: "m-1", Kind: engagement.Open},
			func(engagement.Record) (engagement.Addition, error) { return engagement.Addition{Events: all}, nil }))
	}
	fill(450)
	page := s.get("/messages/g-1/m-1")
	assert.Equal(t, 200, strings.Count(page, "<li "))
	assert.Contains(t, text(page), "Events 251 to 450 of 450, counted from the oldest.")
	assert.Contains(t, text(page), "Opens 450 0 0 0")
	assert.Contains(t, page, `<a href="/messages/g-1/m-1?before=250" rel="next">Older</a>`)
	assert.NotContains(t, page, ">Newer<")
	page = s.get("/messages/g-1/m-1?before=250")
	assert.Contains(t, text(page), "Events 51 to 250 of 450")
	assert.Contains(t, page, `<a href="/messages/g-1/m-1" rel="prev">Newer</a>`)
	page = s.get("/messages/g-1/m-1?before=50")
	assert.Contains(t, page, `<a href="/messages/g-1/m-1?before=250" rel="prev">Newer</a>`)
	assert.NotContains(t, page, ">Older<")
	for _, odd := range []string{"0", "-1", "x", "9999999999999999999999", "1.5"} {
		assert.Equal(t, http.StatusBadRequest, s.do(http.MethodGet, "/messages/g-1/m-1?before="+odd).Code, odd)
	}
	for _, newest := range []string{"", "450", "100000"} { // of which some were deleted since
		assert.Contains(t, text(s.get("/messages/g-1/m-1?before="+newest)), "Events 251 to 450 of 450", newest)
	}
	assert.Contains(t, text(s.get("/messages/g-1/m-1?before=1")), "Events 1 to 1 of 450")
	s.sent("m-2", noon, nil)
	assert.Contains(t, text(s.get("/messages/g-1/m-2?before=7")), "No event yet")
	fill(10_000)
	page = text(s.get("/messages/g-1/m-1"))
	assert.Contains(t, page, "The message has more events. The newest 10000 were judged and counted here.")
	assert.Contains(t, page, "Opens 10000 0 0 0")
}

func TestMissingPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, path := range []string{
		"/other", "/messages/", "/messages/g-1", "/messages/g-1/none", "/messages/g-1/~", "/threads/g-1/none", "/messages/g-1/a%00b", "/messages/%ff/a",
		"/messages/g-1/none/other",
		"/messages/g-1/" + strings.Repeat("x", 513),
	} {
		w := s.do(http.MethodGet, path)
		assert.Equal(t, http.StatusNotFound, w.Code, path)
		assert.Contains(t, w.Body.String(), "<h1>Not here</h1>", path)
		assert.NotContains(t, w.Body.String(), "data-stream", path)
		assert.Empty(t, s.do(http.MethodHead, path).Body.String())
	}
	assert.Equal(t, http.StatusMethodNotAllowed, s.do(http.MethodPost, "/messages/g-1/none").Code)
}

// Ids are those of Nylas and of providers, who may choose any.
func TestIDsOfAnyCharacters(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, id := range []string{"a/b", "..", ".", "~", "~~x", "a b?c#d%2F&e", "<script>alert(1)</script>", "ü日本", `"'`, "a\\b", strings.Repeat("ü", 256)} {
		for _, grant := range []string{"g-1", "", "..", "g/1"} {
			s.sent(id, noon, func(m *engagement.Sent) { m.GrantID = grant; m.Subject = "Found" })
			list := s.get("/")
			_, path, _ := strings.Cut(list, `<li id="k`)
			_, path, _ = strings.Cut(path, `<a href="`)
			path, _, _ = strings.Cut(path, `"`)
			assert.Contains(t, s.get(html.UnescapeString(path)), "<h1><bdi>Found</bdi></h1>", "%q of %q", id, grant)
			_, err := s.db.ExecContext(t.Context(), "DELETE FROM nylas_messages")
			require.NoError(t, err)
		}
	}
}

// What deleted events came to stays true.
func TestDeletedEvents(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.sent("m-1", noon, nil)
	s.happened(event("m-1", engagement.Open, noon.Add(time.Hour), gmailAgent), click("m-1", 0, noon.Add(2*time.Hour), chromeAgent))
	s.judge()
	_, err := s.store.DeleteEvents(t.Context(), noon.Add(90*time.Minute))
	require.NoError(t, err)
	page := s.get("/messages/g-1/m-1")
	assert.Contains(t, text(page), "Old events of the message were deleted.")
	assert.Contains(t, text(page), "First likely open 1 hour after the send")
	assert.Equal(t, "Opens 1 0 0 0 Clicks 1 0 0 0 Replies 0 0 0 0", text(part(t, page, "counts", "</tbody>")))
	assert.Equal(t, 1, strings.Count(part(t, page, "lines", "</ol>"), "<li "))
	assert.Contains(t, text(s.get("/")), "clicked people: 1 open, 1 click")
}
