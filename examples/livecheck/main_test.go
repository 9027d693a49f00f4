package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

const (
	hookURL   = "http://app.test/webhooks/nylas"
	same      = "same"
	different = "different"
	notSeen   = "not seen"
)

// bench is an emulator in memory, and what the program prints there.
type bench struct {
	t              *testing.T
	server         *nylastest.Server
	world          *world
	env            map[string]string
	stdout, stderr strings.Builder
}

// newBench is used in a bubble of synctest. Each send takes a while there, as it does at Nylas.
func newBench(t *testing.T, opts ...nylastest.Option) *bench {
	t.Helper()
	network := nylastest.NewNetwork()
	b := &bench{t: t, server: nylastest.NewServer(t, append(opts, nylastest.WithNetwork(network))...)}
	b.env = map[string]string{
		"NYLAS_API_URL": b.server.URL(), "NYLAS_API_KEY": b.server.APIKey(), "NYLAS_GRANT_ID": b.server.GrantID(), "NYLAS_WEBHOOK_URL": hookURL,
	}
	b.world = &world{
		getenv: func(name string) string { return b.env[name] },
		stdin:  strings.NewReader(""), stdout: &b.stdout, stderr: &b.stderr, http: b.server.HTTPClient(),
		listen: func(context.Context, string) (net.Listener, error) { return network.Listen("app.test") },
	}
	require.NoError(t, b.server.Inject(nylastest.Fault{
		Endpoint: nylastest.EndpointSend, Times: nylastest.Forever,
		Hold: func(ctx context.Context) { _ = sleep(ctx, 2*time.Second) },
	}))
	return b
}

