package receive_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

// hardened is the server that the documentation of Receiver asks for.
func hardened(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 2 * time.Second,
		ReadTimeout:       5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}

// fault is what arrives on a connection, and the answers to it. Those of net/http,
// which no handler sees, are among them.
type fault struct {
	raw     []byte
	answers []int
	handled int // how many deliveries reached the handler
	err     bool
}

func taken(in incoming) fault { return fault{raw: in.wire(), answers: []int{200}, handled: 1} }
func damaged(in incoming) fault {
	return fault{raw: in.wire(), answers: []int{200}, handled: 1, err: true}
}

func refused(in incoming, status int) fault {
	return fault{raw: in.wire(), answers: []int{status}}
}

// headed puts lines into the header of a request on the wire.
func headed(raw []byte, lines string) []byte {
	return bytes.Replace(raw, []byte("\r\n"), []byte("\r\n"+lines), 1)
}

// framingFaults are about where a request ends.
func framingFaults() map[string]fault {
	body := openedBody("n-1")
	in := signed(body)
	length := fmt.Sprintf("Content-Length: %d\r\n", len(body))
	chunked := in.declaring(-1).wire()
	return map[string]fault{
		"body shorter than its length":        {raw: in.declaring(int64(len(body) + 1)).wire(), answers: []int{408}},
		"body longer than its length":         {raw: append(in.wire(), " and more\r\n\r\n"...), answers: []int{200, 400}, handled: 1},
		"length given twice":                  {raw: headed(in.wire(), length), answers: []int{200}, handled: 1},
		"two lengths":                         {raw: headed(in.wire(), "Content-Length: 1\r\n"), answers: []int{400}},
		"negative length":                     {raw: in.declaring(0).with("Content-Length", "-1").wire(), answers: []int{400}},
		"chunked and a length":                {raw: headed(chunked, "Content-Length: 1\r\n"), answers: []int{200}, handled: 1},
		"chunked, over the limit":             {raw: signed(padded("n-1", wireLimit+1)).declaring(-1).wire(), answers: []int{413}},
		"expecting 100, over the limit":       {raw: signed(padded("n-1", wireLimit+1)).with("Expect", "100-continue").head(), answers: []int{413}},
		"expecting 100, no signature":         {raw: posted(body).with("Expect", "100-continue").head(), answers: []int{401}},
		"header of 2 MB":                      {raw: in.with("X-Long", strings.Repeat("x", 2<<20)).wire(), answers: []int{431}},
		"NUL in a header":                     {raw: in.with("X-Odd", "a\x00b").wire(), answers: []int{400}},
		"bare line feeds":                     {raw: append(bytes.ReplaceAll(in.head(), []byte("\r\n"), []byte("\n")), body...), answers: []int{200}, handled: 1},
		"HTTP/1.0":                            {raw: bytes.Replace(in.wire(), []byte("HTTP/1.1"), []byte("HTTP/1.0"), 1), answers: []int{200}, handled: 1},
		"two deliveries in one write":         {raw: append(in.wire(), in.wire()...), answers: []int{200, 200}, handled: 2},
		"delivery after one that was refused": {raw: append(posted(nil).wire(), in.wire()...), answers: []int{401, 200}, handled: 1},
	}
}

func signatureFaults() map[string]fault {
	body := openedBody("n-1")
	signature := hmacHex(receiverSecret, body)
	raw, _ := hex.DecodeString(signature)
	with := func(values ...string) incoming { return posted(body).with(receive.SignatureHeader, values...) }
	over := func(other []byte) incoming { return with(hmacHex(receiverSecret, other)) }
	faults := map[string]fault{
		"no signature":                       refused(posted(body), 401),
		"two signature headers":              refused(with(signature, signature), 401),
		"upper-case signature":               taken(with(strings.ToUpper(signature))),
		"signed with an empty secret":        refused(with(hmacHex("", body)), 401),
		"signed with another secret":         refused(with(hmacHex("other", body)), 401),
		"signed with a trailing line feed":   refused(over(append(bytes.Clone(body), '\n')), 401),
		"signed before it was indented":      refused(over(indented(body)), 401),
		"signed before it was compressed":    refused(signed(body).withBody(gzipped(body)).with("Content-Encoding", "gzip"), 401),
		"inflated on the way, header kept":   refused(signed(gzipped(body)).withBody(body).with("Content-Encoding", "gzip"), 401),
		"exactly the limit":                  taken(signed(padded("n-1", wireLimit))),
		"one byte over the limit":            refused(signed(padded("n-1", wireLimit+1)), 413),
		"signed and empty":                   damaged(signed(nil)),
		"signature in the query, none above": refused(incoming{"POST", "/?" + receive.SignatureHeader + "=" + signature, http.Header{}, body, int64(len(body))}, 401),
	}
	for name, value := range map[string]string{
		"empty": "", "of 63 digits": signature[1:], "of 65 digits": signature + "0", "not hexadecimal": "g" + signature[1:],
		"with a prefix": "sha256=" + signature, "in base64": base64.StdEncoding.EncodeToString(raw),
	} {
		faults["signature "+name] = refused(with(value), 401)
	}
	return faults
}

