package nylastest_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
)

// written returns what a state file holds once nothing runs but the clock.
func written(t *testing.T, path string) string {
	t.Helper()
	synctest.Wait()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}

func TestStateFileIsWrittenAtMostOnceInAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const interval = 200 * time.Millisecond
		w, path := newStateWorld(t)
		assert.Contains(t, written(t, path), w.server.APIKey(), "a start is a change")
		pass(interval)
		first := w.send()
		assert.Contains(t, written(t, path), first.ID, "at once")
		second, third := w.send(), w.send()
		pass(interval - time.Nanosecond)
		assert.NotContains(t, written(t, path), second.ID)
		pass(time.Nanosecond)
		assert.Contains(t, written(t, path), second.ID)
		assert.Contains(t, written(t, path), third.ID)

		// Reading changes nothing.
		pass(time.Hour)
		require.NoError(t, os.Remove(path))
		w.call(http.MethodGet, "/v3/webhooks", nil)
		synctest.Wait()
		assert.NoFileExists(t, path)

		// A kill is a copy of the file, a Close writes what is left.
		require.NoError(t, w.recipient(first).Open(t.Context()))
		synctest.Wait()
		fourth := w.send()
		assert.NotContains(t, written(t, path), fourth.ID)
		require.NoError(t, w.server.Close())
		assert.Contains(t, written(t, path), fourth.ID)
		info, err := os.Stat(path)
		require.NoError(t, err)
		if runtime.GOOS != "windows" {
			assert.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
		}
	})
}

func TestStateFileKnowsEachKindOfChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, path := newStateWorld(t, nylastest.WithAgentSendLimit(1))
		message := w.send()
		expiring, renewed, deleted := w.server.AddGrant("A", "a@acme.dev"), w.server.AddGrant("B", "b@acme.dev"), w.server.AddGrant("C", "c@acme.dev")
		agent := ""
		for name, change := range map[string]func(){
			"a grant":    func() { w.server.AddGrant("Lee", "lee@acme.dev") },
			"an expiry":  func() { require.NoError(t, w.server.ExpireGrant(expiring)) },
			"a renewal":  func() { require.NoError(t, w.server.RenewGrant(renewed)) },
			"a deletion": func() { require.NoError(t, w.server.DeleteGrant(deleted)) },
			"an account": func() { agent = w.server.AddAgentAccount("Robot", "robot@agents.test") },
			"a webhook":  func() { w.subscribe(appURL) },
			"an open":    func() { require.NoError(t, w.recipient(message).Open(t.Context())) },
			"a click":    func() { _, err := w.recipient(message).Click(t.Context(), 0); require.NoError(t, err) },
			"a reply":    func() { _, err := w.recipient(message).Reply(t.Context()); require.NoError(t, err) },
			"a schedule": func() { w.send1(object{"send_at": time.Now().Add(time.Hour).Unix()}) },
		} {
			pass(time.Minute)
			before := written(t, path)
			change()
			assert.NotEqual(t, before, written(t, path), name)
		}
		pass(2 * time.Hour)
		assert.Contains(t, written(t, path), `"success"`, "nobody asked for that, it was time")
		require.NoError(t, w.server.Inject(nylastest.Fault{
			Endpoint: nylastest.EndpointScheduledSend, Inside: nylastest.ErrorAnswer(http.StatusBadGateway, "x", "y"),
		}))
		w.send1(object{"send_at": time.Now().Add(time.Hour).Unix()})
		pass(2 * time.Hour)
		assert.Contains(t, written(t, path), `"failed"`)
		path2 := "/v3/grants/" + agent + "/messages/send"
		w.call(http.MethodPost, path2, mail())
		queued := w.call(http.MethodPost, path2, mail(object{"subject": "queued"}))
		require.Equal(t, http.StatusAccepted, queued.status, "%s", queued.body)
		pass(time.Minute)
		assert.Contains(t, written(t, path), "queued")

		// A queued draft is one until it is sent.
		drafts := "/v3/grants/" + agent + "/drafts"
		draft := w.call(http.MethodPost, drafts, mail()).data()["id"].(string)
		w.call(http.MethodPost, path2, mail())
		require.Equal(t, http.StatusAccepted, w.call(http.MethodPost, drafts+"/"+draft, object{}).status)
		assert.NotContains(t, written(t, path), `"drafts":null`)
		pass(time.Minute)
		assert.Contains(t, written(t, path), `"drafts":null`)
	})
}

// Nobody is told of a scheduled message whose grant was deleted, and yet it has ended.
func TestStateFileKnowsThatTheScheduleOfADeletedGrantFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, path := newStateWorld(t)
		lee := w.server.AddGrant("Lee", "lee@acme.dev")
		scheduled := w.call(http.MethodPost, "/v3/grants/"+lee+"/messages/send", mail(object{"send_at": time.Now().Add(time.Hour).Unix()}))
		require.Equal(t, http.StatusOK, scheduled.status, "%s", scheduled.body)
		require.NoError(t, w.server.DeleteGrant(lee))
		pass(time.Minute)
		assert.Contains(t, written(t, path), `"pending"`)
		pass(time.Hour)
		assert.Contains(t, written(t, path), `"failed"`)
		assert.NotContains(t, written(t, path), `"pending"`)
		assert.Empty(t, w.server.Messages())
	})
}

