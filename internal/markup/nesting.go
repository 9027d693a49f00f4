package markup

import "golang.org/x/net/html/atom"

// Nesting knows which elements are open, and so whether an anchor ends where it
// should. It follows the rules by which HTML parsers build a tree, as far as they
// can take an anchor apart: end tags that come in the wrong order, and start tags
// that end a paragraph, a list item or a cell in which the anchor began. It does not
// begin a <b> or the like without an end anew in the next element, as they do.
// https://html.spec.whatwg.org/multipage/parsing.html#tree-construction
type Nesting struct {
	open   []openElement
	latest map[atom.Atom]int // one more than the index of the innermost open element of a kind
	anchor int               // the same for the anchor that the scan is in; 0 if a parser has ended it
	broken bool              // a parser has taken that anchor apart
	deeper int               // how many open elements are not kept
}

// NewNesting returns a Nesting without open elements.
func NewNesting() *Nesting { return &Nesting{latest: make(map[atom.Atom]int)} }

// maxOpenElements is how many open elements are kept at once. Browsers and the parser
// of golang.org/x/net/html nest no deeper.
const maxOpenElements = 512

type openElement struct {
	tag    atom.Atom // 0 for one that has ended before what began in it
	before int       // what latest was
	// The innermost elements, this one included, as in latest: the one that bounds a
	// scope, the one up to which a new list item looks for the one before it, and the
	// one that is more than a piece of text.
	scope, barrier, special int
}

// kind returns the element by which one is kept: headings end each other, so they
// are one kind. It is 0 for what is not kept: elements without content, those
// around the whole body, and names that HTML does not have.
func kind(tag atom.Atom) atom.Atom {
	switch tag {
	case atom.Area, atom.Base, atom.Br, atom.Col, atom.Embed, atom.Hr, atom.Image, atom.Img, atom.Input, atom.Keygen, atom.Link,
		atom.Meta, atom.Param, atom.Source, atom.Track, atom.Wbr, atom.Html, atom.Head, atom.Body:
		return 0
	case atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		return atom.H1
	default:
		return tag
	}
}

// boundsScope reports of a kind whether an end tag within it ends nothing around it.
func boundsScope(kind atom.Atom) bool {
	switch kind {
	case atom.Table, atom.Td, atom.Th, atom.Caption, atom.Template, atom.Object, atom.Marquee, atom.Applet:
		return true
	default:
		return false
	}
}

// isTablePart reports of a kind whether it stands in tables only.
func isTablePart(kind atom.Atom) bool {
	switch kind {
	case atom.Td, atom.Th, atom.Tr, atom.Tbody, atom.Thead, atom.Tfoot, atom.Caption, atom.Colgroup:
		return true
	default:
		return false
	}
}

// endsParagraph reports of a kind whether its start tag ends a paragraph. A table
// does so only in a document with a DOCTYPE, which bodies of mail rarely are.
func endsParagraph(kind atom.Atom) bool {
	switch kind {
	case atom.Address, atom.Article, atom.Aside, atom.Blockquote, atom.Center, atom.Details, atom.Dialog, atom.Dir, atom.Div, atom.Dl,
		atom.Fieldset, atom.Figcaption, atom.Figure, atom.Footer, atom.Header, atom.Hgroup, atom.Main, atom.Menu, atom.Nav, atom.Ol,
		atom.P, atom.Section, atom.Summary, atom.Ul, atom.H1, atom.Pre, atom.Listing, atom.Form, atom.Li, atom.Dd, atom.Dt, atom.Plaintext, atom.Xmp:
		return true
	default:
		return false
	}
}

// isBarrier reports of a kind whether a list item within it ends none around it.
func isBarrier(kind atom.Atom) bool {
	switch kind {
	case atom.Address, atom.Div, atom.P, atom.Li, atom.Dd, atom.Dt:
		return false
	default:
		return endsParagraph(kind) || boundsScope(kind)
	}
}

// isSpecial reports of a kind whether it is more than a piece of text: the end tag of
// such a piece within it ends nothing around it.
func isSpecial(kind atom.Atom) bool {
	switch kind {
	case atom.Button, atom.Select, atom.Noscript, atom.Iframe, atom.Script, atom.Style, atom.Textarea, atom.Title:
		return true
	default:
		return endsParagraph(kind) || boundsScope(kind) || isTablePart(kind)
	}
}

// isFormatting reports of a kind whether parsers let it end before what began in it.
func isFormatting(kind atom.Atom) bool {
	switch kind {
	case atom.B, atom.Big, atom.Code, atom.Em, atom.Font, atom.I, atom.Nobr, atom.S, atom.Small, atom.Strike, atom.Strong, atom.Tt, atom.U:
		return true
	default:
		return false
	}
}

