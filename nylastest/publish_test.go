package nylastest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

const (
	pubsubTopic = "projects/acme/topics/nylas"
	snsTopic    = "arn:aws:sns:eu-west-1:123456789012:nylas"
)

// log keeps what a consumer got. Some attempts fail first.
type log[M any] struct {
	mu    sync.Mutex
	fails int
	got   []M
	at    []time.Time
}

func (l *log[M]) consume(_ context.Context, m M) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got, l.at = append(l.got, m), append(l.at, time.Now())
	if l.fails > 0 {
		l.fails--
		return errors.New("not now")
	}
	return nil
}

// take waits until everything is taken, and returns what has come since the last call.
func (l *log[M]) take(w *world) []M {
	w.t.Helper()
	w.wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	got := l.got
	l.got = nil
	return got
}

// offsets returns when the attempts were made.
func (l *log[M]) offsets(begin time.Time) []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var offsets []time.Duration
	for _, at := range l.at {
		offsets = append(offsets, at.Sub(begin))
	}
	l.at = nil
	return offsets
}

func (w *world) pubsubChannel(changes object) (path string) {
	w.t.Helper()
	body := object{"trigger_types": []string{"message.opened"}, "topic": pubsubTopic}
	for name, value := range changes {
		body[name] = value
	}
	return "/v3/channels/pubsub/" + w.call(http.MethodPost, "/v3/channels/pubsub", body).data()["id"].(string)
}

func (w *world) snsChannel(changes object) (path string) {
	w.t.Helper()
	body := object{"trigger_types": []string{"message.opened"}, "topic": snsTopic, "role_arn": "arn:aws:iam::123456789012:role/nylas"}
	for name, value := range changes {
		body[name] = value
	}
	return "/v3/channels/sns/" + w.call(http.MethodPost, "/v3/channels/sns", body).data()["id"].(string)
}

func unzip(t *testing.T, data []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(data))
	require.NoError(t, err)
	plain, err := io.ReadAll(z)
	require.NoError(t, err)
	return plain
}

// requireOpened asserts that a text is the notification of an open of a message.
func requireOpened(t *testing.T, text []byte, m nylastest.Message) *events.Notification {
	t.Helper()
	n, err := events.Parse(text)
	require.NoError(t, err)
	require.Equal(t, events.TypeMessageOpened, n.Type)
	require.Equal(t, m.ID, n.Data.(*events.MessageOpened).MessageID)
	return n
}

func TestPubSub(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.send()
		kim := w.recipient(m)
		var first, second log[nylastest.PubSubMessage]
		w.server.ConsumePubSub(first.consume)
		require.NoError(t, kim.Open(t.Context()))
		assert.Empty(t, first.take(w), "there is no channel")
		plain := w.pubsubChannel(nil)
		w.pubsubChannel(object{"trigger_types": []string{"message.link_clicked"}})
		w.subscribe(appURL) // as well as the channel
		w.server.ConsumePubSub(second.consume)
		require.NoError(t, kim.Open(t.Context()))
		got := first.take(w)
		require.Len(t, got, 1)
		assert.Equal(t, got, second.take(w), "each function gets each message")
		assert.Equal(t, pubsubTopic, got[0].Topic)
		assert.Equal(t, map[string]string{"trigger_type": "message.opened"}, got[0].Attributes)
		assert.Equal(t, time.Now(), got[0].PublishTime)
		assert.Regexp(t, `^\d+$`, got[0].ID)
		assert.Equal(t, requireOpened(t, got[0].Data, m).ID, w.one().ID, "it is the same notification")

		// A pause and a deletion end it; an update counts at once.
		change := func(body object) { require.Equal(t, http.StatusOK, w.call(http.MethodPut, plain, body).status) }
		change(object{"status": "pause"})
		require.NoError(t, kim.Open(t.Context()))
		assert.Empty(t, first.take(w))
		change(object{"status": "active", "topic": pubsubTopic + "2", "compressed_delivery": true})
		require.NoError(t, kim.Open(t.Context()))
		compressed := first.take(w)
		require.Len(t, compressed, 1, "nothing is backfilled")
		assert.Equal(t, pubsubTopic+"2", compressed[0].Topic)
		assert.Equal(t, map[string]string{"trigger_type": "message.opened", "content_encoding": "gzip"}, compressed[0].Attributes)
		requireOpened(t, unzip(t, compressed[0].Data), m)
		assert.NotEqual(t, got[0].ID, compressed[0].ID)
		w.call(http.MethodDelete, plain, nil)
		require.NoError(t, kim.Open(t.Context()))
		assert.Empty(t, first.take(w))
	})
}

func TestPubSubRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		kim := w.recipient(w.send())
		w.pubsubChannel(nil)
		failing, other := log[nylastest.PubSubMessage]{fails: 8}, log[nylastest.PubSubMessage]{}
		w.server.ConsumePubSub(failing.consume)
		w.server.ConsumePubSub(other.consume)
		begin := time.Now()
		require.NoError(t, kim.Open(t.Context()))
		got := failing.take(w)
		const second = time.Second
		assert.Equal(t, []time.Duration{
			0, 10 * second, 30 * second, 70 * second, 150 * second, 310 * second, 630 * second, 1230 * second, 1830 * second,
		}, failing.offsets(begin))
		for _, m := range got {
			assert.Equal(t, got[0], m)
		}
		assert.Len(t, other.take(w), 1)

		// After 7 days it is given up.
		failing.fails = 1 << 20
		begin = time.Now()
		require.NoError(t, kim.Open(t.Context()))
		w.wait()
		offsets := failing.offsets(begin)
		last := offsets[len(offsets)-1]
		assert.Less(t, 7*24*time.Hour-10*time.Minute, last)
		assert.LessOrEqual(t, last, 7*24*time.Hour)
	})
}

func TestSNS(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.send()
		kim := w.recipient(m)
		var got log[nylastest.SNSMessage]
		w.server.ConsumeSNS(got.consume)
		path := w.snsChannel(nil)
		verification := got.take(w)
		require.Len(t, verification, 1, "when the channel is created")
		assert.Equal(t, map[string]string{"trigger_type": "connector.verification"}, verification[0].Attributes)
		n, err := events.Parse([]byte(verification[0].Message))
		require.NoError(t, err)
		assert.Equal(t, events.Type("connector.verification"), n.Type)

		require.NoError(t, kim.Open(t.Context()))
		plain := got.take(w)
		require.Len(t, plain, 1)
		assert.Equal(t, snsTopic, plain[0].TopicARN)
		assert.Equal(t, map[string]string{"trigger_type": "message.opened"}, plain[0].Attributes)
		requireOpened(t, []byte(plain[0].Message), m)
		var envelope object
		require.NoError(t, json.Unmarshal(plain[0].Envelope(), &envelope))
		assert.Equal(t, object{
			"Type": "Notification", "MessageId": plain[0].ID, "TopicArn": snsTopic, "Message": plain[0].Message, "Timestamp": "2000-01-01T00:00:00.000Z",
			"MessageAttributes": object{"trigger_type": object{"Type": "String", "Value": "message.opened"}},
		}, envelope)

		w.call(http.MethodPut, path, object{"compressed_delivery": true})
		require.NoError(t, kim.Open(t.Context()))
		compressed := got.take(w)
		require.Len(t, compressed, 1)
		assert.Equal(t, "gzip+base64", compressed[0].Attributes["content_encoding"])
		data, err := base64.StdEncoding.DecodeString(compressed[0].Message)
		require.NoError(t, err)
		requireOpened(t, unzip(t, data), m)

		// 3 retries are made.
		got.offsets(time.Now())
		got.fails = 100
		begin := time.Now()
		require.NoError(t, kim.Open(t.Context()))
		w.wait()
		assert.Equal(t, []time.Duration{0, 20 * time.Second, 40 * time.Second, time.Minute}, got.offsets(begin))
		w.call(http.MethodPut, path, object{"status": "pause"})
		require.NoError(t, kim.Open(t.Context()))
		w.wait()
		assert.Empty(t, got.offsets(begin))
	})
}

// endpoint keeps what was posted to it, and answers with the statuses given, then 204.
type endpoint struct {
	mu       sync.Mutex
	statuses []int
	got      []*http.Request
	bodies   [][]byte
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.got, e.bodies = append(e.got, r), append(e.bodies, body)
	status := http.StatusNoContent
	if len(e.statuses) > 0 {
		status, e.statuses = e.statuses[0], e.statuses[1:]
	}
	w.WriteHeader(status)
}

