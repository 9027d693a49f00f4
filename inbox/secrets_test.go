package inbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

func TestSecretsKeepTheContract(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	var mu sync.Mutex
	boxes := make(map[string]*inbox.Inbox)
	nylastest.TestSecretStore(t, func(tb testing.TB, storage string) receive.SecretStore {
		tb.Helper()
		mu.Lock()
		defer mu.Unlock()
		// One Inbox at a time can have the file.
		if boxes[storage] == nil {
			boxes[storage] = open(tb, filepath.Join(folder, storage+".db"))
		}
		return boxes[storage].Secrets()
	})
}

// someSecrets is a state of a webhook whose secret was rotated.
func someSecrets() receive.SecretState {
	return receive.SecretState{WebhookID: "webhook-1", URL: "https://crm.example.com/nylas", Secrets: []receive.StoredSecret{
		{Value: "whsec-2"}, {Value: "whsec-1", Until: time.Date(2031, 1, 2, 3, 4, 5, 6, time.UTC)},
	}}
}

func loadSecrets(tb testing.TB, box *inbox.Inbox) receive.SecretState {
	tb.Helper()
	state, err := box.Secrets().Load(tb.Context())
	require.NoError(tb, err)
	return state
}

func TestSecretsSurviveTheEndOfTheProcess(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	box := open(t, path)
	require.NoError(t, box.Secrets().Swap(t.Context(), receive.SecretState{}, someSecrets()))
	require.NoError(t, box.HandleDelivery(t.Context(), delivery("n-1")))

	crashed := newPath(t) // what is in the files at this moment
	copyInbox(t, path, crashed)
	other := open(t, crashed)
	assert.Equal(t, someSecrets(), loadSecrets(t, other))
	require.ErrorIs(t, other.Secrets().Swap(t.Context(), receive.SecretState{}, someSecrets()), receive.ErrChanged)
	require.NoError(t, other.Secrets().Swap(t.Context(), someSecrets(), receive.SecretState{}))

	require.NoError(t, box.Close())
	assert.Equal(t, someSecrets(), loadSecrets(t, open(t, path)))
}

func TestSecretsAfterClose(t *testing.T) {
	t.Parallel()
	box := open(t, newPath(t))
	secrets := box.Secrets()
	require.NoError(t, box.Close())
	_, err := secrets.Load(t.Context())
	require.ErrorIs(t, err, inbox.ErrClosed)
	require.ErrorIs(t, secrets.Swap(t.Context(), receive.SecretState{}, someSecrets()), inbox.ErrClosed)
}

func TestSecretsAreSwappedWhileDeliveriesCome(t *testing.T) {
	t.Parallel()
	box := open(t, newPath(t))
	ctx, stop := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	callers.Go(func() {
		for ctx.Err() == nil {
			assert.NoError(t, box.HandleDelivery(t.Context(), delivery("n-1")))
		}
	})
	state := receive.SecretState{}
	for i := range 50 {
		next := someSecrets()
		next.BusyUntil = time.Unix(int64(i), 0)
		require.NoError(t, box.Secrets().Swap(t.Context(), state, next))
		state = next
	}
	stop()
	callers.Wait()
	assert.True(t, loadSecrets(t, box).Equal(state))
}

// oneWebhook is the table in which the versions 2 to 4 had the secrets of one webhook.
const oneWebhook = "CREATE TABLE secrets (one INTEGER PRIMARY KEY CHECK (one = 1), state TEXT NOT NULL)"

