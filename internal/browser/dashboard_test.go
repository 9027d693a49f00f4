package browser_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	cdptarget "github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
)

// A person writes a mail, is told what is wrong with it, sends it, and sees what different
// recipients do with it. The program is away in the middle, and nothing is lost.
func TestDashboard(t *testing.T) {
	o, b := newOffice(t), newTab(t)
	b.open(o.url(""))
	b.sees("main", "No message yet.")
	b.run(chromedp.Click(chromedp.CSS(`nav a[href="/compose"]`)), chromedp.WaitReady(chromedp.CSS("#compose")))

	b.run(chromedp.SendKeys(chromedp.CSS("#to"), "kim@northwind.example"), chromedp.SendKeys(chromedp.CSS("#subject"), "Your trial"))
	b.run(chromedp.SendKeys(chromedp.CSS("#body"), `<p>Hello, <a href="acme.dev/demo">book a demo</a>.</p>`))
	b.sees("#marks mark", "a href") // while it is written
	b.sees("#check", "http")
	evaluate[string](b, `document.getElementById("body").value = ""`)
	b.run(chromedp.SendKeys(chromedp.CSS("#body"), `<p>Hello, <a href="https://acme.dev/demo">book a demo</a>.</p>`))
	b.sees("#check", "https://acme.dev/demo")
	b.run(chromedp.SendKeys(chromedp.CSS("#campaign"), "trial"), chromedp.Click(chromedp.CSS("[data-send]")), chromedp.WaitReady(chromedp.CSS("#lines")))
	b.sees("h1", "Your trial")
	b.sees("#paging", "No event yet.")
	require.Len(t, o.server.Messages(), 1)
	m := o.server.Messages()[0]
	assert.Equal(t, "Your trial", m.Subject)
	assert.Equal(t, "trial", m.Tracking.Label)

	evaluate[string](b, "document.body.dataset.sameDocument = 'yes'")
	o.opens(o.recipient(m.ID, 0), nylastest.Gmail())
	b.sees("#lines", "Gmail")
	o.clicks(o.recipient(m.ID, 0), nylastest.SafeLinks(), 0)
	b.sees("#lines", "Microsoft")

	o.stop()
	o.clicks(o.recipient(m.ID, 0), nylastest.Browser(), 0)
	o.replies(o.recipient(m.ID, 0))
	o.start()
	b.sees("#state", "replied")
	assert.Equal(t, "yes", evaluate[string](b, "document.body.dataset.sameDocument"), "it needs no reload")
	assert.Len(t, b.texts("#lines > li"), 4, "each of them once")

	b.open(o.url(""))
	b.sees("#feed", "Your trial")
	assert.Len(t, b.texts("#feed > li"), 4)
	b.sees("#messages", "replied")
	b.open(o.url("campaigns"))
	b.sees("main", "trial")
}

// The frame shows the mail itself. Its links lead where the sender wanted, nobody is counted
// by looking at it, and nothing is asked of anybody else.
func TestDashboardShowsTheMail(t *testing.T) {
	o, b := newOffice(t), newTab(t)
	const link = "https://acme.dev/demo"
	m := o.sends("", "Your trial", `<a href="`+link+`" style="display:block;height:400px;font-size:20px">Book a demo</a>`+
		`<img src="https://images.acme.dev/logo.png" alt="Acme"><script>parent.broken = true</script>`, time.Hour, link)
	o.clicks(o.recipient(m.ID, time.Minute), nylastest.Browser(), 0)
	b.open(o.messagePage(m))
	b.sees("#lines", "Click")
	late := time.After(patience)
	before := o.server.Counts(m.ID)

	b.run(chromedp.ScrollIntoView(chromedp.CSS("iframe")))
	box := get(b, chromedp.Dimensions(chromedp.CSS("iframe")))
	followed := chromedp.WaitNewTarget(b.ctx, func(info *cdptarget.Info) bool { return info.URL == link })
	for opened := false; !opened; {
		b.run(chromedp.MouseClickXY(box.Content[0]+80, box.Content[1]+120)) // ignored while the frame has just appeared
		select {
		case _, opened = <-followed:
			require.True(t, opened)
		case <-time.After(2 * time.Second):
		case <-late:
			require.FailNow(t, "the link does not lead to its target")
		}
	}
	call(b, page.BringToFront, cdp.Empty{})
	assert.Equal(t, before, o.server.Counts(m.ID), "the sender is not counted")
	assert.False(t, evaluate[bool](b, "'broken' in window"))
	all := b.requests()
	assert.Contains(t, all, o.messagePage(m)+"/body")
	for _, request := range all {
		at, err := url.Parse(request)
		require.NoError(t, err)
		assert.True(t, at.Scheme == "data" || at.Host == o.address, request)
	}
}

