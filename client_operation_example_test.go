package nylas_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
)

// What to do about a 429 depends on whose limit it is.
func ExampleWithRateLimit() {
	server, err := nylastest.Start()
	if err != nil {
		log.Fatal(err)
	}
	// The mail provider refuses one send.
	err = server.Inject(nylastest.Fault{Endpoint: nylastest.EndpointSend, Inside: &nylastest.Answer{
		Status: http.StatusTooManyRequests,
		Header: http.Header{"Retry-After": {"1200"}},
		Body:   `{"error":{"type":"rate_limit_error","message":"Too many requests.","provider_error":{"code":"ErrorServerBusy"}}}`,
	}})
	if err != nil {
		log.Fatal(err)
	}

	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()),
		nylas.WithRateLimit(nylas.RateLimits{})) // what Nylas publishes
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.Messages.Send(context.Background(), server.GrantID(), &nylas.SendMessageRequest{
		To: []nylas.Participant{{Email: "kim@example.org"}}, Subject: "Hello", Body: "Hello Kim",
	})
	failed, _ := errors.AsType[*nylas.Error](err)
	switch {
	case errors.Is(err, nylas.ErrProviderRateLimited):
		fmt.Println("hold back this mailbox for", failed.RetryAfter)
	case errors.Is(err, nylas.ErrRateLimited):
		fmt.Println("slow down, or send from fewer programs at once")
	}
	if err := server.Close(); err != nil {
		log.Fatal(err)
	}
	// Output: hold back this mailbox for 20m0s
}

// A test looks at what a program really sends.
func ExampleWithCapture() {
	server, err := nylastest.Start()
	if err != nil {
		log.Fatal(err)
	}
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	if err != nil {
		log.Fatal(err)
	}
	var exchanges []nylas.Exchange
	_, err = client.Webhooks.Update(context.Background(), "webhook-1",
		&nylas.UpdateWebhookRequest{Description: "new"}, nylas.WithCapture(&exchanges))
	if !errors.Is(err, nylas.ErrNotFound) {
		log.Fatal(err)
	}
	for _, exchange := range exchanges {
		fmt.Println(exchange.Method, exchange.Target, exchange.RequestHeader.Get("Authorization"))
		fmt.Println(string(exchange.RequestBody))
		fmt.Println(exchange.StatusCode)
	}
	if err := server.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// PUT /v3/webhooks/webhook-1 [redacted]
	// {"description":"new"}
	// 400
}
