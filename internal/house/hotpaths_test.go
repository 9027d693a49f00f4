package house_test

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var measured = flag.String("measured", "", "with -update, a file with the output of .ci/bench: its numbers go into docs/performance.md")

// hotPath is a row of docs/performance.md.
type hotPath struct {
	folder, benchmark string // with the names of sub-benchmarks, one or the start of several
	what, peer        string // what is measured, and beside what
	ratio             string // the metric that says how many times the peer
	limit             string // the constant in the benchmark's package, whose name begins with max or min, or 0
	value             string // the metric without a peer, or empty
}

var hotPaths = []hotPath{
	{"events", "BenchmarkParse/opened-50", "decode a notification of 50 opens, 9 kB", "checking that the same bytes are JSON", "x-scan", "maxParseScans", ""},
	{"events", "BenchmarkPeek/opened-50", "read the id and type of the same notification", "the same", "x-scan", "maxPeekScans", ""},
	{"receive", "BenchmarkReceiver/1.3kB", "receive a delivery of 1.3 kB over HTTP, CPU time", "a handler that reads the body and makes the HMAC", "x-floor", "maxSmallFloors", "cpu-us"},
	{"receive", "BenchmarkReceiver/8.5kB", "receive a delivery of 8.5 kB", "the same", "x-floor", "maxLargeFloors", "cpu-us"},
	{"preflight", "BenchmarkCheck/1000-links", "check a body of 1000 links before a send, for each MB", "a pass of the HTML tokenizer", "x-pass", "maxLinksPasses", "ms/MB"},
	{"preflight", "BenchmarkCheck/1MB", "check a body of text, for each MB", "the same", "x-pass", "maxTextPasses", "ms/MB"},
	{"preflight", "BenchmarkCheck/worst", "check the worst body that we know, for each MB", "a pass of the tokenizer over 1 MB of text", "x-pass", "maxWorstPasses", "ms/MB"},
	{".", "BenchmarkSendAttachment", "send a file of 24 MB, CPU time", "a bare POST of the same bytes", "x-post", "maxPosts", "MB/s"},
	{".", "BenchmarkSendAttachment", "heap for the same, in MB", "", "", "maxHeapMB", "heap-MB"},
	{"inbox", "BenchmarkAccept", "keep deliveries on disk, from 64 callers", "appending to a file with fdatasync", "x-raw", "minAccept", "items/s"},
	{"inbox", "BenchmarkCycle", "keep, handle and mark them", "the same", "x-raw", "minCycle", "items/s"},
	{"inbox", "BenchmarkEndpoint", "receive them over HTTP and keep them", "a handler that reads the body only", "x-empty", "minEndpoint", "items/s"},
	{"inbox", "BenchmarkBurst", "a burst of 20,000: lost", "", "", "0", "lost"},
	{"inbox", "BenchmarkBurst", "a burst of 20,000: 99 of 100 answered within, in ms", "", "", "maxBurstP99", "p99-ms"},
	{"engagement", "BenchmarkApply/known-50", "apply a notification of 50 known opens to the ledger", "decoding it", "x-parse", "maxApply", "ns-apply"},
	{"engagement", "BenchmarkApply/known-10000", "the same, for a message with 10,000 opens", "the same", "x-parse", "maxApply", "ns-apply"},
	{"engagement", "BenchmarkApply/one-new", "apply a notification with one new open", "the same", "x-parse", "maxApply", "ns-apply"},
	{"engagement", "BenchmarkApply/one-new-of-10000", "the same, for a message with 10,000 opens", "the same", "x-parse", "maxApply", "ns-apply"},
	{"engagement", "BenchmarkMemory/opens-50", "memory of a message with 50 opens, in bytes", "", "", "maxHot", "hot-B"},
	{"engagement", "BenchmarkMemory/settled-1000000", "memory of one of 1,000,000 messages, once settled", "one of 125,000", "x-125000", "maxSettled", "settled-B"},
	{"engagement", "BenchmarkMemory/events", "memory of an event, beside its strings", "", "", "maxEvent", "event-B"},
	{"engagement", "BenchmarkClassifierEvent", "say who was behind an event", "", "", "maxEventTime", "ns/op"},
	{"engagement", "BenchmarkClassifierMessage", "say what a message with 200 events came to, for each event", "", "", "", "ns/event"},
	{"engagement", "BenchmarkNewClassifier", "make a classifier", "", "", "", "ns/op"},
	{"engagement/sqlstore", "BenchmarkSQL/50known/SQLite", "apply 50 known events, SQLite", "an INSERT of one row", "x-insert", "", "ns/op"},
	{"engagement/sqlstore", "BenchmarkSQL/1new/SQLite", "apply 50 events, one of them new, SQLite", "the same", "x-insert", "", "ns/op"},
	{"engagement/sqlstore", "BenchmarkSQL/50new/SQLite", "apply 50 new events, SQLite", "the same", "x-insert", "", "ns/op"},
	{"engagement/sqlstore", "BenchmarkSQL/50known/PostgreSQL", "apply 50 known events, PostgreSQL", "the same", "x-insert", "", "ns/op"},
	{"engagement/sqlstore", "BenchmarkSQL/1new/PostgreSQL", "apply 50 events, one of them new, PostgreSQL", "the same", "x-insert", "", "ns/op"},
	{"engagement/sqlstore", "BenchmarkSQL/50new/PostgreSQL", "apply 50 new events, PostgreSQL", "the same", "x-insert", "", "ns/op"},
	{"engagement/sqlstore", "BenchmarkPages/SQLite", "the slowest page of 100,000 messages, SQLite", "the same of 1,000 messages", "x-small", "", "ns/op"},
	{"engagement/sqlstore", "BenchmarkPages/PostgreSQL", "the slowest page of 100,000 messages, PostgreSQL", "the same of 1,000 messages", "x-small", "", "ns/op"},
	{"dashboard", "BenchmarkDashboard", "the slowest page of a dashboard of 100,000 messages", "its queries alone", "x-queries", "maxPageQueries", "ms/page"},
	{"dashboard", "BenchmarkDashboard", "the same, its time", "", "", "maxPageTime", "ms/page"},
	{"sinks/riversink", "BenchmarkAccept", "keep deliveries in PostgreSQL through River, from 64 callers", "an INSERT for each", "x-insert", "minAccept", "per-s"},
	{"sinks/riversink", "BenchmarkCycle", "keep, handle and mark them", "the same", "x-insert", "minCycle", "per-s"},
	{"internal/comparison", "BenchmarkReceive", "receive, verify, decode and save 7 opens, CPU time", "a handler by hand, see comparison.md", "x-hand", "", "cpu-us"},
	{"internal/comparison", "BenchmarkReceive", "the same", "Node.js with the official SDK", "x-node", "", "node-cpu-us"},
	{"internal/comparison", "BenchmarkReceive", "the same with a ledger and verdicts of engagement", "without them", "ledger-x-dispatcher", "", "ledger-cpu-us"},
	{"internal/comparison", "BenchmarkReceive", "99 of 100 of these answered within, in ms", "", "", "", "p99-ms"},
	{"internal/comparison", "BenchmarkReceive", "the same, by hand", "", "", "", "hand-p99-ms"},
	{"internal/comparison", "BenchmarkReceive", "the same, Node.js", "", "", "", "node-p99-ms"},
	{"internal/comparison", "BenchmarkSend", "send a tracked message to the emulator, time", "net/http by hand", "x-hand", "", "us"},
	{"internal/comparison", "BenchmarkSend", "the same", "the official Node SDK", "x-node", "", "node-us"},
	{"sinks/pubsubsink", "BenchmarkSink", "publish deliveries, against a fake server", "Publish and Get of Google's library", "x-plain", "minOfPlain", "per-s"},
}

