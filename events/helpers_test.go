// This file has no tests: it holds the helpers that many tests of the package share.

package events_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
)

// fixtureFolders hold recorded payloads; testdata/README.md tells their sources.
var fixtureFolders = []string{"published", "constructed"}

// fixture returns a file of testdata, such as "published/message.opened.json".
func fixture(tb testing.TB, name string) []byte {
	tb.Helper()
	body, err := os.ReadFile(filepath.Join("..", "testdata", filepath.FromSlash(name)))
	require.NoError(tb, err)
	return body
}

// notificationFixtures returns the names of all fixtures that are a
// notification: objects with a type that is a string.
func notificationFixtures(tb testing.TB) []string {
	tb.Helper()
	var names []string
	for _, folder := range fixtureFolders {
		entries, err := os.ReadDir(filepath.Join("..", "testdata", folder))
		require.NoError(tb, err)
		for _, entry := range entries {
			if filepath.Ext(entry.Name()) != ".json" {
				continue
			}
			name := folder + "/" + entry.Name()
			var envelope struct{ Type any }
			if json.Unmarshal(fixture(tb, name), &envelope) != nil {
				continue // an array is no notification
			}
			if _, ok := envelope.Type.(string); ok {
				names = append(names, name)
			}
		}
	}
	require.NotEmpty(tb, names)
	return names
}

// envelope returns a notification with the given type and the given data, as
// JSON.
func envelope(typ events.Type, data string) []byte {
	return []byte(`{"id":"n-1","type":"` + string(typ) + `","data":` + data + `}`)
}

// object returns a notification with the given type and data.object, as JSON.
func object(typ events.Type, object string) []byte {
	return envelope(typ, `{"grant_id":"g-1","object":`+object+`}`)
}

func parse(tb testing.TB, body []byte) *events.Notification {
	tb.Helper()
	n, err := events.Parse(body)
	require.NoError(tb, err)
	require.NotNil(tb, n)
	return n
}

// dataOf parses a notification and returns its data.
func dataOf[D events.Data](tb testing.TB, body []byte) D {
	tb.Helper()
	data, ok := parse(tb, body).Data.(D)
	require.Truef(tb, ok, "the data is a %T", parse(tb, body).Data)
	return data
}

// unix is a Timestamp that owes nothing to the code under test.
func unix(seconds int64) events.Timestamp {
	return events.Timestamp{Time: time.Unix(seconds, 0).UTC()}
}

// nested returns a value that is depth arrays deep.
func nested(depth int) string {
	return strings.Repeat("[", depth) + strings.Repeat("]", depth)
}
