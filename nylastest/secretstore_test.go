package nylastest_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

// secretShelf has the storages of stores that keep or break their promises.
type secretShelf struct {
	broken string
	mu     sync.Mutex
	stored map[string]*shelfStorage
}

type shelfStorage struct {
	mu    sync.Mutex
	state receive.SecretState
}

// shelfStore is a handle on a storage.
type shelfStore struct {
	*shelfStorage
	broken string
	seen   *receive.SecretState // of a store that remembers what it loaded
}

func (s *secretShelf) open(_ testing.TB, storage string) receive.SecretStore {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.broken {
	case "has one storage":
		storage = ""
	case "has a storage for each handle":
		return &shelfStore{shelfStorage: new(shelfStorage)}
	case "starts with a webhook":
		return &shelfStore{shelfStorage: &shelfStorage{state: receive.SecretState{WebhookID: "w"}}}
	}
	if s.stored[storage] == nil {
		s.stored[storage] = new(shelfStorage)
	}
	return &shelfStore{shelfStorage: s.stored[storage], broken: s.broken}
}

func (s *shelfStore) Load(ctx context.Context) (receive.SecretState, error) {
	if ctx.Err() != nil && s.broken != "loads when the context has ended" {
		if s.broken == "prints secrets when it cannot load" {
			s.mu.Lock()
			defer s.mu.Unlock()
			stored, _ := json.Marshal(s.state)
			return receive.SecretState{}, errors.Join(context.Cause(ctx), errors.New(string(stored)))
		}
		return receive.SecretState{}, context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.broken {
	case "remembers what it loaded":
		if s.seen == nil {
			s.seen = new(s.state)
		}
		return *s.seen, nil
	case "gives its memory away":
		return s.state, nil
	}
	return copied(s.state), nil
}

func (s *shelfStore) Swap(ctx context.Context, old, next receive.SecretState) error {
	if ctx.Err() != nil && s.broken != "swaps when the context has ended" {
		return context.Cause(ctx)
	}
	if s.broken == "compares before it locks" {
		s.mu.Lock()
		same := s.state.Equal(old)
		s.mu.Unlock()
		if !same {
			return receive.ErrChanged
		}
		<-time.After(time.Millisecond) // long enough for another one
		old, _ = s.Load(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.same(old) {
		switch s.broken {
		case "prints secrets":
			stored, _ := json.Marshal(s.state)
			return errors.Join(receive.ErrChanged, errors.New(string(stored)))
		case "replaces nothing and says nothing":
			return nil
		case "has an error of its own":
			return errors.New("changed")
		case "stores and returns ErrChanged":
			s.state = copied(next)
		}
		return receive.ErrChanged
	}
	if s.broken == "takes the caller's memory" {
		s.state = next
		return nil
	}
	s.state = s.kept(copied(next))
	s.seen = nil
	return nil
}

// same compares, without what a broken store forgets.
func (s *shelfStore) same(old receive.SecretState) bool {
	stored, old := copied(s.state), copied(old)
	name, _ := strings.CutPrefix(s.broken, "does not compare ")
	for _, state := range []*receive.SecretState{&stored, &old} {
		s.forget(name, state)
	}
	if s.broken == "compares locations" {
		a, _ := json.Marshal(stored)
		b, _ := json.Marshal(old)
		return string(a) == string(b)
	}
	if s.broken == "takes an empty store for any" && stored.IsZero() {
		return true
	}
	return stored.Equal(old)
}

// kept is what a broken store makes of a state.
func (s *shelfStore) kept(state receive.SecretState) receive.SecretState {
	name, _ := strings.CutPrefix(s.broken, "does not keep ")
	s.forget(name, &state)
	switch s.broken {
	case "keeps microseconds":
		state.BusyUntil = state.BusyUntil.Truncate(time.Microsecond)
		state.UnsureUntil = state.UnsureUntil.Truncate(time.Microsecond)
	case "sorts secrets":
		slices.SortFunc(state.Secrets, func(a, b receive.StoredSecret) int { return strings.Compare(a.Value, b.Value) })
	case "keeps two secrets":
		state.Secrets = state.Secrets[:min(2, len(state.Secrets))]
	}
	return state
}

func (s *shelfStore) forget(name string, state *receive.SecretState) {
	switch name {
	case "WebhookID":
		state.WebhookID = ""
	case "URL":
		state.URL = ""
	case "Secrets":
		state.Secrets = nil
	case "Busy":
		state.Busy = ""
	case "Owner":
		state.Owner = ""
	case "BusyUntil":
		state.BusyUntil = time.Time{}
	case "UnsureUntil":
		state.UnsureUntil = time.Time{}
	case "Value":
		for i := range state.Secrets {
			state.Secrets[i].Value = ""
		}
	case "Until":
		for i := range state.Secrets {
			state.Secrets[i].Until = time.Time{}
		}
	}
}

func copied(state receive.SecretState) receive.SecretState {
	state.Secrets = slices.Clone(state.Secrets)
	return state
}

func TestSecretStoreOfOneThatKeepsItsPromises(t *testing.T) {
	t.Parallel()
	shelf := &secretShelf{broken: os.Getenv(brokenVariable), stored: make(map[string]*shelfStorage)}
	nylastest.TestSecretStore(t, shelf.open)
}

// TestSecretStoreFindsWhatIsBroken runs the test above in processes of their own, in
// which the store breaks a promise, and looks at which tests failed.
func TestSecretStoreFindsWhatIsBroken(t *testing.T) {
	t.Parallel()
	if os.Getenv(brokenVariable) != "" {
		t.Skip("this is such a process")
	}
	kinds := map[string]string{
		"starts with a webhook":              "StartsEmpty",
		"takes an empty store for any":       "StartsEmpty",
		"keeps microseconds":                 "KeepsTimesToTheNanosecond",
		"sorts secrets":                      "KeepsSeveralSecretsInOrder",
		"keeps two secrets":                  "KeepsSeveralSecretsInOrder",
		"replaces nothing and says nothing":  "ComparesEveryField",
		"has an error of its own":            "ComparesEveryField",
		"stores and returns ErrChanged":      "ComparesEveryField",
		"prints secrets":                     "ComparesEveryField",
		"compares locations":                 "ComparesTimesAsInstants",
		"compares before it locks":           "OneOfManyWins",
		"has a storage for each handle":      "EachHandleSeesTheOthers",
		"remembers what it loaded":           "EachHandleSeesTheOthers",
		"has one storage":                    "StoragesAreSeparate",
		"loads when the context has ended":   "AnEndedContextIsAnError",
		"prints secrets when it cannot load": "AnEndedContextIsAnError",
		"swaps when the context has ended":   "AnEndedContextIsAnError",
		"takes the caller's memory":          "SharesNoMemoryWithItsCaller",
		"gives its memory away":              "SharesNoMemoryWithItsCaller",
	}
	for _, field := range []string{"WebhookID", "URL", "Secrets", "Busy", "Owner", "BusyUntil", "UnsureUntil", "Value", "Until"} {
		kinds["does not compare "+field] = "ComparesEveryField"
		kinds["does not keep "+field] = "KeepsEveryField"
	}
	for broken, promise := range kinds {
		t.Run(broken, func(t *testing.T) {
			t.Parallel()
			command := exec.CommandContext(t.Context(), os.Args[0],
				"-test.run=^TestSecretStoreOfOneThatKeepsItsPromises$", "-test.v")
			command.Env = append(os.Environ(), brokenVariable+"="+broken)
			output, err := command.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "the store passed")
			assert.Contains(t, string(output), "--- FAIL: TestSecretStoreOfOneThatKeepsItsPromises/"+promise)
		})
	}
}
