package clock

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// procStat is what /proc/PID/stat tells of a process.
type procStat struct {
	state        string
	group, leads int // process group, session
}

func stat(pid int) (procStat, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return procStat{}, false
	}
	_, rest, _ := strings.Cut(string(b[bytes.LastIndexByte(b, ')'):]), " ")
	f := strings.Fields(rest)
	group, _ := strconv.Atoi(f[2])
	session, _ := strconv.Atoi(f[3])
	return procStat{state: f[0], group: group, leads: session}, true
}

func allPIDs(t testing.TB) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	require.NoError(t, err)
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// sessionOf returns the processes of a session, as an agent finds them.
func sessionOf(t testing.TB, session int) []int {
	t.Helper()
	var pids []int
	for _, pid := range allPIDs(t) {
		if s, ok := stat(pid); ok && s.leads == session {
			pids = append(pids, pid)
		}
	}
	return pids
}

// helperOf returns the helper that was started for a command, 0 if it is gone.
func helperOf(t testing.TB, pid int) int {
	t.Helper()
	want := []byte("\x00-pid\x00" + strconv.Itoa(pid) + "\x00-spawn=false\x00")
	for _, p := range allPIDs(t) {
		if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p)); err == nil && bytes.Contains(line, want) {
			return p
		}
	}
	return 0
}

func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 30*time.Second, 2*time.Millisecond, what)
}

func signalSession(t testing.TB, session int, signal syscall.Signal) {
	t.Helper()
	pids := sessionOf(t, session)
	require.NotEmpty(t, pids)
	for _, pid := range pids {
		if err := unix.Kill(pid, signal); err != nil {
			require.ErrorIs(t, err, unix.ESRCH)
		}
	}
}

// stopped says whether every thread of a process is stopped. Under a tracer that
// is the state t, in which a single thread can be for a moment for other reasons.
func stopped(pid int) bool {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return false
	}
	for _, thread := range threads {
		tid, err := strconv.Atoi(thread.Name())
		if err != nil {
			return false
		}
		if s, ok := stat(tid); !ok || s.state != "T" && s.state != "t" {
			return false
		}
	}
	return true
}

