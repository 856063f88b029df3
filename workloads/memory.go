package workloads

import (
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
)

// Memory is what a client remembers from one operation to the next: a session.
// What it remembers of a key is what a client library keeps in its hands, such
// as the causal context of the last read. It ends with the process: after an
// operation of unknown outcome the worker goes on as another client, which
// knows nothing.
//
// Perform may be carried out several times for one operation, of which only
// the last counts (a simulation does that, see sim's caller). What it notes is
// therefore kept only when its driver says so.
type Memory struct {
	worker, index int
	kept          map[string]Known
	noted         []note
}

// Known is what a client knows of one key.
type Known struct {
	// Context is the causal context of the last read or write, nil without one.
	Context []byte
	// Order is the greatest version that was read or written; see target.Ordered.
	Order string
	// Value is what was read or written last; Absent if nothing was.
	Value history.Value
}

type note struct {
	key   string
	known Known
}

// Known returns what is known of the key; the zero Known is nothing.
func (m *Memory) Known(key string) Known {
	for i := len(m.noted) - 1; i >= 0; i-- {
		if m.noted[i].key == key {
			return m.noted[i].known
		}
	}
	return m.kept[key]
}

// Note remembers what is known of the key now.
func (m *Memory) Note(key string, known Known) { m.noted = append(m.noted, note{key, known}) }

// Operation names the operation in progress among all of the run. It is never 0.
func (m *Memory) Operation() uint64 { return uint64(m.worker+1)<<32 | uint64(uint32(m.index)) }

// Draw is a random number for that use within the operation in progress, decided by the seed.
func (m *Memory) Draw(seed uint64, use string) uint64 {
	return plan.Draw(seed, use, uint64(m.worker), uint64(m.index))
}

// Begin is called by the driver of a client before each performance of the
// worker's index-th operation. What the last performance noted is forgotten,
// unless it was kept.
func (m *Memory) Begin(worker, index int) { m.worker, m.index, m.noted = worker, index, m.noted[:0] }

// Keep is called by the driver when the operation has ended.
func (m *Memory) Keep() {
	if len(m.noted) > 0 && m.kept == nil {
		m.kept = map[string]Known{}
	}
	for _, n := range m.noted {
		m.kept[n.key] = n.known
	}
	m.noted = m.noted[:0]
}

// Forget is called by the driver when the process has ended.
func (m *Memory) Forget() {
	clear(m.kept)
	m.noted = m.noted[:0]
}
