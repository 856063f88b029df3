package checker

import (
	"context"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// Some claims ask for the values that stand side by side and not for what was
// seen of them: which values the final reads return, where they come from, how
// many they are. They know registers whose reads return lists. A register whose
// reads return versions (values with dots and a context) is one of these for
// them, once the dots and contexts are left out.

// ofLists lets a check see versions as lists of their values.
func ofLists(check func(context.Context, *timeline, Options) Result) func(context.Context, *timeline, Options) Result {
	return func(ctx context.Context, t *timeline, o Options) Result { return check(ctx, t.listed(), o) }
}

// listed returns the timeline with versions as lists of their values; the same
// where there are none. Positions and indexes are the same.
func (t *timeline) listed() *timeline {
	if !slices.ContainsFunc(t.keys, func(k keyOperations) bool { return k.object == siblingObject }) {
		return t
	}
	operations := slices.Clone(t.operations)
	for k := range t.keys {
		key := &t.keys[k]
		if key.object != siblingObject {
			continue
		}
		for _, p := range key.positions {
			o := &operations[p]
			v, err := history.ParseVersions(o.Output)
			switch {
			case err != nil:
			case o.F == history.FRead:
				o.Output = history.ListValue(v.Values)
			default:
				o.Output = history.Value{} // the value is the invocation's
			}
		}
	}
	l, err := newTimeline(operations)
	if err != nil { // it was in order before
		return t
	}
	// What a survey decided has no operations here.
	for k := range t.keys {
		key := &t.keys[k]
		if key.surveyed == nil {
			continue
		}
		n, found := l.numbers[key.name]
		if !found {
			n = int32(len(l.keys))
			l.keys, l.numbers[key.name] = append(l.keys, *key), n
		}
		l.keys[n].surveyed = key.surveyed
	}
	l.total, l.traffic, l.versioned = t.total, t.traffic, t.operations
	return l
}
