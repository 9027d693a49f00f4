package nylas_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/internal/hostile"
	"github.com/nylastrack/nylas-go/preflight"
)

func sendTracked(t *testing.T, w *wire, options nylas.TrackingOptions) error {
	t.Helper()
	_, err := w.client(t).Messages.Send(t.Context(), testGrant, &nylas.SendMessageRequest{To: toKim(), TrackingOptions: &options})
	return err
}

// TestLabelIsCountedInCharacters has labels at the limit, in characters of one
// to four bytes.
func TestLabelIsCountedInCharacters(t *testing.T) {
	t.Parallel()
	for _, char := range []string{"x", "ü", "日", "🙂"} {
		w := newWire(t, answersFile(t, 200, messageAnswer))
		label := strings.Repeat(char, 2048)
		require.NoError(t, sendTracked(t, w, nylas.TrackingOptions{Opens: true, Label: label}))
		var sent struct {
			Options nylas.TrackingOptions `json:"tracking_options"`
		}
		require.NoError(t, json.Unmarshal(w.requests()[0].body, &sent))
		assert.Equal(t, label, sent.Options.Label)

		w = newWire(t)
		err := sendTracked(t, w, nylas.TrackingOptions{Opens: true, Label: label + char})
		require.EqualError(t, err,
			"nylas: send message: TrackingOptions.Label has 2049 characters, Nylas takes at most 2048")
		assertSentinels(t, err, nylas.ErrInvalidRequest, nylas.ErrTrackingDataTooLarge)
		assert.Zero(t, asError(t, err).StatusCode)
		assert.Empty(t, w.requests())
	}
}

func TestDomainNames(t *testing.T) {
	t.Parallel()
	label63 := strings.Repeat("a", 63)
	host253 := strings.Repeat(label63+".", 3) + strings.Repeat("b", 61)
	for _, name := range []string{
		"track.acme.dev", "a.b", "TRACK.Acme.DEV", "track.acme.dev.", " track.acme.dev\n", "xn--bcher-kva.example", "1.2.3.4",
		"a-b.c--d.e", label63 + ".dev", host253, host253 + ".",
	} {
		for _, options := range []nylas.TrackingOptions{{Opens: true}, {Links: true}, {Opens: true, Links: true, ThreadReplies: true}} {
			options.DomainName = name
			require.NoError(t, sendTracked(t, newWire(t, answersFile(t, 200, messageAnswer)), options), name)
		}
	}

	const (
		noDot  = "is not a full hostname: it has no dot"
		part   = "has a part between dots that is empty or longer than 63 characters"
		hyphen = "has a part that begins or ends with a hyphen"
		other  = "has other characters than ASCII letters, digits, hyphens and dots: want a hostname without scheme, port, path or wildcard"
	)
	for name, reason := range map[string]string{
		"localhost": noDot, " ": noDot, ".": noDot, "dev.": noDot,
		"a..b": part, ".acme.dev": part, "track.acme.dev..": part, label63 + "a.dev": part,
		"-a.dev": hyphen, "a-.dev": hyphen, "a.-b": hyphen,
		"https://track.acme.dev": other, "track.acme.dev:443": other, "track.acme.dev/x": other, "*.acme.dev": other,
		"tr ack.acme.dev": other, "bücher.example": other, "a_b.acme.dev": other, "kim@acme.dev": other, "a\xff.dev": other,
		host253 + "b":  "is longer than 253 characters",
		host253 + "..": "is longer than 253 characters",
	} {
		w := newWire(t)
		err := sendTracked(t, w, nylas.TrackingOptions{Links: true, DomainName: name})
		require.EqualError(t, err, "nylas: send message: TrackingOptions.DomainName "+reason, name)
		assertSentinels(t, err, nylas.ErrInvalidRequest, nylas.ErrTrackingDomain)
		assert.Empty(t, w.requests())
	}

	for _, options := range []nylas.TrackingOptions{{}, {ThreadReplies: true}} {
		options.DomainName = "track.acme.dev"
		w := newWire(t)
		err := sendTracked(t, w, options)
		require.EqualError(t, err, "nylas: send message: TrackingOptions.DomainName needs Opens or Links; replies do not use it")
		assertSentinels(t, err, nylas.ErrInvalidRequest, nylas.ErrTrackingDomain)
		assert.Empty(t, w.requests())
	}
}

