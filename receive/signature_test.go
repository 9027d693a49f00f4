package receive_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/receive"
)

// signatureVector is the published test vector.
type signatureVector struct {
	Secret    string `json:"secret"`
	Body      string `json:"body"`
	Signature string `json:"signature"`
}

func publishedVector(tb testing.TB) signatureVector {
	tb.Helper()
	file, err := os.ReadFile("../testdata/published/signature.vector.json")
	require.NoError(tb, err)
	var vector signatureVector
	require.NoError(tb, json.Unmarshal(file, &vector))
	require.NotEmpty(tb, vector.Signature)
	return vector
}

func TestVerifySignaturePublishedVector(t *testing.T) {
	t.Parallel()
	vector := publishedVector(t)
	require.NoError(t, receive.VerifySignature(vector.Secret, []byte(vector.Body), vector.Signature))

	receiver, err := receive.New(outcome(nil), receive.Secret(vector.Secret))
	require.NoError(t, err)
	in := posted([]byte(vector.Body)).with(receive.SignatureHeader, vector.Signature)
	assert.Equal(t, http.StatusOK, recorded(receiver, in).status)
}

// goodSignatures are values of the header that are right for the body.
func goodSignatures(body []byte) map[string]string {
	signature := hmacHex(receiverSecret, body)
	mixed := []byte(signature)
	for i := 0; i < len(mixed); i += 2 {
		mixed[i] = bytes.ToUpper(mixed[i : i+1])[0]
	}
	return map[string]string{
		"lower case": signature,
		"upper case": strings.ToUpper(signature),
		"mixed case": string(mixed),
	}
}

// misshapenSignatures are values of the header that no body can make right.
func misshapenSignatures(body []byte) map[string]string {
	signature := hmacHex(receiverSecret, body)
	raw, _ := hex.DecodeString(signature)
	return map[string]string{
		"empty":           "",
		"one digit":       signature[:1],
		"63 digits":       signature[:63],
		"62 digits":       signature[:62],
		"truncated":       signature[:32],
		"65 digits":       signature + "0",
		"66 digits":       signature + "00",
		"twice":           signature + signature,
		"not hexadecimal": "z" + signature[1:],
		"last not hex":    signature[:63] + "g",
		"prefix sha256":   "sha256=" + signature,
		"prefix v1":       "v1," + signature,
		"prefix 0x":       "0x" + signature,
		"0x in place":     "0x" + signature[2:],
		"base64":          base64.StdEncoding.EncodeToString(raw),
		"raw bytes":       string(raw),
		"two values":      signature + ", " + signature,
		"two, no space":   signature + "," + signature,
		"quoted":          `"` + signature + `"`,
		"inner space":     signature[:32] + " " + signature[32:],
		"fullwidth digit": "０" + signature[1:],
		"NUL at the end":  signature + "\x00",
		"very long":       strings.Repeat("0", 1<<16),
	}
}

// wrongSignatures have the right form.
func wrongSignatures(body []byte) map[string]string {
	signature := hmacHex(receiverSecret, body)
	wrong := map[string]string{
		"zeros":            strings.Repeat("0", 64),
		"of nothing":       hmacHex(receiverSecret, nil),
		"with no secret":   hmacHex("", body),
		"other secret":     hmacHex("somebody else's", body),
		"secret and space": hmacHex(receiverSecret+" ", body),
		"plain hash":       sha256ID(body)[len("sha256:"):],
		"rotated":          signature[1:] + signature[:1],
	}
	raw, _ := hex.DecodeString(signature)
	for _, i := range []int{0, 15, 31} {
		flipped := slices.Clone(raw)
		flipped[i] ^= 1
		wrong["flipped in byte "+string(rune('A'+i))] = hex.EncodeToString(flipped)
	}
	return wrong
}

