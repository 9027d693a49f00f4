package nylas

import (
	"slices"

	"github.com/nylastrack/nylas-go/internal/markup"
)

// StripPixel removes every <img> that loads something from a tracking host of Nylas or
// from one of hosts, and every pixel of package nylastest. It leaves every other byte as
// it was. Pass sent mail through it before you show it, so that your application does not
// count its own views as opens.
//
// Pass the hostname of TrackingOptions.DomainName in hosts, and any that you used
// before. A host matches on all its ports. It does not match its subdomains. Case and one
// trailing dot make no difference.
//
// StripPixel looks at src and srcset of each <img> and <image>; one URL on a tracking
// host is enough. It ignores everything else that can load an image, such as styles,
// because Nylas puts no pixel there. It reads the body like a mail client without
// scripts: images in noscript elements count, images in comments do not.
//
// StripPixel does not restore links, because only Nylas knows the target of a tracked
// link. To show the links too, keep the body from before the send. A click on a tracked
// link counts, whoever makes it.
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
