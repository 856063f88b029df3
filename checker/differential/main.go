package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
)

func main() {
	// Next to nothing is in use at a time, but Porcupine leaves much behind.
	debug.SetGCPercent(1000)
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// The exit codes.
const (
	exitAgreed    = 0
	exitDisagreed = 1
	exitUsage     = 254
)

// batch is how many histories are made from one seed, by one worker.
const batch = 2000

// settings are what the flags say.
type settings struct {
	duration            time.Duration
	count               int
	seed                uint64
	operations, clients span
	mixes               []mix
	directory           string
	workers             int
	// ask is Adviser.Ask, but for tests.
	ask func(*checker.Adviser, []history.Operation) (checker.Opinions, error)
	// progress is told of the progress, if it is not nil: on a terminal in one
	// line, elsewhere now and then.
	progress io.Writer
	terminal bool
	// interrupted ends the comparison early; what was compared is reported.
	interrupted <-chan struct{}
}

// run is main with its surroundings as arguments; it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitAgreed
	}
	if err != nil {
		fmt.Fprintf(stderr, "differential: %v\n", err)
		return exitUsage
	}
	if f, ok := stderr.(*os.File); ok {
		s.progress, s.terminal = stderr, term.IsTerminal(int(f.Fd()))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s.interrupted = ctx.Done()
	return s.report(stdout, s.compareAll())
}

