// Package page is what the pages of this repository share: a layout with its style and
// script, the headers that keep a page apart from everything else, mail shown in a frame,
// and a stream that says when to look again. It needs nothing from elsewhere.
package page

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
)

//go:embed layout.html notice.html
var layoutFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// layout is the frame of every page. Parse errors are found by any test.
var layout = template.Must(template.New("layout").ParseFS(layoutFiles, "layout.html"))

// noticeTemplate shows a Notice.
var noticeTemplate = MustParse(layoutFiles, "notice.html")

// Page is what the layout shows.
type Page struct {
	Title  string
	Brand  string // the name that stands at the top of each page
	Assets string // the path under which Assets are served, with a slash at its end
	Home   string // where Brand leads to
	Stream string // the path of a [Stream] that tells when to look again, or empty
	Nav    []Link // what stands at the top of each page
	// Styles and Scripts are more files under Assets.
	Styles, Scripts []string
	// Content is handed to the template "main".
	Content any
}

// Link is an entry of [Page.Nav].
type Link struct {
	Text, Path string
	Current    bool
}

// MustParse returns the layout with the templates of some files, one of which defines
// "main". Like [template.Must] it panics if they are malformed.
func MustParse(files fs.FS, patterns ...string) *template.Template {
	return template.Must(template.Must(layout.Clone()).ParseFS(files, patterns...))
}

// Write answers with a page, or with status 500 if its template fails.
func Write(w http.ResponseWriter, r *http.Request, t *template.Template, status int, page Page) {
	var out bytes.Buffer
	if err := t.ExecuteTemplate(&out, "layout", page); err != nil {
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	setHeaders(w.Header(), pagePolicy)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(out.Bytes()) // who asked may be gone
	}
}

// Notice is all that a page says that has nothing else to show.
type Notice struct {
	Title, Text string
	Link, Path  string // where to go instead
}

// WriteNotice answers with a page that says one thing. It is not kept up to date.
func WriteNotice(w http.ResponseWriter, r *http.Request, status int, page Page, notice Notice) {
	page.Title, page.Stream, page.Content = notice.Title, "", notice
	Write(w, r, noticeTemplate, status, page)
}

// Assets serves the style, the script and the icon of the layout, under page.css, page.js
// and icon.svg, and the files of the folder assets of more.
func Assets(more ...fs.FS) http.Handler {
	servers := make(map[string]http.Handler) // by the name of a file
	for _, source := range append([]fs.FS{assetFiles}, more...) {
		files, err := fs.Sub(source, "assets")
		if err != nil {
			panic(err) // the name is valid
		}
		entries, err := fs.ReadDir(files, ".")
		if err != nil {
			panic(err) // a program that embeds no folder of that name
		}
		for _, entry := range entries {
			servers[entry.Name()] = http.FileServerFS(files)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server, ok := servers[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		server.ServeHTTP(w, r)
	})
}
