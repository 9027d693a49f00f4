package browser_test

import (
	_ "embed"
	"strconv"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest/mailbox"
)

// axe is axe-core, which finds what keeps people from using a page. See its licence beside it.
//
//go:embed testdata/axe-core/axe.min.js
var axe string

// violations returns what axe-core finds wrong with the page. Frames with mail are left out:
// they run no script, and what is in them is the sender's.
func (b *tab) violations() []string {
	b.t.Helper()
	return evaluate[[]string](b, axe+`; axe.run(document, {iframes: false}).then(r => r.violations.flatMap(
		v => v.nodes.map(n => v.id + ": " + v.help + ": " + n.target.join(" ") + " " + n.html.slice(0, 200))))`)
}

// minTarget is how large what a finger presses has to be, in CSS pixels.
// https://www.w3.org/WAI/WCAG22/Understanding/target-size-enhanced.html
const minTarget = 44

// smallTargets returns what is too small for a finger. Links within a text may be.
func (b *tab) smallTargets() []string {
	b.t.Helper()
	return evaluate[[]string](b, `[...document.querySelectorAll("button, select, summary, nav a, header a, .list a")]
		.filter(e => e.checkVisibility() && e.getBoundingClientRect().height < `+strconv.Itoa(minTarget)+`)
		.map(e => e.outerHTML.slice(0, 120) + " " + e.getBoundingClientRect().height)`)
}

func TestAccessibility(t *testing.T) {
	empty, w := newWorld(t), newWorld(t)
	w.subscribe()
	full := w.send(trial())
	plain := w.send(object{"to": []object{{"email": "kim@acme.dev"}}, "subject": "Plain", "body": "Hello", "is_plaintext": true})
	for name, url := range map[string]string{
		"front":     w.server.URL() + "/",
		"empty":     empty.server.URL() + mailbox.Path,
		"list":      w.server.URL() + mailbox.Path,
		"message":   w.page(full),
		"untracked": w.page(full) + "?view=untracked",
		"plain":     w.page(plain),
		"missing":   w.server.URL() + mailbox.Path + "messages/none",
	} {
		t.Run(name, func(t *testing.T) {
			b := newTab(t)
			b.missing = name == "missing"
			b.open(url)
			if name == "message" {
				b.sees("#notices", "delivered")
				evaluate[bool](b, `document.querySelectorAll("details").forEach(d => d.open = true); true`)
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

// Whoever has only a keyboard reaches each button, and sees where the focus is.
func TestKeyboard(t *testing.T) {
	w, b := newWorld(t), newTab(t)
	w.subscribe()
	w.send(trial())
	b.open(w.server.URL() + mailbox.Path)
	b.sees("#sent", "Quick follow-up on your trial")
	b.tabTo(`document.activeElement.matches("#sent a")`)
	b.run(chromedp.KeyEvent("\r"), chromedp.WaitReady(chromedp.CSS("iframe")))
	b.sees("#notices", "message.opened")

	b.tabTo(`document.activeElement.value === "gmail"`)
	assert.NotEqual(t, "none", evaluate[string](b, "getComputedStyle(document.activeElement).outlineStyle"))
	b.run(chromedp.KeyEvent("\r"))
	b.sees("#result", "Gmail: 2 events.")
	b.sees("#notices", "message.link_clicked")
	assert.Equal(t, "gmail", evaluate[string](b, "document.activeElement.value"), "the focus stays where it was")

	b.tabTo(`document.activeElement.matches("#notices > li > details > summary")`)
	b.run(chromedp.KeyEvent("\r"))
	b.sees("#notices", "Send it again with curl")
	// What arrives meanwhile closes nothing, and takes no focus: the element is the same.
	evaluate[bool](b, "document.activeElement.same = true")
	recipient, err := w.server.Recipient(w.server.Messages()[0].ID)
	require.NoError(t, err)
	_, err = recipient.Reply(t.Context())
	require.NoError(t, err)
	b.sees("#notices", "thread.replied")
	b.sees("#notices", "Send it again with curl")
	assert.True(t, evaluate[bool](b, `document.activeElement.matches("#notices > li > details[open] > summary")`))
	assert.True(t, evaluate[bool](b, "document.activeElement.same === true"))
}

// tabTo presses the tab key until an expression is true.
func (b *tab) tabTo(expression string) {
	b.t.Helper()
	const most = 60 // more than there is on the page
	for range most {
		b.run(chromedp.KeyEvent("\t"))
		if evaluate[bool](b, expression) {
			return
		}
	}
	b.t.Fatalf("the tab key does not lead to %s", expression)
}
