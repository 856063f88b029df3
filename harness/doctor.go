package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/refute-lab/refute/docker"
)

// Doctor says what this machine can do and what to do about the rest. It
// returns false when `refute run` with its defaults cannot work here.
func Doctor(ctx context.Context, w io.Writer) (healthy bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	fmt.Fprintf(w, "refute on %s/%s, %d cores, %s\n\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	// The simulation needs nothing of the machine.
	fmt.Fprintf(w, "ok       %-22s %s\n", "simulation", "the bundled store with every kind of fault: `refute run --on sim`, `refute explore`")
	engine, err := docker.Connect(ctx)
	if err != nil {
		var missing *docker.EngineError
		if errors.As(err, &missing) {
			fmt.Fprintf(w, "missing  Docker engine\n         %v\n\nWithout it, `refute run` runs in the simulation.\n", err)
			return false, nil
		}
		return false, &FailureError{err}
	}
	defer engine.Close()
	findings, err := engine.Examine(ctx)
	if err != nil {
		return false, &FailureError{err}
	}
	healthy = true
	for _, f := range findings {
		mark := "ok     "
		if !f.OK {
			mark = "missing"
			healthy = false
		}
		fmt.Fprintf(w, "%s  %-22s %s\n", mark, f.Name, f.Detail)
		if f.Remedy != "" {
			fmt.Fprintf(w, "         %-22s remedy: %s\n", "", f.Remedy)
		}
	}
	if healthy {
		fmt.Fprintln(w, "\nEverything that `refute run` needs is here.")
	} else {
		fmt.Fprintln(w, "\nWithout what is missing, `refute run` refuses the faults that need it, by name.")
	}
	return healthy, nil
}

// Clean removes what dead runs left behind and says what it was.
func Clean(ctx context.Context, o docker.CleanOptions, w io.Writer) error {
	engine, err := docker.Connect(ctx)
	if err != nil {
		return &UsageError{err}
	}
	defer engine.Close()
	removed, err := engine.Clean(ctx, o)
	fmt.Fprintln(w, removed)
	if err != nil {
		return &FailureError{err}
	}
	return nil
}
