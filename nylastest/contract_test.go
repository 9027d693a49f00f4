package nylastest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

// fixture reads a file below ../testdata.
func fixture(t *testing.T, name string) any {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "testdata", filepath.FromSlash(name)))
	require.NoError(t, err)
	var value any
	require.NoError(t, json.Unmarshal(content, &value), name)
	return value
}

// jsonShape returns the JSON type of each member, by its path. Elements of arrays have the same
// path. The members of metadata and such have names that a user chose.
func jsonShape(value any) map[string]string {
	paths := make(map[string]string)
	var walk func(path string, value any)
	walk = func(path string, value any) {
		switch value := value.(type) {
		case map[string]any:
			paths[path] = "object"
			if strings.HasSuffix(path, ".message.metadata") || strings.HasSuffix(path, "data.metadata") || strings.HasSuffix(path, "provider_error") {
				return
			}
			for name, member := range value {
				walk(path+"."+name, member)
			}
		case []any:
			paths[path] = "array"
			for _, element := range value {
				if element != nil {
					walk(path+"[]", element)
				}
			}
		case nil:
			paths[path] = "null"
		default:
			paths[path] = strings.TrimSuffix(fmt.Sprintf("%T", value), "64")
		}
	}
	walk("", value)
	return paths
}

// requireShape checks that an answer has all that a published one has, with its type. A
// published null says nothing of the type.
func requireShape(t *testing.T, published, answer any, except ...string) {
	t.Helper()
	got := jsonShape(answer)
	want := jsonShape(published)
	for _, path := range slices.Sorted(maps.Keys(want)) {
		if slices.ContainsFunc(except, func(e string) bool { return path == e || strings.HasPrefix(path, e+".") }) {
			assert.NotEqual(t, want[path], got[path], "the exception for %s is not needed any more", path)
			continue
		}
		if want[path] == "null" {
			assert.Contains(t, got, path)
			continue
		}
		assert.Equal(t, want[path], got[path], "%s in %v", path, slices.Sorted(maps.Keys(got)))
	}
}

func asJSON(t *testing.T, value any) any {
	t.Helper()
	encoded, err := json.Marshal(value)
	require.NoError(t, err)
	var decoded any
	require.NoError(t, json.Unmarshal(encoded, &decoded))
	return decoded
}

// triggers are all constants of package events, read from its source.
func triggers(t *testing.T) []events.Type {
	t.Helper()
	source, err := os.ReadFile("../events/type.go")
	require.NoError(t, err)
	var all []events.Type
	for _, match := range regexp.MustCompile(`\n\tType\w+ .*= "([^"]+)"`).FindAllStringSubmatch(string(source), -1) {
		all = append(all, events.Type(match[1]))
	}
	require.Greater(t, len(all), 50)
	return all
}

func TestNotificationOfEachTrigger(t *testing.T) {
	t.Parallel()
	ids := make(map[string]bool)
	known := 0
	for _, trigger := range triggers(t) {
		before := time.Now()
		made := nylastest.NewNotification(trigger)
		encoded, err := json.Marshal(made)
		require.NoError(t, err)
		n, err := events.Parse(encoded)
		require.NoError(t, err, trigger)
		assert.Equal(t, trigger, n.Type)
		assert.Empty(t, n.Odd, trigger)
		assert.Len(t, n.ID, 26)
		assert.False(t, ids[n.ID], "ids differ")
		ids[n.ID] = true
		assert.WithinDuration(t, before, n.Time.Time, time.Minute)
		assert.Equal(t, 1, n.DeliveryAttempt)
		var envelope struct{ Data struct{ Object object } }
		require.NoError(t, json.Unmarshal(encoded, &envelope))
		assert.NotEmpty(t, envelope.Data.Object, trigger)
		if _, unknown := made.Data.(*events.Unknown); !unknown {
			assert.IsType(t, made.Data, n.Data)
			known++
			continue
		}
		kind, _, _ := strings.Cut(string(trigger), ".")
		assert.Equal(t, kind, envelope.Data.Object["object"])
	}
	assert.Equal(t, 22, known, "those that package events has a struct for")
	assert.IsType(t, &events.Unknown{}, nylastest.NewNotification("message.created.truncated").Data)
}

