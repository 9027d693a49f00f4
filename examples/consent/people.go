package main

import (
	"context"
	"crypto/rand"
	"net/http"
	"sync"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/engagement"
)

// refusalPath is that of the page on which people refuse. The rest is a token, which nobody can
// guess.
const refusalPath = "/tracking/"

// people is where your database stands: who agreed, and what was sent to them.
type people struct {
	public string
	store  *engagement.MemoryStore

	mu     sync.Mutex
	agreed map[string]bool // by address; an address that is not there was never asked
	tokens map[string]string
	mail   map[string][]*nylas.Message
}

func newPeople(public string, agreed []string) *people {
	p := &people{
		public: public, store: engagement.NewMemoryStore(engagement.WithEvents()),
		agreed: map[string]bool{}, tokens: map[string]string{}, mail: map[string][]*nylas.Message{},
	}
	for _, email := range agreed {
		p.agreed[email] = true
	}
	return p
}

// consent is asked by the client before each send.
func (p *people) consent(_ context.Context, recipient nylas.Participant, _ nylas.TrackingKind) (nylas.Consent, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch agreed, asked := p.agreed[recipient.Email]; {
	case !asked:
		return nylas.ConsentUnknown, nil // the policy says what that means
	case agreed:
		return nylas.ConsentGranted, nil
	}
	return nylas.ConsentDenied, nil
}

// refusalURL is the page for one person.
func (p *people) refusalURL(email string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	token := rand.Text()
	p.tokens[token] = email
	return p.public + refusalPath + token
}

// sent remembers a message for the case of a refusal, which may have come meanwhile.
func (p *people) sent(ctx context.Context, email string, message *nylas.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mail[email] = append(p.mail[email], message)
	if !p.agreed[email] {
		return p.store.Withdraw(ctx, message.GrantID, message.ID)
	}
	return nil
}

// ask shows a button, and changes nothing: mail filters follow links.
func (p *people) ask(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(`<!doctype html><title>No tracking</title><form method="post"><button>No more mail and no tracking</button></form>`))
}

// refuse takes what the button and the List-Unsubscribe of mail clients post. Doing it twice is
// harmless. Your program also stops the mail itself here.
func (p *people) refuse(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	email, known := p.tokens[r.PathValue("token")]
	if !known {
		http.Error(w, "this page does not exist", http.StatusNotFound)
		return
	}
	p.agreed[email] = false
	for _, message := range p.mail[email] {
		if err := p.store.Withdraw(r.Context(), message.GrantID, message.ID); err != nil {
			http.Error(w, "please try again", http.StatusInternalServerError)
			return
		}
	}
	_, _ = w.Write([]byte("Your mail is not tracked any more.\n"))
}
