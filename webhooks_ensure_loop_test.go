package nylas_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

const ensuredURL = "http://app.test/webhooks/nylas"

func ensureRequest() *nylas.EnsureWebhookRequest {
	return &nylas.EnsureWebhookRequest{WebhookURL: ensuredURL, TriggerTypes: events.TrackingTypes()}
}

// answerChallenges puts an endpoint on the network that answers every challenge
// after a while.
func (l *loop) answerChallenges(delay func() time.Duration) {
	l.t.Helper()
	listener, err := l.network.Listen("app.test")
	require.NoError(l.t, err)
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-time.After(delay())
		_, _ = io.WriteString(w, r.URL.Query().Get("challenge"))
	})}
	go func() { _ = server.Serve(listener) }()
	l.t.Cleanup(func() { _ = server.Close() })
}

// destinations returns what there is, as nobody's network disturbs it.
func (l *loop) destinations() []*nylas.Webhook {
	l.t.Helper()
	var all []*nylas.Webhook
	for webhook, err := range l.client.Webhooks.List(l.t.Context()) {
		require.NoError(l.t, err)
		all = append(all, webhook)
	}
	return all
}

// ensure calls Ensure with the client of the loop.
func (l *loop) ensure(change ...func(*nylas.EnsureWebhookRequest)) *nylas.Webhook {
	l.t.Helper()
	req := ensureRequest()
	for _, c := range change {
		c(req)
	}
	webhook, err := l.client.Webhooks.Ensure(l.t.Context(), req)
	require.NoError(l.t, err)
	return webhook
}

func at(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

// TestEnsureAtOnceWithoutDisturbance has the plain race: nothing is lost, so it
// must be over in seconds and one caller must hold the secret.
func TestEnsureAtOnceWithoutDisturbance(t *testing.T) {
	for _, processes := range []int{2, 10, 50} {
		t.Run(fmt.Sprint(processes), func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loop) {
				l.answerChallenges(at(100 * time.Millisecond))
				webhooks := make([]*nylas.Webhook, processes)
				var running sync.WaitGroup
				start := time.Now()
				for i := range webhooks {
					client := l.newClient(l.nylas.APIKey())
					running.Go(func() {
						var err error
						webhooks[i], err = client.Webhooks.Ensure(t.Context(), ensureRequest())
						assert.NoError(t, err)
					})
				}
				running.Wait()
				assert.Less(t, time.Since(start), 30*time.Second)
				left := l.destinations()
				require.Len(t, left, 1)
				holders := 0
				for _, webhook := range webhooks {
					assert.Equal(t, left[0].ID, webhook.ID)
					if webhook.WebhookSecret != "" {
						holders++
					}
				}
				assert.Equal(t, 1, holders, "one of them made it and knows the secret")
			})
		})
	}
}

// TestEnsureSecretVerifies uses the secret of Ensure for what it is for.
func TestEnsureSecretVerifies(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		receiver, err := receive.New(&receive.Dispatcher{}, receive.WithSecretsLater())
		require.NoError(t, err)
		listener, err := l.network.Listen("app.test")
		require.NoError(t, err)
		server := &http.Server{Handler: receiver, ReadHeaderTimeout: time.Second}
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(func() { _ = server.Close() })

		webhook := l.ensure()
		require.NoError(t, receiver.SetSecrets(webhook.WebhookSecret))
		message, err := l.send()
		require.NoError(t, err)
		require.NoError(t, l.recipient(message).Open(t.Context()))
		require.NoError(t, l.nylas.Wait(t.Context()))
		require.Len(t, l.nylas.Deliveries(), 1)
		assert.Equal(t, http.StatusOK, l.nylas.Deliveries()[0].Status)
	})
}

