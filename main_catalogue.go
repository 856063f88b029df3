package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness"
	"github.com/refute-lab/refute/target/leaderless/catalogue"
)

// catalogueFlags are the flags of `refute catalogue`.
type catalogueFlags struct {
	on, out     string
	twin        bool
	seeds       int
	seed        uint64
	repeat      int
	json, quiet bool
}

func catalogueCommand(stdout, stderr io.Writer) *cobra.Command {
	var f catalogueFlags
	c := &cobra.Command{
		Use:   "catalogue [NUMBER|NAME|all]",
		Short: "Lists the thirty known limits of leaderless stores, and shows one with its twin that a single setting makes safe",
		Long: `Lists the thirty known limits of leaderless stores. With a number or a name it
shows one: it runs the plan and its twin, which differs in one setting, in simulation
with several seeds, or on containers with --on docker, and tells the symptom, its
cause, what the twin does instead, and at what price. all shows all that have a plan
(on containers: all whose faults containers can make), a line each.

The plans are in target/leaderless/catalogue; refute run --plan FILE runs one by itself.

Exit codes: 0 everything is as described (the plan refutes the claim for most seeds or
repetitions, with the stated cause; the twin for none), 1 it is not, 2 something stayed
undecided, 3 all repetitions on containers are invalid, 254 wrong usage, 255 the harness itself failed.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("catalogue takes one item, and was given %q", strings.Join(args, " "))
			}
			return nil
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.on, "on", harness.OnSim, "where to run: sim, or docker where containers can make the item's faults")
	flags.BoolVar(&f.twin, "twin", false, "run the twin alone")
	flags.IntVar(&f.seeds, "seeds", harness.DefaultItemSeeds, "in simulation: seeds of the plan and of the twin; each draws the delays of network and disks")
	flags.Uint64Var(&f.seed, "seed", 1, "in simulation: the first seed")
	flags.IntVar(&f.repeat, "repeat", 1, "on containers: perform the plan and the twin this often")
	flags.StringVar(&f.out, "out", filepath.Join("results", "runs"), "folder of the run folders")
	flags.BoolVar(&f.json, "json", false, "the outcome as a JSON document on stdout (of all: one a line), everything else on stderr")
	flags.BoolVar(&f.quiet, "quiet", false, "no progress, only the outcome")
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return f.list(stdout)
		}
		if f.on != harness.OnSim && f.on != harness.OnDocker {
			return fmt.Errorf("--on %q: want sim or docker", f.on)
		}
		for _, flag := range [][2]string{{"repeat", harness.OnDocker}, {"seeds", harness.OnSim}, {"seed", harness.OnSim}, {"twin", harness.OnSim}} {
			if name, only := flag[0], flag[1]; c.Flags().Changed(name) && f.on != only {
				return fmt.Errorf("--%s goes with --on %s only", name, only)
			}
		}
		if args[0] == "all" {
			return f.showAll(c.Context(), stdout, stderr)
		}
		item, err := catalogue.Lookup(args[0])
		if err != nil {
			return err
		}
		return f.show(c.Context(), item, stdout, stderr)
	}
	return c
}

// list writes the table of contents.
func (f *catalogueFlags) list(stdout io.Writer) error {
	type line struct {
		Number   int      `json:"number"`
		Name     string   `json:"name"`
		Title    string   `json:"title"`
		Claim    string   `json:"claim,omitempty"`
		Cause    string   `json:"cause,omitempty"`
		Legal    bool     `json:"legal,omitempty"`
		Setting  string   `json:"setting,omitempty"`
		Plan     string   `json:"plan_value,omitempty"`
		Twin     string   `json:"twin_value,omitempty"`
		Backends []string `json:"backends,omitempty"`
		Missing  string   `json:"missing,omitempty"`
		// NotOnContainers says why docker is not among the backends.
		NotOnContainers string `json:"not_on_containers,omitempty"`
	}
	lines := []line{}
	for _, i := range catalogue.Items() {
		lines = append(lines, line{i.Number, i.Name, i.Title, i.Claim, i.Cause, i.Legal, i.Setting, i.Plan, i.Twin, harness.ItemBackends(i), i.Missing, harness.NotOnContainers(i)})
	}
	if f.json {
		encoder := json.NewEncoder(stdout)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(lines); err != nil {
			return &harness.FailureError{Err: err}
		}
		return nil
	}
	fmt.Fprintln(stdout, "     ITEM                                 REFUTES                MADE SAFE BY                                 RUNS ON")
	for _, l := range lines {
		refutes, change := l.Claim, l.Setting+"="+l.Plan+" → "+l.Twin
		switch {
		case l.Missing != "":
			fmt.Fprintf(stdout, "%3d  %-36s not there: %s\n", l.Number, l.Name, l.Missing)
			continue
		case l.Legal:
			refutes = "nothing: legal"
		}
		if l.Setting == "" {
			change = ""
		}
		fmt.Fprintf(stdout, "%3d  %-36s %-22s %-44s %s\n", l.Number, l.Name, refutes, change, strings.Join(l.Backends, " "))
	}
	fmt.Fprintln(stdout)
	for _, l := range lines {
		if l.NotOnContainers != "" {
			fmt.Fprintf(stdout, "%d is not for containers: %s\n", l.Number, l.NotOnContainers)
		}
	}
	fmt.Fprintln(stdout, "refute catalogue NUMBER shows one: what happens, why, and what its twin does.")
	return nil
}

// show runs one item.
func (f *catalogueFlags) show(parent context.Context, item catalogue.Item, stdout, stderr io.Writer) error {
	ctx, interrupt, stop := signals(parent)
	defer stop()
	colours, _ := terminalOf(stdout)
	if f.on == harness.OnDocker {
		repeated, err := f.repeated(ctx, interrupt, item, stdout, stderr)
		if err != nil {
			return err
		}
		return show(repeated, f.json, stdout, colours)
	}
	shown, err := f.simulated(ctx, interrupt, item, f.out, stdout, stderr)
	if err != nil {
		return err
	}
	return show(shown, f.json, stdout, colours)
}

// simulated runs one item in simulation, with a live line on a terminal.
func (f *catalogueFlags) simulated(ctx context.Context, interrupt <-chan struct{}, item catalogue.Item, out string, stdout, stderr io.Writer) (*harness.ItemShown, error) {
	request := harness.ItemRequest{Item: item, Seeds: f.seeds, FirstSeed: f.seed, TwinOnly: f.twin, Out: out, Interrupt: interrupt}
	progress, terminal, _ := progressOf(f.json, f.quiet, stdout, stderr)
	if terminal && progress != nil {
		request.Progress = func(done, all int) {
			fmt.Fprintf(progress, "\r\x1b[K%d (%s): %d of %d runs", item.Number, item.Name, done, all)
		}
		defer fmt.Fprint(progress, "\r\x1b[K")
	}
	return harness.ShowItem(ctx, request)
}

// repeated performs one item on containers.
func (f *catalogueFlags) repeated(ctx context.Context, interrupt <-chan struct{}, item catalogue.Item, stdout, stderr io.Writer) (*harness.ItemRepeated, error) {
	progress, terminal, width := progressOf(f.json, f.quiet, stdout, stderr)
	return harness.RepeatItem(ctx, item, harness.Repetitions{Repetitions: f.repeat,
		Performance: harness.Performance{Out: f.out, Progress: progress, Terminal: terminal, Width: width, Interrupt: interrupt}})
}

// showAll runs every item that has a plan, a line each: in simulation without run folders.
func (f *catalogueFlags) showAll(parent context.Context, stdout, stderr io.Writer) error {
	ctx, interrupt, stop := signals(parent)
	defer stop()
	worst := 0
	for _, item := range catalogue.Items() {
		select {
		case <-interrupt:
			fmt.Fprintf(stderr, "interrupted: the items from %d on were not run\n", item.Number)
			if worst == 0 {
				worst = harness.ExitCode(checker.Unknown)
			}
			return verdictError{worst}
		default:
		}
		if item.Missing != "" || f.twin && !item.HasTwin() {
			continue
		}
		if why := harness.NotOnContainers(item); f.on == harness.OnDocker && why != "" {
			if !f.json {
				fmt.Fprintf(stdout, "%3d  %-36s %-22s not on containers: %s\n", item.Number, item.Name, item.Claim, why)
			}
			continue
		}
		shown, err := f.one(ctx, interrupt, item, stdout, stderr)
		if err != nil {
			return err
		}
		if f.json {
			if err := json.NewEncoder(stdout).Encode(shown); err != nil {
				return &harness.FailureError{Err: err}
			}
		} else {
			fmt.Fprintln(stdout, shown.Line())
		}
		if code := shown.ExitCode(); code == 1 || worst == 0 {
			worst = code
		}
	}
	if worst != 0 {
		return verdictError{worst}
	}
	return nil
}

// lined is what became of an item, in a line.
type lined interface {
	Line() string
	ExitCode() int
}

// one runs one of all items.
func (f *catalogueFlags) one(ctx context.Context, interrupt <-chan struct{}, item catalogue.Item, stdout, stderr io.Writer) (lined, error) {
	if f.on == harness.OnSim {
		return f.simulated(ctx, interrupt, item, "", stdout, stderr)
	}
	quiet := *f
	quiet.quiet = true
	return quiet.repeated(ctx, interrupt, item, stdout, stderr)
}
