package purity

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Rules are what the source of a package may not do. Goroutines, channels and
// select are always forbidden.
type Rules struct {
	// Imports are the packages that may be imported. nil allows all.
	Imports []string
	// Forbidden are functions and variables of other packages that may not be
	// used, as "time.Now".
	Forbidden []string
	// MapRanges are the functions that may range over maps, because they hide the order.
	MapRanges []string
	// Floats are the functions that may touch floating point, because they
	// only hand it on.
	Floats []string
}

// What packages import is read from source as well, which takes seconds for
// the standard library: once for all checks.
var (
	reading sync.Mutex
	files   = token.NewFileSet()
	imports = importer.ForCompiler(files, "source", nil)
)

// Check reads the Go files of a folder, tests left out, and returns what is
// against the rules, each with its place, and also every exception in
// Rules.MapRanges that is no longer needed. An error means that the source
// could not be read or has a mistake.
func Check(folder string, r Rules) (violations []string, err error) {
	reading.Lock()
	defer reading.Unlock()
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, err
	}
	var sources []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			return nil, err
		}
		sources = append(sources, f)
	}
	if len(sources) == 0 {
		return nil, fmt.Errorf("%s holds no Go files: nothing was checked", folder)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: imports}
	if _, err = config.Check(folder, files, sources, info); err != nil {
		return nil, err
	}
	c := checker{rules: r, info: info, ranges: map[string]bool{}}
	for _, source := range sources {
		c.file(source)
	}
	for _, name := range r.MapRanges {
		if !c.ranges[name] {
			c.violations = append(c.violations, fmt.Sprintf("%s no longer ranges over a map: take it off the list", name))
		}
	}
	return c.violations, nil
}

type checker struct {
	rules      Rules
	info       *types.Info
	ranges     map[string]bool
	violations []string
}

func (c *checker) report(at ast.Node, format string, arguments ...any) {
	c.violations = append(c.violations, files.Position(at.Pos()).String()+": "+fmt.Sprintf(format, arguments...))
}

func (c *checker) file(source *ast.File) {
	for _, i := range source.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		if err == nil && c.rules.Imports != nil && !slices.Contains(c.rules.Imports, path) {
			c.report(i, "imports %s", path)
		}
	}
	for _, declaration := range source.Decls {
		function := ""
		if f, ok := declaration.(*ast.FuncDecl); ok {
			function = f.Name.Name
		}
		ast.Inspect(declaration, func(node ast.Node) bool {
			c.node(function, node)
			return true
		})
	}
}

func (c *checker) node(function string, node ast.Node) {
	switch x := node.(type) {
	case *ast.GoStmt, *ast.SelectStmt, *ast.ChanType, *ast.SendStmt:
		c.report(node, "goroutines and channels")
	case *ast.RangeStmt:
		if _, isMap := c.info.Types[x.X].Type.Underlying().(*types.Map); isMap {
			c.ranges[function] = true
			if !slices.Contains(c.rules.MapRanges, function) {
				c.report(node, "%s ranges over a map: its order differs from run to run", function)
			}
		}
	case *ast.Ident:
		if object := c.info.Uses[x]; object != nil && object.Pkg() != nil {
			if name := object.Pkg().Path() + "." + object.Name(); object.Parent() == object.Pkg().Scope() && slices.Contains(c.rules.Forbidden, name) {
				c.report(node, "uses %s", name)
			}
		}
	}
	if x, ok := node.(ast.Expr); ok && !slices.Contains(c.rules.Floats, function) {
		known := c.info.Types[x]
		if known.Type == nil || known.Value != nil {
			return
		}
		if basic, ok := known.Type.Underlying().(*types.Basic); ok && basic.Info()&(types.IsFloat|types.IsComplex) != 0 {
			c.report(node, "floating point: its last bit differs between architectures")
		}
	}
}
