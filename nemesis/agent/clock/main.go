package clock

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// The modes in which a program that contains this package must call Main.
const (
	// ModeExec becomes a command whose clock follows a control page:
	//	PROGRAM clock-exec -page FILE [-settle DURATION] [-plain] -- COMMAND [ARGUMENT…]
	// -settle is how long a program with several threads is followed across
	// exec before the helper lets go of it (DefaultSettle); 0 is for ever.
	// -plain makes the command's clock readings system calls, which is slower
	// and what is done anyway where the vDSO's instructions cannot be moved.
	ModeExec = "clock-exec"
	// ModeProbe calls Available and prints what it says:
	//	PROGRAM clock-probe
	ModeProbe = "clock-probe"
	// modeHelper is the tracer that ModeExec starts; modeReading is the
	// program that Available runs. Neither is for people.
	modeHelper  = "clock-helper"
	modeReading = "clock-reading"
)

// The exit codes of the modes that failed. A command that could be started
// exits with a code of its own.
const (
	// ExitUnavailable: the command could not be skewed, so it was not run.
	ExitUnavailable = 121
	// ExitUsage: the arguments make no sense.
	ExitUsage = 64
	// ExitCannotExecute and ExitNotFound are a shell's codes for a command
	// that cannot be executed, or found.
	ExitCannotExecute = 126
	ExitNotFound      = 127
)

// DefaultSettle is how long a program with several threads is followed across
// exec before the helper lets go of it; see ModeExec and the package's
// documentation.
const DefaultSettle = time.Second

// IsMode says whether a program's first argument is one of this package's
// modes, in which case its main function must do nothing but
//
//	os.Exit(clock.Main(os.Args[1:]))
func IsMode(arg string) bool {
	switch arg {
	case ModeExec, ModeProbe, modeHelper, modeReading:
		return true
	}
	return false
}

// Main runs the mode args[0] with the rest of args and returns the exit code.
// In ModeExec it does not return unless it failed; what failed is one line on
// standard error. It must be called from the main goroutine.
func Main(args []string) int {
	if len(args) == 0 || !IsMode(args[0]) {
		return usage("unknown mode")
	}
	switch args[0] {
	case ModeExec:
		return mainExec(args[1:])
	case ModeProbe:
		if err := Available(); err != nil {
			return fail(err)
		}
		fmt.Println("clock skew is available")
		return 0
	case modeHelper:
		return mainHelper(args[1:])
	default:
		return mainReading()
	}
}

func usage(why string) int {
	fmt.Fprintf(os.Stderr, "clock: %s; usage: %s -page FILE [-settle DURATION] [-plain] -- COMMAND [ARGUMENT…]\n", why, ModeExec)
	return ExitUsage
}

// fail prints the error and returns the exit code for it.
func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	var unavailable *UnavailableError
	switch {
	case errors.As(err, &unavailable), errors.Is(err, ErrUnsupported):
		return ExitUnavailable
	case errors.Is(err, fs.ErrNotExist):
		return ExitNotFound
	default:
		return ExitCannotExecute
	}
}

// options are what a command is executed with.
type options struct {
	page   string
	settle time.Duration
	plain  bool
}

func mainExec(args []string) int {
	var o options
	flags := flag.NewFlagSet(ModeExec, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.page, "page", "", "")
	flags.DurationVar(&o.settle, "settle", DefaultSettle, "")
	flags.BoolVar(&o.plain, "plain", false, "")
	if err := flags.Parse(args); err != nil {
		return usage(err.Error())
	}
	switch {
	case o.page == "":
		return usage("-page is missing")
	case o.settle < 0:
		return usage("-settle is negative")
	case flags.NArg() == 0:
		return usage("the command is missing")
	}
	return fail(execute(o, flags.Args(), os.Environ()))
}

// Exec replaces the calling process by the command argv with the environment
// env; the process keeps its ID. The command, and every program that it
// executes in its place or starts, sees a wall clock that follows the control
// page at pagePath from its first instruction on. argv[0] is looked for in
// env's PATH if it holds no slash.
//
// Exec returns only if it failed: an *UnavailableError if the command could
// not be skewed, otherwise what execve said. It never runs a command unskewed.
//
// Call it in a process of its own, from the thread that the process began with
// and before it does much else: in ModeExec the package's initialisation
// locks the main goroutine to that thread, so that ModeExec is the way to call it.
func Exec(pagePath string, argv []string, env []string) error {
	return execute(options{page: pagePath, settle: DefaultSettle}, argv, env)
}

// Available tries out whether programs can be skewed here: it runs this very
// program in one of its modes under the wrapper, an hour fast, and compares
// its clock. nil means that it worked; otherwise the error, mostly an
// *UnavailableError, is one line with the reason and the remedy. It takes some
// ten milliseconds.
//
// What it finds is true for processes with the caller's privileges in the
// caller's container. The calling program must dispatch to Main; see IsMode.
func Available() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return probe(ctx)
}
