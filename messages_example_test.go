package nylas_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

// A file, and an image that the body shows.
func ExampleAttachment() {
	ctx := context.Background()
	server, err := nylastest.Start() // a local Nylas
	if err != nil {
		log.Fatal(err)
	}
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	if err != nil {
		log.Fatal(err)
	}
	logo := []byte("\x89PNG\r\n\x1a\n")
	message, err := client.Messages.Send(ctx, server.GrantID(), &nylas.SendMessageRequest{
		To:   []nylas.Participant{{Email: "kim@example.org"}},
		Body: `<img src="cid:logo"> The licence is attached.`,
		Attachments: []nylas.Attachment{
			{Content: nylas.FileContent("LICENSE"), ContentType: "text/plain"},
			{Filename: "logo.png", ContentID: "logo", Content: nylas.BytesContent(logo)},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, a := range message.Attachments {
		fmt.Println(a.Filename, a.ContentType, a.IsInline, a.Size)
	}
	if err := server.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// LICENSE text/plain false 1079
	// logo.png image/png true 8
}

// A report that is downloaded while it is sent, and again if the send has to be
// repeated.
func ExampleStreamContent() {
	ctx := context.Background()
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("a,b,c\n", 100_000))
	}))
	server, err := nylastest.Start() // a local Nylas
	if err != nil {
		log.Fatal(err)
	}
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	if err != nil {
		log.Fatal(err)
	}

	download := func() (io.ReadCloser, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, storage.URL, nil)
		if err != nil {
			return nil, err
		}
		resp, err := storage.Client().Do(req)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusOK {
			_ = resp.Body.Close() // the status says it all
			return nil, fmt.Errorf("download: %s", resp.Status)
		}
		return resp.Body, nil
	}
	_, err = client.Messages.Send(ctx, server.GrantID(), &nylas.SendMessageRequest{
		To: []nylas.Participant{{Email: "kim@example.org"}},
		Attachments: []nylas.Attachment{
			{Filename: "report.csv", ContentType: "text/csv", Content: nylas.StreamContent(nylas.UnknownSize, download)},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, a := range server.Messages()[0].Attachments {
		fmt.Println(a.Filename, a.Size)
	}
	if err := server.Close(); err != nil {
		log.Fatal(err)
	}
	storage.Close()
	// Output:
	// report.csv 600000
}

// A program stores a message and its key before it sends it. After a crash it sends the
// same again, and Nylas sends one mail.
func ExampleSendMessageRequest_queue() {
	queued, err := json.Marshal(&nylas.SendMessageRequest{
		To:          []nylas.Participant{{Email: "kim@example.org"}},
		Subject:     "Your offer",
		Attachments: []nylas.Attachment{{Filename: "offer.txt", Content: nylas.BytesContent([]byte("12 seats"))}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(queued))

	server, err := nylastest.Start() // a local Nylas
	if err != nil {
		log.Fatal(err)
	}
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		var req nylas.SendMessageRequest
		if err := json.Unmarshal(queued, &req); err != nil {
			log.Fatal(err)
		}
		_, err := client.Messages.Send(context.Background(), server.GrantID(), &req, nylas.WithIdempotencyKey("offer-42"))
		if err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(len(server.Messages()), "message with", server.Messages()[0].Attachments[0].Filename)
	if err := server.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// {"to":[{"email":"kim@example.org"}],"subject":"Your offer","attachments":[{"filename":"offer.txt","content":"MTIgc2VhdHM="}]}
	// 1 message with offer.txt
}

// A reply comes, and the program looks who wrote it.
func ExampleMessage_MachineReply() {
	if err := lookAtReply(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output: a machine wrote "Automatic reply: Your trial" for kim@example.org: Auto-Submitted: auto-replied
}

func lookAtReply(ctx context.Context) error {
	server, err := nylastest.Start() // in place of Nylas
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	if err != nil {
		return err
	}
	message, err := client.Messages.Send(ctx, server.GrantID(), &nylas.SendMessageRequest{
		To: []nylas.Participant{{Email: "kim@example.org"}}, Subject: "Your trial",
	})
	if err != nil {
		return err
	}
	kim, err := server.Recipient(message.ID)
	if err != nil {
		return err
	}
	replyID, err := kim.AutoReply(ctx)
	if err != nil {
		return err
	}

	reply, err := client.Messages.Get(ctx, server.GrantID(), replyID, nylas.WithFields(nylas.FieldsIncludeHeaders))
	if err != nil {
		return err
	}
	switch machine, reason := reply.MachineReply(); machine {
	case events.MachineYes:
		fmt.Printf("a machine wrote %q for %s: %s\n", reply.Subject, reply.From[0].Email, reason)
	case events.MachineNo:
		fmt.Println("probably a person wrote it:", reason)
	default:
		fmt.Println("nobody knows who wrote it:", reason) // get it with nylas.FieldsRawMIME
	}
	return nil
}

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