func TestSessionStopsContinuesAndDies(t *testing.T) {
	needSkew(t)
	target := program(t, "target")
	for name, c := range map[string]struct {
		settle string
		argv   []string
		traced bool // for as long as it runs
	}{
		"traced, threads":       {"0", []string{target, "answer"}, true},
		"let go":                {"1ms", []string{target, "answer"}, false},
		"under a shell, traced": {"0", []string{"sh", "-c", target + " answer; true"}, true},
		"under a shell, let go": {"1ms", []string{"sh", "-c", target + " answer; true"}, true}, // the shell
	} {
		t.Run(name, func(t *testing.T) {
			page, path := newPage(t)
			page.Set(Skew{Offset: hour})
			cmd := wrappedWith(t, []string{"-page", path, "-settle", c.settle}, c.argv...)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			run := converse(t, cmd)
			session := cmd.Process.Pid
			run.reading(t).requireFollows(t, page.Get())

			helper := helperOf(t, session)
			if c.traced {
				require.NotZero(t, helper)
				assert.NotContains(t, sessionOf(t, session), helper, "the helper is in the target's session")
				s, _ := stat(helper)
				own, _ := stat(session)
				assert.NotEqual(t, own.group, s.group)
			} else {
				eventually(t, "the helper goes away", func() bool { return helperOf(t, session) == 0 })
				assert.Equal(t, "0", statusField(session, "TracerPid"))
			}
			for range 20 {
				signalSession(t, session, unix.SIGSTOP)
				for _, pid := range sessionOf(t, session) {
					eventually(t, "it stops", func() bool { return stopped(pid) })
				}
				if helper := helperOf(t, session); helper != 0 {
					assert.False(t, stopped(helper), "the tracer was stopped too")
				}
				run.request(t)
				select {
				case line := <-run.lines:
					require.Fail(t, "a stopped program answers", line)
				case <-time.After(20 * time.Millisecond): // the silence is what is looked for
				}
				// It takes effect while the program is stopped.
				page.Set(Skew{Offset: page.Get().Offset + hour})
				signalSession(t, session, unix.SIGCONT)
				run.answer(t).requireFollows(t, page.Get())
			}
			signalSession(t, session, unix.SIGKILL)
			_ = cmd.Wait()
			assert.Equal(t, unix.SIGKILL, cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
			eventually(t, "the helper goes away", func() bool { return helperOf(t, session) == 0 })
			require.NoError(t, run.ask.Close())
		})
	}
}

// SIGSTOP at every moment of the start, also in the middle of a patch: each must
// stop the program until SIGCONT, and none may leave it stuck or unskewed. The
// programs that execute the next one have one thread; see the package's pitfalls.
func TestStopsDuringTheStart(t *testing.T) {
	needSkew(t)
	page, path := newPage(t)
	page.Set(Skew{Offset: hour})
	target := program(t, "target")
	random := rand.New(rand.NewPCG(1, 2))
	chain := "exec " + target + " answer"
	for range 4 {
		chain = "exec sh -c '" + strings.ReplaceAll(chain, "'", `'"'"'`) + "'"
	}
	chain = "echo started; " + chain
	for range 40 {
		run := converse(t, wrapped(t, path, "sh", "-c", chain))
		pid := run.cmd.Process.Pid
		require.Equal(t, "started", <-run.lines)
		run.request(t)
		var answer string
		for stops := 0; answer == ""; stops++ {
			require.NoError(t, unix.Kill(pid, unix.SIGSTOP))
			looks := 0
			eventually(t, "the program stops and stays so", func() bool {
				if looks++; !stopped(pid) {
					looks = 0
				}
				return looks == 2
			})
			require.NoError(t, unix.Kill(pid, unix.SIGCONT))
			select {
			case answer = <-run.lines:
			case <-time.After(time.Duration(random.IntN(1500)) * time.Microsecond):
			}
		}
		parseReading(t, answer).requireFollows(t, page.Get())
		run.end(t)
	}
}

func TestSignalsReachATracedProgram(t *testing.T) {
	needSkew(t)
	_, path := newPage(t)
	cmd := wrappedWith(t, []string{"-page", path, "-settle", "0"}, "sh", "-c",
		`trap 'echo USR1' USR1; trap 'echo TERM; exit 3' TERM; echo ready; while :; do read -r line; done`)
	run := converse(t, cmd)
	for signal, want := range map[syscall.Signal]string{unix.SIGUSR1: "USR1"} {
		require.Equal(t, "ready", <-run.lines)
		require.NoError(t, cmd.Process.Signal(signal))
		require.Equal(t, want, <-run.lines)
	}
	require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
	require.Equal(t, "TERM", <-run.lines)
	_ = cmd.Wait()
	assert.Equal(t, 3, cmd.ProcessState.ExitCode())
}

// If the helper of a program that is still followed dies, nothing may go on
// that could execute something unskewed.
func TestProgramDiesWithItsTracer(t *testing.T) {
	needSkew(t)
	_, path := newPage(t)
	run := converse(t, wrappedWith(t, []string{"-page", path, "-settle", "0"}, program(t, "target"), "answer"))
	run.reading(t)
	helper := helperOf(t, run.cmd.Process.Pid)
	require.NotZero(t, helper)
	require.NoError(t, unix.Kill(helper, unix.SIGKILL))
	// Its output ends with it: well before the time at which the test kills it.
	select {
	case _, more := <-run.lines:
		require.False(t, more)
	case <-time.After(20 * time.Second):
		require.Fail(t, "it goes on without its tracer")
	}
	_ = run.cmd.Wait()
	assert.Equal(t, unix.SIGKILL, run.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
}

// requireRefused demands that a command was not run, and said why.
func requireRefused(t *testing.T, cmd *exec.Cmd, why ...string) {
	t.Helper()
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "output: %s", &out)
	require.Equal(t, ExitUnavailable, exit.ExitCode(), "%v: %s", err, &complaint)
	require.Empty(t, out.String(), "it has run")
	require.Equal(t, 1, strings.Count(complaint.String(), "\n"), "one line: %q", &complaint)
	require.True(t, strings.HasPrefix(complaint.String(), "clock skew unavailable: "), "%s", &complaint)
	for _, text := range why {
		require.Contains(t, complaint.String(), text)
	}
	t.Log(strings.TrimSpace(complaint.String()))
}

func TestNothingRunsUnskewed(t *testing.T) {
	needSkew(t)
	_, path := newPage(t)
	target := program(t, "target")
	t.Run("no page", func(t *testing.T) {
		requireRefused(t, wrapped(t, path+"x", target, "first"), "no such file")
	})
	t.Run("not a page", func(t *testing.T) {
		requireRefused(t, wrapped(t, target, target, "first"), "not a clock control page")
	})
	t.Run("already traced", func(t *testing.T) {
		requireRefused(t, wrapped(t, path, program(t, "agent"), ModeExec, "-page", path, "--", target, "first"),
			"ptrace of pid", "already traced")
	})
	t.Run("the page is gone at a later exec", func(t *testing.T) {
		_, gone := newPage(t)
		requireRefused(t, wrapped(t, gone, "sh", "-c", "rm "+gone+"; exec "+target+" first"),
			filepath.Base(target), "was not run", "no such file")
	})
	t.Run("the page is another file at a later exec", func(t *testing.T) {
		_, other := newPage(t)
		foreign := filepath.Join(t.TempDir(), "foreign")
		require.NoError(t, os.WriteFile(foreign, make([]byte, pageSize), 0o644))
		requireRefused(t, wrapped(t, other, "sh", "-c", "mv "+foreign+" "+other+"; exec "+target+" first"),
			"not a clock control page")
	})
	t.Run("a 32-bit program", func(t *testing.T) {
		requireRefused(t, wrapped(t, path, assemble32(t)), "no 64-bit program")
		requireRefused(t, wrapped(t, path, "sh", "-c", "exec "+assemble32(t)), "no 64-bit program")
	})
	t.Run("the rest of a script goes on", func(t *testing.T) {
		_, gone := newPage(t)
		out, err := wrapped(t, gone, "sh", "-c", "rm "+gone+"; "+target+" first; echo $?").Output()
		require.NoError(t, err)
		assert.Equal(t, strconv.Itoa(ExitUnavailable)+"\n", string(out))
	})
}

// assemble32 makes a program for i386 that prints "ran" and exits with 0.
func assemble32(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	source := filepath.Join(folder, "p.s")
	require.NoError(t, os.WriteFile(source, []byte(`.globl _start
_start: mov $4,%eax
 mov $1,%ebx
 mov $text,%ecx
 mov $4,%edx
 int $0x80
 mov $1,%eax
 xor %ebx,%ebx
 int $0x80
text: .ascii "ran\n"
`), 0o600))
	program := filepath.Join(folder, "p")
	for _, command := range [][]string{
		{"as", "--32", "-o", program + ".o", source},
		{"ld", "-m", "elf_i386", "-o", program, program + ".o"},
	} {
		if _, err := exec.LookPath(command[0]); err != nil {
			t.Skip("binutils are missing:", err)
		}
		out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	if err := exec.Command(program).Run(); err != nil {
		t.Skip("this kernel runs no 32-bit programs:", err)
	}
	return program
}

func TestCommandsThatCannotBeExecuted(t *testing.T) {
	needSkew(t)
	_, path := newPage(t)
	folder := t.TempDir()
	plain := filepath.Join(folder, "plain")
	require.NoError(t, os.WriteFile(plain, []byte("text"), 0o644))
	for name, c := range map[string]struct {
		args []string
		want int
	}{
		"not there":        {[]string{ModeExec, "-page", path, "--", "/no/such/program"}, ExitNotFound},
		"not in PATH":      {[]string{ModeExec, "-page", path, "--", "no-such-program"}, ExitNotFound},
		"not executable":   {[]string{ModeExec, "-page", path, "--", plain}, ExitCannotExecute},
		"no command":       {[]string{ModeExec, "-page", path}, ExitUsage},
		"no page":          {[]string{ModeExec, "--", "true"}, ExitUsage},
		"negative settle":  {[]string{ModeExec, "-page", path, "-settle", "-1s", "--", "true"}, ExitUsage},
		"a helper by hand": {[]string{modeHelper}, ExitUsage},
	} {
		err := exec.Command(selfPath, c.args...).Run()
		var exit *exec.ExitError
		if assert.ErrorAs(t, err, &exit, name) {
			assert.Equal(t, c.want, exit.ExitCode(), name)
		}
	}
}

// A program that its user may execute but not read is not dumpable: it cannot
// be patched by a tracer without privileges, nor told to exit.
func TestUnreadableProgramOfAnotherUser(t *testing.T) {
	needSkew(t)
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become another user")
	}
	folder := t.TempDir()
	for d := folder; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		require.NoError(t, os.Chmod(d, 0o755))
	}
	binary, err := os.ReadFile(program(t, "target"))
	require.NoError(t, err)
	secret := filepath.Join(folder, "secret")
	require.NoError(t, os.WriteFile(secret, binary, 0o711))
	page, err := CreatePage(filepath.Join(folder, "page"))
	require.NoError(t, err)
	defer page.Close()
	page.Set(Skew{Offset: hour})
	as := func(argv ...string) *exec.Cmd {
		cmd := exec.Command(program(t, "agent"), append([]string{ModeExec, "-page", filepath.Join(folder, "page"), "--"}, argv...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		return cmd
	}
	firstReading(t, as(program(t, "target"), "first")).requireFollows(t, page.Get())

	cmd := as(secret, "first")
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	require.Error(t, cmd.Run())
	assert.Empty(t, out.String(), "it has run")
	assert.Contains(t, complaint.String(), "clock skew unavailable: ")
	t.Log(strings.TrimSpace(complaint.String()))
}

// The dropped user's files in /proc are closed to a tracer without CAP_SYS_PTRACE.
func TestProgramThatDropsItsUser(t *testing.T) {
	needSkew(t)
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become another user")
	}
	page, path := newPage(t)
	for d := filepath.Dir(path); d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		require.NoError(t, os.Chmod(d, 0o755))
	}
	page.Set(Skew{Offset: hour})
	target := program(t, "target")
	firstReading(t, wrapped(t, path, target, "drop", "65534", target, "first")).requireFollows(t, page.Get())
}
