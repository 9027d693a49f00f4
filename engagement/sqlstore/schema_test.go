package sqlstore_test

import (
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement/sqlstore"
)

var engines = []sqlstore.Engine{sqlstore.SQLite, sqlstore.PostgreSQL}

func TestProcessesMigrateAtOnce(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine.String(), func(t *testing.T) {
			t.Parallel()
			d := empty(t, engine)
			var wait sync.WaitGroup
			for range 6 {
				s := d.store(t)
				wait.Go(func() {
					for range 2 {
						assert.NoError(t, s.Migrate(t.Context()))
					}
				})
			}
			wait.Wait()
			add(t, d.store(t), opens("m-1"), opened("m-1", "A", 1))
		})
	}
}

// The statements are all that a migration tool needs, and may run twice.
func TestStatementsMakeTheTables(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine.String(), func(t *testing.T) {
			t.Parallel()
			d := empty(t, engine)
			db := d.open(t)
			for range 2 {
				for _, statement := range sqlstore.Statements(engine) {
					run(t, db, statement)
				}
			}
			s := d.store(t)
			add(t, s, opens("m-1"), opened("m-1", "A", 1))
			require.NoError(t, s.Migrate(t.Context()), "there is nothing to do")
			assert.Equal(t, []string{"A"}, ids(history(t, s, "m-1")))
		})
	}
}

// Once the tables are there, a role needs no right to make any.
func TestMigrateWithoutTheRightToMakeTables(t *testing.T) {
	t.Parallel()
	d := migrated(t, sqlstore.PostgreSQL)
	url := postgresURL(t)
	execURL(t, url, `CREATE ROLE `+d.name+` LOGIN`)
	t.Cleanup(func() { execURL(t, url, "DROP OWNED BY "+d.name); execURL(t, url, "DROP ROLE "+d.name) })
	execURL(t, url, "GRANT USAGE ON SCHEMA "+d.name+" TO "+d.name)
	execURL(t, url, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "+d.name+" TO "+d.name)
	config, err := pgx.ParseConfig(url)
	require.NoError(t, err)
	config.User, config.RuntimeParams["search_path"] = d.name, d.name
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	s, err := sqlstore.New(db, sqlstore.PostgreSQL)
	require.NoError(t, err)
	require.NoError(t, s.Migrate(t.Context()))
	add(t, s, opens("m-1"), opened("m-1", "A", 1))
	assert.Equal(t, []string{"A"}, ids(history(t, s, "m-1")))
}

// Without tables the error says which one is missing.
func TestWithoutMigrate(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine.String(), func(t *testing.T) {
			t.Parallel()
			s := empty(t, engine).store(t)
			_, err := s.Load(t.Context(), opens("m-1"))
			require.ErrorContains(t, err, "nylas_messages")
			require.ErrorContains(t, err, "sqlstore: load: ")
			_, err = s.Events(t.Context(), "g-1", "m-1")
			require.ErrorContains(t, err, "nylas_")
			_, err = s.Messages(t.Context(), sqlstore.MessageQuery{})
			require.ErrorContains(t, err, "nylas_messages")
			_, err = s.EventPage(t.Context(), sqlstore.EventQuery{MessageID: "m-1"})
			require.ErrorContains(t, err, "nylas_")
			_, _, err = s.Sent(t.Context(), "g-1", "m-1")
			require.ErrorContains(t, err, "nylas_messages")
		})
	}
}
