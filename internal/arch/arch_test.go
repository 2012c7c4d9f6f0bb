// Package arch holds no code, only the test that the code keeps to docs/DESIGN.md and to the house rules.
package arch

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	root       = "../.."
	module     = "syncd/"
	fileLines  = 450
	funcLines  = 80
	tableTitle = "## Folders, and who may import whom"
)

// forTests may be imported by any test.
var forTests = []string{"internal/fake/redcap", "internal/fake/redox", "internal/fake/engage", "internal/pgtest", "internal/pgembed", "extract/sourcetest", "migrations"}

// allowed reads the import table of docs/DESIGN.md: package to the packages it may import; "*" is any.
func allowed(t *testing.T) map[string][]string {
	t.Helper()
	f, err := os.Open(filepath.Join(root, "docs", "DESIGN.md"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, inTable := map[string][]string{}, false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if strings.HasPrefix(line, "## ") {
			inTable = line == tableTitle
		}
		cells := strings.Split(line, "|")
		if !inTable || len(cells) != 4 || strings.Contains(line, "---") || strings.Contains(line, "may import") {
			continue
		}
		pkg := strings.TrimSpace(cells[1])
		table[pkg] = nil
		for _, p := range strings.Split(cells[2], ",") {
			if p = strings.TrimSpace(p); p != "" {
				table[pkg] = append(table[pkg], p)
			}
		}
	}
	if len(table) < 10 {
		t.Fatalf("read import table of docs/DESIGN.md: %d rows", len(table))
	}
	return table
}

type file struct {
	pkg, name string
	test      bool
	ast       *ast.File
	set       *token.FileSet
	text      string
}

// files parses every Go file of the module.
func files(t *testing.T) []file {
	t.Helper()
	var out []file
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && rel != "." || d.Name() == "testdata" || rel == "bin" || rel == "dist" || rel == "demo-data") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, path, text, parser.ParseComments)
		if err != nil {
			return err
		}
		out = append(out, file{filepath.ToSlash(filepath.Dir(rel)), rel, strings.HasSuffix(path, "_test.go"), parsed, set, string(text)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPackagesImportOnlyWhatTheDesignAllows(t *testing.T) {
	table := allowed(t)
	for _, f := range files(t) {
		may, listed := table[f.pkg]
		if !listed {
			t.Errorf("%s: package %s is not in the import table of docs/DESIGN.md", f.name, f.pkg)
			continue
		}
		for _, spec := range f.ast.Imports {
			ours, ok := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module)
			if !ok || ours == f.pkg || slices.Contains(may, ours) || slices.Contains(may, "*") || f.test && slices.Contains(forTests, ours) {
				continue
			}
			t.Errorf("%s: %s may not import %s", f.name, f.pkg, ours)
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	commented := map[string]bool{}
	for _, f := range files(t) {
		doc := f.ast.Doc.Text()
		commented[f.pkg] = commented[f.pkg] || strings.HasPrefix(doc, "Package ") || strings.HasPrefix(doc, "Command ")
	}
	for pkg, ok := range commented {
		if !ok {
			t.Errorf("package %s has no package comment", pkg)
		}
	}
}

func TestFilesAndFunctionsStayReadable(t *testing.T) {
	for _, f := range files(t) {
		if n := strings.Count(f.text, "\n"); n > fileLines {
			t.Errorf("%s has %d lines, more than %d", f.name, n, fileLines)
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if fn.Name.Name == "init" && fn.Recv == nil {
				t.Errorf("%s: init functions are not wanted here", f.name)
			}
			if n := f.set.Position(fn.End()).Line - f.set.Position(fn.Pos()).Line; n > funcLines && !f.test {
				t.Errorf("%s: %s has %d lines, more than %d", f.name, fn.Name.Name, n, funcLines)
			}
		}
	}
}

func TestVerificationCannotBeSwitchedOff(t *testing.T) {
	const field = "Insecure" + "SkipVerify"
	for _, f := range files(t) {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			var set ast.Expr
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				set = n.Key
			case *ast.AssignStmt:
				for _, left := range n.Lhs {
					if s, ok := left.(*ast.SelectorExpr); ok && s.Sel.Name == field {
						set = s.Sel
					}
				}
			}
			if id, ok := set.(*ast.Ident); ok && id.Name == field {
				t.Errorf("%s sets %s", f.name, field)
			}
			return true
		})
	}
}

// Every module that is required directly has its sentence in docs/decisions/0001-dependencies.md.
func TestEveryDirectModuleHasItsReason(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	reasons, err := os.ReadFile(filepath.Join(root, "docs", "decisions", "0001-dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mod)) {
		name, _, ok := strings.Cut(strings.TrimSpace(line), " v")
		if !ok || strings.Contains(line, "// indirect") {
			continue
		}
		name = strings.TrimPrefix(strings.TrimPrefix(name, "require "), "github.com/")
		short := name[strings.LastIndex(name, "/")+1:]
		if !strings.Contains(string(reasons), name) && !strings.Contains(string(reasons), short) {
			t.Errorf("%s: no reason in docs/decisions/0001-dependencies.md", name)
		}
	}
}
