package nemesis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

var allKinds = []string{Partition, Pause, Kill, Clock}

// A whole random schedule: everything is injected on time, verified, healed
// on time, verified, and nothing is left.
func TestRandomSchedulesAreVerifiedAndHealed(t *testing.T) {
	for seed := range uint64(40) {
		nodes := 3 + int(seed%5)
		t.Run(fmt.Sprintf("seed %d on %d nodes", seed, nodes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(nodes)
				schedule := Schedule(seed, allKinds, b.nodes, 30*time.Second, ScheduleOptions{})
				require.NotEmpty(t, schedule)
				require.NoError(t, b.nemesis.Run(t.Context(), schedule))
				require.Empty(t, b.harm())
				require.Empty(t, b.nemesis.Active())
				require.Less(t, time.Since(b.tape.started), 30*time.Second)
				for _, f := range schedule {
					begun, _, injected := b.tape.of(t, history.FInject, f.ID)
					ended, _, healed := b.tape.of(t, history.FHeal, f.ID)
					assert.Truef(t, injected.Verified, "%+v: %+v", f, injected)
					assert.Truef(t, healed.Verified, "%+v: %+v", f, healed)
					assert.NotEmpty(t, injected.Evidence)
					assert.NotEmpty(t, healed.Evidence)
					assert.InDelta(t, int64(f.At), begun.Time, float64(10*time.Millisecond))
					assert.InDelta(t, int64(f.At+f.Duration), ended.Time, float64(50*time.Millisecond))
				}
			})
		})
	}
}

func partitionFault(id string, at, duration plan.Duration, cuts []history.Cut) plan.Fault {
	return plan.Fault{ID: id, Kind: Partition, At: at, Duration: duration, Cuts: cuts}
}

func fault(id, kind string, at, duration plan.Duration, targets ...string) plan.Fault {
	return plan.Fault{ID: id, Kind: kind, At: at, Duration: duration, Targets: targets}
}

func clockFaultOf(id string, at, duration plan.Duration, c plan.Clock, targets ...string) plan.Fault {
	return plan.Fault{ID: id, Kind: Clock, At: at, Duration: duration, Targets: targets, Clock: &c}
}

var (
	halves = SplitCuts([]string{"n1", "n2"}, []string{"n3", "n4", "n5"})
	bump   = plan.Clock{Offset: ms(3200)}
	strobe = plan.Clock{Period: ms(7), Delta: ms(300)}
	drift  = plan.Clock{RatePPM: -20_000}
)

// What is said of faults that work.
func TestEvidence(t *testing.T) {
	tests := []struct {
		name            string
		fault           plan.Fault
		inject, healing string // regular expressions
	}{
		{"partition", partitionFault("f1", s(1), s(2), halves),
			`^12 of 12 cut links silent, 8 of 8 open links answered, cut in 400µs$`, `^20 of 20 open links answered, mended in 400µs$`},
		{"one-way", partitionFault("f1", s(1), s(2), OneWayCuts([]string{"n1"}, []string{"n2"})),
			`^1 of 1 cut links silent, 19 of 19 open links answered`, `^20 of 20 open links`},
		{"pause", fault("f1", Pause, s(1), s(2), "n2", "n1"),
			`^n1: state TT, pid 17; n2: state TT, pid 18$`, `^n1: state S, pid 17; n2: state S, pid 18$`},
		{"kill", fault("f1", Kill, s(1), s(2), "n1", "n3"),
			`^n1: signal: killed, pid 17 gone; n3: signal: killed, pid 19 gone$`, `^n1: pid 102 ready after [0-9.]+ms; n3: pid 102 ready after [0-9.]+ms$`},
		{"bump", clockFaultOf("f1", s(1), s(2), bump, "n2"), `^n2's own clock \+3.2s ±200µs$`, `^n2's own clock (\+0s|-?[0-9]+ns) ±200µs$`},
		{"strobe", clockFaultOf("f1", s(1), s(2), strobe, "n2"), `^n2's own clock between \+0s and \+300ms in \d+ readings$`, `^n2's own clock \+0s ±200µs$`},
		{"drift", clockFaultOf("f1", s(1), s(2), drift, "n2"), `^n2's own clock -[23]\.\d+ms ±200µs$`, `^n2's own clock \+0s ±200µs$`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(5)
				require.NoError(t, b.nemesis.Run(t.Context(), []plan.Fault{test.fault}))
				_, _, injected := b.tape.of(t, history.FInject, "f1")
				_, _, healed := b.tape.of(t, history.FHeal, "f1")
				assert.True(t, injected.Verified)
				assert.True(t, healed.Verified)
				assert.Regexp(t, test.inject, injected.Evidence)
				assert.Regexp(t, test.healing, healed.Evidence)
				assert.Equal(t, Describe(b.nodes, test.fault), injected.Description)
				if test.fault.Clock != nil && test.fault.Clock.Offset != 0 {
					assert.InDelta(t, int64(test.fault.Clock.Offset), injected.Offset, float64(time.Millisecond))
				}
			})
		})
	}
}

