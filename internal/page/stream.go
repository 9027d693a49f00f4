package page

import (
	"io"
	"net/http"
	"time"
)

const (
	// streamPause is how long a stream waits after it said that something changed, so
	// that what happens at once is said once.
	streamPause = 100 * time.Millisecond
	// streamHeartbeat is how often a stream says something when nothing changes, so that
	// no proxy takes it for dead: nginx waits a minute.
	// https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_read_timeout
	streamHeartbeat = 30 * time.Second
)

// Stream answers with server-sent events until the request ends: an event "changed" at
// first, and one after each change. changed returns a channel that is closed at the next
// change.
//
// https://html.spec.whatwg.org/multipage/server-sent-events.html
func Stream(w http.ResponseWriter, r *http.Request, changed func() <-chan struct{}) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodHead {
		return
	}
	out := http.NewResponseController(w)
	say := func(text string) bool {
		_, err := io.WriteString(w, text)
		return err == nil && out.Flush() == nil
	}
	heartbeat := time.NewTicker(streamHeartbeat)
	defer heartbeat.Stop()
	for {
		next := changed()
		if !say("event: changed\ndata: 1\n\n") || !wait(r, streamPause) {
			return
		}
		for waiting := true; waiting; {
			select {
			case <-next:
				waiting = false
			case <-heartbeat.C:
				if !say(":\n\n") {
					return
				}
			case <-r.Context().Done():
				return
			}
		}
	}
}

// wait reports false if the request ended before.
func wait(r *http.Request, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
