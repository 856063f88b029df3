package harness

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/refute-lab/refute/harness/history"
)

// eventWriter is where recorded events go; history.Writer is one.
type eventWriter interface {
	Append(*history.Event) error
}

// Recorder gives every event its index and its time and hands it to the
// history file, all under one lock. So indexes and times grow together, an
// invocation is in the file before the request leaves, and a completion gets
// its time after the answer has arrived: recorded intervals are never shorter
// than the real ones, which is the side on which no false alarm can be.
type Recorder struct {
	mu      sync.Mutex
	started time.Time
	writer  eventWriter
	next    int64
	err     error
	keys    []string
	known   map[string]bool
	counts  Counts
	// OnFault, if set before the first event, is told of every fault's
	// injection and healing as soon as it is complete.
	OnFault func(f string, fault history.Fault)
}

// Counts is the traffic so far.
type Counts struct {
	Invoked, Ok, Fail, Info int
}

// NewRecorder starts the run's clock.
func NewRecorder(w eventWriter) *Recorder {
	return &Recorder{started: time.Now(), writer: w, known: map[string]bool{}}
}

// Record stamps the event and appends it to the history. The first error of
// the file is kept and returned from then on: a run that cannot record must end.
func (r *Recorder) Record(e history.Event) (history.Event, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return e, r.err
	}
	e.Index, e.Time = r.next, int64(time.Since(r.started))
	if err := r.writer.Append(&e); err != nil {
		r.err = err
		return e, err
	}
	r.next++
	if e.Process != history.Nemesis {
		r.count(&e)
	} else if r.OnFault != nil && e.Type != history.Invoke && (e.F == history.FInject || e.F == history.FHeal) {
		var fault history.Fault
		if json.Unmarshal(e.Value.Raw(), &fault) == nil {
			r.OnFault(e.F, fault)
		}
	}
	return e, nil
}

func (r *Recorder) count(e *history.Event) {
	switch e.Type {
	case history.Invoke:
		r.counts.Invoked++
		if !r.known[e.Key] {
			r.known[e.Key] = true
			r.keys = append(r.keys, e.Key)
		}
	case history.Ok:
		r.counts.Ok++
	case history.Fail:
		r.counts.Fail++
	case history.Info:
		r.counts.Info++
	}
}

// Counts returns the client traffic so far.
func (r *Recorder) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts
}

// Keys returns every key that clients named, in the order of first mention.
func (r *Recorder) Keys() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.keys...)
}

// Elapsed is the time since the recorder was made.
func (r *Recorder) Elapsed() time.Duration { return time.Since(r.started) }

// Err returns the first error of the history file.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// span records an operation of the nemesis process around do: a phase, a
// replica's dump. What do returns is the value of the ok completion; an error makes it info.
func (r *Recorder) span(f, key, node string, do func() (any, error)) error {
	e := history.Event{Process: history.Nemesis, Type: history.Invoke, F: f, Key: key, Node: node}
	if _, err := r.Record(e); err != nil {
		return err
	}
	value, err := do()
	e.Type = history.Ok
	if err != nil {
		e.Type, e.Error = history.Info, err.Error()
	} else if value != nil {
		raw, marshalError := json.Marshal(value)
		if marshalError != nil {
			return marshalError
		}
		e.Value = history.RawValue(raw)
	}
	if _, recordError := r.Record(e); recordError != nil {
		return recordError
	}
	return err
}
