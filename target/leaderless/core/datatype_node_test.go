package core

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ofType is a store of one node, every key of which is of that type.
func ofType(t *testing.T, dataType string) *solo {
	return newSolo(t, 0, alone(t, "data-type", dataType))
}

// reply makes a request and returns the answer.
func (b *solo) reply(q Request) Reply {
	b.t.Helper()
	b.now.Wall++
	q.ID, q.Key = uint64(b.now.Wall), "k"
	return b.ask(q)
}

func (b *solo) update(o Operand, context []byte) Reply {
	b.t.Helper()
	return b.reply(Request{Kind: RequestUpdate, Operand: &o, Context: context})
}

// value is what a reader is shown.
func (b *solo) value() string {
	b.t.Helper()
	r := b.reply(Request{Kind: RequestGet})
	require.Equal(b.t, StatusOK, r.Status, r.Message)
	return string(r.Cell.Value)
}

func TestNodesServeDataTypes(t *testing.T) {
	t.Run("counter", func(t *testing.T) {
		b := ofType(t, "counter")
		assert.False(t, b.reply(Request{Kind: RequestGet}).Found)
		b.update(Operand{Kind: OperandAdd, By: 5, ID: 9}, nil)
		b.update(Operand{Kind: OperandAdd, By: 5, ID: 9}, nil)
		b.update(Operand{Kind: OperandAdd, By: -2}, nil)
		assert.Equal(t, "3", b.value(), "the one with the identifier counts once")
		require.Equal(t, StatusOK, b.reply(Request{Kind: RequestDelete}).Status)
		assert.Equal(t, "0", b.value())
		b.update(Operand{Kind: OperandAdd, By: 4}, nil)
		assert.Equal(t, "4", b.value())
	})
	t.Run("or-set", func(t *testing.T) {
		b := ofType(t, "or-set")
		b.update(Operand{Kind: OperandInsert, Element: []byte("a")}, nil)
		old := b.reply(Request{Kind: RequestGet}).Context
		require.NotEmpty(t, old)
		b.update(Operand{Kind: OperandInsert, Element: []byte("b")}, nil)
		b.update(Operand{Kind: OperandInsert, Element: []byte("a")}, nil)
		b.update(Operand{Kind: OperandRemove, Element: []byte("a")}, old)
		assert.Equal(t, `["a","b"]`, b.value(), "who removed had not seen that it was put in again")
		b.update(Operand{Kind: OperandRemove, Element: []byte("a")}, b.reply(Request{Kind: RequestGet}).Context)
		assert.Equal(t, `["b"]`, b.value())
	})
	t.Run("map", func(t *testing.T) {
		b := ofType(t, "map")
		b.update(Operand{Kind: OperandAdd, Field: "n", By: 2}, nil)
		b.update(Operand{Kind: OperandAssign, Field: "n", Element: []byte("x")}, nil)
		b.update(Operand{Kind: OperandInsert, Field: "s", Element: []byte("e")}, nil)
		assert.Equal(t, `{"n_counter":2,"n_register":"x","s_set":["e"]}`, b.value())
		b.update(Operand{Kind: OperandDrop, Field: "n"}, nil)
		assert.Equal(t, `{"s_set":["e"]}`, b.value())
	})
	t.Run("row", func(t *testing.T) {
		b := ofType(t, "row")
		columns := func(c ...Column) Reply { return b.update(Operand{Kind: OperandColumns, Columns: c}, nil) }
		columns(Column{Name: "y", Value: []byte("1")}, Column{Name: "x", Value: []byte("2")})
		columns(Column{Name: "y", Value: []byte("3")})
		assert.Equal(t, `{"x":"2","y":"3"}`, b.value(), "other columns stay")
		columns(Column{Name: "x", Delete: true})
		assert.Equal(t, `{"y":"3"}`, b.value())
		b.reply(Request{Kind: RequestDelete})
		assert.False(t, b.reply(Request{Kind: RequestGet}).Found)
		columns(Column{Name: "z", Value: []byte("4")})
		assert.Equal(t, `{"z":"4"}`, b.value(), "what comes after the delete is not hidden by it")
	})
}

// What a key's data type cannot do is refused with a definite error that says what to do.
func TestOperationsThatMakeNoSenseAreRefused(t *testing.T) {
	add, insert := &Operand{Kind: OperandAdd, By: 1}, &Operand{Kind: OperandInsert, Element: []byte("e")}
	for _, x := range []struct {
		dataType string
		q        Request
		says     string
	}{
		{"register", Request{Kind: RequestUpdate, Operand: add}, "set data-type"},
		{"counter", Request{Kind: RequestPut, Value: []byte("5")}, "every key is a counter"},
		{"counter", Request{Kind: RequestUpdate}, "needs an operation"},
		{"counter", Request{Kind: RequestUpdate, Operand: insert}, "a counter has no such operation"},
		{"counter", Request{Kind: RequestUpdate, Operand: &Operand{Kind: OperandAdd, Field: "f"}}, "has no fields"},
		{"counter", Request{Kind: RequestUpdate, Operand: &Operand{Kind: OperandAdd, By: largestSum}}, "must stay below"},
		{"counter", Request{Kind: RequestUpdate, Operand: &Operand{Kind: 99}}, "no such operation"},
		{"or-set", Request{Kind: RequestUpdate, Operand: add}, "a set has no such operation"},
		{"or-set", Request{Kind: RequestUpdate, Operand: &Operand{Kind: OperandInsert, Element: []byte{0xff}}}, "must be UTF-8"},
		{"or-set", Request{Kind: RequestUpdate, Operand: &Operand{Kind: OperandInsert, Element: make([]byte, MaxElementBytes+1)}}, "4096 bytes"},
		{"or-set", Request{Kind: RequestUpdate, Operand: insert, Context: []byte("nonsense")}, "context"},
		{"map", Request{Kind: RequestUpdate, Operand: add}, "must name its field"},
		{"map", Request{Kind: RequestUpdate, Operand: &Operand{Kind: OperandAssign, Field: "f", Element: make([]byte, MaxObjectBytes)}}, "spread it over several keys"},
		{"row", Request{Kind: RequestUpdate, Operand: add}, "a row has no such operation"},
		{"row", Request{Kind: RequestUpdate, Operand: &Operand{Kind: OperandColumns}}, "1 to 256 columns"},
		{"row", Request{Kind: RequestUpdate, Operand: &Operand{Kind: OperandColumns, Columns: []Column{{Name: "x"}, {Name: "x"}}}}, "there twice"},
		{"row", Request{Kind: RequestUpdate, Operand: &Operand{Kind: OperandColumns, Columns: []Column{{}}}}, "name has 1 to"},
	} {
		r := ofType(t, x.dataType).reply(x.q)
		assert.Equal(t, StatusDefinite, r.Status, "%s: %+v", x.dataType, x.q.Operand)
		assert.Equal(t, CodeBadRequest, r.Code)
		assert.Contains(t, r.Message, x.says)
	}
}