// The labels of version 1 are stored at Nylas and do not change.
func TestEncodeLabel(t *testing.T) {
	t.Parallel()
	for want, values := range map[string]map[string]string{
		"nt1:":                                      nil,
		"nt1:campaign=trial+q2&contact=42":          {"contact": "42", "campaign": "trial q2"},
		"nt1:a=":                                    {"a": ""},
		"nt1:%26%3D%2B%25=a%3Db%26c%2Bd%25":         {"&=+%": "a=b&c+d%"},
		"nt1:name=Größe+日本🙂":                        {"name": "Größe 日本🙂"},
		"nt1:raw=%00%0A%7F%FF%C3(":                  {"raw": "\x00\n\x7f\xff\xc3("},
		"nt1:space=%C2%A0%E2%80%A8%EF%BB%BF%C2%AD+": {"space": "\u00a0\u2028\ufeff\u00ad "},
		"nt1:text=<a>;,/?:@\"'\ufffd":               {"text": "<a>;,/?:@\"'\ufffd"},
	} {
		label, err := nylas.EncodeLabel(values)
		require.NoError(t, err)
		assert.Equal(t, want, label)
		got, ok := nylas.DecodeLabel(label)
		assert.True(t, ok, label)
		if values == nil {
			values = map[string]string{}
		}
		assert.Equal(t, values, got)
	}
}

func TestEncodeLabelRefuses(t *testing.T) {
	t.Parallel()
	_, err := nylas.EncodeLabel(map[string]string{"": "x"})
	require.EqualError(t, err, "nylas: encode label: a key is empty")
	assertSentinels(t, err, nylas.ErrInvalidRequest)

	for char, cost := range map[string]int{"x": 1, "ü": 1, "🙂": 1, " ": 1, "%": 3, "\n": 3, "\u2028": 9} {
		room := 2048 - len("nt1:k=")
		fits := strings.Repeat(char, room/cost) + strings.Repeat("x", room%cost)
		label, err := nylas.EncodeLabel(map[string]string{"k": fits})
		require.NoError(t, err)
		assert.Equal(t, 2048, utf8.RuneCountInString(label))
		values, ok := nylas.DecodeLabel(label)
		assert.True(t, ok)
		assert.Equal(t, fits, values["k"])

		_, err = nylas.EncodeLabel(map[string]string{"k": fits + "x"})
		require.EqualError(t, err, "nylas: encode label: the label has 2049 characters, Nylas takes at most 2048")
		assertSentinels(t, err, nylas.ErrInvalidRequest, nylas.ErrTrackingDataTooLarge)
	}
}

// What EncodeLabel did not write is foreign, however much it looks like it.
func TestForeignLabels(t *testing.T) {
	t.Parallel()
	for _, label := range []string{
		"", "trial-followup-q2", "campaign=a", "nt1", "nt2:a=b", "NT1:a=b", " nt1:a=b", "nt1:a", "nt1:=b", "nt1:a=b&", "nt1:&a=b", "nt1:b=1&a=2",
		"nt1:a=1&a=2", "nt1:a=1&a=1", "nt1:a=%", "nt1:a=%4", "nt1:a=%zz", "nt1:a=%41", "nt1:a=%c3%bc", "nt1:a=%20", "nt1:a=b c", "nt1:a=b=c",
		"nt1:a=\xff", "nt1:a=b\n", "nt1:a=\u00a0", `{"campaign":"q2"}`, "nt1:a=" + strings.Repeat("x", 2043), "nt1:a=" + strings.Repeat("x", 10_000),
	} {
		values, ok := nylas.DecodeLabel(label)
		assert.False(t, ok, label)
		assert.Nil(t, values, label)
	}
}

// FuzzLabel checks both directions: values survive, and a label that is read is
// exactly what would be written.
func FuzzLabel(f *testing.F) {
	for _, s := range []string{"", "campaign", "trial q2", "&=+%", "\xff\x00", "Größe", "\ufeff", "\ufffd", "nt1:a=b&c=%C2%A0"} {
		f.Add(s, "42", "contact", s)
	}
	f.Fuzz(func(t *testing.T, key1, value1, key2, value2 string) {
		values := map[string]string{key1: value1, key2: value2}
		label, err := nylas.EncodeLabel(values)
		if err != nil {
			require.True(t, errors.Is(err, nylas.ErrTrackingDataTooLarge) || key1 == "" || key2 == "")
			return
		}
		require.True(t, utf8.ValidString(label))
		got, ok := nylas.DecodeLabel(label)
		require.True(t, ok)
		require.Equal(t, values, got)

		for _, foreign := range []string{value1, value2, "nt1:" + key1, "nt1:" + key1 + "=" + value1} {
			if read, ok := nylas.DecodeLabel(foreign); ok {
				again, err := nylas.EncodeLabel(read)
				require.NoError(t, err)
				require.Equal(t, foreign, again)
			}
		}
	})
}