// The heart of the package: what did not happen is not believed. Each world
// breaks one thing and answers as if nothing were wrong.
func TestLiesAreFoundOut(t *testing.T) {
	split := partitionFault("f1", s(1), s(2), halves)
	on := func(node string, lie func(*world)) func(*world) {
		return func(w *world) {
			lie(w)
			everywhere := w.lie
			w.lie = func(n string, r protocol.Request) (any, bool, error) {
				if n != node {
					return nil, false, nil
				}
				return everywhere(n, r)
			}
		}
	}
	refuse := func(op, reason string) func(*world) {
		return func(w *world) {
			w.lie = func(_ string, r protocol.Request) (any, bool, error) {
				if r.Op == op {
					return nil, false, errors.New(reason)
				}
				return nil, false, nil
			}
		}
	}
	tests := []struct {
		name           string
		fault          plan.Fault
		lie            func(*world)
		injected, ends bool
		evidence       string // of the injection, or of the healing where the injection is right
	}{
		{"cut does nothing", split, ignore(protocol.OpCut), false, true, "0 of 12 cut links silent, 8 of 8 open links answered, got through: n1→n3"},
		{"cut does nothing on one node", split, on("n4", ignore(protocol.OpCut)), false, true, "10 of 12 cut links silent, 8 of 8 open links answered, got through: n1→n4, n2→n4"},
		{"cut is refused", split, refuse(protocol.OpCut, "operation not permitted"), false, true, "n1: cut: operation not permitted"},
		{"cut takes more than it should", split, func(w *world) { w.deaf[history.Cut{From: "n1", To: "n2"}] = true }, false, false, "no answer: n1→n2"},
		{"probes are never sent", split, ignore(protocol.OpProbeSend), false, false, "0 of 8 open links answered"},
		{"probes cannot be sent", split, refuse(protocol.OpProbeSend, "no socket"), false, false, "0 of 12 cut links silent"},
		{"probes are never heard", split, refuse(protocol.OpProbeSeen, "no socket"), false, false, "0 of 12 cut links silent"},
		{"mend does nothing", split, ignore(protocol.OpMend), true, false, "8 of 20 open links answered, no answer: n1→n3"},
		{"mend is refused", split, refuse(protocol.OpMend, "no"), true, false, "mend: no"},
		{"pause does nothing", fault("f1", Pause, s(1), s(2), "n1"), ignore(protocol.OpPause), false, true, "n1: state S, pid 17"},
		{"pause does nothing on one node", fault("f1", Pause, s(1), s(2), "n1", "n2"), on("n2", ignore(protocol.OpPause)), false, true, "n1: state TT, pid 17; n2: state S, pid 18"},
		{"resume does nothing", fault("f1", Pause, s(1), s(2), "n1"), ignore(protocol.OpResume), true, false, "n1: state TT, pid 17"},
		{"kill does nothing", fault("f1", Kill, s(1), s(2), "n1"), ignore(protocol.OpKill), false, true, "n1: not killed, state S, pid 17"},
		{"kill is done but refused", fault("f1", Kill, s(1), s(2), "n1"), func(w *world) {
			w.lie = func(node string, r protocol.Request) (any, bool, error) {
				if r.Op == protocol.OpKill {
					w.mu.Lock()
					defer w.mu.Unlock()
					w.node[node].pid, w.node[node].exit = 0, "signal: killed"
					return nil, false, errors.New("no exit report")
				}
				return nil, false, nil
			}
		}, false, true, "n1: kill: no exit report; n1: signal: killed, pid 17 gone"},
		{"killed by something else", fault("f1", Kill, s(1), s(2), "n1"), func(w *world) {
			w.lie = func(node string, r protocol.Request) (any, bool, error) {
				if r.Op == protocol.OpKill {
					w.mu.Lock()
					defer w.mu.Unlock()
					w.node[node].pid, w.node[node].exit = 0, "exit status 2"
					return w.node[node].process(), true, nil
				}
				return nil, false, nil
			}
		}, false, true, "n1: exit status 2, pid 17 gone"},
		{"down before the kill", fault("f1", Kill, s(1), s(2), "n1"), func(w *world) {
			w.node["n1"].pid, w.node["n1"].exit = 0, "signal: killed"
		}, false, true, "n1: was down before it was killed (signal: killed)"},
		{"spawn does nothing", fault("f1", Kill, s(1), s(2), "n1"), ignore(protocol.OpSpawn), true, false, "n1: no process runs (signal: killed)"},
		{"never ready", fault("f1", Kill, s(1), s(2), "n1"), func(w *world) { w.startup = time.Hour - time.Minute }, true, false, "not ready: connection refused"},
		{"bump does nothing", clockFaultOf("f1", s(1), s(2), bump, "n1"), ignore(protocol.OpClockSet), false, true, "n1's own clock +0s ±200µs, expected +3.2s"},
		{"bump is too small", clockFaultOf("f1", s(1), s(2), bump, "n1"), changeClock(func(c *protocol.Clock) { c.OffsetNanos /= 2 }), false, true, "n1's own clock +1.6s ±200µs, expected +3.2s"},
		{"small bump does nothing", clockFaultOf("f1", s(1), s(2), plan.Clock{Offset: ms(10)}, "n1"), ignore(protocol.OpClockSet), false, true, "expected +10ms"},
		{"strobe does nothing", clockFaultOf("f1", s(1), s(2), strobe, "n1"), ignore(protocol.OpClockSet), false, true, "expected a strobe of +300ms"},
		{"strobe stays high", clockFaultOf("f1", s(1), s(2), strobe, "n1"), changeClock(func(c *protocol.Clock) {
			*c = protocol.Clock{OffsetNanos: c.DeltaNanos}
		}), false, true, "expected a strobe of +300ms"},
		{"fast strobe stays low", clockFaultOf("f1", s(1), s(2), plan.Clock{Period: plan.Duration(100 * time.Microsecond), Delta: ms(10)}, "n1"),
			ignore(protocol.OpClockSet), false, true, "expected a strobe of +10ms"},
		{"drift does nothing", clockFaultOf("f1", s(1), s(2), drift, "n1"), ignore(protocol.OpClockSet), false, true, "expected -"},
		{"drift goes the other way", clockFaultOf("f1", s(1), s(2), drift, "n1"), changeClock(func(c *protocol.Clock) { c.RatePPM = -c.RatePPM }), false, true, "expected -"},
		{"clock is not set right", clockFaultOf("f1", s(1), s(2), bump, "n1"), ignore(protocol.OpClockClear), true, false, "n1's own clock +3.2s ±200µs, expected +0s"},
		{"strobe is not ended", clockFaultOf("f1", s(1), s(2), strobe, "n1"), ignore(protocol.OpClockClear), true, false, "n1's own clock +300ms ±200µs, expected +0s"},
		{"drift is not ended", clockFaultOf("f1", s(1), s(2), drift, "n1"), ignore(protocol.OpClockClear), true, false, "n1's own clock -"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(5, test.lie, func(w *world) {
					// The agents that lie about healing must not be saved by the lease here.
					lie := w.lie
					w.lie = func(node string, r protocol.Request) (any, bool, error) {
						if lie == nil {
							return nil, false, nil
						}
						answer, lied, err := lie(node, r)
						if lied || err != nil {
							w.mu.Lock()
							w.endLease(node, r.Fault)
							w.mu.Unlock()
						}
						return answer, lied, err
					}
				})
				err := b.nemesis.Run(t.Context(), []plan.Fault{test.fault})
				_, _, injected := b.tape.of(t, history.FInject, "f1")
				_, _, healed := b.tape.of(t, history.FHeal, "f1")
				assert.Equal(t, test.injected, injected.Verified, injected.Evidence)
				assert.Equal(t, test.ends, healed.Verified, healed.Evidence)
				if test.injected {
					assert.Contains(t, healed.Evidence, test.evidence)
				} else {
					assert.Contains(t, injected.Evidence, test.evidence)
				}
				var notHealed *NotHealedError
				assert.Equal(t, !test.ends, errors.As(err, &notHealed), "%v", err)
			})
		})
	}
}

