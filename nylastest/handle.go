package nylastest

import (
	"context"
	"embed"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/nylastrack/nylas-go/internal/page"
)

// Handle serves further paths next to the API, such as the page of package
// [github.com/nylastrack/nylas-go/nylastest/mailbox]. The pattern is one of
// [http.ServeMux], and the more specific of two patterns wins, so a pattern such as
// "/mailbox/" changes nothing about the API. Handle panics if the pattern is malformed or
// is one of the API's.
//
// The handler needs no API key, and no fault of [Server.Inject] touches it. Its requests that are
// not GET, HEAD or DELETE are refused with 507 once the server holds too much. The context of
// its requests ends with [Server.Close], which waits until the handler has returned.
func (s *Server) Handle(pattern string, handler http.Handler) {
	s.mux.Handle(pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refusal := s.stored.full(r); refusal != nil {
			refusal.writeTo(w)
			return
		}
		s.stored.add(r, nil, &response{status: http.StatusOK}) // a reply by a button stays, too
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		defer context.AfterFunc(s.tasks.ctx, func() { cancel(ErrClosed) })()
		handler.ServeHTTP(w, r.WithContext(ctx))
	}))
	if strings.HasPrefix(pattern, "/") {
		s.handled.add(pattern)
	}
}

// handled are the paths that Handle has added, for the page at /.
type handled struct {
	mu    sync.Mutex
	paths []string
}

func (h *handled) add(path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.paths = append(h.paths, path)
	slices.Sort(h.paths)
}

func (h *handled) list() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.paths)
}

//go:embed index.html
var indexFiles embed.FS

var indexTemplate = page.MustParse(indexFiles, "index.html")

// assetsPath is where the page at / finds its style.
const assetsPath = "/nylastest/assets/"

// handleIndex serves what GET / tells a human.
func (s *Server) handleIndex(mux *http.ServeMux) {
	mux.Handle("GET "+assetsPath, http.StripPrefix(assetsPath, page.Assets()))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		page.Write(w, r, indexTemplate, http.StatusOK, page.Page{
			Title: "Nylas emulator", Brand: "Nylas emulator", Assets: assetsPath, Home: "/",
			Content: map[string]any{"URL": s.URL(), "Messages": len(s.Messages()), "Paths": s.handled.list()},
		})
	})
}
