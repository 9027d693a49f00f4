package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/outbox"
)

func TestSendsEachMailOnce(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.add(20)
		w.add(20) // again, as a program does at its next start
		require.NoError(t, w.run())
		require.NoError(t, w.run())
		w.add(20)
		require.NoError(t, w.run())
		assert.Equal(t, outbox.Counts{Sent: 20}, w.counts())
		seen := make(map[string]bool)
		for _, m := range w.nylas.Messages() {
			assert.False(t, seen[m.To[0].Email])
			seen[m.To[0].Email] = true
			assert.Equal(t, "label"+m.IdempotencyKey[len("mail"):], m.Tracking.Label, "its own label and key")
		}
		assert.Len(t, seen, 20)
		first := w.mail()
		message, ok := w.nylas.Message(first.MessageID)
		require.True(t, ok)
		assert.Equal(t, "person-0@example.org", message.To[0].Email)
		assert.Equal(t, outbox.Mail{
			Key: "mail-0", GrantID: w.nylas.GrantID(), Label: "label-0", State: outbox.Sent, MessageID: message.ID, Attempts: 1,
		}, first)
	})
}

func TestKeepsItsMailsOverARestart(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.add(3)
		w.reopen()
		assert.Equal(t, outbox.Counts{Waiting: 3}, w.counts())
		require.NoError(t, w.run())
		w.reopen()
		assert.Equal(t, outbox.Counts{Sent: 3}, w.counts())
		require.NoError(t, w.run())
		assert.Len(t, w.nylas.Messages(), 3)
	})
}

// A lost answer is not a reason to send again: the outbox waits and looks first.
func TestLooksBeforeItSendsAgain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault  nylastest.Fault
		sends  int
		second bool
	}{
		"a gateway lost the answer":      {fault: nylastest.Fault{After: nylastest.GatewayAnswer(http.StatusGatewayTimeout)}, sends: 1},
		"a gateway passed nothing on":    {fault: nylastest.Fault{Before: nylastest.GatewayAnswer(http.StatusBadGateway)}, sends: 2, second: true},
		"the connection broke after it":  {fault: nylastest.Fault{After: nylastest.Disconnect()}, sends: 1},
		"the connection broke before it": {fault: nylastest.Fault{Before: nylastest.Disconnect()}, sends: 2, second: true},
		"an answer that cannot be read":  {fault: nylastest.Fault{After: &nylastest.Answer{Status: http.StatusOK, Body: "<html>"}}, sends: 1},
		"the send took too long, its key is cleared": {
			fault: nylastest.Fault{Hold: func(context.Context) { <-time.After(4 * time.Minute) }}, sends: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.inject(tt.fault)
				w.add(1)
				start := time.Now()
				require.NoError(t, w.run())
				assert.Len(t, w.nylas.Messages(), 1)
				assert.Equal(t, "mail-0", w.nylas.Messages()[0].IdempotencyKey, "one key as long as it is in doubt")
				assert.Equal(t, tt.sends, w.sends())
				assert.GreaterOrEqual(t, time.Since(start), 5*time.Minute)
				assert.Less(t, time.Since(start), 10*time.Minute)
				m := w.mail()
				assert.Equal(t, outbox.Sent, m.State)
				assert.Equal(t, w.nylas.Messages()[0].ID, m.MessageID)
				assert.Equal(t, tt.second, m.SecondMailPossible, "as far as anybody can know")
			})
		})
	}
}

// The outcome of no attempt is known, and the mailbox never has the message. The outbox sends
// again only while Nylas knows the key, and then leaves the mail as unknown.
func TestWhatCannotBeSettledStaysUnknown(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.inject(nylastest.Fault{Times: nylastest.Forever, Before: nylastest.GatewayAnswer(http.StatusBadGateway)})
		w.add(1)
		start := time.Now()
		require.NoError(t, w.run())
		assert.Equal(t, outbox.Counts{Unknown: 1}, w.counts())
		m := w.mail()
		assert.Equal(t, 4, m.Attempts, "after 0, 5, 15 and 35 minutes")
		assert.Zero(t, m.NextAt)
		assert.Contains(t, m.Reason, "the mailbox does not have it")
		for _, r := range w.nylas.History().Requests {
			if r.Method == http.MethodPost {
				assert.Less(t, r.At.Sub(start), time.Hour)
			}
		}
		w.nylas.ClearFaults()
		sends := w.sends()
		w.reopen()
		require.NoError(t, w.run(), "the next run looks again, and does not send")
		assert.Equal(t, sends, w.sends())
		assert.Equal(t, outbox.Counts{Unknown: 1}, w.counts())

		require.NoError(t, w.Add(t.Context(), "mail-0-again", w.nylas.GrantID(), mailTo(0)))
		require.NoError(t, w.run())
		assert.Equal(t, outbox.Counts{Sent: 1, Unknown: 1}, w.counts(), "the mailbox has only the other one")
		assert.Len(t, w.nylas.Messages(), 1)
	})
}