const performancePage = "../../docs/performance.md"

// docs/performance.md and .ci/bench have every benchmark, and the page has the limits of
// the code. What was measured is not checked, for it differs between machines.
func TestHotPathsAreListed(t *testing.T) {
	t.Parallel()
	listed := map[string]bool{}
	for _, path := range hotPaths {
		function, _, _ := strings.Cut(path.benchmark, "/")
		listed[path.folder+"."+function] = true
	}
	assert.ElementsMatch(t, benchmarksOf(t), slices.Collect(maps.Keys(listed)), "give each benchmark a row in hotPaths and a line in .ci/bench")
	script := scriptLines(t)
	for _, path := range hotPaths {
		assert.True(t, slices.ContainsFunc(script, func(line []string) bool {
			return line[0] == path.folder && strings.HasPrefix(path.benchmark, strings.TrimSuffix(line[1], "$"))
		}), ".ci/bench does not run %s in %s", path.benchmark, path.folder)
	}

	page, err := os.ReadFile(performancePage)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(page), "\n## Hot paths\n")
	require.True(t, found)
	table, after, found := strings.Cut(rest, "\n## ")
	require.True(t, found)
	numbers := numbersOn(table)
	if *measured != "" {
		maps.Copy(numbers, numbersIn(t, *measured)) // what was not measured stays
	}
	want := hotPathsTable(t, numbers)
	if *update {
		require.NoError(t, os.WriteFile(performancePage, []byte(before+"\n## Hot paths\n"+want+"\n## "+after), 0o644))
		return
	}
	assert.Equal(t, want, table, "run go test ./internal/house -run HotPaths -update, and look at the change")
}

// hotPathsTable renders the section of the page. numbers has the cells of the machine's own.
func hotPathsTable(t *testing.T, numbers map[string]string) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n\n| what | compared with | ratio | limit | in itself | benchmark |\n|---|---|---:|---:|---:|---|\n", numbers["machine"])
	for _, path := range hotPaths {
		limit := "none"
		if path.limit == "0" {
			limit = "0"
		} else if path.limit != "" {
			bound := "≤ "
			if strings.HasPrefix(path.limit, "min") {
				bound = "≥ "
			}
			limit = bound + constant(t, path.folder, path.limit)
		}
		name := path.folder + "." + path.benchmark
		cell := func(metric string) string {
			if metric == "" {
				return ""
			}
			return cmp.Or(numbers[name+" "+metric], "?") + " " + metric
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | `%s` |\n", path.what, path.peer, cell(path.ratio), limit,
			cell(path.value), strings.TrimPrefix(name, ".."))
	}
	return b.String()
}

