package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// The limits of the server of the pages. It has no WriteTimeout, because the stream of events
// of a page lasts as long as somebody looks at it, and no ReadTimeout, because package
// dashboard limits how long a form may take to arrive.
const (
	pagesHeaderTimeout = 10 * time.Second // a browser sends its header at once, also over a slow line
	pagesIdleTimeout   = 2 * time.Minute  // between two looks, so that the second one needs no new connection
	pagesHeaderBytes   = 64 << 10         // the cookies of other programs on localhost come along
	pagesShutdown      = 10 * time.Second // for a message that is being sent
)

// servePages serves the pages until ctx ends, and then finishes what is being answered.
func servePages(ctx context.Context, listener net.Listener, pages http.Handler) error {
	server := &http.Server{
		Handler: pages, ReadHeaderTimeout: pagesHeaderTimeout, IdleTimeout: pagesIdleTimeout, MaxHeaderBytes: pagesHeaderBytes,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return errors.Join(err, server.Close())
	case <-ctx.Done():
	}
	waiting, cancel := context.WithTimeout(context.WithoutCancel(ctx), pagesShutdown)
	defer cancel()
	err := server.Shutdown(waiting)
	if err != nil {
		err = errors.Join(err, server.Close())
	}
	<-served //nolint:errcheck // it says that the server was shut down
	return err
}