// Start begins an element.
func (n *Nesting) Start(tag atom.Atom, selfClosing bool) {
	if tag == atom.Hr {
		n.endParagraph()
	}
	element := kind(tag)
	if isTablePart(element) && n.latest[atom.Table] == 0 {
		return // parsers leave it out
	}
	if !isTablePart(element) {
		n.Content()
	}
	if len(n.open) >= maxOpenElements {
		n.deeper++
		return
	}
	if element == 0 || selfClosing && n.isForeign(element) { // elsewhere a tag does not close itself
		return
	}
	switch element {
	case atom.Td, atom.Th:
		n.truncate(n.last(atom.Table, atom.Tbody, atom.Thead, atom.Tfoot, atom.Tr))
	case atom.Tr:
		n.truncate(n.last(atom.Table, atom.Tbody, atom.Thead, atom.Tfoot))
	case atom.Tbody, atom.Thead, atom.Tfoot, atom.Caption, atom.Colgroup:
		n.truncate(n.last(atom.Table))
	case atom.Li:
		n.endItem(atom.Li)
	case atom.Dd, atom.Dt:
		n.endItem(atom.Dd, atom.Dt)
	default:
	}
	if endsParagraph(element) {
		n.endParagraph()
	}
	if element == atom.H1 && n.top().tag == atom.H1 {
		n.truncate(len(n.open) - 1)
	}
	n.push(element)
}

// isForeign reports whether an element that begins is one of svg or math.
func (n *Nesting) isForeign(element atom.Atom) bool {
	return element == atom.Svg || element == atom.Math || n.latest[atom.Svg] > 0 || n.latest[atom.Math] > 0
}

// End ends an element, and all that began in it.
func (n *Nesting) End(tag atom.Atom) {
	element := kind(tag)
	if element == 0 {
		return
	}
	if n.deeper > 0 {
		n.deeper--
		return
	}
	bound := n.top().scope
	switch {
	case element == atom.Table:
		bound = 0
	case isTablePart(element):
		bound = n.latest[atom.Table]
	}
	switch last := n.latest[element]; {
	case last == 0 || last < bound:
	case isSpecial(element) || n.top().special <= last:
		n.truncate(last - 1)
	case isFormatting(element): // it ends, and what began in it goes on
		n.remove(last)
		n.broken = n.broken || n.anchor > last
	default: // parsers leave it out
	}
}

// last returns the innermost element of some kinds, as in latest.
func (n *Nesting) last(kinds ...atom.Atom) int {
	last := 0
	for _, kind := range kinds {
		last = max(last, n.latest[kind])
	}
	return last
}

// endItem ends the item of a list before the next one.
func (n *Nesting) endItem(kinds ...atom.Atom) {
	if last := n.last(kinds...); last > n.top().barrier {
		n.truncate(last - 1)
	}
}

func (n *Nesting) endParagraph() {
	if last := n.latest[atom.P]; last > n.top().scope {
		n.truncate(last - 1)
	}
}

// Content is called for what is no part of a table. Parsers put it before the table
// if it stands in one, but not in a cell.
func (n *Nesting) Content() {
	switch n.top().tag {
	case atom.Table, atom.Tbody, atom.Thead, atom.Tfoot, atom.Tr:
		n.broken = true
	default:
	}
}

// StartAnchor begins an anchor.
func (n *Nesting) StartAnchor() {
	n.broken = false
	n.Content()
	n.push(atom.A)
	n.anchor = len(n.open)
}

// EndAnchor ends the anchor that the scan is in, and reports whether it was whole.
func (n *Nesting) EndAnchor() (whole bool) {
	whole = !n.broken && n.anchor == len(n.open)
	switch {
	case n.anchor == 0:
	case n.anchor == len(n.open):
		n.truncate(n.anchor - 1)
	default:
		n.remove(n.anchor)
	}
	n.anchor = 0
	return whole
}

// remove ends an element, but not what began in it.
func (n *Nesting) remove(index int) {
	ended := &n.open[index-1]
	n.latest[ended.tag], ended.tag = ended.before, 0
}

func (n *Nesting) top() openElement {
	if len(n.open) == 0 {
		return openElement{}
	}
	return n.open[len(n.open)-1]
}

func (n *Nesting) push(element atom.Atom) {
	around := n.top()
	opened := openElement{tag: element, before: n.latest[element], scope: around.scope, barrier: around.barrier, special: around.special}
	n.latest[element] = len(n.open) + 1
	if boundsScope(element) {
		opened.scope = len(n.open) + 1
	}
	if isBarrier(element) {
		opened.barrier = len(n.open) + 1
	}
	if isSpecial(element) {
		opened.special = len(n.open) + 1
	}
	n.open = append(n.open, opened)
}

// truncate ends all elements but the first ones.
func (n *Nesting) truncate(keep int) {
	for i := len(n.open) - 1; i >= keep; i-- {
		if tag := n.open[i].tag; tag != 0 {
			n.latest[tag] = n.open[i].before
		}
	}
	n.open = n.open[:keep]
	if n.anchor > keep {
		n.anchor, n.broken = 0, true
	}
}
