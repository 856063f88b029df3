package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// entry is one process as /proc shows it.
type entry struct {
	pid, parent int
	// state is that of the thread group's leader, one letter.
	state byte
	// stopped says that every thread is stopped or dead.
	stopped bool
}

// dead says that the process only waits to be reaped.
func (e entry) dead() bool { return e.state == 'Z' || e.state == 'X' }

// space is a PID namespace as seen through one /proc.
type space struct {
	proc string
	// agent and shim are process ids; helper is how the command lines of the
	// agent's own helpers begin, nil if it has none.
	agent, shim int
	helper      []string
}

// members returns the node's processes, in order of their ids. leader is the
// entrypoint's process, 0 for none.
func (s space) members(leader int) ([]entry, error) {
	all, err := s.all()
	if err != nil {
		return nil, err
	}
	parents := make(map[int]int, len(all))
	for _, e := range all {
		parents[e.pid] = e.parent
	}
	var members []entry
	for _, e := range all {
		if e.pid == s.agent || e.pid == s.shim || !s.descends(e.pid, parents) {
			continue
		}
		if e.pid != leader && s.helps(e.pid) {
			continue
		}
		members = append(members, e)
	}
	return members, nil
}

// descends says whether pid descends from the shim, or was orphaned to the agent.
func (s space) descends(pid int, parents map[int]int) bool {
	for range len(parents) {
		parent, ok := parents[pid]
		if !ok {
			return false
		}
		if parent == s.shim || parent == s.agent {
			return true
		}
		pid = parent
	}
	return false
}

// all returns every process of the namespace, in order of their ids.
func (s space) all() ([]entry, error) {
	directory, err := os.Open(s.proc)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	names, err := directory.Readdirnames(-1)
	if err := errors.Join(err, directory.Close()); err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var all []entry
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		e, err := s.read(pid)
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b entry) int { return a.pid - b.pid })
	return all, nil
}

func (s space) read(pid int) (entry, error) {
	directory := filepath.Join(s.proc, strconv.Itoa(pid))
	state, parent, err := stat(filepath.Join(directory, "stat"))
	if err != nil {
		return entry{}, err
	}
	e := entry{pid: pid, parent: parent, state: state, stopped: halted(state)}
	if !e.stopped {
		return e, nil
	}
	threads, err := os.ReadDir(filepath.Join(directory, "task"))
	if err != nil {
		return entry{}, err
	}
	for _, t := range threads {
		if t.Name() == strconv.Itoa(pid) {
			continue
		}
		state, _, err := stat(filepath.Join(directory, "task", t.Name(), "stat"))
		if gone(err) {
			continue
		}
		if err != nil {
			return entry{}, err
		}
		e.stopped = e.stopped && halted(state)
	}
	return e, nil
}

// halted says whether a thread in this state executes nothing: stopped (T), held
// in its stop by a tracer (t), or dead.
func halted(state byte) bool { return strings.IndexByte("TtZX", state) >= 0 }

// gone says that a file of /proc vanished with its process.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH)
}

// stat reads the state and the parent from a stat file (proc(5)). The command's
// name is in parentheses and may hold anything, parentheses too.
func stat(path string) (state byte, parent int, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, err
	}
	end := strings.LastIndexByte(string(text), ')')
	fields := strings.Fields(string(text[end+1:]))
	if end < 0 || len(fields) < 2 {
		return 0, 0, fmt.Errorf("%s: not as proc(5) says: %q", path, text)
	}
	parent, err = strconv.Atoi(fields[1])
	if err != nil {
		return 0, 0, fmt.Errorf("%s: parent %q is no number", path, fields[1])
	}
	return fields[0][0], parent, nil
}

// helps says whether the process is one of the agent's helpers.
func (s space) helps(pid int) bool {
	if len(s.helper) == 0 {
		return false
	}
	text, err := os.ReadFile(filepath.Join(s.proc, strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return false
	}
	arguments := strings.Split(string(text), "\x00")
	return len(arguments) >= len(s.helper) && slices.Equal(arguments[:len(s.helper)], s.helper)
}
