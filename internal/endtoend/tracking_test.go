package endtoend_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

// What the check says is what happens: the eligible links are those that are
// tracked, in their order.
func TestLoopCheckAndSend(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		body := `<p><a href="https://acme.dev/1">1</a> <a href="http://acme.dev/2">2</a><a href="mailto:kim@acme.dev">3</a>` +
			`<a href="/4">4</a><a>5</a><a href="https://u:p@acme.dev/6">6</a><a href=https://acme.dev/7?a=b&amp;c=d>7</a></p>`
		set := func(r *nylas.SendMessageRequest) { r.Body = body }
		message, err := l.send(set)
		require.NoError(t, err)
		sent := l.nylas.Messages()[0]
		assert.Equal(t, eligible(nylas.CheckTracking(tracked(body))), targets(sent))

		stripped := nylas.StripPixel(sent.Body, "127.0.0.1", hostname(l.nylas.URL()))
		before, _, hasPixel := strings.Cut(sent.Body, "<img")
		assert.True(t, hasPixel)
		assert.Equal(t, before, stripped)
		assert.NotEmpty(t, message.ID)

		for _, refused := range []string{`<a href="https://example.com/">x</a>`, strings.Repeat(`<a href="https://acme.dev/">x</a>`, 101)} {
			assert.True(t, nylas.CheckTracking(tracked(refused)).Refused())
			_, err := l.send(func(r *nylas.SendMessageRequest) { r.Body = refused })
			require.Error(t, err)
			assert.True(t, errors.Is(err, nylas.ErrLinkRejected) || errors.Is(err, nylas.ErrTooManyLinks))
		}
	})
}

// tracked is a message with this body, of which everything is tracked.
func tracked(body string) *nylas.SendMessageRequest {
	return &nylas.SendMessageRequest{
		To: toKim(), Body: body, TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true},
	}
}

func hostname(rawURL string) string {
	_, rest, _ := strings.Cut(rawURL, "://")
	host, _, _ := strings.Cut(rest, ":")
	return host
}

func eligible(report *nylas.TrackingReport) []string {
	all := []string{}
	for _, link := range report.Links {
		if link.Status == nylas.LinkEligible {
			all = append(all, link.Target)
		}
	}
	return all
}

func targets(message nylastest.Message) []string {
	all := []string{}
	for _, link := range message.Links {
		all = append(all, link.URL)
	}
	return all
}

// A message of which the policy leaves nothing is sent untracked, and one that is
// sent after somebody agreed is tracked.
func TestLoopTrackingPolicy(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		answer := nylas.ConsentUnknown
		client := l.newClient(l.nylas.APIKey(), nylas.WithTrackingPolicy(nylas.TrackingPolicy{
			Unknown: nylas.ConsentDenied,
			Consent: func(context.Context, nylas.Participant, nylas.TrackingKind) (nylas.Consent, error) {
				return answer, nil
			},
		}))
		var resp nylas.Response
		_, err := l.sendBy(client, []nylas.RequestOption{nylas.WithResponse(&resp)})
		require.NoError(t, err)
		assert.Equal(t, nylastest.Tracking{}, l.nylas.Messages()[0].Tracking)
		assert.Empty(t, l.nylas.Messages()[0].Links)
		assert.Len(t, resp.Tracking, 3)

		answer = nylas.ConsentGranted
		_, err = l.sendBy(client, []nylas.RequestOption{nylas.WithResponse(&resp)})
		require.NoError(t, err)
		assert.Equal(t, nylastest.Tracking{Opens: true, Links: true, ThreadReplies: true, Label: "trial-followup-q2"}, l.nylas.Messages()[1].Tracking)
		assert.Len(t, resp.Tracking, 3)
		assert.Equal(t, http.StatusOK, resp.StatusCode)
	})
}

// A label comes back as it was sent.
func TestLoopLabel(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		values := map[string]string{"campaign": "trial q2 – Größe & <more>", "contact": "42", "raw": "\xff\n%"}
		var got map[string]string
		l.receive(&receive.Dispatcher{MessageOpened: func(_ context.Context, _ *events.Notification, opened *events.MessageOpened) error {
			got, _ = nylas.DecodeLabel(opened.Label)
			return nil
		}})
		label, err := nylas.EncodeLabel(values)
		require.NoError(t, err)
		message, err := l.send(func(r *nylas.SendMessageRequest) { r.TrackingOptions.Label = label })
		require.NoError(t, err)
		require.NoError(t, l.recipient(message).Open(t.Context()))
		require.NoError(t, l.nylas.Wait(t.Context()))
		assert.Equal(t, values, got)
	})
}

// FuzzCheckTracking checks that the check and the emulator see the same links,
// that places are in order and in the body, and that what is refused is refused.
func FuzzCheckTracking(f *testing.F) {
	for _, body := range []string{
		"", "x", `<p>Größe <a href="https://acme.dev/?a=1&amp;b=2">demo</a>`, `<a href=https://a.dev x='y>'><A/HREF='tel:1'/>`,
		`<a =href=x href="https://a.dev/`, "<a\fhref\r=\n'https://a.dev/&amp;&copy'>\x00", `<a href="https://example.com">x</a>`,
		`<textarea><a href="https://a.dev/">`, `<a href="https://b.io">https://a.dev</a>`, "https://a.dev\n\xff<!--[if]><v:a href=x>-->",
		`<a href="https://kim:pw@a.dev">`, `<img src="//t.nylas.com"><area href><base href><form action=x>`, `<a href="mailto:?a=b">x<a>`,
		`<p><a href="https://acme.dev/?reset%5Ftoken=a&x=%ff">Visit www.bank.com…</a>`, "<noscript>\n<a href=x>é</a></noscript><img srcset='a (,'>",
		"<table><tr><a><td></b></a></p><li><li></table></i>", "<a href='https://a.dev/;A=Ü'>„ba\u00adnk.com“</a>",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		req := tracked(body)
		report := nylas.CheckTracking(req)
		require.Equal(t, tracked(body), req)
		require.Len(t, report.Links, min(10_000, report.Eligible+report.Skipped+report.Unknown))
		line, column := 1, 0
		for _, link := range report.Links {
			require.True(t, link.Line > line || link.Line == line && link.Column > column)
			line, column = link.Line, link.Column
			text := strings.Split(body, "\n")[line-1]
			require.LessOrEqual(t, column, len([]rune(text)))
			require.Equal(t, "<", string([]rune(text)[column-1]))
			require.Equal(t, link.Status == nylas.LinkEligible, link.Reason == "")
		}
		require.True(t, slices.IsSortedFunc(report.Findings, func(a, b nylas.TrackingFinding) int {
			if a.Line != b.Line {
				return a.Line - b.Line
			}
			return a.Column - b.Column
		}))
		for _, finding := range report.Findings {
			require.Less(t, finding.Link, len(report.Links))
			require.False(t, finding.Refused && finding.Level != nylas.LevelError)
		}

		server := nylastest.NewServer(t, nylastest.WithNetwork(nylastest.NewNetwork()))
		client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()), nylas.WithHTTPClient(server.HTTPClient()))
		require.NoError(t, err)
		_, err = client.Messages.Send(t.Context(), server.GrantID(), req)
		if err == nil {
			require.False(t, report.Refused())
			if strings.Contains(strings.ToLower(body), "<noscript") {
				return // to the emulator it holds text, and where it ends can differ
			}
			require.Equal(t, eligible(report), targets(server.Messages()[0]))
		}
	})
}