// A port that answers is no proof that the process was started: something else may listen there.
func TestRestartNeedsAProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(3, ignore(protocol.OpSpawn), func(w *world) { w.noLeases = true })
		n := New(Config{Cluster: b.world, Ready: yes{}, Recorder: b.tape})
		var notHealed *NotHealedError
		require.ErrorAs(t, n.Run(t.Context(), []plan.Fault{fault("f1", Kill, s(1), s(1), "n1")}), &notHealed)
		assert.Contains(t, notHealed.Evidence, "n1: no process runs")
	})
}

type yes struct{}

func (yes) Ready(context.Context, string) error { return nil }

// changeClock makes the agents set another clock than they were told.
func changeClock(change func(*protocol.Clock)) func(*world) {
	return func(w *world) {
		w.lie = func(_ string, r protocol.Request) (any, bool, error) {
			if r.Op == protocol.OpClockSet {
				change(r.Clock)
			}
			return nil, false, nil
		}
	}
}

func TestOverlappingPartitionsHealAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(5)
		var seen sync.Map
		go func() {
			time.Sleep(3500 * time.Millisecond) // f1 is healed, f2 is not
			b.mu.Lock()
			defer b.mu.Unlock()
			seen.Store("n1 drops n3", len(b.node["n1"].cuts["f2"]) > 0 && len(b.node["n1"].cuts["f1"]) == 0)
		}()
		schedule := []plan.Fault{
			partitionFault("f1", s(1), s(2), halves),
			partitionFault("f2", ms(1050), s(4), SplitCuts([]string{"n1"}, []string{"n3", "n4"})),
			partitionFault("f3", ms(2950), ms(700), OneWayCuts([]string{"n5"}, []string{"n4"})),
		}
		require.NoError(t, b.nemesis.Run(t.Context(), schedule))
		still, _ := seen.Load("n1 drops n3")
		assert.Equal(t, true, still, "healing f1 leaves f2 alone")
		for _, f := range schedule {
			_, _, injected := b.tape.of(t, history.FInject, f.ID)
			_, _, healed := b.tape.of(t, history.FHeal, f.ID)
			assert.True(t, injected.Verified, injected.Evidence)
			assert.True(t, healed.Verified, healed.Evidence)
		}
		_, _, healed := b.tape.of(t, history.FHeal, "f1")
		assert.Contains(t, healed.Evidence, "5 links cut by other faults")
		assert.Empty(t, b.harm())
	})
}

