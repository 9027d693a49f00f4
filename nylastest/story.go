package nylastest

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"
)

// story makes up what a behaviour does with a message. Without a seed it takes the first of
// what there is to choose from.
type story struct {
	seed    uint64
	random  *rand.Rand
	message *Message
	acts    []act
}

func newStory(b Behaviour, m *Message) *story {
	name := fnv.New64a() // so that two behaviours with the same seed do not act in step
	_, _ = name.Write([]byte(b.name))
	return &story{seed: b.seed, random: rand.New(rand.NewPCG(b.seed, name.Sum64())), message: m}
}

// visitor is who or what makes a request.
type visitor struct {
	cause     Cause
	mechanism string
	ip        string
	userAgent string
}

// open loads the pixel, if there is one.
func (s *story) open(after time.Duration, v visitor) {
	if s.message.PixelURL != "" {
		s.add(after, v, Happened{Kind: kindOpen, LinkIndex: -1})
	}
}

// click follows the link with this index.
func (s *story) click(after time.Duration, v visitor, link int) {
	s.add(after, v, Happened{Kind: kindClick, LinkIndex: link})
}

func (s *story) add(after time.Duration, v visitor, h Happened) {
	h.Cause, h.Mechanism, h.IP, h.UserAgent = v.cause, v.mechanism, v.ip, v.userAgent
	s.acts = append(s.acts, act{after, h})
}

// reply answers the message, if its sender has a mailbox.
func (s *story) reply(after time.Duration, cause Cause) {
	if s.message.GrantID == "" {
		return
	}
	mechanism := mechanismReply
	if cause == ByMachine {
		mechanism = mechanismAutoReply
	}
	s.acts = append(s.acts, act{after, Happened{Kind: kindReply, LinkIndex: -1, Cause: cause, Mechanism: mechanism}})
}

// shuffled returns the indexes of all links: in their order, or in any with a seed.
func (s *story) shuffled() []int {
	links := make([]int, len(s.message.Links))
	for i := range links {
		links[i] = i
	}
	if s.seed != 0 {
		s.random.Shuffle(len(links), func(i, j int) { links[i], links[j] = links[j], links[i] })
	}
	return links
}

// chance reports whether something happens that has this probability.
func (s *story) chance(probability float64) bool {
	if s.seed == 0 {
		return probability >= 0.5
	}
	return s.random.Float64() < probability
}

// between returns a time in a range in which short times are as frequent as long ones: from
// 1 to 10 minutes as often as from 10 to 100.
func (s *story) between(least, most time.Duration) time.Duration {
	at := 0.5
	if s.seed != 0 {
		at = s.random.Float64()
	}
	return time.Duration(float64(least) * math.Pow(float64(most)/float64(least), at)).Round(time.Millisecond)
}

// pick chooses one of what is equally likely.
func pick[T any](s *story, choices ...T) T {
	if s.seed == 0 {
		return choices[0]
	}
	return choices[s.random.IntN(len(choices))]
}

// address returns an address of one of these networks.
func (s *story) address(networks []string) string {
	network := netip.MustParsePrefix(pick(s, networks...))
	address := network.Addr().AsSlice()
	for bit := network.Bits(); bit < len(address)*8; bit++ {
		if s.random.IntN(2) == 1 {
			address[bit/8] |= 0x80 >> (bit % 8)
		}
	}
	addr, _ := netip.AddrFromSlice(address) // it has the length of an address
	return addr.String()
}
