package clock

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const hour = int64(time.Hour)

// The test's own program serves as the agent.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && IsMode(os.Args[1]) {
		os.Exit(Main(os.Args[1:]))
	}
	code := m.Run()
	if programs.folder != "" {
		_ = os.RemoveAll(programs.folder)
	}
	os.Exit(code)
}

var programs struct {
	sync.Once
	folder string
	err    error
}

// program builds testdata/NAME as a static program, once, where any user may read it.
func program(t testing.TB, name string) string {
	t.Helper()
	programs.Do(func() {
		// Not t.TempDir, which ends with the first test.
		programs.folder, programs.err = os.MkdirTemp("", "clock-test-*")
		if programs.err == nil {
			programs.err = os.Chmod(programs.folder, 0o755)
		}
		for _, name := range []string{"target", "agent"} {
			if programs.err != nil {
				return
			}
			cmd := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(programs.folder, name), "./testdata/"+name)
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
			if out, err := cmd.CombinedOutput(); err != nil {
				programs.err = fmt.Errorf("%w: %s", err, out)
			}
		}
	})
	require.NoError(t, programs.err)
	return filepath.Join(programs.folder, name)
}

// needSkew skips a test only where the kernel or the container refuses ptrace.
func needSkew(t testing.TB) {
	t.Helper()
	if err := Available(); err != nil {
		t.Skip(err)
	}
}

// wrapped is a command under the wrapper.
func wrapped(t testing.TB, page string, argv ...string) *exec.Cmd {
	t.Helper()
	return wrappedWith(t, []string{"-page", page}, argv...)
}

