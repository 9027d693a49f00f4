package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/nylastrack/nylas-go"
)

const (
	subject = "Livecheck of email tracking"
	// markKey is one of the five keys of metadata that can be searched for.
	// https://developer.nylas.com/docs/dev-guide/metadata/
	markKey = "key1"
	// lookAfter is outbox's default: how long it waits before it looks for a message.
	lookAfter = 5 * time.Minute
)

// The links of the message. Nobody follows the tracked ones to their targets. None leads to
// example.com, because Nylas rejects it.
const (
	linkFirst    = "first"
	linkSecond   = "second"
	linkHTTP     = "http"
	linkMailto   = "mailto"
	linkLetters  = "letters"
	linkNoscript = "noscript"
)

var targets = []struct{ name, target string }{
	{linkFirst, "https://developer.nylas.com/docs/v3/email/?livecheck=1"},
	{linkSecond, "https://developer.nylas.com/docs/v3/notifications/?livecheck=2"},
	{linkHTTP, "http://developer.nylas.com/?livecheck=3"},
	{linkMailto, "mailto:?subject=livecheck"},
	{linkLetters, "https://developer.nylas.com/docs/größe"},
	{linkNoscript, "https://developer.nylas.com/?livecheck=4"},
}

// mail is the tracked message.
type mail struct {
	id       string
	answered string            // the body in the answer to the send
	copy     string            // the body in the mailbox
	links    map[string]string // the targets in copy, by name
	pixel    string            // empty if there is none in copy
}

const (
	beginning = "This is a test of email tracking."
	end       = "Nobody needs to do anything with it."
)

// body has the links, each with its name as the text.
func body() string {
	var b strings.Builder
	b.WriteString("<p>" + beginning + "</p>\n")
	for _, l := range targets {
		anchor := `<a href="` + l.target + `">` + l.name + `</a>`
		if l.name == linkNoscript {
			anchor = "<noscript>" + anchor + "</noscript>"
		}
		b.WriteString("<p>" + anchor + "</p>\n")
	}
	return b.String() + "<p>" + end + "</p>"
}

// Mail servers write tags in their own way, but the texts of body stay.
var (
	anchorOf = regexp.MustCompile(`(?is)<a\s[^>]*href\s*=\s*["']([^"']*)["'][^>]*>\s*([a-z]+)\s*</a>`)
	imageOf  = regexp.MustCompile(`(?is)<img\s[^>]*src\s*=\s*["']([^"']*)["'][^>]*>`)
)

// find returns the links and the first image of a body.
func find(body string) (links map[string]string, image string) {
	links = map[string]string{}
	for _, match := range anchorOf.FindAllStringSubmatch(body, -1) {
		links[match[2]] = html.UnescapeString(match[1])
	}
	if match := imageOf.FindStringSubmatch(body); match != nil {
		image = html.UnescapeString(match[1])
	}
	return links, image
}

// request is a message of this run.
func (s *session) request() *nylas.SendMessageRequest {
	return &nylas.SendMessageRequest{
		To: []nylas.Participant{{Email: s.to}}, Subject: subject, Body: body(),
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true, Label: s.label},
	}
}

func findSent(ctx context.Context, s *session) (answer, error) {
	var response nylas.Response
	sent, err := s.client.Messages.Send(ctx, s.grantID, s.request(), nylas.WithMark(markKey), nylas.WithResponse(&response))
	if err != nil {
		return answer{}, err
	}
	m := &mail{id: sent.ID, answered: sent.Body}
	s.hide(sent.ID, sent.ThreadID, response.Mark)
	took, ok, err := s.until(ctx, func() (bool, error) {
		found, err := s.client.Messages.FindSent(ctx, s.grantID, response.Mark)
		return len(found) > 0, err
	})
	if err != nil {
		return answer{}, err
	}
	// Its copy is of use too if the search does not find it.
	stored, err := s.client.Messages.Get(ctx, s.grantID, sent.ID)
	if err != nil {
		return answer{}, err
	}
	m.copy = stored.Body
	m.links, m.pixel = find(stored.Body)
	s.mail = m
	if !ok {
		return answer{text: fmt.Sprintf("not within %v", took.Round(time.Second)), agrees: false, evidence: "the request for its id finds it"}, nil
	}
	return answer{text: fmt.Sprintf("after %v", took.Round(time.Second)), agrees: took <= lookAfter}, nil
}