// A proxy whose server is away answers 502, which ends a stream of events for ever: the page
// begins another one.
func TestDashboardBehindAProxy(t *testing.T) {
	o, b := newOffice(t), newTab(t)
	b.away = true
	to, err := url.Parse(o.url(""))
	require.NoError(t, err)
	forward := httputil.NewSingleHostReverseProxy(to)
	var streams atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/changes" && streams.Add(1) == 1 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		proxy.CloseClientConnections()
		proxy.Close()
	})
	b.open(proxy.URL + "/")
	b.sees("[data-link]", "Not connected")
	m := o.sends("", "Your trial", "<p>Hello</p>", time.Hour)
	o.opens(o.recipient(m.ID, time.Minute), nylastest.Gmail())
	b.sees("[data-link]", "Live")
	b.sees("#feed", "Your trial")
	assert.EqualValues(t, 2, streams.Load())
}

// Whoever has only a keyboard writes, sends and reads.
func TestDashboardByKeyboard(t *testing.T) {
	o, b := newOffice(t), newTab(t)
	m := o.sends("", "An earlier one", "<p>Hello</p>", time.Hour)
	o.opens(o.recipient(m.ID, time.Minute), nylastest.Gmail())
	b.open(o.url(""))
	b.sees("#messages", "An earlier one")
	b.tabTo(`document.activeElement.matches("#messages a")`)
	assert.NotEqual(t, "none", evaluate[string](b, "getComputedStyle(document.activeElement).outlineStyle"))
	b.run(chromedp.KeyEvent("\r"), chromedp.WaitReady(chromedp.CSS("#lines")))
	b.sees("#lines", "Gmail")

	b.tabTo(`document.activeElement.matches('nav a[href="/compose"]')`)
	b.run(chromedp.KeyEvent("\r"), chromedp.WaitReady(chromedp.CSS("#compose")))
	b.tabTo(`document.activeElement.id === "to"`)
	b.run(chromedp.KeyEvent("kim@northwind.example\tHello again\t<p>How are you?</p>"))
	b.tabTo(`document.activeElement.matches("[data-send]")`)
	b.run(chromedp.KeyEvent("\r"), chromedp.WaitReady(chromedp.CSS("#lines")))
	b.sees("h1", "Hello again")
	assert.Equal(t, "<p>How are you?</p>", o.server.Messages()[1].OriginalBody)
}

func TestDashboardAccessibility(t *testing.T) {
	empty, o := newOffice(t), newOffice(t)
	m := o.trialMail()
	for name, url := range map[string]string{
		"nothing yet":  empty.url(""),
		"no campaigns": empty.url("campaigns"),
		"messages":     o.url(""),
		"filtered":     o.url("?q=nothing+like+this"),
		"message":      o.messagePage(m),
		"campaigns":    o.url("campaigns"),
		"campaign":     o.url("campaign?name=trial-follow-up"),
		"compose":      o.url("compose"),
		"missing":      o.url("messages/none/none"),
	} {
		t.Run(name, func(t *testing.T) {
			b := newTab(t)
			b.missing = name == "missing"
			b.open(url)
			if name == "compose" {
				b.run(chromedp.SendKeys(chromedp.CSS("#body"), `<a href="acme.dev">no scheme</a> <a href="https://acme.dev/demo">fine</a>`))
				b.sees("#check", "acme.dev/demo")
			}
			for _, look := range looks {
				b.look(look)
				assert.Empty(t, b.violations(), look.name)
				assert.LessOrEqual(t, evaluate[int64](b, "document.documentElement.scrollWidth"), look.width, "%s: what is to the right is hidden", look.name)
				if look.mobile {
					assert.Empty(t, b.smallTargets(), look.name)
				}
			}
		})
	}
}

// trialMail sends a mail of a campaign, and lets a scanner and a person do all that there is.
func (o *office) trialMail() *nylas.Message {
	o.t.Helper()
	m := o.sends("trial-follow-up", "Quick follow-up on your trial, Kim", trialBody, 5*time.Hour, "https://acme.dev/demo", "https://acme.dev/pricing")
	for link := range 2 {
		o.clicks(o.recipient(m.ID, 5*time.Hour-20*time.Second), nylastest.SafeLinks(), link)
	}
	o.opens(o.recipient(m.ID, 3*time.Hour), nylastest.Gmail())
	o.clicks(o.recipient(m.ID, 3*time.Hour-40*time.Second), nylastest.Gmail(), 0)
	o.opens(o.recipient(m.ID, 2*time.Hour), nylastest.Phone())
	o.replies(o.recipient(m.ID, time.Hour))
	require.NoError(o.t, o.server.Wait(o.t.Context()))
	return m
}

const trialBody = `<p>Hi Kim,</p>
<p>your trial of Acme ends on Friday. Twelve people at Northwind have used it so far, and most of them came back the next day.</p>
<p>Shall we look at it together for twenty minutes? <a href="https://acme.dev/demo">Pick a time</a> that suits you,
or see <a href="https://acme.dev/pricing">what it costs</a> first.</p>
<p>Leyah</p>`
