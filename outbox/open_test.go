package outbox_test

import (
	"bytes"
	"context"
	"database/sql"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/outbox"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a file with ? and #.db")
	box, err := outbox.Open(path, nil)
	require.NoError(t, err)
	_, err = outbox.Open(path)
	require.ErrorIs(t, err, outbox.ErrInUse)
	if runtime.GOOS != "windows" {
		for _, ending := range []string{"", "-wal"} {
			info, err := os.Stat(path + ending)
			require.NoError(t, err)
			assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), ending)
		}
	}
	require.NoError(t, box.Close())
	require.Error(t, box.Suppress(t.Context(), "kim@example.org", "x"), "it is closed")
	_, err = box.Progress(t.Context())
	require.Error(t, err)
	require.Error(t, box.Unsubscribe(t.Context(), "k"))
	box, err = outbox.Open(path)
	require.NoError(t, err)
	require.NoError(t, box.Close())

	_, err = outbox.Open(filepath.Join(dir, "missing", "outbox.db"))
	require.ErrorContains(t, err, "its directory does not exist, make it first")
	_, err = outbox.Open(path, outbox.WithWorkers(0))
	require.ErrorContains(t, err, "0 workers")
	_, err = outbox.Open(path, outbox.WithLookAfter(0))
	require.ErrorContains(t, err, "more than 0 s")
}

func TestOpenRefusesOtherFiles(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ script, says string }{
		"of something else":  {"CREATE TABLE mails (id INTEGER)", "a database of something else"},
		"of a later version": {"PRAGMA application_id=0x4e794f75; PRAGMA user_version=99", "use that version"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "other.db")
			db, err := sql.Open("sqlite", path)
			require.NoError(t, err)
			_, err = db.ExecContext(t.Context(), tt.script)
			require.NoError(t, err)
			require.NoError(t, db.Close())
			before, err := os.ReadFile(path)
			require.NoError(t, err)
			_, err = outbox.Open(path)
			require.ErrorContains(t, err, tt.says)
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, before, after)
		})
	}
	path := filepath.Join(t.TempDir(), "text.db")
	require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte("no database"), 100), 0o600))
	_, err := outbox.Open(path)
	require.Error(t, err)
	require.NoError(t, os.Remove(path))
	box, err := outbox.Open(path)
	require.NoError(t, err, "the lock was given back")
	require.NoError(t, box.Close())
}

// SQLite waits for the disk at each commit.
func TestSynchronousIsFull(t *testing.T) {
	t.Parallel()
	box, err := outbox.Open(filepath.Join(t.TempDir(), "outbox.db"))
	require.NoError(t, err)
	defer func() { require.NoError(t, box.Close()) }()
	synchronous, journal, err := box.Pragmas(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 2, synchronous)
	assert.Equal(t, "wal", journal)
}

// Neither logs nor reasons show who gets mail.
func TestKeepsAddressesToItself(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	inWorld(t, func(t *testing.T, w *world) {
		w.inject(
			nylastest.Fault{Inside: nylastest.ErrorAnswer(http.StatusBadRequest, "sending_error", "no such person-0@example.org")},
			nylastest.Fault{Before: nylastest.GatewayAnswer(http.StatusBadGateway), Times: 5},
		)
		w.add(2)
		require.NoError(t, w.run())
		assert.Equal(t, outbox.Counts{Failed: 1, Unknown: 1}, w.counts())
		for m, err := range w.Mails(t.Context()) {
			require.NoError(t, err)
			assert.NotEmpty(t, m.Reason)
			assert.NotContains(t, m.Reason, "person-")
		}
	}, outbox.WithWorkers(1), outbox.WithLogger(slog.New(slog.NewTextHandler(&log, nil))), outbox.WithLogger(nil),
		outbox.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	assert.Contains(t, log.String(), "no such [address]")
	assert.Contains(t, log.String(), "a mail may have been sent")
	assert.NotContains(t, log.String(), "person-")
	assert.NotContains(t, log.String(), "mail-0")
}

// A grant that may not read mail cannot be looked at: what is unknown stays so.
func TestCannotLook(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.inject(nylastest.Fault{Before: nylastest.GatewayAnswer(http.StatusBadGateway)},
			nylastest.Fault{Endpoint: nylastest.EndpointListMessages, Inside: nylastest.ErrorAnswer(http.StatusForbidden, "insufficient_scopes", "no")})
		w.add(1)
		require.NoError(t, w.run())
		assert.Equal(t, outbox.Counts{Unknown: 1}, w.counts())
		assert.Contains(t, w.mail().Reason, "looking for it failed: nylas: find sent message: 403")
		assert.Equal(t, 1, w.sends())
	})
}

// Looking fails for a while. Nothing is sent again before it has worked.
func TestLooksUntilItWorks(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.inject(nylastest.Fault{After: nylastest.Disconnect()},
			nylastest.Fault{Endpoint: nylastest.EndpointListMessages, Times: 8, Before: nylastest.GatewayAnswer(http.StatusBadGateway)})
		w.add(1)
		require.NoError(t, w.run())
		assert.Equal(t, outbox.Counts{Sent: 1}, w.counts())
		assert.Equal(t, 1, w.sends())
	})
}

// The run ends while it looks. The next one goes on.
func TestStopsWhileLooking(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(t.Context())
		w.inject(nylastest.Fault{After: nylastest.Disconnect()},
			nylastest.Fault{Endpoint: nylastest.EndpointListMessages, Hold: func(ctx context.Context) {
				cancel()
				<-ctx.Done()
			}})
		w.add(1)
		require.ErrorIs(t, w.Run(ctx, w.client), context.Canceled)
		assert.Equal(t, outbox.Counts{Unknown: 1}, w.counts())
		require.NoError(t, w.run())
		assert.Equal(t, outbox.Counts{Sent: 1}, w.counts())
		assert.Equal(t, 1, w.sends())
	})
}
