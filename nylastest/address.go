package nylastest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
)

// anyLoopbackPort is where a server listens without [WithAddress].
const anyLoopbackPort = "127.0.0.1:0"

// WithAddress makes the server listen on a host and port of choice, such as "127.0.0.1:6952".
// Without it the server listens on a free port of 127.0.0.1. Port 0 is a free port. The error of
// [Start] matches [syscall.EADDRINUSE] if the port is taken.
//
// [Server.URL] and the tracking URLs have the host as it is given here. In a container, give the
// name by which the other containers know this one, such as "emulator:6952". With no host, or with
// 0.0.0.0, the server listens on all addresses of the machine, and its URLs have 127.0.0.1.
//
// A server whose host is no loopback address delivers to webhooks in private networks too (RFC 1918
// and RFC 4193), but never to public addresses. Anybody who reaches it can load pixels and follow
// links; all the rest needs the API key.
func WithAddress(hostport string) Option {
	return optionFunc(func(c *config) error {
		if _, port, err := net.SplitHostPort(hostport); err != nil || port == "" {
			return fmt.Errorf("nylastest: address %q is not a host and a port, such as 127.0.0.1:6952", hostport)
		}
		c.address = hostport
		return nil
	})
}

// listenTCP listens on the address of the options.
func (s *Server) listenTCP() ([]net.Listener, error) {
	address := cmp.Or(s.config.address, anyLoopbackPort)
	l, err := new(net.ListenConfig).Listen(s.tasks.ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("nylastest: %w", err)
	}
	host, _, _ := net.SplitHostPort(address)           // the option has checked it
	_, port, _ := net.SplitHostPort(l.Addr().String()) // it has one
	s.private = !isLoopbackHost(host)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	s.host = net.JoinHostPort(host, port)
	loopback := dialerTo(net.IP.IsLoopback, errNotLoopback)
	if !s.private {
		s.dialOwn = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return loopback.DialContext(ctx, "tcp", s.host)
		}
		s.transports(loopback.DialContext, loopback.DialContext)
		return []net.Listener{l}, nil
	}
	// The recipients must come from a loopback address to say who they are, so they use a network
	// in memory.
	inside := NewNetwork()
	own, err := inside.Listen(s.host)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	s.dialOwn = func(ctx context.Context, _, _ string) (net.Conn, error) { return inside.DialContext(ctx, "", s.host) }
	near := dialerTo(func(ip net.IP) bool { return ip.IsLoopback() || ip.IsPrivate() }, errNotNear)
	s.transports(loopback.DialContext, near.DialContext)
	return []net.Listener{l, own}, nil
}

// hosts returns the hosts that tracking URLs have, those of earlier starts included.
func (s *Server) hosts() []string {
	hosts := slices.Clone(s.earlier)
	if !slices.Contains(hosts, s.host) {
		hosts = append(hosts, s.host)
	}
	return hosts
}

var (
	errNotLoopback = errors.New("only loopback addresses are reached")
	errNotNear     = errors.New("only loopback addresses and private networks are reached")
)

// dialerTo reaches the addresses that match and nothing else, whatever a name resolves to.
func dialerTo(matches func(net.IP) bool, refusal error) *net.Dialer {
	return &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return err
		}
		if ip := net.ParseIP(host); ip == nil || !matches(ip) {
			return refusal
		}
		return nil
	}}
}
