package receive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gofrs/flock"

	"github.com/nylastrack/nylas-go/internal/links"
	"github.com/nylastrack/nylas-go/internal/replace"
)

const (
	// lockRetry is how often a Swap asks for a lock that another process holds. A Swap
	// takes a few milliseconds, most of it for the disk.
	lockRetry = 5 * time.Millisecond
	// maxSecretsBytes bounds what is read: a state takes some hundred bytes, so a
	// larger file is something else.
	maxSecretsBytes = 1 << 20
)

// FileSecrets is a [SecretStore] in a file, for all processes of one machine that run as
// the same user. Make one with [NewFileSecrets]. It is safe for concurrent use and needs
// no closing.
//
// The file is JSON and readable only by its owner (mode 0600). Swap locks a second
// file, whose name ends in ".lock", writes a third, ending in ".tmp", and renames it to
// the first. So a crash or a power cut leaves either the old state or the new one. Do not
// delete the lock file while a process runs; keep all of them on a local disk, because
// network file systems may show an old state and ignore the lock.
type FileSecrets struct {
	path string        // without symbolic links
	turn chan struct{} // holds a value while a Swap of this process runs
}

var _ SecretStore = (*FileSecrets)(nil)

// NewFileSecrets returns the store in the file at path. The file may be missing or empty,
// which is the zero state; its directory must exist, and must be writable because Swap
// makes files in it. In a container, mount that directory: a file that is mounted alone
// cannot be replaced.
//
// If path is a symbolic link, the file that it points to is the store. A relative path
// belongs to the working directory of this moment.
//
// NewFileSecrets refuses a file that any user can read or write: somebody may know the
// secret already, and to change the mode silently would hide that. It accepts a group,
// because Kubernetes gives volumes to one (fsGroup). It looks only here, at the
// start of a program: refusing later would cost deliveries, and the next Swap sets the
// mode to 0600 anyway. Windows has no such modes, so there the directory's own
// permissions must protect the file.
func NewFileSecrets(path string) (*FileSecrets, error) {
	resolved, err := prepareSecretsFile(path)
	if err != nil {
		return nil, fmt.Errorf("receive: file of secrets: %w", err)
	}
	return &FileSecrets{path: resolved, turn: make(chan struct{}, 1)}, nil
}

func prepareSecretsFile(path string) (resolved string, err error) {
	if path == "" {
		return "", errors.New("path is empty: name a file")
	}
	// Processes that name the file in different ways must lock the same one.
	resolved, err = links.Follow(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("the directory of %s does not exist, make it first: %w", path, err)
	} else if err != nil {
		return "", err
	}
	info, err := os.Stat(resolved)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return "", err
	case info.IsDir():
		return "", fmt.Errorf("%s is a directory: name a file in it", path)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is not a regular file", path)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o007 != 0 && info.Size() > 0:
		return "", fmt.Errorf("any user can read or write %s: run chmod 600 on it, and rotate the webhook's secret "+
			"if someone may have read it", path)
	}
	probe, err := os.CreateTemp(filepath.Dir(resolved), filepath.Base(resolved)+".*.tmp")
	if err != nil {
		return "", fmt.Errorf("the directory of %s must be writable, because the file is replaced and not overwritten: %w", path, err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(resolved+lockEnding, os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		return "", fmt.Errorf("the lock file of %s cannot be opened, run all processes as the same user: %w", path, err)
	}
	return resolved, lock.Close()
}

const lockEnding = ".lock"

// Load returns what the file holds.
func (f *FileSecrets) Load(ctx context.Context) (SecretState, error) {
	if ctx.Err() != nil {
		return SecretState{}, context.Cause(ctx)
	}
	if runtime.GOOS == "windows" {
		// There a file that is open cannot be replaced.
		unlock, err := f.lock(ctx)
		if err != nil {
			return SecretState{}, err
		}
		defer unlock()
	}
	return f.read()
}

// Swap replaces old by next in the file, or returns [ErrChanged]. It waits for Swaps of
// other processes until ctx is done.
func (f *FileSecrets) Swap(ctx context.Context, old, next SecretState) error {
	unlock, err := f.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	stored, err := f.read()
	if err != nil {
		return err
	}
	if !stored.Equal(old) {
		return ErrChanged
	}
	if err := f.write(next); err != nil {
		return fmt.Errorf("receive: write secrets: %w", err)
	}
	return nil
}

// lock waits its turn in this process, and then for other processes.
func (f *FileSecrets) lock(ctx context.Context) (unlock func(), err error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	lock := flock.New(f.path + lockEnding)
	if _, err := lock.TryLockContext(ctx, lockRetry); err != nil {
		<-f.turn
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("receive: lock secrets: %w", err)
	}
	return func() {
		_ = lock.Unlock() // closes the file, which ends the lock in any case
		<-f.turn
	}, nil
}

func (f *FileSecrets) read() (state SecretState, err error) {
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return SecretState{}, nil
	} else if err != nil {
		return SecretState{}, fmt.Errorf("receive: read secrets: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	content, err := io.ReadAll(io.LimitReader(file, maxSecretsBytes+1))
	if err != nil {
		return SecretState{}, fmt.Errorf("receive: read secrets: %w", err)
	}
	if len(content) == 0 {
		return SecretState{}, nil
	}
	// A field that is not known may be of another program's file, which must not be
	// replaced. The decoder's error may quote the file, and is left out for that.
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if len(content) > maxSecretsBytes || decoder.Decode(&state) != nil || decoder.Decode(new(any)) != io.EOF {
		return SecretState{}, fmt.Errorf("receive: read secrets: %s is not a file of webhook secrets, or is damaged, or a later version "+
			"of this package wrote it: put a good copy in its place, or move it away and call Subscribe with Adopt", f.path)
	}
	return state, nil
}

// write replaces the file. The caller holds the lock.
func (f *FileSecrets) write(state SecretState) error {
	content, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return err
	}
	return replace.File(f.path, append(content, '\n'))
}
