package checker

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// merge looks for what Lipton and Sandberg define: a sequence of the process's
// events and the others' writes, each session's in its order, in which each
// read returns the latest write of its key.
type merge struct {
	events []plainEvent
	queues [][]int // what is left of each session's events
	dead   map[string]bool
}

func (m *merge) possible(state map[string]int) bool {
	key := fmt.Sprint(m.queues, state)
	if m.dead[key] {
		return false
	}
	left := false
	for q, queue := range m.queues {
		if len(queue) == 0 {
			continue
		}
		left = true
		e := queue[0]
		event := &m.events[e]
		next := state
		if event.writes {
			next = maps.Clone(state)
			next[event.key] = e
		} else if current, written := state[event.key]; event.source == -3 || event.source >= 0 && (!written || current != event.source) || event.source == -2 && written {
			continue
		}
		m.queues[q] = queue[1:]
		if m.possible(next) {
			m.queues[q] = queue
			return true
		}
		m.queues[q] = queue
	}
	if left {
		m.dead[key] = true
	}
	return !left
}

// isPipelined says whether every session has such a sequence.
func isPipelined(events []plainEvent) bool {
	sessions := map[int]bool{}
	for _, e := range events {
		sessions[e.session] = true
	}
	for reader := range sessions {
		queues := map[int][]int{}
		for i, e := range events {
			if e.writes || e.session == reader {
				queues[e.session] = append(queues[e.session], i)
			}
		}
		m := merge{events: events, dead: map[string]bool{}}
		for _, s := range slices.Sorted(maps.Keys(queues)) {
			m.queues = append(m.queues, queues[s])
		}
		if !m.possible(map[string]int{}) {
			return false
		}
	}
	return true
}

// TestPRAMIsRefutedOnlyWhereNoMergeExists holds the patterns against the
// definition itself, and says how many histories they let pass.
func TestPRAMIsRefutedOnlyWhereNoMergeExists(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 7))
	refuted, passed, held := 0, 0, 0
	for range 4_000 {
		operations := chaos(r)
		if slices.ContainsFunc(operations, func(o history.Operation) bool { return o.F == history.FDelete }) {
			continue
		}
		possible := isPipelined(plainEvents(operations))
		found := len(foundBy(t, operations, PRAM)) > 0
		switch {
		case found:
			require.False(t, possible, describeHistory(operations))
			refuted++
		case possible:
			held++
		default:
			passed++
		}
	}
	t.Logf("%d refuted, %d held, %d have no merge but none of the patterns", refuted, held, passed)
	assert.Greater(t, refuted, 500)
	assert.Greater(t, held, 500)
	assert.Less(t, passed, refuted/50)
}
