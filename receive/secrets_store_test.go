package receive_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

func TestMemorySecretsKeepTheContract(t *testing.T) {
	t.Parallel()
	stores := make(chan map[string]*receive.MemorySecrets, 1)
	stores <- make(map[string]*receive.MemorySecrets)
	nylastest.TestSecretStore(t, func(_ testing.TB, storage string) receive.SecretStore {
		all := <-stores
		defer func() { stores <- all }()
		if all[storage] == nil {
			all[storage] = new(receive.MemorySecrets)
		}
		return all[storage]
	})
}

func TestFileSecretsKeepTheContract(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	nylastest.TestSecretStore(t, func(tb testing.TB, storage string) receive.SecretStore {
		tb.Helper()
		return fileSecrets(tb, filepath.Join(dir, storage))
	})
}

func fileSecrets(tb testing.TB, path string) *receive.FileSecrets {
	tb.Helper()
	store, err := receive.NewFileSecrets(path)
	require.NoError(tb, err)
	return store
}

// nthState is a state in which n swaps left n.
func nthState(n int) receive.SecretState {
	if n == 0 {
		return receive.SecretState{}
	}
	return receive.SecretState{WebhookID: strconv.Itoa(n), Secrets: []receive.StoredSecret{{Value: receiverSecret + strconv.Itoa(n)}}}
}

func loadSecrets(tb testing.TB, store receive.SecretSource) receive.SecretState {
	tb.Helper()
	state, err := store.Load(tb.Context())
	require.NoError(tb, err)
	return state
}

func TestFileSecretsStartFromAnEmptyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secrets.json")
	require.NoError(t, os.WriteFile(path, nil, 0o644)) // as touch makes it
	store := fileSecrets(t, path)
	assert.True(t, loadSecrets(t, store).IsZero())
	require.NoError(t, store.Swap(t.Context(), nthState(0), nthState(1)))
	assert.Equal(t, nthState(1), loadSecrets(t, store))
	assertMode(t, path, 0o600)
	assertMode(t, path+".lock", 0o600)
	assert.NoFileExists(t, path+".tmp")
}

func assertMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		assert.Equal(t, want, info.Mode().Perm(), path)
	}
}

func TestFileSecretsRefuseWhatIsNoStore(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"text":                     receiverSecret,
		"cut short":                `{"webhook_id":"` + receiverSecret,
		"another program's":        `{"` + receiverSecret + `":1}`,
		"another type":             `{"webhook_id":["` + receiverSecret + `"]}`,
		"a list":                   `["` + receiverSecret + `"]`,
		"two":                      `{} {}`,
		"a brace more":             `{}}`,
		"larger than any state is": `{"webhook_id":"` + string(bytes.Repeat([]byte("w"), 1<<20)) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "secrets.json")
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
			store := fileSecrets(t, path)
			_, loadErr := store.Load(t.Context())
			swapErr := store.Swap(t.Context(), nthState(0), nthState(1))
			for _, err := range []error{loadErr, swapErr} {
				require.ErrorContains(t, err, path)
				require.ErrorContains(t, err, "move it away")
				assert.NotContains(t, err.Error(), receiverSecret)
			}
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, content, string(after), "it is left as it is")
		})
	}
}

func TestNewFileSecretsRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := filepath.Join(dir, "open.json")
	require.NoError(t, os.WriteFile(open, []byte("{}"), 0o600))
	require.NoError(t, os.Chmod(open, 0o604))
	loop := filepath.Join(dir, "loop.json")
	require.NoError(t, os.Symlink(loop, loop))
	for text, path := range map[string]string{
		"path is empty":      "",
		"is a directory":     dir,
		"make it first":      filepath.Join(dir, "no", "secrets.json"),
		"chmod 600":          open,
		"symbolic links":     loop,
		"not a directory":    filepath.Join(open, "secrets.json"),
		"not a regular file": os.DevNull,
	} {
		if runtime.GOOS == "windows" && (text == "chmod 600" || path == os.DevNull) {
			continue
		}
		_, err := receive.NewFileSecrets(path)
		require.ErrorContains(t, err, text)
	}
	group := filepath.Join(dir, "group.json")
	require.NoError(t, os.WriteFile(group, []byte("{}"), 0o600))
	require.NoError(t, os.Chmod(group, 0o660)) // as Kubernetes makes it
	store := fileSecrets(t, group)
	require.NoError(t, store.Swap(t.Context(), nthState(0), nthState(1)))
	assertMode(t, group, 0o600)
}

func TestNewFileSecretsRefusesADirectoryThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	if os.Geteuid() <= 0 {
		t.Skip("root may write everywhere, and Windows has no such mode")
	}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o500))
	_, err := receive.NewFileSecrets(filepath.Join(dir, "secrets.json"))
	require.ErrorIs(t, err, fs.ErrPermission)
	require.ErrorContains(t, err, "must be writable")
}

// Processes that name the file in different ways have one store and one lock.
func TestFileSecretsFollowLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "real"), 0o700))
	require.NoError(t, os.Symlink("real", filepath.Join(dir, "linked")))
	target := filepath.Join(dir, "real", "secrets.json") // does not exist yet
	require.NoError(t, os.Symlink(filepath.Join("linked", "second.json"), filepath.Join(dir, "first.json")))
	require.NoError(t, os.Symlink("secrets.json", filepath.Join(dir, "real", "second.json")))

	link := fileSecrets(t, filepath.Join(dir, "first.json"))
	require.NoError(t, link.Swap(t.Context(), nthState(0), nthState(1)))
	assert.Equal(t, nthState(1), loadSecrets(t, fileSecrets(t, target)))
	require.NoError(t, fileSecrets(t, target).Swap(t.Context(), nthState(1), nthState(2)))
	assert.Equal(t, nthState(2), loadSecrets(t, link))
	assert.FileExists(t, target+".lock")
	for _, name := range []string{"first.json", filepath.Join("real", "second.json")} {
		info, err := os.Lstat(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.NotZero(t, info.Mode()&fs.ModeSymlink, "%s is a link still", name)
		assert.NoFileExists(t, filepath.Join(dir, name+".lock"))
	}
}

func TestFileSecretsResolveARelativePathAtOnce(t *testing.T) { // changes the working directory, so it is not parallel
	dir := t.TempDir()
	t.Chdir(dir)
	store := fileSecrets(t, "secrets.json")
	t.Chdir(t.TempDir())
	require.NoError(t, store.Swap(t.Context(), nthState(0), nthState(1)))
	assert.FileExists(t, filepath.Join(dir, "secrets.json"))
}

func TestFileSecretsWaitForTheLockUntilTheContextEnds(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secrets.json")
	store := fileSecrets(t, path)
	other := flock.New(path + ".lock")
	require.NoError(t, other.Lock())
	cause := assert.AnError
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, cause)
	defer cancel()
	require.ErrorIs(t, store.Swap(ctx, nthState(0), nthState(1)), cause)
	assert.True(t, loadSecrets(t, store).IsZero(), "Load does not wait")
	require.NoError(t, other.Unlock())
	require.NoError(t, store.Swap(t.Context(), nthState(0), nthState(1)), "the call that gave up holds nothing")
}

func TestFileSecretsReplaceWhatACrashLeft(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secrets.json")
	require.NoError(t, os.WriteFile(path+".tmp", []byte("half"), 0o644))
	store := fileSecrets(t, path)
	require.NoError(t, store.Swap(t.Context(), nthState(0), nthState(1)))
	assert.Equal(t, nthState(1), loadSecrets(t, store))
	assertMode(t, path, 0o600)
	assert.NoFileExists(t, path+".tmp")
}

// The environment of a test binary that swaps, and until which number.
const (
	swapperPath  = "NYLAS_RECEIVE_SWAPPER_PATH"
	swapperUntil = "NYLAS_RECEIVE_SWAPPER_UNTIL"
)

