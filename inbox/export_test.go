package inbox

import (
	"context"
	"errors"
)

// Script runs statements on the file, such as a setting that the tests of crashes
// change. PRAGMA synchronous below FULL loses what was accepted when the power
// fails; with a low wal_autocheckpoint the log moves into the file all the time.
func (b *Inbox) Script(sql string) error {
	_, err := ask(context.Background(), &b.queue, func(s *store) (struct{}, error) {
		return struct{}{}, errors.Join(s.db.script(sql), s.written())
	})
	return err
}

// StoredID is the id that a column of the file holds.
func StoredID(stored []byte) string { return readID(stored) }
