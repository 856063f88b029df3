package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/explore"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/target"
)

// Axis is a setting with the values it takes in the grid.
type Axis struct {
	// Setting is its name, of the target or of the workload.
	Setting string `json:"setting"`
	// Values are distinct, in the order of the table.
	Values []string `json:"values"`
}

// Config says what is swept.
type Config struct {
	// Axes span the grid; the last one varies fastest.
	Axes []Axis
	// Fixed are the settings that were given one value, for people.
	Fixed map[string]string
	// Plan makes the plan that all seeds of a cell have in common, and
	// configures its target. An error means that the settings are no
	// configuration.
	Plan func(settings map[string]string) (*plan.Plan, target.System, error)
	// Kinds are the kinds of faults that seeds draw from.
	Kinds []string
	// Seeds is how many seeds each cell is run with, from FirstSeed on.
	FirstSeed uint64
	Seeds     uint64
	// Skew is the greatest offset of a clock; 0 is the default.
	Skew time.Duration
	// Workers is how many seeds are run at the same time; 0 is GOMAXPROCS.
	Workers int
	// Progress, if not nil, is told now and then how far it is.
	Progress func(Progress)
	// Interrupt, when closed, ends the sweep after the seeds that are going on.
	Interrupt <-chan struct{}
}

// Progress is how far a sweep is.
type Progress struct {
	// Cells is how many cells are done, of All.
	Cells, All int
	// Cell is the one that is going on, as Cell.Name tells it, and Seeds how many of its seeds are done.
	Cell  string
	Seeds uint64
	// Disagreeing counts the outcomes that are not as expected so far.
	Disagreeing int
}

// Grid is what a sweep has come to.
type Grid struct {
	Axes []Axis `json:"axes"`
	// Fixed are the settings that were given one value; all others have their defaults.
	Fixed map[string]string `json:"fixed"`
	// Claims are those of the columns.
	Claims    []string `json:"claims"`
	Nemesis   []string `json:"nemesis"`
	FirstSeed uint64   `json:"first_seed"`
	Seeds     uint64   `json:"seeds"`
	// Cells are in the order of the axes; those that are no configuration are left out.
	Cells []Cell `json:"cells"`
	// LeftOut counts the combinations that are no configuration, by why.
	LeftOut map[string]int `json:"left_out,omitempty"`
	// Agreeing and Disagreeing count the outcomes that are as expected, and that are not.
	Agreeing    int `json:"agreeing"`
	Disagreeing int `json:"disagreeing"`
	// Verdict is Refuted if a claim that must hold was refuted somewhere, else
	// Unknown if an expected refutation was not seen, a claim stayed
	// undecided or a cell was not finished, else Holds: all is as expected.
	Verdict checker.Verdict `json:"verdict"`
	Elapsed plan.Duration   `json:"elapsed"`
}

// Cell is one configuration.
type Cell struct {
	// Values are the settings of the axes, in their order.
	Values []string `json:"values"`
	// Name is "n=3 w=2 r=2 repair=abd".
	Name string `json:"name"`
	// Seeds is how many seeds were run: fewer than asked for if the sweep was interrupted.
	Seeds uint64 `json:"seeds"`
	// Outcomes are in the order of the grid's claims.
	Outcomes []Outcome `json:"outcomes"`
}

// Outcome is what became of one claim in one cell.
type Outcome struct {
	target.Expectation
	// Refuted seeds refuted the claim; Undecided ones could not decide it or
	// had nothing to check.
	Refuted   uint64 `json:"refuted"`
	Undecided uint64 `json:"undecided"`
	// Class is the class of the first violation, and Seed the seed that shows it.
	Class string `json:"class,omitempty"`
	Seed  uint64 `json:"seed,omitempty"`
	// Agrees says that what was seen is what was expected. Of a cell that was
	// not finished only a refuted theorem is known to disagree.
	Agrees bool `json:"agrees"`
}

// mostCells bounds a grid: beyond it the sweep would take hours, and the table be of no use.
const mostCells = 10_000

// ErrNoCell: no combination of the values is a configuration.
var ErrNoCell = errors.New("no combination of these values is a configuration")

