package target

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

var registry = struct {
	sync.Mutex
	targets map[string]Target
}{targets: make(map[string]Target)}

// Add makes a target known under its name. The name must not be empty and
// not be taken already. It is meant to be called by main, once for each target.
func Add(t Target) error {
	name := t.Name()
	if name == "" {
		return fmt.Errorf("add a target of type %T: its name is empty", t)
	}
	registry.Lock()
	defer registry.Unlock()
	if other, taken := registry.targets[name]; taken {
		return fmt.Errorf("add target %q: the name is taken by a %T already", name, other)
	}
	registry.targets[name] = t
	return nil
}

// Lookup returns the target of that name, or an *UnknownError that lists those
// there are.
func Lookup(name string) (Target, error) {
	registry.Lock()
	t, ok := registry.targets[name]
	registry.Unlock()
	if !ok {
		return nil, &UnknownError{Name: name, Known: Names()}
	}
	return t, nil
}

// Names returns the names of the registered targets in alphabetical order.
func Names() []string {
	registry.Lock()
	defer registry.Unlock()
	return slices.Sorted(maps.Keys(registry.targets))
}

// UnknownError says that no target has the name that was asked for.
type UnknownError struct {
	// Name is what was asked for.
	Name string
	// Known are the names of the registered targets, in alphabetical order.
	Known []string
}

// Error names the unknown target and all known ones.
func (e *UnknownError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("unknown target %q: no target is registered", e.Name)
	}
	return fmt.Sprintf("unknown target %q: known are %s", e.Name, strings.Join(e.Known, ", "))
}
