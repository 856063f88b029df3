package core

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// lab is a few replicas of one object that exchange their states as a test says.
type lab struct {
	t        *rapid.T
	kind     ObjectKind
	replicas []*dataType
	clock    int64
}

func newLab(t *rapid.T, kind ObjectKind) *lab {
	l := &lab{t: t, kind: kind}
	for range 3 {
		l.replicas = append(l.replicas, &dataType{kind: kind})
	}
	return l
}

func (l *lab) replica(label string) int { return rapid.IntRange(0, len(l.replicas)-1).Draw(l.t, label) }

// update lets the replica carry the operation out. seen is nil for what it holds itself.
func (l *lab) update(at int, o Operand, seen Vector) {
	l.clock++
	next, problem := l.replicas[at].update(&o, Actor{Node: NodeID(at)}, seen, Version{Time: l.clock, Node: NodeID(at), Incarnation: 1, Sequence: uint32(l.clock)})
	require.Empty(l.t, problem)
	l.replicas[at] = next
}

func (l *lab) merge(into, from int) {
	l.replicas[into] = l.replicas[into].Merge(l.replicas[from]).(*dataType)
}

// mergeAll brings all replicas to the same state and returns what readers see.
func (l *lab) mergeAll() string {
	for range 2 {
		for i := range l.replicas {
			for j := range l.replicas {
				l.merge(i, j)
			}
		}
	}
	first := encoded(l.replicas[0])
	for _, r := range l.replicas[1:] {
		require.Equal(l.t, first, encoded(r), "replicas that were told the same hold the same")
	}
	return string(l.replicas[0].Siblings()[0].Value)
}

func encoded(o Object) string { return string(appendObject(nil, o)) }

// The counter is the sum of the different operations, whichever replicas they
// were asked of, how often, and in what order states were exchanged.
func TestCounterCountsEachOperationOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLab(t, ObjectCounter)
		amounts := map[uint64]int64{}
		plain := int64(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch at := l.replica("at"); rapid.IntRange(0, 4).Draw(t, "what") {
			case 0, 1: // new, or again: at whatever replica, known there or not
				id := uint64(rapid.IntRange(1, 20).Draw(t, "id"))
				if _, again := amounts[id]; !again {
					amounts[id] = rapid.Int64Range(-10, 10).Draw(t, "by")
				}
				l.update(at, Operand{Kind: OperandAdd, By: amounts[id], ID: id}, nil)
			case 2:
				by := rapid.Int64Range(-10, 10).Draw(t, "by")
				plain += by
				l.update(at, Operand{Kind: OperandAdd, By: by}, nil)
			default:
				l.merge(at, l.replica("from"))
			}
		}
		want := plain
		for _, by := range amounts {
			want += by
		}
		assert.Equal(t, strconv.FormatInt(want, 10), l.mergeAll())
	})
}

// An actor that forgets an identifier changes no total, even if others remember
// it too: what is forgotten is in the sum by then.
func TestCounterForgetsWithoutCountingTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const remembered = 3
		stores := make([][]dotted[contribution], 3)
		seen := make([]Vector, 3)
		merge := func(into, from int) {
			stores[into] = joinDotted(stores[into], stores[from], seen[into], seen[from], func(a, b *contribution) bool { return a.compare(b) >= 0 })
			seen[into] = seen[into].Merge(seen[from])
		}
		add := func(at int, id uint64) {
			actor := Actor{Node: NodeID(at)}
			dot := Dot{actor, seen[at].Counter(actor) + 1}
			if out, changed, ok := addTo(stores[at], dot, 1, id, remembered); ok && changed {
				stores[at], seen[at] = out, seen[at].with(dot, 0)
			}
		}
		want := int64(0)
		operations := rapid.Uint64Range(1, 40).Draw(t, "operations")
		for id := uint64(1); id <= operations; id++ {
			// Each operation is asked of one or two replicas, which hear of each other before the next.
			one, other := rapid.IntRange(0, 2).Draw(t, "one"), rapid.IntRange(0, 2).Draw(t, "other")
			add(one, id)
			add(other, id)
			want++
			for k := range rapid.IntRange(1, 3).Draw(t, "merges") {
				merge((one+k)%3, (other+k)%3)
				merge((other+k)%3, (one+k)%3)
			}
			merge(one, other)
			merge(other, one)
			before := totalOf(stores[one])
			merge(one, other)
			assert.Equal(t, before, totalOf(stores[one]))
		}
		for range 2 {
			for i := range stores {
				for j := range stores {
					merge(i, j)
				}
			}
		}
		assert.Equal(t, want, totalOf(stores[0]))
		for i := range stores[0] {
			assert.LessOrEqual(t, len(stores[0][i].value.recent), 3*remembered, "memory is bounded")
		}
	})
}

