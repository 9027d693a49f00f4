package nylastest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

// A tenth of all notifications comes twice and a tenth is late, which ones depends on the
// seed. The recipient opens the message, and the test waits for that notification.
func ExampleServer_WaitForDelivery() {
	server, err := nylastest.Start(nylastest.WithSeed(1))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = server.Close() }()
	hooks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.URL.Query().Get("challenge"))
	}))
	defer hooks.Close()
	if err := server.InjectDelivery(
		nylastest.DeliveryFault{Chance: 0.1, Times: nylastest.Forever, Duplicates: 1},
		nylastest.DeliveryFault{Chance: 0.1, Times: nylastest.Forever, Reorder: true},
	); err != nil {
		fmt.Println(err)
		return
	}

	if err := post(server, "/v3/webhooks", map[string]any{
		"trigger_types": events.TrackingTypes(), "webhook_url": hooks.URL,
	}); err != nil {
		fmt.Println(err)
		return
	}
	if err := post(server, "/v3/grants/"+server.GrantID()+"/messages/send", map[string]any{
		"to":               []any{map[string]any{"email": "kim@example.org"}},
		"body":             "Any questions?",
		"tracking_options": map[string]any{"opens": true, "label": "trial-followup-q2"},
	}); err != nil {
		fmt.Println(err)
		return
	}
	kim, err := server.Recipient(server.Messages()[0].ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := kim.Open(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	delivery, err := server.WaitForDelivery(context.Background(), nylastest.Wanted{Type: events.TypeMessageOpened, Label: "trial-followup-q2"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("delivered at attempt", delivery.Attempt)
	// Output:
	// delivered at attempt 1
}
