package browser_test

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest/mailbox"
)

// What a mail has for text is text, and what it has for a script does not run.
func TestHostileMail(t *testing.T) {
	const script = `<script>document.title = "broken"; parent.broken = true</script><img src=x onerror="parent.broken = true">`
	w, b := newWorld(t), newTab(t)
	w.subscribe()
	m := w.send(object{
		"to":      []object{{"name": script, "email": "kim@acme.dev"}},
		"subject": script,
		"body":    script + `<a href="https://acme.dev/?q=` + `&lt;script&gt;">` + script + `</a>`,
		"tracking_options": object{
			"opens": true, "links": true, "thread_replies": true, "label": script,
		},
	})
	for _, url := range []string{w.server.URL() + mailbox.Path, w.page(m), w.page(m) + "?view=untracked"} {
		b.open(url)
		b.sees("main", script)
		if url == w.page(m) {
			b.sees("#notices", "message.opened")
		}
		assert.False(t, evaluate[bool](b, "'broken' in window"))
		assert.NotEqual(t, "broken", evaluate[string](b, "document.title"))
	}
	assert.Equal(t, 1, w.notified(events.TypeMessageOpened), "the other view loads no pixel")
}

// A subject that does not end leaves the list a list, and the names of the fields stay whole.
func TestLongMail(t *testing.T) {
	w, b := newWorld(t), newTab(t)
	long := strings.Repeat("long", 750)
	m := w.send(object{"to": []object{{"name": long, "email": "kim@acme.dev"}}, "subject": long, "body": "<p>Hello</p>"})
	for _, look := range looks {
		b.look(look)
		b.open(w.server.URL() + mailbox.Path)
		assert.Less(t, evaluate[float64](b, `document.querySelector("#sent li").getBoundingClientRect().height`), 250.0, look.name)
		b.open(w.page(m))
		assert.Less(t, evaluate[float64](b, `document.querySelector(".field").getBoundingClientRect().height`), 30.0, look.name)
	}
}

// Without scripts everything works by loading the page again, and no button opens the mail
// by that.
func TestWithoutScript(t *testing.T) {
	w, b := newWorld(t), newTab(t)
	m := w.send(trial())
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.run(chromedp.Navigate(w.page(m)+"?view=untracked"), chromedp.Click(chromedp.CSS(`button[value="safe-links"]`)),
		chromedp.WaitReady(chromedp.CSS("#notices > li")))
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{})
	assert.Contains(t, b.texts("#result")[0], "Safe Links: 2 events.")
	assert.Zero(t, w.notified(events.TypeMessageOpened))
	assert.Equal(t, 2, w.notified(events.TypeMessageLinkClicked))
}
