package catalogue

import (
	"embed"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/refute-lab/refute/harness/plan"
)

// Item is one known limit of leaderless stores.
type Item struct {
	// Number is its number in the catalogue, 1 to 30.
	Number int
	// Name is its name on the command line and, after the number, that of its folder.
	Name string
	// Title says in a few words what goes wrong.
	Title string
	// Story says what happens, step by step.
	Story string
	// Claim is the claim that the plan refutes, by its name in package
	// checker; for a legal item, the strongest one that it must not refute.
	Claim string
	// Legal says that what happens is allowed: nothing is refuted, by the twin or by the plan.
	Legal bool
	// Holds are other claims of the plan, which it must not refute.
	Holds []string
	// Cause is what the evidence must prove, by its name among checker's
	// Causes. Empty for a legal item, and where no cause can be derived.
	Cause string
	// Setting is the one in which the twin differs: of the target, or of the workload.
	Setting string
	// Plan and Twin are its values there. Equal for an item without a twin.
	Plan, Twin string
	// Remedy says why the twin's value helps, and Cost what it takes.
	Remedy, Cost string
	// Source says where the anomaly is known from.
	Source string
	// Reads is what the reads of the main phase return in the plan, in order,
	// and TwinReads in the twin: told for legal items, which no verdict tells
	// apart. "nil" is nothing found.
	Reads, TwinReads string
	// Missing says why the item has no plan; empty for those that have one.
	Missing string
}

// Items returns the catalogue in the order of its numbers.
func Items() []Item {
	all := slices.Concat(quorumItems(), conflictItems(), repairItems())
	slices.SortFunc(all, func(a, b Item) int { return a.Number - b.Number })
	return all
}

// Lookup finds an item by its number, its name, or the name of its folder. The
// error says which there are.
func Lookup(text string) (Item, error) {
	items := Items()
	number, err := strconv.Atoi(text)
	for _, item := range items {
		if err == nil && item.Number == number || item.Name == text || item.Folder() == text {
			return item, nil
		}
	}
	if err == nil {
		return Item{}, fmt.Errorf("the catalogue has no item %d: they are numbered from %d to %d", number, items[0].Number, items[len(items)-1].Number)
	}
	var near []string
	for _, item := range items {
		if len(text) > 2 && strings.Contains(item.Name, text) {
			near = append(near, item.Name)
		}
	}
	if len(near) > 0 {
		return Item{}, fmt.Errorf("the catalogue has no item %q: did you mean %s?", text, strings.Join(near, " or "))
	}
	return Item{}, fmt.Errorf("the catalogue has no item %q: `refute catalogue` lists numbers and names", text)
}

//go:embed */plan.json */twin.json
var files embed.FS

// Folder is the name of the item's folder in this package, for instance "02-sloppy-quorum".
func (i *Item) Folder() string { return fmt.Sprintf("%02d-%s", i.Number, i.Name) }

// LoadPlan returns the item's plan, as it stands in the file: settings that
// are not named have their defaults. It is an error if the item has none.
func (i *Item) LoadPlan() (*plan.Plan, error) { return i.load("plan.json") }

// HasTwin says whether the item has a twin: a legal item may have none.
func (i *Item) HasTwin() bool { return i.Missing == "" && i.Plan != i.Twin }

// LoadTwin returns the twin. It is an error if the item has none.
func (i *Item) LoadTwin() (*plan.Plan, error) { return i.load("twin.json") }

func (i *Item) load(name string) (*plan.Plan, error) {
	if i.Missing != "" {
		return nil, fmt.Errorf("item %d (%s) of the catalogue has no plan: %s", i.Number, i.Name, i.Missing)
	}
	text, err := files.ReadFile(i.Folder() + "/" + name)
	if err != nil {
		return nil, fmt.Errorf("item %d (%s) of the catalogue: %w", i.Number, i.Name, err)
	}
	p, err := plan.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("item %d (%s) of the catalogue: %s: %w", i.Number, i.Name, name, err)
	}
	return p, nil
}
