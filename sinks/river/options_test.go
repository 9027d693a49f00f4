package nylasriver_test

import (
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	nylasriver "github.com/nylastrack/nylas-go/sinks/river"
)

func TestConfigure(t *testing.T) {
	t.Parallel()
	const week = 7 * 24 * time.Hour
	handler := &recorder{}
	config := &river.Config{DiscardedJobRetentionPeriod: -1, CancelledJobRetentionPeriod: 30 * 24 * time.Hour}
	require.NoError(t, nylasriver.Configure(config, handler, nil))
	assert.Equal(t, week, config.CompletedJobRetentionPeriod)
	assert.Equal(t, 30*24*time.Hour, config.CancelledJobRetentionPeriod)
	assert.Equal(t, time.Duration(-1), config.DiscardedJobRetentionPeriod)
	assert.Equal(t, 5*time.Minute, config.RescueStuckJobsAfter)
	assert.Equal(t, 50, config.Queues["nylas"].MaxWorkers)
	require.ErrorContains(t, nylasriver.Configure(config, handler), "already registered")

	config = &river.Config{}
	require.NoError(t, nylasriver.Configure(config, handler, nylasriver.WithRetention(2*week),
		nylasriver.WithHandlerTimeout(time.Hour), nylasriver.WithWorkers(3), nylasriver.WithQueue("mine")))
	assert.Equal(t, 2*week, config.DiscardedJobRetentionPeriod)
	assert.Equal(t, time.Hour+4*time.Minute, config.RescueStuckJobsAfter)
	assert.Equal(t, 3, config.Queues["mine"].MaxWorkers)

	for name, test := range map[string]struct {
		config  *river.Config
		handler nylas.Handler
		opts    []nylasriver.WorkOption
		want    string
	}{
		"no config":  {handler: handler, want: "config is nil"},
		"no handler": {config: &river.Config{}, want: "handler is nil"},
		"nil func":   {config: &river.Config{}, handler: nylas.HandlerFunc(nil), want: "handler is nil"},
		"retention": {config: &river.Config{CompletedJobRetentionPeriod: 24 * time.Hour}, handler: handler,
			want: "CompletedJobRetentionPeriod is below 168h0m0s"},
		"retention below the option": {config: &river.Config{CancelledJobRetentionPeriod: week}, handler: handler,
			opts: []nylasriver.WorkOption{nylasriver.WithRetention(2 * week)}, want: "CancelledJobRetentionPeriod is below 336h0m0s"},
		"rescue": {config: &river.Config{RescueStuckJobsAfter: time.Minute}, handler: handler, want: "RescueStuckJobsAfter"},
		"bad option": {config: &river.Config{}, handler: handler,
			opts: []nylasriver.WorkOption{nylasriver.WithWorkers(0)}, want: "workers must be 1 to 10000"},
		"options together": {config: &river.Config{}, handler: handler,
			opts: []nylasriver.WorkOption{nylasriver.WithRescueAfter(time.Minute)}, want: "rescue after must be above"},
	} {
		require.ErrorContains(t, nylasriver.Configure(test.config, test.handler, test.opts...), test.want, name)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	_, err := nylasriver.Open(nil)
	require.ErrorContains(t, err, "pool is nil")
	pool := newPool(t)
	_, err = nylasriver.Open(pool, nil)
	require.NoError(t, err)
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{})
	require.NoError(t, err)
	for want, opts := range map[string][]nylasriver.Option{
		"schema must be":                {nylasriver.WithSchema("Crm-1")},
		"client is nil":                 {nylasriver.WithClient(nil)},
		"max attempts must be":          {nylasriver.WithMaxAttempts(1 << 15)},
		"logger is nil":                 {nylasriver.WithLogger(nil)},
		"queue must be":                 {nylasriver.WithQueue("a b")},
		"handler timeout must be":       {nylasriver.WithHandlerTimeout(0)},
		"backoff must be":               {nylasriver.WithBackoff(2, 1)},
		"rescue after must be positive": {nylasriver.WithRescueAfter(0)},
		"retention must be at least":    {nylasriver.WithRetention(72 * time.Hour)},
		"exclude each other":            {nylasriver.WithClient(client), nylasriver.WithSchema("mine")},
		"belong to Configure":           {nylasriver.WithClient(client), nylasriver.WithWorkers(2)},
	} {
		_, err := nylasriver.Open(pool, opts...)
		require.ErrorContains(t, err, want)
	}
}
