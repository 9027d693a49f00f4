package endtoend_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nylastrack/nylas-go/receive"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

func TestLoopOpenClickReply(t *testing.T) {
	for name, compressed := range map[string]bool{"plain": false, "gzip": true} {
		t.Run(name, func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loop) {
				var seen []string
				note := func(n *events.Notification, latest any) error {
					seen = append(seen, fmt.Sprintln(n.Type, n.Tracked()[0].Label, latest))
					return nil
				}
				l.receive(&receive.Dispatcher{
					MessageOpened: func(_ context.Context, n *events.Notification, data *events.MessageOpened) error {
						latest, _ := data.Latest()
						return note(n, []any{latest.OpenedID, latest.IP, latest.UserAgent, len(data.Recents)})
					},
					MessageLinkClicked: func(_ context.Context, n *events.Notification, data *events.MessageLinkClicked) error {
						latest, _ := data.Latest()
						return note(n, []any{latest.ClickID, data.LinkData[latest.LinkIndex].URL})
					},
					ThreadReplied: func(_ context.Context, n *events.Notification, data *events.ThreadReplied) error {
						return note(n, []any{*data.FromSelf, data.ReplyData.Count})
					},
				}, func(r *nylas.CreateWebhookRequest) { r.CompressedDelivery = compressed })
				message, err := l.send()
				require.NoError(t, err)
				kim := l.recipient(message).WithIP("203.0.113.7").WithUserAgent("Mozilla/5.0")
				require.NoError(t, kim.Open(t.Context()))
				require.NoError(t, l.nylas.Wait(t.Context()))
				require.NoError(t, kim.Open(t.Context()))
				require.NoError(t, l.nylas.Wait(t.Context()))
				_, err = kim.Click(t.Context(), 0)
				require.NoError(t, err)
				require.NoError(t, l.nylas.Wait(t.Context()))
				_, err = kim.Reply(t.Context())
				require.NoError(t, err)
				require.NoError(t, l.nylas.Wait(t.Context()))
				assert.Equal(t, []string{
					"message.opened trial-followup-q2 [0 203.0.113.7 Mozilla/5.0 1]\n",
					"message.opened trial-followup-q2 [1 203.0.113.7 Mozilla/5.0 2]\n",
					"message.link_clicked trial-followup-q2 [0 https://acme.dev/demo]\n",
					"thread.replied trial-followup-q2 [false 1]\n",
				}, seen)
			})
		})
	}
}

func TestLoopRefusals(t *testing.T) {
	t.Parallel()
	links := func(n int, url string) func(*nylas.SendMessageRequest) {
		return func(r *nylas.SendMessageRequest) {
			r.Body = strings.Repeat(`<a href="`+url+`">demo</a> `, n)
		}
	}
	for name, test := range map[string]struct {
		change func(*nylas.SendMessageRequest)
		apiKey string
		opts   []nylastest.Option
		want   error
	}{
		"101 links":   {change: links(101, "https://acme.dev/demo"), want: nylas.ErrTooManyLinks},
		"example.com": {change: links(1, "https://example.com/demo"), want: nylas.ErrLinkRejected},
		"Example.COM": {change: links(1, "https://Example.COM/demo"), want: nylas.ErrLinkRejected},
		"trial":       {opts: []nylastest.Option{nylastest.WithTrial()}, want: nylas.ErrTrackingNotAllowed},
		"wrong key":   {apiKey: "nyk_wrong", want: nylas.ErrUnauthorized},
		"tracking domain": {
			change: func(r *nylas.SendMessageRequest) { r.TrackingOptions.DomainName = "track.acme.dev" },
			want:   nylas.ErrTrackingDomain,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loop) {
				client := l.client
				if test.apiKey != "" {
					client = l.newClient(test.apiKey)
				}
				change := test.change
				if change == nil {
					change = func(*nylas.SendMessageRequest) {}
				}
				_, err := l.sendBy(client, nil, change)
				require.ErrorIs(t, err, test.want)
				require.NotErrorIs(t, err, nylas.ErrOutcomeUnknown)
				failed, ok := errors.AsType[*nylas.Error](err)
				require.True(t, ok)
				assert.Equal(t, 1, failed.Attempts)
				assert.NotZero(t, failed.StatusCode)
				assert.Empty(t, l.nylas.Messages())
			}, test.opts...)
		})
	}
}

