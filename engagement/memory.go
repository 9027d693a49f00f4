package engagement

import (
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"slices"
	"sync"
	"time"
)

const (
	// defaultMaxRecords bounds a MemoryStore to about 200 MB if its messages have
	// settled and it keeps no events. See BenchmarkMemory.
	defaultMaxRecords = 1_000_000
	// minMaxRecords leaves a record to each of the two generations.
	minMaxRecords = 2
	// settleAfter is how long after its last change a record is kept in full. By then
	// most events of a message have happened, and no delivery is under way.
	settleAfter = 24 * time.Hour
)

// MemoryStore is a [Store] in memory. It is bounded: when it has too many records, it
// evicts those that were not used for longest. Their events are new to it again.
//
// It forgets everything when the process ends. Afterwards the first notification of each
// message brings up to 50 old events as new ones. Use package sqlstore if that matters.
//
// A message takes about 1 kB while its events come, and less than 200 bytes when a day
// has passed without one. Events themselves are kept only with [WithEvents].
type MemoryStore struct {
	seed       maphash.Seed
	maxRecords int
	keepEvents bool
	now        func() time.Time

	mu sync.Mutex
	// A record moves from old to young when it is used. When young has half of
	// maxRecords, the old ones are evicted, and the young ones become old.
	young, old map[uint64]memoryRecord
	hot        []hotRecord // the records to be settled, in the order of their times
	updating   map[uint64]*keyLock
	withdrawn  map[uint64]struct{} // never evicted
	evicted    int64
}

// memoryRecord is a Record. Its key is a hash: among a million records two are the same
// once in 37 million programs.
type memoryRecord struct {
	state []byte
	hotAt int64 // when it changed, in seconds since 1970; 0 once it is settled
	more  *memoryMore
}

// memoryMore is what a record has beside its state.
type memoryMore struct {
	events []Event
	sent   *Sent
}

type hotRecord struct {
	key uint64
	at  int64
}

// keyLock lets one Update of a key after the other run.
type keyLock struct {
	held  chan struct{} // has an element while one runs
	users int
}

// MemoryOption changes how a [MemoryStore] works.
type MemoryOption interface{ apply(*MemoryStore) }

type memoryOption func(*MemoryStore)

func (o memoryOption) apply(s *MemoryStore) { o(s) }

// WithMaxRecords sets how many records the store keeps at most. There is one for each kind
// of event that a message has, and one for its [Sent]. When there are that many, the store
// evicts half of them. The default is 1,000,000. Less than 2 counts as 2.
func WithMaxRecords(n int) MemoryOption {
	return memoryOption(func(s *MemoryStore) { s.maxRecords = max(n, minMaxRecords) })
}

// WithEvents makes the store keep the events of its records, for [MemoryStore.Events]. An
// event takes up to 400 bytes beside its strings.
func WithEvents() MemoryOption {
	return memoryOption(func(s *MemoryStore) { s.keepEvents = true })
}

// NewMemoryStore returns an empty store.
func NewMemoryStore(opts ...MemoryOption) *MemoryStore {
	s := &MemoryStore{
		seed: maphash.MakeSeed(), maxRecords: defaultMaxRecords, now: time.Now,
		young: make(map[uint64]memoryRecord), updating: make(map[uint64]*keyLock),
		withdrawn: make(map[uint64]struct{}),
	}
	for _, o := range opts {
		if o != nil {
			o.apply(s)
		}
	}
	return s
}

// Evicted returns how many records the store evicted because it had too many. If it
// grows, events of old messages may be told twice: see [WithMaxRecords].
func (s *MemoryStore) Evicted() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.evicted
}

// Len returns how many records the store has.
func (s *MemoryStore) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.young) + len(s.old)
}

