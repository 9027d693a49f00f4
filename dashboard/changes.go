package dashboard

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/nylastrack/nylas-go/internal/page"
	"github.com/nylastrack/nylas-go/internal/telemetry"
)

// pollEvery is how often an open page asks the store whether something has changed. It is
// our choice: people take a second for at once, and it is one small query.
const pollEvery = time.Second

// changes tells an open page when to look again. It asks the store, so that a page shows what
// any process has stored.
func (d *Dashboard) changes(w http.ResponseWriter, r *http.Request) {
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	watch := &watch{changed: make(chan struct{})}
	var polling sync.WaitGroup
	polling.Go(func() {
		select {
		case <-ctx.Done():
		case <-d.ended:
			stop()
		}
	})
	if r.Method != http.MethodHead {
		polling.Go(func() { d.poll(ctx, watch) })
	}
	page.Stream(w, r.WithContext(ctx), watch.next)
	stop()
	polling.Wait()
}

// poll watches the version of the store until ctx is done.
func (d *Dashboard) poll(ctx context.Context, w *watch) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	known, err := d.store.Version(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		failedBefore := err != nil
		var version string
		version, err = d.store.Version(ctx)
		switch {
		case err != nil && !failedBefore && ctx.Err() == nil: // once, not each second
			d.logger.LogAttrs(ctx, slog.LevelWarn, "dashboard: an open page cannot ask for changes", slog.Any(telemetry.LogError, err))
		case err == nil && version != known:
			known = version
			w.change()
		}
	}
}

// watch is a source of changes for [page.Stream].
type watch struct {
	mu      sync.Mutex
	changed chan struct{}
}

func (w *watch) next() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

func (w *watch) change() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.changed)
	w.changed = make(chan struct{})
}
