package riversink_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/sinks/riversink"
)

func TestErrorsTellWhatToDoAndNothingElse(t *testing.T) {
	t.Parallel()
	d := opened("n-1")
	handle := func(t *testing.T, url string, opts ...riversink.Option) error {
		t.Helper()
		config, err := pgxpool.ParseConfig(url)
		require.NoError(t, err)
		pool, err := pgxpool.NewWithConfig(t.Context(), config)
		require.NoError(t, err)
		t.Cleanup(pool.Close)
		sink, err := riversink.Open(pool, opts...)
		require.NoError(t, err)
		err = sink.HandleDelivery(t.Context(), d)
		require.Error(t, err)
		require.Error(t, sink.Run(t.Context(), &recorder{}))
		for _, leak := range []string{"hunter2", "alice", "crm", "127.0.0.1", "message_id"} {
			assert.NotContains(t, err.Error(), leak)
			if !strings.Contains(url, "alice") {
				continue
			}
			assert.NotContains(t, sink.Run(t.Context(), &recorder{}).Error(), leak)
			assert.NotContains(t, sink.Migrate(t.Context()).Error(), leak)
			assert.NotContains(t, sink.Requeue(t.Context(), "n-1").Error(), leak)
			_, err := sink.Stats(t.Context())
			assert.NotContains(t, err.Error(), leak)
			for _, err := range sink.Dead(t.Context()) {
				assert.NotContains(t, err.Error(), leak)
			}
		}
		return err
	}
	t.Run("no server", func(t *testing.T) {
		t.Parallel()
		err := handle(t, "postgres://alice:hunter2@127.0.0.1:1/crm")
		assert.EqualError(t, err, "riversink: store delivery: cannot connect to the database")
	})
	t.Run("no tables", func(t *testing.T) {
		t.Parallel()
		err := handle(t, databaseURL(t), riversink.WithSchema("test_nowhere"))
		assert.ErrorContains(t, err, "call Sink.Migrate")
	})
	t.Run("not durable", func(t *testing.T) {
		t.Parallel()
		url := databaseURL(t)
		if strings.Contains(url, "?") {
			url += "&"
		} else {
			url += "?"
		}
		err := handle(t, url+"synchronous_commit=off", riversink.WithSchema("test_nowhere"))
		assert.ErrorContains(t, err, "synchronous_commit is off")
	})
	t.Run("pool closed", func(t *testing.T) {
		t.Parallel()
		sink, pool, _ := open(t)
		closed, err := pgxpool.NewWithConfig(t.Context(), pool.Config())
		require.NoError(t, err)
		closed.Close()
		gone, err := riversink.Open(closed)
		require.NoError(t, err)
		require.ErrorContains(t, gone.HandleDelivery(t.Context(), d), "closed pool")
		require.NoError(t, sink.HandleDelivery(t.Context(), d))
	})
}
