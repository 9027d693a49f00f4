package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPrintsWhatTheReadmeShows(t *testing.T) {
	t.Parallel()
	var stdout strings.Builder
	require.NoError(t, run(t.Context(), &stdout))

	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, shown, found := strings.Cut(string(readme), "The first command prints, without an account:\n\n```\n")
	require.True(t, found)
	shown, _, _ = strings.Cut(shown, "```\n")
	assert.Equal(t, normalise(shown), normalise(stdout.String()))
}

// normalise takes out what differs from run to run.
func normalise(output string) string {
	output = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(output, "ADDR")
	output = regexp.MustCompile(`\d\d:\d\d:\d\d`).ReplaceAllString(output, "TIME")
	return regexp.MustCompile(`(message|reply) [0-9a-f]{16}`).ReplaceAllString(output, "$1 ID")
}
