package page_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/nylastrack/nylas-go/internal/page"
)

func TestLocalOnly(t *testing.T) {
	t.Parallel()
	handler := page.LocalOnly(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }), "mail.acme.dev:81")
	for host, want := range map[string]int{
		"mail.acme.dev:81": http.StatusTeapot, "localhost": http.StatusTeapot, "LOCALHOST:8080": http.StatusTeapot, "mail.localhost:80": http.StatusTeapot,
		"127.0.0.1:9000": http.StatusTeapot, "[::1]:80": http.StatusTeapot, "[::1]": http.StatusTeapot, "127.9.9.9": http.StatusTeapot,
		"mail.acme.dev": http.StatusMisdirectedRequest, "evil.dev": http.StatusMisdirectedRequest, "evil.dev:80": http.StatusMisdirectedRequest,
		"localhost.evil.dev": http.StatusMisdirectedRequest, "192.0.2.1": http.StatusMisdirectedRequest, "": http.StatusMisdirectedRequest,
		"localhost:80;script-src": http.StatusMisdirectedRequest, "a'b.localhost": http.StatusMisdirectedRequest,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		assert.Equal(t, want, w.Code, host)
		if want != http.StatusTeapot {
			assert.Contains(t, w.Body.String(), "localhost and mail.acme.dev:81")
		}
	}
}
