package riversink_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/receive"
	"github.com/nylastrack/nylas-go/sinks/riversink"
)

func TestRequeueTakesDeadLettersOnly(t *testing.T) {
	t.Parallel()
	sink, pool, schema := open(t)
	dead := receive.NewDelivery([]byte("no JSON"), "")
	require.NoError(t, sink.HandleDelivery(t.Context(), dead))
	require.NoError(t, sink.HandleDelivery(t.Context(), opened("n-1")))
	require.NoError(t, sink.Requeue(t.Context()))
	err := sink.Requeue(t.Context(), dead.ID, "n-1", "unknown")
	require.ErrorIs(t, err, riversink.ErrNotDead)
	require.ErrorContains(t, err, "2 of 3")
	assert.Equal(t, 1, rows(t, pool, schema, "cancelled"), "none is put back")
	require.NoError(t, sink.Requeue(t.Context(), dead.ID, dead.ID))
	require.ErrorIs(t, sink.Requeue(t.Context(), dead.ID), riversink.ErrNotDead)
	assert.Equal(t, 2, rows(t, pool, schema, "available"))
}

func TestDeadIteratesOverPages(t *testing.T) {
	t.Parallel()
	sink, _, _ := open(t)
	const count = 40
	for i := range count {
		require.NoError(t, sink.HandleDelivery(t.Context(), receive.NewDelivery(fmt.Appendf(nil, "no JSON %02d", i), "")))
	}
	seen := 0
	for letter, err := range sink.Dead(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("no JSON %02d", seen), string(letter.Delivery.Body), "oldest first")
		require.NoError(t, sink.Requeue(t.Context(), letter.Delivery.ID), "while it iterates")
		seen++
	}
	assert.Equal(t, count, seen)
	assert.Empty(t, dead(t, sink), "all are put back")
}
