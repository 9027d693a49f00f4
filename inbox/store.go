package inbox

import (
	"bytes"
	"cmp"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/nylastrack/nylas-go/internal/links"
)

// The header of the file, by which an inbox is known.
const (
	applicationID = 0x4e79496e // "NyIn"
	schemaVersion = 5
)

// schema. A delivery that waits has a row in deliveries, and one in failures if it
// has failed; a dead letter has one in dead. An id has one in ids for the
// retention, or in recent at first. So what is done costs only its id, and its pages
// are free for the next ones. seq is the order of acceptance; epochs tells which
// seq a time had.
const schema = `
CREATE TABLE deliveries (seq INTEGER PRIMARY KEY, id BLOB NOT NULL, received INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE failures (seq INTEGER PRIMARY KEY, attempts INTEGER NOT NULL, due INTEGER NOT NULL, error TEXT NOT NULL);
CREATE TABLE dead (seq INTEGER PRIMARY KEY, id BLOB NOT NULL, received INTEGER NOT NULL, body BLOB NOT NULL,
	attempts INTEGER NOT NULL, died INTEGER NOT NULL, error TEXT NOT NULL);
CREATE INDEX dead_died ON dead (died);
CREATE TABLE recent (seq INTEGER PRIMARY KEY, id BLOB NOT NULL);
CREATE TABLE ids (id BLOB PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE epochs (at INTEGER PRIMARY KEY, seq INTEGER NOT NULL);
CREATE TABLE totals (one INTEGER PRIMARY KEY CHECK (one = 1),
	seq INTEGER NOT NULL, pending INTEGER NOT NULL, dead INTEGER NOT NULL, known INTEGER NOT NULL);
INSERT INTO totals VALUES (1, 0, 0, 0, 0);
` + undecodableSchema + handledSchema + webhooksSchema

// undecodableSchema came with version 3: why a delivery cannot be decoded, where its body does
// not show that.
const undecodableSchema = `
ALTER TABLE deliveries ADD COLUMN reason TEXT;
ALTER TABLE dead ADD COLUMN reason TEXT;
`

// handledSchema came with version 4: what was handled and is kept for Replay.
const handledSchema = `
CREATE TABLE handled (seq INTEGER PRIMARY KEY, id BLOB NOT NULL, received INTEGER NOT NULL, body BLOB NOT NULL,
	reason TEXT, at INTEGER NOT NULL);
CREATE INDEX handled_at ON handled (at);
`

// webhooksSchema came with version 5: the secrets of each webhook, as JSON. The versions 2
// to 4 had one webhook, without a name.
const (
	webhooksVersion = 5
	webhooksSchema  = `
CREATE TABLE webhooks (name TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
`
	oneWebhook = webhooksSchema + `
INSERT INTO webhooks SELECT '', state FROM secrets;
DROP TABLE secrets;
`
)

const (
	// pageBytes is the size of a page: with SQLite's own 4 KiB a delivery takes about
	// a sixth more CPU, because each page is written by itself.
	pageBytes = 8 << 10
	// checkpointPages is when SQLite moves the write-ahead log into the file: 4 MiB of it,
	// which takes some tens of milliseconds. Less often is not faster, and a log of 16 MiB
	// filled small disks while nothing was pending.
	checkpointPages = 4 << 20 / pageBytes
	// maxWALBytes bounds the log after it was larger than that once.
	maxWALBytes = 64 << 20
	// minFileBytes is the smallest page of SQLite, and so the smallest file with
	// something in it: https://www.sqlite.org/fileformat.html.
	minFileBytes = 512
	// cacheKiB holds the ids of about a million deliveries.
	cacheKiB = 32 << 10
	// maxQuickCheckBytes is up to where Open reads the whole file for damage: that
	// takes about a quarter of a second.
	maxQuickCheckBytes = 256 << 20
)

// store is the file. Only the writer uses it.
type store struct {
	db    *database
	lock  *flock.Flock
	path  string
	files map[string]fs.FileInfo // those that are open, by name
	// What nobody else may change. The handle is kept open: to close it ends SQLite's lock.
	handle      *os.File
	left        shape // as the last write left it
	unseen      bool  // what the last write left was not seen, because the files were moved
	overwritten bool
	totals
	knownIDs
	webhooks *webhooks
	history  time.Duration // how long to keep what was handled; 0: not at all
	swept    time.Time     // when the last sweep was, by the clock of that moment; zero: never
}

// totals are counts that would take long to count, and the last seq.
type totals struct {
	seq, pending, dead, known int64
}

