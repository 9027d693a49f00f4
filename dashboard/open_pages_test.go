package dashboard_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/receive"
)

// A server waits for its requests when it stops. Pages that are open do not hold it up.
func TestOpenPagesEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(t, receive.Serve(ctx, listener, s.pages)) }) // it waits 10 s
	running.Go(func() { assert.NoError(t, s.pages.Run(ctx)) })
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String()+"/changes", http.NoBody)
	require.NoError(t, err)
	answer, err := new(http.Client).Do(request)
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	stop()
	running.Wait()
}