// send1 is send for what is not sent at once.
func (w *world) send1(changes ...object) {
	w.t.Helper()
	require.Equal(w.t, http.StatusOK, w.call(http.MethodPost, w.sendPath(), mail(changes...)).status)
}

func TestStateFileThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := filepath.Join(dir, "good.json")
	server, err := nylastest.Start(nylastest.WithStateFile(good, nil))
	require.NoError(t, err)
	w := &world{t: t, server: server}
	w.send()
	_, err = nylastest.Start(nylastest.WithStateFile(good, nil))
	require.ErrorContains(t, err, "another emulator uses it: end that one, or name another file")
	require.NoError(t, server.Close())
	content, err := os.ReadFile(good)
	require.NoError(t, err)

	with := func(change func(object)) string {
		var state object
		require.NoError(t, json.Unmarshal(content, &state))
		change(state)
		changed, err := json.Marshal(state)
		require.NoError(t, err)
		return string(changed)
	}
	mailOf := func(state object) object { return state["mail"].(object) }
	for name, bad := range map[string]struct{ content, want string }{
		"truncated":            {string(content[:len(content)/2]), "it is damaged or of another program at byte"},
		"text":                 {"Dear Kim,", "it is damaged or of another program at byte 0"},
		"other JSON":           {`{"version": 1}`, "it is of another program"},
		"a list":               {`[]`, "it is damaged or of another program"},
		"of later":             {with(func(s object) { s["version"] = 2 }), "a later emulator wrote it: it has version 2, and this emulator knows 1"},
		"an unknown member":    {with(func(s object) { s["calendar"] = 1 }), "it is damaged at byte"},
		"no key":               {with(func(s object) { s["api_key"] = "" }), "there is no key, application or grant"},
		"no grant":             {with(func(s object) { s["grants"] = nil }), "there is no key, application or grant"},
		"no message":           {with(func(s object) { mailOf(s)["sent"] = nil }), "thread 0 has no message"},
		"no thread":            {with(func(s object) { mailOf(s)["threads"] = nil }), "message 0 has no thread"},
		"no link":              {with(func(s object) { mailOf(s)["sent"].([]any)[0].(object)["PerLink"] = nil }), "message 0 is not complete"},
		"no event's message":   {with(func(s object) { s["activity"] = []object{{"Kind": "opened", "MessageID": "x"}} }), "activity 0 has no message or link"},
		"no outcome's message": {with(func(s object) { s["sends"] = []object{{"MessageID": "x"}} }), "send 0 has no message"},
	} {
		path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		require.NoError(t, os.WriteFile(path, []byte(bad.content), 0o600))
		for range 2 { // the first does not keep its lock
			_, err := nylastest.Start(nylastest.WithStateFile(path, nil))
			require.ErrorContains(t, err, bad.want, name)
			require.ErrorContains(t, err, "state file "+path+" cannot be used, and stays as it is", name)
			require.ErrorContains(t, err, "put a good copy in its place, move it away to begin anew, or name another file", name)
			assert.NotContains(t, err.Error(), server.APIKey(), name)
		}
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, bad.content, string(after), name)
	}

	_, err = nylastest.Start(nylastest.WithStateFile("", nil))
	require.ErrorContains(t, err, "name a file")
	_, err = nylastest.Start(nylastest.WithStateFile(filepath.Join(dir, "no", "state.json"), nil))
	require.ErrorContains(t, err, "its directory must exist")
	_, err = nylastest.Start(nylastest.WithStateFile(dir, nil))
	require.ErrorContains(t, err, "cannot be used")

	empty := filepath.Join(dir, "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	anew := nylastest.NewServer(t, nylastest.WithStateFile(empty, nil))
	require.NoError(t, anew.Close())
	require.NoError(t, anew.Close(), "a second one does nothing")
}

func TestStateFileThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "state.json")
		var failures atomic.Int32
		server, err := nylastest.Start(nylastest.WithNetwork(nylastest.NewNetwork()), nylastest.WithStateFile(path, func(err error) {
			assert.Contains(t, err.Error(), "cannot be written")
			failures.Add(1)
		}))
		require.NoError(t, err)
		w := &world{t: t, server: server}
		spoil := func() {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.MkdirAll(filepath.Join(path, "in the way"), 0o700))
		}
		synctest.Wait()
		spoil()
		message := w.send()
		pass(time.Minute)
		assert.EqualValues(t, 1, failures.Load(), "told once")
		require.NoError(t, os.RemoveAll(path))
		pass(time.Second)
		assert.Contains(t, written(t, path), message.ID, "it was tried again")
		spoil()
		w.send()
		pass(time.Minute)
		assert.EqualValues(t, 2, failures.Load())
		err = server.Close()
		require.ErrorContains(t, err, "cannot be written")
		_, isPath := errors.AsType[*os.LinkError](err)
		assert.True(t, isPath, "%v", err)
	})
}