func openStore(path string, fullCheck bool) (_ *store, err error) {
	if err := prepareFile(path); err != nil {
		return nil, err
	}
	lock, err := lockFile(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = lock.Unlock()
		}
	}()
	// It says the same about the data as fsync, without a write for the time of the
	// change; where there is none, SQLite goes on with fsync.
	_, _ = sqlite.Fdatasync(true)
	db, err := openDatabase(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = db.close()
		}
	}()
	s := &store{db: db, lock: lock, path: path, webhooks: &webhooks{byName: make(map[string]*secrets)}}
	version, err := s.recognize()
	if err != nil {
		return nil, unwritable(path, err)
	}
	if version > 0 {
		// Before anything is written: what is damaged stays as it is.
		if err := s.check(fullCheck); err != nil {
			return nil, err
		}
		if err := s.readTotals(); err != nil {
			return nil, err
		}
	}
	if version > 1 {
		if err := s.readSecrets(version); err != nil {
			return nil, err
		}
	}
	if err := s.setUp(version); err != nil {
		return nil, explain(err)
	}
	if err := s.readRecent(); err != nil {
		return nil, err
	}
	if err := s.readSwept(); err != nil {
		return nil, err
	}
	return s, s.remember()
}

// lockFile takes the lock of an inbox. SQLite has one on the file itself, but where that
// is of POSIX a process loses it as soon as any part of it closes that file, as
// os.ReadFile does. The file is kept after the end: removing it would let two processes
// lock two files of one name.
func lockFile(path string) (*flock.Flock, error) {
	lock := flock.New(path+lockEnding, flock.SetPermissions(0o600))
	if locked, err := lock.TryLock(); err != nil {
		return nil, fmt.Errorf("lock %s: %w", path+lockEnding, err)
	} else if !locked {
		return nil, ErrInUse
	}
	return lock, nil
}

// close closes the file, and then lets others have it.
func (s *store) close() error {
	var errs []error
	if !s.overwritten { // else SQLite would write its log over what is there now
		errs = append(errs, s.db.close())
	}
	if s.handle != nil {
		errs = append(errs, s.handle.Close())
	}
	return errors.Join(append(errs, s.lock.Unlock())...)
}