// verdicts are the rows of a report, by check.
func verdicts(report string) map[string]string {
	found := map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([a-z-]+) \| .* \| ([a-z ]+) \|$`).FindAllStringSubmatch(report, -1) {
		if row[1] != "check" {
			found[row[1]] = row[2]
		}
	}
	return found
}

// The emulator does by default what the report says that it does.
func TestAsTheEmulatorByDefault(t *testing.T) {
	t.Parallel()
	for _, agent := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			if agent {
				b.env["NYLAS_GRANT_ID"] = b.server.AddAgentAccount("Sales", "sales@agent.example.org")
			}
			require.NoError(t, run(t.Context(), []string{"-yes"}, b.world), b.stderr.String())
			found := verdicts(b.stdout.String())
			require.Len(t, found, len(checks()), b.stdout.String())
			for name, verdict := range found {
				want := same
				if !agent && (name == "history-names" || name == "send-event-names") { // of Agent Accounts only
					want = notSeen
				}
				assert.Equal(t, want, verdict, "%s\n%s", name, b.stdout.String())
			}
			assert.Empty(t, b.server.Webhooks())
			assert.Len(t, b.server.Messages(), 5, "the tracked one, an answer, one with a long label, and two for one that was cut")
		})
	}
}

// What the emulator can read in another way, the report tells as different.
func TestOtherReadings(t *testing.T) {
	t.Parallel()
	rows := map[string]struct {
		readings nylastest.Readings
		check    string
	}{
		"PositionalIDs":          {nylastest.Readings{PositionalIDs: true}, "click-ids"},
		"OmitUncountedOpens":     {nylastest.Readings{OmitUncountedOpens: true}, "open-again"},
		"ClickedLinkOnly":        {nylastest.Readings{ClickedLinkOnly: true}, "link-data"},
		"ClickRecentsPerMessage": {nylastest.Readings{ClickRecentsPerMessage: true}, "click-recents"},
		"WebhookListLag":         {nylastest.Readings{WebhookListLag: 5 * time.Second}, "webhook-list-lag"},
		"UniqueWebhookURLs":      {nylastest.Readings{UniqueWebhookURLs: true}, "webhook-same-url"},
		"ScheduleOnTop":          {nylastest.Readings{ScheduleOnTop: true}, "schedule-answer"},
		"SchedulesBare":          {nylastest.Readings{SchedulesBare: true}, "schedule-list"},
		"DraftUpdateReplaces":    {nylastest.Readings{DraftUpdateReplaces: true}, "draft-update"},
		"KeepDisconnectedKey":    {nylastest.Readings{KeepDisconnectedKey: true}, "disconnect-key"},
		"StopDisconnectedSend":   {nylastest.Readings{StopDisconnectedSend: true}, "disconnect-mail"},
	}
	for i := range reflect.TypeFor[nylastest.Readings]().NumField() {
		field := reflect.TypeFor[nylastest.Readings]().Field(i).Name
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			row, ok := rows[field]
			require.True(t, ok, "no check asks about this reading")
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, nylastest.WithReadings(row.readings))
				require.NoError(t, run(t.Context(), []string{"-yes"}, b.world))
				for name, verdict := range verdicts(b.stdout.String()) {
					assert.Equal(t, name == row.check, verdict == different, "%s: %s\n%s", name, verdict, b.stdout.String())
				}
				assert.Contains(t, b.stdout.String(), "nylastest.Readings."+field, "the report says where it is in the code")
				assert.Empty(t, b.server.Webhooks())
			})
		})
	}
}

// Together they leave a key in progress for good, so there is no answer.
func TestKeyInProgressForGood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nylastest.WithReadings(nylastest.Readings{KeepDisconnectedKey: true, StopDisconnectedSend: true}))
		require.NoError(t, run(t.Context(), []string{"-yes"}, b.world))
		found := verdicts(b.stdout.String())
		assert.Equal(t, notSeen, found["disconnect-key"])
		assert.Equal(t, notSeen, found["disconnect-mail"])
	})
}

// Nothing is done that the operator did not agree to.
func TestAsksFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		require.NoError(t, run(t.Context(), nil, b.world)) // the input has ended: no
		assert.Empty(t, b.server.Messages())
		for _, request := range b.server.History().Requests {
			assert.Equal(t, http.MethodGet, request.Method, request.Path)
		}
		for _, c := range checks() {
			if c.costs != "" && !c.mail {
				assert.Contains(t, b.stderr.String(), c.name+": "+c.question, "it asks")
			}
			assert.Equal(t, c.kind != reads, c.costs != "", c.name)
		}
		assert.Contains(t, b.stderr.String(), "This sends a tracked message to "+ownAddress(b)+". Do it? [y/N]")
		assert.Contains(t, b.stdout.String(), "Not seen: the operator did not agree")
		assert.Equal(t, same, verdicts(b.stdout.String())["metrics-names"])
	})
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.world.stdin = strings.NewReader("no\nn\n\nY\nmaybe\nyes\n") // the fourth makes a draft, the sixth sends
		b.env["NYLAS_WEBHOOK_URL"] = ""
		require.NoError(t, run(t.Context(), []string{"-to", "own@example.org"}, b.world))
		found := verdicts(b.stdout.String())
		assert.Equal(t, notSeen, found["schedule-answer"], b.stderr.String())
		assert.Equal(t, notSeen, found["open-again"])
		assert.Contains(t, b.stdout.String(), "set NYLAS_WEBHOOK_URL to a public URL that leads here")
		for _, m := range b.server.Messages() {
			assert.Equal(t, "own@example.org", m.To[0].Email)
		}
	})
}

func ownAddress(b *bench) string {
	b.t.Helper()
	client, err := nylas.NewClient(b.server.APIKey(), nylas.WithBaseURL(b.server.URL()), nylas.WithHTTPClient(b.server.HTTPClient()))
	require.NoError(b.t, err)
	grant, err := client.Grants.Get(b.t.Context(), b.server.GrantID())
	require.NoError(b.t, err)
	return grant.Email
}

// A person can paste the report into an issue.
func TestReportTellsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		file := filepath.Join(t.TempDir(), "report.md")
		require.NoError(t, run(t.Context(), []string{"-yes", "-to", "own@example.org", "-o", file}, b.world))
		assert.Empty(t, b.stdout.String())
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		report := string(content)
		require.Len(t, verdicts(report), len(checks()))
		secrets := []string{
			b.server.APIKey(), b.server.GrantID(), ownAddress(b), "own@example.org", "@", subject, beginning, "livecheck-", "app.test",
			b.server.ApplicationID(),
		}
		for _, m := range b.server.Messages() {
			secrets = append(secrets, m.ID, m.ThreadID, m.IdempotencyKey)
			for _, link := range m.Links {
				secrets = append(secrets, link.TrackedURL)
			}
		}
		for _, secret := range secrets {
			assert.NotContains(t, report, secret)
		}
		assert.NotRegexp(t, `[0-9a-f]{16}`, report)
		assert.Contains(t, report, "# What nylas.test does\n")
		assert.Contains(t, report, "- Evidence: pixel http://nylas.test/nylastest/pixel/<")
	})
	// Nylas names the address in an error, and a check passes it on.
	s := &session{}
	s.hide("own@example.org", "me", "")
	var out strings.Builder
	require.NoError(t, s.report(&out, []result{{check: check{name: "x"}, unseen: "own@example.org\nis not for me"}}))
	assert.Contains(t, out.String(), "- Not seen: [redacted] is not for me\n")
}

// A trial account ends it with a sentence that says what to do.
func TestTrial(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nylastest.WithTrial())
		err := run(t.Context(), []string{"-yes"}, b.world)
		require.EqualError(t, err, "livecheck: this is a trial application, in which Nylas tracks no mail: use the key and a grant of a production application")
		assert.Equal(t, same, verdicts(b.stdout.String())["webhook-same-url"], "what was found before is told")
		assert.NotContains(t, verdicts(b.stdout.String()), "find-sent")
		assert.Empty(t, b.server.Webhooks())
	})
}

// What a run made does not stay when it is interrupted.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	for _, at := range []nylastest.Endpoint{
		nylastest.EndpointCreateWebhook, nylastest.EndpointCreateDraft, nylastest.EndpointSend, nylastest.EndpointUpdateDraft, nylastest.EndpointListSchedules, nylastest.EndpointPixel, nylastest.EndpointRotateSecret,
	} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.server.ClearFaults()
				ctx, interrupt := context.WithCancel(t.Context())
				defer interrupt()
				require.NoError(t, b.server.Inject(nylastest.Fault{Endpoint: at, Hold: func(ctx context.Context) {
					interrupt()
					_ = sleep(ctx, time.Second) // the program has cut its connection then, if it does
				}}))
				err := run(ctx, []string{"-yes"}, b.world)
				require.ErrorContains(t, err, "interrupted: the report has what was found so far")
				assert.Equal(t, same, verdicts(b.stdout.String())["metrics-names"])
				assert.Less(t, len(verdicts(b.stdout.String())), len(checks()))
				<-time.After(time.Hour) // a scheduled message would be sent
				assert.Empty(t, b.server.Webhooks())
				assert.Empty(t, left(b))
				for _, m := range b.server.Messages() {
					assert.Empty(t, m.ScheduleID)
				}
			})
		})
	}
}

// left returns the drafts that are there.
func left(b *bench) (ids []string) {
	b.t.Helper()
	client, err := nylas.NewClient(b.server.APIKey(), nylas.WithBaseURL(b.server.URL()), nylas.WithHTTPClient(b.server.HTTPClient()))
	require.NoError(b.t, err)
	for draft, err := range client.Drafts.List(b.t.Context(), b.server.GrantID(), nil) {
		require.NoError(b.t, err)
		ids = append(ids, draft.ID)
	}
	return ids
}

func TestInterruptWhileAsking(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		terminal, typed := io.Pipe()
		b.world.stdin = terminal
		ctx, interrupt := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- run(ctx, nil, b.world) }()
		_, err := io.WriteString(typed, "y\n") // makes the webhook
		require.NoError(t, err)
		synctest.Wait()
		require.Len(t, b.server.Webhooks(), 1)
		interrupt()
		require.ErrorContains(t, <-ended, "interrupted")
		assert.Empty(t, b.server.Webhooks())
		require.NoError(t, typed.Close())
	})
}

// What cannot be deleted is named, in a form that the Dashboard can be searched for.
func TestSaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.world.stdin = strings.NewReader("y\n")
		require.NoError(t, b.server.Inject(nylastest.Fault{
			Endpoint: nylastest.EndpointDeleteWebhook, Times: nylastest.Forever, Before: nylastest.GatewayAnswer(http.StatusBadGateway),
		}))
		err := run(t.Context(), nil, b.world)
		require.Len(t, b.server.Webhooks(), 1)
		require.ErrorContains(t, err, "the webhook "+b.server.Webhooks()[0].ID[:6]+"… could not be deleted, do it in the Nylas Dashboard")
	})
}

// A run that was killed has left its webhook. Those of others stay.
func TestAfterAKill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.world.stdin = strings.NewReader("y\n")
		listener, err := b.world.listen(t.Context(), "")
		require.NoError(t, err)
		killed := &http.Server{Handler: newHooks("l"), ReadHeaderTimeout: time.Second}
		served := make(chan error)
		go func() { served <- killed.Serve(listener) }()
		client, err := nylas.NewClient(b.server.APIKey(), nylas.WithBaseURL(b.server.URL()), nylas.WithHTTPClient(b.server.HTTPClient()))
		require.NoError(t, err)
		for _, text := range []string{description, "of others"} {
			_, err := client.Webhooks.Create(t.Context(), &nylas.CreateWebhookRequest{
				WebhookURL: hookURL, TriggerTypes: events.TrackingTypes(), Description: text,
			})
			require.NoError(t, err)
		}
		require.NoError(t, killed.Close())
		require.ErrorIs(t, <-served, http.ErrServerClosed)

		require.NoError(t, run(t.Context(), nil, b.world))
		require.Len(t, b.server.Webhooks(), 1)
		assert.Equal(t, "of others", b.server.Webhooks()[0].Description)
	})
}

func TestSaysWhatToSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.env["NYLAS_API_KEY"] = ""
		require.ErrorContains(t, run(t.Context(), nil, b.world), "set NYLAS_API_KEY to the key of a production application")
		b.env["NYLAS_API_KEY"] = "another"
		err := run(t.Context(), nil, b.world)
		require.ErrorIs(t, err, nylas.ErrUnauthorized)
		b.env["NYLAS_API_KEY"], b.env["NYLAS_GRANT_ID"] = b.server.APIKey(), ""
		require.ErrorContains(t, run(t.Context(), nil, b.world), "NYLAS_GRANT_ID to the grant of a mailbox of your own")
		require.ErrorContains(t, run(t.Context(), []string{"now"}, b.world), "unexpected argument")
		require.ErrorContains(t, run(t.Context(), []string{"-wait", "0s"}, b.world), "must be positive")
		require.NoError(t, run(t.Context(), []string{"-help"}, b.world))
		b.env["NYLAS_GRANT_ID"] = b.server.GrantID()
		require.Error(t, run(t.Context(), []string{"-yes", "-o", filepath.Join(t.TempDir(), "no", "folder")}, b.world))
		assert.Empty(t, b.server.Messages(), "a report that cannot be written is told before anything is sent")
		b.world.listen = func(context.Context, string) (net.Listener, error) { return nil, errors.New("taken") }
		require.EqualError(t, run(t.Context(), nil, b.world), "taken")
	})
}
