package dashboard

import (
	"context"
	"log/slog"
	"time"

	"github.com/nylastrack/nylas-go/internal/telemetry"
)

const (
	// judgeEvery is how often Run looks for messages that are due. It is our choice: a
	// list shows a new event within seconds, and nothing to do is three small queries.
	judgeEvery = 2 * time.Second
	// maxJudgePause is how long Run waits at most after errors. It is our choice: a
	// database that was away for an hour is noticed within a minute.
	maxJudgePause = time.Minute
)

// Run keeps what the lists and the campaigns say up to date until ctx is done, and returns
// nil then. It judges each message that has something new, when its verdicts settle, and
// after an update of the rules. It logs errors and tries again.
//
// When it ends, open pages hear of no more changes, so that a server which waits for its
// requests can stop. Call it once.
//
// Any number of processes may run it for one store. Without it, the lists and the campaigns
// show no verdict of what is new; the page of a message does.
func (d *Dashboard) Run(ctx context.Context) error {
	defer d.end()
	pause := time.Duration(0)
	for {
		judged, err := d.store.Judge(ctx, d.classifier)
		if ctx.Err() != nil {
			return nil
		}
		switch {
		case err != nil:
			pause = min(max(2*pause, judgeEvery), maxJudgePause)
			d.logger.LogAttrs(ctx, slog.LevelError, "dashboard: messages could not be judged", slog.Any(telemetry.LogError, err), slog.Time(telemetry.LogRetryAt, time.Now().Add(pause)))
		case judged.Messages > 0 && !judged.Next.IsZero() && !judged.Next.After(time.Now()): // there are more
			pause = 0
			continue
		default:
			pause = judgeEvery
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}
