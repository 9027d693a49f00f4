package nylas_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
)

// testMark is the mark of testKey in key5: the first 16 bytes of the SHA-256 of
// "nylas-go mark idem-3c1d0f52-marker".
const testMark = "key5:ff55b30660ffd76612fbdd1496faf811"

// metadataOf returns the metadata of a request for a message.
func metadataOf(t *testing.T, sent sentRequest) map[string]string {
	t.Helper()
	var body struct{ Metadata map[string]string }
	require.NoError(t, json.Unmarshal(sent.body, &body))
	return body.Metadata
}

func TestMarkIsTheSameInEachAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, loses, answersFile(t, 504, timeoutAnswer), answers(502, ""), answers(502, ""))
		client := w.client(t, nylas.WithMark("key1"))
		req := markedMessage()
		req.Metadata = map[string]string{"key1": "mine"}
		var resp nylas.Response
		_, err := client.Messages.Send(t.Context(), testGrant, req, nylas.WithMark("key5"), nylas.WithResponse(&resp),
			nylas.WithIdempotencyKey(testKey))
		failed := asError(t, err)
		require.ErrorIs(t, err, nylas.ErrOutcomeUnknown)
		assert.Equal(t, testMark, failed.Mark)
		assert.Equal(t, testMark, resp.Mark)
		assert.Equal(t, testMark, nylas.MarkOf("key5", testKey))
		assert.NotContains(t, err.Error(), strings.TrimPrefix(testMark, "key5:"))
		require.Len(t, w.requests(), 4)
		for _, sent := range w.requests() {
			assert.Equal(t, w.requests()[0].body, sent.body)
			assert.Equal(t, map[string]string{"key1": "mine", "key5": strings.TrimPrefix(testMark, "key5:")}, metadataOf(t, sent))
		}
		assert.Equal(t, map[string]string{"key1": "mine"}, req.Metadata, "the caller's request is changed")
	})
}

func TestMarkOfAMadeUpKey(t *testing.T) {
	t.Parallel()
	w := newWireAlways(answersFile(t, 200, messageAnswer))
	client := w.client(t, nylas.WithMark("key2"))
	var first, second nylas.Response
	require.NoError(t, send(t.Context(), client, nylas.WithResponse(&first)))
	require.NoError(t, send(t.Context(), client, nylas.WithResponse(&second)))
	assert.NotEqual(t, first.Mark, second.Mark)
	for i, resp := range []nylas.Response{first, second} {
		assert.Equal(t, nylas.MarkOf("key2", resp.IdempotencyKey), resp.Mark)
		assert.Equal(t, resp.Mark, "key2:"+metadataOf(t, w.requests()[i])["key2"])
		assert.Equal(t, resp.IdempotencyKey, w.requests()[i].header.Get("Idempotency-Key"))
	}
	require.NoError(t, send(t.Context(), w.client(t), nylas.WithResponse(&first)))
	assert.Empty(t, first.Mark)
	assert.Empty(t, metadataOf(t, w.requests()[2]), "a mark without WithMark")
}

func TestMarkIsRefused(t *testing.T) {
	t.Parallel()
	full := make(map[string]string)
	for i := range 50 {
		full[fmt.Sprint("pair", i)] = "v"
	}
	const badKey = "WithMark: want key1, key2, key3, key4 or key5: Nylas searches for no other key"
	for name, tt := range map[string]struct {
		metadata map[string]string
		opt      nylas.RequestOption
		want     string
	}{
		"the caller's key": {map[string]string{"key5": "v"}, nylas.WithMark("key5"), "Metadata has key5, which WithMark needs: use another key for one of them"},
		"an empty value":   {map[string]string{"key5": ""}, nylas.WithMark("key5"), "Metadata has key5, which WithMark needs: use another key for one of them"},
		"50 pairs":         {full, nylas.WithMark("key5"), "Metadata has 50 pairs, and WithMark needs one more: Nylas takes at most 50"},
		"key6":             {nil, nylas.WithMark("key6"), badKey},
		"no key":           {nil, nylas.WithMark(""), badKey},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := markedMessage()
			req.Metadata = tt.metadata
			_, err := newWire(t).client(t).Messages.Send(t.Context(), testGrant, req, tt.opt)
			require.ErrorIs(t, err, nylas.ErrInvalidRequest)
			assert.Equal(t, "nylas: send message: "+tt.want, err.Error())
		})
	}
	_, err := nylas.NewClient(testAPIKey, nylas.WithMark("key0"))
	require.EqualError(t, err, "nylas: new client: "+badKey)
	_, err = newWire(t).client(t).Messages.Send(t.Context(), testGrant, nil, nylas.WithMark("key5"))
	require.EqualError(t, err, "nylas: send message: the request is nil")
	_, err = newWire(t).client(t).Drafts.Send(t.Context(), testGrant, testID, nil, nylas.WithMark("key5"))
	require.EqualError(t, err, "nylas: send draft: WithMark: only Messages.Send takes this option")

	// A mark for all sends leaves other calls alone.
	w := newWireAlways(answersFile(t, 200, messageAnswer))
	var resp nylas.Response
	_, err = w.client(t, nylas.WithMark("key5")).Transactional.Send(t.Context(), testDomain, markedTransactional(), nylas.WithResponse(&resp))
	require.NoError(t, err)
	assert.NotContains(t, metadataOf(t, w.requests()[0]), "key5")
	assert.Empty(t, resp.Mark)
}

