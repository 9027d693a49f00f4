package nylas_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

// FuzzCheckTracking checks that each place of a report is one in the body, and that
// the links stand at a "<".
func FuzzCheckTracking(f *testing.F) {
	for _, body := range []string{
		`<p><a href="https://acme.dev/?reset%5Ftoken=a&x=%ff">Visit www.bank.com…</a>`, "<noscript>\n<a href=x>é</a></noscript><img srcset='a (,'>",
		`<table><tr><a><td></b></a></p><li><li></table></i>`, "<!--[if]><a href=x><v:a href>-->", "<a href='https://x/;A=Ü'>„ba\u00adnk.com“</a>",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		report := nylas.CheckTracking(tracked(body))
		lines := strings.Split(body, "\n")
		for _, link := range report.Links {
			line := lines[link.Line-1]
			for range link.Column - 1 {
				_, size := utf8.DecodeRuneInString(line)
				line = line[size:]
			}
			require.True(t, strings.HasPrefix(line, "<"))
		}
		for _, finding := range report.Findings {
			require.LessOrEqual(t, finding.Line, len(lines))
			require.Less(t, finding.Link, len(report.Links))
		}
	})
}
