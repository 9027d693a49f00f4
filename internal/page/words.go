package page

import (
	"strconv"
	"time"
)

// Moment is a time for people and for programs: the template "moment" shows it.
type Moment struct{ Text, Machine string }

// MomentOf returns a time in a layout of package time. It is empty for the zero Time.
func MomentOf(t time.Time, layout string) Moment {
	if t.IsZero() {
		return Moment{}
	}
	return Moment{t.Format(layout), t.Format(time.RFC3339)}
}

// Counted returns a number with what it counts, such as "1 event" or "2 events".
func Counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
