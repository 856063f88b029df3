package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/refute-lab/refute/nemesis/agent/clock"
	"github.com/refute-lab/refute/nemesis/agent/process"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// exitFailed is the code with which a stage before the entrypoint fails; it is
// what a shell says of a command that it can't execute.
const exitFailed = 126

func main() {
	if len(os.Args) > 1 {
		switch mode := os.Args[1]; {
		case mode == "shim":
			os.Exit(runShim(os.Args[2:]))
		case mode == "hold":
			os.Exit(runHold(os.Args[2:]))
		case mode == "idle":
			runIdle()
			os.Exit(0)
		case mode == clock.ModeExec:
			os.Exit(runClockExec(os.Args[2:]))
		case clock.IsMode(mode):
			os.Exit(clock.Main(os.Args[1:]))
		}
	}
	os.Exit(runPod(os.Args[1:]))
}

func runPod(args []string) int {
	o := podOptions{silence: protocol.SilenceSeconds * time.Second}
	flags := flag.NewFlagSet("agent", flag.ContinueOnError)
	flags.StringVar(&o.data, "data", "", "the node's data `directory`, if it has one")
	flags.StringVar(&o.control, "control", "", "the `directory` that the pod shares with the node, for the clock's control page")
	flags.BoolVar(&o.clock, "clock", true, "start the node so that its clock can be skewed, where that is possible")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "agent: unknown mode %q\n", flags.Arg(0))
		return 2
	}
	if err := runAgent(o, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		return 1
	}
	return 0
}

// command returns what follows the "--" of a mode.
func command(args []string) []string {
	if i := slices.Index(args, "--"); i >= 0 {
		return args[i+1:]
	}
	return args
}

func runShim(args []string) int {
	s := process.Shim{Program: os.Args[0], Entrypoint: command(args)}
	if err := clock.Available(); err != nil {
		s.Clock = err.Error()
	}
	if err := s.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "shim:", err)
		return exitFailed
	}
	return 0
}

func runHold(args []string) int {
	command := command(args)
	if len(command) < 2 || command[0] != os.Args[0] || command[1] != clock.ModeExec {
		process.Final()
	}
	err := process.Hold(command)
	process.Fail(err)
	fmt.Fprintln(os.Stderr, "hold:", err)
	return exitFailed
}

// runIdle waits for SIGTERM.
func runIdle() {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	<-terminated
}

func runClockExec(args []string) int {
	flags := flag.NewFlagSet(clock.ModeExec, flag.ContinueOnError)
	page := flags.String("page", "", "the control page's `file`")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	process.Final()
	err := clock.Exec(*page, flags.Args(), os.Environ())
	process.Fail(err)
	fmt.Fprintln(os.Stderr, err)
	return clock.ExitUnavailable
}
