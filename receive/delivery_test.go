package receive_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
)

// deliveryTest is a body, and the Delivery that it must become. Without an id
// that is the hash of what is in Body.
type deliveryTest struct {
	body     []byte
	encoding string
	id       string
	typ      events.Type
	content  []byte // nil means body
	err      error
}

func decodableDeliveries() map[string]deliveryTest {
	body := openedBody("n-1")
	limit := padded("n-1", inflatedLimit)
	const opened = events.TypeMessageOpened
	return map[string]deliveryTest{
		"plain":                      {body: body, id: "n-1", typ: opened},
		"identity":                   {body: body, encoding: "identity", id: "n-1", typ: opened},
		"Identity":                   {body: body, encoding: " Identity ", id: "n-1", typ: opened},
		"gzip":                       {body: gzipped(body), encoding: "gzip", id: "n-1", typ: opened, content: body},
		"GZIP":                       {body: gzipped(body), encoding: "\tGZIP ", id: "n-1", typ: opened, content: body},
		"x-gzip":                     {body: gzipped(body), encoding: "x-gzip", id: "n-1", typ: opened, content: body},
		"gzip+base64":                {body: asText(gzipped(body)), encoding: "gzip+base64", id: "n-1", typ: opened, content: body},
		"gzip, exactly the limit":    {body: gzipAtLimit(), encoding: "gzip", id: "n-1", typ: opened, content: limit},
		"gzip, not said":             {body: gzipped(body), id: "n-1", typ: opened, content: body},
		"gzip, said to be plain":     {body: gzipped(body), encoding: "identity", id: "n-1", typ: opened, content: body},
		"gzip twice":                 {body: gzipped(gzipped(body)), encoding: "gzip, gzip", id: "n-1", typ: opened, content: body},
		"gzip twice, said once":      {body: gzipped(gzipped(body)), encoding: "gzip", id: "n-1", typ: opened, content: body},
		"gzip in a list":             {body: gzipped(body), encoding: "gzip, identity", id: "n-1", typ: opened, content: body},
		"base64, not said":           {body: asText(gzipped(body)), id: "n-1", typ: opened, content: body},
		"base64 with a line end":     {body: append(asText(gzipped(body)), '\n'), encoding: "gzip", id: "n-1", typ: opened, content: body},
		"plain, said to be gzip":     {body: body, encoding: "gzip", id: "n-1", typ: opened},
		"plain, said to be base64":   {body: body, encoding: "gzip+base64", id: "n-1", typ: opened},
		"plain, said to be brotli":   {body: body, encoding: "br", id: "n-1", typ: opened},
		"plain with a charset":       {body: body, encoding: "UTF-8", id: "n-1", typ: opened},
		"plain, 7bit":                {body: body, encoding: "7bit", id: "n-1", typ: opened},
		"plain, none":                {body: body, encoding: "none", id: "n-1", typ: opened},
		"white space before it":      {body: append([]byte("\r\n "), body...), encoding: "gzip", id: "n-1", typ: opened},
		"unknown trigger":            {body: []byte(`{"id":"n-1","type":"a.new.one","data":{}}`), id: "n-1", typ: "a.new.one"},
		"with a suffix":              {body: []byte(`{"id":"n-1","type":"message.created.truncated","data":{}}`), id: "n-1", typ: "message.created.truncated"},
		"id after the data":          {body: []byte(`{"data":{"id":"inner"},"type":"t","id":"outer"}`), id: "outer", typ: "t"},
		"id in another case as well": {body: []byte(`{"ID":"upper","type":"t","id":"lower"}`), id: "lower", typ: "t"},
		"broken behind its id":       {body: []byte(`{"id":"n-1","type":"t",`), id: "n-1", typ: "t"},
		"longest id":                 {body: fmt.Appendf(nil, `{"id":%q,"type":"t"}`, strings.Repeat("i", 256)), id: strings.Repeat("i", 256), typ: "t"},
	}
}

