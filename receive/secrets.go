package receive

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A keyring tells whether a signature is that of Nylas.
type keyring interface {
	// arrival is called when a request comes in, and its result is given to judge.
	arrival() int64
	// judge returns nil for a body that was signed with a known secret, errForged for
	// one that Nylas cannot have signed, and another error where that is not
	// certain. It may wait for the source of the secrets.
	judge(arrival int64, body []byte, sum signature) error
}

var (
	errForged   = errors.New("signature is wrong")
	errNoSecret = errors.New("no secret is set yet")
	errRotating = errors.New("signature is unknown while the secret is being rotated")
)

// WithSecrets sets the webhook secrets to verify with. A delivery is genuine if
// its signature was made with any of them; give the newest first. Nylas shows a
// secret only when the destination is created and when the secret is rotated,
// and each destination has its own: give each a URL and a Receiver of its own. One that
// is blank, or has white space around it, such as the line end of its file, is
// refused, here and wherever else a secret is given.
//
// They are fixed: an unknown signature is answered 401, which is final. When
// Nylas' secret changes, the Receiver loses what is signed with the new one
// until it knows it. [Receiver.RotateSecret] changes both without a loss in one
// process; several processes, or one that is restarted for it, need
// [WithSecretSource].
func WithSecrets(values ...string) Option {
	return option(func(c *config) error {
		list, err := newSecrets(values)
		if err != nil {
			return fmt.Errorf("WithSecrets: %w", err)
		}
		c.origins = append(c.origins, "WithSecrets")
		c.secrets = list
		return nil
	})
}

// WithSecretsLater makes a Receiver without a secret. It answers challenges, and
// 503 to deliveries, until [Receiver.SetSecrets] brings one: Nylas makes the
// secret only after the endpoint answered its challenge.
func WithSecretsLater() Option {
	return option(func(c *config) error {
		c.origins = append(c.origins, "WithSecretsLater")
		return nil
	})
}

// SetSecrets replaces the secrets, those too that a rotation left valid for a
// while, and ends the doubt that a failed rotation left. It may be called at any
// time. It is an error on a Receiver with a source.
func (r *Receiver) SetSecrets(values ...string) error {
	held, ok := r.keys.(*heldSecrets)
	if !ok {
		return errors.New("receive: set secrets: the receiver takes its secrets from the source of WithSecretSource: change them there")
	}
	list, err := newSecrets(values)
	if err != nil {
		return fmt.Errorf("receive: set secrets: %w", err)
	}
	held.change(func(s *heldState) { s.secrets, s.doubt = list, time.Time{} })
	return nil
}

// heldSecrets are secrets that the program sets.
type heldSecrets struct {
	changing sync.Mutex
	state    atomic.Pointer[heldState]
}

// heldState never changes; a change makes another one.
type heldState struct {
	secrets  secrets
	rotating bool      // Nylas may use a secret that is not among them
	doubt    time.Time // so it may until then, after a rotation that failed
}

func newHeldSecrets(list secrets) *heldSecrets {
	h := &heldSecrets{}
	h.state.Store(&heldState{secrets: list})
	return h
}

func (h *heldSecrets) change(apply func(*heldState)) {
	h.changing.Lock()
	defer h.changing.Unlock()
	next := *h.state.Load()
	apply(&next)
	h.state.Store(&next)
}

// arrival does not matter: the state is looked at after the request came.
func (h *heldSecrets) arrival() int64 { return 0 }

func (h *heldSecrets) judge(_ int64, body []byte, sum signature) error {
	state := h.state.Load()
	switch {
	case state.secrets.verify(body, sum):
		return nil
	case len(state.secrets) == 0:
		return errNoSecret
	case state.rotating || time.Now().Before(state.doubt):
		return errRotating
	default:
		return errForged
	}
}
