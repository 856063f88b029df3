package results

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// The bounds of what is kept of a history, whatever its length.
const (
	// contextBefore and contextAfter are how many operations on the same key
	// are kept before and after each operation of a witness.
	contextBefore = 10
	contextAfter  = 8
	// contextMost bounds the other operations in one witness' picture.
	contextMost = 60
	// witnessMost bounds the witnesses that are drawn, over all claims; witnessOperations the operations of one.
	witnessMost       = 24
	witnessOperations = 40
)

// Moment is an operation as a report shows it: with its texts instead of its
// values, which may be large, and with its evidence.
type Moment struct {
	Index      int64
	Completion int64 // -1: none
	Process    history.Process
	F, Key     string
	Node       string
	// Start and Finish are in nanoseconds since the run's start. Finish is
	// when the client knew the outcome or gave up; -1 where the history ends before.
	Start, Finish int64
	// Type is Ok, Fail or Info.
	Type     history.Type
	Input    string
	Output   string
	Error    string
	Evidence *history.Evidence
	// Elements is what a witness asks of a set's read: "contains 4, lacks 7".
	Elements string

	watched   bool               // some scene may show it, so its texts are kept
	operation *history.Operation // whole, for operations of witnesses only
}

// Crash is a node's process that ended although no fault had asked for it.
type Crash struct {
	Node, Error string
	Time        int64 // nanoseconds
}

// crashesMost bounds the crashes that are kept.
const crashesMost = 200

// Phase is a span of the run.
type Phase struct {
	Name       string
	Start, End int64 // nanoseconds; End is -1 where the history ends before
}

// Scan is what one reading of a history keeps for the report: aggregates, a
// sample, and the operations around the witnesses. Its size does not depend
// on the history's length.
type Scan struct {
	// Events is how many there are; Last is the time of the last one.
	Events int64
	Last   int64
	Phases []Phase
	// Crashes are the first crashesMost.
	Crashes []Crash
	// Warning says that the file could not be read to its end; empty otherwise.
	// TraceWarning says the same of the trace.
	Warning, TraceWarning string
	// Series are the aggregates by time.
	Series *Series
	// Sample is a uniform sample of completed operations by outcome.
	Sample Sample
	// witnesses by claim and number, as in the document.
	witnesses map[[2]int]*Scene
	// Undrawn counts the witnesses past witnessMost, which have no scene.
	Undrawn int
	// Truncated counts operations that were left out of the scenes.
	Truncated int
}

// Scene is a witness with the operations around it.
type Scene struct {
	// Witness are the witness' own operations, in order of invocation.
	Witness []*Moment
	// Around are others on the same key, in order of invocation.
	Around []*Moment
	// Missing are indexes that the history does not have.
	Missing []int64
	// Traced is what the trace tells; nil where there is none, as for runs on containers.
	Traced *Traced
}

// Scene returns the operations of witness number i of claim number c of the
// document, or nil if they were not kept.
func (s *Scan) Scene(c, i int) *Scene {
	if s == nil {
		return nil
	}
	return s.witnesses[[2]int{c, i}]
}

// scanner reads a history once.
type scanner struct {
	scan    *Scan
	random  *rand.Rand
	pending map[history.Process]*Moment
	free    []*Moment // no longer used, to be used again
	phases  map[string]int
	wanted  map[int64][]*collector // by an operation of the witness
	byKey   map[string][]*collector
}

// collector gathers one witness' scene.
type collector struct {
	scene   *Scene
	indexes []int64
	any     bool // the witness is about no single key: all operations count
	before  []*Moment
	after   int // how many more to keep
}

// newScanner makes ready to read the history that the document judges.
func newScanner(d *Document) *scanner {
	s := &scanner{
		scan: &Scan{Series: newSeries(), witnesses: map[[2]int]*Scene{}},
		// A fixed seed: the same history gives the same report.
		random:  rand.New(rand.NewPCG(1, 2)),
		pending: map[history.Process]*Moment{},
		phases:  map[string]int{},
		wanted:  map[int64][]*collector{},
		byKey:   map[string][]*collector{},
	}
	s.prepare(d)
	return s
}

// prepare makes a collector for each witness, first those of every claim,
// then the second ones, so that no claim takes all the room.
func (s *scanner) prepare(d *Document) {
	for i, more := 0, true; more; i++ {
		more = false
		for c, claim := range d.Claims {
			if i >= len(claim.Witnesses) {
				continue
			}
			more = true
			if len(s.scan.witnesses) >= witnessMost {
				s.scan.Undrawn++
				continue
			}
			s.collect([2]int{c, i}, claim.Witnesses[i], claim.detail(i).Key)
		}
	}
}

func (s *scanner) collect(place [2]int, operations []int64, key string) {
	c := &collector{scene: &Scene{}, indexes: slices.Clone(operations), any: key == ""}
	slices.Sort(c.indexes)
	c.indexes = slices.Compact(c.indexes)
	if len(c.indexes) > witnessOperations {
		s.scan.Truncated += len(c.indexes) - witnessOperations
		// Both ends tell most: what came first and what contradicts it.
		c.indexes = slices.Delete(c.indexes, witnessOperations/2, len(c.indexes)-witnessOperations/2)
	}
	for _, index := range c.indexes {
		s.wanted[index] = append(s.wanted[index], c)
	}
	s.byKey[key] = append(s.byKey[key], c)
	s.scan.witnesses[place] = c.scene
}

// event takes the next event. Memory is bounded by the number of witnesses
// and of operations that are open at one time.
func (s *scanner) event(e *history.Event) {
	s.scan.Events++
	s.scan.Last = max(s.scan.Last, e.Time)
	switch {
	case e.Process == history.Nemesis:
		s.nemesis(e)
	case e.F == history.FDump:
	case e.Type == history.Invoke:
		s.invoke(e)
	default:
		s.complete(e)
	}
}