func (w *world) endpoint(host string, statuses ...int) *endpoint {
	w.t.Helper()
	l, err := w.network.Listen(host)
	require.NoError(w.t, err)
	e := &endpoint{statuses: statuses}
	server := &http.Server{Handler: e}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	w.t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return e
}

func TestPushPubSub(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.send()
		e := w.endpoint("push.test", 500, 203) // neither takes it
		require.NoError(t, w.server.PushPubSub("http://push.test/pubsub?a=b"))
		w.pubsubChannel(nil)
		published := time.Now()
		require.NoError(t, w.recipient(m).Open(t.Context()))
		w.wait()
		require.Len(t, e.got, 3)
		assert.Equal(t, 30*time.Second, time.Since(published))
		assert.Equal(t, http.MethodPost, e.got[0].Method)
		assert.Equal(t, "/pubsub?a=b", e.got[0].RequestURI)
		assert.Equal(t, "application/json", e.got[0].Header.Get("Content-Type"))
		assert.Equal(t, e.bodies[0], e.bodies[2])
		var push struct {
			Message      object `json:"message"`
			Subscription string `json:"subscription"`
		}
		require.NoError(t, json.Unmarshal(e.bodies[0], &push))
		assert.Equal(t, "projects/acme/subscriptions/nylas", push.Subscription)
		assert.Equal(t, []string{"attributes", "data", "messageId", "message_id", "publishTime", "publish_time"}, keys(push.Message))
		assert.Equal(t, object{"trigger_type": "message.opened"}, push.Message["attributes"])
		assert.Equal(t, published.UTC().Format(time.RFC3339Nano), push.Message["publishTime"])
		assert.NotEmpty(t, push.Message["messageId"])
		data, err := base64.StdEncoding.DecodeString(push.Message["data"].(string))
		require.NoError(t, err)
		requireOpened(t, data, m)
	})
}

func TestPushSNS(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.send()
		w.snsChannel(nil)
		e := w.endpoint("push.test", 302, 199+100) // 299 takes it
		require.NoError(t, w.server.PushSNS("http://push.test/sns"))
		require.NoError(t, w.recipient(m).Open(t.Context()))
		w.wait()
		require.Len(t, e.got, 2)
		header := e.got[0].Header
		assert.Equal(t, "Notification", header.Get("x-amz-sns-message-type"))
		assert.Equal(t, snsTopic, header.Get("x-amz-sns-topic-arn"))
		assert.Equal(t, "text/plain; charset=UTF-8", header.Get("Content-Type"))
		var envelope object
		require.NoError(t, json.Unmarshal(e.bodies[0], &envelope))
		assert.Equal(t, header.Get("x-amz-sns-message-id"), envelope["MessageId"])
		requireOpened(t, []byte(envelope["Message"].(string)), m)
	})
}

// TestPushRefuses: the server reaches nobody outside this machine.
func TestPushRefuses(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t)
	for _, url := range []string{"", "/push", "ftp://127.0.0.1/", "http://203.0.113.7/secret-token", "http://"} {
		for what, err := range map[string]error{"push Pub/Sub messages": server.PushPubSub(url), "push SNS messages": server.PushSNS(url)} {
			require.EqualError(t, err, "nylastest: "+what+": the URL must be an absolute http or https URL, of a loopback host unless WithNetwork is used")
		}
	}
	require.NoError(t, server.PushPubSub("http://127.0.0.1:9/"))
	require.NoError(t, server.PushSNS("http://localhost:9/"))
}

// TestConsumersEndWithTheServer: Close does not wait for messages that nobody takes.
func TestConsumersEndWithTheServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var ended []error
		w.server.ConsumePubSub(func(ctx context.Context, _ nylastest.PubSubMessage) error {
			<-ctx.Done()
			ended = append(ended, ctx.Err())
			return ctx.Err()
		})
		w.pubsubChannel(nil)
		require.NoError(t, w.recipient(w.send()).Open(t.Context()))
		synctest.Wait()
		begin := time.Now()
		require.NoError(t, w.server.Close())
		assert.Equal(t, begin, time.Now())
		assert.True(t, slices.Contains(ended, context.Canceled))
	})
}
