package nylastest

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// transparentGIF is an image of 1 by 1.
const transparentGIF = "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01D\x00;"

// actingHeader lets a recipient of this server say from which address it acts:
// the secret of the server, a space and the address. Nobody else knows the
// secret, so nobody else can pretend.
const actingHeader = "X-Nylastest-Acting"

// servePixel counts an open. Only GET counts: a HEAD loads nothing.
func (s *Server) servePixel(c *call) *response {
	token, isGIF := strings.CutSuffix(c.PathValue("name"), ".gif")
	m, known := s.mailbox.byTrackingToken(token)
	if !isGIF || !known || m.PixelURL == "" {
		return cannot(c.Method, c.URL.Path)
	}
	if c.Method == http.MethodGet {
		v := s.visit(c.Request)
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
	m, _ := s.mailbox.byTrackingToken(token)
	index, err := strconv.Atoi(c.PathValue("index"))
	if err != nil || index < 0 || index >= len(m.Links) {
		return cannot(c.Method, c.URL.Path)
	}
	if c.Method == http.MethodGet {
		v := s.visit(c.Request)
		v.link = index
		s.activity.add(activityClicked, m, v)
		s.courier.notify(s.mailbox.click(token, index, v))
	}
	return &response{status: http.StatusFound, header: http.Header{
		"Location":      {m.Links[index].URL},
		"Cache-Control": {"no-store"},
	}}
}

// visit describes who made a request.
func (s *Server) visit(r *http.Request) visit {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		ip = r.RemoteAddr
	}
	if secret, acting, ok := strings.Cut(r.Header.Get(actingHeader), " "); ok &&
		subtle.ConstantTimeCompare([]byte(secret), []byte(s.actingSecret)) == 1 {
		if addr, err := netip.ParseAddr(acting); err == nil {
			ip = addr.String()
		}
	}
	return visit{ip: ip, userAgent: r.UserAgent(), at: time.Now()}
}