// trackedMessage is a message with a body and all tracking on.
func trackedMessage(body string) *nylas.SendMessageRequest {
	return &nylas.SendMessageRequest{
		To: toKim(), Body: body,
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true},
	}
}

func TestCheckTracking(t *testing.T) {
	t.Parallel()
	const good = `<a href="https://acme.dev/">x</a>`
	var kim = nylas.Participant{Email: "KIM@example.org"}
	// What a field does to the findings: each of those that matter has a case.
	cases := map[string]struct {
		change func(*nylas.SendMessageRequest)
		want   string
	}{
		"To":          {func(r *nylas.SendMessageRequest) { r.To = append(r.To, kim) }, "group-mail"},
		"CC":          {func(r *nylas.SendMessageRequest) { r.CC = toKim() }, "group-mail"},
		"BCC":         {func(r *nylas.SendMessageRequest) { r.BCC = toKim() }, "group-mail"},
		"From":        {func(r *nylas.SendMessageRequest) { r.From = []nylas.Participant{kim} }, "self-recipient"},
		"Body":        {func(r *nylas.SendMessageRequest) { r.Body = `<a href="/x">x</a>` }, "unsupported-scheme"},
		"IsPlaintext": {func(r *nylas.SendMessageRequest) { r.IsPlaintext = true }, "plaintext-untrackable"},
		"SignatureID": {func(r *nylas.SendMessageRequest) { r.SignatureID = "s" }, "body-incomplete"},
		"Template":    {func(r *nylas.SendMessageRequest) { r.Body, r.Template = "", &nylas.Template{ID: "t"} }, "body-incomplete"},

		"TrackingOptions": {func(r *nylas.SendMessageRequest) { r.TrackingOptions = nil; r.Body = "x" }, ""},
		"TrackingOptions.Opens": {func(r *nylas.SendMessageRequest) {
			r.TrackingOptions, r.IsPlaintext = &nylas.TrackingOptions{Opens: true}, true
		}, "plaintext-untrackable"},
		"TrackingOptions.Links": {func(r *nylas.SendMessageRequest) {
			r.TrackingOptions, r.Body = &nylas.TrackingOptions{Links: true}, `<a href="http://acme.dev/">x</a>`
		}, "http-scheme"},
		"TrackingOptions.ThreadReplies": {func(r *nylas.SendMessageRequest) {
			r.TrackingOptions, r.IsPlaintext = &nylas.TrackingOptions{ThreadReplies: true}, true
		}, ""},
		"TrackingOptions.Label": {func(r *nylas.SendMessageRequest) {
			r.TrackingOptions.Label = strings.Repeat("x", 2049)
		}, "label-too-long"},
		"TrackingOptions.DomainName": {func(r *nylas.SendMessageRequest) { r.TrackingOptions.DomainName = "x" }, "domain-name-malformed"},
	}
	for name, tt := range cases {
		req := trackedMessage(good)
		tt.change(req)
		var codes []string
		for _, f := range nylas.CheckTracking(req).Findings {
			codes = append(codes, string(f.Code))
		}
		assert.Equal(t, tt.want, strings.Join(codes, " "), name)
	}
	// A new field needs a case, or a place among those that a check does not look at.
	unread := map[string]bool{
		"ReplyTo": true, "Subject": true, "CustomHeaders": true, "Metadata": true, "ReplyToMessageID": true, "SendAt": true,
		"UseDraft": true, "Attachments": true, "Fields": true,
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[nylas.SendMessageRequest]()) {
		_, read := cases[field.Name]
		assert.NotEqual(t, read, unread[field.Name], field.Name)
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[nylas.TrackingOptions]()) {
		assert.Contains(t, cases, "TrackingOptions."+field.Name)
	}
}

func TestCheckTrackingChangesNothing(t *testing.T) {
	t.Parallel()
	req, want := markedMessage(), markedMessage()
	req.TrackingOptions.Links, want.TrackingOptions.Links = true, true
	report := nylas.CheckTracking(req)
	assert.Equal(t, want, req)
	for _, f := range report.Findings {
		assertUnmarked(t, f.String())
	}
	assert.Equal(t, &preflight.Report{}, nylas.CheckTracking(nil))
	assert.Equal(t, &preflight.Report{}, nylas.CheckTracking(&nylas.SendMessageRequest{}))
}

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
