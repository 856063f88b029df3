package shrink

import (
	"encoding/binary"

	"github.com/refute-lab/refute/harness/plan"
)

// appendPlan appends all that a search may change about a plan, such that
// plans that differ in it have different bytes. The canonical text would do,
// but writing it takes longer than running a small plan.
func appendPlan(b []byte, p *plan.Plan) []byte {
	b = appendNumbers(b, int64(p.Limits.Time), int64(p.Workload.Concurrency), int64(len(p.Operations)), int64(len(p.Schedule)))
	if s := p.Surroundings; s != nil {
		b = appendNumbers(b, s.LossPPM, s.DuplicatePPM)
	}
	for i := range p.Operations {
		o := &p.Operations[i]
		b = appendNumbers(b, int64(o.Worker), int64(o.Index), int64(o.At))
		b = appendTexts(b, o.F, o.Key, o.Node)
		if o.Value != nil {
			b = appendNumbers(append(b, 1), *o.Value)
		} else {
			b = append(b, 0)
		}
	}
	for i := range p.Schedule {
		f := &p.Schedule[i]
		b = appendTexts(b, f.ID, f.Kind, f.Shape)
		b = appendNumbers(b, int64(len(f.Targets)), int64(len(f.Cuts)), int64(f.At), int64(f.Duration), int64(f.Delay), int64(f.SnapshotAge))
		b = appendTexts(b, f.Peer)
		b = appendTexts(b, f.Targets...)
		for _, cut := range f.Cuts {
			b = appendTexts(b, cut.From, cut.To)
		}
		var flags byte
		if f.Hold {
			flags |= 1
		}
		if f.Clock != nil {
			flags |= 2
		}
		if f.Network != nil {
			flags |= 4
		}
		b = append(b, flags)
		if c := f.Clock; c != nil {
			b = appendNumbers(b, int64(c.Offset), c.RatePPM, int64(c.Period), int64(c.Delta))
		}
		if n := f.Network; n != nil {
			b = appendNumbers(b, n.LossPPM, n.DuplicatePPM, int64(n.Delay), int64(n.Jitter))
		}
	}
	return b
}

func appendNumbers(b []byte, numbers ...int64) []byte {
	for _, n := range numbers {
		b = binary.AppendVarint(b, n)
	}
	return b
}

func appendTexts(b []byte, texts ...string) []byte {
	for _, text := range texts {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	return b
}
