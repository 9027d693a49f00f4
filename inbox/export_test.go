package inbox

import "context"

// Script runs statements on the file, such as a setting that the tests of crashes
// change. PRAGMA synchronous below FULL loses what was accepted when the power
// fails; with a low wal_autocheckpoint the log moves into the file all the time.
func (b *Inbox) Script(sql string) error {
	_, err := ask(context.Background(), &b.queue, func(s *store) (struct{}, error) {
		defer s.written()
		return struct{}{}, s.db.script(sql)
	})
	return err
}

// StoredID is the id that a column of the file holds.
func StoredID(stored []byte) string { return readID(stored) }