func TestFindSent(t *testing.T) {
	t.Parallel()
	page := func(next string, elements ...string) string {
		return fmt.Sprintf(`{"request_id":"r","data":[%s],"next_cursor":%s}`, strings.Join(elements, ","), next)
	}
	element := func(id, metadata string) string { return fmt.Sprintf(`{"id":%q,"metadata":%s}`, id, metadata) }
	const marked = `{"key1":"order:7","key2":"x"}`
	for name, tt := range map[string]struct {
		pages []string
		want  []string
		wrong string
	}{
		"none":              {pages: []string{page("null")}},
		"one":               {pages: []string{page("null", element("a", marked))}, want: []string{"a"}},
		"behind empty page": {pages: []string{page(`"p2"`), page(`"p3"`), page("null", element("a", marked))}, want: []string{"a"}},
		"two":               {pages: []string{page(`"p2"`, element("a", marked)), page("null", element("b", marked))}, want: []string{"a", "b"}},
		"twice in the list": {pages: []string{page(`"p2"`, element("a", marked)), page("null", element("a", marked))}, want: []string{"a"}},
		"another value":     {pages: []string{page(`"p2"`, element("a", marked), element("b", `{"key1":"order"}`))}, wrong: "without the mark"},
		"not searched":      {pages: []string{page(`"p2"`, `{"id":"a"}`)}, wrong: "without the mark"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t)
			for _, body := range tt.pages {
				w.script = append(w.script, answers(http.StatusOK, body))
			}
			found, err := w.client(t).Messages.FindSent(t.Context(), testGrant, "key1:order:7")
			if tt.wrong != "" {
				require.ErrorContains(t, err, tt.wrong)
				assert.Equal(t, "find sent message", asError(t, err).Op)
				assert.Empty(t, found)
			} else {
				require.NoError(t, err)
			}
			var ids []string
			for _, message := range found {
				ids = append(ids, message.ID)
			}
			assert.Equal(t, tt.want, ids)
			require.Len(t, w.requests(), len(tt.pages))
			for i, sent := range w.requests() {
				target, err := url.Parse(sent.target)
				require.NoError(t, err)
				want := url.Values{"metadata_pair": {"key1:order:7"}} // Nylas refuses another filter beside it
				if i > 0 {
					want.Set("page_token", fmt.Sprint("p", i+1))
				}
				assert.Equal(t, want, target.Query())
			}
		})
	}
}

func TestFindSentRefuses(t *testing.T) {
	t.Parallel()
	for mark, want := range map[string]string{
		"":                                 "the mark does not begin with key1, key2, key3, key4 or key5 and a colon: give Error.Mark or the result of MarkOf",
		"key1":                             "the mark has no value after its key",
		"key1:":                            "the mark has no value after its key",
		nylas.MarkOf("key6", testKey):      "the mark does not begin with key1, key2, key3, key4 or key5 and a colon: give Error.Mark or the result of MarkOf",
		"key1:" + strings.Repeat("ü", 501): "the mark has a value of more than 500 characters, which no metadata can have",
	} {
		_, err := newWire(t).client(t).Messages.FindSent(t.Context(), testGrant, mark)
		require.ErrorIs(t, err, nylas.ErrInvalidRequest)
		assert.Equal(t, "nylas: find sent message: "+want, err.Error())
	}
	w := newWireAlways(answers(http.StatusOK, `{"data":[]}`))
	_, err := w.client(t).Messages.FindSent(t.Context(), testGrant, "key1:"+strings.Repeat("ü", 500))
	require.NoError(t, err)
}

// The answer to a send is unreadable. Its mark shows that the message was sent.
func ExampleMessageService_FindSent() {
	ctx := context.Background()
	server, err := nylastest.Start() // a local Nylas
	if err != nil {
		log.Fatal(err)
	}
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()), nylas.WithMark("key5"))
	if err != nil {
		log.Fatal(err)
	}
	answer := &nylastest.Answer{Status: http.StatusOK, Body: "<html>"}
	if err := server.Inject(nylastest.Fault{Endpoint: nylastest.EndpointSend, After: answer}); err != nil {
		log.Fatal(err)
	}

	_, err = client.Messages.Send(ctx, server.GrantID(), &nylas.SendMessageRequest{
		To: []nylas.Participant{{Email: "kim@example.org"}}, Subject: "Your trial",
	})
	if failed, ok := errors.AsType[*nylas.Error](err); ok && failed.OutcomeUnknown {
		found, err := client.Messages.FindSent(ctx, server.GrantID(), failed.Mark)
		if err != nil {
			log.Fatal(err)
		}
		for _, message := range found {
			fmt.Println("it was sent:", message.Subject)
		}
	}
	if err := server.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// it was sent: Your trial
}
