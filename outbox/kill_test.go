package outbox_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
)

var (
	crashRounds = flag.Int("crash.rounds", 20, "how often TestKill kills the process")
	crashSeed   = flag.Uint64("crash.seed", 0, "what TestKill begins its random numbers with; 0: by chance")
)

// mailsPerRound is how many mails each round adds. All mails of the rounds before are added
// again, as a program does.
const mailsPerRound = 15

// The latest times of a kill.
const (
	roundLimit   = 30 * time.Second
	anyTimeLimit = 250 * time.Millisecond
	openingLimit = 60 * time.Millisecond
)

// TestKill kills the process that sends with kill -9 at random moments, and starts it again on
// the same file. The emulator, which lives on, loses answers besides. In the end it has each
// mail once.
func TestKill(t *testing.T) {
	t.Parallel()
	seed := *crashSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat with -crash.seed=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	server := nylastest.NewServer(t, nylastest.WithSeed(seed))
	require.NoError(t, server.Inject(
		nylastest.Fault{Endpoint: nylastest.EndpointSend, Times: nylastest.Forever, Chance: 0.05, After: nylastest.Disconnect()},
		nylastest.Fault{Endpoint: nylastest.EndpointSend, Times: nylastest.Forever, Chance: 0.02, Before: nylastest.TooManyRequests(0)},
		nylastest.Fault{Endpoint: nylastest.EndpointSend, Times: nylastest.Forever, Chance: 0.7, Hold: func(ctx context.Context) {
			select { // so that kills come in the middle of sends
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
		}},
	))
	config := childConfig{
		Path: filepath.Join(t.TempDir(), "outbox.db"), URL: server.URL(), Key: server.APIKey(), Grant: server.GrantID(),
	}
	moments := []moment{anyTime, marked, requesting, answered, recorded, anyTime, adding, looking, opening, requesting}
	killed := make(map[moment]int)
	for round := range *crashRounds {
		config.Moment, config.After, config.Seed = moments[round%len(moments)], 1+random.Int64N(8), random.Uint64()
		if config.Moment == looking {
			config.After = 1 + random.Int64N(2)
		}
		config.Mails += mailsPerRound
		if killOnce(t, config, random) {
			killed[config.Moment]++
		}
	}
	assert.Greater(t, len(killed), min(*crashRounds, len(moments))/2, "the moments did not come")
	config.Moment = ""
	summary := finish(t, config)
	t.Logf("killed: %v; in the end: %s", killed, summary)

	counts := make(map[string]int)
	for _, m := range server.Messages() {
		counts[m.To[0].Email]++
	}
	for i := range config.Mails {
		assert.Equal(t, 1, counts[mailTo(i).To[0].Email], "mails to person %d", i)
	}
	assert.Len(t, counts, config.Mails)
	assert.Contains(t, summary, fmt.Sprintf("Sent:%d ", config.Mails), "what the outbox says fits")
}

// killOnce runs a child until it is killed, by itself or by its parent, and reports whether the
// moment came before the child had nothing left to do.
func killOnce(t *testing.T, config childConfig, random *rand.Rand) bool {
	t.Helper()
	command, lines, errors := startChild(t, config)
	limit := roundLimit
	switch config.Moment {
	case anyTime:
		limit = time.Duration(random.Int64N(int64(anyTimeLimit)))
	case opening:
		limit = time.Duration(random.Int64N(int64(openingLimit)))
	}
	defer time.AfterFunc(limit, func() { _ = command.Process.Kill() }).Stop()
	_, err := lines.ReadString('\n') // it is done, or dead
	if err == nil {
		_ = command.Process.Kill()
	}
	_ = command.Wait() // how it ended is in the state
	require.Equal(t, "signal: killed", command.ProcessState.String(), errors.String())
	require.Empty(t, errors.String())
	return err != nil
}

// finish runs a child until all is sent, and returns what it says of the outbox.
func finish(t *testing.T, config childConfig) string {
	t.Helper()
	command, lines, errors := startChild(t, config)
	limit := roundLimit + time.Duration(config.Mails)*50*time.Millisecond
	defer time.AfterFunc(limit, func() { _ = command.Process.Kill() }).Stop()
	line, err := lines.ReadString('\n')
	_ = command.Process.Kill()
	_ = command.Wait() // it was killed
	require.NoError(t, err, errors.String())
	return strings.TrimSpace(line)
}

func startChild(t *testing.T, config childConfig) (*exec.Cmd, *bufio.Reader, *bytes.Buffer) {
	t.Helper()
	text, err := json.Marshal(config)
	require.NoError(t, err)
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), childVariable+"="+string(text))
	errors := new(bytes.Buffer)
	command.Stderr = errors
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		if command.ProcessState == nil {
			_ = command.Process.Kill()
			_ = command.Wait()
		}
	})
	return command, bufio.NewReader(output), errors
}
