// Package tunnel stands in for a public URL in the tests of the programs: Nylas
// calls the URL, and the program answers on a port that is known only once it
// listens.
package tunnel

import (
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// Start opens a public URL until the test ends. Requests to it wait until lead was
// called with the URL of the program, and are then answered by that.
func Start(tb testing.TB) (public string, lead func(local string)) {
	tb.Helper()
	found := make(chan *url.URL, 1)
	local := sync.OnceValue(func() *url.URL { return <-found })
	server := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(local())
		r.Out.URL.Path = local().Path
	}})
	tb.Cleanup(server.Close)
	return server.URL, func(to string) {
		target, err := url.Parse(to)
		if err != nil {
			tb.Errorf("the program listens at a URL that cannot be parsed: %v", err)
			return
		}
		found <- target
	}
}
