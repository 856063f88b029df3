package docker

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// owner identifies the calling process among all processes of all boots of all
// machines that may share an engine: "BOOT/NAMESPACE/PID/START". It is empty
// where /proc does not tell.
func owner() string {
	place, ok := ownerPlace()
	if !ok {
		return ""
	}
	pid := os.Getpid()
	start, ok := startTime(pid)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s/%d/%s", place, pid, start)
}

// ownerDied says whether the owner certainly does not run any more. An owner of
// another machine, or another PID namespace, is never certain.
func ownerDied(owner string) bool {
	place, ok := ownerPlace()
	if !ok {
		return false
	}
	rest, here := strings.CutPrefix(owner, place+"/")
	pidText, start, complete := strings.Cut(rest, "/")
	pid, err := strconv.Atoi(pidText)
	if !here || !complete || err != nil {
		return false
	}
	now, ok := startTime(pid)
	return !ok || now != start
}

// ownerAlive says whether the owner certainly runs.
func ownerAlive(owner string) bool {
	place, ok := ownerPlace()
	return ok && strings.HasPrefix(owner, place+"/") && !ownerDied(owner)
}

// ownerPlace is the machine's boot and the PID namespace.
func ownerPlace() (string, bool) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", false
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return "", false
	}
	return strings.TrimSpace(string(boot)) + "/" + namespace, true
}

// startTime is when the process started, in the kernel's ticks since boot: field
// 22 of /proc/PID/stat (proc(5)). A zombie counts as ended.
func startTime(pid int) (string, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", false
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return "", false
	}
	return fields[19], true
}
