// Command refute tries to refute a database's consistency claims: it breaks a
// cluster while clients use it, and decides from what they saw which claims
// held. See README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/docker"
	"github.com/refute-lab/refute/harness"
	"github.com/refute-lab/refute/harness/explore"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless"
	"github.com/refute-lab/refute/workloads"
)

// The exit codes, beside those of a verdict (harness.ExitCode).
const (
	exitUsage   = 254 // wrong usage or unusable input
	exitFailure = 255 // the harness itself failed
)

func main() {
	// The systems under test that this program knows.
	if err := target.Add(leaderless.New()); err != nil {
		fmt.Fprintf(os.Stderr, "refute: %v\n", err)
		os.Exit(exitFailure)
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// verdictError carries an exit code out of a command that has said all there is to say.
type verdictError struct{ code int }

func (e verdictError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// run is main with its surroundings as arguments; it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	root := newRoot(stdout, stderr)
	root.SetArgs(args)
	err := root.Execute()
	if err == nil {
		return 0
	}
	var verdict verdictError
	if errors.As(err, &verdict) {
		return verdict.code
	}
	fmt.Fprintf(stderr, "refute: %v\n", err)
	var failure *harness.FailureError
	if errors.As(err, &failure) {
		return exitFailure
	}
	return exitUsage
}

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "refute",
		Short: "Breaks a database while clients use it, and says which of its consistency claims fell",
		Long: `refute starts a cluster, drives concurrent clients, breaks things (partitions,
pauses, kills, clock skew), records every operation, and decides from that
history which consistency claims were refuted. A run never proves a claim.

Exit codes: 0 every claim held, 1 a claim was refuted, 2 unknown, 3 the run is
invalid, 254 wrong usage or unusable input, 255 the harness itself failed.`,
		SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsagesWrapped 100"))
	// A bare `refute` shows its help; anything unknown is an error.
	root.AddCommand(runCommand(stdout, stderr), exploreCommand(stdout, stderr), shrinkCommand(stdout, stderr),
		checkCommand(stdout, stderr), catalogueCommand(stdout, stderr), sweepCommand(stdout, stderr), doctorCommand(stdout), cleanCommand(stdout))
	return root
}

// runFlags are the flags of `refute run`.
type runFlags struct {
	on, target, workload, name, out, planFile string
	profile                                   string
	nemesis, claims, expect, set              []string
	nodes, concurrency                        int
	repeat                                    int
	rate                                      float64
	timeLimit, operationTimeout               time.Duration
	wanLatency, wanJitter                     time.Duration
	seed                                      uint64
	json, quiet                               bool
}

func runCommand(stdout, stderr io.Writer) *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run",
		Short: "Runs a plan on a cluster, checks what was seen and prints the verdict",
		Args:  noArguments,
	}
	flags := c.Flags()
	flags.StringVar(&f.on, "on", harness.OnAuto, "where to run: docker, sim, or auto: docker where an engine answers, else sim")
	flags.StringVar(&f.target, "target", "leaderless", "the system under test")
	flags.StringVar(&f.workload, "workload", "register", "what the clients do: "+workloadNames())
	flags.StringSliceVar(&f.nemesis, "nemesis", harness.DefaultNemesis, "kinds of faults, or none: "+kindNames())
	flags.IntVar(&f.nodes, "nodes", harness.DefaultNodes, "number of nodes")
	flags.IntVar(&f.concurrency, "concurrency", harness.DefaultConcurrency, "number of concurrent clients")
	flags.Float64Var(&f.rate, "rate", -1, "operations a second, all clients together; 0 is as many as they can (default: the workload's)")
	flags.DurationVar(&f.timeLimit, "time-limit", harness.DefaultTimeLimit, "length of the main phase")
	flags.DurationVar(&f.operationTimeout, "operation-timeout", harness.DefaultOperationTimeout, "deadline of one client call")
	flags.DurationVar(&f.wanLatency, "wan-latency", 0, "in simulation: what messages between data centres take in addition (default with several data centres: 20ms)")
	flags.DurationVar(&f.wanJitter, "wan-jitter", 0, "in simulation: the most that they take on top of that (default with several data centres: 5ms)")
	flags.Uint64Var(&f.seed, "seed", 0, "decides the schedule and every generated operation (default: drawn and printed)")
	flags.StringVar(&f.profile, "profile", "", profileHelp)
	flags.StringArrayVar(&f.set, "set", nil, "a setting of the target or the workload, KEY=VALUE; may be repeated; overrides the profile's")
	flags.StringSliceVar(&f.claims, "claims", nil, "claims that must hold (default: what the target's configuration claims), or all that any run of the workload decides: "+claimNames())
	flags.StringSliceVar(&f.expect, "expect", nil, "refuted:CLAIM: exit with 0 exactly if these claims are refuted")
	flags.StringVar(&f.name, "name", "", "name of the run's folder (default: TARGET-WORKLOAD)")
	flags.StringVar(&f.out, "out", filepath.Join("results", "runs"), "folder of the run folders")
	flags.StringVar(&f.planFile, "plan", "", "run this plan.json; only --on, --repeat, --out, --json and --quiet go with it; --on auto is where the file says")
	flags.IntVar(&f.repeat, "repeat", 0, "on containers: perform the plan this often on one cluster, then its control, and say in how many a claim was refuted")
	flags.BoolVar(&f.json, "json", false, "the verdict as one JSON document on stdout, everything else on stderr")
	flags.BoolVar(&f.quiet, "quiet", false, "no progress, only the verdict")
	c.SetHelpFunc(func(c *cobra.Command, _ []string) { runHelp(c) })
	c.RunE = func(c *cobra.Command, _ []string) error {
		p, system, why, err := f.plan(c)
		if err != nil {
			return err
		}
		if why != "" && !f.quiet {
			fmt.Fprintln(stderr, why)
		}
		return f.execute(c.Context(), p, system, stdout, stderr)
	}
	return c
}

