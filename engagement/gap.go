package engagement

// Gap is a range of events that no notification has told of, although later ones of the
// same message and kind are known. The next notification of the message fills the gaps
// that are among its last 50 events.
type Gap struct {
	MessageID string
	Kind      Kind
	// LinkIndex is the link of missing clicks. It is -1 for opens, and for clicks of
	// which it is not known which link they were on.
	LinkIndex int
	// First and Last are the ids of the first and the last missing event, as Nylas
	// counts them.
	First, Last int64
	// Lost reports that the horizon of the [Ledger] is over, so that no delivery is
	// likely to fill the gap. If one does, its events are in [Change.New] all the same.
	Lost bool
}

// Count returns how many events are missing.
func (g Gap) Count() int64 { return max(0, saturate(g.Last-g.First, 1)) }
