package nylastest

import (
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/nylastrack/nylas-go/internal/markup"
)

// trackedHTML is a body with tracking in it.
type trackedHTML struct {
	body  string
	pixel string // empty without one
	links []Link
}

// rewrite puts tracked links and a pixel into an HTML body. Everything else stays
// byte for byte: it replaces the values of href attributes and inserts one image.
func rewrite(body string, tracking Tracking, base, token string) trackedHTML {
	var (
		result trackedHTML
		edits  []edit
		source = []byte(body)
		scan   = markup.New(source)
		place  = newPixelPlace()
	)
	for scan.Next() {
		place.read(scan, source[scan.Start():scan.End()])
		if !tracking.Links {
			continue
		}
		href, span, ok := scan.Href()
		if !ok || !markup.Trackable(href, tracking.DomainName) {
			continue
		}
		index := len(result.links)
		link := Link{Index: index, URL: href, TrackedURL: base + markup.EmulatorLinkPath + token + "/" + strconv.Itoa(index)}
		result.links = append(result.links, link)
		edits = append(edits, edit{span, link.TrackedURL}) // good inside quotes and without
	}
	if tracking.Opens {
		result.pixel = base + markup.EmulatorPixelPath + token + ".gif"
		at := place.at(scan)
		img := edit{markup.Span{Start: at, End: at}, `<img src="` + result.pixel + `" alt="" width="1" height="1" style="display:block;border:0">`}
		behind := slices.IndexFunc(edits, func(e edit) bool { return e.Start >= at })
		if behind < 0 {
			behind = len(edits)
		}
		edits = slices.Insert(edits, behind, img)
	}
	result.body = applyEdits(body, edits)
	return result
}

// edit replaces a part of a text.
type edit struct {
	markup.Span
	text string
}

// applyEdits makes edits, which are in the order of their places.
func applyEdits(text string, edits []edit) string {
	var out strings.Builder
	copied := 0
	for _, e := range edits {
		out.WriteString(text[copied:e.Start])
		out.WriteString(e.text)
		copied = e.End
	}
	out.WriteString(text[copied:])
	return out.String()
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
