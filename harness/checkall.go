package harness

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/refute-lab/refute/checker"
)

// Checked is one history that was checked, or could not be.
type Checked struct {
	// Path is the history's file, "-" for the standard input.
	Path string
	// Outcome is nil where Err is not.
	Outcome *Outcome
	// Err says why the history could not be read, or not be written in another
	// form (Outcome is there too then).
	Err error
	// Seconds is how long reading and checking took.
	Seconds float64
}

// errInterrupted is the Err of histories that were not checked to the end.
var errInterrupted = errors.New("not checked: interrupted")

// CheckAll checks many histories, several at a time, and calls show for each
// in the order of the arguments as soon as it and all before it are final. A
// history that can't be read does not keep the others from being checked.
// Errors are *UsageError: then nothing was checked.
//
// Not more are checked at the same time than there are cores, nor than fit in
// the memory by the size of their files; one that is too large is checked all
// the same, alone. A search that was given up while others were checked, with
// time left, is made again alone: no verdict may hang on the company.
func CheckAll(ctx context.Context, c Checking, show func(*Checked)) (*CheckedAll, error) {
	if err := c.fill(); err != nil {
		return nil, &UsageError{err}
	}
	paths, several, err := findHistories(c.Paths)
	if err != nil {
		return nil, &UsageError{err}
	}
	if err := c.EDN.assign(paths, several); err != nil {
		return nil, &UsageError{err}
	}
	if c.Parallel == 0 {
		c.Parallel = runtime.GOMAXPROCS(0)
	}
	// Each check sets the collector's goal and restores what it found. While
	// some overlap they must find what they set.
	defer debug.SetGCPercent(debug.SetGCPercent(40))
	all := &CheckedAll{Several: several}
	done := make([]chan *Checked, len(paths))
	for i := range done {
		done[i] = make(chan *Checked, 1)
	}
	go c.start(paths, done, func(number int, path string) *Checked { return c.one(ctx, number, path) })
	for i := range done {
		one := <-done[i]
		all.add(one)
		show(one)
	}
	return all, nil
}

// start begins the checks in order, each as soon as there is room for it.
func (c *Checking) start(paths []string, done []chan *Checked, check func(number int, path string) *Checked) {
	room := newRoom(c.Parallel, c.Memory)
	for i, path := range paths {
		place := room.enter(estimate(path))
		go func() {
			one := check(i, path)
			if room.leave(place) && c.cramped(one) {
				place := room.enter(math.MaxInt64)
				one = check(i, path)
				room.leave(place)
			}
			done[i] <- one
		}()
	}
}

// one checks one history.
func (c *Checking) one(ctx context.Context, number int, path string) *Checked {
	if ctx.Err() != nil {
		return &Checked{Path: path, Err: errInterrupted}
	}
	var progress func(string)
	if c.Progress != nil {
		progress = func(doing string) { c.Progress(number, doing) }
		progress("reading")
	}
	begin := time.Now()
	outcome, err := c.file(ctx, path, progress)
	one := &Checked{Path: path, Outcome: outcome, Err: err, Seconds: time.Since(begin).Seconds()}
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		one.Err = errInterrupted
	}
	return one
}

// cramped says that a history was not decided, although there was time, so
// that the memory that others took may be why, and that it can be read again.
func (c *Checking) cramped(one *Checked) bool {
	if one.Outcome == nil || one.Path == "-" || one.Err != nil || one.Seconds > c.Timeout.Seconds()/2 {
		return false
	}
	for _, r := range one.Outcome.Report.Claims {
		if r.Verdict == checker.Unknown && !r.Vacuous {
			return true
		}
	}
	return false
}

// estimate is how much memory reading a history takes, in bytes, by the size of
// its file and what operations need in memory. It errs on the large side.
func estimate(path string) int64 {
	const least, text, packed = 8 << 20, 6, 60
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return least
	}
	factor := int64(text)
	if filepath.Ext(path) == ".gz" {
		factor = packed
	}
	return least + info.Size()*factor
}

// room bounds how many checks there are at the same time, and their memory.
type room struct {
	mu     sync.Mutex
	free   *sync.Cond
	seats  int
	memory int64
	used   int64
	inside []*place
}

// place is a check's part of the room.
type place struct {
	need   int64
	shared bool // somebody else was inside at the same time
}

func newRoom(seats int, memory int64) *room {
	r := &room{seats: seats, memory: memory}
	r.free = sync.NewCond(&r.mu)
	return r
}

// enter waits until there is room for so many bytes. Who needs more than there is waits to be alone.
func (r *room) enter(need int64) *place {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &place{need: min(need, r.memory)}
	for len(r.inside) >= r.seats || len(r.inside) > 0 && r.used+p.need > r.memory {
		r.free.Wait()
	}
	r.used += p.need
	r.inside = append(r.inside, p)
	for _, other := range r.inside {
		other.shared = len(r.inside) > 1 || other.shared
	}
	return p
}

// leave gives the place back and says whether the room was shared meanwhile.
func (r *room) leave(p *place) (shared bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used -= p.need
	r.inside = slices.DeleteFunc(r.inside, func(other *place) bool { return other == p })
	r.free.Broadcast()
	return p.shared
}
