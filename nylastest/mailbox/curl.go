package mailbox

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"

	"github.com/nylastrack/nylas-go/nylastest"
)

// curl returns a command for a POSIX shell that makes the request of an attempt again: the
// same bytes, because the signature is of these, so the receiver takes it as before. The
// body comes through a pipe: one argument of a program holds 128 kB on Linux.
func curl(a *nylastest.DeliveryAttempt) string {
	body := "printf %s " + quote(string(a.Body))
	if a.Header.Get("Content-Encoding") != "" {
		body = "printf %s " + quote(base64.StdEncoding.EncodeToString(a.Wire)) + " | base64 -d"
	}
	lines := []string{body + " | curl --globoff --request POST"}
	for _, name := range slices.Sorted(maps.Keys(a.Header)) {
		for _, value := range a.Header[name] {
			lines = append(lines, "--header "+quote(name+": "+value))
		}
	}
	lines = append(lines, "--data-binary @-", quote(a.URL))
	return strings.Join(lines, " \\\n  ")
}

// quote returns a word of a POSIX shell that stands for text: nothing has a meaning within
// single quotes, but a single quote.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