func wrappedWith(t testing.TB, flags []string, argv ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	args := append(append([]string{ModeExec}, flags...), "--")
	cmd := exec.CommandContext(ctx, selfPath, append(args, argv...)...)
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// reading is real time before, time shown, real time after.
type reading struct{ before, shown, after int64 }

func parseReading(t testing.TB, text string) reading {
	t.Helper()
	var r reading
	_, err := fmt.Sscan(text, &r.before, &r.shown, &r.after)
	require.NoError(t, err, "output: %q", text)
	return r
}

// requireFollows demands that the reading is of a clock with the skew.
func (r reading) requireFollows(t testing.TB, s Skew) {
	t.Helper()
	require.LessOrEqual(t, s.At(r.before), r.shown, "shown %v off", time.Duration(r.shown-r.before))
	require.LessOrEqual(t, r.shown, s.At(r.after), "shown %v off", time.Duration(r.shown-r.after))
}

func firstReading(t testing.TB, cmd *exec.Cmd) reading {
	t.Helper()
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	require.NoError(t, err, "%s", &complaint)
	return parseReading(t, string(out))
}

func TestAvailableHere(t *testing.T) {
	require.NoError(t, Available(), "if ptrace is forbidden here, the other tests are skipped")
}

func TestFirstReadingIsSkewed(t *testing.T) {
	needSkew(t)
	page, path := newPage(t)
	target := program(t, "target")
	for _, s := range []Skew{
		{Offset: hour},
		{Offset: -30 * int64(time.Second)},
		{Base: time.Now().UnixNano() - hour, Rate: RatePPM(250)},
		{Base: time.Now().UnixNano() - hour, Rate: RatePPM(-50_000), Offset: 5},
		{Period: 3_000_000_000_000_000_000, Delta: hour}, // an even period lasting beyond this test
	} {
		page.Set(s)
		r := firstReading(t, wrapped(t, path, target, "first"))
		r.requireFollows(t, s)
		require.Greater(t, max(r.shown-r.before, r.before-r.shown), int64(time.Second)/2, "the test itself: no skew to be seen")
	}
}

// There must be no race at the start.
func TestNoStartIsEverUnskewed(t *testing.T) {
	needSkew(t)
	page, path := newPage(t)
	target := program(t, "target")
	page.Set(Skew{Offset: hour})
	starts := 300
	if testing.Short() {
		starts = 30
	}
	for range starts {
		firstReading(t, wrapped(t, path, target, "first")).requireFollows(t, page.Get())
	}
}

// A process is let go only when it has had time to execute something else.
func TestWhenProgramsSettle(t *testing.T) {
	const pid, thread = 1 << 30, 1<<30 + 1 // above every process ID that there can be
	tracer := newTracer(nil, time.Second, io.Discard)
	p := tracer.add(pid, pid)
	assert.False(t, tracer.anySettling(), "one thread: a shell")
	tracer.add(thread, pid)
	assert.True(t, tracer.anySettling())
	p.waits = true
	assert.False(t, tracer.anySettling(), "the wrapper has not executed the command yet")
	p.waits, p.paused = false, true
	assert.False(t, tracer.anySettling(), "paused")
	tracer.tick()
	p.paused = false
	for range settleTicks {
		assert.False(t, p.leaving)
		tracer.tick()
	}
	assert.True(t, p.leaving)
	tracer.remove(pid)
	tracer.remove(thread)
	assert.Empty(t, tracer.processes)
	forever := newTracer(nil, 0, io.Discard)
	forever.add(pid, pid)
	forever.add(thread, pid)
	assert.False(t, forever.anySettling())
}

// Over many readings: f(real before) ≤ time.Now ≤ f(real after), and the
// monotonic clock is the kernel's.
func TestReadingsAreExactAndMonotonicIsUntouched(t *testing.T) {
	needSkew(t)
	page, path := newPage(t)
	target := program(t, "target")
	start := time.Now().UnixNano()
	for name, s := range map[string]Skew{
		"none":            {},
		"an hour fast":    {Offset: hour},
		"30 s slow":       {Offset: -30 * int64(time.Second)},
		"drift":           {Base: start, Rate: RatePPM(1000)},
		"slow drift":      {Base: start, Rate: RatePPM(-100_000)},
		"strobe 1 ms":     {Base: start, Period: int64(time.Millisecond), Delta: 200 * int64(time.Millisecond)},
		"strobe backward": {Base: start, Period: 100_000, Delta: -hour, Offset: 1, Rate: RatePPM(-77)},
	} {
		t.Run(name, func(t *testing.T) {
			page.Set(s)
			const n = 50_000
			out, err := wrapped(t, path, target, "samples", fmt.Sprint(n)).Output()
			require.NoError(t, err)
			records := make([][6]int64, n)
			require.NoError(t, binary.Read(bytes.NewReader(out), binary.LittleEndian, records))
			compared := 0
			for _, r := range records {
				require.LessOrEqual(t, r[3], r[4], "the monotonic clock is behind")
				require.LessOrEqual(t, r[4], r[5], "the monotonic clock is ahead")
				if s.Period > 0 && (r[0]-s.Base)/s.Period != (r[2]-s.Base)/s.Period {
					continue // the strobe turned in between: no bounds
				}
				compared++
				reading{r[0], r[1], r[2]}.requireFollows(t, s)
			}
			require.Greater(t, compared, n/2)
		})
	}
}

// conversation is a running program that gives a reading for each line.
type conversation struct {
	cmd   *exec.Cmd
	ask   *os.File
	lines chan string
}

func converse(t testing.TB, cmd *exec.Cmd) *conversation {
	t.Helper()
	read, write, err := os.Pipe()
	require.NoError(t, err)
	answers, out, err := os.Pipe()
	require.NoError(t, err)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = read, out, os.Stderr
	require.NoError(t, cmd.Start())
	require.NoError(t, read.Close())
	require.NoError(t, out.Close())
	c := &conversation{cmd: cmd, ask: write, lines: make(chan string, 16)}
	go func() {
		defer close(c.lines)
		defer answers.Close()
		buffer := make([]byte, 0, 4096)
		chunk := make([]byte, 4096)
		for {
			n, err := answers.Read(chunk)
			buffer = append(buffer, chunk[:n]...)
			for {
				line, rest, ok := bytes.Cut(buffer, []byte("\n"))
				if !ok {
					break
				}
				c.lines <- string(line)
				buffer = bytes.Clone(rest)
			}
			if err != nil {
				return
			}
		}
	}()
	return c
}

func (c *conversation) request(t testing.TB) {
	t.Helper()
	_, err := c.ask.WriteString("?\n")
	require.NoError(t, err)
}

func (c *conversation) answer(t testing.TB) reading {
	t.Helper()
	select {
	case line, ok := <-c.lines:
		require.True(t, ok, "the program has ended")
		return parseReading(t, line)
	case <-time.After(30 * time.Second):
		require.Fail(t, "no answer")
		return reading{}
	}
}

func (c *conversation) reading(t testing.TB) reading {
	t.Helper()
	c.request(t)
	return c.answer(t)
}

func (c *conversation) end(t testing.TB) {
	t.Helper()
	require.NoError(t, c.ask.Close())
	require.NoError(t, c.cmd.Wait())
}

func TestSkewChangesWhileRunning(t *testing.T) {
	needSkew(t)
	page, path := newPage(t)
	c := converse(t, wrapped(t, path, program(t, "target"), "answer"))
	for i := range 200 {
		s := Skew{Base: time.Now().UnixNano(), Offset: int64(i-100) * hour, Rate: RatePPM(int64(i) * 100)}
		page.Set(s)
		c.reading(t).requireFollows(t, s)
	}
	page.Set(Skew{})
	c.reading(t).requireFollows(t, Skew{})
	c.end(t)
}

func TestEveryProgramOfAChainIsSkewed(t *testing.T) {
	needSkew(t)
	page, path := newPage(t)
	page.Set(Skew{Offset: hour})
	target := program(t, "target")
	for name, argv := range map[string][]string{
		"shell executes":            {"sh", "-c", "exec " + target + " first"},
		"shell runs":                {"sh", "-c", target + " first; true"},
		"in the background":         {"sh", "-c", target + " first & wait"},
		"shells":                    {"sh", "-c", "sh -c 'sh -c \"" + target + " first\"'"},
		"threads execute":           {target, "exec", target, "exec", target, "first"},
		"threads run":               {target, "run", target, "first"},
		"all together":              {"sh", "-c", target + " run sh -c 'exec " + target + " exec " + target + " first'"},
		"script by its interpreter": {script(t, "#!/bin/sh\nexec "+target+" first\n")},
	} {
		t.Run(name, func(t *testing.T) {
			firstReading(t, wrapped(t, path, argv...)).requireFollows(t, page.Get())
		})
	}
}

func script(t testing.TB, text string) string {
	path := filepath.Join(t.TempDir(), "script")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o755))
	return path
}

