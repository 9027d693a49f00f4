package receive_test

import (
	"context"
	"expvar"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

// post delivers a notification as Nylas does.
func post(url, secret, body string) {
	request, err := nylastest.NewWebhookRequest(context.Background(), url, secret, []byte(body))
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
}

// A server that slow clients cannot hold up, and that loses nothing when it is stopped.
func ExampleServe() {
	handler := receive.HandlerFunc(func(_ context.Context, d *receive.Delivery) error {
		fmt.Println("stored", d.ID)
		return nil // or the error of the store, and Nylas delivers it again
	})
	receiver, err := receive.New(handler, receive.Secret("webhook secret"))
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/webhooks/nylas", receiver)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background()) // in a program: signal.NotifyContext
	go func() {
		post("http://"+listener.Addr().String()+"/webhooks/nylas", "webhook secret", `{"id":"n-1","type":"message.opened","data":{}}`)
		stop()
	}()
	err = receive.Serve(ctx, listener, mux) // waits for what is being handled
	fmt.Println("stopped:", err)            // only now close the store behind the handler

	// Output:
	// stored n-1
	// answered 200
	// stopped: <nil>
}

// One function for each kind of event, and one for what cannot be decoded, so that it is
// kept and not only logged.
func ExampleDispatcher() {
	dispatcher := &receive.Dispatcher{
		MessageOpened: func(ctx context.Context, _ *events.Notification, opened *events.MessageOpened) error {
			delivery, _ := receive.FromContext(ctx)
			fmt.Println("opened:", opened.Label, "received in time:", time.Since(delivery.ReceivedAt) < time.Minute)
			return nil
		},
		Other: func(_ context.Context, n *events.Notification) error {
			fmt.Println("other:", n.Type)
			return nil
		},
		Undecodable: func(_ context.Context, d *receive.Delivery, _ error) error {
			fmt.Println("kept for later:", string(d.Body))
			return nil
		},
	}
	for _, body := range []string{
		`{"id":"n-1","type":"message.opened","data":{"object":{"message_id":"m-1","label":"trial"}}}`,
		`{"id":"n-2","type":"calendar.updated","data":{}}`,
		`{"id":"n-3"`,
	} {
		if err := dispatcher.HandleDelivery(context.Background(), receive.NewDelivery([]byte(body), "")); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// opened: trial received in time: true
	// other: calendar.updated
	// kept for later: {"id":"n-3"
}

// Counters of the answers by status. A metrics library has its own in place of the map.
func ExampleWithHooks() {
	answers := new(expvar.Map)
	receiver, err := receive.New(receive.HandlerFunc(func(context.Context, *receive.Delivery) error {
		return nil
	}), receive.Secret("webhook secret"), receive.WithHooks(receive.Hooks{
		Answered: func(req *http.Request, status int, _ time.Duration) {
			answers.Add(req.Method+" "+strconv.Itoa(status), 1)
		},
	}))
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(receiver)
	post(server.URL, "webhook secret", `{"id":"n-1","type":"message.opened","data":{}}`)
	post(server.URL, "another secret", `{"id":"n-2","type":"message.opened","data":{}}`)
	server.Close() // waits for the hooks too
	fmt.Println(answers)

	// Output:
	// answered 200
	// answered 401
	// {"POST 200": 1, "POST 401": 1}
}
