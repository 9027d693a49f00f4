package receive

import (
	"context"
	"slices"
	"sync"
)

// MemorySecrets is a [SecretStore] in memory, for one process: for tests and demos.
// After a restart it is empty, so that Subscribe finds a webhook whose secret nobody
// knows and needs Adopt. The zero value is ready to use; it must not be copied after
// the first use, and is safe for concurrent use.
type MemorySecrets struct {
	mu    sync.Mutex
	state SecretState
}

var _ SecretStore = (*MemorySecrets)(nil)

// Load returns what the last Swap stored.
func (m *MemorySecrets) Load(ctx context.Context) (SecretState, error) {
	if ctx.Err() != nil {
		return SecretState{}, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state.clone(), nil
}

// Swap replaces old by new, or returns [ErrChanged].
func (m *MemorySecrets) Swap(ctx context.Context, old, new SecretState) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.state.Equal(old) {
		return ErrChanged
	}
	m.state = new.clone()
	return nil
}

// clone returns a copy that shares no memory with s.
func (s SecretState) clone() SecretState {
	s.Secrets = slices.Clone(s.Secrets)
	return s
}
