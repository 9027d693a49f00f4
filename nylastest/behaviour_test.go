package nylastest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

// fourLinks is a body with as many links.
const fourLinks = `<p><a href="https://acme.dev/0">0</a> <a href="https://acme.dev/1">1</a> ` +
	`<a href="https://acme.dev/2">2</a> <a href="https://acme.dev/3">3</a></p>`

// told is what notifications say of an event.
type told struct {
	kind      string
	link      int
	at        int64
	ip, agent string
	reply     string
}

func tellings(happened []nylastest.Happened) []told {
	all := []told{}
	for _, h := range happened {
		all = append(all, told{h.Kind, h.LinkIndex, h.At.Unix(), h.IP, h.UserAgent, h.ReplyID})
	}
	return all
}

// newest returns the event that each notification is about.
func newest(t *testing.T, notifications []received) []told {
	t.Helper()
	all := []told{}
	for _, n := range notifications {
		switch data := n.Data.(type) {
		case *events.MessageOpened:
			e := data.Recents[len(data.Recents)-1]
			all = append(all, told{"open", -1, e.Timestamp.Unix(), e.IP, e.UserAgent, ""})
		case *events.MessageLinkClicked:
			e := data.Recents[len(data.Recents)-1]
			all = append(all, told{"click", int(e.LinkIndex), e.Timestamp.Unix(), e.IP, e.UserAgent, ""})
		case *events.ThreadReplied:
			all = append(all, told{"reply", -1, data.Timestamp.Unix(), "", "", data.MessageID})
		default:
			require.Fail(t, "another notification", "%T", data)
		}
	}
	return all
}

// brief says what happened, without when and where.
func brief(happened []nylastest.Happened) string {
	all := make([]string, len(happened))
	for i, h := range happened {
		all[i] = h.Kind
		if h.LinkIndex >= 0 {
			all[i] = fmt.Sprint(h.Kind, h.LinkIndex)
		}
		all[i] += fmt.Sprint(" ", h.Cause, " ", h.Mechanism)
	}
	return strings.Join(all, ", ")
}

// What a behaviour does without a seed, the network of its first act, and how long it takes
// at least.
func TestBehaviours(t *testing.T) {
	t.Parallel()
	scan := "click0 machine security-scanner, click1 machine security-scanner, click2 machine security-scanner, click3 machine security-scanner"
	for name, test := range map[string]struct {
		behaviour nylastest.Behaviour
		want      string
		network   string
		within    [2]time.Duration // from the first act to the last one
	}{
		"browser":           {nylastest.Browser(), "open person browser, click0 person browser", "203.0.113.0/24", [2]time.Duration{3 * time.Second, time.Hour}},
		"phone":             {nylastest.Phone(), "open person mail-client, click0 person browser", "203.0.113.0/24", [2]time.Duration{3 * time.Second, time.Hour}},
		"outlook":           {nylastest.Outlook(), "open person outlook, click0 person browser", "203.0.113.0/24", [2]time.Duration{3 * time.Second, time.Hour}},
		"apple-mail":        {nylastest.AppleMail(), "open machine apple-mpp, click0 person browser", "172.224.0.0/16", [2]time.Duration{time.Minute, 4 * day}},
		"gmail":             {nylastest.Gmail(), "open person gmail-proxy, click0 person browser", "66.102.0.0/20", [2]time.Duration{3 * time.Second, time.Hour}},
		"gmail-prefetch":    {nylastest.GmailPrefetch(), "open machine gmail-prefetch, open person gmail-proxy, click0 person browser", "66.102.0.0/20", [2]time.Duration{4 * time.Second, day}},
		"yahoo":             {nylastest.Yahoo(), "open person yahoo-proxy, click0 person browser", "98.137.0.0/16", [2]time.Duration{3 * time.Second, time.Hour}},
		"safe-links":        {nylastest.SafeLinks(), scan, "40.107.0.0/16", [2]time.Duration{time.Millisecond, 3 * time.Second}},
		"gateway":           {nylastest.Gateway(), "open machine security-scanner, " + scan, "209.222.82.0/24", [2]time.Duration{time.Millisecond, 3 * time.Second}},
		"patient-gateway":   {nylastest.PatientGateway(), "open machine security-scanner, " + scan, "198.51.100.0/24", [2]time.Duration{8 * time.Second, 40 * time.Second}},
		"link-preview":      {nylastest.LinkPreview(), "click0 machine link-preview", "198.51.100.0/24", [2]time.Duration{}},
		"out-of-office":     {nylastest.OutOfOffice(), "reply machine auto-reply", "", [2]time.Duration{}},
		"sender":            {nylastest.Sender(), "open sender browser", nylastest.SenderNetwork().String(), [2]time.Duration{}},
		"forwarded browser": {nylastest.Forwarded(nylastest.Browser()), "open person browser, click0 person browser", "203.0.113.0/24", [2]time.Duration{3 * time.Second, time.Hour}},
		"":                  {nylastest.Behaviour{}, "", "", [2]time.Duration{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.subscribe(appURL)
				m := w.send(object{"body": fourLinks})
				happened, err := w.server.Receive(t.Context(), m.ID, test.behaviour)
				require.NoError(t, err)
				w.wait()
				assert.Equal(t, name, test.behaviour.String())
				assert.Equal(t, test.want, brief(happened))
				assert.ElementsMatch(t, tellings(happened), newest(t, w.receiver.take()))
				if test.want == "" {
					return
				}
				first, last := happened[0], happened[len(happened)-1]
				assert.True(t, first.At.After(m.SentAt))
				assert.WithinRange(t, last.At, first.At.Add(test.within[0]), first.At.Add(test.within[1]))
				assert.WithinDuration(t, last.At, time.Now(), time.Millisecond, "it waits until then")
				if test.network != "" {
					assert.True(t, netip.MustParsePrefix(test.network).Contains(netip.MustParseAddr(first.IP)), first.IP)
				}
			})
		})
	}
}