// The cut of one fault must not pass for the cut of another that does nothing, once they are not the same link.
func TestBrokenCutBehindAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(4, func(w *world) {
			w.lie = func(_ string, r protocol.Request) (any, bool, error) {
				return protocol.Cuts{}, r.Op == protocol.OpCut && r.Fault == "f2", nil
			}
		})
		require.NoError(t, b.nemesis.Run(t.Context(), []plan.Fault{
			partitionFault("f1", s(1), s(3), SplitCuts([]string{"n1"}, []string{"n2"})),
			partitionFault("f2", s(2), s(1), SplitCuts([]string{"n1"}, []string{"n2", "n3"})),
		}))
		_, _, injected := b.tape.of(t, history.FInject, "f2")
		assert.False(t, injected.Verified)
		assert.Contains(t, injected.Evidence, "2 of 4 cut links silent")
		assert.Contains(t, injected.Evidence, "got through: n1→n3, n3→n1")
	})
}

// Plans written by hand may do what random schedules don't.
func TestFaultsOnOneNode(t *testing.T) {
	tests := []struct {
		name     string
		schedule []plan.Fault
	}{
		{"clock set while paused", []plan.Fault{fault("f1", Pause, s(1), s(2), "n1"), clockFaultOf("f2", s(2), s(3), bump, "n1")}},
		{"clock set while down", []plan.Fault{fault("f1", Kill, s(1), s(2), "n1"), clockFaultOf("f2", s(2), s(3), strobe, "n1")}},
		{"clock set right while paused for long", []plan.Fault{clockFaultOf("f1", s(1), s(2), bump, "n1"), fault("f2", Pause, s(2), s(30), "n1")}},
		{"two skews", []plan.Fault{clockFaultOf("f1", s(1), s(4), bump, "n1"), clockFaultOf("f2", s(2), s(1), drift, "n1")}},
		{"skew and strobe", []plan.Fault{clockFaultOf("f1", s(1), s(3), strobe, "n1"), clockFaultOf("f2", s(2), s(4), bump, "n1")}},
		{"killed while paused", []plan.Fault{fault("f1", Pause, s(1), s(3), "n1"), fault("f2", Kill, s(2), s(3), "n1")}},
		{"two pauses", []plan.Fault{fault("f1", Pause, s(1), s(3), "n1"), fault("f2", Pause, s(2), s(3), "n1", "n2")}},
		{"two kills", []plan.Fault{fault("f1", Kill, s(1), s(3), "n1"), fault("f2", Kill, s(2), s(3), "n1", "n2")}},
		{"killed and started while skewed", []plan.Fault{clockFaultOf("f1", s(1), s(5), bump, "n1"), fault("f2", Kill, s(2), s(1), "n1")}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(3)
				require.NoError(t, b.nemesis.Run(t.Context(), test.schedule))
				for _, f := range test.schedule {
					_, _, injected := b.tape.of(t, history.FInject, f.ID)
					_, _, healed := b.tape.of(t, history.FHeal, f.ID)
					assert.Truef(t, injected.Verified, "%s: %s", f.ID, injected.Evidence)
					assert.Truef(t, healed.Verified, "%s: %s", f.ID, healed.Evidence)
				}
				assert.Empty(t, b.harm())
			})
		})
	}
}

