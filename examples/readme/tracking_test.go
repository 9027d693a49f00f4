package readme_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/engagement"
)

func classifier() (*engagement.Classifier, error) {
	// readme:begin own
	return engagement.NewClassifier(
		engagement.WithOwnNetworks(netip.MustParsePrefix("198.51.100.0/24"))) // the office
	// readme:end
}

func TestOwnNetwork(t *testing.T) {
	t.Parallel()
	judge, err := classifier()
	require.NoError(t, err)
	for address, want := range map[string]engagement.Actor{"198.51.100.7": engagement.Self, "203.0.113.7": engagement.Human} {
		verdict := judge.Event(engagement.Event{
			Kind: engagement.Open, IP: netip.MustParseAddr(address), LinkIndex: -1,
			UserAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
		})
		assert.Equal(t, want, verdict.Actor, address)
	}
}

func Example_check() {
	check(&nylas.SendMessageRequest{
		To:              []nylas.Participant{{Email: "kim@acme.dev"}, {Email: "lee@acme.dev"}},
		Body:            `<a href="https://acme.dev/demo">Demo</a>, <a href="zoommtg:join">call</a>`,
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true},
	})
	// Output:
	// info nobody can tell which recipient opened or clicked: send one message to each to know
	// warning use a whole https, mailto or tel URL: clicks on other targets are not seen
}

func check(req *nylas.SendMessageRequest) {
	// readme:begin check
	for _, finding := range nylas.CheckTracking(req).Findings {
		fmt.Println(finding.Level, finding.Message)
	}
	// readme:end
}
