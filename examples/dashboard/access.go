package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"

	"github.com/nylastrack/nylas-go/dashboard"
)

// minPassword is how many bytes a password must have. Nothing slows down who guesses, so this
// is the least that NIST allows where it is the only factor.
// https://pages.nist.gov/800-63-4/sp800-63b.html#passwordver
const minPassword = 15

// newGuard returns what stands before the pages: the password, or without one a check that
// only this machine asks. It refuses an address that others reach if there is no password.
func newGuard(where net.Addr, password string) (func(http.Handler) http.Handler, error) {
	if password != "" {
		return func(next http.Handler) http.Handler { return withPassword(next, password) }, nil
	}
	if tcp, ok := where.(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		return nil, fmt.Errorf("others can reach %s, and could read the mail and send more: set DASHBOARD_PASSWORD, or use a loopback address such as -addr %s", where, defaultPages)
	}
	return dashboard.LocalOnly, nil
}

// withPassword wants a password by basic authentication, from any user.
func withPassword(next http.Handler, password string) http.Handler {
	want := sha256.Sum256([]byte(password))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, given, _ := r.BasicAuth()
		got := sha256.Sum256([]byte(given)) // so that the time says nothing of the length either
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="Mail", charset="UTF-8"`)
			http.Error(w, "The password is missing or wrong.", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
