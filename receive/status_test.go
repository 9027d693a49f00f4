package receive_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/receive"
)

// statusRow is a case of the table of answers.
type statusRow struct {
	in      incoming
	handler receive.Handler      // nil means one that takes everything
	source  receive.SecretSource // nil for one that knows receiverSecret
	want    int
	text    string // of an answer of 200
	handled int64
	tried   int           // how often it is sent; 0 means once
	after   time.Duration // until the answer
}

// statusTable has each row of the contract that takes one connection at a
// time. What came too slowly or not whole, and overload, have tests below.
func statusTable() map[string]statusRow {
	body := openedBody("n-1")
	compressed := gzipped(body)
	signature := hmacHex(receiverSecret, body)
	table := map[string]statusRow{
		"200 custody taken":           {in: signed(body), want: 200, handled: 1},
		"200 taken, no length":        {in: signed(body).declaring(-1), want: 200, handled: 1},
		"200 taken, compressed":       {in: signed(compressed).with("Content-Encoding", "gzip"), want: 200, handled: 1},
		"200 duplicate":               {in: signed(body), handler: receive.DropDuplicates(outcome(nil), 1), tried: 2, want: 200, handled: 2},
		"200 permanent error":         {in: signed(body), handler: outcome(receive.Permanent(errors.New("no account"))), want: 200, handled: 1},
		"200 wrapped permanent error": {in: signed(body), handler: outcome(fmt.Errorf("store: %w", receive.Permanent(errors.New("no account")))), want: 200, handled: 1},
		"200 bad gzip":                {in: signed(body).with("Content-Encoding", "gzip"), want: 200, handled: 1},
		"200 too big when inflated":   {in: signed(gzipOverLimit()).with("Content-Encoding", "gzip"), want: 200, handled: 1},
		"200 not JSON":                {in: signed([]byte("no JSON")), want: 200, handled: 1},
		"200 empty":                   {in: signed(nil), want: 200, handled: 1},
		"200 empty, no length":        {in: signed(nil).declaring(-1), want: 200, handled: 1},
		"200 undecodable, dispatcher": {in: signed([]byte("{}")), handler: &receive.Dispatcher{}, want: 200, handled: 1},
		"200 exactly the limit":       {in: signed(padded("n-1", wireLimit)), want: 200, handled: 1},
		"200 the limit, no length":    {in: signed(padded("n-1", wireLimit)).declaring(-1), want: 200, handled: 1},
		"200 upper-case signature":    {in: posted(body).with(receive.SignatureHeader, strings.ToUpper(signature)), want: 200, handled: 1},

		"200 challenge":              {in: asked("GET", "challenge=abc"), want: 200, text: "abc"},
		"200 challenge, no secret":   {in: asked("GET", "challenge=abc"), source: noSecret(), want: 200, text: "abc"},
		"400 no challenge":           {in: asked("GET", ""), want: 400},
		"400 two challenges":         {in: asked("GET", "challenge=a&challenge=b"), want: 400},
		"400 too long a challenge":   {in: asked("GET", "challenge="+strings.Repeat("a", 1025)), want: 400},
		"400 no challenge or secret": {in: asked("GET", ""), source: noSecret(), want: 400},

		"401 no signature":         {in: posted(body), want: 401},
		"401 two signatures":       {in: posted(body).with(receive.SignatureHeader, signature, signature), want: 401},
		"401 not 64 digits":        {in: posted(body).with(receive.SignatureHeader, signature[1:]), want: 401},
		"401 no digits":            {in: posted(body).with(receive.SignatureHeader, "g"+signature[1:]), want: 401},
		"401 wrong":                {in: posted(body).with(receive.SignatureHeader, strings.Repeat("0", 64)), want: 401},
		"401 wrong, no length":     {in: posted(body).with(receive.SignatureHeader, strings.Repeat("0", 64)).declaring(-1), want: 401},
		"401 misshapen, no secret": {in: posted(body), source: noSecret(), want: 401},

		"503 no secret yet":        {in: signed(body), source: noSecret(), want: 503},
		"503 while creating":       {in: forged(body), source: loading(receive.SecretState{Busy: receive.BusyCreate}), want: 503},
		"503 while rotating":       {in: forged(body), source: loading(rotating(receiverSecret)), want: 503},
		"503 after a rotation":     {in: forged(body), source: loading(unsure(receiverSecret)), want: 503},
		"503 source fails":         {in: forged(body), source: failingSource(), want: 503},
		"200 while rotating":       {in: signed(body), source: loading(rotating(receiverSecret)), want: 200, handled: 1},
		"200 after a rotation":     {in: signed(body), source: loading(unsure(receiverSecret)), want: 200, handled: 1},
		"401 unknown to the store": {in: forged(body), source: loading(stateOf(receiverSecret)), want: 401},

		"413 declared":                      {in: signed(padded("n-1", wireLimit+1)), want: 413},
		"413 declared, without a signature": {in: posted(padded("n-1", wireLimit+1)), want: 413},
		"413 no length":                     {in: signed(padded("n-1", wireLimit+1)).declaring(-1), want: 413},

		"503 handler error": {in: signed(body), handler: outcome(errors.New("disk full")), want: 503, handled: 1},
		"503 handler late":  {in: signed(body), handler: receive.HandlerFunc(untilEnd), want: 503, handled: 1, after: 5 * time.Second},
		"503 handler panic": {in: signed(body), handler: receive.HandlerFunc(func(context.Context, *receive.Delivery) error { panic("lost") }), want: 503, handled: 1},
		"503 handler abort": {in: signed(body), handler: receive.HandlerFunc(func(context.Context, *receive.Delivery) error { panic(http.ErrAbortHandler) }), want: 503, handled: 1},
		"503 handler exit": {in: signed(body), handler: receive.HandlerFunc(func(context.Context, *receive.Delivery) error {
			runtime.Goexit()
			return nil
		}), want: 503, handled: 1},
	}
	for _, method := range []string{"PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY", "post"} {
		table["405 "+method] = statusRow{in: asked(method, "challenge=abc"), want: 405}
	}
	withBody := signed(body)
	withBody.method = "PUT"
	table["405 PUT with a signed body"] = statusRow{in: withBody, want: 405}
	return table
}

