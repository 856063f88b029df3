package leaderless

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless/core"
)

// What clients make of the values of data types. A counter's value is its
// decimal sum, a set's a JSON array of its elements as texts, a row's a JSON
// object of its columns (whose integers are 16 hexadecimal digits): see package core. The functions are shared by the
// client over HTTP and by the simulation's.

// ParseElements reads the value of a set whose elements are integers.
func ParseElements(value []byte) ([]int64, error) {
	var texts []string
	if err := json.Unmarshal(value, &texts); err != nil {
		return nil, fmt.Errorf("%q is no set of elements: %w", value, err)
	}
	elements := make([]int64, len(texts))
	for i, text := range texts {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("the element %q is not a decimal 64-bit integer: something else put it in", text)
		}
		elements[i] = n
	}
	slices.Sort(elements)
	return elements, nil
}

// ParseColumns reads the value of a row whose columns hold integers; see RowColumns.
func ParseColumns(value []byte) (map[string]int64, error) {
	var texts map[string]string
	if err := json.Unmarshal(value, &texts); err != nil {
		return nil, fmt.Errorf("%q is no row: %w", value, err)
	}
	columns := make(map[string]int64, len(texts))
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		text := texts[name]
		n, err := strconv.ParseUint(text, 16, 64)
		if err != nil || len(text) != 16 {
			return nil, fmt.Errorf("the column %s=%q is not 16 hexadecimal digits: something else wrote it", name, text)
		}
		columns[name] = int64(n)
	}
	return columns, nil
}

// FormatElement is an element as it is put into a set.
func FormatElement(element int64) []byte { return strconv.AppendInt(nil, element, 10) }

// RowColumns are the columns of a write of a row, in order of their names. A
// value is the 16 hexadecimal digits of its two's complement, so that which of
// two is the larger, as bytes, is the same as in Cassandra, where an integer is
// these 8 bytes: a negative one is larger than any that is not.
func RowColumns(columns map[string]int64) []core.Column {
	out := make([]core.Column, 0, len(columns))
	for name, value := range columns {
		out = append(out, core.Column{Name: name, Value: fmt.Appendf(nil, "%016x", uint64(value))})
	}
	slices.SortFunc(out, func(a, b core.Column) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out
}

// Order is the version as a text whose order is that of last write wins; see target.Ordered.
func Order(v core.Version) string {
	if v.IsZero() {
		return ""
	}
	return fmt.Sprintf("%016x%02x%08x%08x", uint64(v.Time), uint8(v.Node), v.Incarnation, v.Sequence)
}

// ParseOrder is Order of a version as evidence tells it; "" for one that says nothing.
func ParseOrder(version string) string {
	var v core.Version
	if _, err := fmt.Sscanf(version, "%d@%d:%d:%d", &v.Time, &v.Node, &v.Incarnation, &v.Sequence); err != nil {
		return ""
	}
	return Order(v)
}

// misread is the error of a read whose answer cannot be understood.
func misread(node, key string, err error, evidence *history.Evidence) *target.Error {
	return &target.Error{Definite: true, Evidence: evidence, Message: fmt.Sprintf("node %s: key %s: %v", node, key, err)}
}

// ValueOf returns the one value of a reply to a get, nil if there is none. Its
// errors are *target.Error: that of the reply, or that there are several.
func ValueOf(node, key string, r *core.Reply, evidence *history.Evidence) ([]byte, error) {
	switch {
	case r.Status != core.StatusOK:
		_, err := Written(r, evidence)
		return nil, err
	case len(r.Siblings) > 1:
		return nil, misread(node, key, fmt.Errorf("%d values stand side by side", len(r.Siblings)), evidence)
	case len(r.Siblings) == 1:
		return r.Siblings[0].Value, nil
	case r.Found:
		return r.Cell.Value, nil
	}
	return nil, nil
}

// ElementsOf returns what a client makes of the reply to a get of a set.
func ElementsOf(node, key string, r *core.Reply, evidence *history.Evidence) (target.Elements, error) {
	value, err := ValueOf(node, key, r, evidence)
	if err != nil || value == nil {
		return target.Elements{Context: r.Context, Evidence: evidence}, err
	}
	elements, err := ParseElements(value)
	if err != nil {
		return target.Elements{}, misread(node, key, err, evidence)
	}
	return target.Elements{Values: elements, Context: r.Context, Evidence: evidence}, nil
}

// ColumnsOf returns what a client makes of the reply to a get of a row; nil if it is not there.
func ColumnsOf(node, key string, r *core.Reply, evidence *history.Evidence) (map[string]int64, error) {
	value, err := ValueOf(node, key, r, evidence)
	if err != nil || value == nil {
		return nil, err
	}
	columns, err := ParseColumns(value)
	if err != nil {
		return nil, misread(node, key, err, evidence)
	}
	return columns, nil
}

// SwapOf returns what a client makes of the reply to a compare-and-set.
func SwapOf(node, key string, r *core.Reply, evidence *history.Evidence) (target.Swap, error) {
	if r.Status != core.StatusOK {
		_, err := Written(r, evidence)
		return target.Swap{Evidence: evidence}, err
	}
	swap := target.Swap{Swapped: r.Applied, Evidence: evidence}
	if r.Applied || !r.Found {
		return swap, nil
	}
	actual, err := Reading(node, key, r, nil)
	if err != nil {
		return target.Swap{Evidence: evidence}, err
	}
	swap.Actual = actual
	return swap, nil
}
