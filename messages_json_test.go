package nylas_test

import (
	"encoding/json"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

// requestTypes returns the type of each request that a method of a service takes.
func requestTypes() map[string]reflect.Type {
	types := make(map[string]reflect.Type)
	client := reflect.TypeFor[nylas.Client]()
	for i := range client.NumField() {
		service := client.Field(i)
		if !service.IsExported() {
			continue
		}
		for j := range service.Type.NumMethod() {
			method := service.Type.Method(j).Type
			for k := range method.NumIn() {
				if in := method.In(k); in.Kind() == reflect.Pointer && strings.HasSuffix(in.Elem().Name(), "Request") {
					types[in.Elem().Name()] = in.Elem()
				}
			}
		}
	}
	return types
}

// fill gives each exported field another value than its zero.
func fill(t *testing.T, v reflect.Value, name string) {
	t.Helper()
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2000, time.January, 2, 3, 4, 5, 678_901_234, time.UTC)))
		return
	case map[string]any:
		v.Set(reflect.ValueOf(map[string]any{
			"n": int64(math.MaxInt64), "u": uint64(math.MaxUint64), "f": 0.1, "s": "Kim", "b": true, "null": nil,
			"nested": map[string]any{"list": []any{int64(-1), json.RawMessage("1.50")}},
		}))
		return
	case []nylas.Attachment:
		v.Set(reflect.ValueOf([]nylas.Attachment{
			{Filename: "a.bin", ContentType: "image/png", ContentID: "logo", Content: nylas.BytesContent([]byte("\x00\xff\r\n"))},
			{Filename: "empty.txt", Content: nylas.BytesContent([]byte{})},
			{Content: nylas.FileContent("offers/größe & <1>.pdf")},
			{Filename: "nothing.txt"},
		}))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(name + " <ü> & \u2028")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Float64:
		v.SetFloat(0.07)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), name)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(t, v.Index(0), name) // and one element is its zero
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key, name)
		fill(t, value, name)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			require.True(t, v.Type().Field(i).IsExported(), "%s.%s would be lost", name, v.Type().Field(i).Name)
			fill(t, v.Field(i), v.Type().Field(i).Name)
		}
	default:
		require.Fail(t, "a field of another kind", "%s is a %s", name, v.Type())
	}
}

// Programs keep requests in queues.
func TestRequestsAsJSON(t *testing.T) {
	t.Parallel()
	types := requestTypes()
	for _, name := range []string{
		"SendMessageRequest", "CreateDraftRequest", "UpdateDraftRequest", "SendDraftRequest", "SendTransactionalRequest",
		"CreateWebhookRequest", "UpdateWebhookRequest", "ListMessagesRequest", "ListTrackingRequest", "TrackingMetricsRequest",
	} {
		assert.Contains(t, types, name)
	}
	for name, typ := range types {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := reflect.New(typ)
			fill(t, whole.Elem(), name)
			for _, req := range []any{whole.Interface(), reflect.New(typ).Interface()} {
				encoded, err := json.Marshal(req)
				require.NoError(t, err)
				decoded := reflect.New(typ).Interface()
				require.NoError(t, json.Unmarshal(encoded, decoded), "%s", encoded)
				assert.Equal(t, req, decoded, "%s", encoded)
				byValue, err := json.Marshal(reflect.ValueOf(req).Elem().Interface())
				require.NoError(t, err)
				assert.Equal(t, string(encoded), string(byValue))
			}
		})
	}
}

// An update tells apart what is empty and what is left out.
func TestEmptyFieldsAsJSON(t *testing.T) {
	t.Parallel()
	want := nylas.UpdateDraftRequest{
		To: []nylas.Participant{}, Metadata: map[string]string{}, Subject: new(""), Starred: new(false),
		TrackingOptions: &nylas.UpdateTrackingOptions{}, Attachments: []nylas.Attachment{},
	}
	encoded, err := json.Marshal(want)
	require.NoError(t, err)
	var got nylas.UpdateDraftRequest
	require.NoError(t, json.Unmarshal(encoded, &got))
	assert.Equal(t, want, got)
}

