// Agent is the smallest program that contains the clock package, for its tests.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/refute-lab/refute/nemesis/agent/clock"
)

func main() {
	switch {
	case len(os.Args) > 1 && clock.IsMode(os.Args[1]):
		os.Exit(clock.Main(os.Args[1:]))
	case len(os.Args) > 2 && os.Args[1] == "spawn":
		// What a shim does: the command in a session of its own.
		cmd := exec.Command(os.Args[2], os.Args[3:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		err := cmd.Run()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			os.Exit(exit.ExitCode())
		} else if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		fmt.Fprintln(os.Stderr, "agent: unknown mode")
		os.Exit(2)
	}
}