const day = 24 * time.Hour

// With seeds, behaviours do all that their documentation says, and the same seed does the
// same again.
func TestBehavioursVary(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t)
	w := &world{t: t, server: server}
	m := w.send(object{"body": fourLinks})
	const seeds = 150
	for name, test := range map[string]struct {
		behaviour nylastest.Behaviour
		also      []func([]nylastest.Happened) bool
	}{
		"browser": {nylastest.Browser(), []func([]nylastest.Happened) bool{clicks(0), clicks(1), clicks(2), clicks(3), replies(nylastest.ByPerson), opens(2), allWithin(day)}},
		"phone":   {nylastest.Phone(), []func([]nylastest.Happened) bool{from("2a02:26f7::/32"), from("172.225.0.0/16"), from("2001:db8::/32")}},
		"outlook": {nylastest.Outlook(), []func([]nylastest.Happened) bool{clicks(0), clicks(1)}},
		"apple-mail": {nylastest.AppleMail(), []func([]nylastest.Happened) bool{
			clicks(0), causedBy(nylastest.ByPerson), causedBy(nylastest.ByMachine), from("104.28.0.0/16"),
		}},
		"gmail":          {nylastest.Gmail(), []func([]nylastest.Happened) bool{opens(2), clicks(0), replies(nylastest.ByPerson)}},
		"gmail-prefetch": {nylastest.GmailPrefetch(), []func([]nylastest.Happened) bool{opens(1), opens(2), opens(3)}},
		"yahoo":          {nylastest.Yahoo(), []func([]nylastest.Happened) bool{from("67.195.0.0/16")}},
		"safe-links":     {nylastest.SafeLinks(), []func([]nylastest.Happened) bool{clicks(1), clicks(4), from("20.72.100.79/32"), from("104.47.0.0/17"), allWithin(3 * time.Second)}},
		"gateway":        {nylastest.Gateway(), []func([]nylastest.Happened) bool{clicks(4), from("198.51.100.0/24"), from("3.24.133.128/25"), allWithin(3 * time.Second)}},
		"patient":        {nylastest.PatientGateway(), []func([]nylastest.Happened) bool{clicks(4), not(allWithin(10 * time.Second))}},
		"link-preview":   {nylastest.LinkPreview(), []func([]nylastest.Happened) bool{clicks(1)}},
		"out-of-office":  {nylastest.OutOfOffice(), []func([]nylastest.Happened) bool{replies(nylastest.ByMachine)}},
		"sender":         {nylastest.Sender(), []func([]nylastest.Happened) bool{clicks(1), replies(nylastest.BySender)}},
		"forwarded":      {nylastest.Forwarded(nylastest.Gmail()), []func([]nylastest.Happened) bool{clicks(1), clicks(2)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			different := map[string]bool{}
			for seed := uint64(1); seed <= seeds; seed++ {
				b := test.behaviour.WithSeed(seed)
				happened, err := server.ReceiveAtOnce(t.Context(), m.ID, b)
				require.NoError(t, err)
				if seed == 1 {
					again, err := server.ReceiveAtOnce(t.Context(), m.ID, b)
					require.NoError(t, err)
					assert.Equal(t, plan(happened), plan(again))
				}
				different[plan(happened)] = true
				test.also = slices.DeleteFunc(test.also, func(seen func([]nylastest.Happened) bool) bool { return seen(happened) })
			}
			assert.Empty(t, test.also, "nothing of this kind in %d seeds", seeds)
			if name != "out-of-office" { // of which the plan shows no time
				assert.Greater(t, len(different), seeds*3/4)
			}
		})
	}
}