func sendBody(_ context.Context, s *session) (answer, error) {
	if s.mail.answered == "" {
		return answer{text: "it has no body"}, nil
	}
	links, pixel := find(s.mail.answered)
	tracked := isTracked(links, linkFirst) || pixel != ""
	return answer{text: yesNo(tracked), agrees: !tracked}, nil
}

func ownCopy(_ context.Context, s *session) (answer, error) {
	pixel, links := s.mail.pixel != "", isTracked(s.mail.links, linkFirst)
	return answer{
		text: fmt.Sprintf("the pixel: %s; the links: %s", yesNo(pixel), yesNo(links)), agrees: pixel && links,
		evidence: fmt.Sprintf("pixel %s; link %s", shape(s.mail.pixel), shape(s.mail.links[linkFirst])),
	}, nil
}

var errNoPixel = errors.New("the sender's copy has no pixel")

func stripPixel(_ context.Context, s *session) (answer, error) {
	if s.mail.pixel == "" {
		return answer{}, errNoPixel
	}
	_, left := find(nylas.StripPixel(s.mail.copy))
	return answer{text: yesNo(left == ""), agrees: left == "", evidence: shape(s.mail.pixel)}, nil
}

func pixelPlace(_ context.Context, s *session) (answer, error) {
	at := imageOf.FindStringIndex(s.mail.copy)
	switch {
	case at == nil:
		return answer{}, errNoPixel
	case at[0] > strings.Index(s.mail.copy, end):
		return answer{text: "at the end", agrees: true}, nil
	case at[0] < strings.Index(s.mail.copy, beginning):
		return answer{text: "at the beginning"}, nil
	default:
		return answer{text: "between the texts"}, nil
	}
}

// linkCheck is the check of one link of the message. The emulator tracks none of them.
func linkCheck(name, question, link, code string) check {
	return check{
		name: name, kind: reads, mail: true, question: question, ours: yesNo(false), code: code,
		run: func(_ context.Context, s *session) (answer, error) {
			if _, ok := s.mail.links[link]; !ok || !isTracked(s.mail.links, linkFirst) {
				return answer{}, errors.New("the sender's copy does not show it")
			}
			tracked := isTracked(s.mail.links, link)
			return answer{text: yesNo(tracked), agrees: !tracked}, nil
		},
	}
}

// isTracked reports whether a link leads elsewhere than it was written, to another host.
func isTracked(links map[string]string, name string) bool {
	for _, l := range targets {
		if l.name == name {
			was, err1 := url.Parse(l.target)
			now, err2 := url.Parse(links[name])
			return err1 == nil && err2 == nil && now.Host != "" && now.Host != was.Host
		}
	}
	return false
}

// shape is a URL without what it names: its host, and how long each part of the path is that is
// not a word.
func shape(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return "none"
	}
	parts := strings.Split(u.Path, "/")
	for i, part := range parts {
		if len(part) > len("nylastest") || strings.ContainsAny(part, "0123456789") {
			parts[i] = fmt.Sprintf("<%d characters>", len(part))
		}
	}
	text := u.Scheme + "://" + u.Host + strings.Join(parts, "/")
	if u.RawQuery != "" {
		text += "?…"
	}
	return text
}

// load requests a pixel or a tracked link as a mail client and a browser do.
func (s *session) load(ctx context.Context, address, agent string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return errors.New("an address in the sender's copy cannot be read")
	}
	request.Header.Set("User-Agent", agent)
	answer, err := s.visitor.Do(request)
	if err != nil {
		return errors.New("nothing answers at the tracking host")
	}
	_ = answer.Body.Close()
	if answer.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("the tracking host answers %d", answer.StatusCode)
	}
	return nil
}
