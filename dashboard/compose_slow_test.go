package dashboard_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/dashboard"
	"github.com/nylastrack/nylas-go/nylastest"
)

// A form over a slow line is read, also by a server that gives a request less time. One that
// does not arrive is told so.
func TestSlowForm(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	pages, err := dashboard.New(d.store, dashboard.WithClient(d.client, dashboard.Sender{GrantID: d.nylas.GrantID(), Name: "Lee"}))
	require.NoError(t, err)
	form := d.form().Encode()
	for name, test := range map[string]struct {
		pause time.Duration
		want  int
	}{"slow": {time.Minute, http.StatusOK}, "too slow": {3 * time.Minute, http.StatusRequestTimeout}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				network := nylastest.NewNetwork()
				listener, err := network.Listen("pages.test")
				require.NoError(t, err)
				server := &http.Server{Handler: pages, ReadHeaderTimeout: 2 * time.Second, ReadTimeout: 5 * time.Second}
				served := make(chan error, 1)
				go func() { served <- server.Serve(listener) }()
				conn, err := network.DialContext(t.Context(), "", "pages.test")
				require.NoError(t, err)
				go func() {
					_, _ = fmt.Fprintf(conn, "POST /compose/check HTTP/1.1\r\nHost: pages.test\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", len(form), form[:10])
					<-time.After(test.pause)
					_, _ = io.WriteString(conn, form[10:])
				}()
				start := time.Now()
				answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
				require.NoError(t, err)
				assert.Equal(t, test.want, answer.StatusCode)
				assert.InDelta(t, min(test.pause, 2*time.Minute).Seconds(), time.Since(start).Seconds(), 1)
				require.NoError(t, answer.Body.Close())
				require.NoError(t, conn.Close())
				require.NoError(t, server.Close())
				require.ErrorIs(t, <-served, http.ErrServerClosed)
				<-time.After(test.pause)
			})
		})
	}
}
