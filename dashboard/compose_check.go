package dashboard

import (
	"bytes"
	"cmp"
	"strings"
	"unicode/utf8"

	"github.com/nylastrack/nylas-go/internal/markup"
	"github.com/nylastrack/nylas-go/internal/page"
	"github.com/nylastrack/nylas-go/preflight"
)

// maxFindings is how many findings, and how many links, the form shows. It is our choice:
// Nylas tracks 100 links of a mail, and nobody reads more.
const maxFindings = 100

// checked is what preflight says of a draft.
type checked struct {
	Status   string // for those who listen, such as "2 errors, 1 warning"
	Class    string // of Status
	Findings []finding
	Links    []checkedLink
	Summary  string // of the links
	Omitted  int    // findings that are not shown
	More     int    // links that are not shown
	Marks    []mark // the body, with marks at the findings
}

// finding is one of preflight, with its place in the text area.
type finding struct {
	preflight.Finding
	Class string
	stretch
}

// checkedLink is a link of the body, with what Nylas makes of it.
type checkedLink struct {
	preflight.Link
	Word, Class string
	stretch
}

// stretch is a part of the body as a script counts: in UTF-16 code units.
type stretch struct{ From, To int }

// mark is a part of the body. Level is empty if nothing was found there.
type mark struct {
	Text  string
	Level preflight.Level
	From  int // as in stretch
}

var levelClasses = map[preflight.Level]string{preflight.LevelError: "no", preflight.LevelWarning: "wait", preflight.LevelInfo: "none"}

func newChecked(body string, report *preflight.Report) *checked {
	status, class := statusOf(report)
	c := &checked{
		Status: status, Class: class, Omitted: report.OmittedFindings + max(0, len(report.Findings)-maxFindings),
	}
	walk := newWalk(body)
	var found []located
	for _, f := range report.Findings[:min(len(report.Findings), maxFindings)] {
		at := walk.find(f.Line, f.Column)
		f.Message = sentence(f.Message)
		c.Findings = append(c.Findings, finding{f, levelClasses[f.Level], at.stretch})
		if f.Line > 0 {
			at.level = f.Level
			found = append(found, at)
		}
	}
	c.Marks = marks(body, found)
	total := report.Eligible + report.Skipped + report.Unknown
	if total > 0 {
		c.Summary = page.Counted(total, "link", "links") + ", " + page.Counted(report.Eligible, "is tracked", "are tracked")
	}
	walk = newWalk(body)
	for _, l := range report.Links[:min(len(report.Links), maxFindings)] {
		row := checkedLink{Link: l, Word: "not tracked", Class: "none", stretch: walk.find(l.Line, l.Column).stretch}
		switch l.Status {
		case preflight.StatusEligible:
			row.Word, row.Class = "tracked", "yes"
		case preflight.StatusUnknown:
			row.Word, row.Class = "unknown", "wait"
		case preflight.StatusSkipped:
		}
		c.Links = append(c.Links, row)
	}
	c.More = total - len(c.Links)
	return c
}

// statusOf counts the findings by their levels, and returns a class for the worst of them.
func statusOf(report *preflight.Report) (status, class string) {
	count := make(map[preflight.Level]int)
	for _, f := range report.Findings {
		count[f.Level]++
	}
	var parts []string
	for _, level := range []struct {
		level            preflight.Level
		one, many, class string
	}{
		{preflight.LevelError, "error", "errors", "failed"},
		{preflight.LevelWarning, "warning", "warnings", "warned"},
		{preflight.LevelInfo, "hint", "hints", "told"},
	} {
		if n := count[level.level]; n > 0 {
			parts = append(parts, page.Counted(n, level.one, level.many))
			class = cmp.Or(class, level.class)
		}
	}
	if len(parts) == 0 {
		return "Nothing to complain about", ""
	}
	return strings.Join(parts, ", "), class
}

// located is a place of a body with what stands there, in bytes and as a script counts.
type located struct {
	start, end int
	stretch
	level preflight.Level
}

// bodyWalk finds places of a body, which are asked for in their order, so that finding all of
// them is one walk.
type bodyWalk struct {
	body                        []byte
	line, column, offset, units int // where it is
}

func newWalk(body string) *bodyWalk { return &bodyWalk{body: []byte(body), line: 1, column: 1} }

// find returns a place by its line and column, which count characters from 1.
func (b *bodyWalk) find(line, column int) located {
	if line < 1 {
		return located{}
	}
	for b.offset < len(b.body) && (b.line < line || b.line == line && b.column < column) {
		r, size := utf8.DecodeRune(b.body[b.offset:])
		b.offset += size
		b.units += unitsOf(r)
		b.column++
		if r == '\n' {
			b.line++
			b.column = 1
		}
	}
	at := located{start: b.offset, end: b.offset + extent(b.body[b.offset:])}
	at.From, at.To = b.units, b.units
	for _, r := range string(b.body[at.start:at.end]) {
		at.To += unitsOf(r)
	}
	return at
}

// unitsOf returns how many code units a character has in UTF-16.
func unitsOf(r rune) int {
	if r > 0xffff {
		return 2
	}
	return 1
}

// extent returns how long what text begins with is: a tag, a comment, or a word.
func extent(text []byte) int {
	const comment, commentEnd = "<!--", "-->"
	switch {
	case len(text) == 0:
		return 0
	case bytes.HasPrefix(text, []byte(comment)):
		if end := bytes.Index(text, []byte(commentEnd)); end >= 0 {
			return end + len(commentEnd)
		}
	case markup.StartsTag(text):
		if end, _, _ := markup.ReadTag(text, ""); end >= 0 {
			return end
		}
	default:
		if end := bytes.IndexAny(text[1:], markup.Space+`<>"`); end >= 0 {
			return 1 + end
		}
	}
	if line := bytes.IndexByte(text, '\n'); line > 0 {
		return line
	}
	return len(text)
}

// levelOrder is how much a mark of a level says.
var levelOrder = map[preflight.Level]int{preflight.LevelInfo: 1, preflight.LevelWarning: 2, preflight.LevelError: 3}

// marks splits a body at its findings, which are in their order. Where two overlap, there is
// one mark of the greater level.
func marks(body string, found []located) []mark {
	var all []mark
	copied := 0
	for _, f := range found {
		if n := len(all); f.start < copied {
			if last := &all[n-1]; levelOrder[f.level] > levelOrder[last.Level] {
				last.Level = f.level
			}
			continue
		}
		if f.start > copied {
			all = append(all, mark{Text: body[copied:f.start]})
		}
		if f.end > f.start {
			all = append(all, mark{body[f.start:f.end], f.level, f.From})
		}
		copied = f.end
	}
	return append(all, mark{Text: body[copied:]})
}
