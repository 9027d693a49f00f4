package browser_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest/mailbox"
)

// maxScreenshot is how large a picture for docs may be, in bytes.
const maxScreenshot = 200 << 10

// The pictures in docs are of a page as it is. With -update they are taken anew.
func TestScreenshots(t *testing.T) {
	w := newWorld(t)
	w.subscribe()
	w.send(object{
		"to": []object{{"name": "Noor Haddad", "email": "noor@globex.dev"}}, "subject": "Your invoice for November",
		"body": "<p>Thank you for your order.</p>",
	})
	m := w.send(newsletter())
	for _, look := range looks {
		b := newTab(t)
		b.look(look)
		b.open(w.page(m))
		b.sees("#notices", "message.opened")
		if look.name == "light" {
			evaluate[bool](b, `document.querySelector("button[value=gmail]").click(); true`)
			b.sees("#result", "Gmail: 2 events.")
			b.sees("#notices", "message.link_clicked")
		}
		b.saves("mailbox-" + look.name + ".png")
	}
	b := newTab(t)
	b.open(w.server.URL() + mailbox.Path)
	b.sees("#notices", "message.link_clicked")
	b.saves("mailbox-list.png")
}

// saves takes a picture of what is seen of the page.
func (b *tab) saves(name string) {
	b.t.Helper()
	picture := get(b, chromedp.CaptureScreenshot())
	assert.Less(b.t, len(picture), maxScreenshot, name)
	if *update {
		require.NoError(b.t, os.WriteFile(filepath.Join("..", "..", "docs", name), picture, 0o644))
	}
}

// newsletter is a mail that looks like one.
func newsletter() object {
	mail := trial()
	mail["body"] = `<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td>
<h1 style="font-size:22px;margin:0 0 12px">Five days left, Kim</h1>
<p style="margin:0 0 16px">Your trial of Acme ends on Friday. Twelve of your colleagues use it already,
and we would like to show you what they have built.</p>
<p style="margin:0 0 20px"><a href="https://acme.dev/demo" style="background:#171a26;color:#fff;padding:12px 20px;border-radius:8px;text-decoration:none;display:inline-block">Book a demo</a></p>
<p style="margin:0 0 16px">Or read <a href="https://acme.dev/whats-new">what is new</a> and decide by yourself.</p>
<p style="margin:0;color:#565d73">Leyah Miller, Acme</p></td></tr></table>`
	return mail
}
