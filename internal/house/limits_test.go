package house_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/limits.md or docs/logs.md anew")

var (
	limitName = regexp.MustCompile(`(?i)^(max|min|default)|(Limit|Timeout|Window|Delay|Interval|Within|After|Every|Percent|Grace)$`)
	noLimit   = regexp.MustCompile(`(ID|Version)$`) // marks of formats
	address   = regexp.MustCompile(`https?://\S+[^\s.,;:)]`)
	paragraph = regexp.MustCompile(`\s*\n\s*`)
)

// limit is a constant that is a number, with what its comment says.
type limit struct{ name, value, meaning, source string }

// docs/limits.md has every limit of the modules with its source.
func TestLimitsAreListed(t *testing.T) {
	t.Parallel()
	const page = "../../docs/limits.md"
	want := limitsPage(t)
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o644))
	}
	got, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Equal(t, want, string(got), "run go test ./internal/house -run Limits -update, and look at the change")
}

func limitsPage(t *testing.T) string {
	t.Helper()
	rooms := map[string][]limit{}
	require.NoError(t, filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || entry.Name() == "examples" || entry.Name() != ".." && strings.HasPrefix(entry.Name(), ".")):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		room, err := filepath.Rel("../..", filepath.Dir(path))
		if err != nil {
			return err
		}
		rooms[filepath.ToSlash(room)] = append(rooms[filepath.ToSlash(room)], limitsIn(t, path)...)
		return nil
	}))
	var b strings.Builder
	b.WriteString(`# Limits

Every limit in the code is a constant with a name and a source. A test writes this page from the
constants and their comments:

` + "```\ngo test ./internal/house -run Limits -update\n```" + `

A limit without a source is a choice of this project. The values stand as in the code: ` + "`1 << 20`" + ` is 1
MiB.
`)
	names := make([]string, 0, len(rooms))
	for name := range rooms {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, room := range names {
		if len(rooms[room]) == 0 {
			continue
		}
		slices.SortFunc(rooms[room], func(a, b limit) int { return strings.Compare(a.name, b.name) })
		title := room
		if room == "." {
			title = "nylas, the root"
		}
		fmt.Fprintf(&b, "\n## %s\n\n| constant | value | what its comment says | source |\n|---|---|---|---|\n", title)
		for _, l := range rooms[room] {
			source := ""
			if l.source != "" {
				source = "[page](" + l.source + ")"
			}
			fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", l.name, l.value, strings.ReplaceAll(l.meaning, "|", `\|`), source)
		}
	}
	return b.String()
}

// limitsIn returns the limits that a file declares.
func limitsIn(t *testing.T, path string) (limits []limit) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	require.NoError(t, err)
	for _, declaration := range file.Decls {
		group, ok := declaration.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			constant := spec.(*ast.ValueSpec)
			own := constant.Doc.Text() + constant.Comment.Text()
			source := address.FindString(own)
			if source == "" {
				source = address.FindString(group.Doc.Text())
			}
			meaning := sentence(own)
			if meaning == "" {
				meaning = sentence(group.Doc.Text())
			}
			for i, name := range constant.Names {
				if i >= len(constant.Values) || !isNumber(constant.Values[i]) || noLimit.MatchString(name.Name) || source == "" && !limitName.MatchString(name.Name) {
					continue
				}
				var value bytes.Buffer
				require.NoError(t, printer.Fprint(&value, set, constant.Values[i]))
				limits = append(limits, limit{name.Name, value.String(), meaning, source})
			}
		}
	}
	return limits
}

// sentence returns a comment as one line, without addresses.
func sentence(comment string) string {
	return strings.TrimSpace(paragraph.ReplaceAllString(address.ReplaceAllString(comment, ""), " "))
}

// isNumber reports whether a constant is a number or a time, and no enumeration.
func isNumber(value ast.Expr) bool {
	number := false
	ast.Inspect(value, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.BasicLit:
			number = number || node.Kind == token.INT || node.Kind == token.FLOAT
			if node.Kind == token.STRING {
				number = false
				return false
			}
		case *ast.Ident:
			if node.Name == "iota" {
				number = false
				return false
			}
		case *ast.SelectorExpr:
			number = true
			return false
		}
		return true
	})
	return number
}
