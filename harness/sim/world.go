package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/refute-lab/refute/harness/generator"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless/core"
	"github.com/refute-lab/refute/workloads"
)

// World runs plans in virtual time, one after the other, and reuses its memory
// between them. It is not safe for concurrent use; have one for each core.
type World struct {
	// Of the plan.
	settings core.Settings
	workload workloads.Workload
	prepare  workloads.Preparer // the workload, or nil
	config   workloads.Config
	nodes    []string
	schedule []plan.Fault
	limits   plan.Limits
	seed     uint64 // of the surroundings
	latency  int64
	sync     int64
	loss     int64 // of a million
	twice    int64
	wan      int64 // between data centres
	jitter   int64 // between data centres, on top
	// generate gives the operations of the main phase; where the plan has
	// them, scripts are their positions by worker instead.
	generate generator.Generator
	script   []plan.Operation
	scripts  [][]int32

	// Of the run.
	options  Options
	now      int64
	phase    phase
	queue    queue
	hosts    []host
	links    []link
	workers  []worker
	busy     int // workers that wait for an answer
	turns    int // workers of the phase that are not at its end
	faults   []fault
	parcels  store[parcel]
	replies  store[letter]
	out      core.Effects
	event    core.Event
	request  core.Request
	caller   caller
	deadline int64 // of the phase
	span     int   // the phase's note
	dead     []int // hosts whose process ended by itself in this step
	hash     uint64
	events   int
	failure  error
	tracer   tracer

	// Of the history.
	index      uint32
	records    []record
	notes      []note
	outputs    map[int32]history.Value
	inputs     map[int32]history.Value // of operations that the workload prepared
	keys       []string
	keyNumbers map[string]int32
	lastKey    int
	names      []string
	result     []history.Operation
}

// NewWorld returns an empty world.
func NewWorld() *World {
	return &World{outputs: map[int32]history.Value{}, inputs: map[int32]history.Value{}, keyNumbers: map[string]int32{}}
}

// UnsupportedError says that a plan cannot be simulated.
type UnsupportedError struct {
	// Reason is one line: what cannot be simulated, and what to do instead.
	Reason string
}

// Error returns the reason.
func (e *UnsupportedError) Error() string { return e.Reason }

// The surroundings of plans that name none: a fast local network, and disks
// as cloud machines have them.
const (
	DefaultLatency = time.Millisecond
	DefaultSync    = time.Millisecond
)

// Surroundings returns the plan's surroundings with the defaults filled in.
func Surroundings(p *plan.Plan) plan.Surroundings {
	s := plan.Surroundings{}
	if p.Surroundings != nil {
		s = *p.Surroundings
	}
	if s.Seed == 0 {
		s.Seed = p.Seed
	}
	if s.Latency <= 0 {
		s.Latency = plan.Duration(DefaultLatency)
	}
	if s.Sync <= 0 {
		s.Sync = plan.Duration(DefaultSync)
	}
	return s
}

// Load prepares the world for a plan. It does not keep or change the plan, but
// its operations and faults, which may not be changed before the next Load.
// Errors are *UnsupportedError, or say what is wrong with the plan.
func (w *World) Load(p *plan.Plan, system target.System) error {
	simulated, ok := system.(Simulated)
	if !ok {
		return &UnsupportedError{fmt.Sprintf("the target %s cannot be simulated, it is no state machine that this program knows: use --on docker", p.Target.Name)}
	}
	workload, err := workloads.Lookup(p.Workload.Name)
	if err != nil {
		return err
	}
	w.settings, w.workload = simulated.Core(), workload
	w.caller.settings = &w.settings
	w.prepare, _ = workload.(workloads.Preparer)
	if len(w.nodes) != p.Target.Nodes {
		w.nodes = plan.NodeNames(p.Target.Nodes)
	}
	if err := nemesis.Validate(p.Schedule, w.nodes); err != nil {
		return err
	}
	w.config = workloads.NewConfig(p.Seed, w.nodes, p.Workload.Concurrency, p.Workload.Settings)
	w.schedule, w.limits = p.Schedule, p.Limits
	s := Surroundings(p)
	w.seed, w.latency, w.sync = s.Seed, int64(s.Latency), int64(s.Sync)
	w.loss, w.twice = s.LossPPM, s.DuplicatePPM
	w.wan, w.jitter = int64(s.WANLatency), int64(s.WANJitter)
	if w.wan+w.jitter > 0 && target.DatacentersOf(system) == nil {
		return &UnsupportedError{fmt.Sprintf("surroundings.wan_latency=%s, wan_jitter=%s: the target has one data centre only, so no message is ever between two: configure several (datacenters=2), or take the times out",
			s.WANLatency, s.WANJitter)}
	}
	w.script, w.generate = p.Operations, nil
	if p.Operations != nil { // an empty list is a list: nothing is asked
		return w.share(p.Operations)
	}
	main, err := workload.Main(w.config)
	if err != nil {
		return err
	}
	w.generate = generator.Pace(main, p.Seed, p.Workload.Concurrency, p.Workload.Rate)
	return nil
}

