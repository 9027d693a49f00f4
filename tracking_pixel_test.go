package nylas_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/internal/hostile"
)

func TestStripPixel(t *testing.T) {
	t.Parallel()
	for _, img := range []string{
		`<img src="https://tracking.us.nylas.com/open/1.gif" width="1">`, `<img src="https://tracking.eu.nylas.com/open/1.gif">`,
		`<img src="https://t.nylas.com/1">`, `<img src="https://euw1.t.nylas.com/1">`, `<img src="https://usw2.nyl.as/1">`, `<img src="https://euw1.nyl.as/1">`,
		`<IMG SRC=HTTP://T.NYLAS.COM>`, `<img/src='//t.nylas.com/1'/>`, "<img alt='>' src=\" \thttps://t.ny\nlas.com.:443?x\">",
		`<img src="https:\\t.nylas.com\1">`, `<img src="https:/t.nylas.com/1">`, `<img src="https:t.nylas.com/1">`, `<img src="https:///t.nylas.com/1">`,
		`<img src="https://kim:pw@t.nylas.com/">`, `<img src="https://t.nylas.com#x">`, `<img src="https&colon;//t&period;nylas.com/">`, `<img src="https://t%2enylas.com/">`,
		`<img src="https://track.acme.dev/open/1.gif">`, `<img src="http://TRACK.acme.dev:8080/">`, `<img src="http://[::1]:80/">`,
		"<img" + strings.Repeat(" a", 100) + ` src=//t.nylas.com src=x>`,
		`<img src="http://127.0.0.1:49152/nylastest/pixel/0a1b.gif" alt="">`, `<IMG SRC=//nylas.test/nylastest/pixel/0a1b.gif>`,
		`<image src="https://t.nylas.com/1">`, `<IMAGE/src='//track.acme.dev/1'/>`, `<image srcset="//t.nylas.com/1">`,
		`<img src="cid:logo" srcset="https://t.nylas.com/1 2x">`, `<img srcset="https://acme.dev/1 1x,https://t.nylas.com/1 2x">`,
		"<img srcset=' ,, https://acme.dev/1,2,\n//t.nylas.com/1,'>", `<img srcset="https://acme.dev/1, https://track.acme.dev/2">`,
		`<img srcset="a (, b),https://t.nylas.com/1">`, `<img srcset="a x(b,c) , https:t.nylas.com/1">`, `<img srcset="data:image/png;base64,AA== 1x, https://t.nylas.com">`,
		`<img srcset="https://acme.dev/1 https://acme.dev/2, https://t.nylas.com/3 100w 50h">`,
		"<img" + strings.Repeat(" a", 100) + ` srcset=//t.nylas.com srcset=x>`,
	} {
		for _, around := range []string{"|", "<p>x|y</p>", "\xff\r\n&amp;|<a href=x>", "<noscript>|</noscript>", "<style>b</style>|<!-- c", "<|", "<p>&l|t; <a"} {
			before, after, _ := strings.Cut(around, "|")
			assert.Equal(t, before+after, nylas.StripPixel(before+img+after, "Track.acme.dev.", "[::1]", "other.dev"), img)
			assert.Equal(t, before+after, nylas.StripPixel(before+img+img+after, "track.ACME.dev", "::1"), img)
		}
	}
	for _, body := range []string{
		"", "x", `<p>Größe &amp; <b`, `<img src="https://acme.dev/t.nylas.com">`, `<img src="t.nylas.com/1">`, `<img src="/t.nylas.com/1">`,
		`<img>`, `<img src>`, `<img src="">`, `<img src="cid:t.nylas.com">`, `<img src="ftp://t.nylas.com/">`, `<img src="data:image/gif,https://t.nylas.com/">`,
		`<img src="https://xt.nylas.com/">`, `<img src="https://t.nylas.com.evil.dev/">`, `<img src="https://developer.nylas.com/logo.png">`,
		`<img src="x" src="https://t.nylas.com/">`, `<img data-src="https://t.nylas.com/">`, `<a href="https://tracking.us.nylas.com/l/1/0/2">x</a>`,
		`<!-- <img src="https://t.nylas.com/"> -->`, `<textarea><img src="https://t.nylas.com/"></textarea>`, `<img src="https://t.nylas.com/"`,
		`<img src="/nylastest/pixel/a.gif">`, `<img src="https://acme.dev/?u=/nylastest/pixel/a.gif">`, `<img src="https://acme.dev/x/nylastest/pixel/a.gif">`,
		`<a href="http://nylas.test/nylastest/pixel/a.gif">x</a>`,
		`<img src="https://sub.track.acme.dev/">`, `<img src="https:///">`,
		`<image src="https://acme.dev/">`, `<img srcset>`, `<img srcset="">`, `<img srcset=" , ">`, `<img srcset="t.nylas.com 1x">`,
		`<img srcset="https://acme.dev/,https://t.nylas.com/">`, `<img srcset="a x(b, https://t.nylas.com/1">`, `<img srcset="a https://t.nylas.com/1">`,
		`<img srcset="data:image/png;base64,https://t.nylas.com 1x">`, `<source srcset="https://t.nylas.com/1">`, `<images src="https://t.nylas.com/1">`,
	} {
		assert.Equal(t, body, nylas.StripPixel(body, "track.acme.dev", "", " "))
	}
}

