package nylas_test

import (
	"encoding/json"
	"strings"
	"testing"

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
