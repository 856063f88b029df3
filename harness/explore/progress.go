package explore

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Stage is what an exploration is doing.
type Stage string

// The stages, in their order.
const (
	StageExploring Stage = "exploring"
	StageShrinking Stage = "shrinking"
)

// Progress is how an exploration goes.
type Progress struct {
	Stage Stage
	// Elapsed is the time since the exploration began, shrinking included.
	Elapsed time.Duration
	// Seeds is how many seeds count so far, Bound how many there are to be at most; 0 is no bound.
	Seeds, Bound uint64
	// Operations is how many operations of clients these had, and
	// SeedsPerSecond and OperationsPerSecond how fast that was.
	Operations                          int64
	SeedsPerSecond, OperationsPerSecond float64
	// Doubtful is how many seeds refuted nothing, but left a claim undecided.
	Doubtful uint64
	// Found is what was found so far, in the order of the seeds.
	Found []Found
}

// Found is one class of violations of a claim, as Progress tells it.
type Found struct {
	Claim, Class string
	// Seeds is how many seeds showed it so far, the first being First.
	Seeds, First uint64
	// Shrinking says that it is being shrunk or has been. The smallest plan so
	// far has Operations and Faults, and Runs runs were made for it.
	Shrinking                bool
	Operations, Faults, Runs int
}

// String writes one line without a line end, for people.
func (p Progress) String() string {
	if p.Stage == StageShrinking {
		parts := make([]string, 0, len(p.Found))
		for _, f := range p.Found {
			text := f.Claim + "/" + f.Class
			if f.Shrinking {
				text += fmt.Sprintf(": %s, %s (%s)", count(f.Operations, "operation"), count(f.Faults, "fault"), count(f.Runs, "run"))
			} else {
				text += ": waits"
			}
			parts = append(parts, text)
		}
		return "shrinking " + strings.Join(parts, "; ")
	}
	text := thousands(p.Seeds)
	if p.Bound > 0 {
		text += " of " + thousands(p.Bound)
	}
	text += fmt.Sprintf(" seeds (%s/s)  %s operations (%s/s)", short(p.SeedsPerSecond), short(float64(p.Operations)), short(p.OperationsPerSecond))
	if p.Doubtful > 0 {
		text += fmt.Sprintf("  %s undecided", thousands(p.Doubtful))
	}
	if len(p.Found) == 0 {
		return text + "  nothing refuted"
	}
	parts := make([]string, 0, len(p.Found))
	for _, f := range p.Found {
		parts = append(parts, fmt.Sprintf("%s/%s %s", f.Claim, f.Class, thousands(f.Seeds)))
	}
	return text + "  refuted: " + strings.Join(parts, ", ")
}

// shrinkingState is how the shrinking of a finding goes.
type shrinkingState struct {
	begun                    bool
	operations, faults, runs int
}

// progress is the state of this moment.
func (e *exploration) progress() Progress {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := Progress{Stage: e.stage, Elapsed: e.config.now().Sub(e.began), Seeds: e.collected, Bound: e.config.Seeds,
		Operations: e.operations, Doubtful: e.doubtful}
	explored := e.explored
	if explored == 0 {
		explored = p.Elapsed
	}
	p.SeedsPerSecond, p.OperationsPerSecond = perSecond(int64(p.Seeds), explored), perSecond(p.Operations, explored)
	for i, f := range e.findings {
		found := Found{Claim: f.Claim, Class: f.Class, Seeds: f.Seeds, First: f.Seed}
		if i < len(e.shrinking) {
			s := e.shrinking[i]
			found.Shrinking, found.Operations, found.Faults, found.Runs = s.begun, s.operations, s.faults, s.runs
		}
		p.Found = append(p.Found, found)
	}
	return p
}

// watch tells Config.Progress how it goes until the function that it returns is called.
func (e *exploration) watch() (stop func()) {
	if e.config.Progress == nil {
		return func() {}
	}
	ticker := time.NewTicker(progressInterval)
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-ticker.C:
				e.config.Progress(e.progress())
			case <-end:
				e.config.Progress(e.progress())
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(end)
		<-ended
	}
}

// perSecond is 0 for no time.
func perSecond(n int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// short writes a number with three significant digits, and small ones in full: "1,234", "546 k", "6.21 M".
func short(n float64) string {
	switch {
	case n < 100:
		return strconv.FormatFloat(n, 'g', 3, 64)
	case n < 9999.5:
		return thousands(uint64(math.Round(n)))
	}
	unit := ""
	for _, u := range []string{" k", " M", " G"} {
		if n < 999.5 {
			break
		}
		n, unit = n/1000, u
	}
	return strconv.FormatFloat(n, 'g', 3, 64) + unit
}

// thousands writes 12345 as "12,345".
func thousands(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// count writes a number with its noun: "1 fault", "2 faults".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(uint64(max(n, 0))) + " " + noun + "s"
}
