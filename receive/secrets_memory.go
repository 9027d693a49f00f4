package receive

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
)

// MemorySecrets is a [SecretStore] in memory, for one process: for tests and demos.
// After a restart it is empty, so that Subscribe finds a webhook whose secret nobody
// knows and needs Adopt. The zero value is ready to use; it must not be copied after
// the first use, and is safe for concurrent use.
type MemorySecrets struct {
	mu    sync.Mutex
	state *SecretState // nil is the zero state; a pointer, at which printing what holds a store stops
}

var _ SecretStore = (*MemorySecrets)(nil)

// Load returns what the last Swap stored.
func (m *MemorySecrets) Load(ctx context.Context) (SecretState, error) {
	if ctx.Err() != nil {
		return SecretState{}, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stored().clone(), nil
}

// Swap replaces old by next, or returns [ErrChanged].
func (m *MemorySecrets) Swap(ctx context.Context, old, next SecretState) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.stored().Equal(old) {
		return ErrChanged
	}
	next = next.clone()
	m.state = &next
	return nil
}

// stored returns the state. The caller has the lock.
func (m *MemorySecrets) stored() SecretState {
	if m.state == nil {
		return SecretState{}
	}
	return *m.state
}

// Format prints no secret, whatever the verb.
func (m *MemorySecrets) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "secrets in memory") }

// clone returns a copy that shares no memory with s.
func (s SecretState) clone() SecretState {
	s.Secrets = slices.Clone(s.Secrets)
	return s
}
