package nylastest

import (
	"strings"
	"sync"
)

// The mailbox of the grant that every server has.
const (
	defaultSenderName  = "Sender"
	defaultSenderEmail = "sender@nylas.test"
)

// grant is a connected mailbox.
type grant struct {
	id, name, email string
	agent           bool // an Agent Account
}

type grants struct {
	mu   sync.Mutex
	list []grant
}

func (g *grants) add(added grant) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.list = append(g.list, added)
}

// find takes what the path of an API request may name a grant by: its id, its
// address, or either with its kind in front. External ids are not emulated.
func (g *grants) find(name string) (grant, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	id, byID := strings.CutPrefix(name, "grant:")
	email, byEmail := strings.CutPrefix(name, "email:")
	for _, candidate := range g.list {
		if !byEmail && candidate.id == id || !byID && strings.EqualFold(candidate.email, email) {
			return candidate, true
		}
	}
	return grant{}, false
}
