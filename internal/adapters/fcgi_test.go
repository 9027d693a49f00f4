package adapters_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The records of FastCGI that a web server sends and gets.
// https://fastcgi-archives.github.io/FastCGI_Specification.html#S8
const (
	fcgiVersion      = 1
	fcgiBegin        = 1
	fcgiEnd          = 3
	fcgiParams       = 4
	fcgiStdin        = 5
	fcgiStdout       = 6
	fcgiResponder    = 1
	fcgiRequest      = 1 // the id of the only one
	fcgiRecordBytes  = 65_535
	fcgiHeaderBytes  = 8
	fcgiLongLengthOr = 1 << 31
)

// throughFCGI is a web server in front of net/http/fcgi. It passes a body on as it comes, and
// so does not know its length.
func throughFCGI(t *testing.T, handler http.Handler, method, query, signature string, body []byte) answer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- fcgi.Serve(listener, handler) }()
	defer func() {
		require.NoError(t, listener.Close())
		require.ErrorIs(t, <-served, net.ErrClosed)
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer func() { assert.NoError(t, conn.Close()) }()

	params := map[string]string{
		"REQUEST_METHOD": method, "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "receiver.test",
		"REQUEST_URI": "/?" + query, "QUERY_STRING": query, "CONTENT_TYPE": "application/json",
	}
	if signature != "" {
		params["HTTP_X_NYLAS_SIGNATURE"] = signature
	}
	go func() { // an answer may come before all is written
		_, _ = conn.Write(fcgiRequestOf(params, body))
	}()
	return fcgiAnswer(t, conn)
}

func fcgiRequestOf(params map[string]string, body []byte) []byte {
	out := fcgiRecord(nil, fcgiBegin, []byte{0, fcgiResponder, 0, 0, 0, 0, 0, 0})
	var pairs []byte
	for name, value := range params {
		pairs = binary.BigEndian.AppendUint32(pairs, fcgiLongLengthOr|uint32(len(name)))
		pairs = binary.BigEndian.AppendUint32(pairs, fcgiLongLengthOr|uint32(len(value)))
		pairs = append(append(pairs, name...), value...)
	}
	out = fcgiRecord(fcgiRecord(out, fcgiParams, pairs), fcgiParams, nil)
	for len(body) > 0 {
		n := min(len(body), fcgiRecordBytes)
		out, body = fcgiRecord(out, fcgiStdin, body[:n]), body[n:]
	}
	return fcgiRecord(out, fcgiStdin, nil)
}

func fcgiRecord(out []byte, kind byte, content []byte) []byte {
	out = append(out, fcgiVersion, kind, 0, fcgiRequest)
	out = binary.BigEndian.AppendUint16(out, uint16(len(content)))
	return append(append(out, 0, 0), content...)
}

// fcgiAnswer reads the answer: a CGI header, an empty line and the text.
func fcgiAnswer(t *testing.T, conn io.Reader) answer {
	t.Helper()
	var stdout bytes.Buffer
	input := bufio.NewReader(conn)
	for {
		head := make([]byte, fcgiHeaderBytes)
		_, err := io.ReadFull(input, head)
		require.NoError(t, err)
		content := make([]byte, int(binary.BigEndian.Uint16(head[4:]))+int(head[6]))
		_, err = io.ReadFull(input, content)
		require.NoError(t, err)
		switch head[1] {
		case fcgiStdout:
			stdout.Write(content[:len(content)-int(head[6])])
		case fcgiEnd:
			header, text, found := strings.Cut(stdout.String(), "\r\n\r\n")
			require.True(t, found, "no header")
			status, err := statusOf(header)
			require.NoError(t, err)
			return answer{status, text}
		}
	}
}

func statusOf(header string) (int, error) {
	for line := range strings.Lines(header) {
		if value, ok := strings.CutPrefix(line, "Status: "); ok {
			return strconv.Atoi(value[:3])
		}
	}
	return 0, errors.New("no status")
}
