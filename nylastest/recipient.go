package nylastest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
)

// defaultUserAgent is that of a desktop browser.
const defaultUserAgent = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/117.0.0.0 Safari/537.36"

// Recipient is somebody who received a message, and acts over HTTP on the pixel
// and the links in its body. The With methods return changed copies, so one
// recipient can act from several places.
type Recipient struct {
	server    *Server
	message   Message
	userAgent string
	ip        string
	at        time.Time // zero: now
	asSender  bool
	behaviour Behaviour
	email     string // empty for the first one in To
}

// Recipient returns somebody who received the message with this id. It is an
// error if no such message was sent, or if it was rejected.
func (s *Server) Recipient(messageID string) (*Recipient, error) {
	message, ok := s.mailbox.get(messageID)
	if !ok {
		return nil, fmt.Errorf("nylastest: no message %q was sent", messageID)
	}
	if message.rejected() && s.covers(&message) {
		return nil, fmt.Errorf("nylastest: message %q was rejected: nobody received it", messageID)
	}
	return &Recipient{server: s, message: message, userAgent: defaultUserAgent}, nil
}

// WithUserAgent returns a recipient whose mail client or browser calls itself so.
func (r *Recipient) WithUserAgent(userAgent string) *Recipient {
	c := *r
	c.userAgent = userAgent
	return &c
}

// WithIP returns a recipient who acts from an address such as "66.102.7.162".
// Without it the address is that of the connection, a loopback address.
func (r *Recipient) WithIP(ip string) *Recipient {
	c := *r
	c.ip = ip
	return &c
}

// WithTime returns a recipient whose acts bear this time instead of the current one.
// [Server.ReceiveAtOnce] does so with what takes hours.
func (r *Recipient) WithTime(at time.Time) *Recipient {
	c := *r
	c.at = at
	return &c
}

// AsSender returns the sender, who finds the message among the sent mail. Replies
// then have from_self set; opens and clicks look like anybody's.
func (r *Recipient) AsSender() *Recipient {
	c := *r
	c.asSender = true
	return &c
}

// Open loads the images of the message, which is one open. It is an error if the
// body has no pixel, because opens are not tracked or it is plain text.
func (r *Recipient) Open(ctx context.Context) error {
	pixelURL := r.message.PixelURL
	if images, _ := seen(r.message.Body); pixelURL == "" || !slices.Contains(images, pixelURL) {
		return fmt.Errorf("nylastest: open message %s: no pixel in the body", r.message.ID)
	}
	visitor, err := r.acting(kindOpen)
	if err == nil {
		_, err = visitor.do(ctx, http.MethodGet, pixelURL, nil, http.StatusOK)
	}
	if err != nil {
		return fmt.Errorf("nylastest: open message %s: %w", r.message.ID, err)
	}
	return nil
}

// Click follows a tracked link, the first one being 0, and returns where it leads,
// without going there. It is an error if there are fewer links.
func (r *Recipient) Click(ctx context.Context, index int) (location string, err error) {
	_, anchors := seen(r.message.Body)
	links := slices.DeleteFunc(anchors, func(href string) bool {
		return !slices.ContainsFunc(r.message.Links, func(l Link) bool { return l.TrackedURL == href })
	})
	if index < 0 || index >= len(links) {
		return "", fmt.Errorf("nylastest: click in message %s: no link with index %d, the body has %s", r.message.ID, index, counted(len(links), "tracked link"))
	}
	var answer *response
	visitor, err := r.acting(kindClick)
	if err == nil {
		answer, err = visitor.do(ctx, http.MethodGet, links[index], nil, http.StatusFound)
	}
	if err != nil {
		return "", fmt.Errorf("nylastest: click in message %s: %w", r.message.ID, err)
	}
	return answer.header.Get("Location"), nil
}

// Reply answers the message and returns the id of the reply. A thread.replied
// notification follows if the thread has a message with reply tracking.
func (r *Recipient) Reply(ctx context.Context) (messageID string, err error) {
	return r.ReplyTo(ctx, r.message.ID)
}

// ReplyTo is Reply to a later message of the same thread: a follow-up of the
// sender, or another reply.
func (r *Recipient) ReplyTo(ctx context.Context, repliedID string) (messageID string, err error) {
	return r.reply(ctx, repliedID, replyRequest{FromSelf: r.asSender})
}

