package riversink_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/receive"
	"github.com/nylastrack/nylas-go/sinks/riversink"
)

type otherArgs struct{}

func (otherArgs) Kind() string { return "other" }

func TestWithAClientOfOnesOwn(t *testing.T) {
	t.Parallel()
	_, pool, schema := open(t)
	handler := &recorder{reply: func(d *receive.Delivery, _ int) error {
		if d.ID == "n-2" {
			return receive.Permanent(errors.New("no"))
		}
		return nil
	}}
	others := make(chan struct{}, 1)
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(context.Context, *river.Job[otherArgs]) error {
		others <- struct{}{}
		return nil
	}))
	config := &river.Config{
		Schema: schema, Workers: workers, Logger: slog.New(slog.DiscardHandler),
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 2}},
	}
	require.NoError(t, riversink.Configure(config, handler, riversink.WithQueue("default")))
	client, err := river.NewClient(riverpgxv5.New(pool), config)
	require.NoError(t, err)
	sink, err := riversink.Open(pool, riversink.WithClient(client), riversink.WithQueue("default"))
	require.NoError(t, err)
	require.ErrorContains(t, sink.Run(t.Context(), handler), "Configure")

	done, unsubscribe := client.Subscribe(river.EventKindJobCompleted, river.EventKindJobCancelled)
	defer unsubscribe()
	require.NoError(t, client.Start(t.Context()))
	for _, id := range []string{"n-1", "n-2"} {
		require.NoError(t, sink.HandleDelivery(t.Context(), opened(id)))
		assert.Equal(t, riversink.Kind, (<-done).Job.Kind)
	}
	_, err = client.Insert(t.Context(), otherArgs{}, nil)
	require.NoError(t, err)
	<-others
	assert.Len(t, dead(t, sink), 1)
	require.NoError(t, client.Stop(context.WithoutCancel(t.Context())))
}

func TestAClientWithoutTheWorkerIsRefused(t *testing.T) {
	t.Parallel()
	_, pool, schema := open(t)
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(context.Context, *river.Job[otherArgs]) error { return nil }))
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{Schema: schema, Workers: workers})
	require.NoError(t, err)
	sink, err := riversink.Open(pool, riversink.WithClient(client))
	require.NoError(t, err)
	require.ErrorContains(t, sink.HandleDelivery(t.Context(), opened("n-1")), riversink.Kind)
}
