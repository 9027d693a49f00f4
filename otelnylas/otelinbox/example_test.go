package otelinbox_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/otelnylas/otelinbox"
)

func Example() {
	folder, err := os.MkdirTemp("", "inbox")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()

	box, err := inbox.Open(filepath.Join(folder, "nylas.db"), inbox.WithHooks(otelinbox.Hooks(inbox.Hooks{})))
	if err != nil {
		panic(err)
	}
	defer func() { _ = box.Close() }()
	registration, err := otelinbox.Observe(box)
	if err != nil {
		panic(err)
	}
	defer func() { _ = registration.Unregister() }() // before Close
	fmt.Println("measured")
	// Output: measured
}
