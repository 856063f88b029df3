package checker

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/refute-lab/refute/harness/history"
)

// Source walks through a history: it calls yield for each operation, the
// nemesis' included, in order of invocation, until that returns false. An
// operation is valid until yield returns; its strings and values may be kept.
// A Source can be called several times and gives the same each time. The Source
// of a history.File is one.
type Source func(ctx context.Context, yield func(*history.Operation) bool) error

// Survey is what one walk through a history finds out without keeping it: for
// each register what is known of its values, by which most are decided; and
// the traffic of the run. It takes some 60 bytes for each written value and a
// little for each key, process and fault, however many operations there are.
type Survey struct {
	source Source
	// timeline has the keys, the phases and the latest time, but no operations.
	timeline  timeline
	registers []keySurvey // by key
	kinds     kinds
	traffic   surveyedTraffic
	sessions  surveyedSessions
	// others are the operations of no client.
	others []history.Operation
	// strange says what the walk is not made for, if anything is: the history must be in memory then.
	strange string
	// bytes is about what the operations take in memory.
	bytes int64
}

// operationBytes is about what an operation takes in memory while it is
// checked, beside what its values refer to.
const operationBytes = 240

// FitsInMemory says whether so many operations, without long values, take no
// more than that many bytes of memory to be checked; 0 bytes are no bound.
func FitsInMemory(operations, bytes int64) bool {
	return bytes == 0 || operations <= bytes/operationBytes
}

// NeedsWhole says whether any of the claims needs the whole history in memory,
// so that a survey alone does not decide it.
func NeedsWhole(claims []string) bool {
	return slices.ContainsFunc(claims, func(name string) bool {
		c, err := lookup(name)
		return err == nil && !c.surveyed()
	})
}

// bytesOf is about what the operation takes in memory.
func bytesOf(o *history.Operation) int64 {
	return operationBytes + int64(8*len(o.Input.List())+8*len(o.Output.List())+len(o.Input.Raw())+len(o.Output.Raw()))
}

// TakeSurvey walks through the history once. The error is the source's, the
// context's, or says that the operations are out of order.
func TakeSurvey(ctx context.Context, source Source) (*Survey, error) {
	s := &Survey{source: source}
	s.timeline.phases, s.timeline.numbers = map[string]span{}, map[string]int32{}
	s.sessions.current.limit = denseProcesses
	var last history.Operation // without what it refers to
	var bad error
	err := source(ctx, func(o *history.Operation) bool {
		if bad = outOfOrder(o, &last, s.timeline.total == 0); bad != nil {
			return false
		}
		last.Index, last.Start = o.Index, o.Start
		s.note(o)
		return true
	})
	if err = errors.Join(bad, err); err != nil {
		return nil, err
	}
	s.decide(ctx)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("survey of the history: %w", err)
	}
	return s, nil
}

// note takes the next operation into account.
func (s *Survey) note(o *history.Operation) {
	t := &s.timeline
	t.total++
	t.saw(o)
	s.kinds.note(o)
	s.bytes += bytesOf(o)
	if !isClient(o) {
		s.others = append(s.others, *o)
		s.noteOther(o)
		return
	}
	n := t.number(o.Key)
	if int(n) == len(s.registers) {
		s.registers = append(s.registers, newKeySurvey())
	}
	key, register := &t.keys[n], &s.registers[n]
	key.note(o)
	register.bytes += bytesOf(o)
	session := s.sessions.of(n, &register.sessions, o)
	if session == nil {
		s.odd("a process goes on after an operation whose outcome is unknown")
	}
	if o.Start < 0 {
		s.odd("an operation begins before the history")
	}
	s.traffic.note(o)
	register.note(o, session, t.finals)
	if session != nil && o.Type == history.Info {
		s.sessions.end(o)
	}
}

// noteOther takes an operation into account that no client asked for.
func (s *Survey) noteOther(o *history.Operation) {
	t := &s.timeline
	if o.Process != history.Nemesis {
		return
	}
	switch o.F {
	case history.FPhase:
		if t.phases[o.Key].ok {
			s.odd("a phase is there twice")
		}
		t.phase(o)
		t.finals = t.phases[history.PhaseFinals]
		if o.Key != history.PhaseMain && o.Key != history.PhaseFinals {
			return
		}
		// What was counted before it began must not belong to the phase.
		if s.traffic.seen && s.traffic.latest >= o.Start {
			s.odd("a phase begins after operations that belong to it")
		}
		if o.Key == history.PhaseMain {
			s.traffic.enter(t.phases[o.Key])
		}
	case history.FInject, history.FHeal:
		if !s.traffic.fault(o) {
			s.odd("a fault is injected or healed more than once")
		}
	}
}

