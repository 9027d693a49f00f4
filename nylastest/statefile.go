package nylastest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/gofrs/flock"

	"github.com/nylastrack/nylas-go/internal/links"
	"github.com/nylastrack/nylas-go/internal/replace"
)

const (
	// saveInterval is the least time between two writes of the state file, chosen here.
	saveInterval = 200 * time.Millisecond
	// saveRetry is how long a write that failed waits for the next one, chosen here.
	saveRetry = time.Second

	stateLockEnding = ".lock"
)

// WithStateFile keeps what the server has in the file at path, so that the next server with the
// same file goes on where this one ended: with the API key, the grants, the messages, their
// tracking URLs, opens, clicks, threads and replies, the mailboxes, drafts, scheduled sends,
// webhooks and channels with their secrets, alert rules, the tracking history, send events, and
// the answers of idempotency keys. What was scheduled for a time at which no server ran is sent at
// once. A missing or empty file begins anew.
//
// It does not keep what waits: notifications for their next attempt, and sends in the queue of
// [WithAgentSendLimit]. Nor does it keep what [Server.Notices], [Server.Deliveries],
// [Server.History] and [Server.WebhookMails] return, faults, and rate limits. So the page of package
// mailbox shows the messages from before a restart, but none of their earlier notifications.
// The options are those of each start.
// Tracking URLs have the host of the server that sent them, so the next one must listen on the same
// address: see [WithAddress].
//
// The file is replaced after each change, at most once in 200 ms, and by [Server.Close]. A crash
// loses what happened since then, and leaves the old file or the new one. All of it is written each
// time, which suits thousands of messages and not millions.
//
// The file is JSON, and only its owner can read it, because it holds the API key and the secrets of
// the webhooks. While the server runs, nobody else may change it: a second server with the same file
// cannot start. For that there is a second file, whose name ends in ".lock". The directory must be
// writable; in a container, mount the directory and not the file.
//
// [Start] fails if the file cannot be read, is damaged, or is of another program or of a later
// emulator, and leaves it as it is. If the file cannot be written later, failed is called with the
// error, once until a write succeeds; the server goes on and tries again. failed may be nil. The
// error of [Server.Close] tells if the last write failed.
func WithStateFile(path string, failed func(error)) Option {
	return optionFunc(func(c *config) error {
		if path == "" {
			return errors.New("nylastest: the path of the state file is empty: name a file")
		}
		if failed == nil {
			failed = func(error) {}
		}
		c.statePath, c.stateFailed = path, failed
		return nil
	})
}

// stateFile writes the state of a server. Nil writes nothing.
type stateFile struct {
	path    string // without symbolic links
	lock    *flock.Flock
	save    func() *savedState
	failed  func(error)
	size    int64         // of what was read, in bytes
	failing bool          // the last write failed
	unsaved chan struct{} // has a value while there is something to write
}

// openState locks the state file and reads it. The state is nil if there is none yet.
func openState(path string, failed func(error)) (_ *stateFile, _ *savedState, err error) {
	resolved, err := links.Follow(path)
	if err != nil {
		return nil, nil, fmt.Errorf("nylastest: state file %s: its directory must exist: %w", path, err)
	}
	f := &stateFile{path: resolved, lock: flock.New(resolved + stateLockEnding), failed: failed, unsaved: make(chan struct{}, 1)}
	locked, err := f.lock.TryLock()
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("nylastest: state file %s: its directory must be writable: %w", path, err)
	case !locked:
		return nil, nil, fmt.Errorf("nylastest: state file %s: another emulator uses it: end that one, or name another file", path)
	}
	defer func() {
		if err != nil {
			_ = f.lock.Close()
		}
	}()
	content, err := os.ReadFile(resolved)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(content) == 0 {
		return f, nil, nil
	}
	f.size = int64(len(content))
	var state *savedState
	if err == nil {
		state, err = decodeState(content)
	}
	if err != nil {
		return nil, nil, badState(path, err)
	}
	return f, state, nil
}

func badState(path string, err error) error {
	return fmt.Errorf("nylastest: state file %s cannot be used, and stays as it is: %w: "+
		"put a good copy in its place, move it away to begin anew, or name another file", path, err)
}

// changed lets the state be written soon.
func (f *stateFile) changed() {
	if f == nil {
		return
	}
	select {
	case f.unsaved <- struct{}{}:
	default: // it will be written in any case
	}
}

// run writes what changes until ctx is done.
func (f *stateFile) run(ctx context.Context) {
	for {
		select {
		case <-f.unsaved:
		case <-ctx.Done():
			return
		}
		pause := saveInterval
		if f.write() != nil {
			pause = saveRetry
			f.changed()
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

func (f *stateFile) write() error {
	content, err := encodeState(f.save())
	if err == nil {
		err = replace.File(f.path, content)
	}
	if err != nil {
		err = fmt.Errorf("nylastest: state file %s cannot be written, a restart would lose the latest changes: %w", f.path, err)
		if !f.failing {
			f.failed(err)
		}
	}
	f.failing = err != nil
	return err
}

// close writes what is not written yet, and lets others use the file. run must have ended.
func (f *stateFile) close() error {
	if f == nil {
		return nil
	}
	var err error
	select {
	case <-f.unsaved:
		err = f.write()
	default:
	}
	return errors.Join(err, f.lock.Close())
}
