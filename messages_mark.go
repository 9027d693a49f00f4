package nylas

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// searchableKeys are the keys of metadata that Nylas can search for.
//
// https://developer.nylas.com/docs/dev-guide/metadata/
var searchableKeys = []string{"key1", "key2", "key3", "key4", "key5"}

// markBytes is the length of a mark's hash. Its 32 hexadecimal digits stay far below the
// 500 characters that a value of metadata may have.
const markBytes = 16

// WithMark makes [MessageService.Send] write a mark into the Metadata of the message.
// When a send ends with [ErrOutcomeUnknown], [MessageService.FindSent] looks for the
// message that has [Error.Mark]. There is no mark without this option.
//
// metadataKey is where the mark stands: key1, key2, key3, key4 or key5, because Nylas
// cannot search for other keys. Choose one that your messages do not use: a request
// with this key in its Metadata is refused, and so is one with 50 pairs, which has no
// room for the mark.
//
// The mark depends only on the Idempotency-Key, so all attempts have the same bytes,
// and so does a later send with the same key; see [MarkOf]. Use a new key for each
// message, or several messages have the same mark.
//
// An option that is given to [NewClient] applies to all calls of Messages.Send, and has
// no effect on other calls. One that is given to a call takes precedence, and all calls
// but Messages.Send refuse it. To mark the draft of an Agent Account, put a value of your
// own into its Metadata, which goes to the message that is sent. A transactional message
// is in no mailbox, so it cannot be searched for.
//
// https://developer.nylas.com/docs/dev-guide/metadata/
func WithMark(metadataKey string) Option { return markOption{metadataKey} }

type markOption struct{ key string }

func (o markOption) applyClient(c *clientConfig) error {
	if err := o.check(); err != nil {
		return err
	}
	c.markKey = o.key
	return nil
}

// applyRequest is for all calls but Messages.Send, which takes the option out.
func (o markOption) applyRequest(*requestConfig) error {
	return errors.New("WithMark: only Messages.Send takes this option")
}

func (o markOption) check() error {
	if !slices.Contains(searchableKeys, o.key) {
		return errors.New("WithMark: want key1, key2, key3, key4 or key5: Nylas searches for no other key")
	}
	return nil
}

// MarkOf returns the mark that [WithMark] with this metadataKey writes into a message
// that is sent with this Idempotency-Key, in the form that [MessageService.FindSent]
// takes: the metadata key, a colon and 32 hexadecimal digits. A program that stored the
// key before it stopped in the middle of a send can look for the message with it.
func MarkOf(metadataKey, idempotencyKey string) string {
	sum := sha256.Sum256([]byte("nylas-go mark " + idempotencyKey))
	return metadataKey + ":" + hex.EncodeToString(sum[:markBytes])
}

// takeMark returns the WithMark that counts. In the options, only checks are left of it.
func (c *Client) takeMark(opts []RequestOption) (markOption, []RequestOption) {
	mark := markOption{c.markKey}
	opts = slices.Clone(opts)
	for i, opt := range opts {
		if own, ok := opt.(markOption); ok {
			mark = own
			opts[i] = requestOption(func(*requestConfig) error { return own.check() })
		}
	}
	return mark, opts
}

// marked returns a copy of the request with the mark in it, and chooses the
// Idempotency-Key that the mark is made of.
func (op *operation) marked(req *SendMessageRequest, mark markOption) (*SendMessageRequest, error) {
	if req == nil || mark.key == "" {
		return req, nil
	}
	if _, taken := req.Metadata[mark.key]; taken {
		return nil, refuse(op, fmt.Sprintf("Metadata has %s, which WithMark needs: use another key for one of them", mark.key))
	}
	if len(req.Metadata) >= maxMetadataPairs {
		return nil, refuse(op, fmt.Sprintf("Metadata has %d pairs, and WithMark needs one more: Nylas takes at most %d",
			len(req.Metadata), maxMetadataPairs))
	}
	if op.config.idempotencyKey == "" {
		op.config.idempotencyKey, op.madeKey = newIdempotencyKey(), true
	}
	op.mark = MarkOf(mark.key, op.config.idempotencyKey)
	own := *req
	own.Metadata = maps.Clone(req.Metadata)
	if own.Metadata == nil {
		own.Metadata = make(map[string]string)
	}
	_, own.Metadata[mark.key], _ = strings.Cut(op.mark, ":")
	return &own, nil
}

// FindSent returns the messages of a mailbox that have a mark: [Error.Mark] of a send
// with [WithMark], [MarkOf] of a key, or any pair of a metadata key and a value of your
// own, such as "key1:order-7". Use it before you send again after [ErrOutcomeUnknown]:
//
//   - One message: it was sent.
//   - More than one: it was sent more than once.
//   - None, and a nil error: it was not sent, or it cannot be found yet.
//
// If none is found, send again with the same Idempotency-Key: for an hour after the
// first attempt Nylas usually knows what became of it. After that hour nothing but
// FindSent protects the recipient from a second mail.
//
// Nylas does not document after what time a sent message can be found. It is not before
// the mailbox shows it: a queued message of an Agent Account can take 90 seconds, and a
// scheduled message is not there before its time. An empty result soon after the send
// proves nothing, so ask again some minutes later.
//
// FindSent costs one request of the grant, or several if many messages have the mark. It
// needs a scope to read mail, so a Google grant with gmail.send alone cannot use it. It
// cannot find a message that was sent without the mark, that was deleted, or that
// Nylas no longer keeps. Agent Accounts have metadata since 2026-08-20. FindSent looks in
// all folders: if the provider lists drafts as messages, it can find a draft that has the
// mark.
//
// If Nylas returns a message that does not have the mark, it did not search for the
// mark, and FindSent returns an error and no message.
//
// https://developer.nylas.com/docs/reference/api/messages/get-messages/
func (s *MessageService) FindSent(ctx context.Context, grantID, mark string, opts ...RequestOption) ([]*Message, error) {
	const name = "find sent message"
	key, value, _ := strings.Cut(mark, ":")
	list := pages[Message]{
		client: s.client,
		name:   name,
		call: call{
			method: http.MethodGet, path: "/v3/grants/{grant_id}/messages", lane: laneGrant, ids: []string{grantID},
			limit: mailboxTimeout,
		},
		check: func(op *operation) error { return checkMark(op, key, value) },
		query: func(token string) any { return ListMessagesRequest{MetadataPair: mark, PageToken: token} },
		opts:  opts,
	}
	var found []*Message
	for message, err := range list.all(ctx) {
		if err != nil {
			return nil, err
		}
		if message.Metadata[key] != value {
			return nil, &Error{Op: name, Message: "Nylas returned a message without the mark, so it did not search for it"}
		}
		if !slices.ContainsFunc(found, func(m *Message) bool { return m.ID == message.ID }) { // a list can shift between pages
			found = append(found, message)
		}
	}
	return found, nil
}

func checkMark(op *operation, key, value string) error {
	switch {
	case !slices.Contains(searchableKeys, key):
		return refuse(op, "the mark does not begin with key1, key2, key3, key4 or key5 and a colon: give Error.Mark or the result of MarkOf")
	case value == "":
		return refuse(op, "the mark has no value after its key")
	case utf8.RuneCountInString(value) > maxMetadataValueChars:
		return refuse(op, fmt.Sprintf("the mark has a value of more than %d characters, which no metadata can have", maxMetadataValueChars))
	}
	return nil
}
