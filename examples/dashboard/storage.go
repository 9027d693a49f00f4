package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"go.opentelemetry.io/otel/metric"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/nylastrack/nylas-go/engagement/sqlstore"
	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/otelnylas"
	"github.com/nylastrack/nylas-go/otelnylas/otelinbox"
	"github.com/nylastrack/nylas-go/receive"
	"github.com/nylastrack/nylas-go/sinks/riversink"
)

// storage is where everything is kept.
type storage struct {
	events *sqlstore.Store
	// deliveries keeps what Nylas delivers until it is handled.
	deliveries interface {
		receive.Handler
		Run(ctx context.Context, handler receive.Handler) error
	}
	// secrets returns where the secrets of a webhook are.
	secrets func(webhookURL string) receive.SecretStore
	// health answers a readiness probe. It is nil with PostgreSQL.
	health  http.Handler
	closers []func() error
}

// close closes what was opened, the last first.
func (s *storage) close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	return errors.Join(errs...)
}

// openStorage opens the database of DATABASE_URL, or files in the folder of -data.
func openStorage(ctx context.Context, set settings, logger *slog.Logger, meters metric.MeterProvider) (s *storage, err error) {
	s = &storage{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if set.databaseURL != "" {
		err = s.openPostgreSQL(ctx, set.databaseURL, logger)
	} else {
		err = s.openSQLite(set.data, logger, meters)
	}
	if err != nil {
		return s, err
	}
	return s, s.events.Migrate(ctx)
}

// openSQLite opens two files. The store of events has one of its own, because SQLite has one
// writer at a time. Without a folder it makes one, and removes it in the end.
func (s *storage) openSQLite(folder string, logger *slog.Logger, meters metric.MeterProvider) (err error) {
	if folder == "" {
		if folder, err = os.MkdirTemp("", "dashboard"); err != nil {
			return err
		}
		s.closers = append(s.closers, func() error { return os.RemoveAll(folder) })
	} else if err := os.MkdirAll(folder, 0o700); err != nil { // it holds mail and secrets
		return fmt.Errorf("-data: %w", err)
	}
	file := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(filepath.Join(folder, "events.db"))}
	file.RawQuery = url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)"}}.Encode()
	db, err := sql.Open("sqlite", file.String())
	if err != nil {
		return err
	}
	s.closers = append(s.closers, db.Close)
	if s.events, err = sqlstore.New(db, sqlstore.SQLite); err != nil {
		return err
	}
	box, err := inbox.Open(filepath.Join(folder, "inbox.db"), inbox.WithLogger(logger),
		inbox.WithOrder(receive.MessageOrder), inbox.WithHooks(otelinbox.Hooks(inbox.Hooks{}, otelnylas.WithMeterProvider(meters))))
	if err != nil {
		return err
	}
	s.closers = append(s.closers, box.Close)
	measured, err := otelinbox.Observe(box, otelnylas.WithMeterProvider(meters))
	if err != nil {
		return err
	}
	s.closers = append(s.closers, measured.Unregister)
	s.deliveries, s.secrets, s.health = box, box.SecretsFor, box.Health()
	return nil
}

// openPostgreSQL opens a database that any number of processes may share.
func (s *storage) openPostgreSQL(ctx context.Context, databaseURL string, logger *slog.Logger) error {
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return errors.New("DATABASE_URL cannot be read: it looks like postgres://user:password@host/database") // the error would show it
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return errors.New("the database of DATABASE_URL cannot be used")
	}
	s.closers = append(s.closers, func() error { pool.Close(); return nil })
	sink, err := riversink.Open(pool, riversink.WithLogger(logger))
	if err != nil {
		return err
	}
	if err := sink.Migrate(ctx); err != nil { // makes the schema
		return fmt.Errorf("the database of DATABASE_URL: %w", err)
	}
	db := stdlib.OpenDBFromPool(pool)
	s.closers = append(s.closers, db.Close)
	if s.events, err = sqlstore.New(db, sqlstore.PostgreSQL); err != nil {
		return err
	}
	s.deliveries, s.secrets = sink, sink.Secrets
	return nil
}