// wantsEvidence says whether the event's evidence is shown: that of the completions of witnesses' operations.
func (s *scanner) wantsEvidence(e *history.Event) bool {
	m := s.pending[e.Process]
	return e.Type != history.Invoke && m != nil && m.operation != nil
}

func (s *scanner) complete(e *history.Event) {
	m := s.pending[e.Process]
	if m == nil {
		return // no invocation: not an operation
	}
	delete(s.pending, e.Process)
	m.complete(e)
	s.scan.Series.add(m)
	s.scan.Sample.add(s.random, m)
	if !m.watched {
		s.free = append(s.free, m)
	}
}

// moment returns an empty one: a history has millions, of which few are kept.
func (s *scanner) moment() *Moment {
	if n := len(s.free); n > 0 {
		m := s.free[n-1]
		s.free = s.free[:n-1]
		return m
	}
	return &Moment{}
}

func (s *scanner) nemesis(e *history.Event) {
	switch {
	case e.F == history.FCrash && e.Type != history.Invoke && len(s.scan.Crashes) < crashesMost:
		node := e.Node
		if node == "" {
			node = e.Key
		}
		s.scan.Crashes = append(s.scan.Crashes, Crash{Node: clip(node, 60), Error: clip(e.Error, 200), Time: e.Time})
	case e.F == history.FPhase && e.Type == history.Invoke:
		s.phases[e.Key] = len(s.scan.Phases)
		s.scan.Phases = append(s.scan.Phases, Phase{Name: clip(e.Key, 40), Start: e.Time, End: -1})
	case e.F == history.FPhase:
		if i, ok := s.phases[e.Key]; ok {
			s.scan.Phases[i].End = e.Time
		}
	}
}

func (s *scanner) invoke(e *history.Event) {
	m := s.moment()
	*m = Moment{
		Index: e.Index, Completion: -1, Process: e.Process, F: e.F,
		Start: e.Time, Finish: -1, Type: history.Info,
	}
	s.pending[e.Process] = m
	s.scan.Series.invoked(e.Time)
	wanted := s.wanted[e.Index]
	collectors := s.byKey[e.Key]
	everything := s.byKey[""]
	if e.Key == "" {
		everything = nil
	}
	if len(wanted)+len(collectors)+len(everything) == 0 {
		return // nobody looks at it: its texts are not needed
	}
	m.watched = true
	m.F, m.Key, m.Node = clip(e.F, 40), clip(e.Key, 200), clip(e.Node, 100)
	m.Input = valueText(e.Value)
	if len(wanted) > 0 {
		m.operation = &history.Operation{
			Index: e.Index, Completion: -1, Start: e.Time, End: history.Infinity, Process: e.Process,
			F: e.F, Key: e.Key, Node: e.Node, Input: e.Value, Type: history.Info,
		}
	}
	for _, c := range wanted {
		c.take(m)
	}
	for _, c := range collectors {
		if !slices.Contains(wanted, c) {
			c.pass(m)
		}
	}
	for _, c := range everything {
		if !slices.Contains(wanted, c) {
			c.pass(m)
		}
	}
}

// take keeps an operation of the witness, with those just before it.
func (c *collector) take(m *Moment) {
	c.scene.Witness = append(c.scene.Witness, m)
	c.scene.Around = append(c.scene.Around, c.before...)
	c.before = c.before[:0]
	c.after = contextAfter
}

// pass keeps another operation if a witness operation was just before it, or
// for a while in case one comes.
func (c *collector) pass(m *Moment) {
	if len(c.scene.Witness) == len(c.indexes) && c.after == 0 {
		return
	}
	if c.after > 0 {
		c.after--
		c.scene.Around = append(c.scene.Around, m)
		return
	}
	if len(c.before) == contextBefore {
		copy(c.before, c.before[1:])
		c.before = c.before[:contextBefore-1]
	}
	c.before = append(c.before, m)
}

func (m *Moment) complete(e *history.Event) {
	m.Completion, m.Finish, m.Type = e.Index, e.Time, e.Type
	if !m.watched {
		return
	}
	m.Output = valueText(e.Value)
	m.Error = clip(e.Error, 300)
	if e.Node != "" {
		m.Node = clip(e.Node, 100)
	}
	if m.operation == nil {
		return
	}
	m.Evidence = e.Evidence
	o := m.operation
	o.Completion, o.Output, o.Type, o.Error, o.Node = e.Index, e.Value, e.Type, e.Error, m.Node
	if e.Type != history.Info {
		o.End = e.Time
	}
}

// finish puts the scenes in order and says which operations the history lacks.
func (s *scanner) finish() *Scan {
	s.scan.Series.Open = len(s.pending)
	for _, scene := range s.scan.witnesses {
		byIndex := func(a, b *Moment) int { return cmp.Compare(a.Index, b.Index) }
		slices.SortFunc(scene.Witness, byIndex)
		slices.SortFunc(scene.Around, byIndex)
		if n := len(scene.Around); n > contextMost {
			s.scan.Truncated += n - contextMost
			scene.Around = nearest(scene.Around, scene.Witness, contextMost)
		}
		scene.elements()
	}
	for _, collectors := range s.byKey {
		for _, c := range collectors {
			for _, index := range c.indexes {
				if !slices.ContainsFunc(c.scene.Witness, func(m *Moment) bool { return m.Index == index }) {
					c.scene.Missing = append(c.scene.Missing, index)
				}
			}
		}
	}
	return s.scan
}
