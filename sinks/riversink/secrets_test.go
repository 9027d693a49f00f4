package riversink_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
	"github.com/nylastrack/nylas-go/sinks/riversink"
)

const webhookURL = "https://crm.example.com/nylas"

// Each handle has a pool of its own, as each process has.
func TestSecretsKeepTheContract(t *testing.T) {
	t.Parallel()
	_, _, schema := open(t)
	nylastest.TestSecretStore(t, func(tb testing.TB, storage string) receive.SecretStore {
		tb.Helper()
		sink, err := riversink.Open(newPool(tb), riversink.WithSchema(schema))
		require.NoError(tb, err)
		return sink.Secrets(storage)
	})
}

// The role's own default would make one of two Swaps fail with an error of its own.
func TestSecretsOfASerializableSession(t *testing.T) {
	t.Parallel()
	_, _, schema := open(t)
	nylastest.TestSecretStore(t, func(tb testing.TB, storage string) receive.SecretStore {
		tb.Helper()
		sink, err := riversink.Open(poolWith(tb, "default_transaction_isolation", "serializable"), riversink.WithSchema(schema))
		require.NoError(tb, err)
		return sink.Secrets(storage)
	})
}

func poolWith(tb testing.TB, parameter, value string) *pgxpool.Pool {
	tb.Helper()
	config, err := pgxpool.ParseConfig(databaseURL(tb))
	require.NoError(tb, err)
	config.ConnConfig.RuntimeParams[parameter] = value
	pool, err := pgxpool.NewWithConfig(tb.Context(), config)
	require.NoError(tb, err)
	tb.Cleanup(pool.Close)
	return pool
}

func someSecrets() receive.SecretState {
	return receive.SecretState{WebhookID: "webhook-1", URL: webhookURL, Secrets: []receive.StoredSecret{
		{Value: "whsec-2"}, {Value: "whsec-1", Until: time.Date(2031, 1, 2, 3, 4, 5, 6, time.UTC)},
	}}
}

func TestSecretsSurviveAnotherMigration(t *testing.T) {
	t.Parallel()
	sink, pool, schema := open(t)
	require.NoError(t, sink.Secrets(webhookURL).Swap(t.Context(), receive.SecretState{}, someSecrets()))
	require.NoError(t, sink.Migrate(t.Context()))
	state, err := sink.Secrets(webhookURL).Load(t.Context())
	require.NoError(t, err)
	assert.Equal(t, someSecrets(), state)

	// A schema that an earlier version of this package made gets the table.
	_, err = pool.Exec(t.Context(), "DROP TABLE "+schema+".nylas_webhook_secrets")
	require.NoError(t, err)
	require.NoError(t, sink.Migrate(t.Context()))
	state, err = sink.Secrets(webhookURL).Load(t.Context())
	require.NoError(t, err)
	assert.True(t, state.IsZero())
}

func TestSecretsBesideARiverOfOnesOwn(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	pool := newPool(t)
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{Schema: schema})
	require.NoError(t, err)
	sink, err := riversink.Open(pool, riversink.WithClient(client))
	require.NoError(t, err)
	require.NoError(t, sink.Migrate(t.Context()))
	require.NoError(t, sink.Secrets("").Swap(t.Context(), receive.SecretState{}, someSecrets()))
	var n int
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM "+schema+".nylas_webhook_secrets").Scan(&n))
	assert.Equal(t, 1, n)
}

// A client without a schema has its tables where the search path of the session says.
func TestSecretsInTheSearchPath(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	pool := poolWith(t, "search_path", schema)
	_, err := pool.Exec(t.Context(), "CREATE SCHEMA "+schema)
	require.NoError(t, err)
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{})
	require.NoError(t, err)
	sink, err := riversink.Open(pool, riversink.WithClient(client))
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, sink.Migrate(t.Context()))
	}
	require.NoError(t, sink.Secrets("").Swap(t.Context(), receive.SecretState{}, someSecrets()))
	var n int
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM "+schema+".nylas_webhook_secrets").Scan(&n))
	assert.Equal(t, 1, n)
}

func TestSecretsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	sink, pool, schema := open(t)
	secrets := sink.Secrets(webhookURL)

	unsafe, err := riversink.Open(poolWith(t, "synchronous_commit", "off"), riversink.WithSchema(schema))
	require.NoError(t, err)
	require.ErrorContains(t, unsafe.Secrets(webhookURL).Swap(t.Context(), receive.SecretState{}, someSecrets()), "synchronous_commit")

	require.NoError(t, secrets.Swap(t.Context(), receive.SecretState{}, someSecrets()))
	_, err = pool.Exec(t.Context(), "UPDATE "+schema+".nylas_webhook_secrets SET state = '{\"whsec-2'")
	require.NoError(t, err)
	wantBoth := func(text string) {
		t.Helper()
		_, err := secrets.Load(t.Context())
		require.ErrorContains(t, err, text)
		assert.NotContains(t, err.Error(), "whsec-2")
		err = secrets.Swap(t.Context(), someSecrets(), receive.SecretState{})
		require.ErrorContains(t, err, text)
		assert.NotContains(t, err.Error(), "whsec-2")
	}
	wantBoth("cannot be decoded")

	_, err = pool.Exec(t.Context(), "DROP TABLE "+schema+".nylas_webhook_secrets")
	require.NoError(t, err)
	wantBoth("call Sink.Migrate")

	pool.Close()
	wantBoth("closed pool")

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(assert.AnError)
	_, err = secrets.Load(ctx)
	require.ErrorIs(t, err, assert.AnError)
}
