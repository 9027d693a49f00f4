package preflight_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/nylastrack/nylas-go/internal/hostile"
	"github.com/nylastrack/nylas-go/preflight"
)

// What checking a body may cost, as multiples of what the HTML tokenizer needs to go over
// as many bytes and keep nothing: over the same bytes, and for the worst bodies over an
// ordinary text. The benchmark fails above them.
//
// The goal is 20 ms for a megabyte. A pass takes 4.8 ms where that was measured, so the goal
// is 4.2 passes there. Four bodies miss it: a target with 333,000 references takes 4.6
// passes, or 5.1 if they resolve, and "percents" and "references and numbers" take 4.4. The
// limits leave room for machines that do other things.
const (
	maxLinksPasses = 7
	maxTextPasses  = 1.6
	maxWorstPasses = 8
)

func BenchmarkCheck(b *testing.B) {
	var links, text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&links, `<p style="margin:0">Have a look at <a class="button" href="https://acme.dev/p/%d?utm_source=mail">offer %d</a>.</p>`+"\n", i, i)
	}
	for text.Len() < 1_000_000 {
		fmt.Fprintf(&text, "<tr><td width=\"300\" style=\"padding:4px\">Größe %d is <b>back</b> in the shop.</td></tr>\n", text.Len())
	}
	b.Run("1000-links", func(b *testing.B) {
		benchmarkPasses(b, maxLinksPasses, links.String(), map[string]string{"links": links.String()})
	})
	b.Run("1MB", func(b *testing.B) {
		benchmarkPasses(b, maxTextPasses, text.String(), map[string]string{"text": text.String()})
	})
	b.Run("worst", func(b *testing.B) { benchmarkPasses(b, maxWorstPasses, text.String(), hostile.Megabytes()) })
	for name, body := range hostile.Megabytes() { // to see which one it is
		b.Run("each/"+name, func(b *testing.B) {
			benchmarkPasses(b, maxWorstPasses, text.String(), map[string]string{name: body})
		})
	}
}

// benchmarkPasses measures the checks of bodies and passes of the tokenizer over a text, in
// turns. Of each it takes the best time, which is the one that others disturbed least, and
// reports the check that is the slowest for each megabyte.
func benchmarkPasses(b *testing.B, limit float64, text string, bodies map[string]string) {
	b.Helper()
	const (
		turns  = 10
		passes = 4 // so that they take about as long as a check, and are disturbed as much
	)
	var pass time.Duration
	checks := make(map[string]time.Duration)
	for b.Loop() {
		for range turns {
			pass = best(pass, func() {
				for range passes {
					tokenize(text)
				}
			})
			for name, body := range bodies {
				mail := tracked(body)
				checks[name] = best(checks[name], func() { preflight.Check(mail) })
			}
		}
	}
	worst, slowest := "", 0.0 // in milliseconds for each megabyte
	for name, check := range checks {
		if ms := perMegabyte(check, bodies[name]); ms > slowest {
			worst, slowest = name, ms
		}
	}
	ratio := slowest / (perMegabyte(pass, text) / passes)
	b.ReportMetric(slowest, "ms/MB")
	b.ReportMetric(ratio, "x-pass")
	b.Logf("the slowest body of %d is %q", len(bodies), worst)
	if ratio > limit {
		b.Errorf("the check of %q took %.2f times a pass of the tokenizer over text of the same size, the limit is %.1f", worst, ratio, limit)
	}
}

// best returns the time that do takes, or the one before if that was shorter.
func best(before time.Duration, do func()) time.Duration {
	start := time.Now()
	do()
	if took := time.Since(start); before == 0 || took < before {
		return took
	}
	return before
}

func perMegabyte(d time.Duration, body string) float64 {
	return float64(d) / float64(time.Millisecond) / float64(len(body)) * 1_000_000
}

func tokenize(body string) {
	for z := html.NewTokenizer(strings.NewReader(body)); z.Next() != html.ErrorToken; {
		_ = z.Raw()
	}
}
