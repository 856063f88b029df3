package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/results"
)

// The defaults of Checking.
const (
	// DefaultCheckTimeout is longer than that of a run, since nobody waits for the next one.
	DefaultCheckTimeout = 10 * time.Minute
	// DefaultCheckMemory is in bytes.
	DefaultCheckMemory int64 = checkMemory
	// leastCheckMemory is what a search needs to get anywhere, in bytes.
	leastCheckMemory int64 = 16 << 20
)

// Checking is what recorded histories are to be checked for, and within which bounds.
type Checking struct {
	// Paths are the histories: files, run folders, folders of either, "-" for the standard input.
	Paths []string
	// Claims are those to decide. Nil: those of the plan beside the history,
	// else all that its operations can decide.
	Claims []string
	// Model says what the keys are, by its name in checker.Models; empty: that is found
	// out from the operations.
	Model string
	// MaximumSiblings is how many versions of a key may stand side by side
	// under the claim bounded-siblings; 0 is what the plan beside the history
	// says, or checker.DefaultMaximumSiblings.
	MaximumSiblings int
	// Timeout is the longest time for one history; 0 is DefaultCheckTimeout.
	Timeout time.Duration
	// Memory is the heap of all checks together, in bytes; 0 is DefaultCheckMemory.
	Memory int64
	// Parallel is how many histories are checked at the same time; 0 is one on each core.
	Parallel int
	// EDN asks for the histories to be written for other checkers too.
	EDN EDNOutput
	// Progress is told from time to time what is being done to the history
	// with that number; it may be nil and is called concurrently.
	Progress func(number int, doing string)
}

// fill sets the defaults and refuses what makes no sense.
func (c *Checking) fill() error {
	if len(c.Paths) == 0 {
		return errors.New("no history to check: name a file, a folder, or - for the standard input")
	}
	if c.Claims != nil {
		claims, err := checker.ParseClaims(c.Claims)
		if err != nil {
			return err
		}
		c.Claims = claims
	}
	if err := checker.ParseModel(c.Model); err != nil {
		return err
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultCheckTimeout
	}
	if c.Memory == 0 {
		c.Memory = DefaultCheckMemory
	}
	switch {
	case c.Timeout < 0:
		return fmt.Errorf("a timeout of %s: want a positive length of time", c.Timeout)
	case c.Memory < leastCheckMemory:
		return fmt.Errorf("a memory of %d bytes: want at least %d MiB", c.Memory, leastCheckMemory>>20)
	case c.Parallel < 0:
		return fmt.Errorf("%d histories at the same time: want 1 or more", c.Parallel)
	}
	return c.EDN.validate()
}

// CheckFile judges a recorded history: a run folder, a history.jsonl, a
// Jepsen history.edn or log, gzipped or not, or "-" for the standard input.
// Claims that are not named are those of the plan beside the history, else all
// that its operations can decide. Errors are *UsageError where the file is at fault.
func CheckFile(ctx context.Context, path string, claims []string, timeout time.Duration) (*Outcome, error) {
	c := Checking{Paths: []string{path}, Claims: claims, Timeout: timeout}
	if err := c.fill(); err != nil {
		return nil, &UsageError{err}
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, cmp.Or(mainHistory(path), mainHistories[0]))
	}
	return c.file(ctx, path, nil)
}

// file judges one history and, if that is wanted, writes it in another form.
func (c *Checking) file(ctx context.Context, path string, progress func(string)) (*Outcome, error) {
	run, claims := &results.Run{}, c.Claims
	if path != "-" {
		p, err := planBeside(path)
		if err != nil {
			return nil, &UsageError{err}
		}
		if run.Plan = p; p != nil && claims == nil {
			claims = p.Claims
		}
	}
	file, err := history.Open(path)
	if err != nil {
		return nil, &UsageError{err}
	}
	defer file.Close()
	options := trafficOptions(run.Plan)
	options.Model = c.Model
	if c.MaximumSiblings > 0 {
		options.MaximumSiblings = c.MaximumSiblings
	}
	limits := plan.Limits{Check: plan.Duration(c.Timeout), CheckMemory: c.Memory}
	report, warnings, err := judge(ctx, file, claims, limits, options, progress)
	if err != nil {
		return nil, &UsageError{named(path, err)}
	}
	run.Document = results.NewDocument(report)
	run.Document.HistorySHA256 = file.Summary().SHA256
	run.Document.Warnings = slices.Concat(warnings, report.Warnings)
	if run.Plan != nil {
		run.Document.PlanSHA256 = run.Plan.SHA256()
	}
	outcome := &Outcome{Run: run, Report: report, Warnings: warnings}
	if run.Scan, err = scanWitnesses(ctx, file, run.Document); err != nil && ctx.Err() == nil {
		return nil, &UsageError{err}
	}
	return outcome, c.EDN.write(ctx, file, path, outcome)
}

// named makes sure that an error says which file it is about.
func named(path string, err error) error {
	if strings.Contains(err.Error(), path) {
		return err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// scanWitnesses looks the operations of the witnesses up, so that they can be
// shown; nil where there are none.
func scanWitnesses(ctx context.Context, file *history.File, d *results.Document) (*results.Scan, error) {
	wanted := map[int64]bool{}
	for _, c := range d.Claims {
		for _, witness := range c.Witnesses {
			for _, index := range witness {
				wanted[index] = true
			}
		}
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	var found []history.Operation
	err := file.Source(ctx, func(o *history.Operation) bool {
		if wanted[o.Index] {
			found = append(found, *o)
		}
		return len(found) < len(wanted)
	})
	if err != nil {
		return nil, err
	}
	return results.ScanOperations(d, found, file.Evidence().Lookup), nil
}

// defaultClaims are the claims that a history without a plan is held to. One
// that was recorded elsewhere is held to linearizability, as Knossos would;
// a claim that it was not made to decide would only add an unknown.
func defaultClaims(read readHistory, format history.Format) (claims []string) {
	finals := read.HasPhase(history.PhaseFinals)
	for _, name := range read.Applicable() {
		if !finals && (name == checker.NoLostWrites || name == checker.NoDiscardedWrites) {
			continue
		}
		if format != history.FormatJSONL && name == checker.Linearizable {
			return []string{name}
		}
		claims = append(claims, name)
	}
	return claims
}

// planBeside returns the plan.json in the history's folder, or nil where there is none.
func planBeside(path string) (*plan.Plan, error) {
	p, err := plan.Load(filepath.Join(filepath.Dir(path), "plan.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the plan beside the history: %w", err)
	}
	return p, nil
}
