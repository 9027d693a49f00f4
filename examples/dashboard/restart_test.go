package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
	"github.com/nylastrack/nylas-go/nylastest"
)

// process is the program as a process of its own.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	lines  *bufio.Scanner
	stderr strings.Builder
}

func launch(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.CommandContext(t.Context(), os.Args[0], append([]string{"-addr", "127.0.0.1:0"}, args...)...)}
	p.cmd.Env = append(append(os.Environ(), asProgram+"=1"), env...)
	p.cmd.Stderr = &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	p.lines = bufio.NewScanner(stdout)
	return p
}

// await returns the first line from now on that contains what.
func (p *process) await(what string) string {
	p.t.Helper()
	said := ""
	for p.lines.Scan() {
		if said += p.lines.Text() + "\n"; strings.Contains(p.lines.Text(), what) {
			return p.lines.Text()
		}
	}
	require.FailNow(p.t, "the program ended", "without %q:\n%s%s", what, said, p.stderr.String())
	return ""
}

// end ends the process by a signal, and returns its error.
func (p *process) end(signal os.Signal) error {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(signal))
	for p.lines.Scan() { // until it has ended
	}
	return p.cmd.Wait()
}

// openStored opens the events that a program has kept in a folder.
func openStored(t *testing.T, folder string) *sqlstore.Store {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(folder, "events.db"))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	store, err := sqlstore.New(db, sqlstore.SQLite)
	require.NoError(t, err)
	return store
}

// stored returns the events that a program has kept in a folder, by their ids.
func stored(t *testing.T, folder string) map[string]engagement.Event {
	t.Helper()
	store, all := openStored(t, folder), make(map[string]engagement.Event)
	page, err := store.Messages(t.Context(), sqlstore.MessageQuery{Limit: sqlstore.MaxPage})
	require.NoError(t, err)
	for _, m := range page.Messages {
		events, err := store.Events(t.Context(), m.GrantID, m.MessageID)
		require.NoError(t, err)
		for _, e := range events {
			all[e.ID] = e
		}
	}
	return all
}

// nylasWithMessage is a Nylas outside the program, with a message to act on.
func nylasWithMessage(t *testing.T) (server *nylastest.Server, kim *nylastest.Recipient, message *nylas.Message) {
	t.Helper()
	server = nylastest.NewServer(t, nylastest.WithRetryDelays(3*time.Second, 5*time.Second))
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	require.NoError(t, err)
	message, err = client.Messages.Send(t.Context(), server.GrantID(), &nylas.SendMessageRequest{
		To: []nylas.Participant{{Email: "kim@example.org"}}, Subject: "Your trial", Body: `<a href="https://acme.dev/demo">demo</a>`,
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true},
	})
	require.NoError(t, err)
	kim, err = server.Recipient(message.ID)
	require.NoError(t, err)
	return server, kim, message
}

// The process is killed in the middle. What Nylas delivered before is shown once, and so is
// what happens while the program is away.
func TestKilled(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGTERM")
	}
	server, kim, message := nylasWithMessage(t)
	folder, receive := filepath.Join(t.TempDir(), "new", "mail"), freeAddress(t) // the program makes the folder
	args := []string{"-data", folder, "-receive", receive}
	env := []string{
		"NYLAS_API_URL=" + server.URL(), "NYLAS_API_KEY=" + server.APIKey(), "NYLAS_GRANT_ID=" + server.GrantID(),
		"NYLAS_WEBHOOK_URL=http://" + receive + webhookPath,
	}
	p := launch(t, env, args...)
	p.await("Nylas delivers to ")
	const before = 30
	for i := range before { // the last ones are on the disk, and not handled yet
		require.NoError(t, kim.WithTime(time.Now().Add(time.Duration(i)*time.Minute)).Open(t.Context()))
	}
	require.NoError(t, server.Wait(t.Context()))
	require.Error(t, p.end(os.Kill))

	_, err := kim.As(nylastest.Gmail()).Click(t.Context(), 0)
	require.NoError(t, err)
	_, err = kim.Reply(t.Context())
	require.NoError(t, err)
	p = launch(t, env, args...)
	p.await("Nylas delivers to ")
	require.NoError(t, server.Wait(t.Context()))
	store := openStored(t, folder)
	require.Eventually(t, func() bool {
		events, err := store.Events(t.Context(), server.GrantID(), message.ID)
		return assert.NoError(t, err) && len(events) == before+2
	}, 20*time.Second, 10*time.Millisecond)
	require.NoError(t, p.end(syscall.SIGTERM), p.stderr.String())

	kinds := make(map[engagement.Kind]int)
	for _, e := range stored(t, folder) {
		kinds[e.Kind]++
	}
	assert.Equal(t, map[engagement.Kind]int{engagement.Open: before, engagement.Click: 1, engagement.Reply: 1}, kinds)
	assert.Len(t, server.Webhooks(), 1)
	assert.NotContains(t, p.stderr.String(), server.APIKey())
}

// Several programs share a PostgreSQL: each event is stored once, whoever received it.
func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	if os.Getenv("NYLAS_TEST_POSTGRES") == "" {
		require.NotEqual(t, "true", os.Getenv("CI"), "NYLAS_TEST_POSTGRES is not set")
		t.Skip(`needs a PostgreSQL: eval "$(.ci/postgres start)"`)
	}
	database := databaseFor(t)
	server, kim, message := nylasWithMessage(t)
	receive := freeAddress(t)
	env := map[string]string{
		"NYLAS_API_URL": server.URL(), "NYLAS_API_KEY": server.APIKey(), "NYLAS_GRANT_ID": server.GrantID(),
		"NYLAS_WEBHOOK_URL": "http://" + receive + webhookPath, "DATABASE_URL": database,
	}
	first := start(t, env, "-receive", receive)
	first.Await("Nylas delivers to ")
	second := start(t, env)
	second.Await("Nylas delivers to ")
	require.NoError(t, kim.Open(t.Context()))
	_, err := kim.Click(t.Context(), 0)
	require.NoError(t, err)
	require.NoError(t, server.Wait(t.Context()))
	db, err := sql.Open("pgx", database)
	require.NoError(t, err)
	defer func() { _ = db.Close() }()
	store, err := sqlstore.New(db, sqlstore.PostgreSQL)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		events, err := store.Events(t.Context(), server.GrantID(), message.ID)
		return assert.NoError(t, err) && len(events) == 2
	}, 20*time.Second, 10*time.Millisecond)
	assert.Len(t, server.Webhooks(), 1)
	first.End()
	second.End()
}

// databaseFor returns the URL of a database of the test's own.
func databaseFor(t *testing.T) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), os.Getenv("NYLAS_TEST_POSTGRES"))
	require.NoError(t, err)
	name := "dashboard_" + strings.ToLower(rand.Text())
	_, err = conn.Exec(t.Context(), "CREATE DATABASE "+name)
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), os.Getenv("NYLAS_TEST_POSTGRES"))
		require.NoError(t, err)
		_, err = conn.Exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)")
		require.NoError(t, err)
		require.NoError(t, conn.Close(context.Background()))
	})
	database, err := url.Parse(os.Getenv("NYLAS_TEST_POSTGRES"))
	require.NoError(t, err)
	database.Path = "/" + name
	return database.String()
}
