package harness

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
)

const smallEDN = `{:process 0, :type :invoke, :f :write, :value 5}
{:process 0, :type :ok, :f :write, :value 5}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 1, :type :ok, :f :read, :value 5}
`

func TestARoomBoundsNumberAndMemory(t *testing.T) {
	r := newRoom(3, 100)
	var inside, most, used, mostUsed atomic.Int64
	var all sync.WaitGroup
	for i := range 60 {
		need := int64(i%7) * 20 // 0…120, the last of which is more than there is
		all.Go(func() {
			p := r.enter(need)
			counted := min(need, 100)
			n, m := inside.Add(1), used.Add(counted)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			for old := mostUsed.Load(); m > old && !mostUsed.CompareAndSwap(old, m); old = mostUsed.Load() {
			}
			time.Sleep(time.Millisecond)
			inside.Add(-1)
			used.Add(-counted)
			r.leave(p)
		})
	}
	all.Wait()
	assert.LessOrEqual(t, most.Load(), int64(3))
	assert.LessOrEqual(t, mostUsed.Load(), int64(100))
	assert.Greater(t, most.Load(), int64(1), "more than one at a time")
	assert.False(t, r.leave(r.enter(math.MaxInt64)), "alone")
	first, second := r.enter(1), r.enter(1)
	assert.True(t, r.leave(second))
	assert.True(t, r.leave(first), "was shared, though not to the end")
}

// decided is a checked history with that verdict on one claim.
func decided(path string, v checker.Verdict) *Checked {
	return &Checked{Path: path, Outcome: &Outcome{Report: checker.Report{Verdict: v, Claims: []checker.Result{{Verdict: v}}}}}
}

func TestAHistoryThatWasCrampedIsCheckedAgainAlone(t *testing.T) {
	c := Checking{Parallel: 2, Memory: 1 << 30, Timeout: time.Minute}
	paths := []string{"a", "b", "c"}
	done := []chan *Checked{make(chan *Checked, 1), make(chan *Checked, 1), make(chan *Checked, 1)}
	var inside, calls, ofA atomic.Int64
	var once sync.Once
	both := make(chan struct{})
	c.start(paths, done, func(_ int, path string) *Checked {
		calls.Add(1)
		if inside.Add(1) == 2 {
			once.Do(func() { close(both) })
		}
		defer inside.Add(-1)
		switch {
		case path == "a" && ofA.Add(1) == 1:
			<-both
			return decided(path, checker.Unknown)
		case path == "a":
			assert.EqualValues(t, 1, inside.Load(), "alone")
		case path == "b":
			<-both
		}
		return decided(path, checker.Holds)
	})
	for i := range done {
		one := <-done[i]
		assert.Equal(t, paths[i], one.Path)
		assert.Equal(t, checker.Holds, one.Outcome.Report.Verdict)
	}
	assert.EqualValues(t, 4, calls.Load())

	one := decided("a", checker.Unknown)
	assert.True(t, c.cramped(one))
	one.Seconds = 31
	assert.False(t, c.cramped(one), "it had its time")
	one.Seconds, one.Outcome.Report.Claims[0].Vacuous = 0, true
	assert.False(t, c.cramped(one), "there is nothing in it")
	assert.False(t, c.cramped(decided("-", checker.Unknown)), "it can't be read again")
}

func TestChecksAreShownInTheirOrder(t *testing.T) {
	folder := t.TempDir()
	var paths []string
	for i := range 20 {
		text := smallEDN
		if i%5 == 0 { // takes longer than those after it
			for n := 6; n < 3000; n++ {
				text += fmt.Sprintf("{:process 0, :type :invoke, :f :write, :value %d}\n{:process 0, :type :ok, :f :write, :value %d}\n", n, n)
			}
		}
		path := filepath.Join(folder, fmt.Sprintf("%02d.edn", i))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		paths = append(paths, path)
	}
	var shown []string
	var mu sync.Mutex
	doing := map[string]bool{}
	all, err := CheckAll(t.Context(), Checking{Paths: paths, Parallel: 4, Progress: func(number int, what string) {
		mu.Lock()
		defer mu.Unlock()
		doing[what] = true
		assert.Less(t, number, 20)
	}}, func(c *Checked) {
		require.NoError(t, c.Err)
		shown = append(shown, c.Path)
	})
	require.NoError(t, err)
	assert.Equal(t, paths, shown)
	assert.Zero(t, all.ExitCode())
	assert.True(t, doing["reading"] && doing["checking linearizable"], "%v", doing)
}

