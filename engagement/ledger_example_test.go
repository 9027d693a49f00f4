package engagement_test

import (
	"context"
	"fmt"
	"log"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
)

// Two notifications overlap, and the one before them was lost.
func ExampleLedger_Apply() {
	ledger := engagement.NewLedger(engagement.NewMemoryStore())
	for _, body := range []string{
		opened(span(2, 4)...),
		opened(span(3, 6)...),
	} {
		n, err := events.Parse([]byte(body))
		if err != nil {
			log.Fatal(err)
		}
		change, err := ledger.Apply(context.Background(), n)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(len(change.New), "new")
		for _, gap := range change.Missing {
			fmt.Printf("missing: %d of %s, from %d to %d, lost: %t\n", gap.Count(), gap.MessageID, gap.First, gap.Last, gap.Lost)
		}
	}
	// Output:
	// 3 new
	// missing: 2 of m-1, from 0 to 1, lost: false
	// 2 new
	// missing: 2 of m-1, from 0 to 1, lost: false
}

func ExampleNewHandler() {
	ledger := engagement.NewLedger(engagement.NewMemoryStore())
	handler, err := engagement.NewHandler(ledger, nil, func(_ context.Context, e engagement.Event, v engagement.Verdict) error {
		fmt.Println(e.Kind, v)
		return nil // the event is stored now
	})
	if err != nil {
		log.Fatal(err)
	}
	body := opened(`"opened_id":0,"timestamp":1700000000,"ip":"66.249.93.1","user_agent":"Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"`)
	for range 2 { // Nylas may deliver a notification twice
		if err := handler.HandleDelivery(context.Background(), receive.NewDelivery([]byte(body), "")); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// open gmail-proxy: human (medium)
}

// A store that keeps events can tell of them later.
func ExampleMemoryStore() {
	ctx := context.Background()
	store := engagement.NewMemoryStore(engagement.WithEvents())
	n, err := events.Parse([]byte(opened(span(0, 1)...)))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := engagement.NewLedger(store).Apply(ctx, n); err != nil {
		log.Fatal(err)
	}
	all, err := store.Events(ctx, "g-1", "m-1")
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range all {
		fmt.Println(e.Kind, "at", e.Time.Format("15:04:05"), "from", e.IP)
	}
	// Output:
	// open at 22:13:20 from 203.0.113.7
	// open at 22:13:21 from 203.0.113.7
}
