package clock

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func init() {
	// execve and being traced concern a thread. In these modes, and in these
	// alone, the main goroutine keeps to the one that the process began with.
	if len(os.Args) > 1 && (os.Args[1] == ModeExec || os.Args[1] == modeHelper) {
		runtime.LockOSThread()
	}
}

const selfPath = "/proc/self/exe"

// attachTimeout bounds how long the helper may take to start and attach.
const attachTimeout = 30 * time.Second

// execute is Exec with all options.
func execute(o options, argv, env []string) error {
	if len(argv) == 0 {
		return errors.New("clock: no command to execute")
	}
	if unix.Gettid() != unix.Getpid() {
		return errors.New("clock: Exec must be called from the process's first thread; use the mode " + ModeExec)
	}
	var err error
	o.page, err = filepath.Abs(o.page) // the command may execute the next one in another folder
	if err != nil {
		return &UnavailableError{Reason: "control page", Err: err}
	}
	p, err := OpenPageReadOnly(o.page)
	if err != nil {
		return &UnavailableError{Reason: "control page", Remedy: "create it first, where every user of the container may read it", Err: err}
	}
	_ = p.Close()
	command, err := lookPath(argv[0], env)
	if err != nil {
		return err
	}
	if err := startHelper(o); err != nil {
		return err
	}
	// The helper is attached now. It stops this thread at the end of execve.
	return fmt.Errorf("execute %s: %w", command, syscall.Exec(command, argv, env))
}

// lookPath finds a command as a shell does that has the environment env.
func lookPath(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	path := "/usr/local/bin:/usr/bin:/bin" // as execvp without PATH
	for _, variable := range env {
		if value, ok := strings.CutPrefix(variable, "PATH="); ok {
			path = value
		}
	}
	var found error
	for _, folder := range filepath.SplitList(path) {
		file := filepath.Join(folder, name)
		if !filepath.IsAbs(file) {
			file = "./" + file
		}
		st, err := os.Stat(file)
		if err != nil || st.IsDir() {
			continue
		}
		if found = unix.Access(file, unix.X_OK); found == nil {
			return file, nil
		}
	}
	if found == nil {
		found = fs.ErrNotExist
	}
	return "", fmt.Errorf("find command %s in PATH=%s: %w", name, path, found)
}

