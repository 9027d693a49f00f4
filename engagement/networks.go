package engagement

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// What [Classifier.Network] returns besides the names in the rules.
const (
	OwnNetwork   = "own"   // one that WithOwnNetworks named
	OtherNetwork = "other" // an address that is in no list
)

const (
	// maxPrefixes bounds ReadPrefixes. Apple's list had 287,000 rows in July 2026.
	maxPrefixes = 2_000_000
	// maxPrefixLine is the longest line that ReadPrefixes accepts, in bytes.
	maxPrefixLine = 4096
)

// ReadPrefixes reads a list of networks for [WithPrefixes] and [WithOwnNetworks]: one
// prefix or address in a line. It skips empty lines and what follows a #, a comma, a
// semicolon or a space, so it reads Apple's list of egress addresses too. It returns an
// error that names the line if one is no prefix, if one is longer than 4,096 bytes, or
// if there are more than 2,000,000.
//
// https://mask-api.icloud.com/egress-ip-ranges.csv
func ReadPrefixes(r io.Reader) ([]netip.Prefix, error) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 0, maxPrefixLine), maxPrefixLine)
	var prefixes []netip.Prefix
	line := 0
	for scanner.Scan() {
		line++
		text := strings.TrimSpace(strings.TrimPrefix(scanner.Text(), "\ufeff"))
		if end := strings.IndexAny(text, "#,; \t"); end >= 0 {
			text = text[:end]
		}
		if text == "" {
			continue
		}
		prefix, err := parsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("engagement: line %d: %.60q is no network: write it as 192.0.2.0/24 or 2001:db8::/32", line, text)
		}
		if len(prefixes) == maxPrefixes {
			return nil, fmt.Errorf("engagement: line %d: the list has more than %d networks", line, maxPrefixes)
		}
		prefixes = append(prefixes, prefix)
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("engagement: read the networks after line %d: %w", line, err)
	}
	return prefixes, nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix, nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(addr.WithZone(""), addr.BitLen()), nil
}

// table finds the smallest prefix that contains an address.
type table struct{ rows []row }

type row struct {
	prefix netip.Prefix
	value  int // an index of the rules, or below 0 for the own networks
	parent int // the row of the next bigger prefix around this one, or -1
}

const ownValue = -1

// newTable returns a table of rows. Of two rows with the same prefix the first wins.
func newTable(rows []row) table {
	for i := range rows {
		rows[i].prefix = unmapPrefix(rows[i].prefix).Masked()
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		return cmp.Or(a.prefix.Addr().Compare(b.prefix.Addr()), cmp.Compare(a.prefix.Bits(), b.prefix.Bits()))
	})
	rows = slices.CompactFunc(rows, func(a, b row) bool { return a.prefix == b.prefix })
	for i := range rows {
		parent := i - 1
		for parent >= 0 && !rows[parent].prefix.Overlaps(rows[i].prefix) {
			parent = rows[parent].parent
		}
		rows[i].parent = parent
	}
	return table{rows: slices.Clip(rows)}
}

// find returns the value of the smallest prefix around addr.
func (t table) find(addr netip.Addr) (int, bool) {
	// The last prefix that begins at or before the address, or one around that, is it.
	i, found := slices.BinarySearchFunc(t.rows, addr, func(r row, a netip.Addr) int { return r.prefix.Addr().Compare(a) })
	for found && i+1 < len(t.rows) && t.rows[i+1].prefix.Addr() == addr {
		i++
	}
	if !found {
		i--
	}
	for i >= 0 {
		if t.rows[i].prefix.Contains(addr) {
			return t.rows[i].value, true
		}
		i = t.rows[i].parent
	}
	return 0, false
}

// unmapPrefix turns a prefix of IPv4 addresses written as IPv6 into one of IPv4.
func unmapPrefix(p netip.Prefix) netip.Prefix {
	const mapped = 96 // bits of ::ffff:0:0/96, RFC 4291 section 2.5.5.2
	if p.Addr().Is4In6() && p.Bits() >= mapped {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped)
	}
	return p
}

// whole reports whether addr looks like the full address of one host. A store that
// minimises addresses sets the last 8 bits of IPv4 and the last 80 of IPv6 to zero.
func whole(addr netip.Addr) bool {
	if !addr.IsValid() || discard.Contains(addr) {
		return false
	}
	if addr.Is4() {
		return addr.As4()[3] != 0
	}
	bytes := addr.As16()
	for _, b := range bytes[6:] {
		if b != 0 {
			return true
		}
	}
	return false
}

// discard has addresses that nobody has. A store may keep hashes in it.
//
// https://www.rfc-editor.org/rfc/rfc6666
var discard = netip.MustParsePrefix("100::/64")

// sameNetwork reports whether two addresses are near each other: in one /24 of IPv4, or
// in one /48 of IPv6.
func sameNetwork(a, b netip.Addr) bool {
	if discard.Contains(a) {
		return a == b
	}
	bits := 48
	if a.Is4() {
		bits = 24
	}
	prefix, err := a.Prefix(bits)
	return err == nil && prefix.Contains(b)
}
