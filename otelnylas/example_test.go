package otelnylas_test

import (
	"context"
	"net/http"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/otelnylas"
	"github.com/nylastrack/nylas-go/receive"
)

// The whole program: the client, the receiver, and what the receiver calls.
func Example() {
	client, err := nylas.NewClient("the API key", nylas.WithRoundTripper(otelnylas.Transport()))
	if err != nil {
		panic(err)
	}
	_ = client // each call makes spans and metrics

	store := receive.HandlerFunc(func(context.Context, *receive.Delivery) error { return nil })
	receiver, err := receive.New(otelnylas.Handler(store), receive.Secret("the webhook's secret"))
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/webhooks/nylas", otelnylas.Receiver(receiver))
}
