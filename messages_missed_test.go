package nylas_test

import (
	"errors"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
)

const (
	missedGrant   = `{"data":{"id":"` + testGrant + `","email":"Sales@acme.dev"}}`
	missedFolders = `{"data":[{"id":"F1","attributes":["\\Inbox"]},{"id":"F2","attributes":["\\sent"]},{"id":"F3","attributes":["\\Drafts"]}]}`
	noElements    = `{"data":[]}`
)

// mailboxOf answers the calls of MissedReplies: grant, folders, and then these.
func mailboxOf(bodies ...string) []httpmock.Responder {
	all := []httpmock.Responder{answers(200, missedGrant), answers(200, missedFolders)}
	for _, body := range bodies {
		all = append(all, answers(200, body))
	}
	return all
}

// missedAfter is when the outage of these tests began.
var missedAfter = time.Unix(1000, 999)

// missed runs a search and returns the replies, as "root<-reply", and the error.
func missed(t *testing.T, w *wire) (replies []string, last error) {
	t.Helper()
	for n, err := range w.client(t).MissedReplies(t.Context(), testGrant, missedAfter) {
		require.NoError(t, last, "an error is the last element")
		if last = err; err != nil {
			assert.Nil(t, n)
			continue
		}
		replied := n.Data.(*events.ThreadReplied)
		replies = append(replies, replied.RootMessageID+"<-"+replied.MessageID)
	}
	return replies, last
}

