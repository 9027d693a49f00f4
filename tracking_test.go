package nylas_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

func sendTracked(t *testing.T, w *wire, options nylas.TrackingOptions) error {
	t.Helper()
	_, err := w.client(t).Messages.Send(t.Context(), testGrant, &nylas.SendMessageRequest{To: toKim(), TrackingOptions: &options})
	return err
}

// TestLabelIsCountedInCharacters has labels at the limit, in characters of one
// to four bytes.
func TestLabelIsCountedInCharacters(t *testing.T) {
	t.Parallel()
	for _, char := range []string{"x", "ü", "日", "🙂"} {
		w := newWire(t, answersFile(t, 200, messageAnswer))
		label := strings.Repeat(char, 2048)
		require.NoError(t, sendTracked(t, w, nylas.TrackingOptions{Opens: true, Label: label}))
		var sent struct {
			Options nylas.TrackingOptions `json:"tracking_options"`
		}
		require.NoError(t, json.Unmarshal(w.requests()[0].body, &sent))
		assert.Equal(t, label, sent.Options.Label)

		w = newWire(t)
		err := sendTracked(t, w, nylas.TrackingOptions{Opens: true, Label: label + char})
		require.EqualError(t, err,
			"nylas: send message: TrackingOptions.Label has 2049 characters, Nylas takes at most 2048")
		assertSentinels(t, err, nylas.ErrInvalidRequest, nylas.ErrTrackingDataTooLarge)
		assert.Zero(t, asError(t, err).StatusCode)
		assert.Empty(t, w.requests())
	}
}

func TestDomainNames(t *testing.T) {
	t.Parallel()
	label63 := strings.Repeat("a", 63)
	host253 := strings.Repeat(label63+".", 3) + strings.Repeat("b", 61)
	for _, name := range []string{
		"track.acme.dev", "a.b", "TRACK.Acme.DEV", "track.acme.dev.", " track.acme.dev\n", "xn--bcher-kva.example", "1.2.3.4",
		"a-b.c--d.e", label63 + ".dev", host253, host253 + ".",
	} {
		for _, options := range []nylas.TrackingOptions{{Opens: true}, {Links: true}, {Opens: true, Links: true, ThreadReplies: true}} {
			options.DomainName = name
			require.NoError(t, sendTracked(t, newWire(t, answersFile(t, 200, messageAnswer)), options), name)
		}
	}

	const (
		noDot  = "is not a full hostname: it has no dot"
		part   = "has a part between dots that is empty or longer than 63 characters"
		hyphen = "has a part that begins or ends with a hyphen"
		other  = "has other characters than ASCII letters, digits, hyphens and dots: want a hostname without scheme, port, path or wildcard"
	)
	for name, reason := range map[string]string{
		"localhost": noDot, " ": noDot, ".": noDot, "dev.": noDot,
		"a..b": part, ".acme.dev": part, "track.acme.dev..": part, label63 + "a.dev": part,
		"-a.dev": hyphen, "a-.dev": hyphen, "a.-b": hyphen,
		"https://track.acme.dev": other, "track.acme.dev:443": other, "track.acme.dev/x": other, "*.acme.dev": other,
		"tr ack.acme.dev": other, "bücher.example": other, "a_b.acme.dev": other, "kim@acme.dev": other, "a\xff.dev": other,
		host253 + "b":  "is longer than 253 characters",
		host253 + "..": "is longer than 253 characters",
	} {
		w := newWire(t)
		err := sendTracked(t, w, nylas.TrackingOptions{Links: true, DomainName: name})
		require.EqualError(t, err, "nylas: send message: TrackingOptions.DomainName "+reason, name)
		assertSentinels(t, err, nylas.ErrInvalidRequest, nylas.ErrTrackingDomain)
		assert.Empty(t, w.requests())
	}

	for _, options := range []nylas.TrackingOptions{{}, {ThreadReplies: true}} {
		options.DomainName = "track.acme.dev"
		w := newWire(t)
		err := sendTracked(t, w, options)
		require.EqualError(t, err, "nylas: send message: TrackingOptions.DomainName needs Opens or Links; replies do not use it")
		assertSentinels(t, err, nylas.ErrInvalidRequest, nylas.ErrTrackingDomain)
		assert.Empty(t, w.requests())
	}
}