// cell is a combination that is a configuration.
type cell struct {
	values []string
	plan   *plan.Plan
	system target.System
}

// Run sweeps the grid. Errors are about the grid: an axis without values, a
// value that no cell can have; or a *explore.DefectError.
func Run(ctx context.Context, c Config) (*Grid, error) {
	began := time.Now()
	grid, cells, err := c.cells()
	if err != nil {
		return nil, err
	}
	for k, one := range cells {
		if ctx.Err() != nil || interrupted(c.Interrupt) {
			break
		}
		done, err := c.run(ctx, grid, k, len(cells), one)
		if err != nil {
			return nil, err
		}
		grid.Cells = append(grid.Cells, done)
		grid.count(&done)
	}
	grid.conclude(len(cells))
	grid.Elapsed = plan.Duration(time.Since(began).Round(time.Millisecond))
	if c.Progress != nil {
		c.Progress(Progress{Cells: len(grid.Cells), All: len(cells), Disagreeing: grid.Disagreeing})
	}
	return grid, nil
}

func interrupted(interrupt <-chan struct{}) bool {
	select {
	case <-interrupt:
		return true
	default:
		return false
	}
}

// cells lists the combinations that are configurations.
func (c *Config) cells() (*Grid, []cell, error) {
	grid := &Grid{Axes: c.Axes, Fixed: c.Fixed, Nemesis: c.Kinds, FirstSeed: c.FirstSeed, Seeds: c.Seeds, LeftOut: map[string]int{}, Cells: []Cell{}}
	if grid.Nemesis == nil {
		grid.Nemesis = []string{}
	}
	if len(c.Axes) == 0 {
		return nil, nil, errors.New("a sweep over nothing: name a setting with several values")
	}
	all := 1
	for _, a := range c.Axes {
		if len(a.Values) == 0 {
			return nil, nil, fmt.Errorf("the setting %s has no values", a.Setting)
		}
		if all *= len(a.Values); all > mostCells {
			return nil, nil, fmt.Errorf("a grid of more than %d cells: leave some values out", mostCells)
		}
	}
	var cells []cell
	used := make([][]bool, len(c.Axes))
	for i := range used {
		used[i] = make([]bool, len(c.Axes[i].Values))
	}
	why := make([]error, all)
	for k := range all {
		values, settings := c.combination(k)
		p, system, err := c.Plan(settings)
		if err != nil {
			why[k] = err
			grid.LeftOut[reason(err)]++
			continue
		}
		if grid.Claims == nil {
			grid.Claims = p.Claims
		} else if !slices.Equal(grid.Claims, p.Claims) {
			return nil, nil, errors.New("the cells of a sweep have different claims: name the claims")
		}
		for i, v := range values {
			used[i][slices.Index(c.Axes[i].Values, v)] = true
		}
		cells = append(cells, cell{values, p, system})
	}
	if len(cells) == 0 {
		return nil, nil, fmt.Errorf("%w: %w", ErrNoCell, errors.Join(why[:1]...))
	}
	// A value that is in no cell is a mistake, and not a corner that a grid has anyway.
	for i, a := range c.Axes {
		for j, seen := range used[i] {
			if !seen {
				return nil, nil, fmt.Errorf("%s=%s is in no configuration of the grid: %w", a.Setting, a.Values[j], c.whyNever(i, j, why))
			}
		}
	}
	return grid, cells, nil
}

// combination is the k-th of the grid.
func (c *Config) combination(k int) ([]string, map[string]string) {
	values, settings := make([]string, len(c.Axes)), make(map[string]string, len(c.Axes))
	for i := len(c.Axes) - 1; i >= 0; i-- {
		a := &c.Axes[i]
		values[i] = a.Values[k%len(a.Values)]
		settings[a.Setting] = values[i]
		k /= len(a.Values)
	}
	return values, settings
}

// whyNever is the first error of a combination with the value.
func (c *Config) whyNever(axis, value int, why []error) error {
	for k, err := range why {
		if values, _ := c.combination(k); err != nil && values[axis] == c.Axes[axis].Values[value] {
			return err
		}
	}
	return ErrNoCell
}