func undecodableDeliveries() map[string]deliveryTest {
	body := openedBody("n-1")
	compressed := gzipped(body)
	changed := func(offset int, value byte) []byte {
		bad := slices.Clone(compressed)
		bad[(len(bad)+offset)%len(bad)] = value
		return bad
	}
	badLength := slices.Clone(compressed)
	binary.LittleEndian.PutUint32(badLength[len(badLength)-4:], uint32(len(body)+1))
	tests := map[string]deliveryTest{
		"bomb":              {body: gzipBomb(), encoding: "gzip", err: receive.ErrDeliveryTooLarge},
		"one byte too much": {body: gzipOverLimit(), encoding: "gzip", err: receive.ErrDeliveryTooLarge},
		"too much and cut":  {body: cut(gzipOverLimit(), 4), encoding: "gzip", err: receive.ErrDeliveryTooLarge},

		"no trailer":        {body: cut(compressed, 8), encoding: "gzip", err: receive.ErrDeliveryEncoding},
		"half a trailer":    {body: cut(compressed, 4), encoding: "gzip", err: receive.ErrDeliveryEncoding},
		"last byte missing": {body: cut(compressed, 1), encoding: "gzip", err: receive.ErrDeliveryEncoding},
		"half":              {body: compressed[:len(compressed)/2], encoding: "gzip", err: receive.ErrDeliveryEncoding},
		"header only":       {body: compressed[:10], encoding: "gzip", err: receive.ErrDeliveryEncoding},
		"half a header":     {body: compressed[:5], encoding: "gzip", err: receive.ErrDeliveryEncoding},
		"empty":             {body: []byte{}, encoding: "gzip", err: receive.ErrDeliveryEncoding},
		"bad checksum":      {body: changed(-8, compressed[len(compressed)-8]^1), encoding: "gzip", err: receive.ErrDeliveryEncoding},
		"bad length":        {body: badLength, encoding: "gzip", err: receive.ErrDeliveryEncoding},
		"bad magic":         {body: changed(0, 0x1e), encoding: "gzip", err: receive.ErrDeliveryEncoding},
		"bad method":        {body: changed(2, 7), encoding: "gzip", err: receive.ErrDeliveryEncoding},
		"bad content":       {body: changed(10, 0xff), encoding: "gzip", err: receive.ErrDeliveryEncoding},
		"trailing zero":     {body: append(slices.Clone(compressed), 0), encoding: "gzip", err: receive.ErrDeliveryEncoding},
		"trailing text":     {body: append(slices.Clone(compressed), bodyMarker...), encoding: "gzip", err: receive.ErrDeliveryEncoding},
		"two members":       {body: slices.Concat(compressed, compressed), encoding: "gzip", err: receive.ErrDeliveryEncoding},
		"content and empty": {body: slices.Concat(compressed, gzipped(nil)), encoding: "gzip", err: receive.ErrDeliveryEncoding},

		"another compression":  {body: []byte("\x28\xb5\x2f\xfd zstd"), encoding: "zstd", err: receive.ErrDeliveryEncoding},
		"three times":          {body: gzipped(gzipped(compressed)), encoding: "gzip", err: receive.ErrDeliveryEncoding},
		"hostile encoding":     {body: []byte("text"), encoding: bodyMarker, err: receive.ErrDeliveryEncoding},
		"text that says gzip":  {body: []byte("text"), encoding: "gzip, identity", err: receive.ErrDeliveryEncoding},
		"cut base64":           {body: cut(asText(compressed), 3), err: receive.ErrDeliveryEncoding},
		"text that says UTF-8": {body: []byte(bodyMarker), encoding: "UTF-8", err: events.ErrNotJSON},
		"text with a list":     {body: []byte(bodyMarker), encoding: "none, 7bit ,UTF-8", err: events.ErrNotJSON},

		"nothing":       {body: []byte{}, err: events.ErrNotJSON},
		"nothing, gzip": {body: gzipped(nil), encoding: "gzip", content: []byte{}, err: events.ErrNotJSON},
	}
	for name, content := range map[string]string{
		"text":        bodyMarker,
		"half JSON":   `{"id":"n-1"`,
		"BOM":         "\ufeff" + string(body),
		"comment":     "// " + string(body),
		"form":        "payload=%7B%7D",
		"binary":      "\x00\x01\x02\xff",
		"white space": " \n",
	} {
		tests[name] = deliveryTest{body: []byte(content), err: events.ErrNotJSON}
	}
	for name, content := range map[string]string{
		"null":           `null`,
		"array":          `[` + string(body) + `]`,
		"string":         `"id"`,
		"empty object":   `{}`,
		"no id":          `{"type":"t","data":{"id":"n-1"}}`,
		"no type":        `{"id":"n-1","data":{"type":"t"}}`,
		"empty id":       `{"id":"","type":"t"}`,
		"id null":        `{"id":null,"type":"t"}`,
		"id number":      `{"id":1,"type":"t"}`,
		"id in capitals": `{"ID":"n-1","type":"t"}`,
		"id with NUL":    `{"id":"n\u0000","type":"t"}`,
		"id too long":    `{"id":"` + strings.Repeat("i", 257) + `","type":"t"}`,
		"empty type":     `{"id":"n-1","type":""}`,
		"type number":    `{"id":"n-1","type":1}`,
	} {
		tests[name] = deliveryTest{body: []byte(content), err: events.ErrEnvelope}
	}
	return tests
}

