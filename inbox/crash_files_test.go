package inbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // to look into the file without the inbox

	"github.com/nylastrack/nylas-go/inbox"
)

// openDatabase opens the file of an inbox without the inbox.
func openDatabase(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", path)
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

// requireWhole fails the test if SQLite finds damage in a file that nobody has
// open.
func requireWhole(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, checkWhole(path))
}

// checkWhole looks for damage with SQLite itself.
func checkWhole(path string) (err error) {
	db, err := openDatabase(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var verdict string
	if err := db.QueryRowContext(context.Background(), "PRAGMA integrity_check").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return fmt.Errorf("the file is damaged: %s", verdict)
	}
	return nil
}

// storeFiles are the endings of the files of an inbox. The index of the log,
// -shm, is not among them: SQLite makes it anew.
var storeFiles = []string{"", "-wal", "-journal"}

// copyStore copies the files of an inbox as they are.
func copyStore(from, to string) error {
	for _, ending := range storeFiles {
		if err := copyFile(from+ending, to+ending); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) (err error) {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	_, err = io.Copy(target, source)
	return err
}

// doneInFile are the ids that a store remembers and that are neither pending nor
// dead. It looks at a copy, so that what a crash left stays as it is.
func doneInFile(t *testing.T, path string) (ids []string) {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy.db")
	require.NoError(t, copyStore(path, copied))
	db, err := openDatabase(copied)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	rows, err := db.QueryContext(t.Context(), "SELECT id FROM (SELECT id, seq FROM ids UNION ALL SELECT id, seq FROM recent) WHERE seq NOT IN (SELECT seq FROM deliveries) AND seq NOT IN (SELECT seq FROM dead)")
	if err != nil && strings.Contains(err.Error(), "no such table") {
		return nil // killed before it made them
	}
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var stored []byte
		require.NoError(t, rows.Scan(&stored))
		ids = append(ids, inbox.StoredID(stored))
	}
	require.NoError(t, rows.Err())
	return ids
}

// lockDatabase is a process that holds the database's lock for writing, as a
// backup or somebody with the shell of SQLite does, until its input ends.
func lockDatabase(config childConfig) (err error) {
	db, err := openDatabase(config.Path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	fmt.Println("locked")
	waitForParent()
	return nil
}

// holdInbox is a process that has the inbox open until its input ends.
func holdInbox(config childConfig) error {
	box, err := inbox.Open(config.Path)
	if err != nil {
		return err
	}
	fmt.Println("open")
	waitForParent()
	return box.Close()
}
