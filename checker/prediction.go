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
	for _, list := range [][]sampled{reads, writes} {
		for _, x := range list {
			completions = append(completions, x.completion)
		}
	}
	evidence := o.Evidences(completions)
	if evidence == nil {
		return nil, nil, "the evidence could not be read"
	}
	p := predictor{evidence: evidence, nodes: map[string]int32{}}
	if len(evidence) == 0 {
		return nil, nil, "the target tells nothing of its replicas"
	}
	if level := p.scoped(reads, writes); level != "" {
		return nil, nil, "the level " + level + " does not take just any replicas, and the prediction knows no other way"
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

// sampled is what a prediction needs of an operation: its completion and how long it took.
type sampled struct{ completion, took int64 }

// sample takes acknowledged operations of the kind, evenly over the main phase.
func (t *timeline) sample(f string) []sampled {
	var s sampler
	if t.traffic != nil { // they were taken while they passed
		s = *t.traffic.sampler(f)
	} else {
		main := t.mainPhase()
		for i := range t.operations {
			if o := &t.operations[i]; o.F == f && o.Type == history.Ok && isClient(o) && main.contains(o.Start) {
				s.add(o)
			}
		}
	}
	return s.list()
}

// sampler takes some of many operations, evenly, without knowing how many
// there will be: every one at first, then every second, every fourth …, as many as fit.
type sampler struct {
	taken []sampled
	seen  int
	each  int // every how many are taken; 0 stands for 1
}

func (s *sampler) add(o *history.Operation) {
	s.each = max(s.each, 1)
	if s.seen%s.each == 0 {
		if len(s.taken) == 2*predictionSample {
			for i := range predictionSample {
				s.taken[i] = s.taken[2*i]
			}
			s.taken = s.taken[:predictionSample]
			s.each *= 2
		}
		if s.seen%s.each == 0 {
			s.taken = append(s.taken, sampled{o.Completion, o.End - o.Start})
		}
	}
	s.seen++
}

// list are predictionSample of those that were taken, or all if they are fewer.
func (s *sampler) list() []sampled {
	n := min(len(s.taken), predictionSample)
	list := make([]sampled, 0, n)
	for i, x := range s.taken {
		if len(list) < (i+1)*n/len(s.taken) {
			list = append(list, x)
		}
	}
	return list
}

// predictor turns evidence into measurements.
type predictor struct {
	evidence map[int64]*history.Evidence
	nodes    map[string]int32 // numbers of nodes, in the order in which they are met
}

func (p *predictor) of(x sampled) *history.Evidence { return p.evidence[x.completion] }

// homes is how many replicas were asked that stood in for nobody.
func homes(e *history.Evidence) (n int) {
	for i := range e.Replicas {
		if e.Replicas[i].HintFor == "" {
			n++
		}
	}
	return n
}

// scoped is a consistency level of any of the operations with which not any of
// the replicas count alike: those of one data centre do, or hints; "" if there is none.
func (p *predictor) scoped(samples ...[]sampled) string {
	for _, sample := range samples {
		for _, x := range sample {
			if e := p.of(x); e != nil && (local(e.Level) || e.Level == "each-quorum" || e.Level == "any") {
				return e.Level
			}
		}
	}
	return ""
}

// usual is how many home replicas most of the operations asked, and how many
// had to answer: a client may have asked for another quorum now and then.
func (p *predictor) usual(sample []sampled) (asked, required int) {
	counts, most := map[[2]int]int{}, 0
	for _, x := range sample {
		e := p.of(x)
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
func (p *predictor) measurements(sample []sampled, asked, required int) (list []staleness.Measurement) {
	for _, x := range sample {
		e := p.of(x)
		if e == nil || required == 0 || e.Required != required || homes(e) != asked {
			continue
		}
		m := staleness.Measurement{Coordinator: p.node(e.Coordinator)}
		if e.Took > 0 {
			m.Travel = max(x.took-e.Took, 0)
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
