package staleness

import (
	"cmp"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
)

// Measurement is what one operation tells of the latencies at its time.
type Measurement struct {
	// Coordinator is the number of the node that carried it out.
	Coordinator int32
	// Replicas are those that were asked. They are sorted by Measured.
	Replicas []RoundTrip
	// Travel is how long the client waited beyond the time that the
	// coordinator took: the way there and back. 0 if that is not known.
	Travel int64
}

// RoundTrip is the time, in nanoseconds, from a coordinator's message to the
// answer of the replica with that number.
type RoundTrip struct {
	Node        int32
	Nanoseconds int64
}

// ErrNoPair says that no measured read asked the same replicas as a measured write.
var ErrNoPair = errors.New("no measured read asked the same replicas as a measured write")

// Measured draws whole operations: a write, and a read of the same replicas,
// each with the round trips that belonged together, so that a near or a slow
// replica stays one. A round trip has two legs, and nobody saw how it divides.
// It is assumed that
//
//   - the least round trip of a pair of nodes divides in halves, and
//   - what is more than that is exponentially distributed in each leg, and so
//     divides, given the sum, uniformly; of a write the way there, with the time
//     to make the value durable, gets more, by what writes take longer than reads.
//
// Travel divides in the same way. The measurements are kept, and sorted. There
// must be n replicas in each, and one write and read at least.
func Measured(q Quorum, writes, reads []Measurement) (Draw, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	m := &measured{pairs: map[pair]*pairTrips{}, travel: [2]int64{Infinity, Infinity}}
	byNodes := map[string][]int32{}
	for kind, list := range [][]Measurement{reads, writes} {
		for i := range list {
			x := &list[i]
			if len(x.Replicas) != q.N {
				return nil, errors.New("a measurement of another number of replicas than n")
			}
			slices.SortFunc(x.Replicas, func(a, b RoundTrip) int { return cmp.Compare(a.Node, b.Node) })
			m.travel[kind] = min(m.travel[kind], x.Travel)
			for _, r := range x.Replicas {
				m.pair(x.Coordinator, r.Node).note(kind, r.Nanoseconds)
			}
		}
	}
	for i := range reads {
		byNodes[nodesOf(&reads[i])] = append(byNodes[nodesOf(&reads[i])], int32(i))
	}
	for i := range writes {
		if partners := byNodes[nodesOf(&writes[i])]; len(partners) > 0 {
			m.writes, m.partners = append(m.writes, &writes[i]), append(m.partners, partners)
		}
	}
	if len(m.writes) == 0 {
		return nil, ErrNoPair
	}
	m.reads = reads
	for _, p := range m.pairs {
		p.settle()
	}
	return m.draw, nil
}

// The kinds of operations, as indexes.
const (
	ofRead = iota
	ofWrite
)

type measured struct {
	writes []*Measurement
	// partners are, for each write, the reads that asked the same replicas.
	partners [][]int32
	reads    []Measurement
	pairs    map[pair]*pairTrips
	travel   [2]int64 // the least of each kind
}

type pair struct{ coordinator, replica int32 }

// pairTrips is what all measurements say of the round trips between two nodes.
type pairTrips struct {
	least [2]int64
	sum   [2]float64
	count [2]int
	// shape: the share of the way back of a write's excess has the distribution Beta(1, shape).
	shape float64
	// back is the least time of the way back.
	back int64
}

func (m *measured) pair(coordinator, replica int32) *pairTrips {
	p := m.pairs[pair{coordinator, replica}]
	if p == nil {
		p = &pairTrips{least: [2]int64{Infinity, Infinity}}
		m.pairs[pair{coordinator, replica}] = p
	}
	return p
}

func (p *pairTrips) note(kind int, trip int64) {
	p.least[kind] = min(p.least[kind], trip)
	p.sum[kind] += float64(trip)
	p.count[kind]++
}

// settle finds how a write's round trip divides. If a way back takes on
// average x beyond its least time, and the rest of the write's excess y, of
// sums of exponential times the former has the share Beta(1, y/x).
func (p *pairTrips) settle() {
	p.shape, p.back = 1, p.least[ofWrite]/2
	if p.count[ofRead] == 0 || p.count[ofWrite] == 0 {
		return
	}
	excess := func(kind int) float64 { return p.sum[kind]/float64(p.count[kind]) - float64(p.least[kind]) }
	p.back = min(p.least[ofRead]/2, p.least[ofWrite])
	back := excess(ofRead) / 2
	if back <= 0 {
		p.shape = math.Inf(1)
		return
	}
	p.shape = max(excess(ofWrite)/back-1, 1)
}

func (m *measured) draw(random *rand.Rand, legs []Legs) (apart int64) {
	i := random.IntN(len(m.writes))
	w := m.writes[i]
	r := &m.reads[m.partners[i][random.IntN(len(m.partners[i]))]]
	for k := range legs {
		to, from := w.Replicas[k], r.Replicas[k]
		p := m.pairs[pair{w.Coordinator, to.Node}]
		excess := float64(to.Nanoseconds - p.least[ofWrite])
		share := 0.0
		if !math.IsInf(p.shape, 1) {
			share = 1 - math.Pow(1-random.Float64(), 1/p.shape)
		}
		back := p.back + int64(excess*share)
		there := way(random, from.Nanoseconds, m.pairs[pair{r.Coordinator, from.Node}].least[ofRead])
		legs[k] = Legs{W: to.Nanoseconds - back, A: back, R: there, S: from.Nanoseconds - there}
	}
	return way(random, w.Travel, m.travel[ofWrite]) + way(random, r.Travel, m.travel[ofRead])
}

// way is one of the two ways of a round trip.
func way(random *rand.Rand, trip, least int64) int64 {
	return least/2 + int64(random.Float64()*float64(trip-least))
}

// nodesOf names the replicas of a measurement.
func nodesOf(m *Measurement) string {
	b := make([]byte, 0, 4*len(m.Replicas))
	for _, r := range m.Replicas {
		b = append(b, byte(r.Node), byte(r.Node>>8), byte(r.Node>>16), byte(r.Node>>24))
	}
	return string(b)
}
