//go:build unix

package comparison_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
)

// hardSends are the other rows of docs/comparison.md: what happens to the attempts of a
// send.
var hardSends = []struct {
	what  string
	fault nylastest.Fault
	want  string
}{
	{"nothing", nylastest.Fault{}, "1 mail, sent"},
	{"429 with Retry-After, once", nylastest.Fault{Before: nylastest.TooManyRequests(time.Second)}, "1 mail, sent"},
	{"503 of a gateway, once", nylastest.Fault{Before: nylastest.GatewayAnswer(http.StatusServiceUnavailable)}, "1 mail, sent"},
	{"504 after the mail went out, once", nylastest.Fault{After: nylastest.DeadlineAnswer()}, "1 mail, sent"},
	{"the connection breaks after the mail went out, once", nylastest.Fault{After: nylastest.Disconnect()}, "1 mail, sent"},
	{"the connection breaks in the middle of the answer, once", nylastest.Fault{After: nylastest.DisconnectMidBody()}, "1 mail, sent"},
	{"403: the mailbox may not send", nylastest.Fault{Inside: nylastest.QuarantineAnswer()}, "no mail, failed"},
	{"504 to all attempts, while the first one sends", nylastest.Fault{Times: nylastest.Forever, After: nylastest.DeadlineAnswer()}, "1 mail, unknown"},
}

// TestSenders sends through every fault with every sender, and compares what came of it with
// docs/comparison.md: how many mails went out, and what the user was told.
func TestSenders(t *testing.T) {
	t.Parallel()
	cells := make([][]string, len(senderNames))
	var running sync.WaitGroup
	for i, name := range senderNames {
		server := nylastest.NewServer(t)
		p := startSender(t, name, emulatorOf(server))
		running.Go(func() {
			before := 0
			for _, row := range hardSends {
				if row.what != "nothing" {
					row.fault.Endpoint = nylastest.EndpointSend
					if err := server.Inject(row.fault); err != nil {
						t.Error(err)
					}
				}
				told := get(t, p.server.URL()+"/?times=1")
				server.ClearFaults()
				mails := len(server.Messages()) - before
				before += mails
				became := fmt.Sprintf("%d mails, %s", mails, told[0])
				became = strings.NewReplacer("0 mails", "no mail", "1 mails", "1 mail").Replace(became)
				if became != row.want {
					became = "**" + became + "**"
				}
				cells[i] = append(cells[i], became)
				t.Logf("%s: %s: %s", p.name, row.what, became)
			}
		})
	}
	running.Wait()
	require.False(t, t.Failed())
	var b strings.Builder
	b.WriteString("| what happens | this SDK | by hand | Node SDK, with a key and retries | Node SDK alone |\n|---|---|---|---|---|\n")
	for n, row := range hardSends {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", row.what, cells[0][n], cells[1][n], cells[2][n], cells[3][n])
	}
	checkTable(t, "Sends that fail half-way", b.String())
}
