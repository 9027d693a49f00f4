package browser_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest/mailbox"
)

// A person opens the page, opens a mail, follows a link, replies, and sees each of it
// arrive without a reload.
func TestMailbox(t *testing.T) {
	w, b := newWorld(t), newTab(t)
	w.subscribe()
	b.open(w.server.URL() + mailbox.Path)
	b.sees("#sent", "No mail was sent yet")
	w.send(trial())
	b.sees("#sent", "Quick follow-up on your trial")
	b.run(chromedp.Click(chromedp.CSS("#sent a")), chromedp.WaitReady(chromedp.CSS("iframe")))

	const stays = "document.body.dataset.sameDocument = 'yes'"
	assert.Equal(t, "yes", evaluate[string](b, stays))
	b.sees("#notices", "message.opened")
	assert.Len(t, b.texts("#notices > li"), 1)

	w.followsLink(b)
	call(b, page.BringToFront, cdp.Empty{}) // the link has opened a tab of its own
	b.sees("#notices", "message.link_clicked")
	b.sees("#notices", "https://demo.acme.dev/book")

	b.run(chromedp.Click(chromedp.CSS(`button[value="reply"]`)))
	b.sees("#result", "Replied.")
	b.sees("#notices", "thread.replied")
	b.sees("#notices", "delivered")
	assert.Equal(t, 1, w.notified(events.TypeMessageOpened), "what a button does loads no pixel")
	assert.Equal(t, "yes", evaluate[string](b, "document.body.dataset.sameDocument"))

	evaluate[bool](b, `document.querySelectorAll("#notices details").forEach(d => d.open = true); true`)
	b.run(chromedp.Click(chromedp.CSS("#notices [data-copy]")))
	b.sees("#notices [data-copy]", "Copied")

	for _, a := range w.server.Deliveries() {
		assert.Equal(t, http.StatusOK, a.Status)
	}
}

// followsLink clicks on the link at the beginning of the mail in the frame. Chromium ignores
// clicks into a frame that has just appeared, so it is done until the server knows of it.
func (w *world) followsLink(b *tab) {
	w.t.Helper()
	b.run(chromedp.ScrollIntoView(chromedp.CSS("iframe")))
	box := get(b, chromedp.Dimensions(chromedp.CSS("iframe")))
	for late := time.Now().Add(patience); time.Now().Before(late); {
		changed := w.server.Changed()
		if w.notified(events.TypeMessageLinkClicked) > 0 {
			return
		}
		b.run(chromedp.MouseClickXY(box.Content[0]+60, box.Content[1]+60))
		select {
		case <-changed:
		case <-time.After(2 * time.Second):
		}
	}
	require.FailNow(w.t, "the link could not be followed")
}

// Each mailbox that acts by itself has a button that works.
func TestPresets(t *testing.T) {
	w, b := newWorld(t), newTab(t)
	m := w.send(trial())
	b.open(w.page(m) + "?view=untracked")
	b.sees("#notices-count", "None yet.")
	names := evaluate[[]string](b, `[...document.querySelectorAll(".presets button")].map(e => e.value)`)
	require.Len(t, names, 14)
	for _, name := range names {
		evaluate[string](b, `document.getElementById("result").textContent = ""`)
		b.run(chromedp.Click(chromedp.CSS(fmt.Sprintf("button[value=%q]", name))))
		b.sees("#result", " event")
	}
	b.sees("#notices", "no webhook wants it")
}
