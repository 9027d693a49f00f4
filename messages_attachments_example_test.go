package nylas_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/nylastrack/nylas-go"
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