// share tells each worker which operations of the script are its own.
func (w *World) share(operations []plan.Operation) error {
	for len(w.scripts) < w.config.Concurrency {
		w.scripts = append(w.scripts, nil)
	}
	for i := range w.scripts {
		w.scripts[i] = w.scripts[i][:0]
	}
	for i := range operations {
		worker := operations[i].Worker
		if worker < 0 || worker >= w.config.Concurrency {
			return fmt.Errorf("operation %d is worker %d's: want 0…%d", i, worker, w.config.Concurrency-1)
		}
		w.scripts[worker] = append(w.scripts[worker], int32(i))
	}
	return nil
}

// Run runs the plan that was loaded, from the beginning. Every run of one plan
// gives the same result. The context is looked at from time to time; the error
// is its, or that of Options.Record.
func (w *World) Run(ctx context.Context, o Options) (Result, error) {
	w.reset(o)
	w.start()
	for w.phase != phaseOver && w.failure == nil {
		if w.events&0xfff == 0xfff && ctx.Err() != nil {
			return Result{}, ctx.Err()
		}
		if len(w.queue.heap) == 0 {
			return Result{}, fmt.Errorf("the simulation stands still at %s: nothing is going to happen any more", time.Duration(w.now))
		}
		at, slot := w.queue.pop()
		w.now = at
		w.events++
		o := w.queue.slots[slot]
		w.queue.release(slot)
		w.dispatch(&o)
	}
	if w.failure != nil {
		return Result{}, w.failure
	}
	for i := range w.hosts {
		if h := &w.hosts[i]; h.node != nil {
			w.mix(h.node.Digest(), uint64(i), uint64(h.incarnation))
		}
	}
	return Result{Operations: w.operations(), Hash: w.hash, Events: w.events, Clients: len(w.records), Virtual: time.Duration(w.now)}, nil
}

// reset forgets everything of the last run but its memory.
func (w *World) reset(o Options) {
	w.options, w.now, w.phase, w.busy, w.turns = o, 0, phaseMain, 0, 0
	w.queue.reset()
	w.hash, w.events, w.failure = 0x243f6a8885a308d3, 0, nil
	w.index, w.lastKey = 0, 0
	w.records, w.notes, w.keys, w.names = w.records[:0], w.notes[:0], w.keys[:0], w.names[:0]
	clear(w.outputs)
	clear(w.inputs)
	clear(w.keyNumbers)
	w.parcels.reset()
	w.replies.reset()
	w.dead = w.dead[:0]
	n := len(w.nodes)
	for len(w.hosts) < n {
		w.hosts = append(w.hosts, host{})
	}
	w.hosts = w.hosts[:n]
	for i := range w.hosts {
		w.hosts[i].reset()
		w.hosts[i].datacenter = w.settings.Datacenter(core.NodeID(i))
	}
	if len(w.links) != n*n {
		w.links = make([]link, n*n)
	}
	for i := range w.links {
		w.links[i].reset()
	}
	for len(w.workers) < w.config.Concurrency {
		w.workers = append(w.workers, worker{})
	}
	w.workers = w.workers[:w.config.Concurrency]
	for i := range w.workers {
		w.workers[i].reset(i)
	}
	w.faults = w.faults[:0]
	w.tracer.reset(o.Trace, o.TraceKeys, n)
}

func (w *World) fail(err error) {
	if err != nil && w.failure == nil {
		w.failure = err
	}
}

// mix adds three numbers to the hash of what happened. They are multiplied
// side by side, so that only one multiplication waits for the one before.
func (w *World) mix(a, b, c uint64) {
	h := (w.hash ^ a*0xd6e8feb86659fd93 ^ (b+0x9e3779b97f4a7c15)*0xa0761d6478bd642f ^ (c+0x2545f4914f6cdd1d)*0xe7037ed1a0b428db) * 0x9fb21c651e98df25
	w.hash = h ^ h>>32
}

// dispatch lets one thing happen.
func (w *World) dispatch(o *occurrence) {
	w.mix(uint64(w.now), uint64(o.kind)<<56|uint64(o.node)<<48|uint64(o.worker)<<32|uint64(o.life), o.id^o.origin)
	switch o.kind {
	case happensTurn:
		w.turn(int(o.worker))
	case happensReply:
		w.replied(int(o.worker), o.id, o.slot)
	case happensHangUp:
		w.brokenOff(int(o.worker), o.id, "the connection to "+w.nodes[o.node]+" broke off before an answer came", false)
	case happensRefusal:
		w.brokenOff(int(o.worker), o.id, w.nodes[o.node]+" refused the connection: nothing was sent", true)
	case happensPatience:
		w.patience(int(o.worker))
	case happensFault:
		w.inject(int(o.id))
	case happensSnapshot:
		w.snapshot(int(o.id))
	case happensHeal:
		w.heal(int(o.id))
	case happensPoll:
		w.poll()
	case happensMainEnd:
		w.endMain()
	default:
		w.toHost(o)
	}
	w.buryDead()
}