// TestMissedRepliesOfAThread has what stands in a thread, newest first, and which of it is a
// reply.
func TestMissedRepliesOfAThread(t *testing.T) {
	t.Parallel()
	const (
		root    = `{"id":"root","date":900,"from":[{"email":"sales@acme.dev"}],"tracking_options":{"thread_replies":true,"label":"q2"}}`
		alias   = `{"id":"alias","date":901,"from":[{"email":"kim.b@acme.dev"}],"tracking_options":{"thread_replies":true}}`
		unasked = `{"id":"opens","date":900,"tracking_options":{"opens":true,"thread_replies":false}}`
	)
	from := func(id, address string, date int, more string) string {
		return fmt.Sprintf(`{"id":%q,"date":%d,"from":[{"email":%q}]%s}`, id, date, address, more)
	}
	for name, tt := range map[string]struct {
		messages []string
		want     []string
	}{
		"in the second in which it began":    {[]string{from("r", "kim@example.org", 1000, ""), root}, []string{"root<-r"}},
		"before":                             {[]string{from("r", "kim@example.org", 999, ""), root}, nil},
		"oldest first":                       {[]string{from("r2", "kim@example.org", 1002, ""), from("r1", "kim@example.org", 1001, ""), root}, []string{"root<-r1", "root<-r2"}},
		"in any order":                       {[]string{from("r1", "kim@example.org", 1001, ""), root, from("r2", "kim@example.org", 1002, "")}, []string{"root<-r1", "root<-r2"}},
		"within a second":                    {[]string{from("r2", "a@example.org", 1001, ""), from("r1", "a@example.org", 1001, ""), root}, []string{"root<-r1", "root<-r2"}},
		"the sender":                         {[]string{from("r", "sales@ACME.dev", 1001, ""), root}, nil},
		"an alias of the sender":             {[]string{from("r", "kim.b@acme.dev", 1001, `,"folders":["F0","F2"]`), root}, nil},
		"an alias that sent the tracked one": {[]string{from("r2", "kim@example.org", 1002, ""), from("r", "Kim.B@acme.dev", 1001, ""), alias}, []string{"alias<-r2"}},
		"a draft":                            {[]string{from("r", "", 1001, `,"object":"draft"`), root}, nil},
		"a draft of an alias":                {[]string{from("r", "kim.b@acme.dev", 1001, `,"folders":["F3"]`), root}, nil},
		"a draft of a tracked message":       {[]string{from("r", "kim@example.org", 1001, ""), `{"id":"d","object":"draft","date":900,"tracking_options":{"thread_replies":true}}`}, nil},
		"two tracked messages":               {[]string{from("r", "kim@example.org", 1001, ""), alias, root}, []string{"root<-r"}},
		"another folder":                     {[]string{from("r", "kim@example.org", 1001, `,"folders":["F1"]`), root}, []string{"root<-r"}},
		"without From":                       {[]string{`{"id":"r","date":1001}`, root}, []string{"root<-r"}},
		"without a date":                     {[]string{`{"id":"r","from":[{"email":"kim@example.org"}]}`, root}, []string{"root<-r"}},
		"before the tracked message":         {[]string{`{"id":"root","date":1002,"tracking_options":{"thread_replies":true}}`, from("r", "kim@example.org", 1001, "")}, nil},
		"no tracked message":                 {[]string{from("r", "kim@example.org", 1001, ""), unasked}, nil},
		"a tracked message later":            {[]string{from("r", "kim@example.org", 1001, ""), root, unasked}, []string{"root<-r"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, mailboxOf(`{"data":[{"id":"t"}]}`, `{"data":[`+strings.Join(tt.messages, ",")+`]}`)...)
			got, err := missed(t, w)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
}

// TestMissedRepliesAsksForLittle has what it asks for, and which threads it looks into.
func TestMissedRepliesAsksForLittle(t *testing.T) {
	t.Parallel()
	const message = `{"data":[{"id":"r","thread_id":"t","date":1001,"reply_to_message_id":"m"},` +
		`{"id":"root","date":1,"tracking_options":{"thread_replies":true,"label":"q2"}}]}`
	w := newWire(t, mailboxOf(`{"data":[{"id":"only-sent","latest_message_received_date":999},{"id":"t/1","latest_message_received_date":1000}],"next_cursor":"p2"}`,
		message, `{"data":[{"id":"t2"}]}`, noElements)...)
	list := w.client(t).MissedReplies(t.Context(), testGrant, missedAfter)
	assert.Empty(t, w.requests(), "nothing is asked before it is needed")
	var got []*events.Notification
	for n, err := range list {
		require.NoError(t, err)
		got = append(got, n)
	}
	require.Len(t, got, 1)
	id := got[0].ID
	assert.Regexp(t, `^missed-[0-9a-f]{32}$`, id)
	at := events.At(time.Unix(1001, 0))
	assert.Equal(t, &events.Notification{
		SpecVersion: "1.0", Type: events.TypeThreadReplied, Source: "nylas-go/missed-replies", ID: id, Time: at, GrantID: testGrant,
		Data: &events.ThreadReplied{
			Object: "thread", GrantID: testGrant, MessageID: "r", RootMessageID: "root", Label: "q2", ReplyData: events.ReplyData{Count: 1},
			ReplyToMessageID: "m", FromSelf: new(false), ThreadID: "t", Timestamp: at,
		},
	}, got[0])
	var targets []string
	for _, r := range w.requests() {
		targets = append(targets, r.method+" "+r.target)
	}
	const grant = "GET /v3/grants/" + testGrant
	const threads = "/threads?latest_message_after=999&limit=200&"
	assert.Equal(t, []string{
		grant, grant + "/folders",
		grant + threads + "select=id%2Clatest_message_received_date",
		grant + "/messages?fields=include_tracking_options&limit=20&thread_id=t%2F1",
		grant + threads + "page_token=p2&select=id%2Clatest_message_received_date",
		grant + "/messages?fields=include_tracking_options&limit=20&thread_id=t2",
	}, targets)

	w = newWire(t, mailboxOf(`{"data":[{"id":"t"},{"id":"t2"}]}`, message)...)
	for n, err := range w.client(t).MissedReplies(t.Context(), testGrant, missedAfter) {
		require.NoError(t, err)
		assert.Equal(t, id, n.ID, "the same reply has the same id")
		break // and nothing more is asked for
	}
	assert.Len(t, w.requests(), 4)
}

// TestMissedRepliesFails: what stands before the threads ends it, and what is wrong with a
// thread does not.
func TestMissedRepliesFails(t *testing.T) {
	t.Parallel()
	notFound := answersFile(t, 404, "http/error.not-found.404.json")
	for i, op := range []string{"get grant", "list folders", "list threads"} {
		w := newWire(t, append(append([]httpmock.Responder{}, mailboxOf()[:min(i, 2)]...), notFound)...)
		got, err := missed(t, w)
		assert.Empty(t, got)
		assertSentinels(t, err, nylas.ErrNotFound)
		assert.Contains(t, err.Error(), "nylas: "+op+": ")
		assert.Len(t, w.requests(), i+1)
	}

	const tracked = `{"data":[{"id":"r","date":1001},{"id":"root","date":1,"tracking_options":{"thread_replies":true}}]}`
	tooFast := answers(429, `{"error":{"type":"rate_limit_error","message":"slow down"}}`)
	for name, tt := range map[string]struct {
		threads []httpmock.Responder
		replies int
		failed  []string
	}{
		"one of them":    {[]httpmock.Responder{notFound, answers(200, tracked), answers(200, noElements), answers(200, tracked), answers(200, noElements)}, 2, []string{"t1"}},
		"not in a row":   {[]httpmock.Responder{notFound, notFound, answers(200, tracked), notFound, notFound}, 1, []string{"t1", "t2", "t4", "t5"}},
		"three in a row": {[]httpmock.Responder{answers(200, tracked), notFound, notFound, notFound}, 1, []string{"t2", "t3", "t4"}},
		"too fast":       {[]httpmock.Responder{answers(200, tracked), tooFast}, 1, []string{"t2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, append(mailboxOf(`{"data":[{"id":"t1"},{"id":"t2"},{"id":"t3"},{"id":"t4"},{"id":"t5"}]}`), tt.threads...)...)
			var replies int
			var last error
			for n, err := range w.client(t).MissedReplies(t.Context(), testGrant, missedAfter, nylas.WithoutRetry()) {
				require.NoError(t, last, "an error is the last element")
				if last = err; err == nil {
					assert.Equal(t, "r", n.Data.(*events.ThreadReplied).MessageID)
					replies++
				}
			}
			assert.Equal(t, tt.replies, replies)
			require.Error(t, last)
			var failed []string
			for line := range strings.Lines(last.Error()) {
				thread, _, _ := strings.Cut(strings.TrimPrefix(line, "thread "), ":")
				failed = append(failed, thread)
			}
			assert.Equal(t, tt.failed, failed)
			assert.Len(t, w.requests(), 3+len(tt.threads), "and nothing more is asked")
		})
	}
}

// TestMissedRepliesReadsLongMail: the messages come with their bodies, and those of a long
// thread are more than one answer can have.
func TestMissedRepliesReadsLongMail(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("x", 1<<20)
	const all = 40
	w := newWireAlways(func(r *http.Request) (*http.Response, error) {
		switch query := r.URL.Query(); path.Base(r.URL.Path) {
		case "folders":
			return answers(200, missedFolders)(r)
		case "threads":
			return answers(200, `{"data":[{"id":"t"}]}`)(r)
		case "messages":
			size, err := strconv.Atoi(query.Get("limit"))
			require.NoError(t, err)
			first, _ := strconv.Atoi(query.Get("page_token"))
			var page []string
			for i := first; i < min(first+size, all); i++ {
				options := ""
				if i == all-1 {
					options = `,"tracking_options":{"thread_replies":true}`
				}
				page = append(page, fmt.Sprintf(`{"id":"m%d","date":%d,"body":%q%s}`, i, 2000-i, body, options))
			}
			next := ""
			if first+size < all {
				next = fmt.Sprintf(`,"next_cursor":"%d"`, first+size)
			}
			return answers(200, `{"data":[`+strings.Join(page, ",")+`]`+next+`}`)(r)
		default:
			return answers(200, missedGrant)(r)
		}
	})
	got, err := missed(t, w)
	require.NoError(t, err)
	assert.Len(t, got, all-1)
}

// TestMissedRepliesOfOddMail: elements that cannot be read end nothing.
func TestMissedRepliesOfOddMail(t *testing.T) {
	t.Parallel()
	const reply = `{"id":"r%d","date":1001},{"id":"root","date":1,"tracking_options":{"thread_replies":true}}`
	w := newWire(t, mailboxOf(`{"data":[7,{"id":"t"},{"id":"t2"}]}`, `{"data":[8,`+fmt.Sprintf(reply, 1)+`]}`, `{"data":[`+fmt.Sprintf(reply, 2)+`]}`)...)
	got, err := missed(t, w)
	assert.Equal(t, []string{"root<-r1", "root<-r2"}, got)
	odd, ok := errors.AsType[*nylas.ListError](err)
	require.True(t, ok)
	assert.Equal(t, 1, odd.Count)
	assert.Contains(t, err.Error(), "list messages")
	assert.Contains(t, err.Error(), "list threads")

}

func TestMissedRepliesRefuses(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	for want, since := range map[string]time.Time{"zero": {}, "before 1970": time.Unix(-1, 999)} {
		for _, err := range w.client(t).MissedReplies(t.Context(), testGrant, since) {
			require.EqualError(t, err, "nylas: find missed replies: since is "+want+": give the time at which the outage began")
			assertSentinels(t, err, nylas.ErrInvalidRequest)
		}
	}
	for _, err := range w.client(t).MissedReplies(t.Context(), "", missedAfter) {
		assertSentinels(t, err, nylas.ErrInvalidRequest)
	}
	assert.Empty(t, w.requests())

	w = newWire(t, mailboxOf(noElements)...) // the first second of 1970 has none before it
	for n, err := range w.client(t).MissedReplies(t.Context(), testGrant, time.Unix(0, 1)) {
		t.Errorf("the mailbox is empty, and there is %v with the error %v", n, err)
	}
	assert.Contains(t, w.requests()[2].target, "latest_message_after=0&")
}
