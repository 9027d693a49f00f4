package riversink

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// maxGroupsAtOnce is how many groups are on their way to the database: while
	// it commits one, the next is sent.
	maxGroupsAtOnce = 2
	maxGroupLen     = 500
	maxGroupBytes   = 8 << 20
	// groupLimit ends a transaction that hangs. Nylas waits for 10 s, so that this
	// only concerns callers that wait longer.
	groupLimit = 30 * time.Second
)

// errNotTogether means that a delivery has to be stored by itself: one of its
// group is one that the database does not take, or that somebody holds.
var errNotTogether = errors.New("riversink: not in a group")

// groups puts deliveries that come at the same time into one transaction, which
// costs about as much as that of a single one. The first is not kept waiting:
// a group is what came while earlier ones were on their way.
type groups struct {
	insert func(context.Context, []*deliveryArgs) error

	mu      sync.Mutex
	waiting []*member
	running int
}

// member is a delivery of one caller. Its fields belong to the lock of groups.
type member struct {
	args  *deliveryArgs
	group *group
	left  bool // its caller no longer waits
	done  chan error
}

// group is on its way to the database. Callers leave one by one, so none's
// context is that of the group, which ends when all have left.
type group struct {
	members []*member
	waiting int
	ctx     context.Context //nolint:containedctx // between next and store, for leave to end
	cancel  context.CancelFunc
}

// add returns when args are stored, or ctx ended.
func (g *groups) add(ctx context.Context, args *deliveryArgs) error {
	m := &member{args: args, done: make(chan error, 1)}
	g.mu.Lock()
	g.waiting = append(g.waiting, m)
	if g.running < maxGroupsAtOnce {
		g.running++
		go g.run()
	}
	g.mu.Unlock()
	select {
	case err := <-m.done:
		return err
	case <-ctx.Done():
		g.leave(m)
		return context.Cause(ctx)
	}
}

func (g *groups) leave(m *member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m.left = true
	if m.group == nil {
		return
	}
	if m.group.waiting--; m.group.waiting == 0 {
		m.group.cancel()
	}
}

// run stores groups until nobody waits.
func (g *groups) run() {
	for next := g.next(); next != nil; next = g.next() {
		err := g.insertSorted(next)
		next.cancel()
		if tellsOfOneRow(err) {
			err = errNotTogether
		}
		for _, m := range next.members {
			m.done <- err
		}
	}
}

func (g *groups) next() *group {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = slices.DeleteFunc(g.waiting, func(m *member) bool { return m.left })
	if len(g.waiting) == 0 {
		g.running--
		return nil
	}
	n, size := 0, 0
	for n < min(len(g.waiting), maxGroupLen) {
		size += len(g.waiting[n].args.Body)
		if n > 0 && size > maxGroupBytes {
			break
		}
		n++
	}
	next := &group{members: slices.Clone(g.waiting[:n]), waiting: n}
	next.ctx, next.cancel = context.WithTimeout(context.Background(), groupLimit)
	for _, m := range next.members {
		m.group = next
	}
	g.waiting = slices.Delete(g.waiting, 0, n)
	return next
}

// insertSorted inserts each id once, in the order of ids, so that two processes
// with the same deliveries wait for each other, and not each for the other.
func (g *groups) insertSorted(next *group) (err error) {
	defer func() {
		if recover() != nil { // a hook of the client's
			err = errors.New("a hook of the client panicked")
		}
	}()
	all := make([]*deliveryArgs, len(next.members))
	for i, m := range next.members {
		all[i] = m.args
	}
	slices.SortStableFunc(all, func(a, b *deliveryArgs) int { return cmp.Compare(a.ID, b.ID) })
	all = slices.CompactFunc(all, func(a, b *deliveryArgs) bool { return a.ID == b.ID })
	return g.insert(next.ctx, all)
}

// tellsOfOneRow reports errors behind which the rest of a group may be well: of
// data, of constraints, of a deadlock, of limits, of a lock.
func tellsOfOneRow(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || len(pgErr.Code) != 5 {
		return false
	}
	return slices.Contains([]string{"22", "23", "40", "54", "55"}, pgErr.Code[:2])
}
