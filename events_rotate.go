package nylas

import (
	"context"
	"errors"
	"time"

	"github.com/nylastrack/nylas-go/internal/guard"
	"github.com/nylastrack/nylas-go/receive"
)

// Rotate replaces the secret of the webhook in a store. Receivers that read the store
// accept the new secret within 5 seconds, and the old ones for 30 minutes; see
// [WithOverlap]. Until the new secret is saved, and for 30 minutes after that, they answer
// 503 to an unknown signature, so that no notification is lost: Nylas delivers it again.
//
// Rotate writes a lease into the store as [Client.Subscribe] does, and waits for that
// of another call. If it fails or the process stops in between, call it again: it
// rotates once more and finishes; so does Subscribe, with an overlap of 30 minutes. If
// the error matches [ErrOutcomeUnknown], Nylas may sign with a secret that nobody
// knows until then, and receivers answer 503. Each call makes a new secret, so let one
// process rotate.
//
// It is an error if the store has no webhook yet. [ErrNotFound] means that the webhook
// was deleted at Nylas: call Subscribe.
//
// https://developer.nylas.com/docs/reference/api/webhook-notifications/post-new-secret/
func (c *Client) Rotate(ctx context.Context, store receive.SecretStore, opts ...RequestOption) error {
	k := &keeper{client: c, store: store, overlap: defaultOverlap}
	for _, opt := range opts {
		if overlap, ok := opt.(overlapOption); ok {
			k.overlap = time.Duration(overlap)
		} else {
			k.opts = append(k.opts, opt)
		}
	}
	k.op = c.begin("rotate", k.opts)
	switch {
	case guard.IsNil(store):
		return refuse(k.op, "the store is nil")
	case k.overlap < 0:
		return refuse(k.op, "WithOverlap: the duration is negative")
	}
	for {
		state, err := k.load(ctx)
		if err != nil {
			return err
		}
		if state.WebhookID == "" {
			return refuse(k.op, "the store has no webhook yet: call Subscribe first")
		}
		if err := k.rotate(ctx, state, state); !errors.Is(err, receive.ErrChanged) {
			return err
		}
		if err := k.pause(ctx); err != nil {
			return err
		}
	}
}

// WithOverlap sets how long [Client.Rotate] leaves the old secrets valid. 0 ends them
// at once, after a leak: what is signed with them is then answered 503 for 30 minutes,
// and 401 after that. Other calls refuse this option.
func WithOverlap(overlap time.Duration) RequestOption { return overlapOption(overlap) }

// overlapOption is taken out by Rotate.
type overlapOption time.Duration

func (overlapOption) applyRequest(*requestConfig) error {
	return errors.New("WithOverlap: only Rotate takes it")
}

func (k *keeper) rotate(ctx context.Context, old, next receive.SecretState) error {
	next.Busy = receive.BusyRotate
	_, err := k.lease(ctx, old, next, func(ctx context.Context) (*Webhook, error) {
		return k.client.Webhooks.RotateSecret(ctx, next.WebhookID, k.opts...)
	})
	return err
}
