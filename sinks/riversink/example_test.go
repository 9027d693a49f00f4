package riversink_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
	"github.com/nylastrack/nylas-go/sinks/riversink"
)

// Receive and handle in one process. With several, each does the same, or some
// only receive and others only run.
func Example() {
	serve := func(ctx context.Context) error {
		pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
		if err != nil {
			return err
		}
		defer pool.Close()
		sink, err := riversink.Open(pool)
		if err != nil {
			return err
		}
		if err := sink.Migrate(ctx); err != nil {
			return err
		}
		receiver, err := receive.New(sink, receive.Secret(os.Getenv("NYLAS_WEBHOOK_SECRET")))
		if err != nil {
			return err
		}
		server := &http.Server{Addr: ":8080", Handler: receiver, ReadHeaderTimeout: 2 * time.Second}
		go func() { log.Println(server.ListenAndServe()) }()
		defer server.Shutdown(context.WithoutCancel(ctx)) //nolint:errcheck // Nylas comes again

		return sink.Run(ctx, &receive.Dispatcher{
			MessageOpened: func(_ context.Context, _ *events.Notification, opened *events.MessageOpened) error {
				fmt.Println("opened:", opened.MessageID)
				return nil // an error brings it again, after a wait
			},
		})
	}
	_ = serve
}

// Count each event exactly once, in the database that also holds the delivery.
func ExampleCompleteTx() {
	var pool *pgxpool.Pool
	_ = &receive.Dispatcher{
		MessageOpened: func(ctx context.Context, _ *events.Notification, opened *events.MessageOpened) error {
			return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
				const count = "UPDATE mails SET opens = opens + 1 WHERE message_id = $1"
				if _, err := tx.Exec(ctx, count, opened.MessageID); err != nil {
					return err
				}
				return riversink.CompleteTx(ctx, tx)
			})
		},
	}
}

// Keep deliveries among the jobs of a River that is already there.
func ExampleConfigure() {
	var pool *pgxpool.Pool
	var dispatcher *receive.Dispatcher
	start := func(ctx context.Context, config *river.Config) (*riversink.Sink, error) {
		if err := riversink.Configure(config, dispatcher); err != nil {
			return nil, err
		}
		client, err := river.NewClient(riverpgxv5.New(pool), config)
		if err != nil {
			return nil, err
		}
		if err := client.Start(ctx); err != nil {
			return nil, err
		}
		return riversink.Open(pool, riversink.WithClient(client))
	}
	_ = start
}

// Look at what was given up, and put back what failed for a reason that is gone.
func ExampleSink_Dead() {
	var sink *riversink.Sink
	ctx := context.Background()
	for letter, err := range sink.Dead(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(letter.DiedAt, letter.Delivery.ID, letter.Attempts, letter.Err)
		if letter.Delivery.Err != nil {
			continue // it cannot be decoded, and that does not pass
		}
		err = sink.Requeue(ctx, letter.Delivery.ID)
		if err != nil && !errors.Is(err, riversink.ErrNotDead) { // somebody else was faster
			log.Fatal(err)
		}
	}
}
