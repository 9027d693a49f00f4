package rules_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/internal/rules"
)

func TestCheckHostname(t *testing.T) {
	t.Parallel()
	part := strings.Repeat("x", 63)
	for _, name := range []string{
		"track.acme.dev", " Track.ACME.dev. ", "a.b", "x-1.acme.dev", part + ".dev", strings.Repeat(part+".", 3) + part[:61],
	} {
		require.NoError(t, rules.CheckHostname(name), name)
	}
	for name, want := range map[string]string{
		"":                                      "no dot",
		"localhost":                             "no dot",
		"track..dev":                            "empty or longer than 63",
		"track.dev..":                           "empty or longer than 63",
		"x" + part + ".dev":                     "empty or longer than 63",
		"-a.dev":                                "hyphen",
		"a-.dev":                                "hyphen",
		"https://track.acme.dev":                "other characters",
		"track.acme.dev:443":                    "other characters",
		"*.acme.dev":                            "other characters",
		"bücher.de":                             "other characters",
		strings.Repeat(part+".", 3) + part[:62]: "longer than 253",
	} {
		require.ErrorContains(t, rules.CheckHostname(name), want, name)
	}
	for r := range rune(0x80) {
		want := strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", r)
		assert.Equal(t, want, rules.IsHostnameChar(r), "%q", r)
	}
}
