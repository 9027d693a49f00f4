package inbox

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/nylastrack/nylas-go/receive"
)

// secrets is the store of a webhook's secrets in the file. Nobody else can have the file
// open, so what it holds is in memory as well: a Load costs no turn of the writer.
type secrets struct {
	of      *webhooks
	webhook string                              // its name, "" for that of Inbox.Secrets
	stored  atomic.Pointer[receive.SecretState] // what it points to never changes
}

// webhooks has the secrets of each webhook.
type webhooks struct {
	inbox  *Inbox
	mu     sync.Mutex
	byName map[string]*secrets
}

// get returns the secrets of a webhook, which has none yet if nobody asked for it before.
func (w *webhooks) get(name string) *secrets {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.byName[name]
	if known == nil {
		known = &secrets{of: w, webhook: name}
		known.stored.Store(new(receive.SecretState))
		w.byName[name] = known
	}
	return known
}

// Secrets returns the store of the webhook's secrets in the inbox's file. It is for one
// webhook; [Inbox.SecretsFor] is for further ones. Give it to [receive.New], and to the
// Subscribe and Rotate methods of a client.
//
// A Swap that returned nil is on the disk, as a delivery is. After [Inbox.Close] its
// methods return [ErrClosed].
func (b *Inbox) Secrets() receive.SecretStore { return b.SecretsFor("") }

// SecretsFor returns the store of another webhook's secrets in the same file. Each webhook
// has a URL and a receiver of its own, and all of them can use the inbox as their handler.
// The name tells the webhooks of one file apart, such as "failures"; it must be the same
// at each start. SecretsFor("") is [Inbox.Secrets].
//
// Give each webhook triggers of its own. If two webhooks have the same trigger and Nylas
// notifies both with the same id, the inbox keeps one of the two deliveries; Nylas does not
// say whether it does.
func (b *Inbox) SecretsFor(webhook string) receive.SecretStore {
	return b.webhooks.get(webhook)
}

// Load returns what is stored.
func (c *secrets) Load(ctx context.Context) (receive.SecretState, error) {
	if ctx.Err() != nil {
		return receive.SecretState{}, fmt.Errorf("inbox: load secrets: %w", context.Cause(ctx))
	}
	select {
	case <-c.of.inbox.closing:
		return receive.SecretState{}, ErrClosed
	default:
		return cloneState(*c.stored.Load()), nil
	}
}

// Swap replaces old by next, or returns [receive.ErrChanged].
func (c *secrets) Swap(ctx context.Context, old, next receive.SecretState) error {
	if ctx.Err() != nil {
		return fmt.Errorf("inbox: swap secrets: %w", context.Cause(ctx))
	}
	select {
	case <-c.of.inbox.closing:
		return ErrClosed
	default:
	}
	// The writer may come to it after the caller has gone on.
	old, next = cloneState(old), cloneState(next)
	_, err := ask(ctx, &c.of.inbox.queue, func(s *store) (struct{}, error) {
		if ctx.Err() != nil {
			return struct{}{}, context.Cause(ctx)
		}
		return struct{}{}, s.swapSecrets(c, old, next)
	})
	if err != nil && !errors.Is(err, receive.ErrChanged) && !errors.Is(err, ErrClosed) {
		return fmt.Errorf("inbox: swap secrets: %w", err)
	}
	return err
}

// cloneState returns a copy that shares no memory with state.
func cloneState(state receive.SecretState) receive.SecretState {
	state.Secrets = append([]receive.StoredSecret(nil), state.Secrets...)
	return state
}

func (s *store) swapSecrets(c *secrets, old, next receive.SecretState) error {
	if !c.stored.Load().Equal(old) {
		return receive.ErrChanged
	}
	if s.db.damage != nil {
		return s.db.damage
	}
	state, err := json.Marshal(next)
	if err != nil {
		return err
	}
	if err := s.commit(func() error {
		_, err := s.db.exec("INSERT INTO webhooks VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET state = excluded.state",
			c.webhook, string(state))
		return err
	}); err != nil {
		return err
	}
	c.stored.Store(&next)
	return nil
}

func (s *store) readSecrets(version int64) error {
	from := "SELECT name, state FROM webhooks"
	if version < webhooksVersion {
		from = "SELECT '', state FROM secrets"
	}
	var decodeErr error
	if err := s.db.query(func(values []driver.Value) bool {
		name, _ := values[0].(string)
		text, _ := values[1].(string)
		state := new(receive.SecretState)
		decodeErr = json.Unmarshal([]byte(text), state)
		s.webhooks.get(name).stored.Store(state)
		return decodeErr == nil
	}, from); err != nil {
		return explain(err)
	}
	if decodeErr != nil { // its text may quote a secret
		return damaged(errors.New("its webhook secrets cannot be read"))
	}
	return nil
}
