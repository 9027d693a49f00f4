package page

import (
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// LocalOnly refuses requests for foreign hosts: it answers those for a name or an address of
// this machine, such as localhost:8080, and for the own hosts. A page on the Internet may
// make its own name point to 127.0.0.1, and would then be of the same origin as this one in a
// browser: it could read the mail and press the buttons. Only the Host header tells the two
// apart.
func LocalOnly(next http.Handler, own ...string) http.Handler {
	allowed := map[string]bool{}
	for _, host := range own {
		allowed[host] = true
	}
	answers := "this page answers only to " + strings.Join(append([]string{"localhost"}, own...), " and ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allowed[r.Host] && !namesThisMachine(r.Host) {
			http.Error(w, answers, http.StatusMisdirectedRequest)
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