// plan is what happened, with the times between and without ids.
func plan(happened []nylastest.Happened) string {
	var all strings.Builder
	for _, h := range happened {
		h.ReplyID = ""
		fmt.Fprintln(&all, h.Kind, h.LinkIndex, h.Cause, h.Mechanism, h.At.Sub(happened[0].At), h.IP, h.UserAgent)
	}
	return all.String()
}

func count(happened []nylastest.Happened, like func(nylastest.Happened) bool) int {
	return len(slices.DeleteFunc(slices.Clone(happened), func(h nylastest.Happened) bool { return !like(h) }))
}

func clicks(n int) func([]nylastest.Happened) bool { return kinds("click", n) }
func opens(n int) func([]nylastest.Happened) bool  { return kinds("open", n) }

func kinds(kind string, n int) func([]nylastest.Happened) bool {
	return func(all []nylastest.Happened) bool {
		return count(all, func(h nylastest.Happened) bool { return h.Kind == kind }) == n
	}
}

func replies(cause nylastest.Cause) func([]nylastest.Happened) bool {
	return func(all []nylastest.Happened) bool {
		return count(all, func(h nylastest.Happened) bool { return h.Kind == "reply" && h.Cause == cause && h.ReplyID != "" }) > 0
	}
}

func causedBy(cause nylastest.Cause) func([]nylastest.Happened) bool {
	return func(all []nylastest.Happened) bool {
		return count(all, func(h nylastest.Happened) bool { return h.Mechanism == "apple-mpp" && h.Cause == cause }) == 1
	}
}

func from(network string) func([]nylastest.Happened) bool {
	return func(all []nylastest.Happened) bool {
		return count(all, func(h nylastest.Happened) bool {
			addr, err := netip.ParseAddr(h.IP)
			return err == nil && netip.MustParsePrefix(network).Contains(addr)
		}) > 0
	}
}

func allWithin(d time.Duration) func([]nylastest.Happened) bool {
	return func(all []nylastest.Happened) bool {
		return len(all) > 1 && all[len(all)-1].At.Sub(all[0].At) < d
	}
}

func not(f func([]nylastest.Happened) bool) func([]nylastest.Happened) bool {
	return func(all []nylastest.Happened) bool { return !f(all) }
}

// Several behaviours act in the order of time.
func TestReceiveOfAMailbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.subscribe(appURL)
		m := w.send(object{"body": fourLinks})
		happened, err := w.server.Receive(t.Context(), m.ID, nylastest.Outlook(), nylastest.SafeLinks(), nylastest.OutOfOffice())
		require.NoError(t, err)
		assert.Len(t, happened, 7)
		assert.True(t, slices.IsSortedFunc(happened, func(a, b nylastest.Happened) int { return a.At.Compare(b.At) }))
		w.wait()
		assert.ElementsMatch(t, tellings(happened), newest(t, w.receiver.take()))
	})
}

