package engagement

// Unseen returns the recorded events that are not among the known ones. Use it after an
// outage: known are the events of a message that a [History] has, and recorded are those of
// Nylas' tracking history, which covers the mail of Agent Accounts and Transactional sends.
//
// The tracking history says of an event only its message, its kind and the second in which it
// happened. So of a recorded event Unseen looks at MessageID, Kind and Time only. It counts as
// known if there is a known event with the same three; each known event stands for one
// recorded event. Nylas does not say whether the times of both agree to the second.
//
// Do not put what Unseen returns into the store of a [Ledger]: the next notification of the
// message repeats the last 50 events, and those would then count twice. Do not hand it to a
// [Classifier] either, which takes a missing user agent for that of a program. Count it apart:
// these events happened, and nobody can say who was behind them.
//
// The result has the order of recorded, and shares no memory with it.
func Unseen(known, recorded []Event) []Event {
	type moment struct {
		messageID string
		kind      Kind
		second    int64
	}
	of := func(e *Event) moment { return moment{e.MessageID, e.Kind, e.Time.Unix()} }
	left := make(map[moment]int, len(known))
	for i := range known {
		left[of(&known[i])]++
	}
	var unseen []Event
	for i := range recorded {
		if m := of(&recorded[i]); left[m] > 0 {
			left[m]--
		} else {
			unseen = append(unseen, recorded[i])
		}
	}
	return unseen
}