// The message appears in the mailbox later than the first look, and Nylas has cleared the key.
// This is the second mail that nobody can rule out, and the outbox says so.
func TestSaysThatASecondMailIsPossible(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.inject(nylastest.Fault{Hold: func(context.Context) { <-time.After(10 * time.Minute) }})
		w.add(1)
		require.NoError(t, w.run())
		<-time.After(time.Hour)
		assert.Len(t, w.nylas.Messages(), 2)
		assert.Equal(t, outbox.Counts{Sent: 1, SecondMailPossible: 1}, w.counts())
	})
}

// Nothing was sent, and it is known: the mail waits as long as Nylas asks, and the grant with it.
func TestRetriesLater(t *testing.T) {
	t.Parallel()
	unavailable := nylastest.ErrorAnswer(http.StatusServiceUnavailable, "provider_error", "The mail provider is unavailable.")
	quota := nylastest.ErrorAnswer(http.StatusTooManyRequests, "quota_exceeded_error", "Activity limit reached")
	quota.Body = `{"request_id":"r","error":{"type":"quota_exceeded_error","message":"m","provider_error":{"code":429}}}`
	for name, tt := range map[string]struct {
		fault       nylastest.Fault
		after, most time.Duration
	}{
		"Nylas' limit":           {nylastest.Fault{Before: nylastest.TooManyRequests(0)}, time.Second, time.Minute},
		"Nylas asks for a time":  {nylastest.Fault{Before: nylastest.TooManyRequests(40 * time.Minute)}, 40 * time.Minute, 41 * time.Minute},
		"Nylas asks for ages":    {nylastest.Fault{Before: nylastest.TooManyRequests(290 * 365 * 24 * time.Hour)}, 24 * time.Hour, 25 * time.Hour},
		"the provider's quota":   {nylastest.Fault{Before: quota}, time.Minute, 2 * time.Minute},
		"the provider is away":   {nylastest.Fault{Inside: unavailable}, time.Minute, 2 * time.Minute},
		"it is away for a while": {nylastest.Fault{Inside: unavailable, Times: 6}, 21 * time.Minute, 2 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.inject(tt.fault)
				w.add(2)
				start := time.Now()
				require.NoError(t, w.run())
				messages := w.nylas.Messages()
				require.Len(t, messages, 2)
				assert.GreaterOrEqual(t, messages[0].SentAt.Sub(start), tt.after, "the whole grant rests")
				assert.Equal(t, fmt.Sprint("mail-0@", max(1, tt.fault.Times)+1), messages[0].IdempotencyKey, "Nylas can remember its answer")
				assert.Less(t, time.Since(start), tt.most)
				assert.Equal(t, outbox.Counts{Sent: 2}, w.counts())
			}, outbox.WithWorkers(1))
		})
	}
}

// What concerns all mail of a grant stops the grant and not the others, and loses no mail.
func TestStopsAGrant(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer *nylastest.Answer
		is     error
	}{
		"sending is paused": {nylastest.ErrorAnswer(http.StatusForbidden, "sending_paused", "Sending from this account is paused."), nylas.ErrSendingPaused},
		"no scope":          {nylastest.ErrorAnswer(http.StatusForbidden, "insufficient_scopes", "missing scopes"), nylas.ErrForbidden},
		"expired":           {nylastest.ErrorAnswer(http.StatusUnauthorized, "authentication_error", "expired"), nylas.ErrUnauthorized},
		"a trial":           {nylastest.ErrorAnswer(http.StatusBadRequest, "invalid_request_error", "Tracking is not allowed for trial accounts"), nylas.ErrTrackingNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				other := w.nylas.AddGrant("Other", "other@example.org")
				fault := nylastest.Fault{Inside: tt.answer}
				if tt.answer.Status == http.StatusUnauthorized {
					fault = nylastest.Fault{Before: tt.answer} // it is asked before anything is remembered
				}
				w.inject(fault)
				w.add(3)
				require.NoError(t, w.Add(t.Context(), "other", other, mailTo(9)))
				err := w.run()
				require.ErrorIs(t, err, tt.is)
				var stopped *outbox.StoppedError
				require.ErrorAs(t, err, &stopped)
				assert.Equal(t, w.nylas.GrantID(), stopped.GrantID)
				assert.Equal(t, "mail-0", stopped.Key)
				assert.NotContains(t, err.Error(), w.nylas.GrantID())
				assert.Equal(t, outbox.Counts{Waiting: 3, Sent: 1}, w.counts())
				require.NoError(t, w.run(), "within the hour for which Nylas keeps the answer under the key")
				assert.Equal(t, outbox.Counts{Sent: 4}, w.counts())
				assert.Len(t, w.nylas.Messages(), 4)
			}, outbox.WithWorkers(1))
		})
	}
}

