package outbox_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/outbox"
)

func TestAddRefusesWhatCannotBeSentOnce(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		key, grant string
		change     func(*nylas.SendMessageRequest)
		says       string
	}{
		"no key":             {key: "-", says: "the key must be 1 to 240 visible ASCII characters"},
		"a key with a space": {key: "mail 1", says: "the key must be"},
		"an address as key":  {key: "kim@example.org", says: "the key has an @"},
		"a long key":         {key: strings.Repeat("k", 241), says: "the key must be"},
		"no grant":           {grant: "-", says: "the grant is empty"},
		"nobody":             {change: func(r *nylas.SendMessageRequest) { r.To = nil }, says: "want one recipient"},
		"two":                {change: func(r *nylas.SendMessageRequest) { r.To = append(r.To, r.To[0]) }, says: "want one recipient"},
		"CC":                 {change: func(r *nylas.SendMessageRequest) { r.CC = r.To }, says: "neither CC nor BCC"},
		"BCC":                {change: func(r *nylas.SendMessageRequest) { r.BCC = r.To }, says: "neither CC nor BCC"},
		"no address":         {change: func(r *nylas.SendMessageRequest) { r.To[0].Email = " " }, says: "no Email"},
		"scheduled":          {change: func(r *nylas.SendMessageRequest) { r.SendAt = time.Now() }, says: "add it when it is due"},
		"the mark's place": {
			change: func(r *nylas.SendMessageRequest) { r.Metadata = map[string]string{"key5": ""} }, says: "Metadata has key5",
		},
		"content of a reader": {
			change: func(r *nylas.SendMessageRequest) {
				r.Attachments = []nylas.Attachment{{Filename: "a", Content: nylas.ReaderContent(1, strings.NewReader("a"))}}
			},
			says: "encode request",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				request, key, grant := mailTo(0), "mail-0", w.nylas.GrantID()
				if tt.key != "" {
					key = strings.TrimPrefix(tt.key, "-")
				}
				if tt.grant != "" {
					grant = ""
				}
				if tt.change != nil {
					tt.change(request)
				}
				err := w.AddEach(t.Context(), grant, []nylas.PersonalRequest{
					{IdempotencyKey: "fine", Request: mailTo(1)}, {IdempotencyKey: key, Request: request},
				})
				if grant != "" {
					require.ErrorContains(t, err, "outbox: add mail 2 of 2: ")
				}
				require.ErrorIs(t, err, nylas.ErrInvalidRequest)
				require.ErrorContains(t, err, tt.says)
				assert.NotContains(t, err.Error(), "person-")
				assert.Zero(t, w.counts(), "none of them was added")
			})
		})
	}
	inWorld(t, func(t *testing.T, w *world) {
		require.ErrorIs(t, w.Add(t.Context(), "mail-0", w.nylas.GrantID(), nil), nylas.ErrInvalidRequest)
		require.ErrorContains(t, w.Run(t.Context(), nil), "the client is nil")
	})
}

func TestAKeyHasOneContent(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.add(1)
		changed := mailTo(0)
		changed.Subject = "Another"
		require.ErrorIs(t, w.Add(t.Context(), "mail-0", w.nylas.GrantID(), changed), outbox.ErrKeyUsed)
		require.ErrorIs(t, w.Add(t.Context(), "mail-0", "another-grant", mailTo(0)), outbox.ErrKeyUsed)
		require.NoError(t, w.run())
		require.ErrorIs(t, w.Add(t.Context(), "mail-0", w.nylas.GrantID(), changed), outbox.ErrKeyUsed, "although its content is not kept")
		w.add(1)
		assert.Equal(t, outbox.Counts{Sent: 1}, w.counts())
		assert.Equal(t, "Mail 0", w.nylas.Messages()[0].Subject)
	})
}

func TestAddsTheRequestsOfEach(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		var contacts []nylas.Person
		for i := range 520 {
			contacts = append(contacts, nylas.Person{ID: fmt.Sprint(i), Participant: nylas.Participant{Email: fmt.Sprintf("p%d@example.org", i)}})
		}
		people, err := (&nylas.SendMessageRequest{
			Subject: "Spring", Body: "Hello", TrackingOptions: &nylas.TrackingOptions{Opens: true},
		}).Each("spring", contacts)
		require.NoError(t, err)
		require.NoError(t, w.AddEach(t.Context(), w.nylas.GrantID(), people))
		require.NoError(t, w.AddEach(t.Context(), w.nylas.GrantID(), people))
		require.NoError(t, w.run())
		assert.Len(t, w.nylas.Messages(), len(contacts))
		next := 0
		for m, err := range w.Mails(t.Context(), outbox.Sent, outbox.Failed) {
			require.NoError(t, err)
			values, ok := nylas.DecodeLabel(m.Label)
			require.True(t, ok)
			assert.Equal(t, map[string]string{"campaign": "spring", "person": fmt.Sprint(next)}, values)
			assert.Equal(t, people[next].IdempotencyKey, m.Key)
			next++
		}
		assert.Equal(t, len(contacts), next)
		for m, err := range w.Mails(t.Context(), outbox.Waiting) {
			assert.Fail(t, "none waits", "%+v %v", m, err)
		}
		for _, err := range w.Mails(t.Context()) {
			require.NoError(t, err)
			break
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, err := range w.Mails(ctx) {
			require.ErrorIs(t, err, context.Canceled)
		}
	})
}