func cut(body []byte, bytesLess int) []byte { return body[:len(body)-bytesLess] }

func (test deliveryTest) check(tb testing.TB, d *receive.Delivery) {
	tb.Helper()
	content := test.content
	if content == nil {
		content = test.body
	}
	require.NotNil(tb, d)
	require.NotNil(tb, d.Body)
	require.True(tb, bytes.Equal(content, d.Body), "the body is another one, of %d bytes", len(d.Body))
	if test.err == nil {
		require.NoError(tb, d.Err)
		assert.Equal(tb, test.id, d.ID)
		assert.Equal(tb, test.typ, d.Type)
		return
	}
	require.ErrorIs(tb, d.Err, test.err)
	// What can be used of the envelope is.
	id, typ, _ := events.Peek(content)
	assert.Equal(tb, cmp.Or(id, sha256ID(content)), d.ID)
	assert.Equal(tb, typ, d.Type)
	requireNothingLeaked(tb, test.body, d.Err.Error())

	n, err := d.Parse()
	assert.Nil(tb, n)
	assert.Same(tb, d.Err, err, "Parse says what is known")
	for _, other := range []error{receive.ErrDeliveryEncoding, receive.ErrDeliveryTooLarge, events.ErrNotJSON, events.ErrEnvelope} {
		assert.Equal(tb, errors.Is(test.err, other), errors.Is(d.Err, other), "%v", other)
	}
}

func TestNewDelivery(t *testing.T) {
	t.Parallel()
	for name, test := range decodableDeliveries() {
		t.Run("decodable/"+name, func(t *testing.T) {
			t.Parallel()
			before := slices.Clone(test.body)
			test.check(t, receive.NewDelivery(test.body, test.encoding))
			assert.Equal(t, before, test.body)
		})
	}
	for name, test := range undecodableDeliveries() {
		t.Run("undecodable/"+name, func(t *testing.T) {
			t.Parallel()
			test.check(t, receive.NewDelivery(test.body, test.encoding))
		})
	}
}

// Wherever it is cut off, a compressed body is damaged, and never a shorter
// one.
func TestNewDeliveryCutOffAnywhere(t *testing.T) {
	t.Parallel()
	compressed := gzipped(openedBody("n-1"))
	for length := range compressed {
		d := receive.NewDelivery(compressed[:length], "gzip")
		require.ErrorIs(t, d.Err, receive.ErrDeliveryEncoding)
		require.Equal(t, sha256ID(compressed[:length]), d.ID)
	}
}

// What the Receiver gets is handed over, whatever it is: Nylas signed it, and
// would not send it better.
func TestReceiverHandsOver(t *testing.T) {
	t.Parallel()
	for kind, tests := range map[string]map[string]deliveryTest{
		"decodable":   decodableDeliveries(),
		"undecodable": undecodableDeliveries(),
	} {
		for name, test := range tests {
			t.Run(kind+"/"+name, func(t *testing.T) {
				t.Parallel()
				var taken keeping
				var logged receiverLog
				receiver := newReceiver(t, &taken, logged.option())
				in := signed(test.body)
				if test.encoding != "" {
					in = in.with("Content-Encoding", test.encoding)
				}
				requireAnswer(t, http.StatusOK, "", recorded(receiver, in))
				require.Len(t, taken.deliveries(), 1)
				test.check(t, taken.deliveries()[0])
				assert.Empty(t, logged.String())
			})
		}
	}
}

// Nylas compresses once, and a proxy may do it again.
func TestReceiverOfTwoEncodings(t *testing.T) {
	t.Parallel()
	twice := gzipped(gzipped(openedBody("n-1")))
	var taken keeping
	in := signed(twice).with("Content-Encoding", "gzip", "gzip")
	requireAnswer(t, http.StatusOK, "", recorded(newReceiver(t, &taken), in))
	require.Len(t, taken.deliveries(), 1)
	deliveryTest{body: twice, content: openedBody("n-1"), id: "n-1", typ: events.TypeMessageOpened}.check(t, taken.deliveries()[0])
}

func TestNewDeliveryOfNil(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"", "gzip", "br"} {
		d := receive.NewDelivery(nil, encoding)
		assert.NotNil(t, d.Body)
		assert.Empty(t, d.Body)
		assert.Equal(t, sha256ID(nil), d.ID)
		assert.Error(t, d.Err)
	}
}

func TestNewDeliveryReceivedAt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Hour)
		for _, encoding := range []string{"", "gzip"} {
			assert.True(t, time.Now().Equal(receive.NewDelivery(openedBody("n-1"), encoding).ReceivedAt))
		}
	})
}

