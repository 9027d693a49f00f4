package nylastest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

// untracked undoes the rewriting of a body, as far as its links kept their quotes.
func untracked(m nylastest.Message) string {
	body := m.Body
	for _, link := range slices.Backward(m.Links) {
		body = strings.Replace(body, link.TrackedURL, html.EscapeString(link.URL), 1)
	}
	return body
}

func TestWhichLinksAreTracked(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]string{
		`<a href="https://acme.dev/a">x</a>`:                           {"https://acme.dev/a"},
		`<a href="mailto:kim@example.com">x</a>`:                       {"mailto:kim@example.com"},
		`<a href="tel:+15550100">x</a>`:                                {"tel:+15550100"},
		`<a href="HTTPS://acme.dev">x</a>`:                             {"HTTPS://acme.dev"},
		`<A CLASS=b HREF='https://acme.dev'>x</A>`:                     {"https://acme.dev"},
		`<a href=https://acme.dev/?a=1 class=b>x</a>`:                  {"https://acme.dev/?a=1"},
		`<a href="https://acme.dev/?a=1&amp;b=2">x</a>`:                {"https://acme.dev/?a=1&b=2"},
		`<a href="https://acme.dev/?a=1&copy=2">x</a>`:                 {"https://acme.dev/?a=1&copy=2"},
		`<a href=" https://acme.dev/ ">x</a>`:                          {"https://acme.dev/"},
		`<a title="a>b" href="https://acme.dev/">x</a>`:                {"https://acme.dev/"},
		`<a data-href="x" href="https://acme.dev/">x</a>`:              {"https://acme.dev/"},
		`<a href="https://a.dev/" href="https://b.dev/">x</a>`:         {"https://a.dev/"},
		`<a href="https://a.dev/">1</a><a href="https://a.dev/">2</a>`: {"https://a.dev/", "https://a.dev/"},
		`<a/href="https://acme.dev/"/>x`:                               {"https://acme.dev/"},
		`<a href = "https://acme.dev/" >x</a>`:                         {"https://acme.dev/"},

		`<a href="http://acme.dev/">x</a>`:                  nil,
		`<a href="https://kim:pw@acme.dev/">x</a>`:          nil,
		`<a href="https://kim@acme.dev/">x</a>`:             nil,
		`<a href="zoommtg://zoom.us/join">x</a>`:            nil,
		`<a href="javascript:alert(1)">x</a>`:               nil,
		`<a href="/relative">x</a>`:                         nil,
		`<a href="#top">x</a>`:                              nil,
		`<a href="">x</a>`:                                  nil,
		`<a href>x</a>`:                                     nil,
		`<a href=>x</a>`:                                    nil,
		`<a>www.google.com</a>`:                             nil,
		`<a href="https://">x</a>`:                          nil,
		`<a href="https:acme.dev">x</a>`:                    nil,
		`<a href="mailto:">x</a>`:                           nil,
		`<a href="https://acme.dev/a b">x</a>`:              nil,
		`<a href="https://acme.dev/%zz">x</a>`:              nil,
		`<a href="https://acme.dev/#a&#13;&#10;b">x</a>`:    nil,
		`<a href="https://acme.dev/#a&#1;b">x</a>`:          nil,
		`<a href="https://tracking.us.nylas.com/l/1">x</a>`: nil,
		`<area href="https://acme.dev/">`:                   nil,
		`<link href="https://acme.dev/">`:                   nil,
		`<!-- <a href="https://acme.dev/">x</a> -->`:        nil,
		`<style><a href="https://acme.dev/"></style>`:       nil,
		`https://acme.dev/ in text`:                         nil,
		`<a href="https://acme.dev/`:                        nil,
		`<a name="href" title="href=https://acme.dev">`:     nil,
	} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			m := w.send(object{"body": body, "tracking_options": object{"links": true}})
			var got []string
			for i, link := range m.Links {
				got = append(got, link.URL)
				assert.Equal(t, i, link.Index)
				assert.Equal(t, 1, strings.Count(m.Body, link.TrackedURL))
				assert.True(t, strings.HasPrefix(link.TrackedURL, w.server.URL()+"/"))
				assert.NotContains(t, link.TrackedURL, m.ID)
			}
			assert.Equal(t, want, got)
			if want == nil {
				assert.Equal(t, body, m.Body)
			}
			assert.Empty(t, m.PixelURL)
			assert.Equal(t, body, m.OriginalBody)
			for i, url := range want {
				to, err := w.recipient(m).Click(t.Context(), i)
				require.NoError(t, err)
				assert.Equal(t, url, to)
			}
		})
	}
}

func TestRestOfTheBodyStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := "<!DOCTYPE html>\r\n<HTML><head><title>&lt;a href=\"https://acme.dev\"&gt;</title></head>\n" +
		"<BODY class='x' >un<b>closed <p>&nbsp;&copy \x00 é \u2028<a\thref='https://acme.dev/1'\n>one</a >" +
		"<a href=\"http://acme.dev/2\">two</a><![if mso]>cond<![endif]></BODY>\r\n</HTML>\n"
	m := w.send(object{"body": body})
	assert.Len(t, m.Links, 1)
	before, after, ok := strings.Cut(untracked(m), `<img src="`+m.PixelURL+`"`)
	require.True(t, ok)
	_, after, _ = strings.Cut(after, ">")
	assert.Equal(t, body, before+after)
	assert.True(t, strings.HasPrefix(after, "</BODY>"), "the pixel is inside the body")
}

func TestPixelPlace(t *testing.T) {
	t.Parallel()
	for body, after := range map[string]string{
		"":                                 "",
		"plain words":                      "",
		"<p>one</p>":                       "",
		"<body>a</body>":                   "</body>",
		"<body>a</body></html>":            "</body></html>",
		"<html>a</html>":                   "</html>",
		"<body>a</body><body>b</body> end": "</body> end",
		"<!--</body>-->x":                  "",
		"text <a href=\"unfinished":        "<a href=\"unfinished",
		"<p>a</p><textarea>never closed":   "<p>a</p><textarea>never closed",
		"<p>a</p><!-- never closed":        "<p>a</p><!-- never closed",

		// Behind the end of the body.
		"<p>a</p></body><a href=\"mailto:kim@acme.dev\">b</a>": "</body><a href=\"mailto:kim@acme.dev\">b</a>",
		"<body>a</body><!-- never closed":                      "</body><!-- never closed",
		"<body>a</body><style>never closed":                    "</body><style>never closed",

		// Where it would be hidden, it stands where the body begins.
		"<!DOCTYPE html><p>a</p><!-- never closed":                         "<p>a</p><!-- never closed",
		"<!DOCTYPE html><html><head></head>\n<body>a<style>b":              "a<style>b",
		"<!DOCTYPE html><head><title>x</title></head> a<textarea>b</body>": "a<textarea>b</body>",
		"<!DOCTYPE html><title>never closed":                               "<title>never closed",
		"<!DOCTYPE html><head><template>a</body>":                          "<template>a</body>",
		"<meta charset=utf-8><p>a<select><option>b":                        "<p>a<select><option>b",
		"<p>a<svg><path>":              "<p>a<svg><path>",
		"<p>a<svg><path/></svg>":       "",
		"<p>a<svg/>":                   "",
		"<p><svg><![CDATA[</svg>]]>":   "<p><svg><![CDATA[</svg>]]>",
		"<p><svg><style></svg>":        "<p><svg><style></svg>",
		"<p><template>a</template>b":   "",
		"<p>a</":                       "<p>a</",
		"<p>a<!--!>b":                  "<p>a<!--!>b",
		"<p>a<!-- b --!>":              "",
		"<!DOCTYPE html><!-->a<!--->":  "",
		"<!DOCTYPE html><!-- never":    "<!-- never",
		"<title>a</title></body></br>": "</body></br>",
		"<noscript>a</noscript>":       "",
		"<head></head><noscript>a":     "<noscript>a",
	} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			m := w.send(object{"body": body, "tracking_options": object{"opens": true}})
			before, rest, ok := strings.Cut(m.Body, `<img src="`+m.PixelURL+`"`)
			require.True(t, ok, m.Body)
			_, rest, _ = strings.Cut(rest, ">")
			assert.Equal(t, after, rest)
			assert.Equal(t, body, before+rest)
			require.NoError(t, w.recipient(m).Open(t.Context()))
		})
	}
}

func TestPlainTextIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := `see <a href="https://acme.dev/">this</a>`
	m := w.send(object{"body": body, "is_plaintext": true})
	assert.Equal(t, body, m.Body)
	assert.Empty(t, m.Links)
	assert.Empty(t, m.PixelURL)
	assert.True(t, m.Tracking.Opens)
	require.ErrorContains(t, w.recipient(m).Open(t.Context()), "no pixel in the body")
	_, err := w.recipient(m).Click(t.Context(), 0)
	require.ErrorContains(t, err, "the body has 0 tracked links")
}

func TestPixelAndLinkAreServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.subscribe(appURL)
		m := w.send()
		client := w.server.HTTPClient()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		do := func(method, url string) *http.Response {
			request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
			require.NoError(t, err)
			response, err := client.Do(request)
			require.NoError(t, err)
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			if method == http.MethodGet && response.StatusCode == http.StatusOK {
				assert.Equal(t, "GIF89a\x01\x00\x01\x00", string(body[:10]))
			}
			return response
		}
		for _, method := range []string{http.MethodHead, http.MethodGet} {
			pixel := do(method, m.PixelURL+"?cache_buster=1")
			assert.Equal(t, http.StatusOK, pixel.StatusCode)
			assert.Equal(t, "image/gif", pixel.Header.Get("Content-Type"))
			assert.Equal(t, "no-store", pixel.Header.Get("Cache-Control"))
			link := do(method, m.Links[0].TrackedURL)
			assert.Equal(t, http.StatusFound, link.StatusCode)
			assert.Equal(t, "https://acme.dev/demo", link.Header.Get("Location"))
			w.wait()
			want := 0 // HEAD does not count
			if method == http.MethodGet {
				want = 2
			}
			assert.Len(t, w.receiver.take(), want)
		}
		base, token := strings.TrimSuffix(m.PixelURL, ".gif"), strings.Split(m.Links[0].TrackedURL, "/")[5]
		for _, url := range []string{
			base, base + "0.gif", w.server.URL() + "/nylastest/link/" + token + "/2", w.server.URL() + "/nylastest/link/" + token + "/-1",
			w.server.URL() + "/nylastest/link/" + token + "/x", w.server.URL() + "/nylastest/link/0/0",
		} {
			assert.Equal(t, http.StatusNotFound, do(http.MethodGet, url).StatusCode, url)
		}
		assert.Equal(t, http.StatusNotFound, do(http.MethodPost, m.PixelURL).StatusCode)
		untracked := w.send(object{"tracking_options": object{"links": true}})
		token = strings.Split(untracked.Links[0].TrackedURL, "/")[5]
		assert.Equal(t, http.StatusNotFound, do(http.MethodGet, w.server.URL()+"/nylastest/pixel/"+token+".gif").StatusCode, "no pixel was sent")
	})
}

func TestTrackingDomain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nylastest.WithTrackingDomains("Track.Acme.dev", "other.acme.dev"))
	for _, name := range []string{"track.acme.dev", " TRACK.acme.dev ", "track.acme.dev."} {
		m := w.send(object{"tracking_options": object{"opens": true, "links": true, "domain_name": name}})
		assert.Equal(t, "track.acme.dev", m.Tracking.DomainName)
		assert.True(t, strings.HasPrefix(m.PixelURL, "http://track.acme.dev/"), m.PixelURL)
		assert.True(t, strings.HasPrefix(m.Links[1].TrackedURL, "http://track.acme.dev/"))
		require.NoError(t, w.recipient(m).Open(t.Context()))
		to, err := w.recipient(m).Click(t.Context(), 1)
		require.NoError(t, err)
		assert.Equal(t, "https://acme.dev/docs", to)
	}
	for _, name := range []string{"", "localhost", "https://track.acme.dev", "track.acme.dev:80", "*.acme.dev", "träck.dev", strings.Repeat("a.", 127) + "dev", "a..b"} {
		_, err := nylastest.Start(nylastest.WithTrackingDomains(name))
		require.Error(t, err, name)
	}
}

func opened(t *testing.T, r received) *events.MessageOpened {
	t.Helper()
	data, ok := r.Data.(*events.MessageOpened)
	require.True(t, ok, "%T", r.Data)
	return data
}

func clicked(t *testing.T, r received) *events.MessageLinkClicked {
	t.Helper()
	data, ok := r.Data.(*events.MessageLinkClicked)
	require.True(t, ok, "%T", r.Data)
	return data
}