// plan makes the plan from the flags, or reads it from the file. why says how
// --on auto was decided.
func (f *runFlags) plan(c *cobra.Command) (p *plan.Plan, system target.System, why string, err error) {
	if c.Flags().Changed("repeat") && f.repeat < 1 {
		return nil, nil, "", fmt.Errorf("--repeat %d: want 1 or more", f.repeat)
	}
	if f.planFile != "" {
		for _, name := range []string{"target", "workload", "nemesis", "nodes", "concurrency", "rate", "time-limit", "operation-timeout", "wan-latency", "wan-jitter", "seed", "profile", "set", "claims", "expect", "name"} {
			if c.Flags().Changed(name) {
				return nil, nil, "", fmt.Errorf("--%s does not go with --plan: the plan decides it; change the file instead", name)
			}
		}
		if f.on != harness.OnAuto {
			if f.on, _, err = harness.ChooseBackend(c.Context(), f.on); err != nil {
				return nil, nil, "", err
			}
		}
		p, system, err = harness.LoadPlan(f.planFile, f.on)
		return p, system, "", err
	}
	backend, why, err := harness.ChooseBackend(c.Context(), f.on)
	if err != nil {
		return nil, nil, "", err
	}
	if !c.Flags().Changed("seed") {
		f.seed = rand.Uint64() >> 11 // short enough for JSON readers that know only 53-bit numbers
	}
	under, err := target.Lookup(f.target)
	if err != nil {
		return nil, nil, "", err
	}
	settings, err := parseSettings(f.set)
	if err != nil {
		return nil, nil, "", err
	}
	request := harness.Request{Name: f.name, Seed: f.seed, Backend: backend, Target: under, Nodes: f.nodes, Workload: f.workload,
		Concurrency: f.concurrency, Rate: f.rate, Nemesis: f.nemesis, Profile: f.profile, Settings: settings, Expect: f.expect,
		TimeLimit: f.timeLimit, OperationTimeout: f.operationTimeout, WANLatency: f.wanLatency, WANJitter: f.wanJitter}
	if f.wanLatency < 0 || f.wanJitter < 0 {
		return nil, nil, "", fmt.Errorf("--wan-latency %s, --wan-jitter %s: want 0s or more", f.wanLatency, f.wanJitter)
	}
	if c.Flags().Changed("wan-latency") && f.wanLatency == 0 {
		request.WANLatency = -1
	}
	if c.Flags().Changed("wan-jitter") && f.wanJitter == 0 {
		request.WANJitter = -1
	}
	if c.Flags().Changed("claims") {
		request.Claims = f.claims
	}
	p, system, err = harness.NewPlan(request)
	return p, system, why, err
}

func (f *runFlags) execute(ctx context.Context, p *plan.Plan, system target.System, stdout, stderr io.Writer) error {
	ctx, interrupt, stop := signals(ctx)
	defer stop()
	progress, terminal, width := progressOf(f.json, f.quiet, stdout, stderr)
	performance := harness.Performance{Plan: p, System: system, Out: f.out,
		Progress: progress, Terminal: terminal, Width: width, Interrupt: interrupt}
	if f.repeat > 0 {
		return f.repeated(ctx, performance, stdout, terminal)
	}
	outcome, err := harness.Perform(ctx, performance)
	if err != nil {
		return err
	}
	return show(outcome, f.json, stdout, terminal)
}

