package mailbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/internal/page"
	"github.com/nylastrack/nylas-go/nylastest"
)

// notices is the list of notifications, the newest first.
type notices struct {
	List  []notice
	Total int
	Older int // not shown
}

// notice is a notification in the list.
type notice struct {
	Key     string // of the element
	Version string // changes with what is shown
	Type    events.Type
	Kind    string // open, click, reply or other, for the colour
	At      page.Moment
	Subject string // of the message, if it is known
	Path    string // of the message
	What    []string
	State   string
	Good    string // yes, no or wait
	JSON    string
	ID      string

	Attempts []attempt
}

// attempt is one delivery in the list.
type attempt struct {
	Key     string
	Number  int
	Webhook string
	Result  string
	Good    string
	At      page.Moment
	Request string // its line and header
	Body    string // as JSON
	Gzip    bool
	Curl    string
}

func at(t time.Time) page.Moment { return page.MomentOf(t, "15:04:05") }

func viewNotices(all []nylastest.Notice, subjects map[string]string) notices {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b nylastest.Notice) int { return a.At.Compare(b.At) })
	view := notices{Total: len(all), Older: max(0, len(all)-maxShown)}
	for i := range slices.Backward(all) {
		if len(view.List) == maxShown {
			break
		}
		view.List = append(view.List, newNotice(&all[i], subjects))
	}
	return view
}

// about returns the notifications about one message.
func about(all []nylastest.Notice, messageID string) []nylastest.Notice {
	return slices.DeleteFunc(all, func(n nylastest.Notice) bool { return n.MessageID != messageID })
}

func newNotice(n *nylastest.Notice, subjects map[string]string) notice {
	hash := fnv.New64a() // an id may hold what an attribute should not
	fmt.Fprintf(hash, "%s %d", n.ID, n.At.UnixNano())
	view := notice{
		Key: "n" + strconv.FormatUint(hash.Sum64(), 36), Version: fmt.Sprintf("%d-%t", len(n.Attempts), n.Settled),
		Type: n.Type, ID: n.ID, At: at(n.At), JSON: indented(n.Body),
	}
	if s, known := subjects[n.MessageID]; known {
		view.Subject, view.Path = s, messagesPath+n.MessageID
	}
	view.Kind, view.What = describe(n.Body, n.At)
	view.State, view.Good = state(n)
	for i := range n.Attempts {
		view.Attempts = append(view.Attempts, newAttempt(&n.Attempts[i], fmt.Sprintf("%s-%d", view.Key, i)))
	}
	return view
}

// state says in a few words where a notification is.
func state(n *nylastest.Notice) (text, good string) {
	attempts := n.Attempts
	taken := len(attempts) > 0
	for _, a := range lastOfEach(attempts) {
		taken = taken && a.Status == http.StatusOK
	}
	switch {
	case taken && n.Settled:
		return "delivered", "yes"
	case len(attempts) == 0 && n.Settled:
		return "no webhook wants it", "none"
	case n.Settled:
		return "given up", "no"
	case len(attempts) == 0:
		return "on its way", "wait"
	default:
		return "will be tried again", "wait"
	}
}

// lastOfEach returns the latest attempt at each webhook.
func lastOfEach(attempts []nylastest.DeliveryAttempt) map[string]*nylastest.DeliveryAttempt {
	last := make(map[string]*nylastest.DeliveryAttempt)
	for i := range attempts {
		last[attempts[i].WebhookID] = &attempts[i]
	}
	return last
}

// describe says in words what a notification is about. made is when it was made.
func describe(body []byte, made time.Time) (kind string, what []string) {
	n, err := events.Parse(body)
	if err != nil {
		return "other", nil
	}
	switch data := n.Data.(type) {
	case *events.MessageOpened: // of the recents of an emulator the last is what happened
		what = []string{page.Counted(int(data.MessageData.Count), "open", "opens")}
		if n := len(data.Recents); n > 0 {
			open := data.Recents[n-1]
			what = append(what, visit(open.IP, open.UserAgent, open.Timestamp, made)...)
		}
		return "open", what
	case *events.MessageLinkClicked:
		if n := len(data.Recents); n > 0 {
			click := data.Recents[n-1]
			if link, ok := data.Link(click); ok {
				what = []string{link.URL}
			}
			what = append(what, visit(click.IP, click.UserAgent, click.Timestamp, made)...)
		}
		return "click", what
	case *events.ThreadReplied:
		return "reply", []string{page.Counted(int(data.ReplyData.Count), "reply", "replies")}
	default:
		return "other", nil
	}
}

// visit describes a request. A notification may bear another time than it was made at.
func visit(ip, userAgent string, when events.Timestamp, made time.Time) []string {
	if userAgent == "" {
		userAgent = "no User-Agent"
	}
	lines := []string{ip + " · " + userAgent}
	if apart := when.Sub(made); apart.Abs() > time.Minute {
		lines = append(lines, "bears the time "+when.In(made.Location()).Format("2 Jan 15:04:05"))
	}
	return lines
}

func newAttempt(a *nylastest.DeliveryAttempt, key string) attempt {
	view := attempt{
		Key: key, Number: a.Attempt, Webhook: a.WebhookID, At: at(a.StartedAt),
		Request: requestHead(a), Body: string(a.Body), Gzip: a.Header.Get("Content-Encoding") != "", Curl: curl(a),
	}
	if view.Webhook == "" {
		view.Webhook = "test event"
	}
	switch {
	case a.Err != nil:
		view.Result, view.Good = "no answer: "+a.Err.Error(), "no"
	case a.Status == http.StatusOK:
		view.Result, view.Good = "200 OK", "yes"
	default:
		view.Result, view.Good = fmt.Sprintf("%d %s", a.Status, http.StatusText(a.Status)), "no"
	}
	return view
}

// requestHead is the line and the header of a request, as they travelled.
func requestHead(a *nylastest.DeliveryAttempt) string {
	var out bytes.Buffer
	if u, err := url.Parse(a.URL); err == nil {
		fmt.Fprintf(&out, "POST %s HTTP/1.1\nHost: %s\nContent-Length: %d\n", u.RequestURI(), u.Host, len(a.Wire))
	}
	for _, name := range slices.Sorted(maps.Keys(a.Header)) {
		for _, value := range a.Header[name] {
			fmt.Fprintf(&out, "%s: %s\n", name, value)
		}
	}
	return out.String()
}

// indented is JSON for reading.
func indented(body []byte) string {
	var out bytes.Buffer
	if json.Indent(&out, body, "", "  ") != nil {
		return string(body)
	}
	return out.String()
}