// A file of version 1 had no secrets, and one of version 2 no reasons.
func TestOpenOfAFileOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	path := newFile(t)
	inFile(t, path, "ALTER TABLE deliveries DROP COLUMN reason", "ALTER TABLE dead DROP COLUMN reason", "DROP TABLE handled",
		"DROP TABLE webhooks", oneWebhook, "PRAGMA user_version=2")
	box := open(t, path, inbox.WithHistory(time.Hour))
	assert.EqualValues(t, 1, stats(t, box).Pending, "what was in it is there")
	_, err := box.Replay(t.Context(), inbox.Selection{})
	require.NoError(t, err)
	require.NoError(t, box.HandleDelivery(t.Context(), receive.NewDelivery([]byte("text"), "br")))
	require.ErrorIs(t, dead(t, box)[0].Delivery.Err, receive.ErrDeliveryEncoding)

	path = newFile(t)
	inFile(t, path, "ALTER TABLE deliveries DROP COLUMN reason", "ALTER TABLE dead DROP COLUMN reason",
		"DROP TABLE handled", "DROP TABLE webhooks", "PRAGMA user_version=1")
	for range 2 {
		box := open(t, path)
		stats, err := box.Stats(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 1, stats.Pending, "what was in it is there")
		if state := loadSecrets(t, box); state.IsZero() {
			require.NoError(t, box.Secrets().Swap(t.Context(), state, someSecrets()))
		}
		require.NoError(t, box.Close())
	}
	assert.Equal(t, someSecrets(), loadSecrets(t, open(t, path)))
}

func TestOpenOfAFileWhoseSecretsAreDamaged(t *testing.T) {
	t.Parallel()
	path := newFile(t)
	inFile(t, path, `INSERT INTO webhooks VALUES ('a', '{}'), ('b', '{"whsec-1'), ('c', '{}')`)
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	_, err = inbox.Open(path)
	require.ErrorIs(t, err, inbox.ErrCorrupt)
	require.ErrorContains(t, err, "secrets cannot be read")
	assert.NotContains(t, err.Error(), "whsec-1")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(before, after), "a file that is refused is left as it is")
}

// A file of version 4 had one webhook.
func TestOpenOfAFileWithOneWebhook(t *testing.T) {
	t.Parallel()
	path := newFile(t)
	state, err := json.Marshal(someSecrets())
	require.NoError(t, err)
	inFile(t, path, "DROP TABLE webhooks", oneWebhook, "INSERT INTO secrets VALUES (1, '"+string(state)+"')", "PRAGMA user_version=4")
	for range 2 {
		box := open(t, path)
		assert.Equal(t, someSecrets(), loadSecrets(t, box))
		require.NoError(t, box.Close())
	}
	damaged := newFile(t)
	inFile(t, damaged, "DROP TABLE webhooks", oneWebhook, `INSERT INTO secrets VALUES (1, '{"whsec-1')`, "PRAGMA user_version=4")
	_, err = inbox.Open(damaged)
	require.ErrorContains(t, err, "secrets cannot be read")
}

// Several webhooks have their secrets in one file, apart from each other.
func TestSecretsOfSeveralWebhooks(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	box := open(t, path)
	second := someSecrets()
	second.WebhookID = "webhook-2"
	require.NoError(t, box.Secrets().Swap(t.Context(), receive.SecretState{}, someSecrets()))
	require.NoError(t, box.SecretsFor("failures").Swap(t.Context(), receive.SecretState{}, second))
	require.ErrorIs(t, box.SecretsFor("failures").Swap(t.Context(), someSecrets(), receive.SecretState{}), receive.ErrChanged)
	for range 2 {
		for name, want := range map[string]receive.SecretState{"": someSecrets(), "failures": second, "other": {}} {
			state, err := box.SecretsFor(name).Load(t.Context())
			require.NoError(t, err)
			assert.True(t, want.Equal(state), name)
		}
		assert.Equal(t, someSecrets(), loadSecrets(t, box))
		require.NoError(t, box.Close())
		_, err := box.SecretsFor("failures").Load(t.Context())
		require.ErrorIs(t, err, inbox.ErrClosed)
		box = open(t, path)
	}
}

func TestSecretsOfANamedWebhookKeepTheContract(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	var mu sync.Mutex
	boxes := make(map[string]*inbox.Inbox)
	nylastest.TestSecretStore(t, func(tb testing.TB, storage string) receive.SecretStore {
		tb.Helper()
		mu.Lock()
		defer mu.Unlock()
		if boxes[storage] == nil {
			boxes[storage] = open(tb, filepath.Join(folder, storage+".db"))
		}
		return boxes[storage].SecretsFor("failures")
	})
}
