//go:build unix

package comparison_test

import (
	"flag"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/comparison.md anew")

var pageInUse sync.Mutex

// checkTable compares the table of a section of docs/comparison.md, which ends the section,
// or writes it.
func checkTable(t *testing.T, heading, want string) {
	t.Helper()
	const page = "../../docs/comparison.md"
	pageInUse.Lock()
	defer pageInUse.Unlock()
	content, err := os.ReadFile(page)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(content), "\n## "+heading+"\n")
	require.True(t, found, heading)
	section, after, found := strings.Cut(rest, "\n## ")
	require.True(t, found, heading)
	text, got, found := strings.Cut(section, "\n| ")
	require.True(t, found, heading)
	got = "| " + got
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(before+"\n## "+heading+"\n"+text+"\n"+want+"\n## "+after), 0o644))
		return
	}
	assert.Equal(t, want, got, "run go test ./internal/comparison -update, and look at the change")
}
