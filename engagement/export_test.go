package engagement

import "time"

// SetClock lets a benchmark, which cannot run in a bubble of synctest, pass time.
func (s *MemoryStore) SetClock(now func() time.Time) { s.now = now }
