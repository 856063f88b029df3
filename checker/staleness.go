package checker

import (
	"context"
	"errors"
	"fmt"

	"github.com/refute-lab/refute/checker/staleness"
)

// Why a key has no measures of staleness.
const (
	leftOutForeign     = "operations other than reads and writes"
	leftOutConditional = "compare-and-set: a value may have two origins"
	leftOutRepeated    = "values that were written more than once"
	leftOutNil         = "writes of “not found”"
	leftOutMalformed   = "operations that cannot be measured"
)

// measure says how stale the reads of the registers were; nil where the
// history has no register that was written. It is no verdict: a defect in it
// must not take the verdicts with it, and becomes a warning.
func measure(ctx context.Context, t *timeline, o Options) (report *staleness.Report, warning string) {
	defer func() {
		if r := recover(); r != nil {
			report, warning = nil, fmt.Sprintf("Staleness could not be measured: %v. That is a defect of this program: please report it with the history.", r)
		}
	}()
	s := stalenessMeasure{timeline: t, leftOut: map[string]int{}}
	registers, partial := 0, false
	for k := range t.keys {
		key := &t.keys[k]
		if key.object != registerObject || !key.register {
			continue
		}
		registers++
		if k%64 == 0 && o.Progress != nil {
			o.Progress(fmt.Sprintf("measuring staleness: %d of %d keys", k, len(t.keys)))
		}
		if key.surveyed != nil {
			s.meter.AddAtomic(&key.surveyed.fresh)
			continue
		}
		why, err := s.key(ctx, key)
		if err != nil {
			partial = true
			break
		}
		if why != "" {
			s.leftOut[why]++
		}
	}
	if registers == 0 {
		return nil, ""
	}
	curve, prediction, why := predict(ctx, t, o)
	report = s.meter.Report(curve)
	report.Prediction, report.NoPrediction = prediction, why
	report.Partial = report.Partial || partial
	for _, why := range []string{leftOutForeign, leftOutConditional, leftOutRepeated, leftOutNil, leftOutMalformed} {
		if n := s.leftOut[why]; n > 0 {
			report.LeftOut = append(report.LeftOut, staleness.LeftOut{Why: why, Keys: n})
		}
	}
	return report, ""
}

// stalenessMeasure is the storage of measure.
type stalenessMeasure struct {
	timeline   *timeline
	register   register
	operations []staleness.Operation
	meter      staleness.Meter
	leftOut    map[string]int
}

// key measures one register. why says why it is left out; err that the time is over.
func (s *stalenessMeasure) key(ctx context.Context, key *keyOperations) (why string, err error) {
	r := &s.register
	if r.load(s.timeline.operations, key.name, key.positions) != nil {
		return leftOutForeign, nil
	}
	switch {
	case r.conditional > 0 || r.mismatches > 0:
		return leftOutConditional, nil
	case r.values[initial].writers > 0:
		return leftOutNil, nil
	case !r.plain():
		return leftOutRepeated, nil
	}
	s.operations = s.operations[:0]
	for i := range r.operations {
		x := &r.operations[i]
		s.operations = append(s.operations, staleness.Operation{
			Start: x.start, End: x.end, Index: s.timeline.operations[x.position].Index, Value: x.value,
			Write: x.kind == write, Unknown: x.outcome == possible,
		})
	}
	err = s.meter.Measure(ctx, key.name, len(r.values), s.operations)
	switch {
	case errors.Is(err, staleness.ErrRepeated):
		return leftOutRepeated, nil
	case errors.Is(err, staleness.ErrMalformed):
		return leftOutMalformed, nil
	}
	return "", err
}
