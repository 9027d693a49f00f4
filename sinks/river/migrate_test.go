package nylasriver_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	nylasriver "github.com/nylastrack/nylas-go/sinks/river"
)

func TestMigrateFromManyProcessesAtOnce(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	schema := newSchema(t)
	var callers sync.WaitGroup
	for range 6 {
		callers.Go(func() {
			sink, err := nylasriver.Open(pool, nylasriver.WithSchema(schema))
			if assert.NoError(t, err) {
				assert.NoError(t, sink.Migrate(t.Context()))
				assert.NoError(t, sink.Migrate(t.Context()))
			}
		})
	}
	callers.Wait()
	assert.Zero(t, rows(t, pool, schema, ""))
}
