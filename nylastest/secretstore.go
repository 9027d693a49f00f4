package nylastest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nylastrack/nylas-go/receive"
)

// TestSecretStore tests a [receive.SecretStore]. Each promise is a test of its own; they
// run in parallel, each on a storage of its own:
//
//   - A new store holds the zero state.
//   - Load returns every field that Swap stored, times to the nanosecond. Their
//     location may change. The easiest way is to store the state as JSON, as text.
//   - Swap returns ErrChanged, and changes nothing, if any field of old differs.
//   - Of several Swaps with the same old, one succeeds.
//   - Each handle on the storage sees at once what another one stored.
//   - Load and Swap return an error, and change nothing, if their context has ended.
//   - The store shares no memory with its caller.
//   - No error contains a secret.
//
// open opens the storage of that name. A name that it has not seen before is an empty
// storage. TestSecretStore opens some names twice, without closing the first; for a store
// in the memory of one process open may return the same store again. It closes the store
// with [testing.TB.Cleanup] if it needs closing. Names have up to 40 lower-case letters
// and digits; the first is a letter.
func TestSecretStore(t *testing.T, open func(tb testing.TB, storage string) receive.SecretStore) {
	t.Helper()
	if open == nil {
		t.Fatal("nylastest: TestSecretStore needs a function that opens a store")
	}
	promises := map[string]func(*secretStore){
		"StartsEmpty":                 (*secretStore).startsEmpty,
		"KeepsEveryField":             (*secretStore).keepsEveryField,
		"KeepsTimesToTheNanosecond":   (*secretStore).keepsTimes,
		"KeepsSeveralSecretsInOrder":  (*secretStore).keepsSecrets,
		"GoesBackToTheZeroState":      (*secretStore).goesBack,
		"ComparesEveryField":          (*secretStore).comparesEveryField,
		"ComparesTimesAsInstants":     (*secretStore).comparesInstants,
		"OneOfManyWins":               (*secretStore).oneWins,
		"NoSwapIsLost":                (*secretStore).noneLost,
		"EachHandleSeesTheOthers":     (*secretStore).handlesSeeEachOther,
		"StoragesAreSeparate":         (*secretStore).storagesAreSeparate,
		"AnEndedContextIsAnError":     (*secretStore).contextEnds,
		"SharesNoMemoryWithItsCaller": (*secretStore).sharesNoMemory,
	}
	for _, name := range slices.Sorted(maps.Keys(promises)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &secretStore{TB: t, open: open, storage: "s" + randomHex(8)}
			s.store = s.handle(s.storage)
			promises[name](s)
		})
	}
}

// secretLimit is how long a store may take for one call, and more than any should.
const secretLimit = 30 * time.Second

// secretMark is in every secret of these tests.
const secretMark = "whsec-of-the-conformance-test"

// secretStore is the test of one promise.
type secretStore struct {
	testing.TB
	open    func(tb testing.TB, storage string) receive.SecretStore
	storage string
	store   receive.SecretStore
}

func (s *secretStore) handle(storage string) receive.SecretStore {
	s.Helper()
	store := s.open(s, storage)
	if store == nil {
		s.Fatal("open returned nil")
	}
	return store
}

// load returns what a handle sees.
func (s *secretStore) load(store receive.SecretStore) receive.SecretState {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), secretLimit)
	defer cancel()
	state, err := store.Load(ctx)
	s.checkError(err)
	if err != nil {
		s.Fatalf("Load: %v", err)
	}
	return state
}

// trySwap returns whether old was stored.
func (s *secretStore) trySwap(store receive.SecretStore, old, next receive.SecretState) (swapped bool) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), secretLimit)
	defer cancel()
	err := store.Swap(ctx, old, next)
	s.checkError(err)
	if err != nil && !errors.Is(err, receive.ErrChanged) {
		s.Errorf("Swap: %v", err)
	}
	return err == nil
}

func (s *secretStore) checkError(err error) {
	s.Helper()
	if err != nil && strings.Contains(err.Error(), secretMark) {
		s.Error("an error contains a secret")
	}
}

func (s *secretStore) swap(old, next receive.SecretState) {
	s.Helper()
	if !s.trySwap(s.store, old, next) {
		s.Fatal("Swap did not store the state although old is what Load would return")
	}
}

// want checks what the store holds.
func (s *secretStore) want(want receive.SecretState) {
	s.Helper()
	s.wantSame(s.load(s.store), want)
}

