package nylasriver

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// maxGroupsAtOnce is how many groups are on their way to the database: while
	// it commits one, the next is sent.
	maxGroupsAtOnce = 2
	maxGroupLen     = 500
	maxGroupBytes   = 8 << 20
	// groupLimit is what a Receiver gives its handler: nobody behind one waits longer.
	groupLimit = 5 * time.Second
)

// errNotTogether means that a delivery has to be stored by itself: one of its
// group is stored already, or is one that the database does not take.
var errNotTogether = errors.New("nylasriver: not in a group")

// groups puts deliveries that come at the same time into one transaction, which
// costs about as much as that of a single one. The first is not kept waiting:
// a group is what came while earlier ones were on their way.
type groups struct {
	insert func(context.Context, []*deliveryArgs) error

	mu      sync.Mutex
	waiting []*member
	running int
}

type member struct {
	args *deliveryArgs
	left atomic.Bool // its caller no longer waits
	done chan error
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
		m.left.Store(true)
		return context.Cause(ctx)
	}
}

// run stores groups until nobody waits.
func (g *groups) run() {
	for {
		group := g.next()
		if group == nil {
			return
		}
		g.store(group)
	}
}

func (g *groups) next() []*member {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = slices.DeleteFunc(g.waiting, func(m *member) bool { return m.left.Load() })
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
	group := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	return group
}

func (g *groups) store(group []*member) {
	// Callers leave one by one, so no one's context is that of the group.
	ctx, cancel := context.WithTimeout(context.Background(), groupLimit)
	defer cancel()
	err := g.insertSorted(ctx, group)
	if tellsOfOneRow(err) {
		err = errNotTogether
	}
	for _, m := range group {
		m.done <- err
	}
}

// insertSorted inserts in the order of ids, so that two processes with the same
// deliveries wait for each other, and not each for the other.
func (g *groups) insertSorted(ctx context.Context, group []*member) (err error) {
	defer func() {
		if recover() != nil { // a hook of the client's
			err = errPanic
		}
	}()
	all := make([]*deliveryArgs, len(group))
	for i, m := range group {
		all[i] = m.args
	}
	slices.SortFunc(all, func(a, b *deliveryArgs) int { return cmp.Compare(a.ID, b.ID) })
	return g.insert(ctx, all)
}

// tellsOfOneRow reports errors behind which the rest of a group may be well: of
// data, of constraints, of a deadlock, of limits.
func tellsOfOneRow(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || len(pgErr.Code) != 5 {
		return false
	}
	return slices.Contains([]string{"22", "23", "40", "54"}, pgErr.Code[:2])
}
