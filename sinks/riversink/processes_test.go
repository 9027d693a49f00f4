package riversink_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/receive"
	"github.com/nylastrack/nylas-go/sinks/riversink"
)

const (
	// The environment of a test binary that is a worker instead.
	workerSchema = "NYLAS_TEST_WORKER_SCHEMA"
	workerHolds  = "NYLAS_TEST_WORKER_HOLDS"

	rescueAfter = 2 * time.Second
)

func TestMain(m *testing.M) {
	if schema := os.Getenv(workerSchema); schema != "" {
		if err := work(schema); err != nil {
			log.Fatal(err)
		}
		return
	}
	os.Exit(m.Run())
}

// work is a process that handles deliveries by writing down who did, until its
// input ends. One that holds begins and never ends.
func work(schema string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	pool, err := pgxpool.New(ctx, os.Getenv("NYLAS_TEST_POSTGRES"))
	if err != nil {
		return err
	}
	defer pool.Close()
	sink, err := riversink.Open(pool, riversink.WithSchema(schema), quick, riversink.WithWorkers(10),
		riversink.WithHandlerTimeout(rescueAfter/2), riversink.WithRescueAfter(rescueAfter))
	if err != nil {
		return err
	}
	return sink.Run(ctx, receive.HandlerFunc(func(ctx context.Context, d *receive.Delivery) error {
		if os.Getenv(workerHolds) != "" {
			fmt.Println("holds", d.ID)
			select {}
		}
		_, err := pool.Exec(ctx, "INSERT INTO "+schema+".handled VALUES ($1, $2)", d.ID, os.Getpid())
		return err
	}))
}

type process struct {
	*exec.Cmd
	input io.Closer
	lines *bufio.Scanner
}

func startWorker(t *testing.T, schema string, env ...string) *process {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	p := &process{Cmd: exec.Command(program)}
	p.Env = append(append(os.Environ(), workerSchema+"="+schema), env...)
	p.Stderr = os.Stderr
	p.input, err = p.StdinPipe()
	require.NoError(t, err)
	output, err := p.StdoutPipe()
	require.NoError(t, err)
	p.lines = bufio.NewScanner(output)
	require.NoError(t, p.Start())
	t.Cleanup(func() {
		if p.ProcessState == nil {
			_ = p.Process.Kill()
			_ = p.Wait()
		}
	})
	return p
}

// stop ends a worker as a deployment does.
func (p *process) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, p.input.Close())
	require.NoError(t, p.Wait())
}

// handledBy tells how often each delivery was handled, and by how many processes
// all of them.
func handledBy(t *testing.T, pool *pgxpool.Pool, schema string) (times map[string]int, processes int) {
	t.Helper()
	rows, err := pool.Query(t.Context(), "SELECT id, count(*) FROM "+schema+".handled GROUP BY id")
	require.NoError(t, err)
	times = map[string]int{}
	var id string
	var n int
	_, err = pgx.ForEachRow(rows, []any{&id, &n}, func() error { times[id] = n; return nil })
	require.NoError(t, err)
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(DISTINCT pid) FROM "+schema+".handled").Scan(&processes))
	return times, processes
}

func openForWorkers(t *testing.T) (*riversink.Sink, *pgxpool.Pool, string) {
	t.Helper()
	sink, pool, schema := open(t)
	_, err := pool.Exec(t.Context(), "CREATE TABLE "+schema+".handled (id text NOT NULL, pid int NOT NULL)")
	require.NoError(t, err)
	return sink, pool, schema
}

// Three processes work off what two receivers take, each delivery of them twice.
func TestProcessesHandleEachDeliveryOnce(t *testing.T) {
	t.Parallel()
	const count = 2000
	sink, pool, schema := openForWorkers(t)
	second, err := riversink.Open(newPool(t), riversink.WithSchema(schema))
	require.NoError(t, err)
	var workers []*process
	for range 3 {
		workers = append(workers, startWorker(t, schema))
	}
	var callers sync.WaitGroup
	for caller := range 16 {
		callers.Go(func() {
			for i := caller % 8; i < count; i += 8 {
				s := sink
				if caller >= 8 {
					s = second
				}
				if !assert.NoError(t, s.HandleDelivery(t.Context(), opened(fmt.Sprint("n-", i)))) {
					return
				}
			}
		})
	}
	callers.Wait()
	idle(t, sink)
	for _, w := range workers {
		w.stop(t)
	}
	times, processes := handledBy(t, pool, schema)
	assert.Len(t, times, count)
	for id, n := range times {
		assert.Equal(t, 1, n, id)
	}
	assert.Greater(t, processes, 1, "the work is shared")
}

// A process is killed with deliveries in hand: the others handle them, and those
// that it did not have just once.
func TestAKilledProcessLosesNothing(t *testing.T) {
	t.Parallel()
	const count = 100
	sink, pool, schema := openForWorkers(t)
	for i := range count {
		require.NoError(t, sink.HandleDelivery(t.Context(), opened(fmt.Sprint("n-", i))))
	}
	victim := startWorker(t, schema, workerHolds+"=1")
	for range 10 {
		require.True(t, victim.lines.Scan(), "it takes as many as it has workers")
	}
	require.NoError(t, victim.Process.Kill())
	require.Error(t, victim.Wait())
	require.Equal(t, int64(10), stats(t, sink).Running)

	// What River waits for on its own: that the dead one's time has passed, as
	// a leader and for its deliveries. It looks every 30 s, and when it begins.
	eventually(t, func() bool {
		var over bool
		require.NoError(t, pool.QueryRow(t.Context(),
			"SELECT max(attempted_at) < now() - $1::interval FROM "+schema+".river_job", rescueAfter).Scan(&over))
		return over
	}, "the deliveries count as stuck")
	_, err := pool.Exec(t.Context(), "DELETE FROM "+schema+".river_leader")
	require.NoError(t, err)

	workers := []*process{startWorker(t, schema), startWorker(t, schema)}
	idle(t, sink)
	for _, w := range workers {
		w.stop(t)
	}
	times, _ := handledBy(t, pool, schema)
	assert.Len(t, times, count)
	for id, n := range times {
		assert.Equal(t, 1, n, id)
	}
	assert.Equal(t, riversink.Stats{}, stats(t, sink), "none is dead")
}