// The content decides about the id, not the way it came.
func TestDeliveryIDIsTheSameInEachEncoding(t *testing.T) {
	t.Parallel()
	for _, content := range [][]byte{openedBody("n-1"), []byte("no JSON"), {}} {
		plain := receive.NewDelivery(content, "")
		compressed := receive.NewDelivery(gzipped(content), "gzip")
		assert.Equal(t, plain.ID, compressed.ID)
		assert.Equal(t, plain.Body, compressed.Body)
		// A store makes the rest again from the body that it kept.
		again := receive.NewDelivery(compressed.Body, "")
		assert.Equal(t, plain.ID, again.ID)
		assert.Equal(t, plain.Type, again.Type)
	}
}

func TestDeliveryParse(t *testing.T) {
	t.Parallel()
	body := openedBody("n-1")
	n, err := receive.NewDelivery(gzipped(body), "gzip").Parse()
	require.NoError(t, err)
	assert.Equal(t, "n-1", n.ID)
	assert.Equal(t, "message-1", n.Data.(*events.MessageOpened).MessageID)
	assert.JSONEq(t, string(body), string(n.Raw))

	// Broken where Peek did not look.
	for _, broken := range []string{`{"id":"n-1","type":"t",`, `{"id":"n-1","type":"t"} {}`} {
		d := receive.NewDelivery([]byte(broken), "")
		require.NoError(t, d.Err)
		n, err = d.Parse()
		assert.Nil(t, n)
		assert.Error(t, err)
	}
}

// A body belongs to its handler: nothing else reads or writes it afterwards.
func TestDeliveriesShareNoBody(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"", "gzip"} {
		for _, length := range []string{"declared", "chunked"} {
			t.Run(encoding+length, func(t *testing.T) {
				t.Parallel()
				var taken keeping
				receiver := newReceiver(t, &taken)
				ids := func(i int) string { return fmt.Sprintf("n-%03d", i) }
				const deliveries = 64
				var all sync.WaitGroup
				for i := range deliveries {
					all.Go(func() {
						body := openedBody(ids(i))
						if encoding != "" {
							body = gzipped(body)
						}
						in := signed(body).with("Content-Encoding", encoding)
						if length == "chunked" {
							in = in.declaring(-1)
						}
						assert.Equal(t, http.StatusOK, recorded(receiver, in).status)
					})
				}
				all.Wait()
				kept := taken.deliveries()
				require.Len(t, kept, deliveries)
				slices.SortFunc(kept, func(a, b *receive.Delivery) int { return strings.Compare(a.ID, b.ID) })
				for i, d := range kept {
					require.Equal(t, openedBody(ids(i)), d.Body)
					clear(d.Body[:cap(d.Body)])
				}
			})
		}
	}
}

// The attempt counts up in the body, so only the id can tell that two
// deliveries without a usable type are one.
func TestDeliveryWithAnIDOnly(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"id":"n-1","webhook_delivery_attempt":1}`, `{"type":[],"id":"n-1","webhook_delivery_attempt":2}`} {
		d := receive.NewDelivery([]byte(body), "")
		assert.Equal(t, "n-1", d.ID)
		assert.Empty(t, d.Type)
		require.ErrorIs(t, d.Err, events.ErrEnvelope)
	}
}

func TestMessageOrder(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"id":"n","type":"message.opened","data":{"object":{"message_id":"message-1"}}}`:                                      "message-1",
		`{"id":"n","type":"thread.replied","data":{"object":{"message_id":"reply","root_message_id":"root","thread_id":"t"}}}`: "root",
		`{"id":"n","type":"grant.expired","data":{"object":{}}}`:                                                               "",
		"no JSON": "",
	} {
		assert.Equal(t, want, receive.MessageOrder(receive.NewDelivery([]byte(body), "")), body)
	}
}

// All test events have one id on the wire. They are not duplicates of each other.
func TestTestEventsHaveIDsOfTheirOwn(t *testing.T) {
	t.Parallel()
	body := openedBody("mock-id")
	first, second := receive.NewDelivery(body, ""), receive.NewDelivery(body, "")
	assert.Regexp(t, "^mock-id:[A-Z2-7]{26}$", first.ID)
	assert.NotEqual(t, first.ID, second.ID)

	var handled atomic.Int64
	receiver := newReceiver(t, receive.DropDuplicates(counted(&handled, outcome(nil)), 10))
	for range 3 {
		require.Equal(t, http.StatusOK, recorded(receiver, signed(body)).status)
	}
	assert.EqualValues(t, 3, handled.Load())
}
