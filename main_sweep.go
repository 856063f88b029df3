package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/refute-lab/refute/harness"
	"github.com/refute-lab/refute/harness/sweep"
	"github.com/refute-lab/refute/target"
)

// sweepFlags are the flags of `refute sweep`.
type sweepFlags struct {
	target, workload, profile, name, out string
	nemesis, claims, set                 []string
	nodes, workers                       int
	timeLimit, operationTimeout, skew    time.Duration
	seed, seeds                          uint64
	json, quiet                          bool
}

func sweepCommand(stdout, stderr io.Writer) *cobra.Command {
	var f sweepFlags
	c := &cobra.Command{
		Use:   "sweep",
		Short: "Runs a grid of configurations in simulation: which claims hold where, expected against observed",
		Long: `Runs a grid of configurations in simulation: which claims hold where, by theory and
as observed. --set KEY=A,B,C makes a setting an axis of the grid; without one the grid
is n=3,5, w and r from 1 to n, and every mode of repair. Each cell is run with the same
seeds, which draw their faults, network and load as those of explore do.

A claim that theory says is refuted must be seen refuted in at least one seed, one that
theory says holds in none. The reasons are in the report.

Exit codes: 0 everything is as expected, 1 a claim that must hold was refuted, 2 an
expected refutation was not seen or the sweep was interrupted, 254 wrong usage,
255 the harness itself failed.`,
		Args: noArguments,
	}
	flags := c.Flags()
	flags.StringVar(&f.target, "target", "leaderless", "the system under test; it must be one that can be simulated")
	flags.StringVar(&f.workload, "workload", "register", "what the clients do: "+workloadNames())
	flags.StringSliceVar(&f.nemesis, "nemesis", harness.DefaultSweepNemesis, "kinds of faults that seeds draw from, or none: "+kindNames())
	flags.IntVar(&f.nodes, "nodes", harness.DefaultNodes, "number of nodes")
	flags.DurationVar(&f.timeLimit, "time-limit", harness.DefaultSweepTime, "longest main phase of a seed, in virtual time; seeds draw shorter ones too")
	flags.DurationVar(&f.operationTimeout, "operation-timeout", harness.DefaultOperationTimeout, "deadline of one client call, in virtual time")
	flags.Uint64Var(&f.seed, "seed", 1, "the first seed of each cell")
	flags.Uint64Var(&f.seeds, "seeds", harness.DefaultSweepSeeds, "number of seeds of each cell")
	flags.DurationVar(&f.skew, "skew", 0, "greatest offset of a clock (default: that of the clock fault)")
	flags.IntVar(&f.workers, "workers", 0, "seeds that are run at the same time (default: one on each core)")
	flags.StringVar(&f.profile, "profile", "", profileHelp)
	flags.StringArrayVar(&f.set, "set", nil, "a setting of the target or the workload, KEY=VALUE, or an axis of the grid, KEY=A,B,C; may be repeated; overrides the profile's")
	flags.StringSliceVar(&f.claims, "claims", harness.DefaultSweepClaims, "the columns of the grid, or all that any run of the workload decides: "+claimNames())
	flags.StringVar(&f.name, "name", "", "name of the run folder (default: sweep)")
	flags.StringVar(&f.out, "out", filepath.Join("results", "runs"), "folder of the run folders")
	flags.BoolVar(&f.json, "json", false, "the grid as one JSON document on stdout, everything else on stderr")
	flags.BoolVar(&f.quiet, "quiet", false, "no progress, only the grid")
	c.RunE = func(c *cobra.Command, _ []string) error {
		request, err := f.sweeping()
		if err != nil {
			return err
		}
		ctx, interrupt, stop := signals(c.Context())
		defer stop()
		request.Interrupt = interrupt
		request.Progress, request.Terminal, request.Width = progressOf(f.json, f.quiet, stdout, stderr)
		swept, err := harness.Sweep(ctx, *request)
		if err != nil {
			return err
		}
		colours, _ := terminalOf(stdout)
		return show(swept, f.json, stdout, colours)
	}
	return c
}

// sweeping is what the flags ask for.
func (f *sweepFlags) sweeping() (*harness.Sweeping, error) {
	under, err := target.Lookup(f.target)
	if err != nil {
		return nil, err
	}
	settings, err := parseSettings(f.set)
	if err != nil {
		return nil, err
	}
	s := &harness.Sweeping{Request: harness.Request{Name: f.name, Seed: f.seed, Target: under, Nodes: f.nodes, Workload: f.workload, Rate: -1,
		Profile: f.profile, Nemesis: append([]string{}, f.nemesis...), Settings: settings, Claims: f.claims, TimeLimit: f.timeLimit, OperationTimeout: f.operationTimeout},
		Seeds: f.seeds, Skew: f.skew, Workers: f.workers, Out: f.out}
	// In the order of the flags, which is that of the columns.
	for _, item := range f.set {
		key, list, _ := strings.Cut(item, "=")
		if !strings.Contains(list, ",") {
			continue
		}
		axis := sweep.Axis{Setting: key}
		for value := range strings.SplitSeq(list, ",") {
			value = strings.TrimSpace(value)
			if value == "" || slices.Contains(axis.Values, value) {
				return nil, fmt.Errorf("--set %s: want distinct values, none of them empty", item)
			}
			axis.Values = append(axis.Values, value)
		}
		delete(settings, key)
		s.Axes = append(s.Axes, axis)
	}
	if len(s.Axes) > 0 {
		return s, nil
	}
	// The default axes, but for what --set fixes.
	for _, axis := range harness.DefaultSweepAxes() {
		if _, fixed := settings[axis.Setting]; !fixed {
			s.Axes = append(s.Axes, axis)
		}
	}
	if len(s.Axes) == 0 {
		return nil, fmt.Errorf("every setting of the grid is given one value: give one of them several, for instance --set r=1,2,3")
	}
	return s, nil
}