func TestEnsureAgain(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		l.answerChallenges(at(0))
		first := l.ensure()
		assert.NotEmpty(t, first.WebhookSecret)
		assert.False(t, first.CreatedAt.IsZero())
		assert.Equal(t, events.TrackingTypes(), first.TriggerTypes)

		<-time.After(time.Hour)
		start := time.Now()
		again := l.ensure()
		assert.Equal(t, first.ID, again.ID)
		assert.Empty(t, again.WebhookSecret)
		assert.Equal(t, first.UpdatedAt, again.UpdatedAt, "nothing was to be changed")
		assert.Zero(t, time.Since(start), "and nothing to be waited for")

		changed := l.ensure(func(r *nylas.EnsureWebhookRequest) {
			r.TriggerTypes = []events.Type{events.TypeMessageOpened}
			r.Description = "new"
			r.NotificationEmailAddresses = []string{"ops@acme.dev"}
			r.CompressedDelivery = new(true)
		})
		assert.Equal(t, first.ID, changed.ID)
		assert.Empty(t, changed.WebhookSecret)
		left := l.destinations()
		require.Len(t, left, 1)
		assert.Equal(t, []events.Type{events.TypeMessageOpened}, left[0].TriggerTypes)
		assert.Equal(t, "new", left[0].Description)
		assert.Equal(t, []string{"ops@acme.dev"}, left[0].NotificationEmailAddresses)
		assert.True(t, *left[0].CompressedDelivery)

		// What the request leaves open stays, and so does another URL.
		_, err := l.client.Webhooks.Create(t.Context(), &nylas.CreateWebhookRequest{
			TriggerTypes: events.TrackingTypes(), WebhookURL: "http://app.test/other",
		})
		require.NoError(t, err)
		l.ensure(func(r *nylas.EnsureWebhookRequest) { r.WebhookURL = "HTTP://APP.test:80/webhooks/nylas" })
		left = l.destinations()
		require.Len(t, left, 2)
		assert.ElementsMatch(t, events.TrackingTypes(), left[0].TriggerTypes)
		assert.Equal(t, "new", left[0].Description)
		assert.True(t, *left[0].CompressedDelivery)
	})
}

// TestEnsureAfterACrash has a process that creates and crashes before it cleans up
// behind another one.
func TestEnsureAfterACrash(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		l.answerChallenges(at(0))
		create := func() *nylas.Webhook {
			webhook, err := l.client.Webhooks.Create(t.Context(), &nylas.CreateWebhookRequest{
				TriggerTypes: events.TrackingTypes(), WebhookURL: ensuredURL,
			})
			require.NoError(t, err)
			return webhook
		}
		oldest := create()
		<-time.After(5 * time.Second)
		create()
		create()
		start := time.Now()
		webhook := l.ensure()
		assert.Equal(t, oldest.ID, webhook.ID, "the oldest survives")
		assert.Empty(t, webhook.WebhookSecret)
		assert.Len(t, l.destinations(), 1)
		assert.Greater(t, time.Since(start), time.Minute, "surplus of others is left alone for a minute")
		assert.Less(t, time.Since(start), 90*time.Second)

		create()
		create()
		<-time.After(2 * time.Minute)
		start = time.Now()
		assert.Equal(t, oldest.ID, l.ensure().ID)
		assert.Len(t, l.destinations(), 1)
		assert.Less(t, time.Since(start), 3*time.Second, "old surplus is removed at once")
	})
}

// TestEnsureLosesTheAnswerOfItsCreation: the destination is there, and nobody has
// its secret.
func TestEnsureLosesTheAnswerOfItsCreation(t *testing.T) {
	for name, lost := range map[string]*nylastest.Answer{
		"cut": nylastest.Disconnect(), "gateway": nylastest.GatewayAnswer(http.StatusBadGateway), "cut within": nylastest.DisconnectMidBody(),
	} {
		t.Run(name, func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loop) {
				l.answerChallenges(at(0))
				l.inject(nylastest.Fault{Endpoint: nylastest.EndpointCreateWebhook, After: lost})
				webhook := l.ensure()
				left := l.destinations()
				require.Len(t, left, 1)
				assert.Equal(t, left[0].ID, webhook.ID)
				assert.Empty(t, webhook.WebhookSecret)
			})
		})
	}
	t.Run("and nothing was created", func(t *testing.T) {
		inLoop(t, func(t *testing.T, l *loop) {
			l.answerChallenges(at(0))
			l.inject(nylastest.Fault{Endpoint: nylastest.EndpointCreateWebhook, Inside: nylastest.GatewayAnswer(http.StatusBadGateway), Times: 3})
			webhook := l.ensure()
			assert.NotEmpty(t, webhook.WebhookSecret)
			assert.Len(t, l.destinations(), 1)
		})
	})
	t.Run("again and again", func(t *testing.T) {
		inLoop(t, func(t *testing.T, l *loop) {
			l.answerChallenges(at(0))
			l.inject(nylastest.Fault{Endpoint: nylastest.EndpointCreateWebhook, Inside: nylastest.GatewayAnswer(http.StatusBadGateway), Times: 9})
			_, err := l.client.Webhooks.Ensure(t.Context(), ensureRequest())
			require.ErrorIs(t, err, nylas.ErrOutcomeUnknown)
			assert.Empty(t, l.destinations())
		})
	})
}