func TestNotificationsHaveThePublishedShape(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.subscribe(appURL)
		m := w.send()
		kim := w.recipient(m).WithIP("66.102.7.162").WithUserAgent("Kim/1.0")
		check := func(file string, want events.Data) {
			n := w.one()
			assert.Equal(t, want, n.Data)
			assert.Equal(t, "application/json", n.header.Get("Content-Type"))
			assert.Equal(t, w.server.ApplicationID(), n.ApplicationID)
			assert.Equal(t, w.server.GrantID(), n.GrantID)
			assert.Regexp(t, `^[A-Za-z0-9]{26}$`, n.ID)
			assert.Equal(t, time.Now().Unix(), n.Time.Unix())
			published, err := os.ReadFile("../testdata/published/" + file)
			require.NoError(t, err)
			assert.Equal(t, shape(t, published), shape(t, n.body))
		}
		app, now := events.Text(w.server.ApplicationID()), events.At(time.Now())
		require.NoError(t, kim.Open(t.Context()))
		check("message.opened.json", &events.MessageOpened{
			Object: "message", GrantID: w.server.GrantID(), MessageID: m.ID, Label: "trial-followup-q2",
			MessageData: events.MessageData{Count: 1, Timestamp: now},
			Recents:     []events.Open{{OpenedID: 0, IP: "66.102.7.162", Timestamp: now, UserAgent: "Kim/1.0"}},
			SenderAppID: app, Timestamp: now,
		})
		_, err := kim.Click(t.Context(), 1)
		require.NoError(t, err)
		check("message.link_clicked.json", &events.MessageLinkClicked{
			Object: "message", GrantID: w.server.GrantID(), MessageID: m.ID, Label: "trial-followup-q2",
			LinkData:    []events.LinkData{{Count: 0, URL: "https://acme.dev/demo"}, {Count: 1, URL: "https://acme.dev/docs"}},
			Recents:     []events.Click{{ClickID: 0, IP: "66.102.7.162", LinkIndex: 1, Timestamp: now, UserAgent: "Kim/1.0"}},
			SenderAppID: app, Timestamp: now,
		})
		replyID, err := kim.Reply(t.Context())
		require.NoError(t, err)
		check("thread.replied.json", &events.ThreadReplied{
			Object: "thread", GrantID: w.server.GrantID(), MessageID: replyID, RootMessageID: m.ID, Label: "trial-followup-q2",
			ReplyData: events.ReplyData{Count: 1}, ReplyToMessageID: m.ID, FromSelf: new(false),
			SenderAppID: app, ThreadID: m.ThreadID, Timestamp: now,
		})
	})
}

// shape reduces JSON to its names and the kinds of its values; of an array it keeps
// the first element.
func shape(t *testing.T, body []byte) any {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal(body, &v))
	var reduce func(any) any
	reduce = func(v any) any {
		switch v := v.(type) {
		case object:
			for name := range v {
				v[name] = reduce(v[name])
			}
			return v
		case []any:
			return []any{reduce(v[0])}
		default:
			return fmt.Sprintf("%T", v)
		}
	}
	return reduce(v)
}

func TestOpensWithinAMinute(t *testing.T) {
	t.Parallel()
	for name, omit := range map[string]bool{"listed": false, "omitted": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nylastest.WithReadings(nylastest.Readings{OmitUncountedOpens: omit}))
				w.subscribe(appURL)
				kim := w.recipient(w.send())
				start := time.Now()
				for _, step := range []struct {
					at             time.Duration
					count, recents int
					uncounted      bool
				}{
					{at: 0, count: 1, recents: 1},
					{at: 30 * time.Second, count: 1, recents: 2, uncounted: true},
					{at: 59 * time.Second, count: 1, recents: 3, uncounted: true},
					// A minute after the counted one, not after the last one.
					{at: 60 * time.Second, count: 2, recents: 4},
					{at: 119 * time.Second, count: 2, recents: 5, uncounted: true},
					{at: 10 * time.Minute, count: 3, recents: 6},
				} {
					pass(step.at - time.Since(start))
					require.NoError(t, kim.Open(t.Context()))
					if omit && step.uncounted {
						w.wait()
						assert.Empty(t, w.receiver.take())
						continue
					}
					o := opened(t, w.one())
					assert.EqualValues(t, step.count, o.MessageData.Count, step.at)
					if omit {
						assert.Len(t, o.Recents, step.count)
					} else {
						assert.Len(t, o.Recents, step.recents)
					}
				}
			})
		})
	}
}