func TestVerifySignature(t *testing.T) {
	t.Parallel()
	for kind, body := range map[string][]byte{"JSON": openedBody("n-1"), "binary": {0, 0xff, '\n'}, "empty": {}, "none": nil} {
		for name, signature := range goodSignatures(body) {
			require.NoError(t, receive.VerifySignature(receiverSecret, body, signature), "%s, %s", kind, name)
		}
		for name, signature := range misshapenSignatures(body) {
			err := receive.VerifySignature(receiverSecret, body, signature)
			require.ErrorIs(t, err, receive.ErrInvalidSignature, "%s, %s", kind, name)
			require.ErrorContains(t, err, "64 hexadecimal digits")
			requireNothingLeaked(t, body, err.Error())
		}
		for name, signature := range wrongSignatures(body) {
			if signature == hmacHex(receiverSecret, body) {
				continue // that of nothing is right for nothing
			}
			err := receive.VerifySignature(receiverSecret, body, signature)
			require.ErrorIs(t, err, receive.ErrInvalidSignature, "%s, %s", kind, name)
			requireNothingLeaked(t, body, err.Error())
		}
	}
	// The header comes without the white space that HTTP allows around it.
	body := openedBody("n-1")
	for _, signature := range []string{" " + hmacHex(receiverSecret, body), hmacHex(receiverSecret, body) + "\n"} {
		assert.ErrorIs(t, receive.VerifySignature(receiverSecret, body, signature), receive.ErrInvalidSignature)
	}
}

// An empty key makes a signature too, which anybody can make.
func TestVerifySignatureBlankSecret(t *testing.T) {
	t.Parallel()
	body := openedBody("n-1")
	for _, secret := range []string{"", " ", "\t\n", "\u2003"} {
		for _, signature := range []string{hmacHex(secret, body), hmacHex("", body), ""} {
			err := receive.VerifySignature(secret, body, signature)
			require.Error(t, err)
			require.NotErrorIs(t, err, receive.ErrInvalidSignature, "the caller's mistake, not the sender's")
			require.ErrorContains(t, err, "receive: verify signature: ")
			requireNothingLeaked(t, body, err.Error())
		}
	}
}

func TestReceiverSignatures(t *testing.T) {
	t.Parallel()
	body := openedBody("n-1")
	type signatureTest struct {
		values []string
		want   int
		read   bool
	}
	signature := hmacHex(receiverSecret, body)
	tests := map[string]signatureTest{
		"missing":         {nil, 401, false},
		"doubled":         {[]string{signature, signature}, 401, false},
		"right and wrong": {[]string{signature, strings.Repeat("0", 64)}, 401, false},
		"wrong and right": {[]string{strings.Repeat("0", 64), signature}, 401, false},
		"empty and right": {[]string{"", signature}, 401, false},
		"right and empty": {[]string{signature, ""}, 401, false},
	}
	for name, value := range goodSignatures(body) {
		tests[name] = signatureTest{[]string{value}, 200, true}
	}
	for name, value := range misshapenSignatures(body) {
		tests[name] = signatureTest{[]string{value}, 401, false}
	}
	for name, value := range wrongSignatures(body) {
		tests[name] = signatureTest{[]string{value}, 401, true}
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var handled atomic.Int64
			var logged receiverLog
			receiver := newReceiver(t, counted(&handled, outcome(nil)), logged.option())
			req := posted(body).with(receive.SignatureHeader, test.values...).request()
			if !test.read {
				req.Body = unreadable{t}
			}
			got := recordedRequest(receiver, req)
			requireAnswer(t, test.want, statusLine(test.want), got)
			requireNothingLeaked(t, body, got.text, logged.String())
			if test.want == http.StatusOK {
				assert.EqualValues(t, 1, handled.Load())
				assert.Empty(t, logged.String())
				return
			}
			assert.Zero(t, handled.Load())
			records := logged.records(t)
			require.Len(t, records, 1)
			// A scanner fills no log; a right form with a wrong secret may be a loss.
			level := map[bool]string{false: "DEBUG", true: "WARN"}[test.read]
			assert.Equal(t, level, records[0]["level"])
			assert.Equal(t, "receive: request refused", records[0]["msg"])
			assert.EqualValues(t, 401, records[0]["http.response.status_code"])
		})
	}
}

