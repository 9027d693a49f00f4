package readme_test

import (
	"context"
	"crypto/rand"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
	"github.com/nylastrack/nylas-go/sinks/riversink"
)

// readme:begin postgres
func process(
	ctx context.Context, pool *pgxpool.Pool, client *nylas.Client, listener net.Listener, url string, handler receive.Handler,
) error {
	sink, err := riversink.Open(pool)
	if err != nil {
		return err
	}
	if err := sink.Migrate(ctx); err != nil { // each process may, at every start
		return err
	}
	secrets := sink.Secrets(url) // shared by all processes, as the deliveries are
	receiver, err := receive.New(sink, secrets)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return receive.Serve(ctx, listener, receiver) })
	group.Go(func() error { return sink.Run(ctx, handler) })
	group.Go(func() error {
		_, err := client.Subscribe(ctx, &nylas.SubscribeRequest{
			URL: url, Types: events.TrackingTypes(), Secrets: secrets,
		})
		return err
	})
	return group.Wait()
}

// readme:end

// Two processes share a webhook, and one of them handles the open.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	address := os.Getenv("NYLAS_TEST_POSTGRES")
	if address == "" {
		require.NotEqual(t, "true", os.Getenv("CI"), "NYLAS_TEST_POSTGRES is not set")
		t.Skip(`needs a PostgreSQL: eval "$(.ci/postgres start)"`)
	}
	admin, err := pgxpool.New(t.Context(), address)
	require.NoError(t, err)
	defer admin.Close()
	name := "docs_" + strings.ToLower(rand.Text())
	_, err = admin.Exec(t.Context(), "CREATE DATABASE "+name) // riversink's schema has one name
	require.NoError(t, err)
	defer func() {
		_, err := admin.Exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)")
		assert.NoError(t, err)
	}()

	server := nylastest.NewServer(t)
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	require.NoError(t, err)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	other, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	url := "http://" + listener.Addr().String() // the load balancer, which only knows the first
	told := make(chan string, 2)
	handler := &receive.Dispatcher{
		MessageOpened: func(_ context.Context, _ *events.Notification, opened *events.MessageOpened) error {
			told <- opened.MessageID
			return nil
		},
	}
	ctx, stop := context.WithCancel(t.Context())
	var pools []*pgxpool.Pool
	defer func() {
		for _, pool := range pools {
			pool.Close()
		}
	}()
	open := func() *pgxpool.Pool {
		config, err := pgxpool.ParseConfig(address)
		require.NoError(t, err)
		config.ConnConfig.Database = name
		pool, err := pgxpool.NewWithConfig(t.Context(), config)
		require.NoError(t, err)
		pools = append(pools, pool)
		return pool
	}
	var group errgroup.Group
	for _, listener := range []net.Listener{listener, other} {
		pool := open()
		group.Go(func() error { return process(ctx, pool, client, listener, url, handler) })
	}
	pool := open()
	sink, err := riversink.Open(pool)
	require.NoError(t, err)
	require.NoError(t, sink.Migrate(ctx))
	_, err = client.Subscribe(ctx, &nylas.SubscribeRequest{ // returns when the webhook is there
		URL: url, Types: events.TrackingTypes(), Secrets: sink.Secrets(url),
	})
	require.NoError(t, err)
	message, err := client.Messages.Send(ctx, server.GrantID(), &nylas.SendMessageRequest{
		To: []nylas.Participant{{Email: "kim@example.org"}}, Body: "<p>Hi</p>",
		TrackingOptions: &nylas.TrackingOptions{Opens: true},
	})
	require.NoError(t, err)
	recipient, err := server.Recipient(message.ID)
	require.NoError(t, err)
	require.NoError(t, recipient.Open(ctx))
	assert.Equal(t, message.ID, <-told)
	assert.Len(t, server.Webhooks(), 1)
	stop()
	if err := group.Wait(); err != nil { // a Subscribe may still wait for the other one
		require.ErrorIs(t, err, context.Canceled)
	}
}