func TestLoopHundredLinks(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		message, err := l.send(func(r *nylas.SendMessageRequest) {
			r.Body = strings.Repeat(`<a href="https://acme.dev/demo">demo</a> `, 100)
		})
		require.NoError(t, err)
		sent, _ := l.nylas.Message(message.ID)
		assert.Len(t, sent.Links, 100)
	})
}

// The SDK refuses a long label itself. What Nylas says of one is seen by a
// program that gets around that.
func TestLoopLongLabel(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		long := func(r *nylas.SendMessageRequest) { r.TrackingOptions.Label = strings.Repeat("ä", 2049) }
		_, err := l.send(long)
		require.ErrorIs(t, err, nylas.ErrTrackingDataTooLarge)
		failed, _ := errors.AsType[*nylas.Error](err)
		assert.Zero(t, failed.Attempts)

		lengthen := nylas.WithRoundTripper(func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(req *http.Request) (*http.Response, error) {
				body, err := io.ReadAll(req.Body)
				if err != nil {
					return nil, err
				}
				body = bytes.ReplaceAll(body, []byte("trial-followup-q2"), bytes.Repeat([]byte("x"), 2049))
				req = req.Clone(req.Context())
				req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
				return next.RoundTrip(req)
			})
		})
		_, err = l.sendBy(l.newClient(l.nylas.APIKey(), lengthen), nil)
		require.ErrorIs(t, err, nylas.ErrTrackingDataTooLarge)
		failed, _ = errors.AsType[*nylas.Error](err)
		assert.Equal(t, http.StatusBadRequest, failed.StatusCode)
		assert.Empty(t, l.nylas.Messages())
	})
}

// The send runs, and a gateway loses its answer twice: the third attempt brings
// the answer to the first one.
func TestLoopGatewayLosesTheAnswer(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		l.inject(nylastest.Fault{
			Endpoint: nylastest.EndpointSend, Times: 2, After: nylastest.GatewayAnswer(http.StatusGatewayTimeout),
		})
		var response nylas.Response
		message, err := l.sendBy(l.client, []nylas.RequestOption{nylas.WithResponse(&response)})
		require.NoError(t, err)
		sent := l.nylas.Messages()
		require.Len(t, sent, 1)
		assert.Equal(t, sent[0].ID, message.ID)
		assert.Equal(t, sent[0].IdempotencyKey, response.IdempotencyKey)
		assert.True(t, response.Replayed)
		assert.Equal(t, 3, response.Attempts)
	})
}

// The send itself ends with 504. It is repeated once, and comes back replayed.
func TestLoopStoredGatewayTimeout(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		l.inject(nylastest.Fault{
			Endpoint: nylastest.EndpointSend,
			Inside:   nylastest.ErrorAnswer(http.StatusGatewayTimeout, "provider_error", "Provider request timed out."),
		})
		_, err := l.send()
		require.ErrorIs(t, err, nylas.ErrOutcomeUnknown)
		failed, _ := errors.AsType[*nylas.Error](err)
		assert.Equal(t, 2, failed.Attempts)
		assert.True(t, failed.Replayed)
		assert.False(t, failed.NeedsNewKey)
		assert.Equal(t, http.StatusGatewayTimeout, failed.StatusCode)
	})
}