// forged is a POST that is signed with another secret.
func forged(body []byte) incoming {
	return posted(body).with(receive.SignatureHeader, hmacHex("another", body))
}

func loading(state receive.SecretState) receive.SecretSource {
	return sourceFunc(func(context.Context) (receive.SecretState, error) { return state, nil })
}

// noSecret is a source before the webhook is created.
func noSecret() receive.SecretSource { return loading(receive.SecretState{}) }

func failingSource() receive.SecretSource {
	return sourceFunc(func(context.Context) (receive.SecretState, error) {
		return receive.SecretState{}, errors.New("no database")
	})
}

// untilEnd is a handler that takes until its context ends.
func untilEnd(ctx context.Context, _ *receive.Delivery) error {
	<-ctx.Done()
	return ctx.Err()
}

func (row statusRow) receiver(tb testing.TB, handled *atomic.Int64, logged *receiverLog, opts ...receive.Option) *receive.Receiver {
	tb.Helper()
	handler := row.handler
	if handler == nil {
		handler = outcome(nil)
	}
	secrets := receive.Secret(receiverSecret)
	if row.source != nil {
		secrets = row.source
	}
	receiver, err := receive.New(counted(handled, handler), secrets, append(opts, logged.option())...)
	require.NoError(tb, err)
	return receiver
}

func (row statusRow) check(tb testing.TB, serve func() receiverAnswer, handled *atomic.Int64, logged *receiverLog) {
	tb.Helper()
	text := row.text
	if text == "" {
		text = statusLine(row.want)
	}
	for range max(row.tried, 1) {
		start := time.Now()
		got := serve()
		requireAnswer(tb, row.want, text, got)
		assert.Equal(tb, row.after, time.Since(start))
		requireNothingLeaked(tb, row.in.body, got.text, fmt.Sprint(got.header), logged.String())
	}
	assert.Equal(tb, row.handled, handled.Load())
}

func TestReceiverAnswers(t *testing.T) {
	t.Parallel()
	for name, row := range statusTable() {
		t.Run(name+"/recorder", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var handled atomic.Int64
				var logged receiverLog
				receiver := row.receiver(t, &handled, &logged)
				row.check(t, func() receiverAnswer { return recorded(receiver, row.in) }, &handled, &logged)
			})
		})
		t.Run(name+"/connection", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var handled atomic.Int64
				var logged receiverLog
				server := servePipes(t, row.receiver(t, &handled, &logged))
				// Each on a connection of its own: a refusal may close it.
				row.check(t, func() receiverAnswer { return server.dial(t).roundTrip(t, row.in) }, &handled, &logged)
			})
		})
	}
}

