package outbox

import "context"

// Pragmas is how SQLite works on the connection.
func (o *Outbox) Pragmas(ctx context.Context) (synchronous int, journal string, err error) {
	err = o.db.QueryRowContext(ctx, "SELECT synchronous, journal_mode FROM pragma_synchronous, pragma_journal_mode").Scan(&synchronous, &journal)
	return synchronous, journal, err
}