// startHelper starts the tracer and returns when it has attached to the calling
// thread.
//
// The helper is neither a child of the future command, which may wait for
// children of its own, nor in its session, whose processes may all be stopped
// or killed: it is started by a short-lived process in a session of its own.
func startHelper(o options) error {
	unavailable := func(err error) error {
		return &UnavailableError{Reason: "start of the helper that traces the command", Err: err}
	}
	fromHelper, answer, err := os.Pipe()
	if err != nil {
		return unavailable(err)
	}
	defer fromHelper.Close()
	order, toHelper, err := os.Pipe()
	if err != nil {
		_ = answer.Close()
		return unavailable(err)
	}
	defer toHelper.Close()
	between, err := os.StartProcess(selfPath, helperArguments(o, os.Getpid(), true), &os.ProcAttr{
		Env:   []string{},
		Files: []*os.File{order, answer, os.Stderr},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	_ = order.Close()
	_ = answer.Close()
	if err != nil {
		return unavailable(err)
	}
	if err := fromHelper.SetReadDeadline(time.Now().Add(attachTimeout)); err != nil {
		return unavailable(err)
	}
	if err := attach(bufio.NewReader(fromHelper), toHelper); err != nil {
		return err
	}
	// It has long ended, or ends now; it must not stay behind as the command's child.
	if _, err := between.Wait(); err != nil {
		return unavailable(err)
	}
	return nil
}

// attach is this side's part of the talk with the helper: it tells its process
// ID, we allow it to trace us and say so, and it tells that it has attached, or
// why not.
func attach(fromHelper *bufio.Reader, toHelper io.Writer) error {
	const reason = "attach of the helper that traces the command"
	line, err := fromHelper.ReadString('\n')
	if err != nil {
		return &UnavailableError{Reason: reason, Err: fmt.Errorf("it did not start: %w", err)}
	}
	var helper int
	if _, err := fmt.Sscanf(line, "pid %d\n", &helper); err != nil {
		return &UnavailableError{Reason: reason, Err: errors.New(strings.TrimSpace(line))}
	}
	// Only the Yama security module wants to be asked; without it this fails, for no harm.
	_ = unix.Prctl(unix.PR_SET_PTRACER, uintptr(helper), 0, 0, 0)
	if _, err := toHelper.Write([]byte("go\n")); err != nil {
		return &UnavailableError{Reason: reason, Err: err}
	}
	line, err = fromHelper.ReadString('\n')
	if err != nil {
		return &UnavailableError{Reason: reason, Err: fmt.Errorf("it ended early: %w", err)}
	}
	if line = strings.TrimSpace(line); line == "attached" {
		return nil
	}
	return refusal(line)
}

// refusal is an UnavailableError that the helper has worded.
func refusal(line string) error {
	const prefix = "clock skew unavailable: "
	return &UnavailableError{Reason: strings.TrimPrefix(line, prefix)}
}

func helperArguments(o options, pid int, spawn bool) []string {
	return []string{
		"refute-clock", modeHelper, "-page", o.page, "-settle", o.settle.String(), fmt.Sprintf("-plain=%t", o.plain),
		"-pid", fmt.Sprint(pid), fmt.Sprintf("-spawn=%t", spawn),
	}
}

// mainHelper is the helper process. Standard input is where the command-to-be
// says go, standard output where it is answered.
func mainHelper(args []string) int {
	flags := flag.NewFlagSet(modeHelper, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	var o options
	flags.StringVar(&o.page, "page", "", "")
	flags.DurationVar(&o.settle, "settle", DefaultSettle, "")
	flags.BoolVar(&o.plain, "plain", false, "")
	pid := flags.Int("pid", 0, "")
	spawn := flags.Bool("spawn", false, "")
	if err := flags.Parse(args); err != nil || o.page == "" || *pid <= 0 {
		return usage(modeHelper + " is started by " + ModeExec + " only")
	}
	if *spawn {
		return spawnHelper(o, *pid)
	}
	if err := help(o, *pid); err != nil {
		// Who waits for an answer reads standard output. Later, standard error is left.
		fmt.Fprintln(os.Stdout, err)
		return ExitUnavailable
	}
	return 0
}

// spawnHelper starts the helper proper and ends, so that the helper becomes a
// child of the container's first process.
func spawnHelper(o options, pid int) int {
	_, err := os.StartProcess(selfPath, helperArguments(o, pid, false), &os.ProcAttr{
		Env:   []string{},
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		fmt.Fprintln(os.Stdout, &UnavailableError{Reason: "start of the helper that traces the command", Err: err})
		return ExitUnavailable
	}
	return 0
}

func help(o options, pid int) error {
	fmt.Printf("pid %d\n", os.Getpid())
	if line, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil || line != "go\n" {
		return nil // the command-to-be has ended
	}
	stops := make(chan os.Signal, 1)
	signal.Notify(stops, unix.SIGCHLD)
	patcher, err := newPatcher(o.page)
	if err != nil {
		return &UnavailableError{Reason: "this kernel's vDSO", Err: err}
	}
	if o.plain {
		patcher.displaced = nil
	}
	tracer := newTracer(patcher, o.settle, os.Stderr)
	if err := tracer.seize(pid); err != nil {
		return err
	}
	if _, err := fmt.Println("attached"); err != nil {
		return err
	}
	// Not to hold up whoever waits for the end of what the command prints.
	_ = os.Stdin.Close()
	_ = os.Stdout.Close()
	if err := tracer.follow(stops); err != nil {
		fmt.Fprintln(os.Stderr, &UnavailableError{Reason: "the helper failed; the command is ended", Err: err})
		return nil
	}
	return nil
}
