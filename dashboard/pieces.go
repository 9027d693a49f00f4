package dashboard

import (
	"html"
	"html/template"
	"strings"

	"github.com/nylastrack/nylas-go/internal/page"
)

// fixed is markup of this package. Literals are of this type by themselves; a text from
// elsewhere is not, so none becomes markup by mistake.
type fixed string

// piece builds the markup that lists repeat. For a list, html/template takes longer than the
// database; the pages around the lists are its templates.
type piece struct{ strings.Builder }

// add adds markup.
func (p *piece) add(markup fixed) *piece {
	p.WriteString(string(markup))
	return p
}

// text adds a text, as the content of an element or within a quoted attribute.
func (p *piece) text(text string) *piece {
	p.WriteString(html.EscapeString(text))
	return p
}

// itemSize is about how long an element of a list is, in bytes.
const itemSize = 600

// newPiece returns a piece with room for some elements.
func newPiece(items int) *piece {
	p := &piece{}
	p.Grow(items * itemSize)
	return p
}

// html returns what was built.
func (p *piece) html() template.HTML { return template.HTML(p.String()) }

func (p *piece) chip(c chip) {
	p.add(`<span class="chip `).text(c.Class).add(`">`).text(c.Text).add(`</span>`)
}

func (p *piece) moment(m page.Moment) {
	if m.Machine != "" {
		p.add(`<time datetime="`).text(m.Machine).add(`">`).text(m.Text).add(`</time>`)
	}
}

// item begins an element of a list that the script of the page keeps up to date.
func (p *piece) item(key, version string, class string) {
	p.add("\n" + `<li id="`).text(key).add(`" data-version="`).text(version).add(`"`)
	if class != "" {
		p.add(` class="`).text(class).add(`"`)
	}
	p.add(">")
}

// link begins a link in an element of a list.
func (p *piece) link(path, key string) {
	p.add(`<a href="`).text(path).add(`" id="`).text(key).add(`-a">`)
}

// muted adds a text that matters less, unless it is empty.
func (p *piece) muted(text string) {
	if text != "" {
		p.add("\n" + `<span class="muted">`).text(text).add(`</span>`)
	}
}

// Items are the elements of the list of messages.
func (l list) Items() template.HTML {
	p := newPiece(len(l.Rows))
	for i := range l.Rows {
		r := &l.Rows[i]
		p.item(r.Key, r.Version, "")
		p.link(r.Path, r.Key)
		p.add("\n" + `<span class="line"><strong><bdi>`).text(r.Subject).add(`</bdi></strong>`)
		p.moment(r.At)
		p.add(`</span>`)
		if r.About != "" || r.Campaign != "" {
			p.add("\n" + `<span class="muted">`).text(r.About)
			if r.About != "" && r.Campaign != "" {
				p.add(" · ")
			}
			p.add(`<bdi>`).text(r.Campaign).add(`</bdi></span>`)
		}
		p.add("\n" + `<span class="chips">`)
		for _, c := range r.Chips {
			p.chip(c)
		}
		if r.Counts != "" {
			p.add(`<span class="tally">`).text(r.Counts).add(`</span>`)
		}
		p.add(`</span></a></li>`)
	}
	return p.html()
}

// head begins what a list says of an event: what it is, its verdict, and when it was.
func (p *piece) head(l *line) {
	p.add(`<span class="dot" aria-hidden="true"></span><span class="grow"><span class="line"><span class="head"><strong>`).text(l.What).add(`</strong>`)
	p.chip(l.Chip)
	if l.Provisional {
		p.chip(chip{"provisional", "wait"})
	}
	p.add(`</span>`)
	p.moment(l.At)
	p.add(`</span>`)
}

// FeedItems are the elements of the live list.
func (v homeView) FeedItems() template.HTML {
	p := newPiece(len(v.Feed))
	for i := range v.Feed {
		l := &v.Feed[i]
		p.item(l.Key, l.Version, "notice "+l.Class)
		p.link(l.Path, l.Key)
		p.head(&l.line)
		p.add("\n" + `<span class="subject"><bdi>`).text(l.Subject).add(`</bdi></span>`)
		p.add("\n" + `<span class="why">`).text(l.Why).add(`</span></span></a></li>`)
	}
	return p.html()
}

