package clock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// probeVariable marks the processes of a probe in their environment. A program
// that does not dispatch to Main would run itself without end otherwise.
const probeVariable = "REFUTE_CLOCK_PROBE"

const probeOffset = time.Hour

func probe(ctx context.Context) error {
	if os.Getenv(probeVariable) != "" {
		return errors.New("clock: this program does not call clock.Main for the modes of clock.IsMode")
	}
	// A file in memory: the container may have no folder to write to. The
	// probed program is its owner's, so that it may open it in here.
	fd, err := unix.MemfdCreate("clock-page", unix.MFD_CLOEXEC)
	if err != nil {
		return &UnavailableError{Reason: "probe", Err: fmt.Errorf("create a file in memory: %w", err)}
	}
	f := os.NewFile(uintptr(fd), "clock-page")
	defer f.Close()
	if err := writeEmptyPage(f); err != nil {
		return &UnavailableError{Reason: "probe", Err: err}
	}
	path := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd)
	page, err := OpenPage(path)
	if err != nil {
		return &UnavailableError{Reason: "probe", Err: err}
	}
	defer page.Close()
	page.Set(Skew{Offset: int64(probeOffset)})

	cmd := exec.CommandContext(ctx, selfPath, ModeExec, "-page", path, "--", selfPath, modeReading)
	cmd.Env = append(os.Environ(), probeVariable+"=1")
	cmd.WaitDelay = time.Second
	var output, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &complaint
	if err := cmd.Run(); err != nil {
		line, _, _ := bytes.Cut(bytes.TrimSpace(complaint.Bytes()), []byte("\n"))
		if len(line) == 0 {
			return &UnavailableError{Reason: "probe", Err: err}
		}
		return refusal(string(line))
	}
	var before, shown, after int64
	if _, err := fmt.Sscan(output.String(), &before, &shown, &after); err != nil {
		return &UnavailableError{Reason: "probe", Err: fmt.Errorf("unexpected output %q: %w", output.String(), err)}
	}
	if shown < before+int64(probeOffset) || shown > after+int64(probeOffset) {
		return &UnavailableError{
			Reason: fmt.Sprintf("a patched program shows a clock that is %v off instead of %v", time.Duration(shown-before), probeOffset),
			Remedy: "a kernel that this package does not know; please report its version",
		}
	}
	return nil
}

// mainReading prints the real time, what this program takes for the time, and
// the real time again.
func mainReading() int {
	before := realTime()
	shown := time.Now().UnixNano()
	after := realTime()
	fmt.Println(before, shown, after)
	return 0
}

// realTime asks the kernel, past the vDSO.
func realTime() int64 {
	var ts unix.Timespec
	if err := rawClockGettime(unix.CLOCK_REALTIME, &ts); err != nil {
		return 0
	}
	return ts.Nano()
}
