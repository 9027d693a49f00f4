package preflight_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/nylastrack/nylas-go/internal/hostile"
	"github.com/nylastrack/nylas-go/preflight"
)

// maxCheckPasses is what checking a body may cost, as a multiple of what the HTML
// tokenizer needs to go over the same bytes and keep nothing. The benchmark fails
// above it.
const maxCheckPasses = 8

// maxWorstPasses is what checking a megabyte of the worst body may cost, as a multiple of
// what the tokenizer needs to go over a megabyte of ordinary text. The worst bodies are
// nothing but anchors of a few bytes each.
const maxWorstPasses = 12

func BenchmarkCheck(b *testing.B) {
	var links, text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&links, `<p style="margin:0">Have a look at <a class="button" href="https://acme.dev/p/%d?utm_source=mail">offer %d</a>.</p>`+"\n", i, i)
	}
	for text.Len() < 1_000_000 {
		fmt.Fprintf(&text, "<tr><td width=\"300\" style=\"padding:4px\">Größe %d is <b>back</b> in the shop.</td></tr>\n", text.Len())
	}
	b.Run("1000-links", func(b *testing.B) { benchmarkPasses(b, links.String()) })
	b.Run("1MB", func(b *testing.B) { benchmarkPasses(b, text.String()) })
	for name, body := range hostile.Megabytes() {
		b.Run("worst/"+name, func(b *testing.B) { benchmarkWorst(b, body, text.String()) })
	}
}

// benchmarkWorst measures the check of a body beside a pass of the tokenizer over ordinary
// text, in turns, and reports the median of the turns' ratios, for each megabyte.
func benchmarkWorst(b *testing.B, body, text string) {
	b.Helper()
	mail, size := tracked(body), float64(len(body))/float64(len(text))
	var ratios, took []float64
	for b.Loop() {
		pass := tokenize(text)
		start := time.Now()
		preflight.Check(mail)
		check := time.Since(start)
		ratios = append(ratios, float64(check)/float64(pass)/size)
		took = append(took, float64(check)/float64(time.Millisecond)/size)
	}
	slices.Sort(ratios)
	slices.Sort(took)
	median := ratios[len(ratios)/2]
	b.ReportMetric(median, "x-pass/MB")
	b.ReportMetric(took[len(took)/2], "ms/MB")
	if b.N > 1 && median > maxWorstPasses {
		b.Errorf("the check took %.2f times a pass of the tokenizer over text of the same size, the limit is %d", median, maxWorstPasses)
	}
}

func tokenize(body string) time.Duration {
	start := time.Now()
	for z := html.NewTokenizer(strings.NewReader(body)); z.Next() != html.ErrorToken; {
		_ = z.Raw()
	}
	return time.Since(start)
}

// benchmarkPasses measures the check beside a pass of the tokenizer, in turns, and
// reports the median of the turns' ratios as x-pass, and that of the check in
// milliseconds.
func benchmarkPasses(b *testing.B, body string) {
	b.Helper()
	mail := tracked(body)
	var ratios, took []float64
	for b.Loop() {
		pass := tokenize(body)
		start := time.Now()
		preflight.Check(mail)
		check := time.Since(start)
		ratios = append(ratios, float64(check)/float64(pass))
		took = append(took, float64(check)/float64(time.Millisecond))
	}
	slices.Sort(ratios)
	slices.Sort(took)
	median := ratios[len(ratios)/2]
	b.ReportMetric(median, "x-pass")
	b.ReportMetric(took[len(took)/2], "ms")
	if b.N > 1 && median > maxCheckPasses {
		b.Errorf("the check took %.2f times a pass of the tokenizer, the limit is %d", median, maxCheckPasses)
	}
}
