package riversink

import (
	"context"
	"fmt"
	"hash/fnv"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// Migrate makes the schema, and in it River's tables and the one of [Sink.Secrets], or
// brings them up to the version of River that is linked. It may be called at every
// start, by several processes at once; the role needs CREATE on the database the first
// time. A program that migrates with River's own tools needs it only for Sink.Secrets.
//
// https://riverqueue.com/docs/migrations
func (s *Sink) Migrate(ctx context.Context) error {
	if err := s.migrate(ctx); err != nil {
		return fmt.Errorf("riversink: migrate: %w", readable(err))
	}
	return nil
}

func (s *Sink) migrate(ctx context.Context) error {
	schema := s.config.schema
	migrator, err := rivermigrate.New(riverpgxv5.New(s.pool), &rivermigrate.Config{Schema: schema, Logger: s.config.logger})
	if err != nil {
		return err
	}
	// A connection outside the pool, which may have only one. The lock ends with it.
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is left to be written
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", migrationLock(schema)); err != nil {
		return err
	}
	if schema != "" {
		// Without asking first, a role that may not make schemas could not use one
		// that was made for it.
		var missing bool
		if err := conn.QueryRow(ctx, "SELECT to_regnamespace($1) IS NULL", schema).Scan(&missing); err != nil {
			return err
		}
		if missing {
			if _, err := conn.Exec(ctx, "CREATE SCHEMA "+pgx.Identifier{schema}.Sanitize()); err != nil {
				return err
			}
		}
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	return s.migrateSecrets(ctx, conn)
}

// migrationLock is a number that only migrations of one schema use.
func migrationLock(schema string) int64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte("riversink migrate " + schema))
	return int64(hash.Sum64()) //nolint:gosec // any number will do
}
