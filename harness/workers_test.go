package harness

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/generator"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/workloads"
)

// memory keeps events and refuses what history.Writer would refuse.
type memory struct {
	mu     sync.Mutex
	events []history.Event
	fail   error
}

func (m *memory) Append(e *history.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.events = append(m.events, *e)
	return nil
}

// scripted is a client whose writes end as the test says.
type scripted struct {
	write func(ctx context.Context, value int64) error
	read  func() (target.Reading, error)
}

func (scripted) Ready(context.Context) error { return nil }
func (scripted) Close() error                { return nil }
func (s scripted) Read(context.Context, string) (target.Reading, error) {
	return s.read()
}
func (s scripted) Write(ctx context.Context, _ string, value int64) (*history.Evidence, error) {
	return nil, s.write(ctx, value)
}

func writesOf(values ...int64) generator.Generator {
	var list []generator.Operation
	for _, v := range values {
		list = append(list, generator.Operation{F: history.FWrite, Key: "k", Node: "n1", Value: history.IntValue(v)})
	}
	return generator.Sequences{list}
}

func newTestClients(m *memory, workers int, client target.Client) *clients {
	config := workloads.Config{Seed: 1, Nodes: []string{"n1", "n2"}, Concurrency: workers}
	connect := func(string) (target.Client, error) { return client, nil }
	return newClients(NewRecorder(m), workloads.Register{}, config, connect, 50*time.Millisecond)
}

func TestAnInfoRetiresTheProcess(t *testing.T) {
	m := &memory{}
	client := scripted{write: func(_ context.Context, value int64) error {
		switch value {
		case 2:
			return &target.Error{Message: "timeout"}
		case 3:
			return &target.Error{Definite: true, Message: "unavailable"}
		case 4:
			panic("a bug in a client")
		}
		return nil
	}}
	pool := newTestClients(m, 1, client)
	pool.workers = append(pool.workers, pool.workers[0]) // a concurrency of two, one of them idle
	pool.workers = pool.workers[:2]
	require.NoError(t, pool.work(t.Context(), time.Now(), pool.workers[0], writesOf(1, 2, 3, 4, 5), false))

	var got []string
	for _, e := range m.events {
		if e.Type != history.Invoke {
			got = append(got, e.Type.String())
		}
	}
	assert.Equal(t, []string{"ok", "info", "fail", "info", "ok"}, got)
	processes := []history.Process{0, 0, 0, 0, 2, 2, 2, 2, 4, 4}
	for i, e := range m.events {
		assert.Equal(t, processes[i], e.Process, "event %d", i)
	}
	assert.Contains(t, m.events[7].Error, "a bug in a client")
}

func TestAnOperationOutlivesItsPhaseButNotItsDeadline(t *testing.T) {
	m := &memory{}
	stop, cancel := context.WithCancel(t.Context())
	client := scripted{write: func(ctx context.Context, _ int64) error {
		cancel() // the phase ends while the operation is on its way
		<-ctx.Done()
		return ctx.Err()
	}}
	pool := newTestClients(m, 1, client)
	began := time.Now()
	require.NoError(t, pool.run(stop, writesOf(1, 2, 3), false))
	assert.GreaterOrEqual(t, time.Since(began), 50*time.Millisecond, "the operation had its own deadline")
	require.Len(t, m.events, 2, "no operation is begun after the end of the phase")
	assert.Equal(t, history.Info, m.events[1].Type)
}

func TestFinalReadsAreRepeatedUntilTheySucceed(t *testing.T) {
	m := &memory{}
	tries := 0
	client := scripted{read: func() (target.Reading, error) {
		if tries++; tries < 3 {
			return target.Reading{}, errors.New("not yet")
		}
		return target.Reading{Value: 9, Found: true}, nil
	}}
	pool := newTestClients(m, 1, client)
	reads := generator.Sequences{{{F: history.FRead, Key: "k", Node: "n2"}}}
	require.NoError(t, pool.run(t.Context(), reads, true))
	require.Len(t, m.events, 6)
	assert.Equal(t, history.Ok, m.events[5].Type)
	value, _ := m.events[5].Value.Int()
	assert.EqualValues(t, 9, value)
}

func TestARunThatCannotRecordEnds(t *testing.T) {
	m := &memory{fail: errors.New("no space left on device")}
	pool := newTestClients(m, 3, scripted{})
	err := pool.run(t.Context(), generator.Function(func(int, int) (generator.Operation, bool) {
		return generator.Operation{F: history.FRead, Node: "n1"}, true // endless
	}), false)
	assert.ErrorContains(t, err, "no space left")
}

func TestRecordedTimesAndIndexesGrowTogether(t *testing.T) {
	m := &memory{}
	client := scripted{write: func(context.Context, int64) error { return nil }}
	pool := newTestClients(m, 8, client)
	g := generator.Function(func(worker, index int) (generator.Operation, bool) {
		return generator.Operation{F: history.FWrite, Key: "k", Node: "n1", Value: history.IntValue(int64(worker*1000 + index))}, index < 200
	})
	require.NoError(t, pool.run(t.Context(), g, false))
	require.Len(t, m.events, 8*200*2)
	for i, e := range m.events {
		require.EqualValues(t, i, e.Index)
		if i > 0 {
			require.GreaterOrEqual(t, e.Time, m.events[i-1].Time)
		}
	}
	assert.Equal(t, Counts{Invoked: 1600, Ok: 1600}, pool.recorder.Counts())
	assert.Equal(t, []string{"k"}, pool.recorder.Keys())
}

// swapper is a client whose compare-and-sets end as the test says.
type swapper struct {
	scripted
	swap func(old *int64, new int64) (target.Swap, error)
}

func (s swapper) CompareAndSet(_ context.Context, _ string, old *int64, new int64) (target.Swap, error) {
	return s.swap(old, new)
}

// What is recorded as invoked is the operation as its client prepared it, from
// what its process has learnt; another process knows nothing.
func TestOperationsArePreparedFromWhatTheirProcessKnows(t *testing.T) {
	m := &memory{}
	client := swapper{swap: func(_ *int64, new int64) (target.Swap, error) {
		switch new {
		case 2:
			return target.Swap{Actual: target.Reading{Value: 7, Found: true}}, nil
		case 3:
			return target.Swap{}, &target.Error{Message: "timeout"}
		}
		return target.Swap{Swapped: true}, nil
	}}
	pool := newTestClients(m, 1, client)
	pool.workload = workloads.CAS{}
	var list []generator.Operation
	for _, new := range []int64{1, 2, 3, 4} {
		list = append(list, generator.Operation{F: history.FCAS, Key: "k", Node: "n1", Value: history.IntValue(new)})
	}
	require.NoError(t, pool.run(t.Context(), generator.Sequences{list}, false))
	require.Len(t, m.events, 8)
	assert.Equal(t, "[null,1]", string(m.events[0].Value.Raw()))
	assert.Equal(t, []int64{1, 2}, m.events[2].Value.List())
	assert.Equal(t, history.Fail, m.events[3].Type)
	assert.Equal(t, []int64{7, 3}, m.events[4].Value.List(), "it was told what is there")
	assert.Equal(t, history.Info, m.events[5].Type)
	assert.Equal(t, "[null,4]", string(m.events[6].Value.Raw()), "another process")
	assert.EqualValues(t, 1, m.events[6].Process)
}
