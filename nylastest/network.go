package nylastest

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
)

// Network is a network in memory. Its connections are those of [net.Pipe], so it works in a
// testing/synctest bubble, where sockets do not. Every host on it
// is invented by a call of Listen; hosts that nobody listens on refuse the
// connection.
//
// A Network that is used inside a bubble must be made there.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*listener
	dialed    int
}

// NewNetwork returns a network without hosts.
func NewNetwork() *Network {
	return &Network{listeners: make(map[string]*listener)}
}

// defaultPort is where HTTP is when an address does not say.
const defaultPort = "80"

// Listen makes a host of the given name, with or without a port; port 80 is the
// default, so a listener on "app.test" serves http://app.test. The listener gives
// the name back when it is closed. It is an error to listen twice.
func (n *Network) Listen(host string) (net.Listener, error) {
	addr := canonicalAddr(host)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[addr] != nil {
		return nil, fmt.Errorf("nylastest: listen on %s: %w", addr, syscall.EADDRINUSE)
	}
	l := &listener{network: n, addr: hostAddr(addr), conns: make(chan net.Conn), done: make(chan struct{})}
	n.listeners[addr] = l
	return l, nil
}

// DialContext connects to a listener of the network, for use as
// [net/http.Transport.DialContext]. The first parameter is ignored. The server sees
// the loopback address 127.0.0.1 as its peer.
func (n *Network) DialContext(ctx context.Context, _, addr string) (net.Conn, error) {
	addr = canonicalAddr(addr)
	n.mu.Lock()
	l := n.listeners[addr]
	n.dialed++
	port := 1024 + n.dialed%(1<<16-1024)
	n.mu.Unlock()
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: hostAddr(addr).Network(), Addr: hostAddr(addr), Err: err}
	}
	if l == nil {
		return fail(syscall.ECONNREFUSED)
	}
	client, server := net.Pipe()
	peer := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
	select {
	case l.conns <- conn{server, l.addr, peer}:
		return conn{client, peer, l.addr}, nil
	case <-l.done:
		return fail(syscall.ECONNREFUSED)
	case <-ctx.Done():
		return fail(context.Cause(ctx))
	}
}

func canonicalAddr(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		host, port = strings.Trim(addr, "[]"), defaultPort
	}
	return net.JoinHostPort(normalHostname(host), port)
}

type listener struct {
	network *Network
	addr    hostAddr
	conns   chan net.Conn
	done    chan struct{} // closed by Close
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.network.mu.Lock()
	defer l.network.mu.Unlock()
	if l.network.listeners[string(l.addr)] != l {
		return net.ErrClosed
	}
	delete(l.network.listeners, string(l.addr))
	close(l.done)
	return nil
}

func (l *listener) Addr() net.Addr { return l.addr }

// hostAddr is the address of a listener, a name and a port.
type hostAddr string

// Network returns the name of the network.
func (hostAddr) Network() string { return "pipe" }

// String returns the host and the port.
func (a hostAddr) String() string { return string(a) }

type conn struct {
	net.Conn
	local, remote net.Addr
}

func (c conn) LocalAddr() net.Addr  { return c.local }
func (c conn) RemoteAddr() net.Addr { return c.remote }

// isLoopbackHost tells whether a URL's host names this machine.
func isLoopbackHost(host string) bool {
	host = normalHostname(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
