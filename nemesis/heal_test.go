package nemesis

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// oneOfEach is four faults that are in force together from 2 s to 20 s.
func oneOfEach() []plan.Fault {
	return []plan.Fault{
		partitionFault("f1", s(1), s(19), halves),
		fault("f2", Pause, s(1), s(19), "n1"),
		fault("f3", Kill, s(1), s(19), "n2"),
		clockFaultOf("f4", s(1), s(19), bump, "n3"),
		fault("f5", Pause, s(30), s(1), "n1"),
	}
}

func TestEndOfContextHealsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(5)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err := b.nemesis.Run(ctx, oneOfEach())
		assert.Less(t, time.Since(b.tape.started), 6*time.Second)
		assert.Empty(t, b.harm())
		var missing *NotInjectedError
		require.ErrorAs(t, err, &missing)
		assert.Equal(t, []string{"f5"}, missing.Faults)
		for _, id := range []string{"f1", "f2", "f3", "f4"} {
			_, _, healed := b.tape.of(t, history.FHeal, id)
			assert.True(t, healed.Verified, healed.Evidence)
		}
		assert.Len(t, b.tape.events, 16, "nothing was recorded of f5")
	})
}

// The context may end in the middle of an injection or of its verification.
func TestEndOfContextAtAnyMoment(t *testing.T) {
	for microseconds := 100; microseconds < 200_000; microseconds += microseconds/2 + 77 {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(5)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second+time.Duration(microseconds)*time.Microsecond)
			defer cancel()
			_ = b.nemesis.Run(ctx, oneOfEach())
			assert.Empty(t, b.harm())
			for _, id := range []string{"f1", "f2", "f3", "f4"} {
				b.tape.of(t, history.FInject, id)
				_, _, healed := b.tape.of(t, history.FHeal, id)
				assert.True(t, healed.Verified, healed.Evidence)
			}
		})
	}
}

func TestHealAllEndsTheSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(5)
		done := make(chan error, 1)
		go func() { done <- b.nemesis.Run(context.Background(), oneOfEach()) }()
		time.Sleep(5 * time.Second)
		assert.Len(t, b.nemesis.Active(), 4)
		require.NoError(t, b.nemesis.HealAll(t.Context()))
		assert.Less(t, time.Since(b.tape.started), 6*time.Second)
		assert.Empty(t, b.harm())
		var missing *NotInjectedError
		require.ErrorAs(t, <-done, &missing)
	})
}

// What a dead controller left behind is healed by one that knows nothing of it.
func TestHealAllNeedsNoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(3)
		for _, r := range []protocol.Request{
			{Op: protocol.OpCut, Addresses: []string{"10.0.0.2"}}, {Op: protocol.OpPause},
			{Op: protocol.OpClockSet, Clock: &protocol.Clock{OffsetNanos: 1e9}},
		} {
			r.Fault, r.LeaseMillis = "old", time.Hour.Milliseconds()
			_, err := b.Call(t.Context(), "n1", r)
			require.NoError(t, err)
		}
		b.node["n2"].pid = 0 // crashed by itself
		require.Len(t, b.harm(), 2)
		require.NoError(t, b.nemesis.HealAll(t.Context()))
		assert.Empty(t, b.harm())
		assert.Empty(t, b.tape.events)
	})
}

func TestHealAllSaysWhatItCouldNotHeal(t *testing.T) {
	tests := []struct {
		name string
		lie  func(*world)
		want []string
	}{
		{"a node that stays paused", func(w *world) {
			w.node["n2"].pauses["old"] = true
			ignore(protocol.OpReset)(w)
		}, []string{"n2: its process does not run: state TT, pid 18"}},
		{"a node that does not start", func(w *world) {
			w.node["n3"].pid = 0
			ignore(protocol.OpSpawn)(w)
		}, []string{"n3: its process does not run: no process runs"}},
		{"a node that does not answer", func(w *world) { w.node["n1"].started = time.Now().Add(time.Hour) }, []string{"n1: it does not answer: connection refused"}},
		{"a clock that stays wrong", func(w *world) {
			w.node["n2"].skews["old"] = worldSkew{Clock: protocol.Clock{OffsetNanos: -5e8}, base: time.Now()}
			ignore(protocol.OpReset)(w)
		}, []string{"n2: its clock is still off by -500ms"}},
		{"a link that stays cut", func(w *world) { w.deaf[history.Cut{From: "n1", To: "n3"}] = true }, []string{"not every link is open again", "no answer: n1→n3"}},
		{"an agent that is gone", func(w *world) {
			w.lie = func(node string, _ protocol.Request) (any, bool, error) {
				if node == "n2" {
					return nil, false, errors.New("connection lost")
				}
				return nil, false, nil
			}
		}, []string{"n2: reset: connection lost"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(3, test.lie)
				err := b.nemesis.HealAll(t.Context())
				for _, want := range test.want {
					require.ErrorContains(t, err, want)
				}
				assert.Less(t, time.Since(b.tape.started), 25*time.Second)
			})
		})
	}
}