func parse(args []string, stderr io.Writer) (settings, error) {
	s := settings{operations: span{3, 14}, clients: span{2, 5}, workers: runtime.GOMAXPROCS(0), ask: (*checker.Adviser).Ask}
	flags := flag.NewFlagSet("differential", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.DurationVar(&s.duration, "for", 0, "how long to compare; 10s if -count is not given either")
	flags.IntVar(&s.count, "count", 0, "how many histories to compare of each mix; 0: as many as there is time for")
	flags.Uint64Var(&s.seed, "seed", 1, "what the histories are made from")
	flags.Var(&s.operations, "operations", "how many operations a history has")
	flags.Var(&s.clients, "clients", "how many clients carry them out")
	names := flags.String("mix", "all", "the mixes, separated by commas, or all: "+strings.Join(mixNames(), ", "))
	flags.StringVar(&s.directory, "out", ".", "the folder for histories on which the methods disagree")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	switch {
	case flags.NArg() > 0:
		return s, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case s.count < 0 || s.duration < 0:
		return s, errors.New("-for and -count must not be negative")
	case s.count == 0 && s.duration == 0:
		s.duration = 10 * time.Second
	}
	if *names == "all" {
		s.mixes = mixes
		return s, nil
	}
	for _, name := range strings.Split(*names, ",") {
		i := slices.IndexFunc(mixes, func(m mix) bool { return m.name == strings.TrimSpace(name) })
		if i < 0 {
			return s, fmt.Errorf("there is no mix %q: choose from %s", name, strings.Join(mixNames(), ", "))
		}
		s.mixes = append(s.mixes, mixes[i])
	}
	return s, nil
}

func mixNames() []string {
	var names []string
	for _, m := range mixes {
		names = append(names, m.name)
	}
	return names
}

// tally counts the histories of a mix.
type tally struct {
	histories, legal, illegal, undecided, disagreements int
	// spent is the time of all workers on it.
	spent time.Duration
	// files are those of the first disagreements.
	files []string
	err   error
}

// filesWritten is how many disagreements of a mix and batch are written to files.
const filesWritten = 3

// compareAll compares until the time is over or all is done, and returns a tally for each mix.
func (s *settings) compareAll() []tally {
	tallies := make([]tally, len(s.mixes))
	deadline := time.Time{}
	if s.duration > 0 {
		deadline = time.Now().Add(s.duration)
	}
	var next atomic.Int64
	var mu sync.Mutex
	var group sync.WaitGroup
	begin := time.Now()
	shown := begin
	for range s.workers {
		group.Add(1)
		go func() {
			defer group.Done()
			var a checker.Adviser
			for {
				k := int(next.Add(1) - 1)
				m, number := k%len(s.mixes), k/len(s.mixes)
				size := batch
				if s.count > 0 {
					size = min(batch, s.count-number*batch)
				}
				if size <= 0 || !deadline.IsZero() && !time.Now().Before(deadline) || s.isInterrupted() {
					return
				}
				one := s.compare(&a, s.mixes[m], number, size)
				mu.Lock()
				tallies[m].add(one)
				if s.progress != nil && time.Since(shown) > s.progressEvery() {
					shown = time.Now()
					s.tell(time.Since(begin), sum(tallies))
				}
				mu.Unlock()
			}
		}()
	}
	group.Wait()
	if s.terminal {
		fmt.Fprint(s.progress, "\r\033[K")
	}
	return tallies
}

func (s *settings) isInterrupted() bool {
	select {
	case <-s.interrupted:
		return true
	default:
		return false
	}
}

// progressEvery is how long progress is not told again.
func (s *settings) progressEvery() time.Duration {
	if s.terminal {
		return time.Second
	}
	return time.Minute
}

func (s *settings) tell(elapsed time.Duration, total tally) {
	begin, end := "", "\n"
	if s.terminal {
		begin, end = "\r", " "
	}
	fmt.Fprintf(s.progress, "%s%s: %d histories, %d disagreements%s", begin, elapsed.Round(time.Second), total.histories, total.disagreements, end)
}

func (t *tally) add(other tally) {
	t.histories += other.histories
	t.legal += other.legal
	t.illegal += other.illegal
	t.undecided += other.undecided
	t.disagreements += other.disagreements
	t.spent += other.spent
	t.files = append(t.files, other.files...)
	t.err = errors.Join(t.err, other.err)
}

func sum(tallies []tally) (total tally) {
	for _, t := range tallies {
		total.add(t)
	}
	return total
}

// compare compares the histories of one batch.
func (s *settings) compare(a *checker.Adviser, m mix, number, size int) (t tally) {
	begin := time.Now()
	g := generator{
		mix: m, operations: s.operations, clients: s.clients,
		r: rand.New(rand.NewPCG(s.seed, seedOf(m.name)+uint64(number))),
	}
	for i := range size {
		made := i%2 == 0
		operations := g.broken
		if made {
			operations = g.legal
		}
		h := operations()
		opinions, err := s.ask(a, h)
		if err != nil {
			t.err = fmt.Errorf("mix %s, batch %d, history %d: %w", m.name, number, i, err)
			return t
		}
		t.histories++
		if opinions.Porcupine == checker.Legal {
			t.legal++
		} else {
			t.illegal++
		}
		if opinions.Fast == checker.Undecided {
			t.undecided++
		}
		if opinions.Agree() && (!made || opinions.Porcupine == checker.Legal) && (!m.exact || opinions.Fast != checker.Undecided) {
			continue
		}
		t.disagreements++
		if len(t.files) < filesWritten {
			name := filepath.Join(s.directory, fmt.Sprintf("differential-%s-%d-%d-%d.jsonl", m.name, s.seed, number, i))
			t.err = errors.Join(t.err, save(name, h))
			t.files = append(t.files, fmt.Sprintf("%s: without a search %s, search %s, Porcupine %s, made to be legal %t",
				name, opinions.Fast, opinions.Search, opinions.Porcupine, made))
		}
	}
	t.spent = time.Since(begin)
	return t
}

// seedOf makes a seed of a name (FNV-1a), so that a mix's histories do not depend on the others.
func seedOf(name string) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range []byte(name) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

// report prints the table and returns the exit code.
func (s *settings) report(w io.Writer, tallies []tally) int {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "mix\thistories\tlegal\tillegal\tleft to the search\tdisagreements\thistories/s and core\t")
	for i, t := range tallies {
		star := ""
		if s.mixes[i].exact {
			star = "*"
		}
		t.row(table, s.mixes[i].name+star)
	}
	total := sum(tallies)
	total.row(table, "all")
	_ = table.Flush()
	for _, f := range total.files {
		fmt.Fprintln(w, f)
	}
	if total.err != nil {
		fmt.Fprintln(w, total.err)
	}
	if total.disagreements > 0 || total.err != nil || total.histories == 0 {
		return exitDisagreed
	}
	return exitAgreed
}

func (t *tally) row(w io.Writer, name string) {
	rate := 0.0
	if t.spent > 0 {
		rate = float64(t.histories) / t.spent.Seconds()
	}
	fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d (%.2f %%)\t%d\t%.0f\t\n", name, t.histories, t.legal, t.illegal,
		t.undecided, 100*float64(t.undecided)/float64(max(t.histories, 1)), t.disagreements, rate)
}