func TestRecentsAreTheLastFifty(t *testing.T) {
	t.Parallel()
	for name, positional := range map[string]bool{"growing": false, "positional": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nylastest.WithReadings(nylastest.Readings{PositionalIDs: positional}))
				w.subscribe(appURL)
				kim := w.recipient(w.send())
				for i := range 53 {
					require.NoError(t, kim.WithUserAgent(fmt.Sprint(i)).Open(t.Context()))
					_, err := kim.WithUserAgent(fmt.Sprint(i)).Click(t.Context(), 0)
					require.NoError(t, err)
				}
				w.wait()
				got := w.receiver.take()
				require.Len(t, got, 2*53)
				var opens, clicks int
				for _, n := range got {
					switch data := n.Data.(type) {
					case *events.MessageOpened:
						opens = max(opens, len(data.Recents))
						if data.Recents[len(data.Recents)-1].UserAgent == "52" {
							assert.Equal(t, "3", data.Recents[0].UserAgent)
							for i, r := range data.Recents {
								assert.EqualValues(t, want(positional, i, i+3), r.OpenedID)
							}
						}
					case *events.MessageLinkClicked:
						clicks = max(clicks, len(data.Recents))
						if data.Recents[len(data.Recents)-1].UserAgent == "52" {
							assert.Equal(t, "3", data.Recents[0].UserAgent)
							assert.EqualValues(t, 53, data.LinkData[0].Count)
							for i, r := range data.Recents {
								assert.EqualValues(t, want(positional, i, i+3), r.ClickID)
							}
						}
					default:
					}
				}
				assert.Equal(t, 50, opens)
				assert.Equal(t, 50, clicks)
			})
		})
	}
}

func want(positional bool, position, id int) int {
	if positional {
		return position
	}
	return id
}

func TestReadingsOfClicks(t *testing.T) {
	t.Parallel()
	for _, readings := range []nylastest.Readings{
		{}, {ClickedLinkOnly: true}, {ClickRecentsPerMessage: true}, {ClickedLinkOnly: true, ClickRecentsPerMessage: true},
	} {
		t.Run(fmt.Sprintf("%+v", readings), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nylastest.WithReadings(readings))
				w.subscribe(appURL)
				kim := w.recipient(w.send())
				var last *events.MessageLinkClicked
				for _, index := range []int{0, 0, 1} {
					_, err := kim.Click(t.Context(), index)
					require.NoError(t, err)
					last = clicked(t, w.one())
				}
				all := []events.LinkData{{Count: 2, URL: "https://acme.dev/demo"}, {Count: 1, URL: "https://acme.dev/docs"}}
				if readings.ClickedLinkOnly {
					all = all[1:]
				}
				assert.Equal(t, all, last.LinkData)
				var ids, links []int
				for _, r := range last.Recents {
					ids, links = append(ids, int(r.ClickID)), append(links, int(r.LinkIndex))
				}
				if readings.ClickRecentsPerMessage {
					assert.Equal(t, []int{0, 1, 2}, ids)
					assert.Equal(t, []int{0, 0, 1}, links)
				} else {
					assert.Equal(t, []int{0}, ids)
					assert.Equal(t, []int{1}, links)
				}
			})
		})
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.subscribe(appURL)
	kim := w.recipient(w.send())
	const n = 40
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if err := kim.Open(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := kim.Click(t.Context(), 0); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	w.wait()
	ids := make(map[string]bool)
	opens, clicks := 0, 0
	for _, n := range w.receiver.take() {
		ids[n.ID] = true
		switch data := n.Data.(type) {
		case *events.MessageOpened:
			opens = max(opens, len(data.Recents))
		case *events.MessageLinkClicked:
			clicks = max(clicks, int(data.LinkData[0].Count))
		default:
		}
	}
	assert.Len(t, ids, 2*n, "every event is a notification of its own")
	assert.Equal(t, n, opens)
	assert.Equal(t, n, clicks)
}

// Mails with a link behind the end of the body, at every length around it: the pixel
// stands inside the body all the same.
func TestPixelPlaceBeforeALink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := range 150 {
		body := `<p>Hi</p></body><a href="https://acme.dev/` + strings.Repeat("x", n) + `">x</a>`
		m := w.send(object{"body": body})
		require.Len(t, m.Links, 1)
		before, after, ok := strings.Cut(m.Body, `<img src="`+m.PixelURL+`"`)
		require.True(t, ok)
		_, after, _ = strings.Cut(after, ">")
		require.Equal(t, "<p>Hi</p>", before)
		require.Equal(t, `</body><a href="`+m.Links[0].TrackedURL+`">x</a>`, after)
	}
}