// repeated performs the plan again and again, and its control.
func (f *runFlags) repeated(ctx context.Context, performance harness.Performance, stdout io.Writer, terminal bool) error {
	repeated, err := harness.Repeat(ctx, harness.Repetitions{Performance: performance, Repetitions: f.repeat})
	if err != nil {
		return err
	}
	return show(repeated, f.json, stdout, terminal)
}

// result is what a command has come to.
type result interface {
	WriteText(w io.Writer, colours bool)
	WriteJSON(w io.Writer) error
	ExitCode() int
}

// show writes a result and turns it into an exit code.
func show(r result, asJSON bool, stdout io.Writer, colours bool) error {
	if asJSON {
		if err := r.WriteJSON(stdout); err != nil {
			return &harness.FailureError{Err: err}
		}
	} else {
		r.WriteText(stdout, colours)
	}
	if code := r.ExitCode(); code != 0 {
		return verdictError{code}
	}
	return nil
}

// exploreFlags are the flags of `refute explore`.
type exploreFlags struct {
	target, workload, name  string
	profile                 string
	nemesis, claims, expect []string
	set                     []string
	nodes, workers          int
	timeLimit, budget, skew time.Duration
	operationTimeout        time.Duration
	seeds, seed             uint64
	keepGoing, noShrink     bool
	reduceFlags
}

// reduceFlags are the flags of both commands that shrink plans.
type reduceFlags struct {
	out          string
	robust       bool
	shrinkBudget time.Duration
	json, quiet  bool
}

func (f *reduceFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.DurationVar(&f.shrinkBudget, "shrink-budget", explore.DefaultShrinkBudget, "longest time for shrinking one finding, and again for making it robust")
	flags.BoolVar(&f.robust, "robust", false, "also look for a variant of each finding that fails under most other networks, and on containers")
	flags.StringVar(&f.out, "out", filepath.Join("results", "runs"), "folder of the run folders, one for each finding")
	flags.BoolVar(&f.json, "json", false, "the outcome as one JSON document on stdout, everything else on stderr")
	flags.BoolVar(&f.quiet, "quiet", false, "no progress, only the outcome")
}

// reduction is what the flags ask for, with where progress goes.
func (f *reduceFlags) reduction(stdout, stderr io.Writer, interrupt <-chan struct{}) harness.Reduction {
	progress, terminal, width := progressOf(f.json, f.quiet, stdout, stderr)
	return harness.Reduction{ShrinkBudget: f.shrinkBudget, Robustify: f.robust, Out: f.out,
		Progress: progress, Terminal: terminal, Width: width, Interrupt: interrupt}
}

// tell shows what was explored, whatever the error, and turns it into an exit code.
func (f *reduceFlags) tell(explored *harness.Explored, err error, stdout io.Writer) error {
	if explored == nil {
		return err
	}
	terminal, _ := terminalOf(stdout)
	shown := show(explored, f.json, stdout, terminal)
	if err != nil {
		return err // it matters more than the verdict
	}
	return shown
}

