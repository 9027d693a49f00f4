package browser_test

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
)

// Each page of the dashboard has a picture in docs: how a stranger sees it first.
func TestDashboardScreenshots(t *testing.T) {
	o := newOffice(t)
	m := o.busyWeek()
	b := newTab(t)
	for _, look := range looks {
		look.height = min(look.height, 900) // what fits on a screen
		b.look(look)
		b.open(o.url(""))
		b.sees("#feed", "Contract, second draft")
		b.sees("#messages", "replied")
		name := "dashboard-" + look.name + ".png"
		if look.name == "light" {
			name = "dashboard-home.png"
		}
		b.saves(name)
	}
	screen := looks[0]
	screen.height = 900
	b.look(screen)
	b.open(o.messagePage(m))
	b.sees("#lines", "Microsoft")
	evaluate[bool](b, `new Promise(shown => {
		const look = () => performance.getEntriesByType("resource").some(e => e.name.endsWith("/body") && e.responseEnd)
			? setTimeout(() => requestAnimationFrame(() => shown(true)), 1000) : setTimeout(look, 50)
		look()
	})`) // the mail is in the frame, and drawn
	b.saves("dashboard-message.png")
	b.open(o.url("campaign?name=trial-follow-up"))
	b.sees("#numbers", "Messages")
	b.saves("dashboard-campaign.png")

	b.open(o.url("compose"))
	b.run(chromedp.SendKeys(chromedp.CSS("#to"), "noor@globex.example"), chromedp.SendKeys(chromedp.CSS("#subject"), "What you asked for"),
		chromedp.SendKeys(chromedp.CSS("#campaign"), "trial-follow-up"),
		chromedp.SendKeys(chromedp.CSS("#body"), "<p>Hello Noor,</p>\n<p>here is the <a href=\"https://acme.dev/reports/q3\">report</a>, the\n"+
			"<a href=\"acme.dev/prices\">prices</a>, and my <a href=\"mailto:leyah@acme.dev\">address</a>.</p>\n<p>Leyah</p>"))
	b.sees("#check", "acme.dev/reports/q3")
	b.sees("#marks mark", "acme.dev/prices")
	b.saves("dashboard-compose.png")
}

// busyWeek sends what a salesperson sends, and lets it be read in all ways. It returns a
// message to which everything happened.
func (o *office) busyWeek() *nylas.Message {
	o.t.Helper()
	full := o.trialMail()
	trial := func(name string, ago time.Duration) string {
		return o.sends("trial-follow-up", "Quick follow-up on your trial, "+name, trialBody, ago, "https://acme.dev/demo", "https://acme.dev/pricing").ID
	}
	for i, name := range []string{"Jonas", "Priya", "Tomás", "Grace", "Lee", "Hanna"} {
		ago := 5*time.Hour - time.Duration(i)*time.Minute
		id := trial(name, ago)
		at := o.recipient(id, ago-time.Duration(i+1)*25*time.Minute)
		switch i {
		case 0:
			o.opens(at, nylastest.Outlook())
			o.clicks(o.recipient(id, ago-26*time.Minute), nylastest.Outlook(), 1)
		case 1:
			o.opens(at, nylastest.AppleMail())
		case 2:
			o.opens(o.recipient(id, ago-2*time.Second), nylastest.Gateway())
			o.clicks(o.recipient(id, ago-3*time.Second), nylastest.Gateway(), 0)
			o.clicks(o.recipient(id, ago-4*time.Second), nylastest.Gateway(), 1)
		case 3:
			o.opens(at, nylastest.Gmail())
			o.replies(o.recipient(id, ago-2*time.Hour))
		case 4:
			o.opens(at, nylastest.Yahoo())
		}
	}
	news := o.sends("november-news", "What is new at Acme in November", "<p>Shared views, a faster search, and exports.</p>", 50*time.Hour).ID
	o.opens(o.recipient(news, 49*time.Hour), nylastest.Browser())
	o.opens(o.recipient(news, 30*time.Minute), nylastest.Browser())
	invoice := o.sends("", "Invoice 2026-1184", `<a href="https://billing.acme.dev/invoices/2026-1184">invoice</a>`, 26*time.Hour, "https://billing.acme.dev/invoices/2026-1184").ID
	o.clicks(o.recipient(invoice, 22*time.Hour), nylastest.Phone(), 0)
	_, err := o.recipient(o.sends("", "Lunch on Thursday?", "<p>Half past twelve?</p>", 3*time.Hour).ID, 3*time.Hour-time.Minute).AutoReply(o.t.Context())
	require.NoError(o.t, err)
	o.handled(19) // the feed has the order in which events came
	draft := o.sends("", "Contract, second draft", `<a href="https://docs.acme.dev/contracts/draft-2">second draft</a>`, 2*time.Hour, "https://docs.acme.dev/contracts/draft-2").ID
	o.opens(o.recipient(draft, 20*time.Minute), nylastest.Gmail())
	o.clicks(o.recipient(draft, 19*time.Minute), nylastest.Gmail(), 0)
	o.clicks(o.recipient(draft, 15*time.Minute), nylastest.LinkPreview(), 0)
	require.NoError(o.t, o.server.Wait(o.t.Context()))
	return full
}
