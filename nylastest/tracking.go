package nylastest

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// transparentGIF is an image of 1 by 1.
const transparentGIF = "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01D\x00;"

// Whoever asks from this machine may say for whom and when. The first header is what
// reverse proxies set, so that an address survives one in front of the server. The second
// is the emulator's own, with a time in RFC 3339.
const (
	forwardedHeader = "X-Forwarded-For"
	timeHeader      = "X-Nylastest-Time"
)

// servePixel counts an open. Only GET counts: a HEAD loads nothing.
func (s *Server) servePixel(c *call) *response {
	token, isGIF := strings.CutSuffix(c.PathValue("name"), ".gif")
	m, known := s.trackedMessage(token)
	if !isGIF || !known || m.PixelURL == "" {
		return cannot(c.Method, c.URL.Path)
	}
	if c.Method == http.MethodGet {
		v, refusal := visitOf(c.Request)
		if refusal != nil {
			return refusal
		}
		s.record.happened(Event{At: v.at, Kind: kindOpen, MessageID: m.ID, LinkIndex: -1})
		notification := s.mailbox.open(token, v)
		if notification != nil { // the history has what is notified
			s.activity.add(activityOpened, m, v)
		}
		s.courier.notify(notification)
	}
	return &response{status: http.StatusOK, body: []byte(transparentGIF), header: http.Header{
		"Content-Type":  {"image/gif"},
		"Cache-Control": {"no-store"},
	}}
}

// serveLink counts a click and forwards to the link as the sender wrote it.
func (s *Server) serveLink(c *call) *response {
	token := c.PathValue("token")
	m, _ := s.trackedMessage(token)
	index, err := strconv.Atoi(c.PathValue("index"))
	if err != nil || index < 0 || index >= len(m.Links) {
		return cannot(c.Method, c.URL.Path)
	}
	if c.Method == http.MethodGet {
		v, refusal := visitOf(c.Request)
		if refusal != nil {
			return refusal
		}
		v.link = index
		s.record.happened(Event{At: v.at, Kind: kindClick, MessageID: m.ID, LinkIndex: index})
		s.activity.add(activityClicked, m, v)
		s.courier.notify(s.mailbox.click(token, index, v))
	}
	return &response{status: http.StatusFound, header: http.Header{
		"Location":      {m.Links[index].URL},
		"Cache-Control": {"no-store"},
	}}
}

// visitOf describes who made a request, and when.
func visitOf(r *http.Request) (visit, *response) {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		ip = r.RemoteAddr
	}
	agent := r.UserAgent()
	v := visit{ip: ip, userAgent: agent[:min(len(agent), maxUserAgent)], at: time.Now()}
	if peer, err := netip.ParseAddr(ip); err != nil || !peer.Unmap().IsLoopback() {
		return v, nil
	}
	// The last address is the one that the proxy on this machine has seen.
	forwarded := r.Header.Values(forwardedHeader)
	chain := strings.Split(strings.Join(forwarded, ","), ",")
	if addr, err := netip.ParseAddr(strings.TrimSpace(chain[len(chain)-1])); err == nil {
		v.ip = addr.WithZone("").String() // a zone means nothing elsewhere, and may be long
	}
	if claimed := r.Header.Get(timeHeader); claimed != "" {
		at, err := time.Parse(time.RFC3339Nano, claimed)
		if err != nil {
			return v, badRequest(timeHeader + " must be a time in RFC 3339, such as 2026-03-02T15:04:05Z")
		}
		v.at = at
	}
	return v, nil
}
