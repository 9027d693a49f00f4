// Package dashboard shows sent mail in a browser, and what became of it: a live list of
// events with who was probably behind each, a page for each message and each campaign, and a
// form that sends a tracked message.
//
//	pages, err := dashboard.New(store, dashboard.WithPath("/mail/"))
//	mux.Handle("/mail/", requireLogin(pages))
//	go pages.Run(ctx)
//
// The store is that of package sqlstore, which [engagement.NewHandler] fills. Several
// processes may show one store.
//
// # Mail
//
// With [WithClient], the page of a message shows its body as Nylas returns it, without the
// pixel and with links that lead to their targets, so that looking does not count. Behind each
// link stands who clicked it, if the links are those that the store knows from
// [sqlstore.Store.SetSent].
//
// The form for a new message shows what package preflight finds while somebody writes, at its
// place in the text. One form sends one mail, however often it is sent, and stores it by
// SetSent. If Nylas does not say whether it sent the mail, the form says so and looks for it by
// a mark in the metadata, under key5. Recipients of one mail cannot be told apart: for one mail
// each, use package outbox.
//
// # Who may look
//
// The pages show mail, addresses and networks, and send mail with [WithClient]. They know no
// users: put your own authentication around them, like requireLogin above. A program for one
// person on one machine listens on a loopback address and wraps them in [LocalOnly].
//
// Serve them by an http.Server with a ReadHeaderTimeout, such as 10 s, and an IdleTimeout, such
// as 2 min, but without a WriteTimeout: the stream of events of an open page lasts as long as
// the page. A form may take 2 min to arrive, whatever the ReadTimeout.
package dashboard

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
	"github.com/nylastrack/nylas-go/internal/page"
)

//go:embed templates
var templateFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// Dashboard is an [http.Handler] that serves the pages. Make one with [New].
type Dashboard struct {
	store      *sqlstore.Store
	ledger     *engagement.Ledger
	classifier *engagement.Classifier
	options
	handler http.Handler
	ended   chan struct{} // closed when Run has ended
	end     func()
}

// New returns the pages of a store. It starts nothing: call [Dashboard.Run] too.
func New(store *sqlstore.Store, opts ...Option) (*Dashboard, error) {
	if store == nil {
		return nil, errors.New("dashboard: the store is nil: give New what sqlstore.New returns")
	}
	ended := make(chan struct{})
	d := &Dashboard{ended: ended, end: sync.OnceFunc(func() { close(ended) }), store: store, ledger: engagement.NewLedger(store), options: defaults()}
	for _, o := range opts {
		if o == nil {
			continue
		}
		if err := o.apply(&d.options); err != nil {
			return nil, fmt.Errorf("dashboard: %w", err)
		}
	}
	if d.classifier = d.options.classifier; d.classifier == nil {
		classifier, err := engagement.NewClassifier()
		if err != nil {
			return nil, fmt.Errorf("dashboard: %w", err)
		}
		d.classifier = classifier
	}
	d.handler = d.routes()
	return d, nil
}

// ServeHTTP answers requests below the path of [WithPath].
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.handler.ServeHTTP(w, r) }

// routes names each page. Paths end here, and their handlers have a file each.
func (d *Dashboard) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+d.at("assets/"), http.StripPrefix(d.at("assets/"), page.Assets(assetFiles)))
	mux.HandleFunc("GET "+d.at("{$}"), d.home)
	mux.HandleFunc("GET "+d.at("changes"), d.changes)
	mux.HandleFunc("GET "+d.at("messages/{grant}/{message}"), d.message)
	mux.HandleFunc("GET "+d.at("messages/{grant}/{message}/body"), d.mailBody)
	mux.HandleFunc("GET "+d.at("threads/{grant}/{thread}"), d.message)
	mux.HandleFunc("GET "+d.at("campaigns"), d.campaigns)
	mux.HandleFunc("GET "+d.at("campaign"), d.campaign)
	mux.HandleFunc("GET "+d.at("messages.csv"), d.messagesCSV)
	mux.HandleFunc("GET "+d.at("events.csv"), d.eventsCSV)
	mux.HandleFunc("GET "+d.at(), d.missing)
	if len(d.senders) > 0 {
		mux.HandleFunc("GET "+d.at("compose"), d.compose)
		mux.HandleFunc("POST "+d.at("compose"), d.send)
		mux.HandleFunc("POST "+d.at("compose/check"), d.check)
		mux.HandleFunc("POST "+d.at("compose/preview"), d.preview)
		mux.HandleFunc("POST "+d.at("compose/find"), d.find)
		mux.Handle("GET "+d.at("compose/"), http.RedirectHandler(d.at("compose"), http.StatusSeeOther))
	}
	return http.NewCrossOriginProtection().Handler(d.parsed(mux))
}

// at returns the path of a page.
func (d *Dashboard) at(below ...string) string { return d.path + strings.Join(below, "/") }

// frame is what surrounds each page.
func (d *Dashboard) frame(r *http.Request, title string, content any) page.Page {
	nav := []page.Link{{Text: "Messages", Path: d.at()}, {Text: "Campaigns", Path: d.at("campaigns")}}
	if len(d.senders) > 0 {
		nav = append(nav, page.Link{Text: "New message", Path: d.at("compose")})
	}
	for i := range nav {
		nav[i].Current = nav[i].Path == r.URL.Path
	}
	return page.Page{
		Title: title, Brand: "Mail", Assets: d.at("assets/"), Home: d.at(), Stream: d.at("changes"), Nav: nav,
		Styles: []string{"dashboard.css"}, Content: content,
	}
}

// write answers with a page.
func (d *Dashboard) write(w http.ResponseWriter, r *http.Request, t *template.Template, title string, content any) {
	page.Write(w, r, t, http.StatusOK, d.frame(r, title, content))
}
