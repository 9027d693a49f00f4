package receive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// secretOverlap is how long a replaced secret is accepted. Nylas repeats a
	// notification for up to 20 minutes, and does not document with which secret:
	// https://developer.nylas.com/docs/v3/notifications/.
	secretOverlap = 30 * time.Minute
	// rotationDoubt is how long it counts as possible, after a rotation failed here,
	// that it succeeded at Nylas. Within it a second try has time.
	rotationDoubt = 30 * time.Minute
)

// ErrRotating means that a secret is being rotated. A source of secrets returns
// it, beside the secrets that it has, while Nylas may sign with one that it does
// not have yet; see [WithSecretSource]. [Receiver.RotateSecret] returns it when it
// is called a second time before the first call returned.
var ErrRotating = errors.New("receive: a secret is being rotated")

// A RotationOption changes one call of [Receiver.RotateSecret].
type RotationOption interface {
	applyRotation(*rotationConfig) error
}

type rotationConfig struct{ overlap time.Duration }

// OverlapOption is what [WithSecretOverlap] returns: an option for a Receiver and
// for one rotation.
type OverlapOption struct{ overlap time.Duration }

// WithSecretOverlap sets how long [Receiver.RotateSecret] leaves the old secret
// valid, instead of 30 minutes. Zero ends it at once, which is right after a leak;
// what Nylas signed with it before and has not delivered yet is lost then. A
// negative duration is refused.
func WithSecretOverlap(overlap time.Duration) OverlapOption { return OverlapOption{overlap} }

func (o OverlapOption) apply(c *config) error                 { return o.set(&c.rotation.overlap) }
func (o OverlapOption) applyRotation(c *rotationConfig) error { return o.set(&c.overlap) }

func (o OverlapOption) set(overlap *time.Duration) error {
	if o.overlap < 0 {
		return errors.New("WithSecretOverlap: want zero or a positive duration")
	}
	*overlap = o.overlap
	return nil
}

// RotateSecret changes the secret at Nylas and here without losing a
// notification. The function rotate does both at Nylas' end: it rotates the
// secret, by [WebhookService.RotateSecret], and saves the new one for the next
// start, because Nylas does not show it again. It gets ctx, and is waited for: the
// secret that it returns is the only one.
//
// From before rotate is called until the new secret is installed, a signature
// that is not known is answered 503, and Nylas delivers the notification again.
// The old secret, which is the first of those known, stays valid for 30 minutes:
// [WithSecretOverlap]. The others stay, until the time that an earlier rotation
// set, if it set one.
//
//   - rotate returned an error and no secret: Nylas may have rotated all the same.
//     Unknown signatures are answered 503 for another 30 minutes, or until
//     RotateSecret succeeds or SetSecrets is called. Call RotateSecret again; the
//     last rotation wins. So it is if rotate panics or returns a
//     secret that is blank or has white space around it.
//   - rotate returned an error and a secret, which it could not save: this process
//     verifies with it, and the error comes back. Save it or rotate again before the
//     process ends.
//   - ctx has ended before the call: nothing happens.
//   - Another call is running: [ErrRotating], and nothing happens.
//   - The Receiver has a source: an error, and nothing happens. What to do instead
//     is at [WithSecretSource].
//
// Only this Receiver is changed. Others with the same secret, in other
// processes too, go on to answer 401 to what is signed with the new one.
//
// https://developer.nylas.com/docs/reference/api/webhook-notifications/post-new-secret/
func (r *Receiver) RotateSecret(
	ctx context.Context, rotate func(ctx context.Context) (newSecret string, err error), opts ...RotationOption,
) error {
	if err := r.rotateSecret(ctx, rotate, opts); err != nil {
		return fmt.Errorf("receive: rotate secret: %w", err)
	}
	return nil
}

func (r *Receiver) rotateSecret(
	ctx context.Context, rotate func(context.Context) (string, error), opts []RotationOption,
) error {
	config := r.rotation
	for _, opt := range opts {
		if opt == nil {
			continue
		}
		if err := opt.applyRotation(&config); err != nil {
			return err
		}
	}
	held, ok := r.keys.(*heldSecrets)
	switch {
	case !ok:
		return errors.New("the receiver takes its secrets from a source, which other processes may read: " +
			"let the source return ErrRotating, rotate, save, and let it return the new secret, as WithSecretSource tells")
	case rotate == nil:
		return errors.New("rotate is nil")
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !held.beginRotation():
		return ErrRotating
	}
	// It ends in the same way if rotate panics.
	var fresh *secret
	defer func() { held.endRotation(fresh, config.overlap) }()
	value, err := rotate(ctx)
	if value == "" && err != nil {
		return err
	}
	list, blank := newSecrets([]string{value})
	if blank != nil {
		return errors.Join(err, blank)
	}
	fresh = list[0]
	return err
}

// beginRotation reports false if one is running.
func (h *heldSecrets) beginRotation() (begun bool) {
	h.change(func(s *heldState) { begun, s.rotating = !s.rotating, true })
	return begun
}

// endRotation installs the new secret. Nil means that there is none.
func (h *heldSecrets) endRotation(fresh *secret, overlap time.Duration) {
	h.change(func(s *heldState) {
		s.rotating = false
		now := time.Now()
		if fresh == nil {
			s.doubt = now.Add(rotationDoubt)
			return
		}
		s.doubt = time.Time{}
		s.secrets = s.secrets.replaced(fresh, now, now.Add(overlap))
	})
}

// replaced puts a secret before the others, and lets the one that was first end
// at a time, and those that an earlier rotation replaced no later than that.
func (s secrets) replaced(fresh *secret, now, end time.Time) secrets {
	if len(s) > 0 && s[0].value == fresh.value {
		return s
	}
	list := secrets{fresh}
	for i, old := range s {
		if i == 0 || !old.until.IsZero() {
			ending := *old
			if ending.until.IsZero() || ending.until.After(end) {
				ending.until = end
			}
			old = &ending
		}
		if old.value != fresh.value && (old.until.IsZero() || old.until.After(now)) {
			list = append(list, old)
		}
	}
	return slices.Clip(list)
}
