package nylas

import (
	"io"
	"net/http"
	"net/url"
	"strconv"
)

const (
	// maxChallengeBytes bounds the value that a challenge asks back; Nylas' is a UUID.
	maxChallengeBytes = 1 << 10
	// retryAfterSeconds goes with each 503. Nylas documents to honour it for 429.
	retryAfterSeconds = 10
)

// respondToChallenge gives back the value that Nylas asks for when a webhook is
// created or activated.
func respondToChallenge(w http.ResponseWriter, req *http.Request) {
	// A query that is malformed elsewhere can still hold one challenge.
	query, _ := url.ParseQuery(req.URL.RawQuery)
	challenge := query["challenge"]
	if len(challenge) != 1 || challenge[0] == "" || len(challenge[0]) > maxChallengeBytes {
		respond(w, http.StatusBadRequest)
		return
	}
	writeText(w, http.StatusOK, challenge[0])
}

func respondUnavailable(w http.ResponseWriter) {
	w.Header().Set("Retry-After", strconv.Itoa(retryAfterSeconds))
	respond(w, http.StatusServiceUnavailable)
}

// respond writes a status; what was wrong is for the log, not for the sender.
func respond(w http.ResponseWriter, status int) {
	text := ""
	if status != http.StatusOK {
		text = http.StatusText(status) + "\n"
	}
	writeText(w, status, text)
}

// writeText sets the length itself: Nylas does not accept a chunked answer to
// its challenge.
func writeText(w http.ResponseWriter, status int, text string) {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	// An error means that the sender is gone; the next attempt tells it more.
	_, _ = io.WriteString(w, text)
}
