package riversink_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/nylastrack/nylas-go/sinks/riversink"
)

func TestMigrateFromManyProcessesAtOnce(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	schema := newSchema(t)
	var callers sync.WaitGroup
	for range 6 {
		callers.Go(func() {
			sink, err := riversink.Open(pool, riversink.WithSchema(schema))
			if assert.NoError(t, err) {
				assert.NoError(t, sink.Migrate(t.Context()))
				assert.NoError(t, sink.Migrate(t.Context()))
			}
		})
	}
	callers.Wait()
	assert.Zero(t, rows(t, pool, schema, ""))
}
