package events

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/nylastrack/nylas-go/internal/loose"
)

// Timestamp is a point in time, in UTC. Nylas sends it as whole seconds since
// 1970-01-01 UTC. The zero Timestamp means that Nylas gave no time.
//
// Decoding accepts a number or a numeric string, and drops a fraction of a second. It
// takes a number from 10^12 on for milliseconds, and accepts RFC 3339. It reads null
// and "" as no time.
type Timestamp struct{ time.Time }

// At returns t as a Timestamp, in UTC and without the fraction of a second. For the
// zero time it returns the zero Timestamp. Use it to build notifications in tests.
func At(t time.Time) Timestamp {
	if t.IsZero() {
		return Timestamp{}
	}
	return unixTime(t.Unix())
}

func unixTime(seconds int64) Timestamp {
	return Timestamp{time.Unix(seconds, 0).UTC()}
}

// MarshalJSON writes whole seconds since 1970-01-01 UTC, or null for no time.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return strconv.AppendInt(nil, t.Unix(), 10), nil
}

// UnmarshalJSON reads a time. See [Timestamp] for the forms that it accepts.
func (t *Timestamp) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	return t.set(trimQuotes(data))
}

// The greatest times that are read as seconds and as milliseconds. As seconds, the
// first is in the year 33658; as milliseconds, in 2001. Nylas documents seconds.
const (
	maxSeconds      = 1_000_000_000_000 - 1
	maxMilliseconds = 1000*maxSeconds + 999
)

// set reads a number, or what else stands for a time in a string.
func (t *Timestamp) set(text string) error {
	if text == "" {
		*t = Timestamp{}
		return nil
	}
	number, err := parseInt(text, dropFraction)
	if err == nil {
		return t.setNumber(number)
	}
	at, timeErr := time.Parse(time.RFC3339, text)
	if timeErr != nil {
		return err
	}
	*t = At(at)
	return nil
}

func (t *Timestamp) setNumber(number int64) error {
	switch {
	case number > maxMilliseconds:
		return errNotTime
	case number > maxSeconds:
		number /= 1000
	}
	*t = unixTime(number)
	return nil
}

// Int is an integer that Nylas documents as a number on one page and as a string on
// another. Decoding accepts both. Encoding writes a number.
type Int int64

// UnmarshalJSON reads a number or a numeric string.
func (i *Int) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	n, err := parseInt(trimQuotes(data), refuseFraction)
	if err != nil {
		return err
	}
	*i = Int(n)
	return nil
}

// Index is the position of a link in its message, counted from 0. Decoding accepts a
// number or a numeric string. Encoding writes a string, as Nylas does.
type Index int64

// MarshalJSON writes a numeric string.
func (i Index) MarshalJSON() ([]byte, error) {
	return strconv.AppendQuote(nil, strconv.FormatInt(int64(i), 10)), nil
}

// UnmarshalJSON reads a number or a numeric string.
func (i *Index) UnmarshalJSON(data []byte) error {
	return (*Int)(i).UnmarshalJSON(data)
}

// Text is a string that is a number in older notifications, such as the id of an
// application. Decoding accepts both. Encoding writes a string.
type Text string

// UnmarshalJSON reads a string, or a number as its digits.
func (t *Text) UnmarshalJSON(data []byte) error {
	switch kind := jsontext.Value(data).Kind(); kind {
	case 'n':
		return nil
	case '0':
		*t = Text(data)
		return nil
	case '"':
		*t = Text(loose.Unquote(data))
		return nil
	default:
		return errors.New("want a string or a number")
	}
}

// Address is an email address. Nylas writes it as a string. Decoding also accepts an
// object with an email field, as other parts of the API have it.
type Address string

// UnmarshalJSON reads a string or an object with an email field.
func (a *Address) UnmarshalJSON(data []byte) error {
	switch kind := jsontext.Value(data).Kind(); kind {
	case 'n':
		return nil
	case '"':
		*a = Address(loose.Unquote(data))
		return nil
	case '{':
		var object struct {
			Email string `json:"email"`
		}
		if err := json.Unmarshal(data, &object); err != nil {
			return errors.New("want an object with an email member that is a string")
		}
		*a = Address(object.Email)
		return nil
	default:
		return errors.New("want an e-mail address")
	}
}

// Metadata holds the keys and values that were given when the message was sent. A
// send accepts only strings, but a schema of Nylas allows other values: those decode
// to their JSON.
type Metadata map[string]string

// UnmarshalJSON reads an object.
func (m *Metadata) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	members := loose.Parse(data)
	if members == nil {
		return errors.New("want an object")
	}
	*m = make(Metadata, len(members))
	for name, value := range members {
		if value.Kind() == '"' {
			(*m)[name] = loose.Unquote(value)
		} else {
			(*m)[name] = string(value)
		}
	}
	return nil
}

type fraction bool

const (
	refuseFraction fraction = false
	dropFraction   fraction = true
)

var (
	errNotInteger   = errors.New("want an integer, or a string that holds one")
	errOutsideInt64 = errors.New("the number does not fit into 64 bits")
	errNotTime      = errors.New("want seconds or milliseconds since 1970-01-01 UTC")
)

// trimQuotes returns what stands in a JSON string, and any other value as it is. No
// number has characters that are escaped.
func trimQuotes(value []byte) string {
	if len(value) >= 2 && value[0] == '"' {
		value = value[1 : len(value)-1]
	}
	return string(value)
}

// parseInt reads an integer.
func parseInt(text string, mode fraction) (int64, error) {
	if n, ok := parseDigits(text); ok {
		return n, nil
	}
	if !isJSONNumber(text) {
		return 0, errNotInteger
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil {
		return n, nil
	}
	if errors.Is(err, strconv.ErrRange) {
		return 0, errOutsideInt64
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, errOutsideInt64
	}
	whole := math.Trunc(f)
	if whole != f && mode == refuseFraction {
		return 0, errNotInteger
	}
	// From 2^53 on a float may stand for the integer beside it.
	if math.Abs(whole) >= 1<<53 {
		return 0, errOutsideInt64
	}
	return int64(whole), nil
}

// parseDigits reads what nearly every number of a notification is: a few digits.
func parseDigits(text string) (int64, bool) {
	const maxDigits = 18 // 10^18 - 1 is the longest row of nines in an int64
	if len(text) == 0 || len(text) > maxDigits {
		return 0, false
	}
	var n int64
	for i := range len(text) {
		c := text[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

func isJSONNumber(text string) bool {
	value := jsontext.Value(text)
	return value.Kind() == '0' && value.IsValid() && !strings.ContainsAny(text, " \t\r\n")
}
