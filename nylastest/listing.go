package nylastest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/nylastrack/nylas-go/events"
)

// The limits of lists.
const (
	// https://developer.nylas.com/docs/reference/api/#pagination
	defaultPageLimit = 50
	maxPageLimit     = 200
	// https://developer.nylas.com/docs/reference/api/messages/get-messages/
	maxAnyEmail = 25
)

// listed is what a list looks at.
type listed struct {
	seq             int // unique, growing with time
	message         *Message
	thread          conversation // of a list of threads, which has no message
	folders         []string
	starred, unread bool
	foldSubject     bool // subjects are found in upper and lower case
	answer          func() any
}

// filter is a query parameter of a list and what it selects by. It returns the
// refusal of a value that does not fit.
type filter func(value string) (func(*listed) bool, *response)

// listFilters are those that messages and drafts have.
func listFilters() map[string]filter {
	return map[string]filter{
		"thread_id": byText(func(l *listed, value string) bool { return l.message.ThreadID == value }),
		"subject": byText(func(l *listed, value string) bool {
			if l.foldSubject {
				return strings.Contains(strings.ToLower(l.message.Subject), strings.ToLower(value))
			}
			return strings.Contains(l.message.Subject, value)
		}),
		"to":             byText(func(l *listed, value string) bool { return has(value, l.message.To) }),
		"cc":             byText(func(l *listed, value string) bool { return has(value, l.message.CC) }),
		"bcc":            byText(func(l *listed, value string) bool { return has(value, l.message.BCC) }),
		"any_email":      byAnyEmail,
		"starred":        byFlag("starred", func(l *listed) bool { return l.starred }),
		"has_attachment": byFlag("has_attachment", func(l *listed) bool { return len(l.message.Attachments) > 0 }),
		"metadata_pair":  byMetadata,
		"query_imap":     byFlag("query_imap", nil), // there is one place to look in
	}
}

func byText(keep func(l *listed, value string) bool) filter {
	return func(value string) (func(*listed) bool, *response) {
		return func(l *listed) bool { return keep(l, value) }, nil
	}
}

// byFlag selects what has the flag as asked; without get it selects all.
func byFlag(name string, get func(*listed) bool) filter {
	return func(value string) (func(*listed) bool, *response) {
		want, err := strconv.ParseBool(value)
		if err != nil {
			return nil, badRequest(name + " must be true or false")
		}
		return func(l *listed) bool { return get == nil || get(l) == want }, nil
	}
}

func byTime(name string, keep func(sent, given int64) bool) filter {
	return func(value string) (func(*listed) bool, *response) {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return nil, badRequest(name + " must be a number of seconds")
		}
		return func(l *listed) bool { return keep(l.message.SentAt.Unix(), seconds) }, nil
	}
}

func byAnyEmail(value string) (func(*listed) bool, *response) {
	addresses := strings.Split(value, ",")
	if len(addresses) > maxAnyEmail {
		return nil, badRequest("any_email has more than 25 addresses")
	}
	return func(l *listed) bool {
		m := l.message
		return slices.ContainsFunc(addresses, func(address string) bool {
			return has(strings.TrimSpace(address), []events.Participant{m.From}, m.To, m.CC, m.BCC)
		})
	}, nil
}

// byMetadata finds by the keys that Nylas indexes.
//
// https://developer.nylas.com/docs/dev-guide/metadata/
func byMetadata(value string) (func(*listed) bool, *response) {
	key, want, ok := strings.Cut(value, ":")
	if !ok || !slices.Contains([]string{"key1", "key2", "key3", "key4", "key5"}, key) {
		return nil, badRequest("metadata_pair must be one of key1 to key5, a colon and a value")
	}
	return func(l *listed) bool {
		got, ok := l.message.Metadata[key]
		return ok && got == want
	}, nil
}