// AutoReply is Reply by a machine that says so, such as an out-of-office answer:
// the reply has the header Auto-Submitted: auto-replied. It is notified like any
// other, because thread.replied looks at threads and not at headers.
//
// https://datatracker.ietf.org/doc/html/rfc3834#section-5
func (r *Recipient) AutoReply(ctx context.Context) (messageID string, err error) {
	return r.reply(ctx, r.message.ID, replyRequest{FromSelf: r.asSender, Automatic: true})
}

func (r *Recipient) reply(ctx context.Context, repliedID string, request replyRequest) (messageID string, err error) {
	if r.message.GrantID == "" {
		return "", fmt.Errorf("nylastest: reply to message %s: it was sent from a domain, so replies come to no mailbox here", repliedID)
	}
	url := r.server.URL() + "/nylastest/grants/" + r.message.GrantID + "/messages/" + repliedID + "/replies"
	body, err := jsonv2.Marshal(request)
	if err != nil {
		return "", fmt.Errorf("nylastest: reply to message %s: %w", repliedID, err)
	}
	answer, err := r.do(ctx, http.MethodPost, url, body, http.StatusOK)
	if err != nil {
		return "", fmt.Errorf("nylastest: reply to message %s: %w", repliedID, err)
	}
	var reply struct {
		Data replyAnswer `json:"data"`
	}
	if err := jsonv2.Unmarshal(answer.body, &reply); err != nil {
		return "", fmt.Errorf("nylastest: reply to message %s: %w", repliedID, err)
	}
	return reply.Data.ID, nil
}

// do makes one request as the recipient. Another status than the wanted one is an
// error.
func (r *Recipient) do(ctx context.Context, method, url string, body []byte, want int) (*response, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, withoutURL(err)
	}
	request.Header.Set("User-Agent", r.userAgent)
	if r.ip != "" {
		addr, err := netip.ParseAddr(r.ip)
		if err != nil {
			return nil, errors.New("the address of the recipient is not an IP address")
		}
		request.Header.Set(forwardedHeader, addr.String())
	}
	if !r.at.IsZero() {
		request.Header.Set(timeHeader, r.at.Format(time.RFC3339Nano))
	}
	if body != nil {
		request.Header.Set("Authorization", "Bearer "+r.server.apiKey)
		request.Header.Set("Content-Type", "application/json")
	}
	client := r.server.HTTPClient()
	client.CheckRedirect = noRedirect
	answer, err := client.Do(request)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer func() { _ = answer.Body.Close() }() // nothing more is read from it
	content, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != want {
		err = fmt.Errorf("status %d", answer.StatusCode)
	}
	return &response{status: answer.StatusCode, header: answer.Header, body: content}, err
}

// replyRequest is the body of the emulator's own endpoint, by which programs in
// other languages can reply: POST, with the API key,
// /nylastest/grants/{grant}/messages/{id of the message replied to}/replies.
type replyRequest struct {
	FromSelf  bool `json:"from_self"`
	Automatic bool `json:"automatic"`
}

type replyAnswer struct {
	ID       string `json:"id"`
	ThreadID string `json:"thread_id"`
}

func (s *Server) serveReply(c *call) *response {
	grant, ok := s.grants.find(c.PathValue("grant"))
	if !ok {
		return errorResponse(http.StatusNotFound, typeNotFound, "grant not found")
	}
	var request replyRequest
	if len(strings.TrimSpace(string(c.body))) > 0 {
		if refusal := c.decode(c.body, &request); refusal != nil {
			return refusal
		}
	}
	v, refusal := visitOf(c.Request)
	if refusal != nil {
		return refusal
	}
	id, threadID, notification, ok := s.mailbox.reply(grant, c.PathValue("message"), request, v.at)
	if !ok {
		return errorResponse(http.StatusNotFound, typeNotFound, "message not found")
	}
	s.record.happened(Event{At: v.at, Kind: kindReply, MessageID: c.PathValue("message"), LinkIndex: -1, ReplyID: id})
	s.notifyFound(notification)
	return dataResponse(replyAnswer{id, threadID})
}
