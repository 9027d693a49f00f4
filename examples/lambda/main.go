// Command lambda receives opens, clicks and replies in a function of AWS Lambda behind its URL.
//
//	GOOS=linux GOARCH=arm64 go build -tags lambda.norpc -o bootstrap ./examples/lambda
//	zip function.zip bootstrap
//
// Create the function with the runtime provided.al2023. Give it a function URL with the auth type
// NONE, because Nylas signs in its own way, and the invoke mode RESPONSE_STREAM, which package
// lambdaurl needs. Make the webhook for that URL, and put its secret into the environment variable
// NYLAS_WEBHOOK_SECRET. Until then the function answers 503 to notifications, so Nylas sends them
// again some minutes later. Separate several secrets by commas, the newest first.
//
// Lambda freezes the function between two requests, so nothing may be left to do after the answer:
// no inbox, no goroutine. Store each event before you return nil, in DynamoDB or SQS for instance.
// Here the lines that CloudWatch keeps stand for that. Each instance of the function has a memory
// of its own, so recognise duplicates in what you store, by the id of the event.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/lambdaurl"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
)

func main() {
	handler, err := newHandler(os.Getenv, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	lambdaurl.Start(handler)
}

// newHandler returns the receiver. It is made once for each instance of the function.
func newHandler(getenv func(string) string, stdout io.Writer) (http.Handler, error) {
	logger := slog.New(slog.NewJSONHandler(stdout, nil)) // CloudWatch reads the fields
	var secrets receive.SecretSource = new(receive.MemorySecrets)
	if known := getenv("NYLAS_WEBHOOK_SECRET"); known != "" {
		secrets = receive.Secret(strings.Split(known, ",")...)
	}
	return receive.New(&receive.Dispatcher{
		Other: func(_ context.Context, n *events.Notification) error { return store(logger, n) },
		// Nylas signed it and does not send it again: keep d.Body.
		Undecodable: func(_ context.Context, d *receive.Delivery, err error) error {
			logger.Error("undecodable", slog.String("id", d.ID), slog.Any("error", err))
			return nil
		},
	}, secrets)
}

// store is where your table or queue stands. After an error the answer is 503, and Nylas sends the
// notification again, up to two more times. A notification repeats up to 50 events of its message,
// which have the same ids each time.
func store(logger *slog.Logger, n *events.Notification) error {
	for _, e := range engagement.Events(n) {
		logger.Info("event", slog.String("id", e.ID), slog.String("notification", n.ID), slog.String("kind", string(e.Kind)),
			slog.String("message", e.MessageID), slog.String("label", e.Label), slog.Time("at", e.Time))
	}
	return nil
}
