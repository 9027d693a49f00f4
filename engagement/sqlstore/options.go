package sqlstore

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"net/netip"
)

// Option changes how a [Store] works.
type Option interface{ apply(*Store) error }

type option func(*Store) error

func (o option) apply(s *Store) error { return o(s) }

// The bits that stay of a truncated address: a network, and no longer a household.
const (
	ipv4Bits = 24
	ipv6Bits = 48
)

// minHashKey is the shortest key of [WithHashedAddresses], in bytes. All addresses of
// IPv4 can be tried within minutes, so the key alone protects them: 128 bits.
const minHashKey = 16

// WithoutAddresses stores events without their IP addresses.
func WithoutAddresses() Option {
	return withAddresses(func(netip.Addr) netip.Addr { return netip.Addr{} })
}

// WithTruncatedAddresses stores the network of each IP address instead of the address:
// its first 24 bits for IPv4, its first 48 bits for IPv6. The others are 0.
func WithTruncatedAddresses() Option {
	return withAddresses(func(ip netip.Addr) netip.Addr {
		bits := ipv6Bits
		if ip.Is4() {
			bits = ipv4Bits
		}
		network, err := ip.Prefix(bits)
		if err != nil {
			return netip.Addr{}
		}
		return network.Addr()
	})
}

// discard is a prefix that no host has: https://www.rfc-editor.org/rfc/rfc6666.
var discard = [8]byte{0x01}

// WithHashedAddresses stores a keyed hash (HMAC-SHA256) instead of each IP address: two
// events with the same hash came from the same address. A hash is 64 bits long and looks
// like an address in 100::/64, which belongs to nobody.
//
// The key has at least 16 bytes. Keep it apart from the database, because whoever has both
// can find the addresses. See the package documentation for what fingerprints give away.
func WithHashedAddresses(key []byte) Option {
	if len(key) < minHashKey {
		return option(func(*Store) error {
			return errors.New("the key of WithHashedAddresses needs at least 16 bytes: make one with crypto/rand")
		})
	}
	key = bytes.Clone(key)
	return withAddresses(func(ip netip.Addr) netip.Addr {
		mac := hmac.New(sha256.New, key)
		plain := ip.As16()
		mac.Write(plain[:])
		var hashed [16]byte
		copy(hashed[:], discard[:])
		copy(hashed[len(discard):], mac.Sum(nil))
		return netip.AddrFrom16(hashed)
	})
}

func withAddresses(minimize func(netip.Addr) netip.Addr) Option {
	return option(func(s *Store) error {
		if s.minimize != nil {
			return errors.New("two options say how addresses are stored: give one")
		}
		s.minimize = minimize
		return nil
	})
}

// address is what is stored of an event's address.
func (s *Store) address(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	if ip.IsValid() && s.minimize != nil {
		ip = s.minimize(ip)
	}
	if !ip.IsValid() {
		return ""
	}
	return ip.String()
}
