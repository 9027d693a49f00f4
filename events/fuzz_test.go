package events_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/nylastrack/nylas-go/events"
)

func FuzzParse(f *testing.F) {
	for _, name := range notificationFixtures(f) {
		f.Add(fixture(f, name))
	}
	for _, s := range samples() {
		body, err := json.Marshal(s.notification())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	for _, group := range []map[string]failure{notJSON, badEnvelope, behind} {
		for _, name := range slices.Sorted(maps.Keys(group)) {
			if body := group[name].body; len(body) < maxDepth { // deep nesting is tested, and slow to mutate
				f.Add([]byte(body))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(odd)) {
		f.Add([]byte(odd[name].body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		n, err := events.Parse(body)
		id, typ, peekErr := events.Peek(body)
		if !bytes.Equal(before, body) {
			t.Fatal("the input was changed")
		}
		checkSentinel(t, err)
		checkSentinel(t, peekErr)
		if errors.Is(peekErr, events.ErrData) {
			t.Fatalf("Peek looked at the data: %v", peekErr)
		}
		if peekErr == nil {
			checkIdentity(t, id)
			checkIdentity(t, string(typ))
		}
		if err != nil {
			if n != nil {
				t.Fatal("a notification and an error")
			}
			return
		}
		if peekErr != nil || id != n.ID || typ != n.Type {
			t.Fatalf("Parse found %q and %q, Peek %q and %q (%v)", n.ID, n.Type, id, typ, peekErr)
		}
		checkAccepted(t, body, n)
	})
}

func checkSentinel(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	is := 0
	for _, sentinel := range []error{events.ErrNotJSON, events.ErrEnvelope, events.ErrData} {
		if errors.Is(err, sentinel) {
			is++
		}
	}
	if is != 1 {
		t.Fatalf("the error is %d of the three: %v", is, err)
	}
}

func checkIdentity(t *testing.T, text string) {
	t.Helper()
	if text == "" || len(text) > events.MaxIDBytes || !utf8.ValidString(text) {
		t.Fatalf("%q was accepted", text)
	}
	for _, r := range text {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			t.Fatalf("%q was accepted", text)
		}
	}
}

// checkAccepted checks what holds for every notification: it is one JSON value,
// and writing and reading it again gives an equal one.
func checkAccepted(t *testing.T, body []byte, n *events.Notification) {
	t.Helper()
	if !jsontext.Value(body).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
		t.Fatal("what was accepted is not JSON")
	}
	if n.Data == nil || !bytes.Equal(n.Raw, body) {
		t.Fatalf("Data is %v, Raw is %q", n.Data, n.Raw)
	}
	written := remarshal(t, n)
	again, err := events.Parse(written)
	if err != nil {
		t.Fatalf("%v: %s", err, written)
	}
	if again.ID != n.ID || again.Type != n.Type || !again.Time.Equal(n.Time.Time) || again.GrantID != n.GrantID {
		t.Fatalf("%+v became %+v", n, again)
	}
	tracked, trackedAgain := n.Tracked(), again.Tracked()
	if len(tracked) != len(trackedAgain) {
		t.Fatalf("%v became %v", tracked, trackedAgain)
	}
	for i := range tracked {
		if tracked[i] != trackedAgain[i] {
			t.Fatalf("%v became %v", tracked, trackedAgain)
		}
	}
	if twice := remarshal(t, again); !bytes.Equal(written, twice) {
		t.Fatalf("%s became %s", written, twice)
	}
}

func remarshal(t *testing.T, n *events.Notification) []byte {
	t.Helper()
	body, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	return body
}
