package core

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The rules that make the core deterministic, checked on its source: equal
// verdicts of two runs would not show that they hold.
func TestCoreIsPure(t *testing.T) {
	allowedImports := []string{"bytes", "cmp", "encoding/binary", "errors", "fmt", "iter", "math", "math/bits", "slices", "strconv", "strings"}
	// These hide the order of the map by sorting.
	mayRangeOverMaps := []string{"ParseSettings", "sortedSlots"}

	files := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var sources []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(files, name, nil, 0)
		require.NoError(t, err)
		sources = append(sources, f)
	}
	require.Greater(t, len(sources), 15)
	info := &types.Info{Types: make(map[ast.Expr]types.TypeAndValue)}
	config := types.Config{Importer: importer.ForCompiler(files, "source", nil)}
	_, err = config.Check("core", files, sources, info)
	require.NoError(t, err)

	ranges := 0
	for _, source := range sources {
		for _, i := range source.Imports {
			assert.Contains(t, allowedImports, strings.Trim(i.Path.Value, `"`))
		}
		for _, declaration := range source.Decls {
			function := ""
			if f, ok := declaration.(*ast.FuncDecl); ok {
				function = f.Name.Name
			}
			ast.Inspect(declaration, func(node ast.Node) bool {
				at := func() string { return files.Position(node.Pos()).String() }
				switch x := node.(type) {
				case *ast.GoStmt, *ast.SelectStmt, *ast.ChanType, *ast.SendStmt:
					t.Errorf("%s: goroutines and channels", at())
				case *ast.RangeStmt:
					if _, isMap := info.Types[x.X].Type.Underlying().(*types.Map); isMap {
						ranges++
						assert.Contains(t, mayRangeOverMaps, function, "%s: the order of a map", at())
					}
				case ast.Expr:
					if typ := info.Types[x].Type; typ != nil {
						if basic, ok := typ.Underlying().(*types.Basic); ok && basic.Info()&(types.IsFloat|types.IsComplex) != 0 && info.Types[x].Value == nil {
							t.Errorf("%s: floating point", at())
						}
					}
				}
				return true
			})
		}
	}
	assert.Equal(t, len(mayRangeOverMaps), ranges)
}
