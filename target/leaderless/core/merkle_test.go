package core

import (
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

// treeModel is what a tree stands for: the cells, and the tree kept along.
type treeModel struct {
	cells map[string]Cell
	tree  hashTree
}

func newTreeModel(depth uint) *treeModel {
	return &treeModel{cells: make(map[string]Cell), tree: hashTree{depth: depth}}
}

func (m *treeModel) set(key string, c Cell) {
	at, before, after := hashString(key), uint64(0), uint64(0)
	if old, ok := m.cells[key]; ok {
		before = cellHash(at, &old)
	}
	if c.Version.IsZero() {
		delete(m.cells, key)
	} else {
		after = cellHash(at, &c)
		m.cells[key] = c
	}
	m.tree.replace(m.tree.leafOf(at), before, after)
}

// rebuilt is the tree made from the cells alone, in an order of its own.
func (m *treeModel) rebuilt() hashTree {
	fresh := hashTree{depth: m.tree.depth}
	for key, c := range m.cells {
		at := hashString(key)
		fresh.replace(fresh.leafOf(at), 0, cellHash(at, &c))
	}
	return fresh
}

// differing compares two trees from the root down, as an exchange does, and
// counts the nodes that were compared.
func differing(a, b *hashTree, levels uint) (leaves []uint32, compared int) {
	for next := []uint32{treeRoot}; len(next) > 0; {
		node := next[len(next)-1]
		next = next[:len(next)-1]
		compared++
		switch {
		case a.hash(node) == b.hash(node):
		case node >= a.firstLeaf():
			leaves = append(leaves, node)
		default:
			next = a.below(next, node, levels)
		}
	}
	slices.Sort(leaves)
	return leaves, compared
}

func drawTreeCell(t *rapid.T) Cell {
	return Cell{
		Version:   Version{Time: rapid.Int64Range(0, 4).Draw(t, "time"), Node: 1, Incarnation: 1},
		Value:     rapid.SliceOfN(rapid.ByteRange('a', 'c'), 0, 2).Draw(t, "value"),
		Tombstone: rapid.IntRange(0, 3).Draw(t, "tombstone") == 0,
	}
}

// Whatever was written, overwritten and removed, in whatever order: the tree is
// that of the cells that are there.
func TestHashTreeIsThatOfItsCells(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newTreeModel(rapid.UintRange(1, 6).Draw(t, "depth"))
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			key := strconv.Itoa(rapid.IntRange(0, 20).Draw(t, "key"))
			if rapid.IntRange(0, 4).Draw(t, "remove") == 0 {
				m.set(key, Cell{})
			} else {
				m.set(key, drawTreeCell(t))
			}
		}
		fresh := m.rebuilt()
		for node := treeRoot; node < 2*m.tree.firstLeaf(); node++ {
			if m.tree.hash(node) != fresh.hash(node) {
				t.Fatalf("node %d of the updated tree is not that of the rebuilt one", node)
			}
		}
		if len(m.cells) == 0 && m.tree.hash(treeRoot) != 0 {
			t.Fatal("a tree from which everything was removed is not empty")
		}
	})
}

// Two trees differ in exactly the leaves in which a key-by-key comparison finds a difference.
func TestHashTreesDifferWhereTheirCellsDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		depth := rapid.UintRange(1, 7).Draw(t, "depth")
		a, b := newTreeModel(depth), newTreeModel(depth)
		for i := range rapid.IntRange(0, 40).Draw(t, "common") {
			c := drawTreeCell(t)
			a.set(strconv.Itoa(i), c)
			b.set(strconv.Itoa(i), c)
		}
		for range rapid.IntRange(0, 12).Draw(t, "differences") {
			m := []*treeModel{a, b}[rapid.IntRange(0, 1).Draw(t, "whose")]
			m.set(strconv.Itoa(rapid.IntRange(0, 60).Draw(t, "key")), drawTreeCell(t))
		}
		naive := make(map[uint32]bool)
		for i := range 61 {
			key := strconv.Itoa(i)
			x, inA := a.cells[key]
			y, inB := b.cells[key]
			if inA != inB || x.Compare(&y) != 0 {
				naive[a.tree.leafOf(hashString(key))] = true
			}
		}
		var want []uint32
		for leaf := range naive {
			want = append(want, leaf)
		}
		slices.Sort(want)
		got, _ := differing(&a.tree, &b.tree, rapid.UintRange(1, 5).Draw(t, "levels"))
		if !slices.Equal(got, want) {
			t.Fatalf("the trees differ in leaves %v, the cells in %v", got, want)
		}
	})
}

// The point of a tree: one difference among ten thousand keys is found with a few hashes.
func TestHashTreeFindsOneDifferenceCheaply(t *testing.T) {
	a, b := newTreeModel(10), newTreeModel(10)
	for i := range 10000 {
		c := cell(int64(i+1), "v")
		a.set(strconv.Itoa(i), c)
		b.set(strconv.Itoa(i), c)
	}
	_, compared := differing(&a.tree, &b.tree, 4)
	assert.Equal(t, 1, compared, "equal trees are known by their roots")
	b.set("77", cell(1e6, "w"))
	leaves, compared := differing(&a.tree, &b.tree, 4)
	assert.Equal(t, []uint32{a.tree.leafOf(hashString("77"))}, leaves)
	assert.LessOrEqual(t, compared, 1+16+16+4)
}

// Left and right count, and so does the place of a cell: the same two cells in
// other leaves make another tree.
func TestHashTreeTellsPlacesApart(t *testing.T) {
	a, b := hashTree{depth: 3}, hashTree{depth: 3}
	a.replace(8, 0, 5)
	b.replace(9, 0, 5)
	assert.NotEqual(t, a.hash(treeRoot), b.hash(treeRoot))
	a.replace(9, 0, 5)
	b.replace(8, 0, 5)
	assert.Equal(t, a.hash(treeRoot), b.hash(treeRoot))
}

func TestHashTreeBelow(t *testing.T) {
	tree := hashTree{depth: 3}
	assert.Equal(t, []uint32{4, 5, 6, 7}, tree.below(nil, 1, 2))
	assert.Equal(t, []uint32{8, 9, 10, 11}, tree.below(nil, 2, 4), "the tree ends")
	assert.Equal(t, []uint32{9}, tree.below(nil, 9, 4), "a leaf")
	assert.False(t, tree.has(0))
	assert.True(t, tree.has(15))
	assert.False(t, tree.has(16))
}