// Load implements [Store].
func (s *MemoryStore) Load(ctx context.Context, key Key) (Record, error) {
	if err := ctx.Err(); err != nil {
		return Record{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.use(s.hash(key))
	return Record{State: r.state, Withdrawn: s.isWithdrawn(key)}, nil
}

// Update implements [Store].
func (s *MemoryStore) Update(ctx context.Context, key Key, fn func(Record) (Addition, error)) error {
	hash := s.hash(key)
	unlock, err := s.lock(ctx, hash)
	if err != nil {
		return err
	}
	defer unlock()
	record, err := s.Load(ctx, key)
	if err != nil {
		return err
	}
	addition, err := fn(record)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	r := s.use(hash)
	r.state = addition.State
	if r.hotAt == 0 {
		s.hot = append(s.hot, hotRecord{hash, now.Unix()})
	}
	r.hotAt = now.Unix()
	if s.keepEvents && len(addition.Events) > 0 {
		more := r.moreOf()
		more.events = append(more.events, addition.Events...)
	}
	s.put(hash, r)
	s.settle(now)
	return nil
}

// SetSent keeps what the program knows of a message that it sent, in place of what it knew
// before. Events of the message may have come already. The record is evicted like others.
func (s *MemoryStore) SetSent(ctx context.Context, sent Sent) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if sent.MessageID == "" {
		return errors.New("engagement: SetSent needs a MessageID")
	}
	sent.Links = slices.Clone(sent.Links)
	s.mu.Lock()
	defer s.mu.Unlock()
	hash := s.hash(messageKey(sent.GrantID, sent.MessageID))
	r := s.use(hash)
	r.moreOf().sent = &sent
	s.put(hash, r)
	return nil
}

// Sent implements [History].
func (s *MemoryStore) Sent(ctx context.Context, grantID, messageID string) (Sent, bool, error) {
	if err := ctx.Err(); err != nil {
		return Sent{}, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.use(s.hash(messageKey(grantID, messageID)))
	if r.more == nil || r.more.sent == nil {
		return Sent{}, false, nil
	}
	sent := *r.more.sent
	sent.Links = slices.Clone(sent.Links)
	return sent, true, nil
}

// Events implements [History]. Without [WithEvents] it returns none.
func (s *MemoryStore) Events(ctx context.Context, grantID, messageID string) ([]Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Event
	for _, kind := range []Kind{Open, Click, Reply} {
		if r := s.use(s.hash(Key{GrantID: grantID, MessageID: messageID, Kind: kind})); r.more != nil {
			all = append(all, r.more.events...)
		}
	}
	slices.SortStableFunc(all, func(a, b Event) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID)) })
	return all, nil
}

// Withdraw drops the events of a message that the store keeps, and all that are still to
// come: [Change.Withdrawn] tells of these. Withdrawn messages take a few bytes each and are
// not evicted. Replies that name their thread only are not dropped.
//
// It takes one message and always deletes, because this store forgets at a restart anyway.
// That of package sqlstore takes all mail of a person in one transaction, with threads, and
// deletes only on request.
func (s *MemoryStore) Withdraw(ctx context.Context, grantID, messageID string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.withdrawn[s.hash(messageKey(grantID, messageID))] = struct{}{}
	for _, kind := range []Kind{Open, Click, Reply} {
		if r := s.use(s.hash(Key{GrantID: grantID, MessageID: messageID, Kind: kind})); r.more != nil {
			r.more.events = nil
		}
	}
	return nil
}

// messageKey is the key of the record that a message has of its own.
func messageKey(grantID, messageID string) Key { return Key{GrantID: grantID, MessageID: messageID} }

func (s *MemoryStore) isWithdrawn(key Key) bool {
	if key.MessageID == "" || len(s.withdrawn) == 0 {
		return false
	}
	_, ok := s.withdrawn[s.hash(messageKey(key.GrantID, key.MessageID))]
	return ok
}

func (s *MemoryStore) hash(key Key) uint64 { return maphash.Comparable(s.seed, key) }

func (r *memoryRecord) moreOf() *memoryMore {
	if r.more == nil {
		r.more = new(memoryMore)
	}
	return r.more
}

// use returns a record, or a zero one, and makes it a young one.
func (s *MemoryStore) use(hash uint64) memoryRecord {
	if r, ok := s.young[hash]; ok {
		return r
	}
	r, ok := s.old[hash]
	if ok {
		delete(s.old, hash)
		s.put(hash, r)
	}
	return r
}

// put stores a record among the young ones.
func (s *MemoryStore) put(hash uint64, r memoryRecord) {
	s.young[hash] = r
	if len(s.young) >= s.maxRecords/minMaxRecords {
		s.evicted += int64(len(s.old))
		s.old, s.young = s.young, make(map[uint64]memoryRecord)
	}
}

// settle makes records small for which settleAfter is over.
func (s *MemoryStore) settle(now time.Time) {
	until := now.Add(-settleAfter).Unix()
	for len(s.hot) > 0 && s.hot[0].at <= until {
		first := s.hot[0]
		s.hot = s.hot[1:]
		generation := s.young
		r, ok := generation[first.key]
		if !ok {
			generation = s.old
			r, ok = generation[first.key]
		}
		switch {
		case !ok: // evicted
		case r.hotAt > until:
			s.hot = append(s.hot, hotRecord{first.key, r.hotAt})
		default:
			if state, err := decodeState(r.state); err == nil {
				state.settle()
				r.state = state.encode()
			}
			r.hotAt = 0
			generation[first.key] = r
		}
	}
}

// lock waits until no other Update of a key runs, or the context ends.
func (s *MemoryStore) lock(ctx context.Context, hash uint64) (unlock func(), err error) {
	s.mu.Lock()
	l := s.updating[hash]
	if l == nil {
		l = &keyLock{held: make(chan struct{}, 1)}
		s.updating[hash] = l
	}
	l.users++
	s.mu.Unlock()
	leave := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(s.updating, hash)
		}
	}
	select {
	case l.held <- struct{}{}:
		return func() { <-l.held; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, context.Cause(ctx)
	}
}