// Every forged signature gets the same answer.
func TestReceiverSaysNothingAboutSignatures(t *testing.T) {
	t.Parallel()
	body := openedBody("n-1")
	receiver := newReceiver(t, outcome(nil))
	want := recorded(receiver, posted(body))
	for _, signatures := range []map[string]string{misshapenSignatures(body), wrongSignatures(body)} {
		for name, signature := range signatures {
			got := recorded(receiver, posted(body).with(receive.SignatureHeader, signature))
			assert.Equal(t, want, got, name)
		}
	}
}

// The signature covers the bytes as they came, each of them.
func TestReceiverRefusesChangedBody(t *testing.T) {
	t.Parallel()
	body := openedBody("n-1")
	compressed := gzipped(body)
	remarshalled := func() []byte {
		var value any
		require.NoError(t, json.Unmarshal(body, &value))
		changed, err := json.Marshal(value)
		require.NoError(t, err)
		return changed
	}()
	oneBit := slices.Clone(body)
	oneBit[len(oneBit)/2] ^= 1
	lastBit := slices.Clone(body)
	lastBit[len(lastBit)-1] ^= 1
	tests := map[string]struct {
		signed, sent []byte
		encoding     string
	}{
		"newline added":            {body, append(slices.Clone(body), '\n'), ""},
		"space before":             {body, append([]byte(" "), body...), ""},
		"BOM before":               {body, append([]byte("\ufeff"), body...), ""},
		"re-marshalled":            {body, remarshalled, ""},
		"one bit":                  {body, oneBit, ""},
		"last bit":                 {body, lastBit, ""},
		"cut":                      {body, body[:len(body)-1], ""},
		"empty":                    {body, nil, ""},
		"signature of the content": {body, compressed, "gzip"},
		"inflated on the way":      {compressed, body, "gzip"},
		"inflated, header removed": {compressed, body, ""},
		"compressed again":         {compressed, gzipped(compressed), "gzip"},
	}
	for name, test := range tests {
		for _, declared := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				require.NotEqual(t, test.signed, test.sent)
				var handled atomic.Int64
				var logged receiverLog
				receiver := newReceiver(t, counted(&handled, outcome(nil)), logged.option())
				in := posted(test.sent).with(receive.SignatureHeader, hmacHex(receiverSecret, test.signed))
				if test.encoding != "" {
					in = in.with("Content-Encoding", test.encoding)
				}
				if !declared {
					in = in.declaring(-1)
				}
				got := recorded(receiver, in)
				requireAnswer(t, http.StatusUnauthorized, statusLine(401), got)
				assert.Zero(t, handled.Load())
				requireNothingLeaked(t, test.sent, got.text, logged.String())
				requireNothingLeaked(t, test.signed, got.text, logged.String())
				assert.Contains(t, logged.String(), "signature is wrong")
			})
		}
	}
}

// The headers that a proxy or another scheme adds are no signature.
func TestReceiverReadsNoOtherSignature(t *testing.T) {
	t.Parallel()
	body := openedBody("n-1")
	signature := hmacHex(receiverSecret, body)
	for _, name := range []string{"X-Signature", "X-Hub-Signature-256", "X-Nylas-Signature-256", "Authorization", "X-Nylas-Kid"} {
		got := recorded(newReceiver(t, outcome(nil)), posted(body).with(name, signature))
		assert.Equal(t, http.StatusUnauthorized, got.status, name)
	}
	in := posted(body)
	in.target += "?x-nylas-signature=" + signature
	assert.Equal(t, http.StatusUnauthorized, recorded(newReceiver(t, outcome(nil)), in).status)
}

// The line end of a file is no part of the secret that is in it.
func TestVerifySignatureSpaceAroundTheSecret(t *testing.T) {
	t.Parallel()
	body := openedBody("n-1")
	for _, secret := range []string{receiverSecret + "\n", " " + receiverSecret, receiverSecret + "\u00a0"} {
		err := receive.VerifySignature(secret, body, hmacHex(receiverSecret, body))
		require.ErrorContains(t, err, "white space around it")
		require.NotErrorIs(t, err, receive.ErrInvalidSignature, "the caller's mistake, not the sender's")
		requireNothingLeaked(t, body, err.Error())
	}
}
