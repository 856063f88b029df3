package results

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/trace"
)

// shown is a message that is drawn.
type shown struct {
	*trace.Event
	from, to string  // names of lanes
	own      *Moment // the witness' operation that it belongs to; nil: it changed a state that matters
	number   int     // of that operation in the witness
}

func laneName(p history.Process) string { return fmt.Sprintf("process %d", p) }

// choose takes the messages of the witness' operations and those that changed
// a node's state to or from a value of the witness, and returns how many of
// the former had to be left out.
func (p *plot) choose(most int) (left int) {
	index := map[int64]int{}
	for i, m := range p.scene.Witness {
		index[m.Index] = i
		if !slices.Contains(p.clients, m.Process) {
			p.clients = append(p.clients, m.Process)
		}
	}
	process := map[int64]history.Process{}
	for _, m := range slices.Concat(p.scene.Around, p.scene.Witness) {
		process[m.Index] = m.Process
	}
	lane := func(name string, operation int64) string {
		if _, client := trace.Worker(name); !client {
			return name
		}
		if n, known := process[operation]; known && slices.Contains(p.clients, n) {
			return laneName(n)
		}
		return "" // a client that the witness is not about
	}
	causes := p.causes()
	for i := range p.scene.Traced.Messages {
		e := &p.scene.Traced.Messages[i]
		m := shown{Event: e, from: lane(e.Node, e.Operation), to: lane(e.To, e.Operation)}
		n, own := index[e.Operation]
		if own {
			m.own, m.number = p.scene.Witness[n], n+1
		} else if !causes[i] {
			continue
		}
		if m.from != "" && m.to != "" {
			p.messages = append(p.messages, m)
		}
	}
	if len(p.messages) > most {
		left = len(p.messages) - most
		slices.SortStableFunc(p.messages, func(a, b shown) int { return cmp.Compare(a.rank(), b.rank()) })
		p.messages = p.messages[:most]
		slices.SortStableFunc(p.messages, func(a, b shown) int { return cmp.Compare(a.Time, b.Time) })
	}
	p.flight = p.usualFlight()
	return left + p.scene.Traced.Omitted
}

// rank is low for messages that tell most.
func (m shown) rank() int {
	_, fromClient := trace.Worker(m.Node)
	_, toClient := trace.Worker(m.To)
	switch {
	case m.own != nil && (fromClient || toClient):
		return 0
	case m.own != nil && m.Fate != trace.Delivered:
		return 1
	case m.own == nil:
		return 2
	}
	return 3
}

// matters says whether the witness wrote or read the value.
func (s *Scene) matters(value string) bool {
	return slices.ContainsFunc(s.Witness, func(m *Moment) bool {
		v, known := m.value()
		return known && v == value
	})
}

// nothing is the value of a key that is not found, in the words of a client's label.
const nothing = "nil"

// value is what the operation wrote or read, as a node's state would have it.
func (m *Moment) value() (value string, known bool) {
	v := m.operation.Input
	if m.F == history.FRead {
		if m.Type != history.Ok {
			return "", false
		}
		v = m.operation.Output
	}
	if list := v.List(); m.F == history.FCAS && len(list) == 2 {
		v = history.IntValue(list[1])
	}
	if v.Kind() == history.Absent {
		return "", false
	}
	return valueText(v), true
}

// held is the value that a node has or a message carries.
func held(e *trace.Event) string {
	if !e.Found {
		return nothing
	}
	return clip(e.Value, 200)
}

// change is a state of a node and its end.
type change struct {
	event *trace.Event
	until int64 // math.MaxInt64: it did not end
	from  string
}

// changes are the states of a node, in order.
func (p *plot) changes(node string) []change {
	var out []change
	for i := range p.scene.Traced.States {
		e := &p.scene.Traced.States[i]
		if e.Node != node {
			continue
		}
		c := change{event: e, until: math.MaxInt64, from: nothing}
		if n := len(out); n > 0 {
			out[n-1].until = e.Time
			c.from = held(out[n-1].event)
		}
		out = append(out, c)
	}
	return out
}

// important says whether the change is to or from a value of the witness.
func (p *plot) important(c change) bool {
	to := held(c.event)
	return c.event.Time >= p.first && to != c.from && (p.scene.matters(to) || p.scene.matters(c.from))
}

func (p *plot) stateNodes() []string {
	var nodes []string
	for i := range p.scene.Traced.States {
		if n := p.scene.Traced.States[i].Node; !slices.Contains(nodes, n) {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// causes finds, for each important change of a state, the message that
// brought the version or, where there are none, the value. It returns their
// places among the messages.
func (p *plot) causes() map[int]bool {
	type content struct {
		node, text string
		found      bool
	}
	carriers := map[content][]int{}
	text := func(e *trace.Event) string { return cmp.Or(e.Version, held(e)) }
	for i := range p.scene.Traced.Messages {
		e := &p.scene.Traced.Messages[i]
		if e.Fate == trace.Delivered && (e.Found || e.Version != "") {
			c := content{e.To, text(e), e.Found}
			carriers[c] = append(carriers[c], i)
		}
	}
	out := map[int]bool{}
	for _, node := range p.stateNodes() {
		for _, c := range p.changes(node) {
			if !p.important(c) {
				continue
			}
			// The first one: what comes again before the disk has taken it changes
			// nothing. But what came before the node's last start may have been lost.
			best, started := -1, p.started(node, c.event.Time)
			for _, i := range carriers[content{node, text(c.event), c.event.Found}] {
				arrived := p.scene.Traced.Messages[i].Arrived
				if arrived <= c.event.Time && arrived >= started && (best < 0 || arrived < p.scene.Traced.Messages[best].Arrived) {
					best = i
				}
			}
			if best >= 0 {
				out[best] = true
			}
		}
	}
	return out
}

// started is when the node's process had last been started by that time; 0 if it was never down.
func (p *plot) started(node string, by int64) (at int64) {
	for _, e := range p.scene.Traced.Processes {
		if e.Kind == trace.Up && e.Node == node && e.Time <= by {
			at = e.Time
		}
	}
	return at
}

// usualFlight is the median time of the messages that are drawn.
func (p *plot) usualFlight() int64 {
	var flights []int64
	for _, m := range p.messages {
		if m.Fate == trace.Delivered && m.Arrived > m.Time {
			flights = append(flights, m.Arrived-m.Time)
		}
	}
	if len(flights) == 0 {
		return 1e6
	}
	slices.Sort(flights)
	return flights[len(flights)/2]
}
