package nylas

import (
	"fmt"
	"slices"
	"strings"
)

// recipientHeaders have fields of their own, which the checks and a
// [TrackingPolicy] read.
var recipientHeaders = []string{"to", "cc", "bcc"}

// checkHeaders refuses a name or a value with a line break: it would begin another
// header, which could name a recipient whom no policy was asked about.
//
// https://www.rfc-editor.org/rfc/rfc5322#section-2.2
func checkHeaders(op string, headers []Header) error {
	for i, header := range headers {
		switch {
		case header.Name == "" || strings.ContainsFunc(header.Name, notInHeaderName):
			return refuse(op, fmt.Sprintf("CustomHeaders[%d] has a Name that is not printable ASCII without space and colon", i))
		case strings.ContainsAny(header.Value, "\r\n\x00"):
			return refuse(op, fmt.Sprintf("CustomHeaders[%d] has a line break or NUL in its Value: give it in one line", i))
		case slices.Contains(recipientHeaders, strings.ToLower(header.Name)):
			return refuse(op, fmt.Sprintf("CustomHeaders[%d] names recipients: use To, CC and BCC", i))
		}
	}
	return nil
}

func notInHeaderName(r rune) bool { return r <= ' ' || r > '~' || r == ':' }
