package readme_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	block  = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")
	link   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	region = regexp.MustCompile(`(?ms)^(\t*)// readme:begin (\S+)\n(.*?\n)\n*^\t*// readme:end$`)
)

// Each block of Go in README.md and in a page of docs is a copy of code in this folder, and
// each piece of code that is marked here is in one of them.
func TestPagesShowTheCodeThatRuns(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, pages)
	shown := map[string][]string{} // by block, the pages that show it
	for _, page := range append(pages, "../../README.md") {
		content, err := os.ReadFile(page)
		require.NoError(t, err)
		found := block.FindAllStringSubmatch(string(content), -1)
		assert.Len(t, found, strings.Count(string(content), "```go"), "%s: a block of Go that does not begin and end at the margin", page)
		for _, one := range found {
			shown[one[1]] = append(shown[one[1]], page)
		}
	}

	marked := map[string]string{} // by code, where it stands
	require.NoError(t, filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file := string(content)
		if entry.Name() == "main.go" {
			assert.FileExists(t, filepath.Join(filepath.Dir(path), "main_test.go"), "nothing runs %s", path)
			marked[file] = path
		}
		for _, found := range region.FindAllStringSubmatch(file, -1) {
			margin, name, lines := found[1], found[2], found[3]
			marked[regexp.MustCompile("(?m)^"+margin).ReplaceAllString(lines, "")] = path + ", " + name
		}
		return nil
	}))
	for piece, pages := range shown {
		if marked[piece] == "" {
			t.Errorf("%v shows what is not in examples/readme:\n%s", pages, piece)
		}
	}
	for code, place := range marked {
		if shown[code] == nil {
			t.Errorf("neither README.md nor a page of docs shows %s as it is:\n%s", place, code)
		}
	}
}

// A link from README.md or from a page of docs to a file or folder of the project leads to one.
func TestPagesLinkToFilesThatExist(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	links := 0
	for _, page := range append(pages, "../../README.md", "../../SECURITY.md") {
		content, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, found := range link.FindAllStringSubmatch(string(content), -1) {
			if target, _, _ := strings.Cut(found[1], "#"); target != "" && !strings.Contains(target, ":") {
				links++
				_, err := os.Stat(filepath.Join(filepath.Dir(page), filepath.FromSlash(target)))
				assert.NoError(t, err, page)
			}
		}
	}
	assert.NotZero(t, links)
}

// The programs of README.md are short, and stay so.
func TestReadmeIsShort(t *testing.T) {
	t.Parallel()
	const maxJobLines, maxReceiveLines, maxLineChars = 90, 15, 100
	job, err := os.ReadFile("job/main.go")
	require.NoError(t, err)
	assert.LessOrEqual(t, strings.Count(string(job), "\n"), maxJobLines, "the whole job")
	code, err := os.ReadFile("fragments_test.go")
	require.NoError(t, err)
	lines := map[string]int{}
	for _, found := range region.FindAllStringSubmatch(string(code), -1) {
		lines[found[2]] = strings.Count(strings.TrimSpace(found[3]), "\n") + 1
	}
	assert.Contains(t, lines, "receive")
	assert.LessOrEqual(t, lines["receive"], maxReceiveLines)

	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	for i, line := range strings.Split(string(readme), "\n") {
		assert.LessOrEqual(t, utf8.RuneCountInString(line), maxLineChars, "line %d of README.md", i+1)
	}
}

func TestTheIndexHasEachProgram(t *testing.T) {
	t.Parallel()
	index, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	programs, err := filepath.Glob("../*/main.go")
	require.NoError(t, err)
	assert.NotEmpty(t, programs)
	for _, program := range programs {
		name := filepath.ToSlash(strings.TrimPrefix(program, ".."+string(filepath.Separator)))
		assert.Contains(t, string(index), "("+name+")")
	}
}
