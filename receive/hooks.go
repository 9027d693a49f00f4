package receive

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/nylastrack/nylas-go/internal/guard"
	"github.com/nylastrack/nylas-go/internal/telemetry"
)

// Hooks are functions for metrics; each of them may be nil. They are called concurrently by
// the goroutines that answer, so they must be fast.
type Hooks struct {
	// Answered is called with the status of each answer, those to challenges included,
	// before the last bytes of the answer leave.
	// took is the time since the header arrived. The statuses to watch:
	//
	//	401  Nylas signs with a secret that the Receiver does not have, or strangers try it
	//	408  a body came too slowly or not whole
	//	413  a body is over the limit of WithMaxBodyBytes: the notification is lost
	//	503  the Handler failed or was late, too many bytes are in flight, or the
	//	     secrets cannot be read; lost if it goes on for the 20 minutes of the retries
	//
	// req is for its method and context; do not keep it, and do not read its body.
	Answered func(req *http.Request, status int, took time.Duration)
}

// WithHooks sets functions that a [Receiver] calls, for metrics.
func WithHooks(hooks Hooks) Option {
	return option(func(c *config) error {
		c.hooks = hooks
		return nil
	})
}

// tell calls the hook. A panic would take the answer with it, which is not sent yet.
func (r *Receiver) tell(req *http.Request, status int, took time.Duration) {
	defer func() {
		if value := recover(); value != nil {
			r.logger.LogAttrs(req.Context(), slog.LevelError, "receive: Hooks.Answered panicked",
				slog.String(telemetry.LogError, guard.PanicText(value)))
		}
	}()
	r.hooks.Answered(req, status, took)
}
