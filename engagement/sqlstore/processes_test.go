package sqlstore_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
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

// Three processes get the same notifications at the same time, each in its own order.
func TestProcessesTellEachEventOnce(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		const messages, processes = 20, 3
		r := rand.New(rand.NewPCG(5, 5))
		var bodies []string
		want := 0
		for i := range messages {
			tale := newTale(r, fmt.Sprint("m-", i))
			bodies = append(bodies, tale.bodies...)
			want += tale.events()
		}
		program, err := os.Executable()
		require.NoError(t, err)
		outputs := make(chan string, processes)
		for range processes {
			r.Shuffle(len(bodies), func(i, j int) { bodies[i], bodies[j] = bodies[j], bodies[i] })
			worker := exec.CommandContext(t.Context(), program)
			worker.Env = append(os.Environ(), workerDatabase+"="+d.engine.String()+" "+d.name)
			worker.Stdin = strings.NewReader(strings.Join(bodies, "\n"))
			worker.Stderr = os.Stderr
			go func() {
				output, err := worker.Output()
				assert.NoError(t, err)
				outputs <- string(output)
			}()
		}
		times := map[string]int{}
		busy := 0
		for range processes {
			told := 0
			for line := range strings.Lines(<-outputs) {
				var ids []string
				require.NoError(t, json.Unmarshal([]byte(line), &ids))
				for _, id := range ids {
					times[id]++
					told++
				}
			}
			if told > 0 {
				busy++
			}
		}
		assert.Len(t, times, want)
		for id, n := range times {
			assert.Equal(t, 1, n, id)
		}
		assert.Greater(t, busy, 1, "the processes share the work")
		assert.Equal(t, want, count(t, d.open(t), "nylas_events"))
	})
}