// A message that quotes another one keeps the links of that one.
func TestLinksAreWrappedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nylastest.WithTrackingDomains("track.acme.dev"))
	first := w.send(object{"tracking_options": object{"links": true, "domain_name": "track.acme.dev"}})
	require.NotEmpty(t, first.Links)
	quoted := w.send(object{"body": first.Body, "tracking_options": object{"links": true, "domain_name": "track.acme.dev"}})
	assert.Empty(t, quoted.Links)
	assert.Equal(t, first.Body, quoted.Body)
}

// FuzzRewrite checks that rewriting changes nothing but the targets of links and
// one image more, as a mail client would see it: in the source and in the tree.
func FuzzRewrite(f *testing.F) {
	for _, body := range []string{
		"", `<a href="https://acme.dev/">x</a>`, `<a href=https://a.dev x='y>'><A/HREF='tel:1'/>`, `<a =href=x href="https://a.dev/`,
		`<body><a href = https://a.dev/></body></html>`, `<textarea><a href="https://a.dev/">`, "<a\fhref\r=\n'https://a.dev/&amp;&copy'>\x00",
		`<p>Hi</p></body><a href="https://acme.dev/` + strings.Repeat("x", 75) + `">x</a>`, `<!DOCTYPE html><title>x`, `<head><style>x</head><body>`,
		`<!DOCTYPE html><html><head><title>x</title></head><body><p><b>x</p></body></html> y`, `<p>a<!-- b`, `<table><tr><td><i>x</body>y<a href=tel:1>`,
		`<template><p></template></body><select><option>x</body>`, `<svg><title></svg><![CDATA[</body>]]><math>`, `<table><colgroup></body><col>x`,
		"<pre></body>\nx", `<frameset></body><p>`, `<noscript><p>x</noscript></head><noscript>`, `<!--!><p>--!></body><!-->`, `</body></html></template></br>`, "x</", "<",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		encoded, err := json.Marshal(object{
			"to": []object{{"email": "kim@example.org"}}, "body": body, "tracking_options": object{"opens": true, "links": true},
		})
		require.NoError(t, err)
		server := nylastest.NewServer(t, nylastest.WithNetwork(nylastest.NewNetwork()))
		w := &world{t: t, server: server}
		a := w.call(http.MethodPost, w.sendPath(), string(encoded))
		if a.status != http.StatusOK {
			require.Contains(t, string(a.body), "link") // denied or too many
			return
		}
		m := server.Messages()[0]
		got, want := tokens(m.Body), tokens(m.OriginalBody)
		links := 0
		for i := range want {
			for j, attribute := range want[i].Attr {
				target := strings.Trim(attribute.Val, " \t\n\f\r")
				if links < len(m.Links) && want[i].Data == "a" && attribute.Key == "href" && target == m.Links[links].URL && firstHref(want[i]) == j {
					want[i].Attr[j].Val = m.Links[links].TrackedURL
					links++
				}
			}
		}
		require.Equal(t, len(m.Links), links)
		got = slices.DeleteFunc(got, func(token html.Token) bool {
			return token.Data == "img" && token.Attr[0].Val == m.PixelURL
		})
		require.Equal(t, joinText(want), joinText(got))
		requireSameTree(t, m)
	})
}

func firstHref(token html.Token) int {
	return slices.IndexFunc(token.Attr, func(a html.Attribute) bool { return a.Key == "href" })
}

func tokens(body string) []html.Token {
	var all []html.Token
	for z := html.NewTokenizer(strings.NewReader(body)); z.Next() != html.ErrorToken; {
		all = append(all, z.Token())
	}
	return all
}

// joinText joins neighbouring texts, which an image may have parted.
func joinText(all []html.Token) []html.Token {
	var joined []html.Token
	for _, token := range all {
		if n := len(joined); n > 0 && token.Type == html.TextToken && joined[n-1].Type == html.TextToken {
			joined[n-1].Data += token.Data
			continue
		}
		joined = append(joined, token)
	}
	return joined
}