// withBody sends another body under the same header.
func (in incoming) withBody(body []byte) incoming {
	in.body, in.length = body, int64(len(body))
	return in
}

func indented(body []byte) []byte {
	var out bytes.Buffer
	if err := json.Indent(&out, body, "", " "); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// contentFaults are signed by Nylas, so none is lost, whatever it is.
func contentFaults() map[string]fault {
	faults := make(map[string]fault)
	for name, test := range undecodableDeliveries() {
		in := signed(test.body)
		if test.encoding != "" {
			in = in.with("Content-Encoding", test.encoding)
		}
		faults[name] = damaged(in)
	}
	const open, end = `{"specversion":"1.0","id":"n-1","type":"message.opened",`, `}`
	for name, member := range map[string]string{
		"time 1e400":             `"time":1e400`,
		"time of 20 digits":      `"time":16954805671695480567`,
		"time 1695480567.0":      `"time":1695480567.0`,
		"time 1e3":               `"time":1e3`,
		"time in a string":       `"time":"1695480567"`,
		"time 0":                 `"time":0`,
		"time negative":          `"time":-1`,
		"time in 10 years":       `"time":` + fmt.Sprint(time.Now().AddDate(10, 0, 0).Unix()),
		"time 10 years ago":      `"time":` + fmt.Sprint(time.Now().AddDate(-10, 0, 0).Unix()),
		"big number":             `"data":{"object":{"count":9007199254740993}}`,
		"recents null":           `"data":{"object":{"recents":null}}`,
		"recents missing":        `"data":{"object":{}}`,
		"recents of 10,000":      `"data":{"object":{"recents":[` + strings.Repeat(`{},`, 9999) + `{}]}}`,
		"nested 10,001 deep":     `"data":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001),
		"lone surrogate":         `"data":{"object":{"label":"\ud800"}}`,
		"invalid UTF-8":          "\"data\":{\"object\":{\"label\":\"\xff\"}}",
		"ID beside id":           `"ID":"n-2"`,
		"trailing garbage":       `"data":{}} garbage {`,
		"two documents":          `"data":{}}{"id":"n-2"`,
		"attempt that is a text": `"webhook_delivery_attempt":"one"`,
	} {
		faults[name] = taken(signed([]byte(open + member + end)))
	}
	for _, suffix := range []string{".legacy", ".truncated", ".transformed", ".cleaned.truncated", ".a_new_one"} {
		faults["trigger with "+suffix] = taken(signed([]byte(`{"id":"n-1","type":"message.opened` + suffix + `","data":{}}`)))
	}
	faults["id given twice"] = damaged(signed([]byte(`{"id":"n-1","id":"n-2","data":{}}`)))
	faults["id with a lone surrogate"] = damaged(signed([]byte(`{"id":"\ud800","type":"t"}`)))
	faults["id in invalid UTF-8"] = damaged(signed([]byte("{\"id\":\"\xff\",\"type\":\"t\"}")))
	return faults
}

func methodFaults() map[string]fault {
	faults := map[string]fault{
		"challenge missing":    refused(asked("GET", ""), 400),
		"challenge empty":      refused(asked("GET", "challenge="), 400),
		"challenge of 10 kB":   refused(asked("GET", "challenge="+strings.Repeat("a", 10<<10)), 400),
		"challenge repeated":   refused(asked("GET", "challenge=a&challenge=a"), 400),
		"challenge that is js": refused(asked("GET", "challenge=%3Cscript%3E"), 200),
		"challenge by HEAD":    refused(asked("HEAD", "challenge=a"), 200),
		"challenge by POST":    refused(asked("POST", "challenge=a"), 401),
	}
	for _, method := range []string{"PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"} {
		faults["method "+method] = refused(asked(method, ""), 405)
	}
	return faults
}

// TestFaults sends what must not hurt over sockets to the server of the
// documentation. Faults of time, of the handler, of load and of shutting down have
// tests of their own.
func TestFaults(t *testing.T) {
	t.Parallel()
	for kind, faults := range map[string]map[string]fault{
		"framing": framingFaults(), "signature": signatureFaults(), "content": contentFaults(), "method": methodFaults(),
	} {
		for name, fault := range faults {
			t.Run(kind+"/"+name, func(t *testing.T) {
				t.Parallel()
				var kept keeping
				var logged receiverLog
				server := httptest.NewUnstartedServer(nil)
				server.Config = hardened(newReceiver(t, &kept, logged.option()))
				server.Start()
				defer server.Close()
				conn, err := net.Dial("tcp", server.Listener.Addr().String())
				require.NoError(t, err)
				defer func() { assert.NoError(t, conn.Close()) }()
				go func() { // an answer may come before all is written
					_, _ = conn.Write(fault.raw)
					_ = conn.(*net.TCPConn).CloseWrite()
				}()
				client := newWireClient(conn)
				method, _, _ := strings.Cut(string(fault.raw), " ")
				for _, want := range fault.answers {
					require.Equal(t, want, client.answer(t, method).status)
				}
				require.Len(t, kept.deliveries(), fault.handled)
				for _, d := range kept.deliveries() {
					assert.Equal(t, fault.err, d.Err != nil, "%v", d.Err)
					assert.NotEmpty(t, d.ID)
				}
				requireNothingLeaked(t, nil, logged.String())
			})
		}
	}
}

// A header that comes too slowly, or never, ends the connection in the time that
// the answer to a whole one needs too.
func TestFaultSlowHeader(t *testing.T) {
	t.Parallel()
	for name, every := range map[string]time.Duration{"stalled": 0, "dripping": 500 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				listener, stop := serveOnNetwork(t, hardened(newReceiver(t, outcome(nil))))
				defer stop()
				conn, err := listener.DialContext(t.Context(), "", "receiver.test")
				require.NoError(t, err)
				start := time.Now()
				head := signed(openedBody("n-1")).head()
				_, err = conn.Write(head[:20])
				require.NoError(t, err)
				var dripping sync.WaitGroup
				defer dripping.Wait()
				if every > 0 {
					dripping.Go(func() {
						for _, b := range head[20:] {
							<-time.After(every)
							if _, err := conn.Write([]byte{b}); err != nil {
								return
							}
						}
					})
				}
				_, err = io.Copy(io.Discard, conn)
				assert.Condition(t, func() bool { return err == nil || errors.Is(err, io.ErrClosedPipe) })
				assert.LessOrEqual(t, time.Since(start), 3*time.Second)
				require.NoError(t, conn.Close())
			})
		})
	}
}

// serveOnNetwork runs a server in memory. stop ends it at once.
func serveOnNetwork(t *testing.T, server *http.Server) (network *nylastest.Network, stop func()) {
	t.Helper()
	network = nylastest.NewNetwork()
	listener, err := network.Listen("receiver.test")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	return network, func() {
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-served, http.ErrServerClosed)
		synctest.Wait()
	}
}

// Nothing that was accepted is lost when the server is shut down, wherever it is:
// Shutdown waits, and the sender gets its answer. What comes later is not
// accepted.
func TestFaultShutdown(t *testing.T) {
	t.Parallel()
	for _, while := range []string{"reading", "asking the source", "handling", "a closed store"} {
		t.Run(while, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				slowly := func(when string) {
					if while == when {
						<-time.After(time.Second)
					}
				}
				var stored atomic.Int64
				receiver, err := receive.New(receive.HandlerFunc(func(ctx context.Context, _ *receive.Delivery) error {
					slowly("handling")
					if while == "a closed store" {
						return errors.New("store is closed")
					}
					if ctx.Err() == nil {
						stored.Add(1)
					}
					return ctx.Err()
				}), sourceFunc(func(context.Context) (receive.SecretState, error) {
					slowly("asking the source")
					return stateOf(receiverSecret), nil
				}))
				require.NoError(t, err)
				server := hardened(receiver)
				network, stop := serveOnNetwork(t, server)
				defer stop()
				dial := func() *wireClient {
					conn, err := network.DialContext(t.Context(), "", "receiver.test")
					require.NoError(t, err)
					return newWireClient(conn)
				}
				client, idle := dial(), dial()
				defer func() { assert.NoError(t, errors.Join(client.Close(), idle.Close())) }()
				assert.Equal(t, http.StatusOK, idle.roundTrip(t, asked("GET", "challenge=a")).status)

				in := signed(openedBody("n-1"))
				go func() {
					_, _ = client.Write(in.head())
					slowly("reading")
					_, _ = client.Write(in.body)
				}()
				var shutting sync.WaitGroup
				if while == "a closed store" {
					requireAnswer(t, http.StatusServiceUnavailable, statusLine(503), client.answer(t, "POST"))
				}
				synctest.Wait()
				shutting.Go(func() { assert.NoError(t, server.Shutdown(t.Context())) })
				synctest.Wait()
				_, err = network.DialContext(t.Context(), "", "receiver.test")
				require.Error(t, err, "nothing new is accepted")
				_, err = idle.answers.ReadByte()
				require.ErrorIs(t, err, io.EOF)
				if while != "a closed store" {
					requireAnswer(t, http.StatusOK, "", client.answer(t, "POST"))
					assert.EqualValues(t, 1, stored.Load())
				}
				shutting.Wait()
			})
		})
	}
}

// The same delivery again is a duplicate after any time, in any number; another
// attempt has another body and the same id.
func TestFaultReplay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var handled atomic.Int64
		receiver := newReceiver(t, receive.DropDuplicates(counted(&handled, outcome(nil)), 10))
		for _, pause := range []time.Duration{0, time.Minute, time.Hour, 72 * time.Hour} {
			<-time.After(pause)
			for attempt := range 3 {
				body := bytes.Replace(openedBody("n-1"), []byte(`"webhook_delivery_attempt":1`),
					fmt.Appendf(nil, `"webhook_delivery_attempt":%d`, attempt+1), 1)
				requireAnswer(t, http.StatusOK, "", recorded(receiver, signed(body)))
			}
		}
		assert.EqualValues(t, 1, handled.Load())
	})
}

// HTTP/2 has other bodies, deadlines and answers, and the same contract.
func TestFaultHTTP2(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var protocols http.Protocols
		protocols.SetUnencryptedHTTP2(true)
		server := hardened(newReceiver(t, receive.HandlerFunc(func(ctx context.Context, _ *receive.Delivery) error {
			<-time.After(4 * time.Second) // past the deadline for the body
			return ctx.Err()
		})))
		server.Protocols = &protocols
		network, stop := serveOnNetwork(t, server)
		defer stop()
		transport := &http.Transport{Protocols: &protocols, DialContext: network.DialContext}
		defer transport.CloseIdleConnections()
		answer := func(in incoming, body io.Reader) (status int, after time.Duration) {
			req, err := http.NewRequestWithContext(t.Context(), in.method, "http://receiver.test"+in.target, body)
			require.NoError(t, err)
			req.Header = in.header
			req.ContentLength = in.length
			start := time.Now()
			resp, err := transport.RoundTrip(req)
			require.NoError(t, err)
			require.Equal(t, 2, resp.ProtoMajor)
			_, err = io.Copy(io.Discard, resp.Body)
			require.NoError(t, errors.Join(err, resp.Body.Close()))
			return resp.StatusCode, time.Since(start)
		}
		in := signed(openedBody("n-1"))
		for name, test := range map[string]struct {
			in    incoming
			body  io.Reader
			want  int
			after time.Duration
		}{
			"taken":              {in, bytes.NewReader(in.body), 200, 4 * time.Second},
			"taken, no length":   {in.declaring(-1), bytes.NewReader(in.body), 200, 4 * time.Second},
			"challenge":          {asked("GET", "challenge=a"), nil, 200, 0},
			"no challenge":       {asked("GET", ""), nil, 400, 0},
			"other method":       {asked("DELETE", ""), nil, 405, 0},
			"no signature":       {posted(in.body), bytes.NewReader(in.body), 401, 0},
			"declared too big":   {in.declaring(wireLimit + 1), bytes.NewReader(make([]byte, wireLimit+1)), 413, 0},
			"too big, no length": {in.declaring(-1), bytes.NewReader(make([]byte, wireLimit+1)), 413, 0},
		} {
			status, after := answer(test.in, test.body)
			assert.Equal(t, test.want, status, name)
			assert.Equal(t, test.after, after, name)
		}
		stalled, end := io.Pipe()
		defer func() { assert.NoError(t, end.Close()) }()
		status, after := answer(in, stalled)
		assert.Equal(t, http.StatusRequestTimeout, status)
		assert.Equal(t, 3*time.Second, after)
	})
}
