package receive_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

// A server that slow clients cannot hold up, and that loses nothing when it is
// stopped.
func ExampleReceiver() {
	handler := receive.HandlerFunc(func(_ context.Context, d *receive.Delivery) error {
		fmt.Println("stored", d.ID)
		return nil // or the error of the store, and Nylas delivers it again
	})
	receiver, err := receive.New(handler, receive.WithSecrets("webhook secret"))
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/webhooks/nylas", receiver)
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 2 * time.Second,
		ReadTimeout:       5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		// A notification, and then the signal to stop.
		ctx := context.Background()
		url := "http://" + listener.Addr().String() + "/webhooks/nylas"
		request, err := nylastest.NewWebhookRequest(ctx, url, "webhook secret", []byte(`{"id":"n-1","type":"message.opened","data":{}}`))
		if err != nil {
			log.Fatal(err)
		}
		answer, err := new(http.Client).Do(request)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("answered", answer.StatusCode)
		if err := answer.Body.Close(); err != nil {
			log.Fatal(err)
		}
		if err := server.Shutdown(ctx); err != nil { // waits for what is being handled
			log.Fatal(err)
		}
	}()
	fmt.Println(server.Serve(listener))
	// Only now the store behind the handler may be closed.

	// Output:
	// stored n-1
	// answered 200
	// http: Server closed
}

// One process changes its secret: the function rotates at Nylas and saves.
func ExampleReceiver_RotateSecret() {
	ctx := context.Background()
	client, receiver, webhook, end := subscribed() // as the example of the package does it
	defer end()

	err := receiver.RotateSecret(ctx, func(ctx context.Context) (string, error) {
		rotated, err := client.Webhooks.RotateSecret(ctx, webhook.ID)
		if err != nil {
			return "", err
		}
		return rotated.WebhookSecret, save(rotated.WebhookSecret) // Nylas does not show it again
	})
	fmt.Println("rotated:", err)
	// Output:
	// rotated: <nil>
}

// Several processes share a table with the secrets and a mark. Each has this
// source, and one of them, or a tool, changes the secret.
func ExampleWithSecretSource() {
	table := new(secretTable) // in a database
	table.write(false, "old secret")

	source := func(context.Context) ([]string, error) {
		rotating, secrets := table.read()
		if rotating {
			return secrets, receive.ErrRotating
		}
		return secrets, nil
	}
	handler := receive.HandlerFunc(func(context.Context, *receive.Delivery) error { return nil })
	receiver, err := receive.New(handler, receive.WithSecretSource(source))
	if err != nil {
		log.Fatal(err)
	}
	deliver := func(secret string) int {
		request, err := nylastest.NewWebhookRequest(context.Background(), "http://app.test/", secret, []byte(`{"id":"n-1","type":"t"}`))
		if err != nil {
			log.Fatal(err)
		}
		recorder := httptest.NewRecorder()
		receiver.ServeHTTP(recorder, request)
		return recorder.Code
	}

	table.write(true, "old secret") // 1. the mark
	// 2. wait for receive.SecretCachePeriod
	// 3. client.Webhooks.RotateSecret; Nylas signs with the new one from now on
	fmt.Println("new, not stored yet:", deliver("new secret"), "so Nylas delivers it again")
	table.write(true, "new secret", "old secret")  // 4. store
	table.write(false, "new secret", "old secret") // 5. clear the mark
	fmt.Println("old:", deliver("old secret"))
	// Output:
	// new, not stored yet: 503 so Nylas delivers it again
	// old: 200
}

// secretTable stands for a table that processes share.
type secretTable struct {
	mu       sync.Mutex
	rotating bool
	secrets  []string
}

func (t *secretTable) read() (rotating bool, secrets []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rotating, t.secrets
}

func (t *secretTable) write(rotating bool, secrets ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rotating, t.secrets = rotating, secrets
}

// save stands for a file or a secret store.
func save(string) error { return nil }

// subscribed is a webhook at a local Nylas with a Receiver behind it.
func subscribed() (client *nylas.Client, receiver *receive.Receiver, webhook *nylas.Webhook, end func()) {
	fail := func(err error) {
		if err != nil {
			log.Fatal(err)
		}
	}
	ctx := context.Background()
	server, err := nylastest.Start()
	fail(err)
	client, err = nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	fail(err)
	receiver, err = receive.New(new(receive.Dispatcher), receive.WithSecretsLater())
	fail(err)
	endpoint := httptest.NewServer(receiver)
	webhook, err = client.Webhooks.Create(ctx, &nylas.CreateWebhookRequest{
		TriggerTypes: events.TrackingTypes(), WebhookURL: endpoint.URL,
	})
	fail(err)
	fail(receiver.SetSecrets(webhook.WebhookSecret))
	return client, receiver, webhook, func() {
		endpoint.Close()
		fail(server.Close())
	}
}
