package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	reportRow = regexp.MustCompile(`^\| \[([\w.-]+/[\w.-]+)#(\d+)\]\(https://github\.com/([\w.-]+/[\w.-]+)/(?:issues|pull)/(\d+)\) \| (.+\.) \| (.+) \|$`)
	testName  = regexp.MustCompile("^`([a-z0-9/]+)\\.((?:Test|Fuzz)\\w+)`$")
)

// Each report names tests that exist, so that a test that is renamed or removed does not
// leave a report without one.
func TestReportsNameTests(t *testing.T) {
	t.Parallel()
	const minReports = 42 // of issue 9
	content, err := os.ReadFile("../../docs/reports.md")
	require.NoError(t, err)
	reports, folders := map[string]bool{}, map[string]map[string]bool{}
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSuffix(line, "\n")
		if !strings.HasPrefix(line, "| [") {
			continue
		}
		cells := reportRow.FindStringSubmatch(line)
		if !assert.NotNil(t, cells, "want | [owner/name#1](its address) | a sentence. | `folder.TestName` |: %s", line) {
			continue
		}
		report := cells[1] + "#" + cells[2]
		assert.Equal(t, report, cells[3]+"#"+cells[4], "the address is that of another report")
		assert.False(t, reports[report], "%s stands here twice", report)
		reports[report] = true
		for name := range strings.SplitSeq(cells[6], ", ") {
			test := testName.FindStringSubmatch(name)
			if !assert.NotNil(t, test, "%s: %s is not a test in the form `folder.TestName`", report, name) {
				continue
			}
			folder := test[1]
			if folders[folder] == nil {
				folders[folder] = testsIn(t, folder)
			}
			assert.True(t, folders[folder][test[2]], "%s: there is no %s", report, name)
		}
	}
	assert.GreaterOrEqual(t, len(reports), minReports)
}

// testsIn returns the names of the tests in a folder; nylas is the root.
func testsIn(t *testing.T, folder string) map[string]bool {
	t.Helper()
	if folder == "nylas" {
		folder = "."
	}
	files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(folder), "*_test.go"))
	require.NoError(t, err)
	tests := map[string]bool{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range parsed.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
				tests[f.Name.Name] = true
			}
		}
	}
	return tests
}