// numbersOn returns what the page has: the machine, and the number of each metric.
func numbersOn(table string) map[string]string {
	numbers := map[string]string{}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, " | ")
		if len(cells) != 6 {
			if text := strings.TrimSpace(line); text != "" && !strings.HasPrefix(text, "|") {
				numbers["machine"] = text
			}
			continue
		}
		name := strings.Trim(strings.TrimSpace(cells[5]), "`| ")
		if strings.HasPrefix(name, "Benchmark") {
			name = ".." + name
		}
		for _, cell := range []string{cells[2], cells[4]} {
			if number, metric, found := strings.Cut(cell, " "); found {
				numbers[name+" "+metric] = number
			}
		}
	}
	return numbers
}

// numbersIn returns the same from the output of .ci/bench. Of several sub-benchmarks the
// worst counts, of several attempts the last.
func numbersIn(t *testing.T, file string) map[string]string {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	var version, load, cpu, folder string
	values := map[string]map[string]float64{} // by name and metric
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "go version "):
			version = strings.TrimSpace(strings.TrimPrefix(line, "go version "))
		case strings.HasPrefix(line, "load "):
			load = strings.TrimSpace(line)
		case strings.HasPrefix(line, "cpu: "):
			cpu = strings.TrimSpace(strings.TrimPrefix(line, "cpu: "))
		case strings.HasPrefix(line, "pkg: "):
			folder = strings.TrimPrefix(strings.TrimPrefix(fields[1], module), "/")
			if folder == "" {
				folder = "."
			}
		case strings.HasPrefix(line, "Benchmark") && len(fields) > 3:
			name := folder + "." + fields[0]
			values[name] = map[string]float64{}
			for pair := range slices.Chunk(fields[2:], 2) {
				values[name][pair[1]], err = strconv.ParseFloat(pair[0], 64)
				require.NoError(t, err, line)
			}
		}
	}
	numbers := map[string]string{"machine": fmt.Sprintf("Measured with %s, %s, at a %s.", version, cpu, load)}
	for _, path := range hotPaths {
		ours := regexp.MustCompile("^" + regexp.QuoteMeta(path.folder+"."+path.benchmark) + `(-\d+|/.*)?$`)
		for _, metric := range []string{path.ratio, path.value} {
			worst := math.NaN()
			for name, metrics := range values {
				value, found := metrics[metric]
				if !found || !ours.MatchString(name) {
					continue
				}
				if strings.HasPrefix(path.limit, "min") {
					value = -value
				}
				if math.IsNaN(worst) || value > worst {
					worst = value
				}
			}
			if math.IsNaN(worst) {
				continue // not measured
			}
			numbers[path.folder+"."+path.benchmark+" "+metric] = strconv.FormatFloat(math.Abs(worst), 'f', digits(worst), 64)
		}
	}
	return numbers
}

// digits is how many digits after the point are worth reading.
func digits(value float64) int {
	if value = math.Abs(value); value == 0 || value >= 100 {
		return 0
	}
	return 2
}

// benchmarksOf returns all benchmarks of the repository, as folder and function.
func benchmarksOf(t *testing.T) (names []string) {
	t.Helper()
	root := filepath.Join("..", "..")
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || path != root && strings.HasPrefix(entry.Name(), ".")):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Benchmark") {
				names = append(names, filepath.ToSlash(folder)+"."+f.Name.Name)
			}
		}
		return nil
	}))
	return names
}

// scriptLines returns the folders and benchmarks that .ci/bench has.
func scriptLines(t *testing.T) (lines [][]string) {
	t.Helper()
	content, err := os.ReadFile("../../.ci/bench")
	require.NoError(t, err)
	_, list, found := strings.Cut(string(content), "benchmarks='\n")
	require.True(t, found)
	list, _, found = strings.Cut(list, "\n'\n")
	require.True(t, found)
	for line := range strings.Lines(list) {
		fields := strings.Fields(line)
		require.GreaterOrEqual(t, len(fields), 2, line)
		lines = append(lines, fields)
	}
	return lines
}

// constant returns the value of a constant of the tests in a folder, as it stands there.
func constant(t *testing.T, folder, name string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(folder), "*_test.go"))
	require.NoError(t, err)
	var value bytes.Buffer
	for _, path := range files {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(node ast.Node) bool {
			if spec, ok := node.(*ast.ValueSpec); ok && value.Len() == 0 {
				if i := slices.IndexFunc(spec.Names, func(id *ast.Ident) bool { return id.Name == name }); i >= 0 && i < len(spec.Values) {
					assert.NoError(t, printer.Fprint(&value, set, spec.Values[i]))
				}
			}
			return true
		})
	}
	require.NotEmpty(t, value.String(), "%s has no constant %s in its tests", folder, name)
	return value.String()
}
