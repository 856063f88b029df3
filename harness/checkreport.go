package harness

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"
)

// unusable is the exit code where a history can't be read and no claim was refuted.
const unusable = 254

// CheckReport tells how many checks go and what became of them.
type CheckReport struct {
	// JSON asks for documents instead of text.
	JSON bool
	// Brief asks for no more than the table where there are several.
	Brief bool
	// Colours asks for ANSI colours in the text.
	Colours bool
	// Out gets the verdicts, Errors what is wrong with files, and the progress.
	Out, Errors io.Writer
	// Width is that of the terminal which Errors is, in columns; 0 where it is none: no progress then.
	Width int
}

// Run checks the histories and shows each. It returns the exit code: 1 where a
// claim was refuted, else 254 where a history can't be read, else that of the
// worst verdict. If there may be but one history and it can't be read, that is the error.
func (r *CheckReport) Run(ctx context.Context, c Checking) (int, error) {
	_, several, err := findHistories(c.Paths)
	if err != nil {
		return 0, &UsageError{err}
	}
	live := &checkLive{out: r.Errors, width: r.Width, doing: map[int]string{}}
	if r.Width > 0 {
		c.Progress = live.set
		defer live.start()()
	}
	var failure, only error
	number := 0
	all, err := CheckAll(ctx, c, func(one *Checked) {
		live.done(number, func() {
			if err := r.show(one, several); err != nil && failure == nil {
				failure = err
			}
		})
		number++
		only = one.Err
	})
	if err != nil {
		return 0, err
	}
	if failure != nil {
		return 0, &FailureError{failure}
	}
	if !all.Several && only != nil && all.Unusable() {
		return 0, only
	}
	if all.Several && !r.JSON {
		all.WriteTable(r.Out)
	}
	if all.Unusable() {
		return unusable, nil
	}
	return all.ExitCode(), nil
}

// show writes what became of one history. Where it is the only one, its error
// is the command's.
func (r *CheckReport) show(one *Checked, several bool) error {
	if one.Err != nil && (several || one.Outcome != nil) {
		fmt.Fprintf(r.Errors, "refute: %v\n", named(one.Path, one.Err))
	}
	if one.Outcome != nil {
		for _, warning := range one.Outcome.Warnings {
			fmt.Fprintf(r.Errors, "refute: %s: %s\n", one.Path, warning)
		}
	}
	switch {
	case r.JSON && (several || one.Outcome != nil):
		return one.WriteJSON(r.Out, several)
	case one.Outcome != nil && !r.JSON && !(several && r.Brief):
		if several {
			fmt.Fprintf(r.Out, "%s\n", printable(one.Path))
		}
		one.Outcome.WriteText(r.Out, r.Colours)
		if several {
			fmt.Fprintln(r.Out)
		}
	}
	return nil
}

// progressAfter is how long a check may take without saying what it does.
const progressAfter = time.Second

// checkLive is the line on a terminal that says what is being checked.
type checkLive struct {
	out   io.Writer
	width int

	mu       sync.Mutex
	doing    map[int]string
	finished int
	shown    bool
}

// start shows the line from time to time, until the returned function is called.
func (l *checkLive) start() (stop func()) {
	begin, done := time.Now(), make(chan struct{})
	var finished sync.WaitGroup
	finished.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				l.erase()
				return
			case <-tick.C:
				if time.Since(begin) > progressAfter {
					l.show(time.Since(begin))
				}
			}
		}
	})
	return func() { close(done); finished.Wait() }
}

func (l *checkLive) set(number int, doing string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.doing[number] = doing
}

// done ends a history; write may write while the line is away.
func (l *checkLive) done(number int, write func()) {
	l.erase()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.doing, number)
	l.finished++
	write()
}

func (l *checkLive) erase() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shown {
		_, _ = io.WriteString(l.out, "\r\x1b[K")
		l.shown = false
	}
}

func (l *checkLive) show(since time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := math.MaxInt
	for number := range l.doing {
		first = min(first, number)
	}
	doing := l.doing[first]
	if more := len(l.doing) - 1; more > 0 {
		doing += fmt.Sprintf(", and %d more", more)
	}
	line := fmt.Sprintf("%7.1fs  %d done  %s", since.Seconds(), l.finished, doing)
	_, _ = io.WriteString(l.out, "\r\x1b[K"+fitted(line, l.width))
	l.shown = true
}

// sizeUnits are the units of a size, the longer names first.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// ParseSize reads a size of memory: a whole number with a unit, KiB to TiB or KB to TB.
func ParseSize(text string) (int64, error) {
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(strings.ToLower(text), strings.ToLower(u.name))
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/u.bytes {
			break
		}
		return n * u.bytes, nil
	}
	return 0, fmt.Errorf("%q is no size: want a whole number with a unit, for instance 512MiB or 4GiB", text)
}
