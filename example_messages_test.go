package nylas_test

import (
	"context"
	"fmt"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
)

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
