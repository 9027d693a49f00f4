package nylas_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
)

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
func ExampleMessage_AutoSubmitted() {
	if err := lookAtReply(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output: a machine wrote "Automatic reply: Your trial" for kim@example.org: auto-replied
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
	switch origin := reply.AutoSubmitted(); origin {
	case nylas.AutoSubmittedUnknown:
		fmt.Println("nobody knows who wrote it")
	case nylas.AutoSubmittedNo:
		fmt.Println("probably a person wrote it")
	default:
		fmt.Printf("a machine wrote %q for %s: %s\n", reply.Subject, reply.From[0].Email, origin)
	}
	return nil
}