// Beyond what is remembered a retry counts again: the bound is the documented one.
func TestARetryBeyondTheMemoryCountsAgain(t *testing.T) {
	counter := &dataType{kind: ObjectCounter}
	add := func(id uint64) {
		next, problem := counter.update(&Operand{Kind: OperandAdd, By: 1, ID: id}, Actor{}, nil, Version{Time: 1})
		require.Empty(t, problem)
		counter = next
	}
	for id := uint64(1); id <= rememberedOperations; id++ {
		add(id)
	}
	add(1)
	assert.Equal(t, strconv.Itoa(rememberedOperations), string(counter.value()), "the oldest is still remembered")
	add(rememberedOperations + 1)
	add(1)
	assert.Equal(t, strconv.Itoa(rememberedOperations+2), string(counter.value()), "and now it is not")
}

func TestACounterNeverOverflows(t *testing.T) {
	counter := &dataType{kind: ObjectCounter}
	for _, by := range []int64{largestSum, -largestSum, 1 << 62, -1 << 63} {
		_, problem := counter.update(&Operand{Kind: OperandAdd, By: by}, Actor{}, nil, Version{Time: 1})
		assert.NotEmpty(t, problem, "%d", by)
	}
	var all []dotted[contribution]
	for node := range 5 {
		all = append(all, dotted[contribution]{Dot{Actor{Node: NodeID(node)}, 1}, contribution{added: largestSum - 1}})
	}
	assert.Equal(t, int64(1<<63-1), totalOf(all))
}

// tags is the model of an observed-remove set: every addition has a tag of its
// own, a removal names the tags of the element that were seen.
type tags struct{ added, removed map[string]bool } // "element#number"

func (m *tags) clone() tags { return tags{maps.Clone(m.added), maps.Clone(m.removed)} }

func (m *tags) merge(o tags) {
	maps.Copy(m.added, o.added)
	maps.Copy(m.removed, o.removed)
}

func (m *tags) remove(element string, seen map[string]bool) {
	for tag := range seen {
		if strings.HasPrefix(tag, element+"#") {
			m.removed[tag] = true
		}
	}
}

func (m *tags) value() string {
	in := map[string]bool{}
	for tag := range m.added {
		if !m.removed[tag] {
			element, _, _ := strings.Cut(tag, "#")
			in[strconv.Quote(element)] = true
		}
	}
	return "[" + strings.Join(slices.Sorted(maps.Keys(in)), ",") + "]"
}

func TestSetIsAnObservedRemoveSet(t *testing.T) {
	type reading struct {
		context []byte
		seen    map[string]bool
	}
	rapid.Check(t, func(t *rapid.T) {
		l := newLab(t, ObjectSet)
		models := make([]tags, len(l.replicas))
		for i := range models {
			models[i] = tags{map[string]bool{}, map[string]bool{}}
		}
		var readings []reading
		element := func() string { return rapid.SampledFrom([]string{"", "milk", "eggs", "ham"}).Draw(t, "element") }
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			at := l.replica("at")
			m := &models[at]
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0, 1:
				e := element()
				l.update(at, Operand{Kind: OperandInsert, Element: []byte(e)}, nil)
				m.added[fmt.Sprintf("%s#%d", e, l.clock)] = true
			case 2: // of what the replica holds
				e := element()
				l.update(at, Operand{Kind: OperandRemove, Element: []byte(e)}, nil)
				m.remove(e, maps.Clone(m.added))
			case 3: // of what somebody read, perhaps elsewhere, and of more than is known here
				if len(readings) > 0 {
					r := rapid.SampledFrom(readings).Draw(t, "reading")
					context, err := ParseContext(r.context)
					require.NoError(t, err)
					e := element()
					l.update(at, Operand{Kind: OperandRemove, Element: []byte(e)}, context.Seen)
					m.remove(e, r.seen)
				}
			case 4:
				if c := l.replicas[at].Context(); c != nil { // of nothing there is none
					readings = append(readings, reading{c, maps.Clone(m.added)})
				}
			default:
				from := l.replica("from")
				l.merge(at, from)
				m.merge(models[from].clone())
			}
			require.Equal(t, m.value(), string(l.replicas[at].value()))
		}
		for i := range models {
			models[0].merge(models[i].clone())
		}
		assert.Equal(t, models[0].value(), l.mergeAll())
	})
}