// wantSame compares by reflection, so that a field which Equal forgets is found too.
func (s *secretStore) wantSame(got, want receive.SecretState) {
	s.Helper()
	for _, difference := range differences("", reflect.ValueOf(got), reflect.ValueOf(want)) {
		s.Errorf("the store holds another %s than was stored", difference)
	}
}

// differences names the fields that differ, never their values.
func differences(path string, got, want reflect.Value) (found []string) {
	switch at, isTime := reflect.TypeAssert[time.Time](got); {
	case isTime:
		if other, _ := reflect.TypeAssert[time.Time](want); !at.Equal(other) {
			found = append(found, fmt.Sprintf("%s (off by %v)", path, at.Sub(other)))
		}
	case got.Kind() == reflect.Struct:
		for i := range got.NumField() {
			name := strings.TrimPrefix(path+"."+got.Type().Field(i).Name, ".")
			found = append(found, differences(name, got.Field(i), want.Field(i))...)
		}
	case got.Kind() == reflect.Slice:
		if got.Len() != want.Len() {
			return []string{fmt.Sprintf("number of %s (%d instead of %d)", path, got.Len(), want.Len())}
		}
		for i := range got.Len() {
			found = append(found, differences(path+"["+strconv.Itoa(i)+"]", got.Index(i), want.Index(i))...)
		}
	case !reflect.DeepEqual(got.Interface(), want.Interface()):
		found = append(found, path)
	}
	return found
}

// someTime is far from any whole unit.
var someTime = time.Date(2031, time.March, 4, 5, 6, 7, 123_456_789, time.UTC)

// fullState has every field filled, by reflection, so that a new field is tested as well.
func fullState() (state receive.SecretState) {
	fill(reflect.ValueOf(&state).Elem(), "full")
	return state
}

// fill sets a value to one that seed makes, and that is not zero.
func fill(v reflect.Value, seed string) {
	if _, isTime := reflect.TypeAssert[time.Time](v); isTime {
		v.Set(reflect.ValueOf(someTime.Add(time.Duration(len(seed)) * time.Hour)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(secretMark + " " + seed + ` 'ü' "\n" %s $1`)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(len(seed)))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		for i := range v.Len() {
			fill(v.Index(i), seed+strings.Repeat("-", i+1))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), seed+"/"+v.Type().Field(i).Name)
		}
	default:
		panic("nylastest: a SecretState has a field of a kind that this test does not know: " + v.Kind().String())
	}
}

// variants returns states that differ from state in one field each, by the field's name.
func variants(state receive.SecretState) map[string]receive.SecretState {
	found := make(map[string]receive.SecretState)
	vary := func(name string, change func(v reflect.Value)) {
		other := cloneState(state)
		change(reflect.ValueOf(&other).Elem())
		found[name] = other
	}
	typ := reflect.TypeFor[receive.SecretState]()
	for i := range typ.NumField() {
		name := typ.Field(i).Name
		vary(name+" zero", func(v reflect.Value) { v.Field(i).SetZero() })
		if name != "Secrets" {
			vary(name, func(v reflect.Value) { fill(v.Field(i), "another") })
		}
		if typ.Field(i).Type == reflect.TypeFor[time.Time]() {
			vary(name+" by a nanosecond", func(v reflect.Value) { shift(v.Field(i)) })
		}
	}
	secret := reflect.TypeFor[receive.StoredSecret]()
	for at := range state.Secrets {
		for i := range secret.NumField() {
			name := fmt.Sprintf("Secrets[%d].%s", at, secret.Field(i).Name)
			vary(name, func(v reflect.Value) { fill(v.FieldByName("Secrets").Index(at).Field(i), "another") })
			vary(name+" zero", func(v reflect.Value) { v.FieldByName("Secrets").Index(at).Field(i).SetZero() })
			if secret.Field(i).Type == reflect.TypeFor[time.Time]() {
				vary(name+" by a nanosecond", func(v reflect.Value) { shift(v.FieldByName("Secrets").Index(at).Field(i)) })
			}
		}
	}
	change := func(name string, change func(secrets []receive.StoredSecret) []receive.StoredSecret) {
		other := cloneState(state)
		other.Secrets = change(other.Secrets)
		found[name] = other
	}
	change("one secret more", func(secrets []receive.StoredSecret) []receive.StoredSecret {
		return append(secrets, receive.StoredSecret{Value: secretMark + " more"})
	})
	change("one secret less", func(secrets []receive.StoredSecret) []receive.StoredSecret { return secrets[:len(secrets)-1] })
	change("secrets in another order", func(secrets []receive.StoredSecret) []receive.StoredSecret {
		slices.Reverse(secrets)
		return secrets
	})
	return found
}

