//go:build unix

package load_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/internal/load"
)

func TestMain(m *testing.M) {
	load.Serve(map[string]load.Setup{"teapot": func(dir string) (http.Handler, func() error, error) {
		handler := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if body, err := io.ReadAll(req.Body); err != nil || string(body) != req.Header.Get("Want") {
				http.Error(w, "what arrived is not what was sent", http.StatusBadRequest)
				return
			}
			w.WriteHeader(http.StatusTeapot)
		})
		closed := func() error { return os.WriteFile(filepath.Join(dir, "closed"), nil, 0o600) }
		return handler, closed, nil
	}})
	os.Exit(m.Run())
}

func TestAsk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := load.StartIn(t, "teapot", dir)
	good, bad := load.Post([]byte("tea"), "Want", "tea"), load.Post([]byte("coffee"), "Want", "tea")
	result := server.Ask(t, 4, 1000, func(i int) []byte {
		if i%10 == 0 {
			return bad
		}
		return good
	})
	assert.Equal(t, map[int]int{http.StatusTeapot: 900, http.StatusBadRequest: 100}, result.Statuses)
	assert.Len(t, result.Waits, 1000)
	assert.Positive(t, result.CPU)
	assert.Positive(t, result.PerSecond())
	assert.LessOrEqual(t, result.P99(), result.Elapsed)
	assert.True(t, strings.HasPrefix(server.URL(), "http://127.0.0.1:"))

	server.Stop(t)
	require.FileExists(t, filepath.Join(dir, "closed"))
}

func TestMedian(t *testing.T) {
	t.Parallel()
	assert.InDelta(t, 2, load.Median([]float64{9, 1, 2}), 0)
}