// A body that stops short is 408, whether the sender says so or not.
func TestReceiverAnswersBodyCutOff(t *testing.T) {
	t.Parallel()
	body := openedBody("n-1")
	tests := map[string]incoming{
		"one byte short": signed(body).declaring(int64(len(body) + 1)),
		"nothing came":   signed(nil).declaring(1),
		"far too short":  signed(body).declaring(wireLimit),
	}
	for name, in := range tests {
		t.Run(name+"/recorder", func(t *testing.T) {
			t.Parallel()
			var handled atomic.Int64
			var logged receiverLog
			receiver := newReceiver(t, counted(&handled, outcome(nil)), logged.option())
			requireAnswer(t, http.StatusRequestTimeout, statusLine(408), recorded(receiver, in))
			assert.Zero(t, handled.Load())
			require.Len(t, logged.records(t), 1)
			assert.Equal(t, "it was cut off", logged.records(t)[0]["exception.message"])
		})
		t.Run(name+"/loopback", func(t *testing.T) {
			t.Parallel()
			var handled atomic.Int64
			server := httptest.NewServer(newReceiver(t, counted(&handled, outcome(nil))))
			defer server.Close()
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			require.NoError(t, err)
			defer func() { assert.NoError(t, conn.Close()) }()
			_, err = conn.Write(in.wire())
			require.NoError(t, err)
			require.NoError(t, conn.(*net.TCPConn).CloseWrite())
			requireAnswer(t, http.StatusRequestTimeout, statusLine(408), newWireClient(conn).answer(t, in.method))
			assert.Zero(t, handled.Load())
		})
	}
	t.Run("in a chunk", func(t *testing.T) {
		t.Parallel()
		receiver := newReceiver(t, outcome(nil))
		req := signed(body).declaring(-1).request()
		req.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failing{io.ErrUnexpectedEOF}))
		requireAnswer(t, http.StatusRequestTimeout, statusLine(408), recordedRequest(receiver, req))
	})
}

// failing is a body that fails.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// The addresses in an error of the network stay out of the log.
func TestReceiverLogsNoAddresses(t *testing.T) {
	t.Parallel()
	body := openedBody("n-1")
	var logged receiverLog
	receiver := newReceiver(t, outcome(nil), logged.option())
	req := signed(body).request()
	req.Body = io.NopCloser(failing{&net.OpError{
		Op: "read", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 77), Port: 7777}, Err: errors.New("reset by " + bodyMarker),
	}})
	requireAnswer(t, http.StatusRequestTimeout, statusLine(408), recordedRequest(receiver, req))
	assert.NotContains(t, logged.String(), "192.0.2.77")
	assert.Contains(t, logged.String(), "*net.OpError")
	requireNothingLeaked(t, body, logged.String())
}

// A body may take three seconds, however it is sent and whatever becomes of
// it. The answer is there then, though net/http likes to read on.
func TestReceiverAnswersSlowBody(t *testing.T) {
	t.Parallel()
	body := openedBody("n-1")
	misshapen := posted(body).with(receive.SignatureHeader, "sha256=")
	tests := map[string]struct {
		in     incoming
		source receive.SecretSource
		every  time.Duration // a byte is sent; 0 means none is sent
		want   int
		reason string
	}{
		"stalled":             {in: signed(body), want: 408, reason: "body could not be read"},
		"stalled, no length":  {in: signed(body).declaring(-1), want: 408, reason: "body could not be read"},
		"stalled, no secret":  {in: signed(body), source: noSecret(), want: 408, reason: "body could not be read"},
		"dripping":            {in: signed(body), every: 100 * time.Millisecond, want: 408, reason: "body could not be read"},
		"misshapen, stalled":  {in: misshapen, want: 401, reason: "signature has the wrong form"},
		"misshapen, dripping": {in: misshapen, every: 100 * time.Millisecond, want: 401, reason: "signature has the wrong form"},
		"misshapen, no length": {
			in: misshapen.declaring(-1), every: 100 * time.Millisecond, want: 401, reason: "signature has the wrong form",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var handled atomic.Int64
				var logged receiverLog
				row := statusRow{source: test.source}
				client := servePipes(t, row.receiver(t, &handled, &logged)).dial(t)
				start := time.Now()
				var sending sync.WaitGroup
				defer sending.Wait()
				sending.Go(func() {
					_, err := client.Write(test.in.head())
					rest := test.in.wire()[len(test.in.head()):]
					for test.every > 0 && err == nil && len(rest) > 0 {
						<-time.After(test.every)
						_, err = client.Write(rest[:1])
						rest = rest[1:]
					}
				})
				requireAnswer(t, test.want, statusLine(test.want), client.answer(t, test.in.method))
				assert.LessOrEqual(t, time.Since(start), 3*time.Second)
				if test.want == http.StatusRequestTimeout {
					assert.Equal(t, 3*time.Second, time.Since(start))
				}
				assert.Zero(t, handled.Load())
				records := logged.records(t)
				require.Len(t, records, 1)
				assert.Equal(t, test.reason, records[0]["nylas.reason"])
				if test.want == http.StatusRequestTimeout {
					assert.Equal(t, "it did not arrive in time", records[0]["exception.message"])
				}

				// What the sender left half said is not the start of a request.
				_, err := client.answers.ReadByte()
				require.ErrorIs(t, err, io.EOF)
				assert.NoError(t, client.Close())
			})
		})
	}
}