// The union of what two replicas hold brings a removed element back (the cart of
// DDIA, p. 191); the set does not.
func TestTheCartThatAUnionGetsWrong(t *testing.T) {
	a := &dataType{kind: ObjectSet}
	do := func(s *dataType, node NodeID, kind OperandKind, element string) *dataType {
		next, problem := s.update(&Operand{Kind: kind, Element: []byte(element)}, Actor{Node: node}, nil, Version{Time: 1})
		require.Empty(t, problem)
		return next
	}
	a = do(a, 0, OperandInsert, "milk")
	b := do(a, 1, OperandInsert, "eggs")
	a = do(a, 0, OperandRemove, "milk")
	assert.Equal(t, `["eggs"]`, string(a.Merge(b).(*dataType).value()))
	// An addition at the same time as the removal survives it.
	c := do(b, 2, OperandInsert, "milk")
	assert.Equal(t, `["eggs","milk"]`, string(a.Merge(c).(*dataType).value()))
}

func TestAMapKeepsWhatWasNotSeenByWhoRemovedIt(t *testing.T) {
	at := func(m *dataType, node NodeID, o Operand) *dataType {
		next, problem := m.update(&o, Actor{Node: node}, nil, Version{Time: int64(node) + 1})
		require.Empty(t, problem)
		return next
	}
	m := at(&dataType{kind: ObjectMap}, 0, Operand{Kind: OperandAdd, Field: "visits", By: 3})
	m = at(m, 0, Operand{Kind: OperandInsert, Field: "tags", Element: []byte("a")})
	m = at(m, 0, Operand{Kind: OperandAssign, Field: "name", Element: []byte(`Ann "x"`)})
	assert.Equal(t, `{"name_register":"Ann \"x\"","tags_set":["a"],"visits_counter":3}`, string(m.value()))

	dropped := at(m, 1, Operand{Kind: OperandDrop, Field: "tags"})
	assert.Equal(t, `{"name_register":"Ann \"x\"","visits_counter":3}`, string(dropped.value()))
	more := at(m, 2, Operand{Kind: OperandInsert, Field: "tags", Element: []byte("b")})
	both := dropped.Merge(more).(*dataType)
	assert.Equal(t, `{"name_register":"Ann \"x\"","tags_set":["b"],"visits_counter":3}`, string(both.value()), "what was added meanwhile keeps the member alive, with that alone")

	// Two assignments that did not see each other: the newer version wins. One that has seen them replaces both.
	x := at(m, 3, Operand{Kind: OperandAssign, Field: "name", Element: []byte("X")})
	y := at(m, 4, Operand{Kind: OperandAssign, Field: "name", Element: []byte("Y")})
	joined := x.Merge(y).(*dataType)
	assert.Contains(t, string(joined.value()), `"name_register":"Y"`)
	late := at(joined, 1, Operand{Kind: OperandAssign, Field: "name", Element: []byte("Z")})
	assert.Contains(t, string(late.Merge(y).Merge(x).(*dataType).value()), `"name_register":"Z"`, "although its clock was behind")

	cleared := late.clear(nil)
	assert.Equal(t, `{}`, string(cleared.value()))
	assert.Equal(t, `{"tags_set":["b"]}`, string(cleared.Merge(more).(*dataType).value()))
}

