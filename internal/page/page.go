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

//go:embed layout.html
var layoutFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// layout is the frame of every page. Parse errors are found by any test.
var layout = template.Must(template.New("layout").ParseFS(layoutFiles, "layout.html"))

// Page is what the layout shows.
type Page struct {
	Title  string
	Assets string // the path under which Assets are served, with a slash at its end
	Home   string // where the name of the page leads to
	Stream string // the path of a [Stream] that tells when to look again, or empty
	// Content is handed to the template "main".
	Content any
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

// Assets serves the style, the script and the icon of the layout, under page.css, page.js
// and icon.svg.
func Assets() http.Handler {
	files, err := fs.Sub(assetFiles, "assets")
	if err != nil {
		panic(err) // the name is valid
	}
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "" { // a list of the files is of no use
			http.NotFound(w, r)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		server.ServeHTTP(w, r)
	})
}
