package riversink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/nylastrack/nylas-go/receive"
)

// secrets is the store of one webhook's secrets.
type secrets struct {
	sink    *Sink
	webhook string
}

// Secrets returns the store of a webhook's secrets in the same database, for any number
// of processes on any number of machines. [Sink.Migrate] makes its table, also for an
// [Open] with [WithClient]. The name tells the webhooks of one database apart: the
// webhook's URL is a good one, and a program with one webhook may use any.
//
// Swap refuses sessions with synchronous_commit off, like [Sink.HandleDelivery]. The pool
// must connect to the primary server: a replica may be behind.
func (s *Sink) Secrets(webhook string) receive.SecretStore {
	return &secrets{sink: s, webhook: webhook}
}

// secretsTable is the name of the table. It can stand among a program's own tables, so it
// says whose it is.
const secretsTable = "nylas_webhook_secrets"

func (s *Sink) secretsTable() string {
	if s.config.schema == "" {
		return secretsTable
	}
	return pgx.Identifier{s.config.schema, secretsTable}.Sanitize()
}

// migrateSecrets makes the table. It asks first, because a role that may not make tables
// can use one that was made for it.
func (s *Sink) migrateSecrets(ctx context.Context, conn *pgx.Conn) error {
	table := s.secretsTable()
	var missing bool
	if err := conn.QueryRow(ctx, "SELECT to_regclass($1) IS NULL", table).Scan(&missing); err != nil || !missing {
		return err
	}
	// As text, in which JSON stays as it is.
	_, err := conn.Exec(ctx, "CREATE TABLE "+table+" (webhook text PRIMARY KEY, state text NOT NULL)")
	return err
}

// Load returns what is committed.
func (c *secrets) Load(ctx context.Context) (receive.SecretState, error) {
	state, err := c.load(ctx, c.sink.pool, "")
	if errors.Is(err, pgx.ErrNoRows) {
		return receive.SecretState{}, nil
	}
	if err != nil {
		return receive.SecretState{}, c.failed(ctx, "load secrets", err)
	}
	return state, nil
}

type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func (c *secrets) load(ctx context.Context, from querier, lock string) (state receive.SecretState, err error) {
	var stored string
	if err := from.QueryRow(ctx, "SELECT state FROM "+c.sink.secretsTable()+" WHERE webhook = $1"+lock, c.webhook).Scan(&stored); err != nil {
		return receive.SecretState{}, err
	}
	if json.Unmarshal([]byte(stored), &state) != nil { // whose error may quote a secret
		return receive.SecretState{}, fmt.Errorf("the row of the webhook in %s was changed and cannot be decoded: "+
			"restore it, or delete it and call Subscribe with Adopt", secretsTable)
	}
	return state, nil
}

// Swap replaces old by next, or returns [receive.ErrChanged].
func (c *secrets) Swap(ctx context.Context, old, next receive.SecretState) error {
	err := c.swap(ctx, old, next)
	if err == nil || errors.Is(err, receive.ErrChanged) {
		return err
	}
	return c.failed(ctx, "swap secrets", err)
}

func (c *secrets) swap(ctx context.Context, old, next receive.SecretState) error {
	state, err := json.Marshal(next)
	if err != nil {
		return err
	}
	// Each statement must see what others committed before it, whatever the role's
	// default is: the second one waits for them at the row.
	return pgx.BeginTxFunc(ctx, c.sink.pool, pgx.TxOptions{BeginQuery: "BEGIN ISOLATION LEVEL READ COMMITTED" + checkDurable}, func(tx pgx.Tx) error {
		table := c.sink.secretsTable()
		// A row that is not there cannot be locked.
		if _, err := tx.Exec(ctx, "INSERT INTO "+table+" (webhook, state) VALUES ($1, '{}') ON CONFLICT DO NOTHING", c.webhook); err != nil {
			return err
		}
		stored, err := c.load(ctx, tx, " FOR UPDATE")
		if err != nil {
			return err
		}
		if !stored.Equal(old) {
			return receive.ErrChanged
		}
		_, err = tx.Exec(ctx, "UPDATE "+table+" SET state = $2 WHERE webhook = $1", c.webhook, string(state))
		return err
	})
}

func (c *secrets) failed(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("riversink: %s: %w", what, readable(err))
}