// The answer is lost, and from then on everything is refused for its rate:
// whether the message was sent is as unknown as before.
func TestLoopLostAnswerThenRateLimits(t *testing.T) {
	for name, lost := range map[string]*nylastest.Answer{
		"cut":        nylastest.Disconnect(),
		"cut within": nylastest.DisconnectMidBody(),
		"gateway":    nylastest.GatewayAnswer(http.StatusBadGateway),
	} {
		t.Run(name, func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loop) {
				limited := nylastest.ErrorAnswer(http.StatusTooManyRequests, "nylas_rate_limit_exceeded", "Too many requests.")
				limited.Header.Set("Retry-After", "7")
				l.inject(
					nylastest.Fault{Endpoint: nylastest.EndpointSend, After: lost},
					nylastest.Fault{Endpoint: nylastest.EndpointSend, Before: limited, Times: 10},
				)
				start := time.Now()
				_, err := l.send()
				require.ErrorIs(t, err, nylas.ErrOutcomeUnknown)
				require.ErrorIs(t, err, nylas.ErrRateLimited)
				failed, _ := errors.AsType[*nylas.Error](err)
				assert.Equal(t, 4, failed.Attempts)
				assert.Equal(t, 7*time.Second, failed.RetryAfter)
				assert.GreaterOrEqual(t, time.Since(start), 14*time.Second)
				require.Len(t, l.nylas.Messages(), 1)

				// The program keeps the key and asks again once the limit is over. Nothing
				// is sent twice.
				l2 := *l
				l2.client = l.newClient(l.nylas.APIKey(), nylas.WithRetryPolicy(nylas.RetryPolicy{MaxAttempts: 20}))
				message, err := l2.sendBy(l2.client, []nylas.RequestOption{nylas.WithIdempotencyKey(failed.IdempotencyKey)})
				require.NoError(t, err)
				sent := l.nylas.Messages()
				require.Len(t, sent, 1)
				assert.Equal(t, sent[0].ID, message.ID)
			})
		})
	}
}

// An attempt runs into its time limit while Nylas still works on it; the next
// ones learn that it does, until it is done.
func TestLoopWaitsForARunningSend(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		l.inject(nylastest.Fault{Endpoint: nylastest.EndpointSend, Hold: func(ctx context.Context) {
			select {
			case <-time.After(40 * time.Second):
			case <-ctx.Done():
			}
		}})
		impatient := l.nylas.HTTPClient()
		impatient.Timeout = 30 * time.Second
		client, err := nylas.NewClient(l.nylas.APIKey(), nylas.WithBaseURL(l.nylas.URL()), nylas.WithHTTPClient(impatient))
		require.NoError(t, err)
		var response nylas.Response
		_, err = l.sendBy(client, []nylas.RequestOption{nylas.WithResponse(&response)})
		require.NoError(t, err)
		assert.True(t, response.Replayed)
		assert.Greater(t, response.Attempts, 2)
		assert.Len(t, l.nylas.Messages(), 1)
	}, nylastest.WithReadings(nylastest.Readings{KeepDisconnectedKey: true}))
}

// A handler error gives 503, Nylas comes again, and what was taken care of once
// is not handled again.
func TestLoopHandlerErrorIsDeliveredAgain(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		var calls atomic.Int32
		handler := receive.HandlerFunc(func(context.Context, *receive.Delivery) error {
			if calls.Add(1) == 1 {
				return errors.New("the database is away")
			}
			return nil
		})
		l.receive(receive.DropDuplicates(handler, 100))
		message, err := l.send()
		require.NoError(t, err)
		require.NoError(t, l.recipient(message).Open(t.Context()))
		require.NoError(t, l.nylas.Wait(t.Context()))

		deliveries := l.nylas.Deliveries()
		require.Len(t, deliveries, 2)
		assert.Equal(t, http.StatusServiceUnavailable, deliveries[0].Status)
		assert.Equal(t, http.StatusOK, deliveries[1].Status)
		assert.Equal(t, deliveries[0].NotificationID, deliveries[1].NotificationID)
		assert.NotEqual(t, deliveries[0].Body, deliveries[1].Body, "the attempt counts up in the body")
		assert.EqualValues(t, 2, calls.Load())
	})
}

// A retry goes to every destination of the trigger: one that had the
// notification already gets it again, and its handler runs once.
func TestLoopDuplicatesAreDropped(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		var calls atomic.Int32
		l.receive(receive.DropDuplicates(receive.HandlerFunc(func(context.Context, *receive.Delivery) error {
			calls.Add(1)
			return nil
		}), 100))
		other, err := l.network.Listen("other.test")
		require.NoError(t, err)
		failures := 0
		server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				_, _ = io.WriteString(w, r.URL.Query().Get("challenge"))
				return
			}
			failures++
			w.WriteHeader(http.StatusServiceUnavailable)
		})}
		go func() { _ = server.Serve(other) }()
		t.Cleanup(func() { _ = server.Close() })
		_, err = l.client.Webhooks.Create(t.Context(), &nylas.CreateWebhookRequest{
			TriggerTypes: events.TrackingTypes(), WebhookURL: "http://other.test/",
		})
		require.NoError(t, err)

		message, err := l.send()
		require.NoError(t, err)
		require.NoError(t, l.recipient(message).Open(t.Context()))
		require.NoError(t, l.nylas.Wait(t.Context()))
		assert.Len(t, l.nylas.Deliveries(), 6)
		assert.Equal(t, 3, failures)
		assert.EqualValues(t, 1, calls.Load())
	})
}

