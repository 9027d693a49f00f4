// Package mailbox is a page that shows the mail of an emulator, for looking at what a
// program sends and for playing who receives it: each message as its recipients see it,
// with the real pixel and the real links, buttons for what mailboxes do, and the
// notifications with their deliveries, as they happen.
//
//	server, err := nylastest.Start()
//	…
//	server.Handle(mailbox.Path, mailbox.New(server))
//
// Then open server.URL() + [Path] in a browser. A mail that is shown with its pixel is
// opened, and a link that is followed is clicked, as in any mail client.
package mailbox

import (
	"embed"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/nylastrack/nylas-go/internal/page"
	"github.com/nylastrack/nylas-go/nylastest"
)

// Path is where the page is, as a pattern for [nylastest.Server.Handle].
const Path = "/mailbox/"

const (
	assetsPath   = Path + "assets/"
	streamPath   = Path + "changes"
	messagesPath = Path + "messages/"
)

//go:embed templates
var files embed.FS

var (
	listTemplate    = page.MustParse(files, "templates/shared.html", "templates/list.html")
	messageTemplate = page.MustParse(files, "templates/shared.html", "templates/message.html")
	missingTemplate = page.MustParse(files, "templates/shared.html", "templates/missing.html")
)

// handler serves the pages of one server.
type handler struct{ server *nylastest.Server }

// New returns the page for the mail of server, to be served under [Path]. It needs no key,
// and answers only requests to this machine by one of its names, or to the host of the
// server's URL.
func New(server *nylastest.Server) http.Handler {
	h := handler{server}
	mux := http.NewServeMux()
	mux.Handle("GET "+assetsPath, http.StripPrefix(assetsPath, page.Assets()))
	mux.HandleFunc("GET "+streamPath, func(w http.ResponseWriter, r *http.Request) { page.Stream(w, r, server.Changed) })
	mux.HandleFunc("GET "+Path+"{$}", h.list)
	mux.HandleFunc("GET "+messagesPath+"{message}", h.message)
	mux.HandleFunc("GET "+messagesPath+"{message}/body", h.body)
	mux.HandleFunc("POST "+messagesPath+"{message}/acts", h.act)
	mux.HandleFunc("GET "+Path, h.missing)
	return h.onlyHere(http.NewCrossOriginProtection().Handler(mux))
}

// onlyHere refuses requests for foreign hosts. A page on the Internet may make its own name
// point to 127.0.0.1, and would then be of the same origin as this one in a browser: it
// could read the mail and press the buttons. Only the Host header tells the two apart.
func (h handler) onlyHere(next http.Handler) http.Handler {
	own, _ := url.Parse(h.server.URL()) // it is one
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != own.Host && !namesThisMachine(r.Host) {
			http.Error(w, "the mailbox answers only to localhost and "+own.Host, http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func namesThisMachine(hostport string) bool {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		host, port = strings.Trim(hostport, "[]"), "80"
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return false
	}
	host = strings.ToLower(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return hostname.MatchString(host)
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// hostname is what a host may be that goes into a page or a header.
var hostname = regexp.MustCompile(`^[a-z0-9.-]+$`)

// page returns what all pages have.
func (h handler) page(title string, content any) page.Page {
	return page.Page{Title: title, Assets: assetsPath, Home: Path, Stream: streamPath, Content: content}
}

func (h handler) missing(w http.ResponseWriter, r *http.Request) {
	missing := h.page("Not here", Path)
	missing.Stream = "" // it will not come
	page.Write(w, r, missingTemplate, http.StatusNotFound, missing)
}
