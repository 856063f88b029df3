package explore_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/explore"
)

// BenchmarkRun explores seeds that refute nothing, with every kind of fault
// and every claim that the configuration keeps.
func BenchmarkRun(b *testing.B) {
	p, system := setUp(b, map[string]string{"n": "5", "w": "3", "r": "3", "repair": "abd"}, everyClaim[:5]...)
	b.ReportAllocs()
	began := processorTime()
	s, err := explore.Run(b.Context(), explore.Config{Base: p, System: system, Kinds: everyKind, FirstSeed: 1, Seeds: uint64(b.N), Workers: 1})
	busy := (processorTime() - began).Seconds()
	require.NoError(b, err)
	require.Equal(b, checker.Holds, s.Verdict)
	b.ReportMetric(float64(s.Seeds)/busy, "seeds/cpu-s")
	b.ReportMetric(float64(s.Operations)/busy, "operations/cpu-s")
	b.ReportMetric(float64(s.Operations)/float64(s.Seeds), "operations/seed")
}

// processorTime is the time that this process has spent on processors: what
// else the machine does then matters less.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
