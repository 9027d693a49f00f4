package oteloutbox_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/nylastrack/nylas-go/otelnylas/oteloutbox"
	"github.com/nylastrack/nylas-go/outbox"
)

func Example() {
	folder, err := os.MkdirTemp("", "outbox")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()

	box, err := outbox.Open(filepath.Join(folder, "campaign.db"), outbox.WithHook(oteloutbox.Hook(nil)))
	if err != nil {
		panic(err)
	}
	defer func() { _ = box.Close() }()
	registration, err := oteloutbox.Observe(box)
	if err != nil {
		panic(err)
	}
	defer func() { _ = registration.Unregister() }() // before Close
	fmt.Println("measured")
	// Output: measured
}