func (s *Survey) odd(what string) {
	if s.strange == "" {
		s.strange = what
	}
}

// decide decides the registers that can be decided, and forgets what was known of their values.
func (s *Survey) decide(ctx context.Context) {
	for k := range s.timeline.keys {
		s.timeline.keys[k].classify()
		s.kinds.lookAt(&s.timeline.keys[k])
	}
	if s.kinds.appends || s.kinds.transactions {
		s.odd("what a key is depends on texts or transactions under other keys")
	}
	var mu sync.Mutex
	var group sync.WaitGroup
	next := 0
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			var d surveyDecider
			for ctx.Err() == nil {
				mu.Lock()
				k := next
				next++
				mu.Unlock()
				if k >= len(s.registers) {
					return
				}
				s.registers[k].finish(&d, s.timeline.keys[k].object)
			}
		})
	}
	group.Wait()
}

// Applicable is the function Applicable for the surveyed history.
func (s *Survey) Applicable() []string { return s.kinds.applicable() }

// HasPhase says whether the history has the phase of that name.
func (s *Survey) HasPhase(name string) bool { return s.timeline.phases[name].ok }

// Operations is the number of operations, the nemesis' included.
func (s *Survey) Operations() int { return s.timeline.total }

// CheckSource is Check for a history that need not fit in memory, with the
// same verdicts, counts and words: it is TakeSurvey and Survey.Check.
func CheckSource(ctx context.Context, source Source, o Options) (Report, error) {
	s, err := TakeSurvey(ctx, source)
	if err != nil {
		return Report{}, err
	}
	return s.Check(ctx, o)
}

// Check decides the claims. Of registers that the survey could decide it looks
// at no operation again; the others are loaded, and judged as Check does. Claims
// that need the whole history have it loaded. What would take more than
// Options.Memory is not loaded, and what depends on it is Unknown.
//
// The error is that of Check, or the source's if walking a second time fails.
func (s *Survey) Check(ctx context.Context, o Options) (Report, error) {
	claims, err := ParseClaims(o.Claims)
	if err != nil {
		return Report{}, err
	}
	if err := ParseModel(o.Model); err != nil {
		return Report{}, err
	}
	unfit := map[string]string{}
	for _, name := range claims {
		if why := s.unsurveyed(name, o); why != "" {
			unfit[name] = why
		}
	}
	for name := range unfit {
		unfit[name] += fmt.Sprintf(", and all %s take about %s, more than the %s that the check may use. More memory for the check or a shorter history would help.",
			plural(s.timeline.total, "operation"), megabytes(s.bytes), megabytes(o.Memory))
	}
	if len(unfit) > 0 && (o.Memory == 0 || s.bytes <= o.Memory) {
		operations, err := s.load(ctx, func(int32) bool { return true })
		switch {
		case err == nil:
			return Check(ctx, operations, o)
		case ctx.Err() == nil:
			return Report{}, err
		}
		for name := range unfit {
			unfit[name] = "The time for the check was too short to read the history. A longer time would help."
		}
	}
	t, err := s.secondLook(ctx, o, len(unfit) == len(claims))
	if err != nil {
		return Report{}, err
	}
	return report(ctx, t, claims, o, func(claim string) string { return unfit[claim] }), nil
}

// unsurveyed says why the claim takes the whole history in memory, or is empty.
func (s *Survey) unsurveyed(name string, o Options) string {
	switch c, err := lookup(name); {
	case err != nil:
		return err.Error()
	case !c.surveyed():
		return "This claim needs the whole history in memory"
	case o.Model != "":
		return "A history judged by a model that was asked for must be in memory"
	case s.strange != "":
		return "The history must be in memory, since " + s.strange
	}
	return ""
}

