package nylas

import (
	"slices"

	"github.com/nylastrack/nylas-go/internal/markup"
)

// StripPixel removes every <img> that loads something from a tracking host of Nylas,
// or from one of hosts, and leaves every other byte as it was. Show sent mail
// through it, and an application does not count its own views as opens.
//
// An image loads its src or one of the candidates of its srcset; one candidate of
// such a host is enough. An <image> is an <img>, as HTML parsers read it. What else
// can load something, such as styles and other elements, is left as it is: Nylas
// puts no pixel there.
//
// Give the hostname of TrackingOptions.DomainName as a host, also one that is used
// no more. A host stands for itself only, on all its ports; case and one trailing
// dot make no difference. The body is read as by a mail client that runs no
// scripts: what noscript elements hold counts, what comments hold does not.
//
// There is no function that restores links: a tracked link does not contain its
// original target, which is known to Nylas alone. Keep the body as it was before
// sending, if the links are to be shown too. A click on a tracked link counts,
// whoever makes it.
//
// https://developer.nylas.com/docs/v3/email/message-tracking/
func StripPixel(html string, hosts ...string) string {
	own := make([]string, len(hosts))
	for i, host := range hosts {
		own[i] = markup.NormalHost(host)
	}
	var (
		body   = []byte(html)
		out    []byte
		base   = 0 // where the scanner began in body
		copied = 0
		scan   = markup.New(body)
	)
	scan.ReadNoscript()
	for scan.Next() {
		if !markup.LoadsFrom(scan, func(host string) bool { return markup.IsNylasTrackingHost(host) || slices.Contains(own, host) }) {
			continue
		}
		out = append(out, body[copied:base+scan.Start()]...)
		copied = base + scan.End()
		if n := len(out); n > 0 && out[n-1] == '<' {
			// The text before the image and what comes behind it can now be one tag,
			// which can be such an image too: it is read again from there.
			out = out[:n-1]
			copied--
			body[copied] = '<'
			base = copied
			scan = markup.New(body[base:])
			scan.ReadNoscript()
		}
	}
	if copied == 0 {
		return html
	}
	return string(append(out, body[copied:]...))
}
