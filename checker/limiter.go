package checker

import (
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"
)

// limiter runs searches within bounds of time and memory. Porcupine honours
// a timeout but neither a context nor a bound of memory; so every step of its
// models passes through here, and a search that is to stop is told that no
// step is possible any more. It then unwinds at once, and its answer is
// discarded.
type limiter struct {
	memory   uint64
	done     chan struct{}
	finished sync.WaitGroup
	release  func() bool
	over     atomic.Bool // the check's context ended

	mu       sync.Mutex
	searches map[*search]struct{}
}

// search is one search, Porcupine's or our own.
type search struct {
	steps atomic.Int64
	stop  atomic.Bool
	heavy atomic.Bool // stopped because of the memory bound
}

const samplePeriod = 10 * time.Millisecond

// newLimiter watches the context and, if memory is positive, the heap, until close.
func newLimiter(ctx context.Context, memory int64) *limiter {
	l := &limiter{done: make(chan struct{}), searches: map[*search]struct{}{}}
	l.over.Store(ctx.Err() != nil)
	l.release = context.AfterFunc(ctx, func() {
		l.over.Store(true)
		l.mu.Lock()
		defer l.mu.Unlock()
		for s := range l.searches {
			s.stop.Store(true)
		}
	})
	if memory > 0 {
		l.memory = uint64(memory)
		l.finished.Add(1)
		go l.watch()
	}
	return l
}

func (l *limiter) close() {
	l.release()
	close(l.done)
	l.finished.Wait()
}

// watch stops the search that has gone farthest whenever the heap exceeds the bound.
func (l *limiter) watch() {
	defer l.finished.Done()
	tick := time.NewTicker(samplePeriod)
	defer tick.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-tick.C:
		}
		if heap() <= l.memory {
			continue
		}
		runtime.GC() // what counts is what is in use, not what is yet to be collected
		// A little below the bound, lest garbage alone reach it again at the next tick.
		if heap() <= l.memory-l.memory/10 {
			continue
		}
		l.stopLargest()
	}
}

func (l *limiter) stopLargest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	var largest *search
	for s := range l.searches {
		if !s.stop.Load() && (largest == nil || s.steps.Load() > largest.steps.Load()) {
			largest = s
		}
	}
	if largest != nil {
		largest.heavy.Store(true)
		largest.stop.Store(true)
	}
}

// heap is the number of bytes that objects on the heap occupy.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// answer is what a search said, and why where it could not say.
type answer struct {
	result porcupine.CheckResult
	why    string
	// timedOut: with more time it might say.
	timedOut bool
}

// begin makes a search known, so that it can be stopped, until end.
func (l *limiter) begin() *search {
	s := &search{}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.searches[s] = struct{}{}
	return s
}

func (l *limiter) end(s *search) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.searches, s)
}

// run lets Porcupine decide within the timeout (0: none but the context's end).
func (l *limiter) run(model porcupine.Model, operations []porcupine.Operation, timeout time.Duration) answer {
	s := l.begin()
	defer l.end(s)
	if l.over.Load() {
		return answer{porcupine.Unknown, "the time for checking was over", true}
	}
	inner, local := model.StepContext, int64(0)
	model.StepContext = func(ctx context.Context, state, in, out any) (bool, any) {
		if local++; local&1023 == 0 {
			s.steps.Store(local)
		}
		if s.stop.Load() {
			return false, state
		}
		return inner(ctx, state, in, out)
	}
	result := porcupine.CheckOperationsTimeout(model, operations, timeout)
	switch {
	case result == porcupine.Ok:
		return answer{result: result}
	case s.heavy.Load():
		return answer{porcupine.Unknown, fmt.Sprintf("the search exceeded the memory bound of %d MB", l.memory>>20), false}
	case s.stop.Load():
		return answer{porcupine.Unknown, "the time for checking was over", true}
	case result == porcupine.Unknown:
		return answer{result, fmt.Sprintf("the search took longer than its share of %s", timeout.Round(time.Millisecond)), true}
	}
	return answer{result: result}
}

// search lets the searcher decide a prepared register within the timeout (0:
// none but the context's end).
func (l *limiter) search(x *searcher, p prepared, timeout time.Duration) answer {
	s := l.begin()
	defer l.end(s)
	x.steps = 0
	if l.over.Load() {
		return answer{porcupine.Unknown, "the time for checking was over", true}
	}
	var deadline time.Time
	if timeout > 0 {
		deadline = time.Now().Add(timeout)
	}
	late := false
	stop := func(steps int64) bool {
		s.steps.Store(steps)
		late = timeout > 0 && !time.Now().Before(deadline)
		return late || s.stop.Load()
	}
	grow := func(bytes uint64) bool {
		if l.memory == 0 || heap()+bytes <= l.memory {
			return true
		}
		runtime.GC()
		if heap()+bytes <= l.memory {
			return true
		}
		s.heavy.Store(true)
		return false
	}
	result := x.decide(p, stop, grow)
	tried := fmt.Sprintf("after %s tried", plural(int(x.steps), "step"))
	switch {
	case result == searchLegal:
		return answer{result: porcupine.Ok}
	case result == searchIllegal:
		return answer{result: porcupine.Illegal}
	case s.heavy.Load():
		x.seen = hashSet{} // the memory is for the others now
		return answer{porcupine.Unknown, fmt.Sprintf("the search reached the memory bound of %d MB %s", l.memory>>20, tried), false}
	case late:
		return answer{porcupine.Unknown, fmt.Sprintf("the search took longer than its share of %s, %s", timeout.Round(time.Millisecond), tried), true}
	}
	return answer{porcupine.Unknown, "the time for checking was over " + tried, true}
}

// prepared lets Porcupine decide a prepared register, as run does.
func (l *limiter) prepared(p prepared, timeout time.Duration) answer {
	if p.counted {
		model, operations := countingOperations(p.operations, p.values)
		return l.run(model, operations, timeout)
	}
	return l.run(plainModel(), plainOperations(p.operations), timeout)
}