// Nothing waits, and the notifications bear the times of what takes hours.
func TestReceiveAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.subscribe(appURL)
	m := w.send(object{"body": fourLinks})
	began := time.Now()
	happened, err := w.server.ReceiveAtOnce(t.Context(), m.ID, nylastest.AppleMail(), nylastest.OutOfOffice())
	require.NoError(t, err)
	require.Len(t, happened, 3)
	assert.Greater(t, happened[2].At.Sub(began), 30*time.Minute)
	assert.Less(t, time.Since(began), time.Minute)
	w.wait()
	assert.ElementsMatch(t, tellings(happened), newest(t, w.receiver.take()))
}

// What a message does not have does not happen.
func TestReceiveWhatAMessageHas(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t, nylastest.WithSendingDomains("acme.dev"))
	w := &world{t: t, server: server}
	everything := []nylastest.Behaviour{
		nylastest.Browser(), nylastest.Phone(), nylastest.Outlook(), nylastest.AppleMail(), nylastest.Gmail(), nylastest.GmailPrefetch(), nylastest.Yahoo(),
		nylastest.SafeLinks(), nylastest.Gateway(), nylastest.PatientGateway(), nylastest.LinkPreview(), nylastest.Sender(), nylastest.Forwarded(nylastest.Browser()),
	}
	untracked := w.send(object{"tracking_options": nil})
	happened, err := server.ReceiveAtOnce(t.Context(), untracked.ID, everything...)
	require.NoError(t, err)
	assert.Empty(t, happened)

	pixelOnly := w.send(object{"tracking_options": object{"opens": true}})
	happened, err = server.ReceiveAtOnce(t.Context(), pixelOnly.ID, everything...)
	require.NoError(t, err)
	assert.NotEmpty(t, happened)
	assert.Zero(t, count(happened, func(h nylastest.Happened) bool { return h.Kind != "open" }))

	w.call(http.MethodPost, "/v3/domains/acme.dev/messages/send", mail(object{
		"from": object{"email": "ada@acme.dev"}, "tracking_options": object{"opens": true, "links": true},
	}))
	transactional := server.Messages()[2]
	happened, err = server.ReceiveAtOnce(t.Context(), transactional.ID, nylastest.OutOfOffice(), nylastest.Browser())
	require.NoError(t, err)
	assert.Equal(t, "open person browser, click0 person browser", brief(happened))
}

// The answer of a machine says so in its headers.
func TestOutOfOfficeHeaders(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t)
	w := &world{t: t, server: server}
	happened, err := server.ReceiveAtOnce(t.Context(), w.send().ID, nylastest.OutOfOffice())
	require.NoError(t, err)
	got := map[string]string{}
	read := w.call(http.MethodGet, "/v3/grants/"+server.GrantID()+"/messages/"+happened[0].ReplyID+"?fields=include_headers", nil).data()
	for _, header := range read["headers"].([]any) {
		got[header.(object)["name"].(string)] = header.(object)["value"].(string)
	}
	assert.Equal(t, "auto-replied", got["Auto-Submitted"])
	assert.Equal(t, "All", got["X-Auto-Response-Suppress"])
	assert.Contains(t, got, "Received")
	assert.EqualValues(t, happened[0].At.Unix(), read["date"])
}

func TestReceiveEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.send()
		_, err := w.server.Receive(t.Context(), "x", nylastest.Browser())
		require.EqualError(t, err, `nylastest: no message "x" was sent`)

		gone := errors.New("gone")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 40*time.Minute, gone)
		defer cancel()
		happened, err := w.server.Receive(ctx, m.ID, nylastest.SafeLinks(), nylastest.AppleMail())
		require.ErrorIs(t, err, gone)
		assert.Equal(t, []string{"click", "click", "open"}, []string{happened[0].Kind, happened[1].Kind, happened[2].Kind})

		failed := make(chan error)
		go func() {
			_, err := w.server.Receive(t.Context(), m.ID, nylastest.Browser())
			failed <- err
		}()
		synctest.Wait()
		require.NoError(t, w.server.Close())
		require.ErrorIs(t, <-failed, nylastest.ErrClosed)
	})
}
