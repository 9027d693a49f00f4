package nylastest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

// A program that knows nothing but HTTP subscribes a webhook and sends a tracked
// message; then the recipient acts.
func Example() {
	if err := track(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Unordered output:
	// message.opened trial-followup-q2
	// forwarded to https://acme.dev/demo
	// message.link_clicked trial-followup-q2
	// thread.replied trial-followup-q2
}

func track(ctx context.Context) error {
	server, err := nylastest.Start()
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	hooks := httptest.NewServer(http.HandlerFunc(webhook))
	defer hooks.Close()

	if err := post(server, "/v3/webhooks", map[string]any{
		"trigger_types": events.TrackingTypes(), "webhook_url": hooks.URL,
	}); err != nil {
		return err
	}
	if err := post(server, "/v3/grants/"+server.GrantID()+"/messages/send", map[string]any{
		"to":               []any{map[string]any{"email": "kim@example.org"}},
		"body":             `Reply or <a href="https://acme.dev/demo">book a demo</a>.`,
		"tracking_options": map[string]any{"opens": true, "links": true, "thread_replies": true, "label": "trial-followup-q2"},
	}); err != nil {
		return err
	}

	kim, err := server.Recipient(server.Messages()[0].ID)
	if err != nil {
		return err
	}
	if err := kim.Open(ctx); err != nil {
		return err
	}
	location, err := kim.Click(ctx, 0)
	if err != nil {
		return err
	}
	fmt.Println("forwarded to", location)
	if _, err := kim.Reply(ctx); err != nil {
		return err
	}
	return server.Wait(ctx) // until the receiver has been told of it all
}

// A person with Apple's privacy protection, behind a scanner, receives a message. What
// happens in hours takes no time here.
func ExampleServer_ReceiveAtOnce() {
	server, err := nylastest.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = server.Close() }()
	if err := post(server, "/v3/grants/"+server.GrantID()+"/messages/send", map[string]any{
		"to":               []any{map[string]any{"email": "kim@example.org"}},
		"body":             `Reply or <a href="https://acme.dev/demo">book a demo</a>.`,
		"tracking_options": map[string]any{"opens": true, "links": true},
	}); err != nil {
		fmt.Println(err)
		return
	}
	happened, err := server.ReceiveAtOnce(context.Background(), server.Messages()[0].ID, nylastest.AppleMail(), nylastest.SafeLinks())
	if err != nil {
		fmt.Println(err)
	}
	for _, h := range happened {
		fmt.Println(h.Kind, "by", h.Cause, "through", h.Mechanism)
	}
	// Output:
	// click by machine through security-scanner
	// open by machine through apple-mpp
	// click by person through browser
}

// webhook answers the challenge and takes notifications.
func webhook(w http.ResponseWriter, r *http.Request) {
	if challenge := r.URL.Query().Get("challenge"); challenge != "" {
		_, _ = io.WriteString(w, challenge)
		return
	}
	var n events.Notification
	if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Println(n.Type, n.Tracked()[0].Label)
}

func post(server *nylastest.Server, path string, body any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequest(http.MethodPost, server.URL()+path, bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+server.APIKey())
	request.Header.Set("Content-Type", "application/json")
	response, err := server.HTTPClient().Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, response.Status)
	}
	return nil
}
