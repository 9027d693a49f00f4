package dashboard

import (
	"net/http"

	"github.com/nylastrack/nylas-go/internal/page"
)

// LocalOnly returns a handler that answers only requests for this machine by one of its own
// names: localhost, a name below it, or a loopback address. It answers others with status 421.
//
// Wrap the pages in it when a program serves them to one person on one machine. Listening on
// a loopback address is not enough: a page on the Internet can make its own name point to
// 127.0.0.1, and the browser would then let it read the mail.
func LocalOnly(handler http.Handler) http.Handler { return page.LocalOnly(handler) }