// anyDataTypes draws states that replicas of one object may have.
func anyDataTypes(t *rapid.T) []Object {
	kind := rapid.SampledFrom([]ObjectKind{ObjectCounter, ObjectSet, ObjectMap}).Draw(t, "kind")
	l := newLab(t, kind)
	var contexts [][]byte
	for range rapid.IntRange(0, 25).Draw(t, "steps") {
		at := l.replica("at")
		o := Operand{Kind: rapid.SampledFrom([]OperandKind{OperandAdd, OperandInsert, OperandRemove, OperandAssign, OperandDrop}).Draw(t, "operand"),
			Element: []byte(rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "element")),
			By:      rapid.Int64Range(-5, 5).Draw(t, "by"), ID: uint64(rapid.IntRange(0, 6).Draw(t, "id"))}
		if kind == ObjectMap {
			o.Field = rapid.SampledFrom([]string{"f", "g"}).Draw(t, "field")
		}
		switch {
		case rapid.IntRange(0, 3).Draw(t, "merge") == 0:
			l.merge(at, l.replica("from"))
			contexts = append(contexts, l.replicas[at].Context())
		case rapid.IntRange(0, 9).Draw(t, "clear") == 0:
			l.replicas[at] = l.replicas[at].clear(nil)
		case o.problem(kind) == "":
			var seen Vector
			if len(contexts) > 0 && rapid.Bool().Draw(t, "with context") {
				context, _ := ParseContext(rapid.SampledFrom(contexts).Draw(t, "context"))
				seen = context.Seen
			}
			l.update(at, o, seen)
		}
	}
	return []Object{l.replicas[0], l.replicas[1], l.replicas[2]}
}

func anyRows(t *rapid.T) []Object {
	byValue := rapid.Bool().Draw(t, "by value")
	rows := []Object{&row{byValue: byValue}, &row{byValue: byValue}, &row{byValue: byValue}}
	for k := range rapid.IntRange(0, 12).Draw(t, "steps") {
		at := rapid.IntRange(0, 2).Draw(t, "at")
		v := Version{Time: rapid.Int64Range(1, 3).Draw(t, "time"), Node: NodeID(at), Incarnation: 1, Sequence: uint32(k + 1)}
		var other *row
		switch rapid.IntRange(0, 4).Draw(t, "what") {
		case 0:
			other = &row{byValue: byValue, deleted: v}
		case 1:
			other = rows[rapid.IntRange(0, 2).Draw(t, "from")].(*row)
		default:
			var columns []Column
			for _, name := range []string{"x", "y"} {
				if rapid.Bool().Draw(t, name) {
					columns = append(columns, Column{name, []byte(rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "value")), rapid.IntRange(0, 4).Draw(t, "delete") == 0})
				}
			}
			other = rowOf(columns, v, byValue)
		}
		rows[at] = rows[at].Merge(other)
	}
	return rows
}

// The laws of a join: replicas may be told in any order, in any grouping, and any number of times.
func TestJoinsOfObjects(t *testing.T) {
	for name, draw := range map[string]func(*rapid.T) []Object{"data types": anyDataTypes, "rows": anyRows} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				o := draw(t)
				a, b, c := o[0], o[1], o[2]
				ab := a.Merge(b)
				assert.Equal(t, encoded(ab), encoded(b.Merge(a)), "commutative")
				assert.Equal(t, encoded(ab.Merge(c)), encoded(a.Merge(b.Merge(c))), "associative")
				assert.Equal(t, encoded(a), encoded(a.Merge(a)), "idempotent")
				assert.Equal(t, encoded(ab), encoded(ab.Merge(b)))
				assert.True(t, ab.Covers(a) && ab.Covers(b) && a.Covers(a))
				assert.Equal(t, encoded(ab) == encoded(a), a.Covers(b), "to cover is to gain nothing by a join")
			})
		})
	}
}