func shift(v reflect.Value) {
	at, _ := reflect.TypeAssert[time.Time](v)
	v.Set(reflect.ValueOf(at.Add(time.Nanosecond)))
}

func cloneState(state receive.SecretState) receive.SecretState {
	state.Secrets = slices.Clone(state.Secrets)
	return state
}

// numbered is a state as small as one of a webhook is.
func numbered(n int) receive.SecretState {
	return receive.SecretState{
		WebhookID: "webhook-" + strconv.Itoa(n),
		Secrets:   []receive.StoredSecret{{Value: secretMark + strconv.Itoa(n)}},
	}
}

func (s *secretStore) startsEmpty() {
	s.want(receive.SecretState{})
	if s.trySwap(s.store, numbered(1), numbered(2)) {
		s.Error("Swap replaced a state that an empty store does not hold")
	}
	s.want(receive.SecretState{})
	s.swap(receive.SecretState{}, numbered(1))
	s.want(numbered(1))
	if s.trySwap(s.store, receive.SecretState{}, numbered(2)) {
		s.Error("Swap took the store for an empty one, which it is not any more")
	}
	s.want(numbered(1))
}

func (s *secretStore) keepsEveryField() {
	stored := receive.SecretState{}
	next := func(state receive.SecretState) {
		s.swap(stored, state)
		s.want(state)
		stored = state
	}
	next(fullState())
	typ := reflect.TypeFor[receive.SecretState]()
	for i := range typ.NumField() {
		var alone receive.SecretState
		fill(reflect.ValueOf(&alone).Elem().Field(i), "alone")
		next(alone)
	}
	next(fullState())
}

func (s *secretStore) keepsTimes() {
	stored := receive.SecretState{}
	for _, at := range []time.Time{
		someTime,
		someTime.Truncate(time.Microsecond),
		someTime.Truncate(time.Second),
		someTime.In(time.FixedZone("", -(9*60+30)*60)),
		someTime.In(time.FixedZone("", 14*60*60)),
		time.Unix(0, 1),
		time.Date(2300, time.December, 31, 23, 59, 59, 999_999_999, time.UTC),
		time.Now(),
	} {
		state := numbered(1)
		state.BusyUntil, state.UnsureUntil, state.Secrets[0].Until = at, at, at
		s.swap(stored, state)
		s.want(state)
		stored = state
	}
}

func (s *secretStore) keepsSecrets() {
	state := receive.SecretState{WebhookID: "webhook", Secrets: []receive.StoredSecret{
		{Value: secretMark + " z"},
		{Value: secretMark + " a", Until: someTime},
		{Value: secretMark + " m", Until: someTime.Add(-time.Hour)},
		{Value: secretMark + " z", Until: someTime.Add(time.Hour)}, // the first once more
	}}
	s.swap(receive.SecretState{}, state)
	s.want(state)
	var many receive.SecretState
	for i := range 50 {
		many.Secrets = append(many.Secrets, receive.StoredSecret{Value: secretMark + strconv.Itoa(i)})
	}
	s.swap(state, many)
	s.want(many)
}

func (s *secretStore) goesBack() {
	s.swap(receive.SecretState{}, receive.SecretState{})
	s.swap(receive.SecretState{}, fullState())
	s.swap(fullState(), fullState())
	s.want(fullState())
	s.swap(fullState(), receive.SecretState{})
	s.want(receive.SecretState{})
	s.swap(receive.SecretState{Secrets: []receive.StoredSecret{}}, numbered(1))
	s.want(numbered(1))
}

func (s *secretStore) comparesEveryField() {
	stored := fullState()
	s.swap(receive.SecretState{}, stored)
	others := variants(stored)
	others["everything"] = receive.SecretState{}
	for _, name := range slices.Sorted(maps.Keys(others)) {
		if s.trySwap(s.store, others[name], numbered(1)) {
			s.Fatalf("Swap replaced a state that differs from old: %s", name)
		}
		s.want(stored)
	}
	s.swap(stored, numbered(1))
}

func (s *secretStore) comparesInstants() {
	stored := fullState()
	s.swap(receive.SecretState{}, stored)
	elsewhere := cloneState(stored)
	zone := time.FixedZone("", 3*60*60)
	elsewhere.BusyUntil, elsewhere.UnsureUntil = stored.BusyUntil.In(zone), stored.UnsureUntil.In(zone)
	for i := range elsewhere.Secrets {
		elsewhere.Secrets[i].Until = stored.Secrets[i].Until.In(zone)
	}
	s.swap(elsewhere, numbered(1))
	s.want(numbered(1))
}