func TestAnInterruptedCheckIsUnknown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h.edn")
	require.NoError(t, os.WriteFile(path, []byte(smallEDN), 0o644))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errors bytes.Buffer
	report := CheckReport{Out: &out, Errors: &errors}
	code, err := report.Run(ctx, Checking{Paths: []string{path, path}})
	require.NoError(t, err)
	assert.Equal(t, 2, code)
	assert.Contains(t, out.String(), "not checked")
	assert.Contains(t, errors.String(), "interrupted")
}

func TestTheExitCodeOfManyHistories(t *testing.T) {
	unread := &Checked{Path: "x", Err: os.ErrNotExist}
	for _, c := range []struct {
		verdicts []checker.Verdict
		broken   bool
		code     int
	}{
		{[]checker.Verdict{checker.Holds, checker.Holds}, false, 0},
		{[]checker.Verdict{checker.Holds, checker.Unknown}, false, 2},
		{[]checker.Verdict{checker.Invalid, checker.Unknown}, false, 3},
		{[]checker.Verdict{checker.Invalid, checker.Refuted, checker.Unknown}, false, 1},
		{[]checker.Verdict{checker.Invalid, checker.Unknown}, true, 254},
		{[]checker.Verdict{checker.Holds}, true, 254},
		{[]checker.Verdict{checker.Refuted}, true, 1},
		{nil, true, 254},
	} {
		var all CheckedAll
		for _, v := range c.verdicts {
			all.add(decided("h", v))
		}
		if c.broken {
			all.add(unread)
		}
		code := all.ExitCode()
		if all.Unusable() {
			code = unusable
		}
		assert.Equal(t, c.code, code, "%v", c)
	}
}

func TestProgressLeavesNothingBehind(t *testing.T) {
	var screen bytes.Buffer
	live := &checkLive{out: &screen, width: 40, doing: map[int]string{}}
	live.set(3, "linearizable: 40 of 120 keys")
	live.set(5, "reading")
	live.show(2 * time.Second)
	assert.Contains(t, screen.String(), "0 done  linearizable: 40")
	assert.NotContains(t, screen.String(), "\n")
	live.done(3, func() { screen.WriteString("verdict\n") })
	assert.True(t, strings.HasSuffix(screen.String(), "\r\x1b[Kverdict\n"), "%q", screen.String())
	live.erase()
	assert.True(t, strings.HasSuffix(screen.String(), "verdict\n"), "there is nothing to erase")
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{"512MiB": 512 << 20, "4GiB": 4 << 30, "4 gib": 4 << 30, "1GB": 1e9, "2KB": 2000, "100B": 100, "1TiB": 1 << 40} {
		got, err := ParseSize(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "4", "GiB", "-1GiB", "1.5GiB", "99999999999TiB", "4GiBs"} {
		_, err := ParseSize(text)
		assert.Error(t, err, text)
	}
}

func TestNamesOfEDNFiles(t *testing.T) {
	for path, want := range map[string]string{
		"-": "stdin.edn", "a.jsonl": "a.edn", "./x/history.jsonl.gz": "x-history.edn", "/r/n/t/history.edn": "r-n-t-history.edn",
		"../../y/h.log": "y-h.edn",
	} {
		assert.Equal(t, want, ednName(path), path)
	}
	o := EDNOutput{Path: t.TempDir(), Form: "knossos"}
	assert.ErrorContains(t, o.assign([]string{"a.edn", "a.jsonl"}, true), "would both be written to a.edn")
}
