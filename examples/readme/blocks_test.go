package readme_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	block  = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")
	region = regexp.MustCompile(`(?ms)^(\t*)// readme:begin (\S+)\n(.*?\n)\n*^\t*// readme:end$`)
)

// Each block of Go in README.md is a copy of code in this folder, and each piece of
// code that is marked for README.md is there.
func TestReadmeShowsTheCodeThatRuns(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	readme := string(content)
	var shown []string
	for _, found := range block.FindAllStringSubmatch(readme, -1) {
		shown = append(shown, found[1])
	}
	assert.Len(t, shown, strings.Count(readme, "```go"), "a block of Go that does not begin and end at the margin")

	var code, marked []string
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
			code, marked = append(code, file), append(marked, path)
		}
		for _, found := range region.FindAllStringSubmatch(file, -1) {
			margin, name, lines := found[1], found[2], found[3]
			code, marked = append(code, regexp.MustCompile("(?m)^"+margin).ReplaceAllString(lines, "")), append(marked, path+", "+name)
		}
		return nil
	}))
	for _, piece := range shown {
		if !slices.Contains(code, piece) {
			t.Errorf("README.md shows what is not in examples/readme:\n%s", piece)
		}
	}
	for i, name := range marked {
		if !slices.Contains(shown, code[i]) {
			t.Errorf("README.md does not show %s as it is:\n%s", name, code[i])
		}
	}
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