// publishedNotifications are the fixtures that are notifications as Nylas publishes them.
func publishedNotifications(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, pattern := range []string{"published/message.*", "published/thread.*", "constructed/message.*"} {
		found, err := filepath.Glob(filepath.Join("..", "testdata", filepath.FromSlash(pattern)))
		require.NoError(t, err)
		for _, name := range found {
			if !strings.Contains(name, "old-names") { // those of API v2's time
				names = append(names, strings.TrimPrefix(filepath.ToSlash(name), "../testdata/"))
			}
		}
	}
	require.Greater(t, len(names), 14)
	return names
}

// contradicted are the fields whose type differs between Nylas' pages.
func contradicted(name string) []string {
	if name == "published/message.link_clicked.tracking-page.json" {
		return []string{".data.object.recents[].click_id"} // a number in the reference
	}
	return nil
}

func TestNotificationsHaveThePublishedFields(t *testing.T) {
	t.Parallel()
	for _, name := range publishedNotifications(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			published := fixture(t, name).(object)
			n := nylastest.NewNotification(events.Type(published["type"].(string)))
			requireShape(t, published, asJSON(t, n), contradicted(name)...)
			if !strings.Contains(published["source"].(string), "…") {
				assert.Equal(t, published["source"], n.Source)
			}
		})
	}
}

// What really happens brings notifications with the published fields, too.
func TestDeliveredNotificationsHaveThePublishedFields(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nylastest.WithSendingDomains("acme.dev"))
		names := publishedNotifications(t)
		var types []events.Type
		for _, name := range names {
			types = append(types, events.Type(fixture(t, name).(object)["type"].(string)))
		}
		w.subscribe(appURL, types...)
		everywhere := object{
			"cc": []object{{"email": "sam@example.org"}}, "bcc": []object{{"email": "alex@example.org"}}, "metadata": object{"key1": "x"},
		}
		m := w.send(everywhere)
		kim := w.recipient(m)
		require.NoError(t, kim.Open(t.Context()))
		_, err := kim.Click(t.Context(), 0)
		require.NoError(t, err)
		_, err = kim.Reply(t.Context())
		require.NoError(t, err)
		require.NoError(t, kim.Bounce(t.Context(), ""))
		agent := w.server.AddAgentAccount("Agent", "agent@nylas.test")
		w.call(http.MethodPost, "/v3/grants/"+agent+"/messages/send", mail(everywhere))
		transactional := mail(everywhere, object{"from": object{"email": "a@acme.dev"}, "tracking_options": nil})
		w.call(http.MethodPost, "/v3/domains/acme.dev/messages/send", transactional)
		transactional["subject"] = "EICAR-STANDARD-ANTIVIRUS-TEST-FILE"
		w.call(http.MethodPost, "/v3/domains/acme.dev/messages/send", transactional)
		transactional["subject"], transactional["to"] = "Hello", []object{{"email": "a@bounce.nylas.test"}, {"email": "a@complaint.nylas.test"}}
		w.call(http.MethodPost, "/v3/domains/acme.dev/messages/send", transactional)
		require.NoError(t, w.server.Inject(nylastest.Fault{
			Endpoint: nylastest.EndpointScheduledSend, Inside: nylastest.ErrorAnswer(550, "api.provider_error", "mailbox unavailable"),
		}))
		for range 2 {
			w.call(http.MethodPost, w.sendPath(), mail(object{"send_at": time.Now().Add(time.Minute).Unix()}))
			pass(time.Hour)
		}
		w.wait()
		delivered := make(map[events.Type]any)
		for _, n := range w.receiver.take() {
			var value any
			require.NoError(t, json.Unmarshal(n.body, &value))
			delivered[n.Type] = value
		}
		for _, name := range names {
			published := fixture(t, name).(object)
			typ := events.Type(published["type"].(string))
			except := contradicted(name)
			switch typ {
			case events.TypeMessageBounceDetected: // the emulator has no provider
				except = append(except, ".data.object.code", ".data.object.origin.mime_id")
			case events.TypeMessageSendFailed: // the fault above says nothing of it
				except = append(except, ".data.error.provider_error")
			}
			if strings.HasSuffix(string(typ), ".legacy") {
				continue // nothing can be sent through API v2 here
			}
			if assert.Contains(t, delivered, typ) {
				requireShape(t, published, delivered[typ], except...)
			}
		}
	})
}
