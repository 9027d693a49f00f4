package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
	"github.com/nylastrack/nylas-go/events"
)

func Example() {
	if err := example(context.Background()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 1 new
	// 1 new
	// Your trial
	// 2025-11-29 12:00:00 open from 203.0.113.0
	// 2025-11-29 13:00:00 open from 203.0.113.0
}

func example(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "engagement")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a directory for temporary files
	db, err := sql.Open("sqlite", filepath.Join(dir, "events.db"))
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // what was committed is stored
	store, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.WithTruncatedAddresses())
	if err != nil {
		return err
	}
	if err := store.Migrate(ctx); err != nil {
		return err
	}

	// After a send.
	if err := store.SetSent(ctx, engagement.Sent{
		GrantID: "grant-1", MessageID: "message-1", Label: "trial-q2", Subject: "Your trial", At: time.Now(), Recipients: 1,
	}); err != nil {
		return err
	}

	// In the handler of notifications. The second one repeats the event of the first.
	ledger := engagement.NewLedger(store)
	for _, recents := range []string{
		`{"opened_id":0,"ip":"203.0.113.7","timestamp":1764417600,"user_agent":"Mozilla/5.0"}`,
		`{"opened_id":0,"ip":"203.0.113.7","timestamp":1764417600,"user_agent":"Mozilla/5.0"},
		 {"opened_id":1,"ip":"203.0.113.9","timestamp":1764421200,"user_agent":"Mozilla/5.0"}`,
	} {
		notification, err := events.Parse([]byte(`{"specversion":"1.0","type":"message.opened","id":"n-1","time":1764421200,"data":
			{"grant_id":"grant-1","object":{"message_id":"message-1","label":"trial-q2","recents":[` + recents + `]}}}`))
		if err != nil {
			return err
		}
		change, err := ledger.Apply(ctx, notification)
		if err != nil {
			return err
		}
		fmt.Println(len(change.New), "new")
	}

	// On a page.
	page, err := store.Messages(ctx, sqlstore.MessageQuery{Label: "trial-q2"})
	if err != nil {
		return err
	}
	for _, message := range page.Messages {
		fmt.Println(message.Subject)
		history, err := store.Events(ctx, message.GrantID, message.MessageID)
		if err != nil {
			return err
		}
		for _, event := range history {
			fmt.Println(event.Time.Format(time.DateTime), event.Kind, "from", event.IP)
		}
	}
	return nil
}