func exploreCommand(stdout, stderr io.Writer) *cobra.Command {
	var f exploreFlags
	c := &cobra.Command{
		Use:   "explore",
		Short: "Runs many seeds in simulation until a claim is refuted, and shrinks what it finds to a few steps",
		Long: `Runs many seeds in simulation until a claim is refuted, and shrinks what it finds
to a few steps.

The target and its settings are the same for all seeds. Each seed draws the rest
for itself: which kinds of faults there are and all about them, how slow the
network and the disks are and what they lose, how many clients ask how often, of
how many keys, with which share of writes, and for how long. What is said in the
end holds for seeds drawn like that.

Exit codes are those of run.`,
		Args: noArguments,
	}
	flags := c.Flags()
	flags.StringVar(&f.target, "target", "leaderless", "the system under test; it must be one that can be simulated")
	flags.StringVar(&f.workload, "workload", "register", "what the clients do: "+workloadNames())
	flags.StringSliceVar(&f.nemesis, "nemesis", nil, "kinds of faults that seeds draw from, or none (default: all; with --robust those that containers can do): "+kindNames())
	flags.IntVar(&f.nodes, "nodes", harness.DefaultNodes, "number of nodes")
	flags.DurationVar(&f.timeLimit, "time-limit", harness.DefaultExploreTime, "longest main phase of a seed, in virtual time; seeds draw shorter ones too")
	flags.DurationVar(&f.operationTimeout, "operation-timeout", harness.DefaultOperationTimeout, "deadline of one client call, in virtual time")
	flags.Uint64Var(&f.seed, "seed", 0, "the first seed (default: drawn and printed)")
	flags.Uint64Var(&f.seeds, "seeds", 0, "number of seeds; 0 is no bound")
	flags.DurationVar(&f.budget, "budget", 30*time.Second, "time after which no further seed is begun; 0 is no bound")
	flags.DurationVar(&f.skew, "skew", 0, "greatest offset of a clock (default: that of the clock fault)")
	flags.IntVar(&f.workers, "workers", 0, "seeds that are run at the same time (default: one on each core)")
	flags.BoolVar(&f.keepGoing, "keep-going", false, "go on after the first refutation: collect all classes and count how frequent they are")
	flags.StringVar(&f.profile, "profile", "", profileHelp)
	flags.StringArrayVar(&f.set, "set", nil, "a setting of the target or the workload, KEY=VALUE; may be repeated; overrides the profile's")
	flags.StringSliceVar(&f.claims, "claims", nil, "claims that must hold (default: what the target's configuration claims), or all that any run of the workload decides: "+claimNames())
	flags.StringSliceVar(&f.expect, "expect", nil, "refuted:CLAIM: exit with 0 exactly if these claims are refuted")
	flags.StringVar(&f.name, "name", "", "name of the run folders (default: TARGET-WORKLOAD)")
	flags.BoolVar(&f.noShrink, "no-shrink", false, "leave findings as they were drawn")
	f.add(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		request, err := f.request(c)
		if err != nil {
			return err
		}
		ctx, interrupt, stop := signals(c.Context())
		defer stop()
		e := harness.Exploration{Request: request, Seeds: f.seeds, Budget: f.budget, Workers: f.workers,
			KeepGoing: f.keepGoing, Skew: f.skew, Reduction: f.reduction(stdout, stderr, interrupt)}
		if c.Flags().Changed("seeds") && !c.Flags().Changed("budget") {
			e.Budget = 0 // so many seeds, however long they take
		}
		if f.noShrink {
			e.ShrinkBudget = -1
		}
		explored, err := harness.Explore(ctx, e)
		return f.tell(explored, err, stdout)
	}
	return c
}

// request is what all seeds have in common.
func (f *exploreFlags) request(c *cobra.Command) (harness.Request, error) {
	if !c.Flags().Changed("seed") {
		f.seed = rand.Uint64() >> 12
	}
	under, err := target.Lookup(f.target)
	if err != nil {
		return harness.Request{}, err
	}
	settings, err := parseSettings(f.set)
	if err != nil {
		return harness.Request{}, err
	}
	request := harness.Request{Name: f.name, Seed: f.seed, Target: under, Nodes: f.nodes, Workload: f.workload, Rate: -1,
		Profile: f.profile, Settings: settings, Expect: f.expect, TimeLimit: f.timeLimit, OperationTimeout: f.operationTimeout}
	if c.Flags().Changed("nemesis") {
		request.Nemesis = append([]string{}, f.nemesis...) // not nil: none means none
	}
	if c.Flags().Changed("claims") {
		request.Claims = f.claims
	}
	return request, nil
}

func shrinkCommand(stdout, stderr io.Writer) *cobra.Command {
	var f reduceFlags
	c := &cobra.Command{
		Use:   "shrink PLAN",
		Short: "Finds the smallest plan that still refutes what the plan refutes in simulation",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("shrink: name one plan.json, of a run in simulation for instance")
			}
			return nil
		},
	}
	f.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		ctx, interrupt, stop := signals(c.Context())
		defer stop()
		explored, err := harness.Shrink(ctx, args[0], f.reduction(stdout, stderr, interrupt))
		return f.tell(explored, err, stdout)
	}
	return c
}

func doctorCommand(stdout io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Says what this machine can do: Docker, kernel features, which faults are available",
		Args:  noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, _, stop := signals(c.Context())
			defer stop()
			healthy, err := harness.Doctor(ctx, stdout)
			if err != nil {
				return err
			}
			if !healthy {
				return verdictError{exitUsage}
			}
			return nil
		},
	}
}

func cleanCommand(stdout io.Writer) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "clean",
		Short: "Removes what dead runs left behind: containers, networks, volumes",
		Args:  noArguments,
	}
	c.Flags().BoolVar(&all, "all", false, "also end runs that are going on, and remove the images")
	c.RunE = func(c *cobra.Command, _ []string) error {
		ctx, _, stop := signals(c.Context())
		defer stop()
		return harness.Clean(ctx, docker.CleanOptions{All: all, Images: all}, stdout)
	}
	return c
}

