package endtoend_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
)

// TestLoopRateLimit has more requests at once than Nylas takes in a second: without
// the option some are refused, with it none.
func TestLoopRateLimit(t *testing.T) {
	for _, limited := range []bool{false, true} {
		t.Run(fmt.Sprint(limited), func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loop) {
				opts := []nylas.ClientOption{nylas.WithRetryPolicy(nylas.RetryPolicy{MaxAttempts: 1})}
				if limited {
					opts = append(opts, nylas.WithRateLimit(nylas.RateLimits{}))
				}
				client := l.newClient(l.nylas.APIKey(), opts...)
				var mu sync.Mutex
				refused := map[string]int{}
				var running sync.WaitGroup
				call := func(kind string, n int, call func() error) {
					for range n {
						running.Go(func() {
							err := call()
							mu.Lock()
							defer mu.Unlock()
							switch {
							case errors.Is(err, nylas.ErrRateLimited) && !errors.Is(err, nylas.ErrProviderRateLimited):
								refused[kind]++
							case err != nil:
								t.Error(err)
							}
						})
					}
				}
				large := []nylas.Attachment{{Filename: "a.bin", Content: nylas.BytesContent(make([]byte, 3_000_000))}}
				call("JSON", 250, func() error {
					_, err := l.sendBy(client, nil)
					return err
				})
				call("multipart", 12, func() error {
					_, err := l.sendBy(client, nil, func(r *nylas.SendMessageRequest) { r.Attachments = large })
					return err
				})
				call("application", 60, func() error { return lastError(client.Webhooks.List(t.Context())) })
				running.Wait()
				if limited {
					assert.Empty(t, refused)
					return
				}
				assert.Equal(t, map[string]int{"JSON": 50, "multipart": 2, "application": 10}, refused)
			}, nylastest.WithRateLimits())
		})
	}
}
