package nylas

import (
	"slices"

	"github.com/nylastrack/nylas-go/internal/markup"
)

// StripPixel removes every <img> that loads something from a tracking host of Nylas or
// from one of hosts, and every pixel of package nylastest. It leaves every other byte as it was. Pass sent mail through it
// before you show it, so that your application does not count its own views as opens.
//
// Give the hostname of TrackingOptions.DomainName as a host, and any that you used
// before. A host stands for itself only, on all its ports. Case and one trailing dot
// make no difference.
//
// An image loads its src or one of the candidates of its srcset; one candidate of such a
// host is enough. An <image> is an <img>, as HTML parsers read it. StripPixel leaves
// alone what else can load something, such as styles: Nylas puts no pixel there. It reads
// the body as a mail client does that runs no scripts: what noscript elements hold counts,
// and what comments hold does not.
//
// Nothing can restore links: a tracked link does not contain its target, which only Nylas
// knows. Keep the body as it was before sending if you want to show the links too. A click
// on a tracked link counts, whoever makes it.
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
		if !markup.IsEmulatorPixel(scan) &&
			!markup.LoadsFrom(scan, func(host string) bool { return markup.IsNylasTrackingHost(host) || slices.Contains(own, host) }) {
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