// The labels of version 1 are stored at Nylas and do not change.
func TestEncodeLabel(t *testing.T) {
	t.Parallel()
	for want, values := range map[string]map[string]string{
		"nt1:":                                      nil,
		"nt1:campaign=trial+q2&contact=42":          {"contact": "42", "campaign": "trial q2"},
		"nt1:a=":                                    {"a": ""},
		"nt1:%26%3D%2B%25=a%3Db%26c%2Bd%25":         {"&=+%": "a=b&c+d%"},
		"nt1:name=Größe+日本🙂":                        {"name": "Größe 日本🙂"},
		"nt1:raw=%00%0A%7F%FF%C3(":                  {"raw": "\x00\n\x7f\xff\xc3("},
		"nt1:space=%C2%A0%E2%80%A8%EF%BB%BF%C2%AD+": {"space": "\u00a0\u2028\ufeff\u00ad "},
		"nt1:text=<a>;,/?:@\"'\ufffd":               {"text": "<a>;,/?:@\"'\ufffd"},
	} {
		label, err := nylas.EncodeLabel(values)
		require.NoError(t, err)
		assert.Equal(t, want, label)
		got, ok := nylas.DecodeLabel(label)
		assert.True(t, ok, label)
		if values == nil {
			values = map[string]string{}
		}
		assert.Equal(t, values, got)
	}
}

func TestEncodeLabelRefuses(t *testing.T) {
	t.Parallel()
	_, err := nylas.EncodeLabel(map[string]string{"": "x"})
	require.EqualError(t, err, "nylas: encode label: a key is empty")
	assertSentinels(t, err, nylas.ErrInvalidRequest)

	for char, cost := range map[string]int{"x": 1, "ü": 1, "🙂": 1, " ": 1, "%": 3, "\n": 3, "\u2028": 9} {
		room := 2048 - len("nt1:k=")
		fits := strings.Repeat(char, room/cost) + strings.Repeat("x", room%cost)
		label, err := nylas.EncodeLabel(map[string]string{"k": fits})
		require.NoError(t, err)
		assert.Equal(t, 2048, utf8.RuneCountInString(label))
		values, ok := nylas.DecodeLabel(label)
		assert.True(t, ok)
		assert.Equal(t, fits, values["k"])

		_, err = nylas.EncodeLabel(map[string]string{"k": fits + "x"})
		require.EqualError(t, err, "nylas: encode label: the label has 2049 characters, Nylas takes at most 2048")
		assertSentinels(t, err, nylas.ErrInvalidRequest, nylas.ErrTrackingDataTooLarge)
	}
}

// What EncodeLabel did not write is foreign, however much it looks like it.
func TestForeignLabels(t *testing.T) {
	t.Parallel()
	for _, label := range []string{
		"", "trial-followup-q2", "campaign=a", "nt1", "nt2:a=b", "NT1:a=b", " nt1:a=b", "nt1:a", "nt1:=b", "nt1:a=b&", "nt1:&a=b", "nt1:b=1&a=2",
		"nt1:a=1&a=2", "nt1:a=1&a=1", "nt1:a=%", "nt1:a=%4", "nt1:a=%zz", "nt1:a=%41", "nt1:a=%c3%bc", "nt1:a=%20", "nt1:a=b c", "nt1:a=b=c",
		"nt1:a=\xff", "nt1:a=b\n", "nt1:a=\u00a0", `{"campaign":"q2"}`, "nt1:a=" + strings.Repeat("x", 2043), "nt1:a=" + strings.Repeat("x", 10_000),
	} {
		values, ok := nylas.DecodeLabel(label)
		assert.False(t, ok, label)
		assert.Nil(t, values, label)
	}
}

// FuzzLabel checks both directions: values survive, and a label that is read is
// exactly what would be written.
func FuzzLabel(f *testing.F) {
	for _, s := range []string{"", "campaign", "trial q2", "&=+%", "\xff\x00", "Größe", "\ufeff", "\ufffd", "nt1:a=b&c=%C2%A0"} {
		f.Add(s, "42", "contact", s)
	}
	f.Fuzz(func(t *testing.T, key1, value1, key2, value2 string) {
		values := map[string]string{key1: value1, key2: value2}
		label, err := nylas.EncodeLabel(values)
		if err != nil {
			require.True(t, errors.Is(err, nylas.ErrTrackingDataTooLarge) || key1 == "" || key2 == "")
			return
		}
		require.True(t, utf8.ValidString(label))
		got, ok := nylas.DecodeLabel(label)
		require.True(t, ok)
		require.Equal(t, values, got)

		for _, foreign := range []string{value1, value2, "nt1:" + key1, "nt1:" + key1 + "=" + value1} {
			if read, ok := nylas.DecodeLabel(foreign); ok {
				again, err := nylas.EncodeLabel(read)
				require.NoError(t, err)
				require.Equal(t, foreign, again)
			}
		}
	})
}
