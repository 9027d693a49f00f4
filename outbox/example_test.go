package outbox_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/outbox"
)

func Example() {
	if err := campaign(context.Background()); err != nil {
		log.Fatal(err)
	}
	// Output: {Waiting:0 Sending:0 Unknown:0 Sent:2 Failed:0 Suppressed:0 SecondMailPossible:0}
}

func campaign(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "outbox")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	server, err := nylastest.Start() // stands in for Nylas
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()), nylas.WithRateLimit(nylas.RateLimits{}))
	if err != nil {
		return err
	}

	box, err := outbox.Open(filepath.Join(dir, "campaign.db"))
	if err != nil {
		return err
	}
	defer func() { _ = box.Close() }()
	people, err := (&nylas.SendMessageRequest{
		Subject: "What is new this spring", Body: "<p>The spring release is out.</p>",
		TrackingOptions: &nylas.TrackingOptions{Opens: true},
	}).Each("spring", []nylas.Person{
		{ID: "1", Participant: nylas.Participant{Name: "Kim", Email: "kim@example.org"}},
		{ID: "2", Participant: nylas.Participant{Name: "Sam", Email: "sam@example.org"}},
	})
	if err != nil {
		return err
	}
	for range 2 { // as if the program was started twice
		if err := box.AddEach(ctx, server.GrantID(), people); err != nil {
			return err
		}
		if err := box.Run(ctx, client); err != nil {
			return err
		}
	}
	counts, err := box.Progress(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%+v\n", counts)
	return nil
}

// The URL for unsubscribing carries the key of the mail and a signature, so that nobody can
// unsubscribe others. Its handler answers a POST only, because scanners load URLs with GET.
func ExampleWithUnsubscribe() {
	secret := []byte("a secret of the program")
	sign := func(key string) string {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(key))
		return hex.EncodeToString(mac.Sum(nil))
	}
	address := func(key string) string {
		return "https://acme.dev/unsubscribe?" + url.Values{"key": {key}, "sig": {sign(key)}}.Encode()
	}
	dir, err := os.MkdirTemp("", "outbox")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	box, err := outbox.Open(filepath.Join(dir, "outbox.db"), outbox.WithUnsubscribe(address))
	if err != nil {
		log.Print(err)
		return
	}
	defer func() { _ = box.Close() }()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /unsubscribe", func(w http.ResponseWriter, r *http.Request) {
		key := r.URL.Query().Get("key")
		if !hmac.Equal([]byte(sign(key)), []byte(r.URL.Query().Get("sig"))) {
			http.Error(w, "the link is not complete", http.StatusForbidden)
			return
		}
		if err := box.Unsubscribe(r.Context(), key); err != nil && !errors.Is(err, outbox.ErrNoMail) {
			http.Error(w, "try again later", http.StatusServiceUnavailable)
		}
	})

	err = box.Add(context.Background(), "spring-1", "grant-1", &nylas.SendMessageRequest{To: []nylas.Participant{{Email: "kim@example.org"}}})
	if err != nil {
		log.Print(err)
		return
	}
	for _, link := range []string{address("spring-1"), "https://acme.dev/unsubscribe?key=spring-1"} {
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, link, strings.NewReader("List-Unsubscribe=One-Click")))
		fmt.Println(answer.Code)
	}
	// Output:
	// 200
	// 403
}
