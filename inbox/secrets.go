package inbox

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/nylastrack/nylas-go/receive"
)

// secrets is the store of a webhook's secrets in the file. Nobody else can have the file
// open, so what it holds is in memory as well: a Load costs no turn of the writer.
type secrets struct {
	inbox  *Inbox
	stored atomic.Pointer[receive.SecretState] // what it points to never changes
}

// Secrets returns the store of the webhook's secrets in the inbox's file. It is for one
// webhook. Give it to [receive.New], and to the Subscribe and Rotate methods of a client.
//
// A Swap that returned nil is on the disk, as a delivery is. After [Inbox.Close] its
// methods return [ErrClosed].
func (b *Inbox) Secrets() receive.SecretStore { return b.secrets }

// Load returns what is stored.
func (c *secrets) Load(ctx context.Context) (receive.SecretState, error) {
	if ctx.Err() != nil {
		return receive.SecretState{}, fmt.Errorf("inbox: load secrets: %w", context.Cause(ctx))
	}
	select {
	case <-c.inbox.closing:
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
	case <-c.inbox.closing:
		return ErrClosed
	default:
	}
	// The writer may come to it after the caller has gone on.
	old, next = cloneState(old), cloneState(next)
	_, err := ask(ctx, &c.inbox.queue, func(s *store) (struct{}, error) {
		if ctx.Err() != nil {
			return struct{}{}, context.Cause(ctx)
		}
		return struct{}{}, s.swapSecrets(old, next)
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

func (s *store) swapSecrets(old, next receive.SecretState) error {
	if !s.secrets.stored.Load().Equal(old) {
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
		_, err := s.db.exec("INSERT INTO secrets VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET state = excluded.state", string(state))
		return err
	}); err != nil {
		return err
	}
	s.secrets.stored.Store(&next)
	return nil
}

func (s *store) readSecrets() error {
	state := new(receive.SecretState)
	var decodeErr error
	if err := s.db.query(func(values []driver.Value) bool {
		text, _ := values[0].(string)
		decodeErr = json.Unmarshal([]byte(text), state)
		return false
	}, "SELECT state FROM secrets"); err != nil {
		return explain(err)
	}
	if decodeErr != nil { // its text may quote a secret
		return damaged(errors.New("its webhook secrets cannot be read"))
	}
	s.secrets.stored.Store(state)
	return nil
}