// A body that is there in time may come slowly.
func TestReceiverTakesBodyWithinTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in := signed(openedBody("n-1"))
		client := servePipes(t, newReceiver(t, outcome(nil))).dial(t)
		go func() {
			_, _ = client.Write(in.head())
			<-time.After(3*time.Second - time.Millisecond)
			_, _ = client.Write(in.body)
		}()
		requireAnswer(t, http.StatusOK, "", client.answer(t, in.method))
	})
}

// The deadline for a body ends with it: neither the request nor the
// connection has one afterwards.
func TestReceiverLeavesTheConnectionUsable(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]incoming{
		"declared":       signed(openedBody("n-1")),
		"chunked":        signed(openedBody("n-1")).declaring(-1),
		"empty":          signed(nil),
		"empty, chunked": signed(nil).declaring(-1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var handled atomic.Int64
				receiver := newReceiver(t, counted(&handled, receive.HandlerFunc(func(context.Context, *receive.Delivery) error {
					<-time.After(4 * time.Second) // past the deadline for the body
					return nil
				})))
				client := servePipes(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					receiver.ServeHTTP(w, req)
					assert.NoError(t, req.Context().Err(), "the deadline went on")
				})).dial(t)
				for range 3 {
					requireAnswer(t, http.StatusOK, "", client.roundTrip(t, in))
					<-time.After(time.Minute)
				}
				assert.EqualValues(t, 3, handled.Load())
				// A refusal whose body was read is no reason to hang up either.
				requireAnswer(t, http.StatusUnauthorized, statusLine(401), client.roundTrip(t, posted(in.body)))
				<-time.After(time.Minute)
				requireAnswer(t, http.StatusOK, "", client.roundTrip(t, in))
			})
		})
	}
}

// deadlineWriter is a ResponseWriter that can set a deadline, or says why not.
type deadlineWriter struct {
	*httptest.ResponseRecorder
	err       error
	deadlines []time.Time
}

func (w *deadlineWriter) SetReadDeadline(deadline time.Time) error {
	w.deadlines = append(w.deadlines, deadline)
	return w.err
}

func TestReceiverSetsReadDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		receiver := newReceiver(t, outcome(nil))
		w := &deadlineWriter{ResponseRecorder: httptest.NewRecorder()}
		receiver.ServeHTTP(w, signed(openedBody("n-1")).request())
		assert.Equal(t, http.StatusOK, w.Code)
		require.Len(t, w.deadlines, 2)
		assert.Equal(t, 3*time.Second, time.Until(w.deadlines[0]))
		assert.Zero(t, w.deadlines[1])
	})
}

// A connection that is gone cannot be given a deadline, nor read.
func TestReceiverAnswersBrokenConnection(t *testing.T) {
	t.Parallel()
	var handled atomic.Int64
	receiver := newReceiver(t, counted(&handled, outcome(nil)))
	for name, test := range map[string]struct {
		err  error
		want int
	}{
		"gone":          {net.ErrClosed, http.StatusRequestTimeout},
		"not supported": {fmt.Errorf("wrapper: %w", http.ErrNotSupported), http.StatusOK},
	} {
		w := &deadlineWriter{ResponseRecorder: httptest.NewRecorder(), err: test.err}
		receiver.ServeHTTP(w, signed(openedBody("n-1")).request())
		assert.Equal(t, test.want, w.Code, name)
	}
	assert.EqualValues(t, 1, handled.Load())
}

