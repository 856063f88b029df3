package clock

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// nanosPerNow runs the target and returns what one time.Now() takes in it, in
// nanoseconds of CPU time.
func nanosPerNow(b *testing.B, cmd *exec.Cmd) float64 {
	b.Helper()
	out, err := cmd.Output()
	require.NoError(b, err)
	var nanos float64
	_, err = fmt.Sscan(strings.TrimSpace(string(out)), &nanos)
	require.NoError(b, err)
	return nanos
}

// BenchmarkTimeNow compares time.Now() in an ordinary process with time.Now() in
// skewed ones. Run it for a second or more; it is the target that loops.
func BenchmarkTimeNow(b *testing.B) {
	needSkew(b)
	page, path := newPage(b)
	target := program(b, "target")
	start := time.Now().UnixNano()
	unskewed := func(n int) float64 {
		return nanosPerNow(b, exec.Command(target, "time", fmt.Sprint(n)))
	}
	b.Run("unskewed", func(b *testing.B) {
		b.ReportMetric(unskewed(b.N), "ns/op")
	})
	for _, c := range []struct {
		name  string
		flags []string
		skew  Skew
	}{
		{"skewed", nil, Skew{Offset: hour}},
		{"skewed-drift-strobe", nil, Skew{Base: start, Offset: hour, Rate: RatePPM(200), Period: int64(time.Millisecond), Delta: hour}},
		{"skewed-plain", []string{"-plain"}, Skew{Offset: hour}},
	} {
		b.Run(c.name, func(b *testing.B) {
			page.Set(c.skew)
			skewed := nanosPerNow(b, wrappedWith(b, append([]string{"-page", path}, c.flags...), target, "time", fmt.Sprint(b.N)))
			b.ReportMetric(skewed, "ns/op")
		})
	}
	// In turn, so that what else the machine does weighs on both.
	b.Run("ratio", func(b *testing.B) {
		page.Set(Skew{Offset: hour})
		const rounds, n = 11, 300_000
		var ratios []float64
		for range rounds {
			plain := unskewed(n)
			skewed := nanosPerNow(b, wrapped(b, path, target, "time", fmt.Sprint(n)))
			ratios = append(ratios, skewed/plain)
		}
		slices.Sort(ratios)
		b.ReportMetric(ratios[rounds/2], "x-unskewed")
		b.ReportMetric(0, "ns/op")
	})
}

// BenchmarkStart compares starting a program bare with starting it under the wrapper.
func BenchmarkStart(b *testing.B) {
	needSkew(b)
	page, path := newPage(b)
	page.Set(Skew{Offset: hour})
	target, agent := program(b, "target"), program(b, "agent")
	b.Run("bare", func(b *testing.B) {
		for range b.N {
			require.NoError(b, exec.Command(target, "first").Run())
		}
	})
	b.Run("wrapped", func(b *testing.B) {
		for range b.N {
			require.NoError(b, exec.Command(agent, ModeExec, "-page", path, "--", target, "first").Run())
		}
	})
}
