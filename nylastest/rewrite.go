package nylastest

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/nylastrack/nylas-go/internal/markup"
)

// The paths of tracking URLs. Nylas does not document its own.
const (
	pixelPath = "/t/o/"
	linkPath  = "/t/l/"
)

// trackedHTML is a body with tracking in it.
type trackedHTML struct {
	body  string
	pixel string // empty without one
	links []Link
}

// rewrite puts tracked links and a pixel into an HTML body. Everything else stays
// byte for byte: only the values of href attributes are exchanged.
func rewrite(body string, links, pixel bool, base, token string) trackedHTML {
	var (
		result trackedHTML
		out    []byte
		scan   = markup.New([]byte(body))
	)
	copied := 0
	for scan.Next() {
		if !links {
			continue
		}
		href, span, ok := scan.Href()
		if !ok || !markup.Trackable(href) {
			continue
		}
		index := len(result.links)
		link := Link{Index: index, URL: href, TrackedURL: base + linkPath + token + "/" + strconv.Itoa(index)}
		result.links = append(result.links, link)
		out = append(out, body[copied:span.Start]...)
		out = append(out, link.TrackedURL...) // good inside quotes and without
		copied = span.End
	}
	out = append(out, body[copied:]...)
	if pixel {
		result.pixel = base + pixelPath + token + ".gif"
		img := `<img src="` + result.pixel + `" alt="" width="1" height="1" style="display:block;border:0">`
		// Counted from the end, which rewriting did not move.
		at := len(out) - (len(body) - scan.Inside())
		result.body = string(slices.Insert(slices.Clone(out), at, []byte(img)...))
		if images, _ := seen(result.body); !slices.Contains(images, result.pixel) {
			// Some element that is never closed swallows it there.
			result.body = img + string(out)
		}
		return result
	}
	result.body = string(out)
	return result
}

// denied tells whether the host of a link is on the reputation list of Nylas.
// Only this name is known to be.
func denied(href string) bool {
	u, err := url.Parse(href)
	if err != nil || u.Scheme != "https" {
		return false
	}
	host := normalHostname(u.Hostname())
	return host == "example.com" || strings.HasSuffix(host, ".example.com")
}

// seen returns what a mail client would load and show of a body: the sources of
// its images and the targets of its anchors, in their order.
func seen(body string) (images, targets []string) {
	for scan := markup.New([]byte(body)); scan.Next(); {
		switch scan.StartTag() {
		case atom.Img:
			src, _ := scan.Attr("src")
			images = append(images, src)
		case atom.A:
			href, _ := scan.Attr("href")
			targets = append(targets, href)
		default:
		}
	}
	return images, targets
}

// snippetLength is how many characters of a body a snippet has at most, a length
// chosen here.
const snippetLength = 100

// snippet returns the beginning of what a reader sees.
func snippet(body string, plain bool) string {
	text := body
	if !plain {
		var visible strings.Builder
		var around atom.Atom
		for scan := markup.New([]byte(body)); scan.Next(); {
			if scan.Token() == html.TextToken && around != atom.Style && around != atom.Script && around != atom.Title {
				visible.Write(scan.Text())
				visible.WriteByte(' ')
			}
			around = scan.StartTag()
		}
		text = visible.String()
	}
	runes := []rune(strings.Join(strings.Fields(text), " "))
	return string(runes[:min(len(runes), snippetLength)])
}
