package checker

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/refute-lab/refute/checker/staleness"
	"github.com/refute-lab/refute/harness/history"
)

const (
	// predictionSample is of how many reads and of how many writes the evidence is asked.
	predictionSample = 5_000
	// predictionLeast is how many of each must tell their latencies.
	predictionLeast = 30
	// predictionTrials is how many reads are drawn.
	predictionTrials = 20_000
)

// predict predicts the staleness from the latencies of the replicas that the
// evidence tells of. why says why there is no prediction.
func predict(ctx context.Context, t *timeline, o Options) (*staleness.Curve, *staleness.Prediction, string) {
	if o.Evidences == nil {
		return nil, nil, "there is no evidence of the target's replicas"
	}
	reads, writes := t.sample(history.FRead), t.sample(history.FWrite)
	completions := make([]int64, 0, len(reads)+len(writes))
	for _, list := range [][]int32{reads, writes} {
		for _, p := range list {
			completions = append(completions, t.operations[p].Completion)
		}
	}
	evidence := o.Evidences(completions)
	if evidence == nil {
		return nil, nil, "the evidence could not be read"
	}
	p := predictor{timeline: t, evidence: evidence, nodes: map[string]int32{}}
	if len(evidence) == 0 {
		return nil, nil, "the target tells nothing of its replicas"
	}
	n, r := p.usual(reads)
	m, w := p.usual(writes)
	quorum := staleness.Quorum{N: n, R: r, W: w}
	fromReads, fromWrites := p.measurements(reads, n, r), p.measurements(writes, n, w)
	switch {
	case len(fromReads) == 0 && len(fromWrites) == 0:
		return nil, nil, "the target reports no latencies of its replicas"
	case n != m:
		return nil, nil, fmt.Sprintf("reads ask %d replicas and writes %d", n, m)
	case len(fromReads) < predictionLeast || len(fromWrites) < predictionLeast:
		return nil, nil, fmt.Sprintf("only %s and %s tell the latencies of their replicas, fewer than %d of each",
			plural(len(fromReads), "read"), plural(len(fromWrites), "write"), predictionLeast)
	}
	draw, err := staleness.Measured(quorum, fromWrites, fromReads)
	if err != nil {
		return nil, nil, err.Error()
	}
	curve, err := staleness.Predict(rand.New(rand.NewPCG(1, 1)), quorum, predictionTrials, draw)
	if err != nil {
		return nil, nil, err.Error()
	}
	prediction := curve.Prediction(quorum)
	prediction.Reads, prediction.Writes = len(fromReads), len(fromWrites)
	return curve, prediction, ""
}

// sample takes acknowledged operations of the kind, evenly over the main phase.
func (t *timeline) sample(f string) []int32 {
	main, total := t.mainPhase(), 0
	is := func(o *history.Operation) bool {
		return o.F == f && o.Type == history.Ok && isClient(o) && main.contains(o.Start)
	}
	for i := range t.operations {
		if is(&t.operations[i]) {
			total++
		}
	}
	list, seen := make([]int32, 0, min(total, predictionSample)), 0
	for i := range t.operations {
		if !is(&t.operations[i]) {
			continue
		}
		seen++
		if len(list) < seen*min(total, predictionSample)/total {
			list = append(list, int32(i))
		}
	}
	return list
}

// predictor turns evidence into measurements.
type predictor struct {
	timeline *timeline
	evidence map[int64]*history.Evidence
	nodes    map[string]int32 // numbers of nodes, in the order in which they are met
}

func (p *predictor) of(position int32) *history.Evidence {
	return p.evidence[p.timeline.operations[position].Completion]
}

// homes is how many replicas were asked that stood in for nobody.
func homes(e *history.Evidence) (n int) {
	for i := range e.Replicas {
		if e.Replicas[i].HintFor == "" {
			n++
		}
	}
	return n
}

// usual is how many home replicas most of the operations asked, and how many
// had to answer: a client may have asked for another quorum now and then.
func (p *predictor) usual(positions []int32) (asked, required int) {
	counts, most := map[[2]int]int{}, 0
	for _, position := range positions {
		e := p.of(position)
		if e == nil {
			continue
		}
		kind := [2]int{homes(e), e.Required}
		counts[kind]++
		if counts[kind] > most {
			most, asked, required = counts[kind], kind[0], kind[1]
		}
	}
	return asked, required
}

// measurements are those of the operations with that quorum whose evidence is complete.
func (p *predictor) measurements(positions []int32, asked, required int) (list []staleness.Measurement) {
	for _, position := range positions {
		e, o := p.of(position), &p.timeline.operations[position]
		if e == nil || required == 0 || e.Required != required || homes(e) != asked {
			continue
		}
		m := staleness.Measurement{Coordinator: p.node(e.Coordinator)}
		if e.Took > 0 {
			m.Travel = max(o.End-o.Start-e.Took, 0)
		}
		for i := range e.Replicas {
			if r := &e.Replicas[i]; r.HintFor == "" && r.RoundTrip > 0 {
				m.Replicas = append(m.Replicas, staleness.RoundTrip{Node: p.node(r.Node), Nanoseconds: r.RoundTrip})
			}
		}
		if len(m.Replicas) == asked {
			list = append(list, m)
		}
	}
	return list
}

func (p *predictor) node(name string) int32 {
	n, found := p.nodes[name]
	if !found {
		n = int32(len(p.nodes))
		p.nodes[name] = n
	}
	return n
}
