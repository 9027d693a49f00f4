package receive

import (
	"net/http"
	"net/url"
)

// maxChallengeBytes bounds the value that a challenge asks back; Nylas' is a UUID.
const maxChallengeBytes = 1 << 10

// respondToChallenge gives back the value that Nylas asks for when a webhook is
// created or activated.
func respondToChallenge(w http.ResponseWriter, req *http.Request) (status int) {
	// A query that is malformed elsewhere can still hold one challenge.
	query, _ := url.ParseQuery(req.URL.RawQuery)
	challenge := query["challenge"]
	if len(challenge) != 1 || challenge[0] == "" || len(challenge[0]) > maxChallengeBytes {
		return respond(w, http.StatusBadRequest)
	}
	return writeText(w, http.StatusOK, challenge[0])
}