// An agent that never answers does not keep the others from healing, nor the nemesis from returning.
func TestHealingDoesNotWaitForTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(5)
		stuck := &stuckCluster{world: b.world, node: "n4", from: time.Now().Add(2 * time.Second)}
		b.nemesis = New(Config{Cluster: stuck, Ready: b.world, Clock: b.world, Recorder: b.tape})
		err := b.nemesis.Run(t.Context(), []plan.Fault{partitionFault("f1", s(1), s(2), halves)})
		var notHealed *NotHealedError
		require.ErrorAs(t, err, &notHealed)
		assert.Contains(t, notHealed.Evidence, "n4: mend: context deadline exceeded")
		for _, node := range []string{"n1", "n2", "n3", "n5"} {
			assert.Empty(t, b.node[node].cuts, node)
		}
		assert.Less(t, time.Since(b.tape.started), 60*time.Second)
	})
}

// stuckCluster is a world in which one node's agent stops answering.
type stuckCluster struct {
	*world
	node string
	from time.Time
}

func (c *stuckCluster) Call(ctx context.Context, node string, r protocol.Request) (protocol.Response, error) {
	if node == c.node && time.Now().After(c.from) {
		<-ctx.Done()
		return protocol.Response{}, ctx.Err()
	}
	return c.world.Call(ctx, node, r)
}

func TestHealingIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failures := 2
		b := newBench(3, func(w *world) {
			w.lie = func(node string, r protocol.Request) (any, bool, error) {
				if r.Op == protocol.OpMend && node == "n2" && failures > 0 {
					failures--
					return nil, false, errors.New("try again")
				}
				return nil, false, nil
			}
		})
		require.NoError(t, b.nemesis.Run(t.Context(), []plan.Fault{partitionFault("f1", s(1), s(2), SplitCuts([]string{"n1"}, []string{"n2", "n3"}))}))
		_, _, healed := b.tape.of(t, history.FHeal, "f1")
		assert.True(t, healed.Verified)
		assert.Contains(t, healed.Evidence, "try 3")
	})
}

// Long faults last: their leases are renewed. A controller that dies takes them with it.
func TestLeases(t *testing.T) {
	for _, f := range oneOfEach()[:4] {
		t.Run(f.Kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(5)
				go func() { _ = b.nemesis.Run(t.Context(), []plan.Fault{f}) }()
				for second := 2; second < 20; second++ {
					time.Sleep(time.Until(b.tape.started.Add(time.Duration(second) * time.Second)))
					require.NotEmptyf(t, b.harm(), "the fault ended by itself before second %d", second)
				}
				time.Sleep(3 * time.Second)
				_, _, healed := b.tape.of(t, history.FHeal, "f"+f.ID[1:])
				assert.NotContains(t, healed.Evidence, "lease")
			})
			synctest.Test(t, func(t *testing.T) {
				b := newBench(5)
				died := time.Now().Add(6 * time.Second)
				dying := &dyingCluster{world: b.world, at: died}
				n := New(Config{Cluster: dying, Ready: b.world, Clock: b.world, Recorder: b.tape})
				go func() { _ = n.Run(t.Context(), []plan.Fault{f}) }()
				time.Sleep(time.Until(died))
				require.NotEmpty(t, b.harm())
				time.Sleep(longestLease)
				assert.Empty(t, b.harm(), "the agents healed by themselves")
				time.Sleep(time.Minute) // until Run has given up
			})
		})
	}
}

// dyingCluster is a world whose controller loses every connection at a moment.
type dyingCluster struct {
	*world
	at time.Time
}

func (c *dyingCluster) Call(ctx context.Context, node string, r protocol.Request) (protocol.Response, error) {
	if !time.Now().Before(c.at) {
		return protocol.Response{}, errors.New("connection lost")
	}
	return c.world.Call(ctx, node, r)
}

// A lease that ran out too early means that the fault did not last: the evidence says so.
func TestLostLeaseIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(3)
		go func() {
			time.Sleep(2 * time.Second)
			b.mu.Lock()
			defer b.mu.Unlock()
			b.undo("n1", "f1")
		}()
		require.NoError(t, b.nemesis.Run(t.Context(), []plan.Fault{fault("f1", Pause, s(1), s(10), "n1")}))
		_, _, healed := b.tape.of(t, history.FHeal, "f1")
		assert.Contains(t, healed.Evidence, `lease not renewed: n1: renew: fault "f1" has no lease here`)
	})
}

// An agent that undid the fault by itself says so: then the fault was not in
// force for as long as the history has it, and must not count as verified.
func TestExpiredLeaseIsNotVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(3)
		go func() {
			time.Sleep(4 * time.Second)
			b.nemesis.LeaseExpired("f1", "n1")
			b.nemesis.LeaseExpired("f2", "n1") // not in force: means nothing
		}()
		require.NoError(t, b.nemesis.Run(t.Context(), []plan.Fault{fault("f1", Pause, s(1), s(6), "n1"), fault("f2", Pause, s(9), s(2), "n1")}))
		_, end, healed := b.tape.of(t, history.FHeal, "f1")
		assert.Equal(t, history.Info, end.Type)
		assert.False(t, healed.Verified)
		assert.Contains(t, healed.Evidence, "its lease ran out on n1")
		_, end, healed = b.tape.of(t, history.FHeal, "f2")
		assert.Equal(t, history.Ok, end.Type)
		assert.True(t, healed.Verified)
	})
}