func TestObjectsAreDecodedAsTheyWere(t *testing.T) {
	for name, draw := range map[string]func(*rapid.T) []Object{"data types": anyDataTypes, "rows": anyRows} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				for _, o := range draw(t) {
					b := encoded(o)
					d := decoder{rest: []byte(b)}
					back := d.object()
					require.NoError(t, d.end())
					require.Equal(t, b, encoded(back))
					require.Equal(t, o.Siblings(), back.Siblings())
					// Whatever was cut or altered is refused, or is a state that joins can work with.
					broken := []byte(b)
					k := rapid.IntRange(0, len(broken)-1).Draw(t, "place")
					if rapid.Bool().Draw(t, "cut") {
						broken = broken[:k]
					} else {
						broken[k] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
					}
					d = decoder{rest: broken}
					if x := d.object(); d.end() == nil {
						x.Merge(o)
						o.Covers(x)
						x.Siblings()
					}
				}
			})
		})
	}
}

// Catalogue item 13: two rows with one timestamp, mixed column by column.
func TestRowsOfOneTimestamp(t *testing.T) {
	one := func(byValue bool) *row {
		return rowOf([]Column{{Name: "x", Value: []byte("1")}, {Name: "y", Value: []byte("-1")}}, Version{Time: 5, Node: 0, Incarnation: 1, Sequence: 1}, byValue)
	}
	two := func(byValue bool) *row {
		return rowOf([]Column{{Name: "y", Value: []byte("-2")}, {Name: "x", Value: []byte("2")}}, Version{Time: 5, Node: 1, Incarnation: 1, Sequence: 1}, byValue)
	}
	assert.Equal(t, `{"x":"2","y":"-2"}`, string(one(false).Merge(two(false)).Siblings()[0].Value), "unique versions keep rows whole")
	assert.Equal(t, `{"x":"2","y":"-2"}`, string(two(true).Merge(one(true)).Siblings()[0].Value), "by text −2 is the larger, too")
	// The larger value of each column, as bytes: 9 > 10 and so on.
	ten := rowOf([]Column{{Name: "x", Value: []byte("10")}, {Name: "y", Value: []byte("-10")}}, Version{Time: 5, Node: 0, Incarnation: 1, Sequence: 1}, true)
	nine := rowOf([]Column{{Name: "x", Value: []byte("3")}, {Name: "y", Value: []byte("-1")}}, Version{Time: 5, Node: 1, Incarnation: 1, Sequence: 1}, true)
	assert.Equal(t, `{"x":"3","y":"-10"}`, string(ten.Merge(nine).Siblings()[0].Value), "a row that nobody wrote")

	deleted := ten.Merge(&row{byValue: true, deleted: Version{Time: 5, Node: 3, Incarnation: 1, Sequence: 1}})
	assert.True(t, deleted.Siblings()[0].Tombstone, "on a tie of timestamps the delete wins")
}

// Each column is the newest write of it.
func TestRowsAgainstAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type write struct {
			v Version
			c Column
		}
		newest := map[string]write{}
		var r Object = &row{}
		for k := range rapid.IntRange(1, 15).Draw(t, "writes") {
			v := Version{Time: rapid.Int64Range(1, 4).Draw(t, "time"), Node: NodeID(rapid.IntRange(0, 2).Draw(t, "node")), Incarnation: 1, Sequence: uint32(k + 1)}
			c := Column{Name: rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "column"), Value: []byte(strconv.Itoa(k)), Delete: rapid.IntRange(0, 3).Draw(t, "delete") == 0}
			if old, found := newest[c.Name]; !found || v.Compare(old.v) > 0 {
				newest[c.Name] = write{v, c}
			}
			r = r.Merge(rowOf([]Column{c}, v, false))
		}
		var want []string
		for _, name := range slices.Sorted(maps.Keys(newest)) {
			if w := newest[name]; !w.c.Delete {
				want = append(want, fmt.Sprintf("%q:%q", name, w.c.Value))
			}
		}
		s := r.Siblings()[0]
		assert.Equal(t, len(want) == 0, s.Tombstone)
		if !s.Tombstone {
			assert.Equal(t, "{"+strings.Join(want, ",")+"}", string(s.Value))
		}
	})
}
