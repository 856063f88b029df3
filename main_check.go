package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness"
	"github.com/refute-lab/refute/harness/history"
)

// checkFlags are the flags of `refute check`.
type checkFlags struct {
	claims        []string
	model, memory string
	edn, ednForm  string
	timeout       time.Duration
	parallel      int
	siblings      int
	json, quiet   bool
}

func checkCommand(stdout, stderr io.Writer) *cobra.Command {
	var f checkFlags
	c := &cobra.Command{
		Use:   "check FILE…",
		Short: "Checks recorded histories: refute's, Jepsen's or Porcupine's; - is stdin",
		Long: `Checks recorded histories, several at a time. FILE is a history, a run folder, a
folder of either (all histories in it are checked), or - for stdin. What a file is
shows from its content, and it may be gzipped:

  history.jsonl                a history of refute
  history.edn                  of Jepsen: maps, in a vector or not; keys of independent
                               workloads, nemesis operations, transactions
  jepsen.log, history.txt      the operations as Jepsen logs them
  {:process 0, :f :put …}      Porcupine's key-value logs

With several files, or a folder, a table ends the output.

With --json there is one document a file: results.json with "file" added, indented
for one FILE, and one line each (JSON Lines) for several or a folder. A file that
cannot be read has "error" and no "verdict".

Exit codes: 1 a claim was refuted in a file, whatever else there is; else 254 a file
cannot be read, or not be written by --edn; else 3 a run is invalid; else 2 a claim is
undecided; else 0. A file that cannot be read does not keep the others from being checked.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("check: name at least one history: a history.jsonl, a run folder, a Jepsen history.edn or log, or - for stdin")
			}
			return nil
		},
	}
	flags := c.Flags()
	flags.StringSliceVar(&f.claims, "claims", nil, "claims to check (default: those of the plan.json beside the history; linearizable for a history recorded elsewhere; else all that its operations can decide); see below")
	flags.StringVar(&f.model, "model", "", "what every key is (default: found out from its operations); see below")
	flags.BoolVar(&f.json, "json", false, "the verdicts as JSON documents on stdout, everything else on stderr")
	flags.DurationVar(&f.timeout, "check-timeout", harness.DefaultCheckTimeout, "longest time for one file; what is undecided then is unknown")
	flags.StringVar(&f.memory, "memory", "4GiB", "bound on the heap of all checks together: a search that would need more ends as unknown, and a file that does not fit beside others waits")
	flags.IntVar(&f.parallel, "parallel", 0, "files that are checked at the same time (default: one on each core)")
	flags.IntVar(&f.siblings, "max-siblings", checker.DefaultMaximumSiblings, "versions of a key that may stand side by side under the claim bounded-siblings")
	flags.StringVar(&f.edn, "edn", "", "also write the history as EDN for Jepsen's checkers: a new file (.gz: gzipped), or for several a folder")
	flags.StringVar(&f.ednForm, "edn-form", string(history.Knossos), "for whom --edn writes: knossos (reads, writes, cas; keys as [key value]) or elle (transactions)")
	flags.BoolVar(&f.quiet, "quiet", false, "no progress, and of several files only the table")
	c.SetHelpFunc(func(c *cobra.Command, _ []string) { checkHelp(c) })
	c.RunE = func(c *cobra.Command, args []string) error { return f.check(c, args, stdout, stderr) }
	return c
}

// checking is what the flags ask for.
func (f *checkFlags) checking(c *cobra.Command, args []string) (harness.Checking, error) {
	checking := harness.Checking{Paths: args, Model: f.model, Timeout: f.timeout, Parallel: f.parallel,
		EDN: harness.EDNOutput{Path: f.edn, Form: history.EDNForm(f.ednForm)}}
	if c.Flags().Changed("claims") {
		checking.Claims = append([]string{}, f.claims...) // not nil: none is an error
	}
	if c.Flags().Changed("max-siblings") {
		checking.MaximumSiblings = f.siblings // else a plan beside the history may say it
	}
	for _, flag := range []string{"edn", "model"} {
		if c.Flags().Changed(flag) && c.Flags().Lookup(flag).Value.String() == "" {
			return checking, fmt.Errorf("--%s is empty", flag)
		}
	}
	if c.Flags().Changed("edn-form") && f.edn == "" {
		return checking, errors.New("--edn-form says how --edn writes: give --edn too")
	}
	if c.Flags().Changed("parallel") && f.parallel < 1 {
		return checking, fmt.Errorf("--parallel %d: want 1 or more", f.parallel)
	}
	if f.siblings < 1 {
		return checking, fmt.Errorf("--max-siblings %d: want 1 or more", f.siblings)
	}
	if f.timeout <= 0 {
		return checking, fmt.Errorf("--check-timeout %s: want a positive length of time", f.timeout)
	}
	var err error
	checking.Memory, err = harness.ParseSize(f.memory)
	if err != nil {
		return checking, fmt.Errorf("--memory: %w", err)
	}
	return checking, nil
}

func (f *checkFlags) check(c *cobra.Command, args []string, stdout, stderr io.Writer) error {
	checking, err := f.checking(c, args)
	if err != nil {
		return err
	}
	ctx, interrupt, stop := signals(c.Context())
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-interrupt: // what is undecided by now is unknown
			cancel()
		case <-ctx.Done():
		}
	}()
	colours, _ := terminalOf(stdout)
	report := harness.CheckReport{JSON: f.json, Brief: f.quiet, Colours: colours, Out: stdout, Errors: stderr}
	if terminal, width := terminalOf(stderr); terminal && !f.quiet {
		report.Width = width
	}
	code, err := report.Run(ctx, checking)
	if err != nil {
		return err
	}
	if code != 0 {
		return verdictError{code}
	}
	return nil
}

// checkHelp is the usual help, then the claims and the models.
func checkHelp(c *cobra.Command) {
	out := c.OutOrStdout()
	fmt.Fprintf(out, "%s\n\nUsage:\n  refute check FILE… [flags]\n\nFlags:\n%s\nClaims:\n", c.Long, c.Flags().FlagUsagesWrapped(100))
	for _, claim := range checker.Claims() {
		fmt.Fprintf(out, "  %-22s %s\n", claim.Name, claim.Description)
	}
	fmt.Fprintln(out, "\nModels:")
	for _, m := range checker.Models() {
		fmt.Fprintf(out, "  %-22s %s\n", m.Name, m.Description)
	}
}