// Text before a removed image and what comes behind it must not become another
// one.
func TestStripPixelLeavesNoOther(t *testing.T) {
	t.Parallel()
	const img = `<img src="//t.nylas.com">`
	assert.Equal(t, "x<y", nylas.StripPixel("x<"+img+"y"))
	assert.Equal(t, "x", nylas.StripPixel("x<"+img+img[1:]))
	assert.Equal(t, "<<z", nylas.StripPixel("<<<"+img+img[1:]+"z"))
	assert.Equal(t, "a<b>c", nylas.StripPixel("a<"+img+"b>"+img+"c"))
	assert.Equal(t, "a<style>"+img, nylas.StripPixel("a<"+img+"style>"+img), "what is text now loads nothing")
	assert.Equal(t, "a<noscript>b", nylas.StripPixel("a<"+img+"noscript>"+img+"b"))
}

// Whatever a body holds, StripPixel allocates a few times its size.
func TestStripPixelOfHostileBodies(t *testing.T) { // alone, because it counts what is allocated
	larger := hostile.Larger()
	for name, body := range hostile.Bodies() {
		t.Run(name, func(t *testing.T) {
			most := 40.0
			if strings.Contains(name, "brackets") {
				most *= 6 // after each image the body is read anew, with a new buffer
			}
			strip := func(body string) float64 {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				nylas.StripPixel(body)
				runtime.ReadMemStats(&after)
				return float64(after.TotalAlloc - before.TotalAlloc)
			}
			small, large := strip(body), strip(larger[name])
			assert.Less(t, small/float64(len(body)), most, "allocated, as a multiple of the body")
			assert.Less(t, large/float64(len(larger[name])), most, "allocated, as a multiple of the larger body")
			assert.Less(t, large/small, hostile.Times*1.5, "what is allocated grows faster than the body")
		})
	}
}

// FuzzStripPixel checks that no image of the host is left, and that what is left
// is what was there, without the images.
func FuzzStripPixel(f *testing.F) {
	for _, body := range []string{
		"", `<p>x<img src="https://t.nylas.com/1">y`, `<<img src=//t.nylas.com>img src=//t.nylas.com>`, `<img src=https://acme.dev/>`,
		`<noscript><img src=//t.nylas.com></noscript>`, `<a href="<img src=//t.nylas.com>"><img src=//t.nylas.com`, `<!--<img src=//t.nylas.com>-->`,
		`<image src=//t.nylas.com><img srcset="a,//t.nylas.com 1x">`, `<img src=x srcset="a (, b) c,//t.nylas.com,, //acme.dev">`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got := nylas.StripPixel(body)
		require.Equal(t, got, nylas.StripPixel(got))
		require.True(t, isPartOf(got, body))
		images := 0
		for z := html.NewTokenizer(strings.NewReader(body)); z.Next() != html.ErrorToken; {
			if token := z.Token(); token.Data == "img" || token.Data == "image" {
				images++
			}
		}
		if images == 0 && !strings.Contains(strings.ToLower(body), "noscript") {
			require.Equal(t, body, got)
		}
	})
}

// isPartOf tells whether part is whole with some bytes left out.
func isPartOf(part, whole string) bool {
	for i := range len(whole) {
		if part != "" && part[0] == whole[i] {
			part = part[1:]
		}
	}
	return part == ""
}