// A clock that cannot be read for the whole of its fault is not verified.
func TestClockBehindPauseIsNotVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(3)
		require.NoError(t, b.nemesis.Run(t.Context(), []plan.Fault{
			fault("f1", Pause, s(1), s(6), "n1"), clockFaultOf("f2", s(2), s(2), bump, "n1")}))
		_, completion, injected := b.tape.of(t, history.FInject, "f2")
		assert.False(t, injected.Verified)
		assert.Contains(t, injected.Evidence, "n1's own clock could not be read")
		assert.Contains(t, completion.Error, "not verified")
		_, _, healed := b.tape.of(t, history.FHeal, "f2")
		assert.True(t, healed.Verified, "seen after the pause: %s", healed.Evidence)
	})
}

// On a remote engine the nodes' clocks differ from the controller's to begin with.
func TestRemoteClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(3, func(w *world) { w.remote = -41 * time.Second })
		require.NoError(t, b.nemesis.Run(t.Context(), []plan.Fault{clockFaultOf("f1", s(1), s(2), bump, "n1")}))
		_, _, injected := b.tape.of(t, history.FInject, "f1")
		assert.True(t, injected.Verified, injected.Evidence)
		_, _, healed := b.tape.of(t, history.FHeal, "f1")
		assert.True(t, healed.Verified, healed.Evidence)
	})
}

// The slowest network on which a 10 ms bump can be told from none is slower than this one.
func TestSmallBumpOnSlowNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(3, func(w *world) { w.latency = 2 * time.Millisecond })
		require.NoError(t, b.nemesis.Run(t.Context(), []plan.Fault{clockFaultOf("f1", s(1), s(2), plan.Clock{Offset: ms(-10)}, "n1")}))
		_, _, injected := b.tape.of(t, history.FInject, "f1")
		assert.True(t, injected.Verified, injected.Evidence)
	})
	synctest.Test(t, func(t *testing.T) {
		b := newBench(3, func(w *world) { w.latency = 10 * time.Millisecond })
		require.NoError(t, b.nemesis.Run(t.Context(), []plan.Fault{clockFaultOf("f1", s(1), s(2), plan.Clock{Offset: ms(-10)}, "n1")}))
		_, _, injected := b.tape.of(t, history.FInject, "f1")
		assert.False(t, injected.Verified, "nobody can tell: %s", injected.Evidence)
	})
}

