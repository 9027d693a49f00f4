package engagement

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"hash"
	"math/bits"
	"strings"
)

// contents tells elements apart that have no id. It is kept in a record in place of the
// address and the agent, so it must never change.
func (w *window) contents(e *element) uint64 {
	if w.replyID != "" {
		return hashString(0, w.replyID)
	}
	// Agents repeat, and are by far the longest.
	if w.agentHash == 0 || w.agent != e.agent {
		w.agent, w.agentHash = e.agent, hashString(0, e.agent)
	}
	h := mix(w.agentHash^uint64(e.link), uint64(e.time))
	return hashString(h, sameAddress(e.ip))
}

// sameAddress returns an address in one way of writing it, and other texts as they are.
func sameAddress(ip string) string {
	for i := range len(ip) {
		if ip[i] > '9' { // no IPv4, the usual case
			if a := address(ip); a.IsValid() {
				return a.String()
			}
			break
		}
	}
	return ip
}

// The multipliers of hashString: odd numbers without a pattern, from the digits of the
// square roots of 2 and of 3.
const (
	hashFirst  = 0x6a09e667f3bcc909
	hashSecond = 0xbb67ae8584caa73b
)

// hashString adds a string to a hash, 8 bytes at a time. It is much faster than the hashes
// of the standard library that always give the same result. See BenchmarkApply.
func hashString(h uint64, s string) uint64 {
	h ^= uint64(len(s))
	for ; len(s) >= 8; s = s[8:] {
		h = mix(h, uint64(s[0])|uint64(s[1])<<8|uint64(s[2])<<16|uint64(s[3])<<24|
			uint64(s[4])<<32|uint64(s[5])<<40|uint64(s[6])<<48|uint64(s[7])<<56)
	}
	rest := uint64(0)
	for i := range len(s) {
		rest |= uint64(s[i]) << (8 * i)
	}
	return mix(h, rest)
}

func mix(h, n uint64) uint64 {
	high, low := bits.Mul64(h^hashFirst, n^hashSecond)
	return high ^ low
}

var idEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// idBytes is how much of a SHA-256 an Event.ID has: 128 bits, 26 characters.
const idBytes = 16

// eventID returns the ID of an event.
func (w *window) eventID(f fresh) string {
	e := f.element
	h := sha256.New()
	write(h, w.key.GrantID, w.key.MessageID, w.key.ThreadID, string(w.key.Kind))
	switch {
	case w.replyID != "":
		write(h, "reply", w.replyID)
	case f.byContents:
		write(h, "contents", sameAddress(e.ip), e.agent)
		writeNumbers(h, int64(e.link), e.time, f.equal)
	default:
		write(h, "id")
		writeNumbers(h, int64(e.link), e.id, e.time)
	}
	return idEncoding.EncodeToString(h.Sum(nil)[:idBytes])
}

// write adds strings with their lengths, so that no two lists of strings are alike.
func write(h hash.Hash, parts ...string) {
	for _, part := range parts {
		writeNumbers(h, int64(len(part)))
		h.Write([]byte(part))
	}
}

func writeNumbers(h hash.Hash, numbers ...int64) {
	for _, n := range numbers {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(n)))
	}
}

// own copies a string that shares its memory with the body of a notification.
func own(s string) string { return strings.Clone(s) }
