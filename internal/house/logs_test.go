package house_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A key of a log record has one name in all modules, which stands in internal/telemetry.
// Programs of examples have keys of their own, because people copy them.
func TestLogKeysStandInOnePlace(t *testing.T) {
	t.Parallel()
	set, records := token.NewFileSet(), 0
	require.NoError(t, filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || entry.Name() == "examples" || entry.Name() != ".." && strings.HasPrefix(entry.Name(), ".")):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"log/slog"` }) {
			found, wrong := logKeys(file)
			records += found
			for _, at := range wrong {
				t.Errorf("%s: the key of a log record is a constant of internal/telemetry whose name begins with Log, in a call of slog.String or the like",
					set.Position(at))
			}
		}
		return nil
	}))
	assert.Greater(t, records, 20, "the log records were not found")
}

// The test above sees every way to give a record a key.
func TestLogKeysAreFound(t *testing.T) {
	t.Parallel()
	for code, fine := range map[string]bool{
		`slog.String(telemetry.LogReason, "x")`:                    true,
		`log.With(slog.Any(telemetry.LogError, err)).Info("a")`:    true,
		`log.LogAttrs(ctx, slog.LevelInfo, "a", attrs...)`:         true,
		`log.Warn("a", slog.Int(telemetry.LogCount, 1))`:           true,
		`log.Handler().Enabled(ctx, slog.LevelInfo)`:               true,
		`slog.String("reason", "x")`:                               false,
		`slog.Duration(key, 1)`:                                    false,
		`slog.String(telemetry.NotificationType, "x")`:             false,
		`slog.Group("a", slog.Any(telemetry.LogError, err))`:       false,
		`f(slog.Attr{Key: "a"})`:                                   false,
		`log.With("a", 1)`:                                         false,
		`log.WithGroup("a")`:                                       false,
		`log.Warn("a", "b", 1)`:                                    false,
		`log.Info("a", telemetry.LogReason, 1)`:                    false,
		`log.ErrorContext(ctx, "a", "b", 1)`:                       false,
		`log.Log(ctx, slog.LevelInfo, "a", "b", 1)`:                false,
		`slog.Info("a", "b", 1)`:                                   false,
		`slog.Default().With(slog.String("a", "")).Info("a")`:      false,
		`log.LogAttrs(ctx, slog.LevelInfo, "a", slog.Int("b", 1))`: false,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "", "package a; func f() { "+code+" }", parser.SkipObjectResolution)
		require.NoError(t, err)
		_, wrong := logKeys(file)
		assert.Equal(t, fine, len(wrong) == 0, code)
	}
}

// logKeys returns how many keys a file gives to log records, and where one is not of
// internal/telemetry.
func logKeys(file *ast.File) (found int, wrong []token.Pos) {
	attrs := []string{"Any", "Bool", "Duration", "Float64", "Group", "GroupAttrs", "Int", "Int64", "String", "Time", "Uint64"}
	before := map[string]int{ // how many arguments stand before the attributes
		"Debug": 1, "Info": 1, "Warn": 1, "Error": 1, "DebugContext": 2, "InfoContext": 2, "WarnContext": 2, "ErrorContext": 2,
		"Log": 3, "LogAttrs": 3, "With": 0, "WithGroup": 0,
	}
	ast.Inspect(file, func(node ast.Node) bool {
		if literal, ok := node.(*ast.CompositeLit); ok {
			if isOf(literal.Type, "slog", "Attr") && len(literal.Elts) > 0 {
				wrong = append(wrong, literal.Pos())
			}
			return true
		}
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return true
		}
		function, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		name := function.Sel.Name
		if isOf(function, "slog", name) && slices.Contains(attrs, name) {
			found++
			if len(call.Args) == 0 || !isLogKey(call.Args[0]) {
				wrong = append(wrong, call.Pos())
			}
			return true
		}
		if first, logs := before[name]; logs {
			for _, arg := range call.Args[min(first, len(call.Args)):] {
				if _, literal := arg.(*ast.BasicLit); literal || isLogKey(arg) {
					wrong = append(wrong, arg.Pos())
				}
			}
		}
		return true
	})
	return found, wrong
}

func isLogKey(expr ast.Expr) bool {
	selector, ok := expr.(*ast.SelectorExpr)
	return ok && isOf(selector, "telemetry", selector.Sel.Name) && strings.HasPrefix(selector.Sel.Name, "Log")
}

func isOf(expr ast.Expr, pkg, name string) bool {
	selector, ok := expr.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	ident, ok := selector.X.(*ast.Ident)
	return ok && ident.Name == pkg && selector.Sel.Name == name
}

// docs/logs.md has every key of a log record.
func TestLogKeysAreListed(t *testing.T) {
	t.Parallel()
	const page = "../../docs/logs.md"
	want := logsPage(t)
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o644))
	}
	got, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Equal(t, want, string(got), "run go test ./internal/house -run LogKeys -update, and look at the change")
}

func logsPage(t *testing.T) string {
	t.Helper()
	values, meanings, keys := map[string]string{}, map[string]string{}, []string(nil)
	for _, file := range []string{"names.go", "logs.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), "../telemetry/"+file, nil, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(parsed, func(node ast.Node) bool {
			constant, ok := node.(*ast.ValueSpec)
			if !ok {
				return true
			}
			name, value := constant.Names[0].Name, ""
			switch of := constant.Values[0].(type) {
			case *ast.BasicLit:
				value, err = strconv.Unquote(of.Value)
				require.NoError(t, err)
			case *ast.Ident:
				value = values[of.Name]
			}
			require.NotEmpty(t, value, name)
			values[name] = value
			if strings.HasPrefix(name, "Log") {
				meanings[value] = strings.TrimSpace(constant.Comment.Text())
				require.NotEmpty(t, meanings[value], name)
				keys = append(keys, value)
			}
			return true
		})
	}
	slices.Sort(keys)
	require.Equal(t, keys, slices.Compact(slices.Clone(keys)), "two names for one key")
	var b strings.Builder
	b.WriteString(`# Logs

What is given to ` + "`WithLogger`" + ` gets records of ` + "`log/slog`" + `. Their keys are the same in all
packages. Where the [semantic conventions](https://opentelemetry.io/docs/specs/semconv/) of
OpenTelemetry have an attribute, a key has its name; all others begin with ` + "`nylas.`" + `.

No record has a secret, an API key, an address or a body. The text of an error that your own
handler returns is logged as it is.

| key | what it says |
|---|---|
`)
	for _, key := range keys {
		fmt.Fprintf(&b, "| `%s` | %s |\n", key, meanings[key])
	}
	b.WriteString("\nA test writes this page from `internal/telemetry`:\n\n```\ngo test ./internal/house -run LogKeys -update\n```\n")
	return b.String()
}