// Items are the elements of the timeline.
func (v messageView) Items() template.HTML {
	p := newPiece(len(v.Lines))
	for i := range v.Lines {
		l := &v.Lines[i]
		p.item(l.Key, l.Version, "notice "+l.Class)
		p.add(`<details id="`).text(l.Key).add(`-d"><summary id="`).text(l.Key).add(`-s">`)
		p.head(l)
		if l.URL != "" {
			p.add("\n" + `<span class="muted"><bdi>`).text(l.URL).add(`</bdi></span>`)
		}
		p.add(`<span class="why">`).text(l.Why).add(`</span>`)
		p.muted(l.After)
		p.add(`</span></summary>` + "\n" + `<div class="inside">`)
		if l.Inferred {
			p.add(`<p>The link is a guess: the notification has a list of links in no documented order.</p>`)
		}
		p.add(`<dl class="facts">`)
		for _, f := range l.Details {
			p.add("\n" + `<dt>`).text(f.Name).add(`</dt><dd><bdi>`).text(f.Value).add(`</bdi></dd>`)
		}
		p.add(`</dl></div></details></li>`)
	}
	return p.html()
}

// Items are the elements of the list of campaigns.
func (v campaignsView) Items() template.HTML {
	p := newPiece(4 * len(v.Campaigns))
	for i := range v.Campaigns {
		c := &v.Campaigns[i]
		p.item(c.Key, c.Version, "card")
		p.add("\n" + `<h2>`)
		p.link(c.Path, c.Key)
		p.add(`<bdi>`).text(c.Name).add(`</bdi></a></h2>` + "\n" + `<p class="muted">`).text(c.Messages).add(", last active ")
		p.moment(c.Active)
		p.add(`</p>`)
		if c.Incomplete != "" {
			p.add("\n" + `<p class="note wait">`).text(c.Incomplete).add(`</p>`)
		}
		p.bars(c.Bars)
		p.add(`</li>`)
	}
	return p.html()
}

// Rates draws the rates of a campaign.
func (v campaignView) Rates() template.HTML {
	p := &piece{}
	p.bars(v.Bars)
	return p.html()
}

// bars draws rates, each with its numbers as text. Styles are classes and attributes, because
// the policy of the page allows no others.
func (p *piece) bars(bars []rateBar) {
	for i := range bars {
		b := &bars[i]
		p.add("\n" + `<div class="bar `).text(b.Class).add(`"><p class="line"><span>`).text(b.Name).add(`</span> <strong>`).text(b.Title).add(`</strong></p>`)
		if !b.None {
			p.add("\n" + `<svg role="img" aria-labelledby="`).text(b.Key).add(`-t `).text(b.Key).add(`-d" width="100%" height="18"><title id="`).text(b.Key).
				add(`-t">`).text(b.Name).add(`: `).text(b.Title).add(`</title><desc id="`).text(b.Key).add(`-d">`).text(b.Text).add(`</desc>`)
			p.add(`<defs><pattern id="`).text(b.Key).add(`-p" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">` +
				`<rect class="stripe" width="3" height="7"/></pattern></defs><rect class="track" width="100%" height="18" rx="6"/>`)
			p.add(`<rect class="possible" x="`).text(b.Low).add(`" width="`).text(b.Span).add(`" height="18" fill="url(#`).text(b.Key).add(`-p)"/>`)
			p.add(`<rect class="sure" width="`).text(b.Low).add(`" height="18" rx="3"/>` +
				`<line class="tick" x1="25%" x2="25%" y1="13" y2="18"/><line class="tick" x1="50%" x2="50%" y1="11" y2="18"/>` +
				`<line class="tick" x1="75%" x2="75%" y1="13" y2="18"/></svg>`)
		}
		if b.Text != "" {
			p.add("\n" + `<p class="muted">`).text(b.Text).add(`</p>`)
		}
		p.add(`</div>`)
	}
}
