package workloads

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/refute-lab/refute/harness/generator"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/target"
)

// Cart is shopping carts (Dynamo §4.4; DDIA p. 191). A cart is one key of the
// store; several clients put items into it and take them out, at once.
//
//   - merge=union: the cart is a list of items that the client reads, changes
//     and writes back, with the causal context of what it has read. Where the
//     store returns several versions side by side the client merges them by
//     taking everything that is in any of them. Nothing that was put in is lost,
//     and what was taken out comes back.
//   - merge=or-set: the cart is an observed-remove set (data-type=or-set), which
//     the store merges. Removals name what the client has read.
//
// The history is about items: the key "c3/17" is item 17 of the cart c3, a
// write puts it in, a delete takes it out, a read says whether it is there. So
// the claims about registers judge it.
type Cart struct{}

// Name returns "cart".
func (Cart) Name() string { return "cart" }

// Describe says what the workload does.
func (Cart) Describe() string {
	return "items put into shopping carts and taken out by several clients at once, merged by the clients or by the store: items that come back"
}

// Settings lists the size of a cart and who merges.
func (Cart) Settings() []target.Setting {
	return []target.Setting{
		{Name: "items", Default: "30", Values: "2…", Help: "items of a cart before a new cart is begun"},
		{Name: "merge", Default: "union", Values: "union | or-set", Help: "what becomes of carts that were changed at once: the client takes all items of either, or the store merges sets"},
	}
}

// Needs says which data type of the store the setting merge is about.
func (Cart) Needs(settings map[string]string) map[string]string {
	if settings["merge"] == "or-set" {
		return map[string]string{"data-type": "or-set"}
	}
	return map[string]string{"resolver": "dotted"}
}

// Claims are the claims that histories of items can decide.
func (Cart) Claims() []string {
	return []string{"no-resurrected-deletes", "no-lost-writes", "no-stale-reads", "monotonic-reads", "convergence", "no-phantom-values"}
}

// Occasional are linearizable, which no cart is that clients merge, and
// those for which a client must have read what it changed.
func (Cart) Occasional() []string {
	return []string{"linearizable", "read-your-writes", "no-dirty-reads"}
}

// DefaultRate is 200 operations a second: most take two requests, and each item is read in the end.
func (Cart) DefaultRate() float64 { return 200 }

// LeastClients is those that put items in, and one that takes them out.
func (Cart) LeastClients(map[string]string) int { return cartAdders + 1 }

// cartAdders is how many clients put an item in, in each burst of operations.
const cartAdders = 2

// Main returns the operations of the main phase. In each burst some clients
// put a new item each into the cart, one takes out an item of the burst before,
// and the others read items of late.
func (Cart) Main(c Config) (generator.Generator, error) {
	items, err := c.number("items", cartAdders)
	if err != nil {
		return nil, err
	}
	if _, err := c.choice("merge", "union", "or-set"); err != nil {
		return nil, err
	}
	if c.Concurrency <= cartAdders {
		return nil, fmt.Errorf("%d clients: the workload cart needs at least %d; set --concurrency", c.Concurrency, cartAdders+1)
	}
	node := generator.Nodes(c.Nodes, c.Seed)
	bursts := max(1, items/cartAdders)
	key := func(item int) string {
		return "c" + strconv.Itoa(item/cartAdders/bursts) + "/" + strconv.Itoa(item+1)
	}
	return generator.Function(func(worker, index int) (generator.Operation, bool) {
		burst, place := index/generator.Together, index%generator.Together
		role := (worker - int(plan.Draw(c.Seed, "cart/roles", uint64(burst))%uint64(c.Concurrency)) + c.Concurrency) % c.Concurrency
		op := generator.Operation{F: history.FRead, Node: node(worker, index)}
		switch {
		case role < cartAdders && place == 1:
			item := burst*cartAdders + role
			op.F, op.Key, op.Value = history.FWrite, key(item), history.IntValue(int64(item+1))
		case role == cartAdders && place == 1 && burst > 0:
			op.F, op.Key = history.FDelete, key((burst-1)*cartAdders+int(plan.Draw(c.Seed, "cart/remove", uint64(burst))%cartAdders))
		default:
			// The last three bursts' items, those of this one included.
			newest := (burst + 1) * cartAdders
			op.Key = key(newest - 1 - int(plan.Draw(c.Seed, "cart/read", uint64(worker), uint64(index))%uint64(min(newest, 3*cartAdders))))
		}
		return op, true
	}), nil
}

