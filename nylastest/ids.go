package nylastest

import (
	crand "crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// WithSeed makes a run repeatable. A server with the same seed that does the same makes the
// same ids, tokens and secrets, and the same chances of a [Fault] and a [DeliveryFault] come
// about. Without the option the seed is random; [Server.Seed] and [Server.History] tell it.
//
// What is decided about a notification depends on its message, its trigger and how many of
// them came before, not on which goroutine ran first. Only request ids and the values of
// challenges differ from run to run. The API key follows from the seed: do not serve an
// emulator with a known seed where strangers reach it.
func WithSeed(seed uint64) Option {
	return optionFunc(func(c *config) error {
		c.seed = seed
		return nil
	})
}

// Seed is the seed of the server, for [WithSeed] when a failing run is repeated.
func (s *Server) Seed() uint64 { return s.config.seed }

// newSeed returns a random seed.
func newSeed() uint64 { return rand.Uint64() }

// ids makes what is random in a server, from its seed.
type ids struct {
	seed uint64

	mu   sync.Mutex
	made map[digest]uint64 // how often each key was asked for
}

type digest [16]byte

// restart makes other ids than those of the servers that ran before on the same state.
func (g *ids) restart(starts int) {
	sum := digestOf(g.seed, []string{"start", strconv.Itoa(starts)})
	g.seed = binary.LittleEndian.Uint64(sum[:])
}

func newIDs(seed uint64) *ids { return &ids{seed: seed, made: make(map[digest]uint64)} }

// digestOf mixes a seed and a key.
func digestOf(seed uint64, key []string) [sha256.Size]byte {
	hash := sha256.New()
	_ = binary.Write(hash, binary.LittleEndian, seed) // a hash takes everything
	for _, part := range key {
		_ = binary.Write(hash, binary.LittleEndian, uint64(len(part)))
		_, _ = io.WriteString(hash, part)
	}
	return [sha256.Size]byte(hash.Sum(nil))
}

// source returns the random bytes for the next thing of this key. Whatever else is made
// at the same time has another key, so it changes nothing.
func (g *ids) source(key ...string) io.Reader {
	sum := digestOf(g.seed, key)
	short := digest(sum[:len(digest{})])
	g.mu.Lock()
	count := g.made[short]
	g.made[short]++
	g.mu.Unlock()
	binary.LittleEndian.PutUint64(sum[:8], binary.LittleEndian.Uint64(sum[:8])+count)
	return rand.NewChaCha8(sum)
}

// chance reports whether something of this probability comes about for a key.
func (g *ids) chance(probability float64, key ...string) bool {
	return rand.New(rand.NewChaCha8(digestOf(g.seed, key))).Float64() < probability
}

func (g *ids) uuid(key ...string) string      { return uuidFrom(g.source(key...)) }
func (g *ids) messageID(key ...string) string { return hexFrom(g.source(key...), messageIDBytes) }
func (g *ids) token(key ...string) string     { return hexFrom(g.source(key...), tokenBytes) }
func (g *ids) webhookID(key ...string) string { return textFrom(g.source(key...), webhookIDLength) }
func (g *ids) activityID(key ...string) string {
	return hexFrom(g.source(key...), sha256.Size)
}

// apiKey has the form of the keys of Nylas.
func (g *ids) apiKey() string { return "nyk_v0_" + textFrom(g.source("api key"), 48) }

// secret has the form of the webhook secrets in Nylas' pages.
func (g *ids) secret(webhookID string) string {
	r := g.source("secret", webhookID)
	return textFrom(r, 6) + "-" + textFrom(r, 13)
}

// name gives a notification its id. Mock notifications have theirs.
func (g *ids) name(n *events.Notification) {
	if n.ID == "" {
		n.ID = textFrom(g.source(append([]string{"notification"}, subjectOf(n)...)...), notificationIDLength) + timeSuffix(n.Time.Time)
	}
}

// subjectOf is what a notification is about, in a form that does not depend on the time.
func subjectOf(n *events.Notification) []string {
	subject := []string{string(n.Type), n.GrantID}
	for _, tracked := range n.Tracked() {
		subject = append(subject, tracked.MessageID, tracked.ThreadID)
	}
	return subject
}

// content identifies what a message says, so that the ids of messages that are sent at the
// same time do not depend on which is first.
func (m *Message) content() string {
	hash := sha256.New()
	for _, part := range []string{m.GrantID, m.Domain, m.Subject, m.OriginalBody, m.ReplyToMessageID, string(m.raw)} {
		_ = binary.Write(hash, binary.LittleEndian, uint64(len(part))) // a hash takes everything
		_, _ = io.WriteString(hash, part)
	}
	for _, address := range m.recipients() {
		_, _ = io.WriteString(hash, string(address)+"\n")
	}
	return string(hash.Sum(nil))
}

const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// The lengths of ids.
const (
	messageIDBytes       = 8  // Gmail's ids of messages and threads
	tokenBytes           = 16 // the ids in Nylas' tracking URLs
	webhookIDLength      = 26
	notificationIDLength = 20 // without the digits at the end
)

// textFrom makes n letters and digits out of random bytes.
func textFrom(r io.Reader, n int) string {
	const fair = 256 - 256%len(alphanumeric) // bytes from here on would favour the first letters
	text := make([]byte, 0, n)
	var chunk [64]byte
	for {
		_, _ = r.Read(chunk[:]) // sources of random bytes never fail
		for _, b := range chunk {
			if len(text) == n {
				return string(text)
			}
			if int(b) < fair {
				text = append(text, alphanumeric[int(b)%len(alphanumeric)])
			}
		}
	}
}

func hexFrom(r io.Reader, n int) string {
	b := make([]byte, n)
	_, _ = r.Read(b) // sources of random bytes never fail
	return hex.EncodeToString(b)
}

func uuidFrom(r io.Reader) string {
	var b [16]byte
	_, _ = r.Read(b[:]) // sources of random bytes never fail
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// timeSuffix is the last six digits of the time, in which Nylas' notification ids end.
func timeSuffix(t time.Time) string { return fmt.Sprintf("%06d", t.Unix()%1e6) }

// randomHex returns n random bytes in hex.
func randomHex(n int) string { return hexFrom(crand.Reader, n) }

// newUUID returns a random UUID, for what no seed repeats: request ids and challenges.
func newUUID() string { return uuidFrom(crand.Reader) }

// attachmentID names an attachment of a message the same way each time.
func attachmentID(messageID string, index int) string { return fmt.Sprintf("%s-%d", messageID, index) }
