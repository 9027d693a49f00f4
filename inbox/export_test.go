package inbox

import "context"

// SetSynchronous changes how much SQLite flushes. Anything below FULL loses what
// was accepted when the power fails, which the tests of that must notice.
func (b *Inbox) SetSynchronous(mode string) error {
	_, err := ask(context.Background(), &b.queue, func(s *store) (struct{}, error) {
		return struct{}{}, s.db.script("PRAGMA synchronous=" + mode)
	})
	return err
}
