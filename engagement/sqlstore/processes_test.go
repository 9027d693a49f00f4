package sqlstore_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
	"github.com/nylastrack/nylas-go/events"
)

// workerDatabase is in the environment of a test binary that applies notifications instead:
// the engine and the name of the database.
const workerDatabase = "NYLAS_TEST_WORKER_DATABASE"

func TestMain(m *testing.M) {
	if name := os.Getenv(workerDatabase); name != "" {
		if err := work(name); err != nil {
			log.Fatal(err)
		}
		return
	}
	os.Exit(m.Run())
}

// work applies the notifications that come in, one a line, and writes for each the ids of its
// new events.
func work(name string) error {
	engine, name, _ := strings.Cut(name, " ")
	d := database{engine: sqlstore.SQLite, name: name}
	if engine == sqlstore.PostgreSQL.String() {
		d.engine = sqlstore.PostgreSQL
	}
	db, err := d.handle()
	if err != nil {
		return err
	}
	s, err := sqlstore.New(db, d.engine)
	if err != nil {
		return err
	}
	ledger, output := engagement.NewLedger(s), json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		n, err := events.Parse(lines.Bytes())
		if err != nil {
			return err
		}
		change, err := ledger.Apply(context.Background(), n)
		if err != nil {
			return err
		}
		if err := output.Encode(ids(change.New)); err != nil {
			return err
		}
	}
	return lines.Err()
}

// Three processes get the same notifications at the same time, each in its own order. Before
// that each gets one by itself, so that all of them are at work.
func TestProcessesTellEachEventOnce(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		const messages, processes = 20, 3
		r := rand.New(rand.NewPCG(5, 5))
		var bodies, firsts []string
		want := 0
		for i := range messages {
			tale := newTale(r, fmt.Sprint("m-", i))
			bodies = append(bodies, tale.bodies...)
			firsts = append(firsts, tale.bodies[0])
			want += tale.events()
		}
		times := map[string]int{}
		workers := make([]*worker, processes)
		for i := range workers {
			workers[i] = startWorker(t, d)
			told := workers[i].tell(t, times, firsts[i])
			assert.Positive(t, told, "a process that tells nothing")
		}
		for _, w := range workers {
			r.Shuffle(len(bodies), func(i, j int) { bodies[i], bodies[j] = bodies[j], bodies[i] })
			all := strings.Join(bodies, "\n") + "\n"
			go func() {
				_, err := io.WriteString(w.input, all)
				assert.NoError(t, errors.Join(err, w.input.Close()))
			}()
		}
		for _, w := range workers {
			for range bodies {
				w.told(t, times)
			}
			assert.False(t, w.output.Scan(), "more answers than notifications")
			require.NoError(t, w.process.Wait())
		}
		assert.Len(t, times, want)
		for id, n := range times {
			assert.Equal(t, 1, n, id)
		}
		assert.Equal(t, want, count(t, d.open(t), "nylas_events"))
	})
}

// worker is a process that applies notifications.
type worker struct {
	process *exec.Cmd
	input   io.WriteCloser
	output  *bufio.Scanner
}

func startWorker(t *testing.T, d database) *worker {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	process := exec.CommandContext(t.Context(), program)
	process.Env = append(os.Environ(), workerDatabase+"="+d.engine.String()+" "+d.name)
	process.Stderr = os.Stderr
	input, err := process.StdinPipe()
	require.NoError(t, err)
	output, err := process.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, process.Start())
	return &worker{process: process, input: input, output: bufio.NewScanner(output)}
}

// tell gives the process one notification, and returns how many events it told of.
func (w *worker) tell(t *testing.T, times map[string]int, body string) int {
	t.Helper()
	_, err := io.WriteString(w.input, body+"\n")
	require.NoError(t, err)
	return w.told(t, times)
}

// told counts the events of the next answer.
func (w *worker) told(t *testing.T, times map[string]int) int {
	t.Helper()
	require.True(t, w.output.Scan(), "no answer")
	var ids []string
	require.NoError(t, json.Unmarshal(w.output.Bytes(), &ids))
	for _, id := range ids {
		times[id]++
	}
	return len(ids)
}