// TestEnsureSeesAnOlderOneLate: in the second of its creation a destination can
// turn up that orders before it.
func TestEnsureSeesAnOlderOneLate(t *testing.T) {
	t.Parallel()
	for round := range 40 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loop) {
				l.answerChallenges(at(0))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var other *nylas.Webhook
				go func() {
					<-time.After(900 * time.Millisecond) // the seconds of a bubble begin together
					webhook, err := l.client.Webhooks.Create(ctx, &nylas.CreateWebhookRequest{
						TriggerTypes: events.TrackingTypes(), WebhookURL: ensuredURL,
					})
					assert.NoError(t, err)
					other = webhook
				}()
				webhook := l.ensure()
				synctest.Wait()
				left := l.destinations()
				require.Len(t, left, 1)
				assert.Equal(t, left[0].ID, webhook.ID)
				assert.Equal(t, other.ID == webhook.ID, webhook.WebhookSecret == "", "the secret belongs to the survivor")
			})
		})
	}
}

// TestEnsureWhenURLsAreUnique: Nylas may refuse a second destination for a URL
// before the list has the first one.
func TestEnsureWhenURLsAreUnique(t *testing.T) {
	for _, lag := range []time.Duration{0, 9 * time.Second, 20 * time.Second} {
		t.Run(lag.String(), func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loop) {
				l.answerChallenges(at(100 * time.Millisecond))
				webhooks, errs := make([]*nylas.Webhook, 10), make([]error, 10)
				var running sync.WaitGroup
				for i := range webhooks {
					client := l.newClient(l.nylas.APIKey())
					running.Go(func() { webhooks[i], errs[i] = client.Webhooks.Ensure(t.Context(), ensureRequest()) })
				}
				running.Wait()
				<-time.After(lag)
				left := l.destinations()
				require.Len(t, left, 1)
				holders := 0
				for i, webhook := range webhooks {
					if lag > nylas.EnsureLag && errs[i] != nil {
						require.ErrorContains(t, errs[i], "create webhook: 400 70005: webhook_url is that of another destination")
						continue
					}
					require.NoError(t, errs[i])
					assert.Equal(t, left[0].ID, webhook.ID)
					if webhook.WebhookSecret != "" {
						holders++
					}
				}
				assert.Equal(t, 1, holders)
			}, nylastest.WithReadings(nylastest.Readings{WebhookListLag: lag, UniqueWebhookURLs: true}))
		})
	}
}

// TestEnsureOfAPausedOne: what somebody has paused is neither resumed unasked nor
// kept at the cost of one that delivers.
func TestEnsureOfAPausedOne(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		l.answerChallenges(at(0))
		oldest := l.ensure()
		pause := func() {
			_, err := l.client.Webhooks.Update(t.Context(), oldest.ID, &nylas.UpdateWebhookRequest{Status: nylas.WebhookPause})
			require.NoError(t, err)
		}
		pause()
		paused := l.ensure()
		assert.Equal(t, oldest.ID, paused.ID)
		assert.Equal(t, nylas.WebhookPause, paused.Status, "the caller can see it")

		for range 2 {
			_, err := l.client.Webhooks.Create(t.Context(), &nylas.CreateWebhookRequest{
				TriggerTypes: events.TrackingTypes(), WebhookURL: ensuredURL,
			})
			require.NoError(t, err)
		}
		<-time.After(2 * time.Minute)
		_, err := l.client.Webhooks.Ensure(t.Context(), ensureRequest())
		require.ErrorIs(t, err, nylas.ErrWebhookPaused)
		require.EqualError(t, err, "nylas: ensure webhook: no older destination was removed: nylas: the oldest destination for the URL "+
			"is paused and a younger one is not: delete one of them, or resume the oldest")
		assertSentinels(t, err)
		assert.Len(t, l.destinations(), 3, "nothing was removed")

		resumed := l.ensure(func(r *nylas.EnsureWebhookRequest) { r.Resume = true })
		assert.Equal(t, oldest.ID, resumed.ID)
		assert.Equal(t, nylas.WebhookActive, resumed.Status)
		assert.Len(t, l.destinations(), 1)

		pause()
		assert.Equal(t, nylas.WebhookActive, l.ensure(func(r *nylas.EnsureWebhookRequest) { r.Resume = true }).Status)
	})
}

func TestEnsureEndsWithItsContext(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		l.answerChallenges(at(0))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := l.client.Webhooks.Ensure(ctx, ensureRequest())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, nylas.ErrOutcomeUnknown, "it made one")
		assert.Len(t, l.destinations(), 1)
		assert.Contains(t, err.Error(), "nylas: ensure webhook: ")
	})
}

// TestEnsureOfADeletedOne: somebody deletes by hand what the call has just made.
func TestEnsureOfADeletedOne(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		l.answerChallenges(at(0))
		go func() {
			<-time.After(time.Second)
			for _, webhook := range l.destinations() {
				assert.NoError(t, l.client.Webhooks.Delete(t.Context(), webhook.ID))
			}
		}()
		webhook := l.ensure()
		left := l.destinations()
		require.Len(t, left, 1)
		assert.Equal(t, left[0].ID, webhook.ID)
		assert.NotEmpty(t, webhook.WebhookSecret)
	})
}
