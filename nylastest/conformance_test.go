package nylastest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

// memory is an engine as small as one can be, with the storage of all engines in
// a map. It breaks a promise if it is told to.
type memory struct {
	broken string
	mu     sync.Mutex
	stored map[string]*memoryStorage
}

type memoryStorage struct {
	order []string
	rows  map[string]*memoryRow
}

type memoryRow struct {
	body     []byte
	at       time.Time
	err      error
	attempts int
	state    string // "", "done" or "dead"
}

const memoryAttempts = 5

func (m *memory) engine() nylastest.Engine {
	engine := nylastest.Engine{
		Open: func(_ testing.TB, storage string) receive.Handler {
			m.mu.Lock()
			defer m.mu.Unlock()
			if m.stored[storage] == nil {
				m.stored[storage] = &memoryStorage{rows: make(map[string]*memoryRow)}
			}
			return &memoryEngine{memory: m, memoryStorage: m.stored[storage]}
		},
		Crash: func(_ testing.TB, storage string, _ receive.Handler) {
			m.mu.Lock()
			defer m.mu.Unlock()
			switch m.broken {
			case "forgets when it crashes":
				delete(m.stored, storage)
			case "forgets what it handled when it crashes":
				s := m.stored[storage]
				maps.DeleteFunc(s.rows, func(_ string, row *memoryRow) bool { return row.state == "done" })
			}
		},
		Drain: func(_ testing.TB, engine, handler receive.Handler) { engine.(*memoryEngine).drain(handler) },
		Dead: func(_ testing.TB, engine receive.Handler) (dead []*receive.Delivery) {
			e := engine.(*memoryEngine)
			for _, id := range e.order {
				if row := e.rows[id]; row != nil && row.state == "dead" {
					dead = append(dead, row.delivery())
				}
			}
			return dead
		},
		AtLeastOnce: strings.HasPrefix(m.broken, "at least once"),
	}
	if m.broken == "keeps no dead" {
		engine.Dead = nil
	}
	return engine
}

type memoryEngine struct {
	*memory
	*memoryStorage
}

func (r *memoryRow) delivery() *receive.Delivery {
	d := receive.NewDelivery(r.body, "")
	d.ReceivedAt = r.at
	if r.err != nil {
		d.Err = r.err
	}
	return d
}

func (e *memoryEngine) HandleDelivery(ctx context.Context, d *receive.Delivery) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	id, body := d.ID, bytes.Clone(d.Body)
	switch {
	case strings.HasPrefix(e.broken, "at least once"), e.broken == "does not know duplicates":
		id = fmt.Sprintf("%s/%d", id, len(e.order)) // not to be taken for that of another one
	case e.broken == "keeps the newest of duplicates":
		if row := e.rows[id]; row != nil {
			row.body = body
		}
	case e.broken == "is busy with a duplicate" && e.rows[id] != nil:
		return errors.New("busy")
	case e.broken == "cuts bodies":
		body = body[:min(len(body), 1<<16)]
	case e.broken == "stores text":
		body = []byte(strings.ToValidUTF8(string(body), "?"))
	case e.broken == "refuses what cannot be decoded" && d.Err != nil:
		return d.Err
	}
	if e.rows[id] != nil {
		return nil
	}
	row := &memoryRow{body: body, at: d.ReceivedAt, err: d.Err}
	if e.broken == "forgets why it cannot be decoded" {
		row.err = nil
	}
	if e.broken == "forgets the time" {
		row.at = time.Time{}
	}
	if d.Err != nil && e.broken != "keeps no dead" {
		row.state = "dead"
	}
	e.rows[id] = row
	e.order = append(e.order, id)
	return nil
}

func (e *memoryEngine) drain(handler receive.Handler) {
	for again := true; again; {
		again = false
		for _, id := range e.order {
			row := e.rows[id]
			if row == nil || row.state != "" {
				continue
			}
			row.attempts++
			switch err := call(handler, row.delivery()); {
			case err == nil:
				row.state = "done"
			case e.broken == "gives up at once":
				row.state = "dead"
			case errors.Is(err, receive.ErrPermanent) && e.broken != "repeats what is permanent", row.attempts == memoryAttempts:
				row.state = "dead"
			case e.broken == "stops at a failure":
				return
			default:
				again = true
			}
		}
	}
}

func call(handler receive.Handler, d *receive.Delivery) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = errors.New("panic")
		}
	}()
	return handler.HandleDelivery(context.Background(), d)
}

// brokenVariable names to a process how its engine is broken.
const brokenVariable = "NYLASTEST_BROKEN"

func TestHandlerOfAnEngineThatKeepsItsPromises(t *testing.T) {
	t.Parallel()
	kinds := []string{"", "keeps no dead", "at least once"}
	if broken := os.Getenv(brokenVariable); broken != "" {
		kinds = []string{broken}
	}
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			nylastest.TestHandler(t, (&memory{broken: kind, stored: make(map[string]*memoryStorage)}).engine())
		})
	}
}

// TestHandlerFindsWhatIsBroken runs the test above in processes of their own, in
// which the engine breaks a promise, and looks at which tests failed.
func TestHandlerFindsWhatIsBroken(t *testing.T) {
	t.Parallel()
	if os.Getenv(brokenVariable) != "" {
		t.Skip("this is such a process")
	}
	for broken, promise := range map[string]string{
		"forgets when it crashes":                 "WhatWasTakenSurvivesACrash",
		"forgets what it handled when it crashes": "WhatWasHandledStaysHandled",
		"forgets the time":                        "WhatWasTakenSurvivesACrash",
		"does not know duplicates":                "DuplicatesAreHandledOnce",
		"keeps the newest of duplicates":          "DuplicatesAreHandledOnce",
		"is busy with a duplicate":                "DuplicatesAtTheSameTime",
		"cuts bodies":                             "ABodyOf1MB",
		"stores text":                             "AnyBytes",
		"refuses what cannot be decoded":          "AnyBytes",
		"forgets why it cannot be decoded":        "AnyBytes",
		"gives up at once":                        "AnErrorIsRepeated",
		"repeats what is permanent":               "APermanentErrorIsNotRepeated",
		"stops at a failure":                      "AFailingDeliveryDoesNotStopOthers",
	} {
		t.Run(broken, func(t *testing.T) {
			t.Parallel()
			command := exec.CommandContext(t.Context(), os.Args[0],
				"-test.run=^TestHandlerOfAnEngineThatKeepsItsPromises$", "-test.v")
			command.Env = append(os.Environ(), brokenVariable+"="+broken)
			output, err := command.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "the engine passed")
			var failed []string
			for line := range strings.Lines(string(output)) {
				if name, ok := strings.CutPrefix(strings.TrimSpace(line), "--- FAIL: "); ok {
					parts := strings.Split(strings.Fields(name)[0], "/")
					failed = append(failed, parts[len(parts)-1])
				}
			}
			assert.Contains(t, failed, promise, string(output))
		})
	}
}
