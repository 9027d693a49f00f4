package nodesdk

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

//go:embed package.json package-lock.json .npmrc
var lock embed.FS

// Install returns the path of Node.js and a folder node_modules with the SDK, which is kept
// in the user's cache. It skips the test if that cannot be had, and fails it with CI=true.
func Install(ctx context.Context, tb testing.TB) (node, modules string) {
	tb.Helper()
	node, npm := program(tb, "node"), program(tb, "npm")
	content, err := lock.ReadFile("package-lock.json")
	if err != nil {
		tb.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = tb.TempDir()
	}
	sum := sha256.Sum256(content)
	installed := filepath.Join(cache, "nylas-go", "nodesdk-"+hex.EncodeToString(sum[:8]))
	modules = filepath.Join(installed, "node_modules")
	if _, err := os.Stat(installed); err == nil {
		return node, modules
	}
	if err := os.MkdirAll(filepath.Dir(installed), 0o750); err != nil {
		tb.Fatal(err)
	}
	// Another process may install too: the folder gets its name when it is complete.
	fresh, err := os.MkdirTemp(filepath.Dir(installed), "nodesdk-new-")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(fresh) }()
	if err := os.CopyFS(fresh, lock); err != nil {
		tb.Fatal(err)
	}
	command := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	command.Dir = fresh
	if output, err := command.CombinedOutput(); err != nil {
		unavailable(tb, "npm ci: "+string(output))
	}
	if err := os.Rename(fresh, installed); err != nil {
		if _, missing := os.Stat(installed); missing != nil {
			tb.Fatal(err)
		}
	}
	return node, modules
}

// program returns the path of a program that the tests need.
func program(tb testing.TB, name string) string {
	tb.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		unavailable(tb, name+" is not installed")
	}
	return path
}

// unavailable skips the test, but not in CI.
func unavailable(tb testing.TB, reason string) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatal(reason)
	}
	tb.Skip(reason)
}