func TestCProgramsAreSkewed(t *testing.T) {
	needSkew(t)
	page, path := newPage(t)
	page.Set(Skew{Offset: hour})
	for name, flags := range map[string][]string{"dynamic": nil, "static": {"-static"}} {
		t.Run(name, func(t *testing.T) {
			out, err := wrapped(t, path, compileC(t, "testdata/c/readings.c", flags...)).Output()
			require.NoError(t, err)
			// How far a clock may lag behind, because it is coarse.
			slack := map[string]time.Duration{
				"realtime": 0, "tai": 0, "gettimeofday": time.Microsecond,
				"coarse": 20 * time.Millisecond, "time": time.Second,
				"monotonic": 0, "boottime": 0, "cpu": 0,
			}
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			require.Len(t, lines, len(slack))
			for _, line := range lines {
				name, numbers, _ := strings.Cut(line, " ")
				late, known := slack[name]
				require.True(t, known, name)
				r := parseReading(t, numbers)
				r.before -= int64(late)
				s := page.Get()
				if name == "monotonic" || name == "boottime" || name == "cpu" {
					s = Skew{}
				}
				r.requireFollows(t, s)
			}
		})
	}
}

func TestWrapperIsTransparent(t *testing.T) {
	needSkew(t)
	_, path := newPage(t)
	cmd := wrapped(t, path, "sh", "-c", `echo $$ $PPID "$A" "$1"; cat; exit 7`, "name", "an argument")
	cmd.Env = append(os.Environ(), "A=a value")
	cmd.Stdin = strings.NewReader("input\n")
	var out bytes.Buffer
	cmd.Stdout = &out
	err := cmd.Run()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, 7, exit.ExitCode())
	assert.Equal(t, fmt.Sprintf("%d %d a value an argument\ninput\n", cmd.Process.Pid, os.Getpid()), out.String())

	// The command has no children that it did not make: wait returns at once.
	children, err := wrapped(t, path, "sh", "-c", "cat /proc/$$/task/$$/children; wait").Output()
	require.NoError(t, err)
	assert.Len(t, strings.Fields(string(children)), 1, "cat alone: %q", children)
}

// The fallback for a vDSO whose first instructions cannot be moved.
func TestPlainSystemCallIsSkewedToo(t *testing.T) {
	needSkew(t)
	page, path := newPage(t)
	page.Set(Skew{Offset: hour})
	flags := []string{"-page", path, "-plain"}
	firstReading(t, wrappedWith(t, flags, program(t, "target"), "first")).requireFollows(t, page.Get())
	_, err := wrappedWith(t, flags, compileC(t, "testdata/c/readings.c")).Output()
	require.NoError(t, err)
}