func TestActive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(5)
		done := make(chan error, 1)
		go func() {
			done <- b.nemesis.Run(t.Context(), []plan.Fault{partitionFault("f1", s(1), s(4), halves), fault("f2", Kill, s(2), s(1), "n1", "n3")})
		}()
		var seen [][]string
		for range 5 {
			time.Sleep(1100 * time.Millisecond)
			seen = append(seen, b.nemesis.Active())
		}
		require.NoError(t, <-done)
		split := "{n1 n2} | {n3 n4 n5}"
		assert.Equal(t, [][]string{{split}, {split, "kill n1 n3"}, {split}, {split}, {}}, seen)
	})
}

func TestRunRefuses(t *testing.T) {
	b := newBench(3)
	var mistake *ScheduleError
	require.ErrorAs(t, b.nemesis.Run(t.Context(), []plan.Fault{fault("f1", Kill, 0, s(1), "n4")}), &mistake)
	n := New(Config{Cluster: b.world, Ready: b.world, Recorder: b.tape})
	var refused *RefusedError
	require.ErrorAs(t, n.Run(t.Context(), []plan.Fault{clockFaultOf("f1", 0, s(1), bump, "n1")}), &refused)
	assert.Equal(t, Clock, refused.Kind)
	held := partitionFault("f2", 0, s(1), SplitCuts([]string{"n1"}, []string{"n2"}))
	held.Hold = true
	for _, simulated := range []plan.Fault{fault("f2", Power, s(1), s(1), "n1"), diskFault(Full, 0, "n1"), networkFault(plan.Network{LossPPM: 1}, "n1"), held} {
		require.ErrorAs(t, b.nemesis.Run(t.Context(), []plan.Fault{fault("f1", Kill, 0, s(1), "n1"), simulated}), &refused)
		assert.Equal(t, simulated.Kind, refused.Kind)
		assert.Equal(t, []string{simulated.ID}, refused.Faults)
	}
	assert.Empty(t, b.calls, "nothing was done")
	assert.Empty(t, b.tape.events)
}

// What the history would not show does not happen.
func TestNoFaultWithoutRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(3)
		b.tape.err = errors.New("disk full")
		err := b.nemesis.Run(t.Context(), []plan.Fault{fault("f1", Kill, s(1), s(1), "n1")})
		require.ErrorContains(t, err, "recording fault f1: disk full")
		assert.Zero(t, b.count(protocol.OpKill))
	})
}

// The history fills up in the middle: the fault that is in force ends at once.
func TestHealedThoughNotRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(3)
		go func() {
			time.Sleep(1100 * time.Millisecond)
			b.tape.mu.Lock()
			defer b.tape.mu.Unlock()
			b.tape.err = errors.New("disk full")
		}()
		err := b.nemesis.Run(context.Background(), []plan.Fault{partitionFault("f1", s(1), s(20), SplitCuts([]string{"n1"}, []string{"n2", "n3"}))})
		require.ErrorContains(t, err, "disk full")
		assert.Less(t, time.Since(b.tape.started), 3*time.Second)
		assert.Empty(t, b.harm())
	})
}

// An observation in the middle of which another fault begins or ends is repeated, not believed.
func TestChangesDuringVerification(t *testing.T) {
	for step := range 25 {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(3, func(w *world) { w.latency = 1500 * time.Microsecond })
			other := plan.Duration(time.Second + time.Duration(step)*700*time.Microsecond)
			schedule := []plan.Fault{
				clockFaultOf("f1", s(1), s(1), bump, "n1"), clockFaultOf("f2", other, s(1), plan.Clock{Offset: ms(-700)}, "n1"),
				partitionFault("f3", s(1), s(1), OneWayCuts([]string{"n1"}, []string{"n2"})),
				partitionFault("f4", other, s(1), OneWayCuts([]string{"n2"}, []string{"n1", "n3"})),
			}
			require.NoError(t, b.nemesis.Run(t.Context(), schedule))
			for _, f := range schedule {
				_, _, injected := b.tape.of(t, history.FInject, f.ID)
				_, _, healed := b.tape.of(t, history.FHeal, f.ID)
				assert.Truef(t, injected.Verified, "step %d, %s: %s", step, f.ID, injected.Evidence)
				assert.Truef(t, healed.Verified, "step %d, %s: %s", step, f.ID, healed.Evidence)
			}
		})
	}
}