// signals returns a context that ends at the second SIGINT or SIGTERM and a
// channel that is closed at the first, so that a run can end in good order.
func signals(parent context.Context) (context.Context, <-chan struct{}, func()) {
	if parent == nil {
		parent = context.Background()
	}
	ctx, cancel := context.WithCancel(parent)
	interrupt := make(chan struct{})
	caught := make(chan os.Signal, 2)
	signal.Notify(caught, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		for first := true; ; first = false {
			select {
			case <-caught:
				if !first {
					cancel()
					return
				}
				close(interrupt)
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, interrupt, func() { signal.Stop(caught); cancel() }
}

// progressOf is where progress is shown: nowhere if it is to be quiet, and
// never where the JSON document goes.
func progressOf(asJSON, quiet bool, stdout, stderr io.Writer) (progress io.Writer, terminal bool, width int) {
	progress = stdout
	if asJSON {
		progress = stderr
	}
	terminal, width = terminalOf(progress)
	if quiet {
		progress = nil
	}
	return progress, terminal, width
}

func terminalOf(w io.Writer) (terminal bool, width int) {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return false, 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	return err == nil, width
}

func noArguments(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no arguments, and was given %q", c.Name(), strings.Join(args, " "))
	}
	return nil
}

func parseSettings(list []string) (map[string]string, error) {
	settings := map[string]string{}
	for _, item := range list {
		key, value, ok := strings.Cut(item, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("--set %q: want KEY=VALUE, for instance --set w=3", item)
		}
		if _, twice := settings[key]; twice {
			return nil, fmt.Errorf("--set %s is given twice", key)
		}
		settings[key] = value
	}
	return settings, nil
}

func workloadNames() string {
	var names []string
	for _, w := range workloads.All() {
		names = append(names, w.Name())
	}
	return strings.Join(names, ", ")
}

func kindNames() string {
	var names []string
	for _, k := range nemesis.Kinds() {
		names = append(names, k.Name)
	}
	return strings.Join(names, ", ")
}

func claimNames() string {
	var names []string
	for _, c := range checker.Claims() {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}

// runHelp is the usual help, then what the names in it mean.
func runHelp(c *cobra.Command) {
	out := c.OutOrStdout()
	fmt.Fprintf(out, "%s\n\nUsage:\n  refute run [flags]\n\nFlags:\n%s\nWorkloads:\n", c.Short, c.Flags().FlagUsagesWrapped(100))
	for _, w := range workloads.All() {
		fmt.Fprintf(out, "  %-14s %s\n", w.Name(), w.Describe())
		printSettings(out, w.Settings())
	}
	fmt.Fprintln(out, "\nFaults:")
	for _, k := range nemesis.Kinds() {
		fmt.Fprintf(out, "  %-14s %s\n", k.Name, k.Help)
	}
	fmt.Fprintln(out, "\nClaims:")
	for _, claim := range checker.Claims() {
		fmt.Fprintf(out, "  %-22s %s\n", claim.Name, claim.Description)
	}
	for _, name := range target.Names() {
		if t, err := target.Lookup(name); err == nil {
			fmt.Fprintf(out, "\nSettings of the target %s (--set KEY=VALUE):\n", name)
			printSettings(out, t.Describe())
			printProfiles(out, t)
		}
	}
}

// profileHelp is the help of --profile.
const profileHelp = "settings as a real system has them by default, such as dynamo, cassandra, riak or voldemort for the bundled store; run --help has them all"

// printProfiles lists a target's profiles with what they set.
func printProfiles(out io.Writer, t target.Target) {
	profiled, ok := t.(target.Profiled)
	if !ok {
		return
	}
	fmt.Fprintf(out, "\nProfiles of the target %s (--profile NAME):\n", t.Name())
	for _, p := range profiled.Profiles() {
		var settings []string
		for _, s := range p.Settings {
			settings = append(settings, s.Name+"="+s.Value)
		}
		fmt.Fprintf(out, "    %-20s %s\n    %-20s %s\n", p.Name, p.Help, "", strings.Join(settings, " "))
	}
}

func printSettings(out io.Writer, settings []target.Setting) {
	for _, s := range settings {
		fmt.Fprintf(out, "    %-20s %s [%s; default %s]\n", s.Name, s.Help, s.Values, s.Default)
	}
}