func TestARefusalConcernsOneMail(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"400": 400, "422": 422, "spam": 550} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.inject(nylastest.Fault{Inside: nylastest.ErrorAnswer(status, "sending_error", "refused for person-0@example.org")})
				w.add(2)
				require.NoError(t, w.run())
				assert.Equal(t, outbox.Counts{Sent: 1, Failed: 1}, w.counts())
				m := w.mail()
				assert.Equal(t, outbox.Failed, m.State)
				assert.Contains(t, m.Reason, "refused for [address]")
				require.NoError(t, w.Add(t.Context(), "mail-0-again", w.nylas.GrantID(), mailTo(0)))
				require.NoError(t, w.run())
				assert.Equal(t, outbox.Counts{Sent: 2, Failed: 1}, w.counts())
			}, outbox.WithWorkers(1))
		})
	}
}

// The end of the context does not cut off a send, and nothing is sent after it.
func TestStopsAndGoesOn(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(t.Context())
		w.inject(nylastest.Fault{Hold: func(context.Context) {
			cancel()
			<-time.After(2 * time.Second)
		}})
		w.add(5)
		require.ErrorIs(t, w.Run(ctx, w.client), context.Canceled)
		assert.Equal(t, outbox.Counts{Sent: 1, Waiting: 4}, w.counts())
		assert.Len(t, w.nylas.Messages(), 1)
		require.NoError(t, w.run())
		assert.Equal(t, outbox.Counts{Sent: 5}, w.counts())
		assert.Len(t, w.nylas.Messages(), 5)
	}, outbox.WithWorkers(1))
}

func TestTheClientsRateLimitHolds(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.client = w.newClient(nylas.WithRateLimit(nylas.RateLimits{Sends: 0.5})) // as Microsoft's 30 a minute
		w.add(10)
		start := time.Now()
		require.NoError(t, w.run())
		assert.Len(t, w.nylas.Messages(), 10)
		assert.GreaterOrEqual(t, time.Since(start), 18*time.Second)
	})
}

func TestRunWaitsForMoreIfItIsToStay(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		ended := make(chan error, 1)
		go func() { ended <- w.run() }()
		<-time.After(time.Hour)
		require.ErrorIs(t, w.run(), outbox.ErrRunning)
		w.add(3)
		<-time.After(time.Minute)
		assert.Len(t, w.nylas.Messages(), 3)
		require.NoError(t, w.Close())
		require.ErrorIs(t, <-ended, context.Canceled)
		w.open()
	}, outbox.WithStay())
}

func TestTheHookSeesEachChange(t *testing.T) {
	t.Parallel()
	var states []outbox.State
	inWorld(t, func(t *testing.T, w *world) {
		w.inject(nylastest.Fault{After: nylastest.Disconnect()})
		w.add(1)
		require.NoError(t, w.run())
	}, outbox.WithHook(func(m outbox.Mail) { states = append(states, m.State) }))
	assert.Equal(t, []outbox.State{outbox.Sending, outbox.Unknown, outbox.Sent}, states)
}

// Nylas cannot be reached for a while. Nothing was sent, so nothing is in doubt.
func TestWaitsForTheNetwork(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		transport, ok := w.nylas.HTTPClient().Transport.(*http.Transport)
		require.True(t, ok)
		transport = transport.Clone()
		dial, failures := transport.DialContext, 0
		transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if failures++; failures <= 5 {
				return nil, errors.New("network is unreachable")
			}
			return dial(ctx, network, addr)
		}
		w.client = w.newClient(nylas.WithHTTPClient(&http.Client{Transport: transport}))
		w.add(1)
		start := time.Now()
		require.NoError(t, w.run())
		assert.Equal(t, outbox.Counts{Sent: 1}, w.counts())
		assert.Equal(t, 31*time.Second, time.Since(start).Truncate(time.Second), "1, 2, 4, 8 and 16 s")
		transport.CloseIdleConnections()
	})
}
