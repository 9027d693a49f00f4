package nylastest

import (
	"bytes"
	"slices"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/nylastrack/nylas-go/internal/markup"
)

// pixelPlace finds where a pixel can stand in a body. It follows a scan and knows two
// places. It takes the end of the body element, unless an element may be open there that
// hides an image. Then it takes the beginning, where no element is open.
//
// It reads tags and builds no tree, so it is not always sure that an element has ended.
// If in doubt it takes the beginning too.
type pixelPlace struct {
	begun   bool // the body element
	start   int  // where it begins
	headEnd bool // </head> was read
	pending int  // where the last element of the head began that holds something

	end    int  // what the scan's Inside returned last
	hidden bool // whether an image is hidden there

	inText bool              // the scan is in an element that holds only text, such as title
	open   map[atom.Atom]int // how many of the elements in hiding are open
	unsure bool              // the tags alone do not say what is open
}

// hiding are the elements in which mail clients show no image, or that an image ends.
var hiding = []atom.Atom{atom.Template, atom.Select, atom.Svg, atom.Math, atom.Colgroup}

func newPixelPlace() *pixelPlace { return &pixelPlace{open: make(map[atom.Atom]int)} }

// read reads the current token of a scan, and its source.
func (p *pixelPlace) read(scan *markup.Scanner, source []byte) {
	if !p.begun && p.open[atom.Template] == 0 {
		p.start, p.begun = p.begins(scan, source)
	}
	cut := false // an image behind the token would be part of it
	tag := atom.Lookup(scan.Name())
	foreign := p.open[atom.Svg]+p.open[atom.Math] > 0
	switch scan.Token() {
	case html.StartTagToken, html.SelfClosingTagToken:
		p.inText = scan.HoldsText()
		// Frames take the place of a body. In foreign content the same names hold tags.
		p.unsure = p.unsure || tag == atom.Frameset || foreign && p.inText
		if isEmpty := scan.Token() == html.SelfClosingTagToken && (tag == atom.Svg || tag == atom.Math); !isEmpty {
			p.open[tag]++
		}
	case html.EndTagToken:
		p.inText = false
		p.open[tag] = max(0, p.open[tag]-1)
	case html.TextToken:
		cut = bytes.HasSuffix(source, []byte("</"))
	case html.CommentToken, html.DoctypeToken:
		cut = !isClosed(source)
		p.unsure = p.unsure || foreign && bytes.HasPrefix(source, []byte("<![CDATA["))
	default:
	}
	if inside := scan.Inside(); inside != p.end {
		p.end = inside
		p.hidden = cut || p.inText || p.unsure || slices.ContainsFunc(hiding, func(tag atom.Atom) bool { return p.open[tag] > 0 })
	}
}

// begins reports whether the body element begins in the current token or behind it, and
// where. Tags of the head do not begin it.
// https://html.spec.whatwg.org/multipage/parsing.html#parsing-main-inhead
func (p *pixelPlace) begins(scan *markup.Scanner, source []byte) (int, bool) {
	switch scan.Token() {
	case html.TextToken:
		text := bytes.TrimLeft(source, markup.Space)
		return scan.End() - len(text), !p.inText && len(text) > 0
	case html.CommentToken, html.DoctypeToken:
		return scan.Start(), !isClosed(source)
	case html.EndTagToken:
		switch atom.Lookup(scan.Name()) {
		case atom.Head:
			p.headEnd = true
			return 0, false
		case atom.Body, atom.Html, atom.Br:
			return scan.Start(), true
		default:
			return 0, false // parsers leave it out
		}
	default:
	}
	switch scan.StartTag() {
	case atom.Html, atom.Head, atom.Base, atom.Basefont, atom.Bgsound, atom.Link, atom.Meta:
		return 0, false
	case atom.Noscript:
		p.pending = scan.Start()
		return scan.Start(), p.headEnd
	case atom.Noframes, atom.Script, atom.Style, atom.Template, atom.Title:
		p.pending = scan.Start()
		return 0, false
	case atom.Body:
		return scan.End(), true
	default:
		return scan.Start(), true
	}
}

// at returns the place. The scan has ended.
func (p *pixelPlace) at(scan *markup.Scanner) int {
	switch {
	case !p.begun && (p.inText || p.open[atom.Template] > 0): // the rest of the body is in it
		return p.pending
	case !p.begun:
		return scan.End()
	case p.hidden || p.end < p.start:
		return p.start
	default:
		return p.end
	}
}

// isClosed reports whether the source of a comment or a DOCTYPE has its end.
func isClosed(source []byte) bool {
	if comment, ok := bytes.CutPrefix(source, []byte("<!--")); ok {
		return bytes.HasSuffix(source, []byte("-->")) || bytes.HasSuffix(comment, []byte("--!>"))
	}
	return bytes.HasSuffix(source, []byte(">"))
}
