// Target is an ordinary program that looks at the clock, for the clock
// package's tests. It knows nothing of skew.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

const (
	clockRealtime  = 0
	clockMonotonic = 1
	clockThreadCPU = 3
)

// raw asks the kernel, past the vDSO.
func raw(id uintptr) int64 {
	var ts syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, id, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}

// The first reading: as early as a Go program can take one.
var first = func() [3]int64 {
	before := raw(clockRealtime)
	shown := time.Now().UnixNano()
	return [3]int64{before, shown, raw(clockRealtime)}
}()

func init() {
	if len(os.Args) > 1 && os.Args[1] == "launch" {
		runtime.LockOSThread() // it is traced by its first thread
	}
}

func main() {
	if len(os.Args) < 2 {
		fail("want a mode")
	}
	number := func() int64 {
		n, err := strconv.ParseInt(os.Args[2], 10, 64)
		if err != nil {
			fail(err)
		}
		return n
	}
	switch os.Args[1] {
	case "first":
		fmt.Println(first[0], first[1], first[2])
	case "samples":
		samples(number())
	case "answer":
		answer()
	case "time":
		timeNow(number())
	case "exec": // execute another program from a process with threads, as launchers written in Go do
		execute(os.Args[2:])
	case "drop": // the same as another user
		id := int(number())
		check(syscall.Setgroups(nil))
		check(syscall.Setgid(id))
		check(syscall.Setuid(id))
		execute(os.Args[3:])
	case "run": // as a child
		cmd := exec.Command(os.Args[2], os.Args[3:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		check(cmd.Run())
	case "launch": // execute when told to
		if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
			fail(err)
		}
		execute(os.Args[2:])
	default:
		fail("unknown mode " + os.Args[1])
	}
}

func execute(argv []string) { check(syscall.Exec(argv[0], argv, os.Environ())) }

func check(err error) {
	if err != nil {
		fail(err)
	}
}

func fail(why any) {
	fmt.Fprintln(os.Stderr, "target:", why)
	os.Exit(1)
}

// samples writes n readings: real time before, time shown, real time after;
// then monotonic time before, shown, after, relative to one moment.
func samples(n int64) {
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	defer out.Flush()
	startBefore := raw(clockMonotonic)
	start := time.Now()
	startAfter := raw(clockMonotonic)
	var record [48]byte
	for range n {
		before := raw(clockRealtime)
		shown := time.Now().UnixNano()
		after := raw(clockRealtime)
		monoBefore := raw(clockMonotonic)
		mono := time.Since(start)
		monoAfter := raw(clockMonotonic)
		for i, v := range [6]int64{before, shown, after, monoBefore - startAfter, int64(mono), monoAfter - startBefore} {
			binary.LittleEndian.PutUint64(record[8*i:], uint64(v))
		}
		if _, err := out.Write(record[:]); err != nil {
			fail(err)
		}
	}
}

// answer prints a reading for each line that it gets.
func answer() {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		before := raw(clockRealtime)
		shown := time.Now().UnixNano()
		fmt.Println(before, shown, raw(clockRealtime))
	}
}

var sink time.Time

// timeNow reads the clock n times and prints how many nanoseconds of CPU time one
// reading takes: the median over portions, so that what else the machine does
// in between does not count.
func timeNow(n int64) {
	runtime.LockOSThread()
	const portion = 2000
	var took []float64
	for done := int64(0); done < n || len(took) == 0; done += portion {
		start := raw(clockThreadCPU)
		for range portion {
			sink = time.Now()
		}
		took = append(took, float64(raw(clockThreadCPU)-start)/portion)
	}
	slices.Sort(took)
	fmt.Println(took[len(took)/2])
}