// What comes out of a queue is sent as what went in.
func TestStoredRequestsOnTheWire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // where it is the year 2000
		at := time.Date(2000, time.January, 2, 3, 4, 5, 678_901_234, time.FixedZone("", 3600))
		attachments := []nylas.Attachment{{Filename: "a.bin", Content: nylas.BytesContent([]byte("\x00\xff"))}}
		template := &nylas.Template{ID: "tpl-1", Variables: map[string]any{"n": 3, "big": uint64(1 << 63), "f": 1e21, "half": 0.5}}
		send := nylas.SendMessageRequest{
			To: toKim(), SendAt: at, Attachments: attachments, Template: template, Fields: nylas.FieldsIncludeHeaders,
			Metadata: map[string]string{"key1": "<1> & 2"}, TrackingOptions: &nylas.TrackingOptions{},
		}
		create := nylas.CreateDraftRequest{To: toKim(), Starred: new(false), Attachments: attachments, Template: template}
		update := nylas.UpdateDraftRequest{CC: []nylas.Participant{}, Body: new(""), Attachments: attachments}
		transactional := nylas.SendTransactionalRequest{To: toKim(), From: toKim()[0], SendAt: at, Attachments: attachments}

		w := newWireAlways(answers(200, `{"data":{"id":"m-1"}}`))
		client, key := w.client(t), nylas.WithIdempotencyKey(testKey)
		for range 2 {
			_, err := client.Messages.Send(t.Context(), testGrant, &send, key)
			require.NoError(t, err)
			_, err = client.Drafts.Create(t.Context(), testGrant, &create)
			require.NoError(t, err)
			_, err = client.Drafts.Update(t.Context(), testGrant, testID, &update)
			require.NoError(t, err)
			_, err = client.Transactional.Send(t.Context(), testDomain, &transactional, key)
			require.NoError(t, err)
			stored(t, &send)
			stored(t, &create)
			stored(t, &update)
			stored(t, &transactional)
		}
		sent := w.requests()
		require.Len(t, sent, 8)
		for i := range 4 {
			assert.Equal(t, sent[i].target, sent[i+4].target)
			assert.Equal(t, string(sent[i].body), string(sent[i+4].body))
		}
		assert.Contains(t, string(sent[0].body), `"send_at":946778645`)
		assert.NotContains(t, string(sent[0].body), "include_headers")
	})
}

// stored replaces a request by what is left of it after it was stored.
func stored[T any](t *testing.T, req *T) {
	t.Helper()
	encoded, err := json.Marshal(req)
	require.NoError(t, err)
	*req = *new(T)
	require.NoError(t, json.Unmarshal(encoded, req))
}

func TestRequestsThatJSONCannotHold(t *testing.T) {
	t.Parallel()
	with := func(content nylas.AttachmentContent) any {
		return nylas.SendMessageRequest{To: toKim(), Attachments: []nylas.Attachment{{}, {Content: content}}}
	}
	reader := nylas.ReaderContent(1, strings.NewReader(markBody))
	stream := nylas.StreamContent(1, func() (io.ReadCloser, error) { return nil, nil })
	for name, tt := range map[string]struct {
		req  any
		want string
	}{
		"reader": {with(reader), "wrong value in attachments.1: " +
			"a ReaderContent can be read only once: use FileContent or BytesContent"},
		"stream": {with(stream), "wrong value in attachments.1: " +
			"a StreamContent is a function: use FileContent or BytesContent"},
		"file system": {with(nylas.FSContent(fstest.MapFS{}, "a")), "wrong value in attachments.1: " +
			"an FSContent belongs to a file system of this program: use FileContent or BytesContent"},
		"draft":         {nylas.CreateDraftRequest{Subject: markBody + "\xff"}, "invalid UTF-8 in subject"},
		"update":        {nylas.UpdateDraftRequest{Body: new("\xff" + markBody)}, "invalid UTF-8 in body"},
		"transactional": {nylas.SendTransactionalRequest{From: nylas.Participant{Email: markAddress + "\xff"}}, "invalid UTF-8 in from.email"},
		"path":          {with(nylas.FileContent("\xff")), "wrong value in attachments.1: invalid UTF-8 in path"},
		"variable": {
			nylas.SendMessageRequest{Template: &nylas.Template{Variables: map[string]any{"n": math.NaN()}}},
			"wrong value in template.variables.n",
		},
		"time": {nylas.SendMessageRequest{SendAt: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, "wrong value in send_at"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := json.Marshal(tt.req)
			require.ErrorContains(t, err, "nylas: encode request: "+tt.want)
			require.ErrorIs(t, err, nylas.ErrInvalidRequest)
			assertUnmarked(t, err.Error())
		})
	}
	_, err := json.Marshal(nylas.Attachment{Content: reader})
	require.ErrorContains(t, err, "a ReaderContent can be read only once")
}

func TestAttachmentsThatAreNone(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"content":"AA==","path":"/a"}`:      "nylas: decode attachment: it has both content and path",
		`{"content":"` + markBody + `"}`:      "nylas: decode attachment: wrong value in content",
		`{"filename":{"` + markBody + `":1}}`: "nylas: decode attachment: wrong value in filename",
	} {
		var a nylas.Attachment
		err := json.Unmarshal([]byte(body), &a)
		require.ErrorContains(t, err, want)
		assertUnmarked(t, err.Error())
		assert.Equal(t, nylas.Attachment{}, a)
	}
}
