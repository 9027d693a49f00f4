package nylastest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

// A receiver can be tested without an emulator.
func ExampleNewWebhookRequest() {
	receiver := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("X-Nylas-Signature") != nylastest.Sign("secret", body) {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	body, err := json.Marshal(events.Notification{
		SpecVersion: "1.0", Type: events.TypeMessageOpened, ID: "n-1", Data: &events.MessageOpened{MessageID: "18ac281f237c934b"},
	})
	if err != nil {
		panic(err)
	}
	for _, secret := range []string{"secret", "another"} {
		request, err := nylastest.NewWebhookRequest(context.Background(), "http://app.test/hooks", secret, body)
		if err != nil {
			panic(err)
		}
		answer := httptest.NewRecorder()
		receiver.ServeHTTP(answer, request)
		fmt.Println(answer.Code)
	}
	// Output:
	// 200
	// 401
}
