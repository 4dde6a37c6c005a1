package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// counts are of production files: those that the go command compiles here without tests.
type counts struct {
	pkgs    []fileCounts
	across  int // references to files of other packages
	root    int // index of the root package
	fields  int // of Host
	methods int // of Host
	spread  int // files that declare methods of Host
}

type fileCounts struct {
	name         string
	files, lines int
	refs, up     int      // references between files; those that point up in the best order
	order        []string // the files
	upward       []string // the references that point up, each with the names used
}

// count checks the types of all packages of the product. A reference is a pair of files of which the first uses anything that
// the second declares, however often.
func count(pkgs []*pkg) (*counts, error) {
	fset := token.NewFileSet()
	exports := map[string]string{}
	checked := map[string]*types.Package{}
	gc := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	conf := types.Config{FakeImportC: true, Importer: importerFunc(func(path string) (*types.Package, error) {
		if p := checked[path]; p != nil {
			return p, nil
		}
		return gc.Import(path)
	})}
	c := new(counts)
	for _, p := range pkgs {
		exports[p.ImportPath] = p.Export
		if p.short == "" {
			continue
		}
		n := fileCounts{name: p.short}
		var files []*ast.File
		var names []string
		for _, name := range slices.Sorted(slices.Values(append(p.GoFiles, p.CgoFiles...))) {
			src, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				return nil, err
			}
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), src, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			files, names = append(files, file), append(names, name)
			n.lines += bytes.Count(src, []byte("\n"))
		}
		n.files = len(files)
		info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
		tp, err := conf.Check(p.ImportPath, fset, files, info)
		if err != nil {
			return nil, err
		}
		checked[p.ImportPath] = tp
		c.across += n.references(fset, names, info.Uses, tp, checked)
		if p.ImportPath == p.Module.Path {
			c.root = len(c.pkgs)
			c.host(files)
		}
		c.pkgs = append(c.pkgs, n)
	}
	return c, nil
}

type importerFunc func(string) (*types.Package, error)

func (f importerFunc) Import(path string) (*types.Package, error) { return f(path) }

// references counts the references within the package tp and returns the number of those to other packages of the product.
func (n *fileCounts) references(fset *token.FileSet, names []string, uses map[*ast.Ident]types.Object, tp *types.Package,
	checked map[string]*types.Package) int {
	g := make(graph, len(names))
	for i := range g {
		g[i] = make([]bool, len(names))
	}
	used := map[[2]int]map[string]bool{}
	across := map[[2]string]bool{}
	for id, obj := range uses {
		if _, isImport := obj.(*types.PkgName); isImport || obj.Pkg() == nil || checked[obj.Pkg().Path()] == nil {
			continue
		}
		user, decl := fset.Position(id.Pos()).Filename, fset.Position(obj.Pos()).Filename
		if obj.Pkg() != tp {
			across[[2]string{user, decl}] = true
			continue
		}
		i, j := slices.Index(names, filepath.Base(user)), slices.Index(names, filepath.Base(decl))
		if i == j || i < 0 || j < 0 {
			continue
		}
		g[i][j] = true
		if used[[2]int{i, j}] == nil {
			used[[2]int{i, j}] = map[string]bool{}
		}
		used[[2]int{i, j}][obj.Name()] = true
	}
	n.refs = len(used)
	order, up := g.order()
	n.up = up
	for at, i := range order {
		n.order = append(n.order, names[i])
		for _, j := range order[:at] {
			if g[i][j] {
				what := strings.Join(slices.Sorted(maps.Keys(used[[2]int{i, j}])), " ")
				n.upward = append(n.upward, fmt.Sprintf("%s → %s: %s", names[i], names[j], what))
			}
		}
	}
	return len(across)
}

// host counts the fields and methods of the type Host.
func (c *counts) host(files []*ast.File) {
	for _, file := range files {
		methods := 0
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Recv != nil && isHost(d.Recv.List[0].Type) {
					methods++
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					s, ok := spec.(*ast.TypeSpec)
					if !ok || s.Name.Name != "Host" {
						continue
					}
					if st, ok := s.Type.(*ast.StructType); ok {
						for _, f := range st.Fields.List {
							c.fields += max(1, len(f.Names))
						}
					}
				}
			}
		}
		c.methods += methods
		if methods > 0 {
			c.spread++
		}
	}
}

func isHost(recv ast.Expr) bool {
	if star, ok := recv.(*ast.StarExpr); ok {
		recv = star.X
	}
	id, ok := recv.(*ast.Ident)
	return ok && id.Name == "Host"
}

func (c *counts) text(verbose bool) string {
	var b strings.Builder
	total := fileCounts{name: "all packages"}
	fmt.Fprintf(&b, "%-27s %5s %6s %11s %9s\n", "", "files", "lines", "references", "point up")
	row := func(n fileCounts) {
		fmt.Fprintf(&b, "%-27s %5d %6d %11d %9d\n", n.name, n.files, n.lines, n.refs, n.up)
	}
	for _, n := range slices.Backward(c.pkgs) {
		row(n)
		total.files, total.lines, total.refs, total.up = total.files+n.files, total.lines+n.lines, total.refs+n.refs, total.up+n.up
	}
	row(total)
	fmt.Fprintf(&b, "\nReferences are between files of one package; there are %d more between files of two.\n", c.across)
	fmt.Fprintf(&b, "%s: Host has %d fields, and %d methods in %d files.\n", c.pkgs[c.root].name, c.fields, c.methods, c.spread)
	if verbose {
		for _, n := range slices.Backward(c.pkgs) {
			if n.up > 0 {
				fmt.Fprintf(&b, "\n%s, best order: %s\n", n.name, strings.Join(n.order, " "))
				for _, line := range n.upward {
					fmt.Fprintf(&b, "  %s\n", line)
				}
			}
		}
	}
	return b.String()
}