// secondLook makes the timeline of the history with the operations of those
// keys that the survey left open, as far as they fit in the memory.
func (s *Survey) secondLook(ctx context.Context, o Options, none bool) (*timeline, error) {
	if err := s.reopen(); err != nil {
		return nil, err
	}
	s.reopenRelatives()
	wanted, left := make([]bool, len(s.registers)), make([]string, len(s.registers))
	var bytes int64
	some := false
	for k := range s.registers {
		key := &s.registers[k]
		if key.decided || none {
			continue
		}
		if bytes += key.bytes; o.Memory > 0 && bytes > o.Memory {
			bytes -= key.bytes
			left[k] = fmt.Sprintf("%s, which take about %s in memory, more than the check may use: more memory would help",
				plural(int(s.timeline.keys[k].count), "operation"), megabytes(key.bytes))
			continue
		}
		wanted[k], some = true, true
	}
	operations := s.others
	if some {
		var err error
		if operations, err = s.load(ctx, func(k int32) bool { return wanted[k] }); err != nil {
			if ctx.Err() == nil {
				return nil, err
			}
			// The time for checking is over.
			operations = s.others
			for k := range wanted {
				if wanted[k] {
					left[k] = "operations that the time for the check was too short to look at: a longer time would help"
				}
			}
		}
	}
	t, err := newTimeline(operations)
	if err != nil {
		return nil, err
	}
	s.complete(t, left)
	return t, nil
}

// reopenRelatives leaves open what shares a cart with a register that is open:
// why an element is there again may follow from a write of another one.
func (s *Survey) reopenRelatives() {
	open := map[string]bool{}
	for k := range s.registers {
		if whole, _, parts := strings.Cut(s.timeline.keys[k].name, "/"); parts && !s.registers[k].decided {
			open[whole] = true
		}
	}
	for k := range s.registers {
		if whole, _, parts := strings.Cut(s.timeline.keys[k].name, "/"); parts && open[whole] {
			s.registers[k].decided = false
		}
	}
}

// reopen leaves those registers open whose replicas disagree: which of them is
// behind follows from the operations.
func (s *Survey) reopen() error {
	t, err := newTimeline(s.others)
	if err != nil {
		return err
	}
	var d dumps
	if len(t.dumps) == 0 || d.load(t) != nil {
		return nil
	}
	for k := range d.keys {
		if replicas := d.homeReplicas(&d.keys[k]); len(replicas) > 1 && !agree(replicas) {
			if n, found := s.timeline.numbers[d.keys[k].name]; found {
				s.registers[n].decided = false
			}
		}
	}
	return nil
}

// complete adds to the timeline of some of the operations what the survey knows of the others.
func (s *Survey) complete(t *timeline, left []string) {
	keys := slices.Clone(s.timeline.keys)
	for k := range keys {
		key := &keys[k]
		switch n, loaded := t.numbers[key.name]; {
		case s.registers[k].decided:
			key.surveyed = &s.registers[k]
		case left[k] != "":
			key.object, key.why = foreignObject, left[k]
		case loaded:
			key.positions = t.keys[n].positions
		}
	}
	t.keys, t.numbers = keys, s.timeline.numbers
	t.last, t.total = s.timeline.last, s.timeline.total
	t.faults = faultIntervals(t.operations, t.last)
	t.traffic = &s.traffic
}

// load walks through the history again and keeps the operations of the wanted
// keys and those of no client.
func (s *Survey) load(ctx context.Context, wanted func(key int32) bool) ([]history.Operation, error) {
	count := len(s.others)
	for k := range s.timeline.keys {
		if wanted(int32(k)) {
			count += int(s.timeline.keys[k].count)
		}
	}
	operations := make([]history.Operation, 0, count)
	err := s.source(ctx, func(o *history.Operation) bool {
		if !isClient(o) || wanted(s.timeline.number(o.Key)) {
			operations = append(operations, *o)
		}
		return true
	})
	if err == nil && len(operations) != count {
		err = fmt.Errorf("the history changed while it was checked: %d operations instead of %d", len(operations), count)
	}
	return operations, err
}

// megabytes writes a number of bytes for people.
func megabytes(bytes int64) string {
	if bytes >= 1<<30 {
		return fmt.Sprintf("%.1f GB", float64(bytes)/(1<<30))
	}
	return fmt.Sprintf("%d MB", (bytes+1<<20-1)>>20)
}