// oneWins lets several callers swap from the same state, half of them by each of two
// handles.
func (s *secretStore) oneWins() {
	const rounds, callers = 20, 8
	handles := []receive.SecretStore{s.store, s.handle(s.storage)}
	stored := receive.SecretState{}
	for round := range rounds {
		var wins atomic.Int32
		var winner atomic.Int64
		var calls sync.WaitGroup
		for caller := range callers {
			calls.Go(func() {
				n := 1 + round*callers + caller
				if s.trySwap(handles[caller%len(handles)], stored, numbered(n)) {
					wins.Add(1)
					winner.Store(int64(n))
				}
			})
		}
		calls.Wait()
		if wins.Load() != 1 {
			s.Fatalf("%d of %d Swaps with the same old succeeded, want 1", wins.Load(), callers)
		}
		stored = numbered(int(winner.Load()))
		s.want(stored)
	}
}

func (s *secretStore) noneLost() {
	const swaps, callers = 500, 5
	handles := []receive.SecretStore{s.store, s.handle(s.storage)}
	var calls sync.WaitGroup
	for caller := range callers {
		calls.Go(func() {
			store := handles[caller%len(handles)]
			for done := 0; done < swaps/callers && !s.Failed(); {
				if s.countOne(store) {
					done++
				}
			}
		})
	}
	calls.Wait()
	if got := s.load(s.store).WebhookID; got != strconv.Itoa(swaps) && !s.Failed() {
		s.Errorf("%d Swaps, each of which adds 1, made %s of it", swaps, got)
	}
}

// countOne adds 1 to what is stored, unless somebody changes it meanwhile. It runs on
// goroutines which must not end the test.
func (s *secretStore) countOne(store receive.SecretStore) bool {
	ctx, cancel := context.WithTimeout(s.Context(), secretLimit)
	defer cancel()
	state, err := store.Load(ctx)
	if err != nil {
		s.Errorf("Load: %v", err)
		return false
	}
	n := 0
	if state.WebhookID != "" {
		if n, err = strconv.Atoi(state.WebhookID); err != nil {
			s.Error("Load returned what was never stored")
			return false
		}
	}
	return s.trySwap(store, state, receive.SecretState{WebhookID: strconv.Itoa(n + 1)})
}

func (s *secretStore) handlesSeeEachOther() {
	other := s.handle(s.storage)
	s.wantSame(s.load(other), receive.SecretState{})
	s.swap(receive.SecretState{}, fullState())
	s.wantSame(s.load(other), fullState())
	if !s.trySwap(other, fullState(), numbered(1)) {
		s.Fatal("Swap of a second handle did not find what the first one stored")
	}
	s.want(numbered(1))
	s.wantSame(s.load(s.handle(s.storage)), numbered(1))
}

func (s *secretStore) storagesAreSeparate() {
	s.swap(receive.SecretState{}, numbered(1))
	s.wantSame(s.load(s.handle("s"+randomHex(8))), receive.SecretState{})
	s.want(numbered(1))
}

func (s *secretStore) contextEnds() {
	s.swap(receive.SecretState{}, numbered(1))
	ended, end := context.WithCancel(s.Context())
	end()
	late, cancel := context.WithDeadline(s.Context(), time.Unix(0, 0))
	defer cancel()
	for name, ctx := range map[string]context.Context{"canceled": ended, "late": late} {
		_, err := s.store.Load(ctx)
		s.checkError(err)
		if err == nil {
			s.Errorf("Load with a context that is %s returned no error", name)
		}
		for _, old := range []receive.SecretState{numbered(1), numbered(2)} {
			err := s.store.Swap(ctx, old, numbered(3))
			s.checkError(err)
			if err == nil || errors.Is(err, receive.ErrChanged) {
				s.Errorf("Swap with a context that is %s returned %v, want an error of the context", name, err)
			}
		}
		s.want(numbered(1))
	}
}

func (s *secretStore) sharesNoMemory() {
	spoil := func(state receive.SecretState) {
		for i := range state.Secrets {
			state.Secrets[i] = receive.StoredSecret{Value: "spoiled"}
		}
	}
	mine := fullState()
	s.swap(receive.SecretState{}, mine)
	spoil(mine)
	s.want(fullState())
	spoil(s.load(s.store))
	s.want(fullState())
	old := fullState()
	s.swap(old, numbered(1))
	spoil(old)
	s.want(numbered(1))
}