// Finals returns reads of every item on every node, shared out among the workers.
func (Cart) Finals(c Config, keys []string) generator.Generator { return c.readEach(keys) }

// Perform puts an item in, takes it out or looks for it.
func (Cart) Perform(ctx context.Context, c Config, _ *Memory, client target.Client, op generator.Operation) Outcome {
	cart, number, _ := strings.Cut(op.Key, "/")
	item, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return Outcome{Type: history.Fail, Error: fmt.Sprintf("%q is no item of a cart", op.Key)}
	}
	if c.Settings["merge"] == "or-set" {
		set, ok := client.(target.Set)
		if !ok {
			return Outcome{Type: history.Fail, Error: "the target has no sets: set merge=union"}
		}
		return performCartSet(ctx, set, op, cart, item)
	}
	versions, ok := client.(target.Versioned)
	if !ok {
		return Outcome{Type: history.Fail, Error: "the target keeps no versions: set merge=or-set"}
	}
	return performCartUnion(ctx, versions, op, cart, item)
}

// found is the outcome of a read of an item.
func found(items []int64, item int64, evidence *history.Evidence) Outcome {
	out := Outcome{Type: history.Ok, Value: history.NilValue(), Evidence: evidence}
	if slices.Contains(items, item) {
		out.Value = history.IntValue(item)
	}
	return out
}

// nothingToTakeOut is the outcome of a removal whose client does not see the
// item: nothing is written, so that it certainly took no effect. As a delete
// that succeeded it would accuse the store of having lost it, wherever the item
// was on its way.
func nothingToTakeOut(evidence *history.Evidence) Outcome {
	return Outcome{Type: history.Fail, Error: "the cart does not show the item: nothing was taken out", Evidence: evidence}
}

func performCartSet(ctx context.Context, set target.Set, op generator.Operation, cart string, item int64) Outcome {
	if op.F == history.FWrite {
		evidence, err := set.Insert(ctx, cart, item)
		if err != nil {
			return failed(err, false)
		}
		return Outcome{Type: history.Ok, Value: op.Value, Evidence: evidence}
	}
	elements, err := set.Elements(ctx, cart)
	if err != nil {
		return failed(err, true)
	}
	switch {
	case op.F == history.FRead:
		return found(elements.Values, item, elements.Evidence)
	case !slices.Contains(elements.Values, item):
		return nothingToTakeOut(elements.Evidence)
	}
	evidence, err := set.Remove(ctx, cart, item, elements.Context)
	if err != nil {
		return failed(err, false)
	}
	return Outcome{Type: history.Ok, Evidence: evidence}
}

func performCartUnion(ctx context.Context, versions target.Versioned, op generator.Operation, cart string, item int64) Outcome {
	read, err := versions.ReadVersions(ctx, cart)
	if err != nil {
		return failed(err, true)
	}
	var items []int64
	for _, value := range read.Values {
		var some []int64
		if err := json.Unmarshal(value, &some); err != nil {
			return Outcome{Type: history.Fail, Error: "something else wrote the cart: " + err.Error(), Evidence: read.Evidence}
		}
		items = append(items, some...)
	}
	slices.Sort(items)
	items = slices.Compact(items)
	switch op.F {
	case history.FRead:
		return found(items, item, read.Evidence)
	case history.FWrite:
		items = append(items, item)
	case history.FDelete:
		if !slices.Contains(items, item) {
			return nothingToTakeOut(read.Evidence)
		}
		items = slices.DeleteFunc(items, func(i int64) bool { return i == item })
	}
	value, err := json.Marshal(append([]int64{}, items...))
	if err != nil {
		return Outcome{Type: history.Fail, Error: err.Error()}
	}
	written, err := versions.WriteVersion(ctx, cart, value, read.Context)
	if err != nil {
		return failed(err, false)
	}
	return Outcome{Type: history.Ok, Value: op.Value, Evidence: written.Evidence}
}
