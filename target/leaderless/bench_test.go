package leaderless_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/target"
)

// BenchmarkCluster drives five real nodes on this machine with ten clients,
// half reads and half writes.
func BenchmarkCluster(b *testing.B) {
	for _, fsync := range []string{"never", "always"} {
		b.Run("fsync="+fsync, func(b *testing.B) {
			p := startProcesses(b, 5, map[string]string{"fsync": fsync})
			before := p.processorTime()
			drive(b, p, 10)
			b.ReportMetric(float64((p.processorTime()-before).Microseconds())/float64(b.N), "node-CPU-µs/op")
		})
	}
}

// BenchmarkClient drives one node without replication: the client's own cost.
func BenchmarkClient(b *testing.B) {
	p := startProcesses(b, 1, map[string]string{"fsync": "never", "n": "1", "w": "1", "r": "1"})
	drive(b, p, 10)
}

// drive makes b.N operations with that many clients, spread over the nodes.
func drive(b *testing.B, p *processes, clients int) {
	p.eventually("a first write", func(ctx context.Context) bool { _, err := p.register(0).Write(ctx, "k0", 0); return err == nil })
	registers := make([]target.Register, clients)
	for i := range registers {
		registers[i] = p.register(i % len(p.names))
	}
	var next, failed atomic.Int64
	var group sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for _, register := range registers {
		group.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				var err error
				if key := "k" + strconv.FormatInt(i%20, 10); i%2 == 0 {
					_, err = register.Write(ctx, key, i)
				} else {
					_, err = register.Read(ctx, key)
				}
				if cancel(); err != nil {
					failed.Add(1)
				}
			}
		})
	}
	group.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
	require.Less(b, failed.Load(), int64(b.N)/100+1, "operations failed")
}

// processorTime returns the processor time that all nodes have used.
func (p *processes) processorTime() (total time.Duration) {
	for _, command := range p.running {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", command.Process.Pid))
		if err != nil {
			continue
		}
		// proc(5): utime and stime are fields 14 and 15, in hundredths of a second.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		for _, field := range fields[11:13] {
			ticks, _ := strconv.ParseInt(field, 10, 64)
			total += time.Duration(ticks) * 10 * time.Millisecond
		}
	}
	return total
}