// reason is the part of an error that does not depend on numbers: what stands
// before the first colon, for instance "w=4 > n=3", without its digits.
func reason(err error) string {
	text := strings.TrimPrefix(err.Error(), "target ")
	if _, rest, found := strings.Cut(text, ": "); found && !strings.Contains(text[:len(text)-len(rest)], "=") {
		text = rest
	}
	text, _, _ = strings.Cut(text, ":")
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, strings.ReplaceAll(text, "=", ""))
}

// run explores one cell.
func (c *Config) run(ctx context.Context, grid *Grid, index, all int, one cell) (Cell, error) {
	done := Cell{Values: one.values, Name: c.name(one.values)}
	config := explore.Config{Base: one.plan, System: one.system, Kinds: c.Kinds, FirstSeed: c.FirstSeed, Seeds: c.Seeds, Workers: c.Workers,
		KeepGoing: true, ShrinkBudget: -1, Draw: explore.DrawOptions{Skew: c.Skew}, Interrupt: c.Interrupt}
	if c.Progress != nil {
		config.Progress = func(p explore.Progress) {
			c.Progress(Progress{Cells: index, All: all, Cell: done.Name, Seeds: p.Seeds, Disagreeing: grid.Disagreeing})
		}
	}
	summary, err := explore.Run(ctx, config)
	if err != nil && ctx.Err() == nil {
		return done, fmt.Errorf("%s: %w", done.Name, err)
	}
	if summary == nil {
		summary = &explore.Summary{}
	}
	done.Seeds = summary.Seeds
	for _, claim := range grid.Claims {
		o := Outcome{Expectation: expect(one.system, claim, c.Kinds)}
		if i := slices.IndexFunc(summary.Claims, func(s explore.ClaimSummary) bool { return s.Claim == claim }); i >= 0 {
			o.Refuted, o.Undecided = summary.Claims[i].Failing, summary.Claims[i].Undecided+summary.Claims[i].Vacuous
		}
		if i := slices.IndexFunc(summary.Findings, func(f *explore.Finding) bool { return f.Claim == claim }); i >= 0 {
			o.Class, o.Seed = summary.Findings[i].Class, summary.Findings[i].Seed
		}
		o.judge(done.Seeds)
		done.Outcomes = append(done.Outcomes, o)
	}
	return done, nil
}

func (c *Config) name(values []string) string {
	var parts []string
	for i, v := range values {
		parts = append(parts, c.Axes[i].Setting+"="+v)
	}
	return strings.Join(parts, " ")
}

// expect asks the system's theory. A system without one holds what it claims.
func expect(system target.System, claim string, kinds []string) target.Expectation {
	if t, ok := system.(target.Theory); ok {
		return t.Expect(claim, kinds)
	}
	if slices.Contains(system.Claims(), claim) {
		return target.Expectation{Expected: target.ExpectHolds, Reason: "the target claims it in this configuration"}
	}
	return target.Expectation{Expected: target.ExpectPossible, Reason: "the target does not claim it in this configuration"}
}

// judge compares what was seen in so many seeds with what was expected.
func (o *Outcome) judge(seeds uint64) {
	switch o.Expected {
	case target.ExpectHolds:
		o.Agrees = o.Refuted == 0 && o.Undecided < seeds
	case target.ExpectRefuted:
		o.Agrees = o.Refuted > 0
	default:
		o.Agrees = true
	}
}

func (g *Grid) count(c *Cell) {
	for i := range c.Outcomes {
		if c.Outcomes[i].Agrees {
			g.Agreeing++
		} else {
			g.Disagreeing++
		}
	}
}

// conclude finds the verdict; cells is how many there should be.
func (g *Grid) conclude(cells int) {
	g.Verdict = checker.Holds
	if len(g.Cells) < cells {
		g.Verdict = checker.Unknown
	}
	for i := range g.Cells {
		c := &g.Cells[i]
		if c.Seeds < g.Seeds {
			g.Verdict = checker.Merge(g.Verdict, checker.Unknown)
		}
		for j := range c.Outcomes {
			switch o := &c.Outcomes[j]; {
			case o.Agrees:
			case o.Refuted > 0:
				g.Verdict = checker.Refuted
			default:
				g.Verdict = checker.Merge(g.Verdict, checker.Unknown)
			}
		}
	}
}
