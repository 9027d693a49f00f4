// Command elsewhere checks that all packages of the workspace, with their tests, compile on
// other systems:
//
//	go run ./internal/elsewhere windows/amd64 darwin/arm64
//
// It checks the types of each package and of what that imports, from the sources. A build
// for another system finds the same mistakes, and takes minutes, because it translates
// every dependency.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// listed is a package as go list prints it.
type listed struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	ImportMap  map[string]string
	Module     *struct {
		Main      bool // is in the workspace
		GoVersion string
	}
	Error *struct{ Err string }
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./internal/elsewhere GOOS/GOARCH...")
		os.Exit(2)
	}
	failed := false
	for _, system := range os.Args[1:] {
		checked, err := check(system)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", system, err)
			failed = true
			continue
		}
		fmt.Printf("%s: %d packages and tests compile\n", system, checked)
	}
	if failed {
		os.Exit(1)
	}
}

// check returns how many packages of the workspace it checked, and all that is wrong with
// them.
func check(system string) (int, error) {
	goos, goarch, ok := strings.Cut(system, "/")
	if !ok {
		return 0, errors.New("want a system as GOOS/GOARCH, such as windows/amd64")
	}
	list := exec.Command("go", "list", "-deps", "-test", "-json=ImportPath,Dir,GoFiles,ImportMap,Module,Error", "work") //nolint:noctx // it ends by itself
	list.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
	list.Stderr = os.Stderr
	output, err := list.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := list.Start(); err != nil {
		return 0, err
	}
	checked, wrong := 0, []error(nil)
	known := map[string]*types.Package{"unsafe": types.Unsafe}
	for decoder := json.NewDecoder(output); ; { // dependencies come first
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return 0, fmt.Errorf("read what go list prints: %w", err)
		}
		ours := p.Module != nil && p.Module.Main
		if p.Error != nil && ours {
			wrong = append(wrong, fmt.Errorf("%s: %s", p.ImportPath, p.Error.Err))
			continue
		}
		if p.ImportPath == "unsafe" || strings.HasSuffix(p.ImportPath, ".test") { // go test writes its main
			continue
		}
		result, errs := checkPackage(p, known, types.SizesFor("gc", goarch), ours)
		known[p.ImportPath] = result
		if ours {
			checked++
			wrong = append(wrong, errs...)
		}
	}
	return checked, errors.Join(append(wrong, list.Wait())...)
}

// checkPackage checks the types of a package. Of a dependency it leaves out what stands in
// functions.
func checkPackage(p listed, known map[string]*types.Package, sizes types.Sizes, ours bool) (*types.Package, []error) {
	var errs []error
	wrong := func(err error) { errs = append(errs, err) }
	set := token.NewFileSet()
	var files []*ast.File
	for _, name := range p.GoFiles {
		if !filepath.IsAbs(name) {
			name = filepath.Join(p.Dir, name)
		}
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			wrong(err)
			continue
		}
		files = append(files, file)
	}
	config := types.Config{
		Error: wrong, Sizes: sizes, IgnoreFuncBodies: !ours, FakeImportC: true,
		Importer: importer(func(path string) (*types.Package, error) {
			if actual, mapped := p.ImportMap[path]; mapped {
				path = actual
			}
			if found := known[path]; found != nil {
				return found, nil
			}
			return nil, fmt.Errorf("%s is not there for this system", path)
		}),
	}
	if p.Module != nil && p.Module.GoVersion != "" {
		config.GoVersion = "go" + p.Module.GoVersion
	}
	path, _, _ := strings.Cut(p.ImportPath, " ")
	result, _ := config.Check(path, set, files, nil) // wrong has all its errors
	return result, errs
}

type importer func(path string) (*types.Package, error)

func (i importer) Import(path string) (*types.Package, error) { return i(path) }
