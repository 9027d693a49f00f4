package nylas_test

import (
	"context"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

var updateReadme = flag.Bool("update-readme", false, "write the table of what is covered into README.md")

// The table in README.md stands between these.
const (
	coverageBegin = "| Go | Nylas | emulator |\n|---|---|---|\n"
	coverageEnd   = "\n## "
)

// TestReadmeCoverage holds the table in README.md to what the code does: it makes
// each call of methods() to the emulator, and looks at the requests and answers.
// After a change: go test -run TestReadmeCoverage . -update-readme
func TestReadmeCoverage(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		goNames := goNamesOfMethods(t)
		covered := map[string]string{} // row by Go name
		for _, m := range methods() {
			name := goNames[m.op]
			require.NotEmpty(t, name, "of %q it is not known which method of the Client it is", m.op)
			calls := l.observe(m)
			require.NotEmpty(t, calls, m.op)
			assert.Contains(t, endpoints(calls), m.verb+" "+m.path, m.op)
			known := "yes"
			for _, c := range calls {
				assert.Regexp(t, template(c.path), c.escaped, "the log names another path than the request has")
				if c.unknown {
					known = "no"
				}
			}
			covered[name] = fmt.Sprintf("| `%s` | `%s` | %s |\n", name, strings.Join(endpoints(calls), "`, `"), known)
		}

		// What is made of other calls has no endpoint of its own.
		covered["Subscribe"] = "| `Subscribe` | made of `List`, `Get`, `Create`, `Update`, `RotateSecret` | yes |\n"
		covered["Rotate"] = "| `Rotate` | made of `RotateSecret` | yes |\n"

		var rows strings.Builder
		for _, name := range methodsOfClient() {
			if assert.Contains(t, covered, name, "a method of the Client that is missing in methods()") {
				rows.WriteString(covered[name])
			}
			delete(covered, name)
		}
		assert.Empty(t, covered)

		content, err := os.ReadFile("README.md")
		require.NoError(t, err)
		before, rest, found := strings.Cut(string(content), coverageBegin)
		require.True(t, found, "README.md has no table of what is covered")
		table, after, found := strings.Cut(rest, coverageEnd)
		require.True(t, found)
		if *updateReadme && !t.Failed() {
			text := before + coverageBegin + rows.String() + coverageEnd + after
			require.NoError(t, os.WriteFile("README.md", []byte(text), 0o644))
			return
		}
		assert.Equal(t, rows.String(), table, "README.md: go test -run TestReadmeCoverage . -update-readme")
	})
}

// observedCall is a request as the Client made it.
type observedCall struct {
	method  string
	path    string // the template, from the log
	escaped string // what was on the wire
	unknown bool   // the emulator does not have it
}

// observe makes a call to the emulator and returns the requests that it was.
func (l *loop) observe(m method) []observedCall {
	var calls []observedCall
	watch := nylas.WithRoundTripper(func(next http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err != nil {
				return nil, err
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				return nil, err
			}
			_ = resp.Body.Close()
			resp.Body = io.NopCloser(strings.NewReader(string(body)))
			calls = append(calls, observedCall{
				method: r.Method, escaped: r.URL.EscapedPath(),
				unknown: resp.StatusCode == http.StatusNotFound && strings.HasPrefix(string(body), "Cannot "),
			})
			return resp, nil
		})
	})
	logged := nylas.WithLogger(slog.New(attrHandler(func(attr slog.Attr) {
		if last := len(calls) - 1; attr.Key == "path" && last >= 0 {
			calls[last].path = attr.Value.String()
		}
	})))
	_ = m.call(l.t.Context(), l.newClient(l.nylas.APIKey(), watch, logged)) // the ids are unknown to the emulator
	return calls
}

// attrHandler is a slog.Handler that gets the attributes of records.
type attrHandler func(slog.Attr)

func (attrHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h attrHandler) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h attrHandler) WithGroup(string) slog.Handler          { return h }

func (h attrHandler) Handle(_ context.Context, record slog.Record) error {
	record.Attrs(func(attr slog.Attr) bool {
		h(attr)
		return true
	})
	return nil
}

// endpoints returns what was called, each once.
func endpoints(calls []observedCall) []string {
	var list []string
	for _, c := range calls {
		if endpoint := c.method + " " + c.path; !slices.Contains(list, endpoint) {
			list = append(list, endpoint)
		}
	}
	return list
}

// template returns what paths of a template look like.
func template(path string) *regexp.Regexp {
	return regexp.MustCompile("^" + regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(regexp.QuoteMeta(path), "[^/]+") + "$")
}

// methodsOfClient returns the methods of the Client and of all its services that take
// RequestOptions, such as "Subscribe" and "Messages.Send".
func methodsOfClient() []string {
	var names []string
	for method := range reflect.TypeFor[*nylas.Client]().Methods() {
		if takesRequestOptions(method.Type) {
			names = append(names, method.Name)
		}
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[nylas.Client]()) {
		if !field.IsExported() {
			continue
		}
		for method := range field.Type.Methods() {
			if takesRequestOptions(method.Type) {
				names = append(names, field.Name+"."+method.Name)
			}
		}
	}
	return names
}

func takesRequestOptions(f reflect.Type) bool {
	return f.IsVariadic() && f.In(f.NumIn()-1) == reflect.TypeFor[[]nylas.RequestOption]()
}

// goNamesOfMethods reads in the tests which method of the Client an element of
// methods() calls, by its op.
func goNamesOfMethods(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	names := map[string]string{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(parsed, func(node ast.Node) bool {
			if literal, ok := node.(*ast.CompositeLit); ok && len(literal.Elts) >= 2 {
				if op, called := opAndCall(literal); called != "" {
					names[op] = called
				}
			}
			return true
		})
	}
	return names
}

// opAndCall reads an element of methods(): it begins with its op and ends with
// the function that makes the call.
func opAndCall(literal *ast.CompositeLit) (op, called string) {
	first, last := value(literal.Elts[0]), value(literal.Elts[len(literal.Elts)-1])
	text, ok := first.(*ast.BasicLit)
	call, isFunc := last.(*ast.FuncLit)
	if !ok || !isFunc || text.Kind != token.STRING {
		return "", ""
	}
	ast.Inspect(call.Body, func(node ast.Node) bool {
		method, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if service, ok := method.X.(*ast.SelectorExpr); ok {
			if name := service.Sel.Name + "." + method.Sel.Name; slices.Contains(methodsOfClient(), name) {
				called = name
			}
		}
		return true
	})
	op, _ = strconv.Unquote(text.Value) // the parser took it
	return op, called
}

// value returns an element of a literal without its key.
func value(element ast.Expr) ast.Expr {
	if pair, ok := element.(*ast.KeyValueExpr); ok {
		return pair.Value
	}
	return element
}
