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
	// state is one letter for all threads: that of one which may execute
	// something if there is one, else that of one which is stopped, else a dead one's.
	state byte
}

// dead says that the process only waits to be reaped.
func (e entry) dead() bool { return e.state == 'Z' || e.state == 'X' }

// halted says that no thread executes anything: each is stopped (T), held in a
// stop by its tracer (t), or dead.
func (e entry) halted() bool { return rank(e.state) > 0 }

// rank orders the states of a process's threads: the lowest stands for all.
func rank(state byte) int {
	switch state {
	case 'T', 't':
		return 1
	case 'Z', 'X':
		return 2
	}
	return 0
}

// space is a PID namespace as seen through one /proc.
type space struct {
	proc string
	// agent and shim are process ids; helper is how the command lines of the
	// agent's own helpers begin, nil if it has none.
	agent, shim int
	helper      []string
}

// look returns the node's processes and the agent's helpers among them, both in
// order of their ids. leader is the entrypoint's process, 0 for none.
func (s space) look(leader int) (members, helpers []entry, err error) {
	all, err := s.all()
	if err != nil {
		return nil, nil, err
	}
	parents := make(map[int]int, len(all))
	for _, e := range all {
		parents[e.pid] = e.parent
	}
	for _, e := range all {
		if e.pid == s.agent || e.pid == s.shim || !s.descends(e.pid, parents) {
			continue
		}
		if e.pid != leader && s.helps(e.pid) {
			helpers = append(helpers, e)
			continue
		}
		members = append(members, e)
	}
	return members, helpers, nil
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
	e := entry{pid: pid, parent: parent, state: state}
	if !e.halted() {
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
		if rank(state) < rank(e.state) {
			e.state = state
		}
	}
	return e, nil
}

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
