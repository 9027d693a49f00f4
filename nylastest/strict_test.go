package nylastest_test

import (
	"encoding/base64"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
)

// newProgram is a world whose server runs as for a program, without a test that it could fail.
func newProgram(t *testing.T, opts ...nylastest.Option) *world {
	t.Helper()
	network := nylastest.NewNetwork()
	server, err := nylastest.Start(append(opts, nylastest.WithNetwork(network))...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Close()) })
	return &world{t: t, network: network, server: server}
}

func TestStrictness(t *testing.T) {
	t.Parallel()
	to := []object{{"email": "a@b.c"}}
	for name, test := range map[string]struct {
		path, name string
		body       object
	}{
		"misspelt field":  {"", `unknown field "/subjet"`, object{"to": to, "subjet": "x"}},
		"wrong case":      {"", `unknown field "/Body"`, object{"to": to, "Body": "x"}},
		"in an array":     {"", `unknown field "/to/0/mail"`, object{"to": []object{{"email": "a@b.c", "mail": "d@e.f"}}}},
		"tracking option": {"", `unknown field "/tracking_options/open"`, mail(object{"tracking_options": object{"open": true}})},
		"query parameter": {"?field=standard", `unknown query parameter "field"`, mail()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// A test is failed, and the request is refused.
			fake := &fakeT{}
			network := nylastest.NewNetwork()
			w := &world{t: t, network: network, server: nylastest.NewServer(fake, nylastest.WithNetwork(network))}
			w.call(http.MethodPost, w.sendPath()+test.path, test.body).refused(400, "api.invalid_request_error", test.name)
			fake.end()
			if assert.Len(t, fake.failures, 1) {
				assert.Contains(t, fake.failures[0], test.name)
			}
			// A program that asks for it sees the refusal only.
			w = newProgram(t, nylastest.WithStrictRequests())
			w.call(http.MethodPost, w.sendPath()+test.path, test.body).refused(400, "api.invalid_request_error", test.name)
			assert.Empty(t, w.server.Messages())
			// Without asking, the name is ignored.
			w = newProgram(t)
			a := w.call(http.MethodPost, w.sendPath()+test.path, test.body)
			assert.Equal(t, http.StatusOK, a.status, "%s", a.body)
			require.Len(t, w.server.Messages(), 1)
		})
	}
}

// The official Node SDK sends size and is_inline, which no reference has.
func TestAttachmentsOfTheNodeSDK(t *testing.T) {
	t.Parallel()
	w := newWorld(t) // strict
	sent := w.send(object{"attachments": []object{{
		"filename": "a.txt", "content_type": "text/plain", "content": base64.StdEncoding.EncodeToString([]byte("hello")),
		"size": 4711, "is_inline": true,
	}}})
	require.Len(t, sent.Attachments, 1)
	assert.Equal(t, 5, sent.Attachments[0].Size, "the content decides")
}

// What only the emulator has is strict for everybody: no SDK sends it.
func TestOwnEndpointsAreStrict(t *testing.T) {
	t.Parallel()
	w := newProgram(t)
	m := w.send()
	w.call(http.MethodPost, "/nylastest/grants/"+w.server.GrantID()+"/messages/"+m.ID+"/replies", object{"fromself": true}).
		refused(400, "api.invalid_request_error", `unknown field "/fromself"`)
	w.call(http.MethodPost, "/nylastest/messages/"+m.ID+"/outcomes?x=1", object{"outcome": "bounced"}).
		refused(400, "api.invalid_request_error", `unknown query parameter "x"`)
}

// thread_replies are no option of a Transactional send, so a program's are ignored.
func TestTransactionalIgnoresThreadReplies(t *testing.T) {
	t.Parallel()
	w := newProgram(t, nylastest.WithSendingDomains("acme.dev"))
	a := w.call(http.MethodPost, "/v3/domains/acme.dev/messages/send", mail(object{"from": object{"email": "a@acme.dev"}}))
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	assert.Equal(t, nylastest.Tracking{Opens: true, Links: true, Label: "trial-followup-q2"}, w.server.Messages()[0].Tracking)
}
