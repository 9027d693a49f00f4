package house_test

import (
	"errors"
	"go/build"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/nylastrack/nylas-go"

// mayImport says what a room may import of this repository: a room, or with a
// slash at the end all rooms in a folder. "." is the client. Tests may import
// everything.
var mayImport = map[string][]string{
	"events":            {"internal/"},
	"receive":           {"events", "internal/"},
	"engagement":        {"events", "receive", "internal/"}, // of receive the handler
	"preflight":         {"internal/"},
	".":                 {"events", "receive", "preflight", "internal/"}, // of receive the store of secrets
	"nylastest":         {"events", "receive", "internal/"},              // not the client: it must not agree with its mistakes
	"nylastest/mailbox": {"nylastest", "events", "preflight", "internal/"},
	"inbox":             {"events", "receive", "internal/"},
	"outbox":            {".", "events", "internal/"},
	"sinks/riversink":   {"events", "receive", "internal/"},
	"sinks/pubsubsink":  {"events", "receive", "internal/"},

	"engagement/sqlstore": {"engagement"},
	"dashboard":           {".", "engagement", "engagement/sqlstore", "events", "preflight", "internal/"},

	"otelnylas":            {"events", "receive", "otelnylas/internal/provide", "internal/"},
	"otelnylas/otelinbox":  {"events", "receive", "inbox", "otelnylas", "otelnylas/internal/provide", "internal/"},
	"otelnylas/oteloutbox": {"outbox", "otelnylas", "otelnylas/internal/provide", "internal/"},

	"otelnylas/internal/provide": {},

	"internal/adapters":    {},
	"internal/anon":        {},
	"internal/browser":     {},
	"internal/comparison":  {},
	"internal/elsewhere":   {},
	"internal/endtoend":    {},
	"internal/guard":       {"internal/telemetry"},
	"internal/hostile":     {},
	"internal/house":       {},
	"internal/label":       {"internal/rules"},
	"internal/lanes":       {},
	"internal/links":       {},
	"internal/load":        {},
	"internal/loose":       {},
	"internal/mailheader":  {},
	"internal/nodesdk":     {},
	"internal/markup":      {"internal/rules"},
	"internal/page":        {},
	"internal/replace":     {},
	"internal/rules":       {},
	"internal/telemetry":   {},
	"internal/payload":     {"internal/"},
	"internal/undecodable": {"receive"},
}

func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	packages := 0
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !entry.IsDir():
			return nil
		case entry.Name() == "testdata", path != root && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		}
		all := build.Default
		all.UseAllFiles = true // of every system
		found, err := all.ImportDir(path, 0)
		if _, none := errors.AsType[*build.NoGoError](err); none {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		packages++
		checkImports(t, filepath.ToSlash(name), found.Imports)
		return nil
	}))
	assert.Greater(t, packages, len(mayImport)/2, "the packages were not found")
}

func checkImports(t *testing.T, room string, imports []string) {
	t.Helper()
	if strings.HasPrefix(room, "examples/") {
		return // programs use every room, and no room imports a program
	}
	allowed, known := mayImport[room]
	if !known {
		t.Errorf("%s has no line in the house: say in %s what it may import", room, "internal/house/house_test.go")
		return
	}
	for _, path := range imports {
		target := "."
		if path != module {
			below, ours := strings.CutPrefix(path, module+"/")
			if !ours {
				continue
			}
			target = below
		}
		fine := false
		for _, prefix := range allowed {
			fine = fine || target == prefix || strings.HasSuffix(prefix, "/") && strings.HasPrefix(target, prefix)
		}
		assert.True(t, fine, "%s imports %s, which does not stand below it", room, target)
	}
}

// Whoever needs the client only does not load what a nested module needs.
func TestTheRootRequiresNoNestedModule(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../go.mod")
	require.NoError(t, err)
	assert.NotContains(t, string(content), module+"/")
}

// Whoever wants traces of the client does not load SQLite, and the client no OpenTelemetry.
func TestTracesBringNoDatabase(t *testing.T) {
	t.Parallel()
	for file, unwanted := range map[string]string{
		"../../otelnylas/go.mod": "sqlite",
		"../../go.mod":           "go.opentelemetry.io",
		"../../inbox/go.mod":     "go.opentelemetry.io",
		"../../outbox/go.mod":    "go.opentelemetry.io",
	} {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.NotContains(t, string(content), unwanted, file)
	}
}