// resolve finds the file that a path names.
func resolve(path string) (string, error) {
	file, err := links.Follow(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("its directory does not exist, make it first: %w", err)
	} else if err != nil {
		return "", err
	}
	dir := filepath.Dir(file)
	if info, err := os.Stat(dir); err != nil {
		return "", err
	} else if !info.IsDir() {
		return "", fmt.Errorf("%s is not a directory", dir)
	}
	// SQLite would call the file read-only.
	probe, err := os.CreateTemp(dir, filepath.Base(file)+".*.tmp")
	if err != nil {
		return "", fmt.Errorf("its directory must be writable for the user of this process, because SQLite and the lock "+
			"keep files there too: %w", err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return "", err
	}
	return file, nil
}

// prepareFile finds what SQLite would tell less clearly.
func prepareFile(path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s is a directory: name a file in it", path)
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", path)
	case err == nil && info.Size() > 0 && info.Size() < minFileBytes:
		// SQLite takes it for an empty one, and overwrites it.
		return damaged(fmt.Errorf("%d bytes are no database", info.Size()))
	case err == nil && info.Size() > 0:
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	// SQLite would remove the log, and what was acknowledged with it.
	if log, logErr := os.Stat(path + walEnding); logErr == nil && log.Size() > 0 {
		what := "it is missing"
		if err == nil {
			what = "it is empty"
		}
		return damaged(errors.New(what + ", and its " + walEnding + " is there"))
	}
	if err == nil {
		return nil
	}
	// Bodies hold addresses of people, so others must not read them. The files that
	// SQLite makes beside it get the same mode.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return file.Close()
}

// fileMagic begins a file of SQLite: https://www.sqlite.org/fileformat.html.
const fileMagic = "SQLite format 3\x00"

const (
	walEnding  = "-wal"
	lockEnding = ".lock"
)

// unwritable finds out whether the file failed because it may only be read, which
// SQLite tells as an error of its locks. It tries that only now: to close a file
// ends the locks that this process has on it.
func unwritable(path string, err error) error {
	switch code(err) {
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		file, openErr := os.OpenFile(path, os.O_RDWR, 0)
		if openErr != nil {
			return fmt.Errorf("it cannot be written: %w", openErr)
		}
		_ = file.Close()
	}
	return err
}

// recognize takes the file for this process and returns the version of its schema, 0
// if it is fresh, without changing it. Any other file is an error.
func (s *store) recognize() (version int64, err error) {
	// With exclusive locking the lock of the file is held from the first look at it
	// until it is closed, and the index of the log is in memory instead of in a file
	// that is shared with other processes.
	if err := s.db.script("PRAGMA locking_mode=EXCLUSIVE; PRAGMA busy_timeout=0"); err != nil {
		return 0, explain(err)
	}
	var tables, id int64
	for sql, n := range map[string]*int64{
		"SELECT count(*) FROM sqlite_schema": &tables, "PRAGMA application_id": &id, "PRAGMA user_version": &version,
	} {
		if *n, _, err = s.db.number(sql); err != nil {
			return 0, explain(err)
		}
	}
	fresh := tables == 0 && id == 0 && version == 0
	switch {
	case !fresh && id != applicationID:
		return 0, errors.New("the file is a database of something else: give the inbox a file of its own")
	case version > schemaVersion:
		return 0, fmt.Errorf("the file was written by a later version of this package (format %d, this one knows %d): use that version", version, schemaVersion)
	case !fresh && version < 1:
		return 0, damaged(fmt.Errorf("it has the unknown format %d", version))
	}
	return version, nil
}

// setUp makes the tables that a file of this version lacks, all of them if it is 0, and
// sets how SQLite works.
func (s *store) setUp(version int64) error {
	// FULL is the promise: a commit waits for the disk. The fullfsync pair makes macOS
	// do what it does elsewhere.
	if err := s.db.script(fmt.Sprintf(`PRAGMA page_size=%d; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL;
		PRAGMA synchronous=FULL; PRAGMA fullfsync=1; PRAGMA checkpoint_fullfsync=1; PRAGMA temp_store=MEMORY;
		PRAGMA cache_size=-%d; PRAGMA wal_autocheckpoint=%d; PRAGMA journal_size_limit=%d`,
		pageBytes, cacheKiB, checkpointPages, maxWALBytes)); err != nil {
		return err
	}
	if mode := s.db.text("PRAGMA journal_mode"); mode != "wal" {
		return fmt.Errorf("SQLite cannot keep a write-ahead log there: its journal mode is %q", mode)
	}
	// A transaction that writes something shows that the file can be written, and
	// takes its lock for good.
	return s.db.transaction(func() error {
		mark := fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=%d", applicationID, schemaVersion)
		switch version {
		case 0:
			return s.db.script(schema + mark)
		case 1:
			return s.db.script(undecodableSchema + handledSchema + webhooksSchema + mark)
		case 2:
			return s.db.script(undecodableSchema + handledSchema + oneWebhook + mark)
		case 3:
			return s.db.script(handledSchema + oneWebhook + mark)
		case 4:
			return s.db.script(oneWebhook + mark)
		}
		_, err := s.db.exec("UPDATE totals SET seq = seq")
		return err
	})
}

// check looks for damage.
func (s *store) check(full bool) error {
	info, err := os.Stat(s.path)
	if err != nil {
		return err
	}
	if !full && info.Size() > maxQuickCheckBytes {
		return nil
	}
	if result := s.db.text("PRAGMA quick_check(1)"); result != "ok" {
		return damaged(errors.New(strings.ReplaceAll(result, "\n", " ")))
	}
	return nil
}

// text queries for one text; an error is one, too.
func (db *database) text(sql string) (text string) {
	err := db.query(func(values []driver.Value) bool {
		text, _ = values[0].(string)
		return false
	}, sql)
	if err != nil {
		return err.Error()
	}
	return text
}

func (s *store) readTotals() error {
	found := false
	err := s.db.query(func(values []driver.Value) bool {
		found = true
		for i, total := range []*int64{&s.seq, &s.pending, &s.dead, &s.known} {
			*total, _ = values[i].(int64)
		}
		return false
	}, "SELECT seq, pending, dead, known FROM totals")
	if err == nil && !found {
		return damaged(errors.New("it has no totals"))
	}
	return explain(err)
}

// remember notes which files are open.
func (s *store) remember() error {
	s.files = make(map[string]fs.FileInfo)
	for _, name := range []string{s.path, s.path + walEnding} {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		s.files[name] = info
	}
	var err error
	if s.handle, err = os.Open(s.path); err != nil {
		return err
	}
	if s.left, err = s.look(); err != nil {
		_ = s.handle.Close()
	}
	return err
}

// shape is what shows that somebody else wrote to the files. The header has a counter of
// changes and the number of pages: https://www.sqlite.org/fileformat.html.
type shape struct {
	header    [100]byte
	size, log int64
}

func (s *store) look() (now shape, err error) {
	if _, err := s.handle.ReadAt(now.header[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return now, err
	}
	info, err := s.handle.Stat()
	if err != nil {
		return now, err
	}
	// By its path, so it may be another one that somebody has put there for a while.
	log, err := os.Stat(s.path + walEnding)
	if err != nil || !os.SameFile(s.files[s.path+walEnding], log) {
		return now, errMoved
	}
	now.size, now.log = info.Size(), log.Size()
	return now, nil
}

// written notes what the files look like after they were written. It fails if somebody else
// wrote to them meanwhile, as far as that shows: SQLite changes the file only when it moves
// its log there, which makes the file as long as its pages, or not shorter if it fails; and it
// shortens the log only to its limit.
func (s *store) written() error {
	if s.overwritten {
		return s.db.damage
	}
	now, err := s.look()
	if s.unseen = err != nil; s.unseen {
		return nil // it was moved meanwhile, and the next write says so
	}
	fine := now.log >= min(s.left.log, maxWALBytes)
	if now.header != s.left.header || now.size != s.left.size {
		var pages, size int64
		pages, _, err = s.db.number("PRAGMA page_count")
		if err == nil {
			size, _, err = s.db.number("PRAGMA page_size") // another one after a repair with .recover
		}
		whole := pages * size
		fine = fine && err == nil && bytes.HasPrefix(now.header[:], []byte(fileMagic)) &&
			(now.size == whole || s.left.size <= now.size && now.size <= whole)
	}
	if !fine {
		return s.foundOverwritten()
	}
	s.left = now
	return nil
}

func (s *store) foundOverwritten() error {
	s.overwritten = true
	if s.db.damage == nil {
		s.db.damage = damaged(errors.New("somebody else cut or overwrote it while it was open"))
	}
	return s.db.damage
}

// untouched fails if somebody else removed, replaced, cut or overwrote a file.
func (s *store) untouched() error {
	if err := s.inPlace(); err != nil {
		return err
	}
	if s.overwritten {
		return s.db.damage
	}
	if s.unseen { // it was put back: what the last write made of it was not seen
		return s.written()
	}
	now, err := s.look()
	if err != nil {
		return err
	}
	if now != s.left {
		return s.foundOverwritten()
	}
	return nil
}

var errMoved = errors.New("the file is not at its path any more: it was removed or replaced while it was open; " +
	"put it back with what belongs to it, or start the program again")

// inPlace fails if a file that is open was removed or replaced: what is written to
// it then would be gone with the process.
func (s *store) inPlace() error {
	for name, info := range s.files {
		if now, err := os.Stat(name); err != nil || !os.SameFile(info, now) {
			return errMoved
		}
	}
	return nil
}

// commit does work in a transaction and writes the totals with it. It may call work twice.
func (s *store) commit(work func() error) error {
	if err := s.untouched(); err != nil {
		return err
	}
	err := s.attempt(work)
	if code(err) == sqlite3.SQLITE_FULL && s.makeRoom() {
		s.left.log = 0
		err = s.attempt(work)
	}
	if err := cmp.Or(err, s.written()); err != nil {
		return explain(err)
	}
	s.committed()
	return nil
}

func (s *store) attempt(work func() error) error {
	before := s.totals
	s.added = nil
	err := s.db.transaction(func() error {
		if err := work(); err != nil {
			return err
		}
		if _, err := s.db.exec("UPDATE totals SET seq = ?, pending = ?, dead = ?, known = ?",
			s.seq, s.pending, s.dead, s.known); err != nil {
			return err
		}
		return s.inPlace()
	})
	if err != nil {
		s.totals = before
	}
	return err
}

// makeRoom moves the log into the file, which has room for most of it, and reports
// whether that gave room back to a full disk. SQLite itself waits until the log is longer,
// which it cannot become on that disk.
func (s *store) makeRoom() bool {
	before := s.bytes()
	err := s.db.query(func([]driver.Value) bool { return false }, "PRAGMA wal_checkpoint(TRUNCATE)")
	return err == nil && s.bytes() < before
}

// bytes is the size of the file with what belongs to it.
func (s *store) bytes() (size int64) {
	for name := range s.files {
		if info, err := os.Stat(name); err == nil {
			size += info.Size()
		}
	}
	return size
}

// many runs a statement for a list of rows, many at a time. sql is called with how
// many rows a statement takes.
func (db *database) many(rows int, sql func(n int) string, args func(i int) []any) (changed int64, err error) {
	for at := 0; at < rows; {
		n := 1
		for _, size := range []int{64, 16, 4} {
			if rows-at >= size {
				n = size
				break
			}
		}
		values := make([]any, 0, 4*n)
		for i := range n {
			values = append(values, args(at+i)...)
		}
		count, err := db.exec(sql(n), values...)
		if err != nil {
			return changed, err
		}
		changed += count
		at += n
	}
	return changed, nil
}

// times repeats the place holder of a row.
func times(row string, n int) string {
	return strings.Repeat(row+",", n-1) + row
}
