package receive

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/nylastrack/nylas-go/internal/guard"
)

// The limits of [Serve]. Nylas gives up on a delivery after 10 s, of which a Receiver takes
// at most 6 s.
const (
	readHeaderTimeout = 2 * time.Second
	readTimeout       = 5 * time.Second // of other handlers; a Receiver has its own limit
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 16 << 10
	// shutdownTimeout is more than a delivery can take that has just connected: 2 s for
	// its header and 6 s in the Receiver.
	shutdownTimeout = 10 * time.Second
)

// Serve serves handler on listener until ctx ends. Then it accepts nothing more, waits for
// the requests that are being handled, at most 10 s, and returns nil. Nylas sends again what
// was not accepted. Close the store behind a [Receiver] only after Serve has returned.
//
// It limits what a Receiver cannot: a client that sends its header slowly, or nothing at
// all, would keep its connection for ever. In an http.Server of your own, set the same:
//
//	ReadHeaderTimeout  2 s, which with the 6 s of a Receiver is within the 10 s of Nylas
//	ReadTimeout        5 s, for other handlers
//	IdleTimeout        2 min
//	MaxHeaderBytes     16 kB
//	WriteTimeout       none, or more than 8 s
//
// The error is that of the listener, or that requests were still running after 10 s; their
// connections are closed then.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	switch {
	case guard.IsNil(listener):
		return errors.New("receive: serve: listener is nil")
	case guard.IsNil(handler):
		return errors.Join(errors.New("receive: serve: handler is nil"), listener.Close())
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("receive: serve: %w", errors.Join(err, server.Close()))
	case <-ctx.Done():
	}
	waiting, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err := server.Shutdown(waiting)
	switch {
	case waiting.Err() != nil && errors.Is(err, waiting.Err()):
		err = fmt.Errorf("receive: serve: requests were still running %v after the end: %w", shutdownTimeout, errors.Join(err, server.Close()))
	case errors.Is(err, net.ErrClosed): // the caller closed it as well
		err = nil
	case err != nil:
		err = fmt.Errorf("receive: serve: close the listener: %w", err)
	}
	<-served //nolint:errcheck // it says that the server was shut down
	return err
}
