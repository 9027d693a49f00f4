package receive_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
)

// A message that an SQS queue got from SNS, with raw message delivery and without.
// It may be deleted from the queue when the handler took custody.
func ExampleNewSNSDelivery() {
	handler := receive.DropDuplicates(&receive.Dispatcher{
		MessageOpened: func(_ context.Context, _ *events.Notification, opened *events.MessageOpened) error {
			fmt.Println("opened:", opened.MessageID)
			return nil
		},
	}, 10_000)
	take := func(d *receive.Delivery) {
		err := handler.HandleDelivery(context.Background(), d)
		fmt.Println("delete it:", err == nil || errors.Is(err, receive.ErrPermanent))
	}

	// The body of the message in the queue.
	body := `{
		"Type": "Notification",
		"Message": "{\"id\":\"n-1\",\"type\":\"message.opened\",\"time\":1785312000,\"data\":{\"object\":{\"message_id\":\"m-1\"}}}",
		"Timestamp": "2026-11-20T08:15:30.482Z",
		"MessageAttributes": {"trigger_type": {"Type": "String", "Value": "message.opened"}}
	}`
	d, err := receive.NewSNSDelivery([]byte(body))
	if err != nil {
		return // not a notification; an HTTPS endpoint gets such
	}
	take(d)

	// Raw message delivery: the body is the notification, the attribute is one of the message.
	body = "H4sIAAAAAAACA6tWykxRslLK0zVS0lEqqSxIBXJyU4uLE9NT9fILUvNSU0DimblAcUNzC1NjQyMDAwMdpZTEkkQlq2ql/KSs1OQSEAuqKR5sXC7QuNraWgBkDqVMXQAAAA=="
	attribute := "gzip+base64"
	take(receive.NewDelivery([]byte(body), attribute))

	// Output:
	// opened: m-1
	// delete it: true
	// opened: m-2
	// delete it: true
}
