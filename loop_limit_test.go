package nylas_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
				call("application", 60, func() error { return onlyError(client.Webhooks.List(t.Context())) })
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

// TestSubscribeWithinTheRate: many calls at once are more than Nylas takes in a
// second, and come to their end all the same.
func TestSubscribeWithinTheRate(t *testing.T) {
	for processes, attempts := range map[int]int{50: 4, 120: 10} {
		t.Run(fmt.Sprint(processes), func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loop) {
				patient := nylas.WithRetryPolicy(nylas.RetryPolicy{MaxAttempts: attempts})
				l.answerChallenges(100 * time.Millisecond)
				store := &memoryStore{}
				webhooks := make([]*nylas.Webhook, processes)
				var refused sync.Map
				var running sync.WaitGroup
				start := time.Now()
				for i := range webhooks {
					client := l.newClient(l.nylas.APIKey(), patient, nylas.WithRoundTripper(func(next http.RoundTripper) http.RoundTripper {
						return roundTripFunc(func(r *http.Request) (*http.Response, error) {
							answer, err := next.RoundTrip(r)
							if err == nil && answer.StatusCode == http.StatusTooManyRequests {
								refused.Store(r, true)
							}
							return answer, err
						})
					}))
					running.Go(func() {
						var err error
						webhooks[i], err = client.Subscribe(t.Context(), loopRequest(store))
						assert.NoError(t, err)
					})
				}
				running.Wait()
				n := 0
				refused.Range(func(any, any) bool { n++; return true })
				assert.Positive(t, n)
				t.Logf("%v, %d refused", time.Since(start), n)
				assert.Less(t, time.Since(start), time.Minute)
				<-time.After(time.Minute)
				left := l.destinations()
				require.Len(t, left, 1)
				for _, webhook := range webhooks {
					if assert.NotNil(t, webhook) {
						assert.Equal(t, left[0].ID, webhook.ID)
					}
				}
				assert.Len(t, store.swaps, 2, "one of them made it")
			}, nylastest.WithRateLimits(), nylastest.WithReadings(nylastest.Readings{WebhookListLag: 6 * time.Second}))
		})
	}
}