// TestSwapper is a process that counts up in the file and prints each number that a Swap
// of its own stored.
func TestSwapper(t *testing.T) {
	path := os.Getenv(swapperPath)
	if path == "" {
		t.Skip("it is a process of the tests of FileSecrets")
	}
	until, err := strconv.Atoi(os.Getenv(swapperUntil))
	require.NoError(t, err)
	store := fileSecrets(t, path)
	for {
		state := loadSecrets(t, store)
		n := 0
		if !state.IsZero() {
			n, err = strconv.Atoi(state.WebhookID)
			require.NoError(t, err)
		}
		require.Equal(t, nthState(n), state, "what another process stored, whole")
		if n >= until {
			return
		}
		switch err := store.Swap(t.Context(), state, nthState(n+1)); {
		case err == nil:
			_, err = os.Stdout.WriteString("swapped " + strconv.Itoa(n+1) + "\n")
			require.NoError(t, err)
		default:
			require.ErrorIs(t, err, receive.ErrChanged)
		}
	}
}

func swapper(t *testing.T, path string, until int) (process *exec.Cmd, output *bytes.Buffer) {
	t.Helper()
	process = exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSwapper$")
	process.Env = append(os.Environ(), swapperPath+"="+path, swapperUntil+"="+strconv.Itoa(until))
	output = new(bytes.Buffer)
	process.Stdout, process.Stderr = output, output
	require.NoError(t, process.Start())
	return process, output
}

// swapped counts how often each number was stored.
func swapped(output *bytes.Buffer) (numbers []int) {
	for line := range bytes.Lines(output.Bytes()) {
		if number, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("swapped ")); ok {
			n, _ := strconv.Atoi(string(number))
			numbers = append(numbers, n)
		}
	}
	return numbers
}

func TestFileSecretsOfManyProcesses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secrets.json")
	const processes, swaps = 5, 300
	var all []*exec.Cmd
	var outputs []*bytes.Buffer
	for range processes {
		process, output := swapper(t, path, swaps)
		all, outputs = append(all, process), append(outputs, output)
	}
	times := make(map[int]int)
	for i, process := range all {
		require.NoError(t, process.Wait(), outputs[i].String())
		for _, n := range swapped(outputs[i]) {
			times[n]++
		}
	}
	assert.Equal(t, nthState(swaps), loadSecrets(t, fileSecrets(t, path)))
	for n := 1; n <= swaps; n++ {
		assert.Equal(t, 1, times[n], "Swaps that stored %d", n)
	}
	assert.Len(t, times, swaps)
}

func TestFileSecretsOfProcessesThatAreKilled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secrets.json")
	store := fileSecrets(t, path)
	const rounds, never = 15, 1 << 30
	last := 0
	for round := range rounds {
		process, output := swapper(t, path, never)
		// Some Swaps, and then in the middle of whichever runs.
		require.Eventually(t, func() bool {
			n, _ := strconv.Atoi(loadSecrets(t, store).WebhookID)
			return n > last+round
		}, time.Minute, 100*time.Microsecond)
		require.NoError(t, process.Process.Kill())
		require.Error(t, process.Wait())
		state := loadSecrets(t, store)
		n, err := strconv.Atoi(state.WebhookID)
		require.NoError(t, err)
		assert.Equal(t, nthState(n), state, "a whole state")
		told := swapped(output)
		if len(told) > 0 {
			assert.GreaterOrEqual(t, n, told[len(told)-1], "no Swap that returned is lost")
			assert.LessOrEqual(t, n, told[len(told)-1]+1, "and at most the one that ran is there besides")
		}
		// The lock ended with the process.
		require.NoError(t, store.Swap(t.Context(), state, nthState(n+1)))
		last = n + 1
	}
	left, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	assert.LessOrEqual(t, len(left), 3, "the file, its lock and at most one that a crash left")
}

// What is stored is JSON that a person can read and repair.
func TestFileSecretsAreJSON(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secrets.json")
	require.NoError(t, fileSecrets(t, path).Swap(t.Context(), nthState(0), nthState(7)))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	var state receive.SecretState
	require.NoError(t, json.Unmarshal(content, &state))
	assert.Equal(t, nthState(7), state)
}