func TestLoopWebhooks(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx := t.Context()
		l.receive(&receive.Dispatcher{})
		var id string
		for webhook, err := range l.client.Webhooks.List(ctx) {
			require.NoError(t, err)
			assert.Empty(t, webhook.WebhookSecret)
			id = webhook.ID
		}
		got, err := l.client.Webhooks.Get(ctx, id)
		require.NoError(t, err)
		assert.Equal(t, events.TrackingTypes(), got.TriggerTypes)
		assert.Nil(t, got.CompressedDelivery)
		assert.False(t, got.CreatedAt.IsZero())

		updated, err := l.client.Webhooks.Update(ctx, id, &nylas.UpdateWebhookRequest{Description: "new", CompressedDelivery: new(true)})
		require.NoError(t, err)
		assert.Equal(t, "new", updated.Description)
		assert.Equal(t, events.TrackingTypes(), updated.TriggerTypes)
		assert.True(t, *updated.CompressedDelivery)

		rotated, err := l.client.Webhooks.RotateSecret(ctx, id)
		require.NoError(t, err)
		l.keep(rotated.WebhookSecret)
		message, err := l.send()
		require.NoError(t, err)
		require.NoError(t, l.recipient(message).Open(ctx))
		require.NoError(t, l.nylas.Wait(ctx))
		require.Len(t, l.nylas.Deliveries(), 1)
		assert.Equal(t, http.StatusOK, l.nylas.Deliveries()[0].Status)

		mock, err := l.client.Webhooks.MockPayload(ctx, events.TypeMessageOpened)
		require.NoError(t, err)
		assert.True(t, json.Valid(mock))
		l.keep(receive.TestEventSecret)
		<-time.After(receive.SecretCachePeriod) // until the receiver asks again
		require.NoError(t, l.client.Webhooks.SendTestEvent(ctx, &nylas.SendTestEventRequest{
			TriggerType: events.TypeMessageOpened, WebhookURL: "http://app.test/webhooks/nylas",
		}))
		require.NoError(t, l.nylas.Wait(ctx))

		require.NoError(t, l.client.Webhooks.Delete(ctx, id))
		_, err = l.client.Webhooks.Get(ctx, id)
		require.ErrorIs(t, err, nylas.ErrNotFound)
		require.ErrorIs(t, l.client.Webhooks.Delete(ctx, id), nylas.ErrNotFound)
	})
}

func TestLoopScheduledSend(t *testing.T) {
	for name, reading := range map[string]nylastest.Readings{"200": {}, "202": {ScheduleOnTop: true}} {
		t.Run(name, func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loop) {
				var sent []string
				l.receive(&receive.Dispatcher{
					MessageSendSuccess: func(_ context.Context, _ *events.Notification, data *events.MessageSendSuccess) error {
						sent = append(sent, data.Message.ScheduleID)
						return nil
					},
				}, func(r *nylas.CreateWebhookRequest) {
					r.TriggerTypes = []events.Type{events.TypeMessageSendSuccess, events.TypeMessageSendFailed}
				})
				at := time.Now().Add(time.Hour)
				message, err := l.send(func(r *nylas.SendMessageRequest) { r.SendAt = at })
				require.NoError(t, err)
				assert.NotEmpty(t, message.ScheduleID)
				assert.Equal(t, at.Unix(), message.SendAt.Unix())
				assert.Empty(t, l.nylas.Messages())

				<-time.After(61 * time.Minute)
				require.NoError(t, l.nylas.Wait(t.Context()))
				assert.Len(t, l.nylas.Messages(), 1)
				assert.Equal(t, []string{message.ScheduleID}, sent)
			}, nylastest.WithReadings(reading))
		})
	}
}