func has(address string, lists ...[]events.Participant) bool {
	return slices.ContainsFunc(slices.Concat(lists...), func(p events.Participant) bool {
		return strings.EqualFold(p.Email, address)
	})
}

// listResponse answers with one page of items, which are in the order of their
// time: the newest come first, but the oldest in a search for metadata, which excludes
// all other filters.
//
// https://developer.nylas.com/docs/changelogs/2026-10-10-availability-metadata-and-provider-fixes/
func (c *call) listResponse(items []listed, query url.Values, filters map[string]filter) *response {
	byMetadata := query.Has("metadata_pair")
	var keep []func(*listed) bool
	asked := url.Values{}
	for name := range query {
		if filter, ok := filters[name]; ok {
			asked[name] = query[name]
			if byMetadata && name != "metadata_pair" {
				return badRequest("use either metadata_pair or " + name)
			}
			by, refusal := filter(query.Get(name))
			if refusal != nil {
				return refusal
			}
			keep = append(keep, by)
		}
	}
	limit, from := defaultPageLimit, 0
	if query.Has("limit") {
		n, err := strconv.Atoi(query.Get("limit"))
		if err != nil || n < 1 || n > maxPageLimit {
			return badRequest("limit must be between 1 and 200")
		}
		limit = n
	}
	// The official SDKs change the limit from page to page.
	list := listID(c.URL.Path + "?" + asked.Encode())
	if query.Has("page_token") {
		var refusal *response
		if from, refusal = list.position(query.Get("page_token")); refusal != nil {
			return refusal
		}
	}
	if !byMetadata {
		slices.Reverse(items)
	}
	data := []any{}
	var next any // null after the last page
	for i := range items {
		item := &items[i]
		if from != 0 && (byMetadata && item.seq < from || !byMetadata && item.seq > from) ||
			slices.ContainsFunc(keep, func(by func(*listed) bool) bool { return !by(item) }) {
			continue
		}
		if len(data) == limit {
			next = list.token(item.seq)
			break
		}
		data = append(data, selected(item.answer(), query.Get("select")))
	}
	return jsonResponse(http.StatusOK, map[string]any{"data": data, "next_cursor": next})
}

// listID tells lists apart: by their path and the filters they were asked for.
type listID string

// maxPageToken is more than any token of token needs, in characters.
const maxPageToken = 64

// token names an item of the list, with which the next page begins. It is opaque, as
// those of Nylas are.
func (l listID) token(seq int) string {
	sum := sha256.Sum256([]byte(l))
	return base64.RawURLEncoding.EncodeToString(strconv.AppendInt(sum[:8], int64(seq), 10))
}

// position returns the item that a token names. What Nylas answers to a token of another
// list is not documented: it would silently skip or repeat items, so it is refused here.
func (l listID) position(token string) (seq int, refusal *response) {
	sum := sha256.Sum256([]byte(l))
	decoded, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(token) > maxPageToken || len(decoded) <= 8 {
		return 0, badRequest("page_token is invalid")
	}
	if seq, err = strconv.Atoi(string(decoded[8:])); err != nil || seq < 1 {
		return 0, badRequest("page_token is invalid")
	}
	if !bytes.Equal(decoded[:8], sum[:8]) {
		return 0, badRequest("page_token belongs to another list, or to other filters")
	}
	return seq, nil
}

// selected leaves in an answer only the members that select names. The answer is
// one of this package: it can be encoded.
func selected(answer any, names string) any {
	if names == "" {
		return answer
	}
	encoded, err := jsonv2.Marshal(answer, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return answer
	}
	var members map[string]jsontext.Value
	if err := jsonv2.Unmarshal(encoded, &members, jsontext.AllowInvalidUTF8(true)); err != nil {
		return answer
	}
	kept := make(map[string]jsontext.Value)
	for name := range strings.SplitSeq(names, ",") {
		if value, ok := members[name]; ok {
			kept[name] = value
		}
	}
	return kept
}
