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
	"net/http"
	"net/url"

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
	own, _ := url.Parse(server.URL()) // it is one
	return page.LocalOnly(http.NewCrossOriginProtection().Handler(mux), own.Host)
}

// page returns what all pages have.
func (h handler) page(title string, content any) page.Page {
	return page.Page{Title: title, Brand: "Nylas emulator", Assets: assetsPath, Home: Path, Stream: streamPath, Content: content}
}

func (h handler) missing(w http.ResponseWriter, r *http.Request) {
	page.WriteNotice(w, r, http.StatusNotFound, h.page("", nil), page.Notice{
		Title: "Not here", Text: "The emulator has no such message. It forgets its mail when it ends.",
		Link: "To the mailbox", Path: Path,
	})
}
