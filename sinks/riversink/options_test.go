package riversink_test

import (
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/receive"
	"github.com/nylastrack/nylas-go/sinks/riversink"
)

func TestConfigure(t *testing.T) {
	t.Parallel()
	const week = 7 * 24 * time.Hour
	handler := &recorder{}
	config := &river.Config{DiscardedJobRetentionPeriod: -1, CancelledJobRetentionPeriod: 30 * 24 * time.Hour}
	require.NoError(t, riversink.Configure(config, handler, nil))
	assert.Equal(t, week, config.CompletedJobRetentionPeriod)
	assert.Equal(t, 30*24*time.Hour, config.CancelledJobRetentionPeriod)
	assert.Equal(t, time.Duration(-1), config.DiscardedJobRetentionPeriod)
	assert.Equal(t, 5*time.Minute, config.RescueStuckJobsAfter)
	assert.Equal(t, 50, config.Queues["nylas"].MaxWorkers)
	require.ErrorContains(t, riversink.Configure(config, handler), "already registered")

	config = &river.Config{}
	require.NoError(t, riversink.Configure(config, handler, riversink.WithRetention(2*week),
		riversink.WithHandlerTimeout(time.Hour), riversink.WithWorkers(3), riversink.WithQueue("mine")))
	assert.Equal(t, 2*week, config.DiscardedJobRetentionPeriod)
	assert.Equal(t, time.Hour+4*time.Minute, config.RescueStuckJobsAfter)
	assert.Equal(t, 3, config.Queues["mine"].MaxWorkers)

	for name, test := range map[string]struct {
		config  *river.Config
		handler receive.Handler
		opts    []riversink.WorkOption
		want    string
	}{
		"no config":  {handler: handler, want: "config is nil"},
		"no handler": {config: &river.Config{}, want: "handler is nil"},
		"nil func":   {config: &river.Config{}, handler: receive.HandlerFunc(nil), want: "handler is nil"},
		"retention": {config: &river.Config{CompletedJobRetentionPeriod: 24 * time.Hour}, handler: handler,
			want: "CompletedJobRetentionPeriod is below 168h0m0s"},
		"retention below the option": {config: &river.Config{CancelledJobRetentionPeriod: week}, handler: handler,
			opts: []riversink.WorkOption{riversink.WithRetention(2 * week)}, want: "CancelledJobRetentionPeriod is below 336h0m0s"},
		"rescue": {config: &river.Config{RescueStuckJobsAfter: time.Minute}, handler: handler, want: "RescueStuckJobsAfter"},
		"bad option": {config: &river.Config{}, handler: handler,
			opts: []riversink.WorkOption{riversink.WithWorkers(0)}, want: "workers must be 1 to 10000"},
		"options together": {config: &river.Config{}, handler: handler,
			opts: []riversink.WorkOption{riversink.WithRescueAfter(time.Minute)}, want: "rescue after must be above"},
	} {
		require.ErrorContains(t, riversink.Configure(test.config, test.handler, test.opts...), test.want, name)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	_, err := riversink.Open(nil)
	require.ErrorContains(t, err, "pool is nil")
	pool := newPool(t)
	_, err = riversink.Open(pool, nil)
	require.NoError(t, err)
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{})
	require.NoError(t, err)
	for want, opts := range map[string][]riversink.Option{
		"schema must be":                {riversink.WithSchema("Crm-1")},
		"client is nil":                 {riversink.WithClient(nil)},
		"max attempts must be":          {riversink.WithMaxAttempts(1 << 15)},
		"logger is nil":                 {riversink.WithLogger(nil)},
		"queue must be":                 {riversink.WithQueue("a b")},
		"handler timeout must be":       {riversink.WithHandlerTimeout(0)},
		"backoff must be":               {riversink.WithBackoff(2, 1)},
		"rescue after must be positive": {riversink.WithRescueAfter(0)},
		"retention must be at least":    {riversink.WithRetention(72 * time.Hour)},
		"exclude each other":            {riversink.WithClient(client), riversink.WithSchema("mine")},
		"belong to Configure":           {riversink.WithClient(client), riversink.WithWorkers(2)},
	} {
		_, err := riversink.Open(pool, opts...)
		require.ErrorContains(t, err, want)
	}
}
