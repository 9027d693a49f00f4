package nylas_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

// TestLogOfEveryMethodOnEveryFailure holds the records to the names and values
// that they may have, so that nothing can be added unnoticed.
func TestLogOfEveryMethodOnEveryFailure(t *testing.T) {
	t.Parallel()
	outcomes := append(failures(), failure{name: "success", status: 200, file: messageAnswer, requestID: testRequest})
	for _, m := range methods() {
		for _, f := range outcomes {
			t.Run(m.op+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { testLog(t, m, f) })
			})
		}
	}
}

func testLog(t *testing.T, m method, f failure) {
	t.Helper()
	respond := f.respond
	if respond == nil && f.file != "" {
		respond = answersFile(t, f.status, f.file, f.header...)
	} else if respond == nil {
		respond = answers(f.status, f.body, f.header...)
	}
	var log logBuffer
	w := newWireAlways(func(r *http.Request) (*http.Response, error) {
		<-time.After(1500 * time.Millisecond)
		return respond(r)
	})
	_ = m.call(t.Context(), w.client(t, log.option()), nylas.WithHeader("X-Trace", markBody)) // what it brings, others test

	assertUnmarked(t, log.String())
	records := log.records(t)
	require.Len(t, records, len(w.requests()))
	for i, record := range records {
		began := w.requests()[i].at.Add(1500 * time.Millisecond)
		written, err := time.Parse(time.RFC3339Nano, record["time"].(string))
		require.NoError(t, err)
		assert.True(t, began.Equal(written))
		delete(record, "time")
		want := map[string]any{
			"level": "DEBUG", "msg": "nylas: request", "method": m.verb, "path": m.path,
			"attempt": float64(i + 1), "duration": float64(1500 * time.Millisecond),
		}
		if f.lost && (f.status == 0) {
			want["error"] = "nylas: " + m.op + ": " + f.text
		} else {
			want["status"], want["replayed"], want["request_id"] = float64(f.status), false, f.requestID
		}
		assert.Equal(t, want, record, slices.Collect(maps.Keys(record)))
	}
}