// unreadable is a body that must not be read.
type unreadable struct{ tb testing.TB }

func (u unreadable) Read([]byte) (int, error) {
	u.tb.Error("the body was read")
	return 0, io.EOF
}

func (unreadable) Close() error { return nil }

// What is refused by its header alone costs nothing.
func TestReceiverRefusesBeforeReading(t *testing.T) {
	t.Parallel()
	body := openedBody("n-1")
	tests := map[string]struct {
		in   incoming
		want int
	}{
		"declared too big":             {signed(body).declaring(wireLimit + 1), 413},
		"declared far too big":         {signed(body).declaring(1 << 62), 413},
		"no signature":                 {posted(body), 401},
		"no signature, no length":      {posted(body).declaring(-1), 401},
		"other method":                 {incoming{method: "PUT", target: "/", header: signed(body).header, length: 1}, 405},
		"challenge with a body":        {incoming{method: "GET", target: "/?challenge=a", length: 1}, 200},
		"missing challenge and a body": {incoming{method: "GET", target: "/", length: 1}, 400},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := test.in.request()
			req.Body = unreadable{t}
			got := recordedRequest(newReceiver(t, outcome(nil)), req)
			assert.Equal(t, test.want, got.status)
		})
	}
}

// A sender that asks first is not told to go on with what is refused.
func TestReceiverAnswersExpectContinue(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in   incoming
		want int
	}{
		"no signature": {posted(openedBody("n-1")), 401},
		"too big":      {signed(padded("n-1", wireLimit+1)), 413},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client := servePipes(t, newReceiver(t, outcome(nil))).dial(t)
				client.send(test.in.with("Expect", "100-continue").head())
				requireAnswer(t, test.want, statusLine(test.want), client.answer(t, test.in.method))
			})
		})
	}
	t.Run("taken", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			in := signed(openedBody("n-1")).with("Expect", "100-continue")
			client := servePipes(t, newReceiver(t, outcome(nil))).dial(t)
			client.send(in.head())
			line, err := client.answers.ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "HTTP/1.1 100 Continue\r\n", line)
			_, err = client.answers.ReadString('\n')
			require.NoError(t, err)
			client.send(in.body)
			requireAnswer(t, http.StatusOK, "", client.answer(t, in.method))
		})
	})
}

// The bytes on the wire, on a socket of the operating system.
func TestReceiverOnLoopback(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newReceiver(t, outcome(nil)))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer func() { assert.NoError(t, conn.Close()) }()
	body := openedBody("n-1")
	answers := bufio.NewReader(conn)
	text := []string{"Content-Type: text/plain; charset=utf-8", "X-Content-Type-Options: nosniff"}
	for _, exchange := range []struct {
		in   incoming
		want []string
		text string
	}{
		{asked("GET", "challenge=a%22b"), append([]string{"HTTP/1.1 200 OK", "Content-Length: 3"}, text...), `a"b`},
		{asked("HEAD", "challenge=a%22b"), append([]string{"HTTP/1.1 200 OK", "Content-Length: 3"}, text...), ""},
		{signed(body), []string{"HTTP/1.1 200 OK", "Content-Length: 0"}, ""},
		{posted(body), append([]string{"HTTP/1.1 401 Unauthorized", "Content-Length: 13"}, text...), "Unauthorized\n"},
	} {
		_, err := conn.Write(exchange.in.wire())
		require.NoError(t, err)
		var lines []string
		for {
			line, err := answers.ReadString('\n')
			require.NoError(t, err)
			if line == "\r\n" {
				break
			}
			if !strings.HasPrefix(line, "Date: ") {
				lines = append(lines, strings.TrimSuffix(line, "\r\n"))
			}
		}
		assert.ElementsMatch(t, exchange.want, lines)
		text := make([]byte, len(exchange.text))
		_, err = io.ReadFull(answers, text)
		require.NoError(t, err)
		assert.Equal(t, exchange.text, string(text))
	}
}
